/* compare_tokens.c - hold a tokenizer against what a reference says of the same strings
 *
 *     compare_tokens VOCABULARY PATTERN SPECIALS STRINGS <ANSWERS
 *
 * PATTERN is that of a .tiktoken file or "auto", SPECIALS "text" or "tokens". STRINGS has
 * for each string u32 flags, u32 size, the bytes; the standard input the reference's answer
 * to each, in the same order: u32 count, u32 size, u32 1 with offsets, else 0, the ids, the
 * offsets, a begin and an end in characters for each id, and `size` bytes that the ids
 * spell. All little-endian. Encodings with and without offsets are both compared.
 *
 * Prints the first differences, then a line "compared" with numbers: strings, bytes, tokens,
 * strings whose offsets and strings whose texts were compared, strings that differ in ids,
 * in offsets, in text. The exit status is 0 when all was compared, whatever came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/tokenizer.h"

enum flag { /* as make_strings.py writes them */
            FLAG_ADD_SPECIAL = 1,
            FLAG_TOKENS = 2,  /* the text of special tokens is those tokens */
            FLAG_REFUSED = 4, /* it is refused */
            FLAG_CUT = 8,     /* to CUT_LENGTH tokens */
            FLAG_OMIT = 32    /* special tokens, where ids are spelt */
};

enum {
    CUT_LENGTH = 16,
    BATCH = 64,      /* strings whose ids lie one behind the other, as in the stage */
    SHOWN = 5,       /* differences */
    SHOWN_BYTES = 48 /* of a string, on each side of the place */
};
static const uint32_t refused = UINT32_MAX, not_spelt = UINT32_MAX;

enum respect { IDS, OFFSETS, TEXTS, RESPECTS };

struct string {
    uint32_t flags, size;
    unsigned char *text;  /* in the batch's arena */
    struct encoding fast; /* without offsets */
    bool is_refused;
};

struct answer {
    uint32_t count, size;
    bool has_offsets;
    uint32_t *ids, *offsets;
    unsigned char *text;
};

struct comparison {
    struct arena *run, *batch, *scratch;
    struct tokenizer *tokenizer;
    enum special_policy specials;
    FILE *strings;
    struct bytes spelt;
    uint64_t number, bytes, tokens, compared[RESPECTS], different[RESPECTS];
    int shown;
};

static _Noreturn void stop(const char *what)
{
    (void)fprintf(stderr, "compare_tokens: %s\n", what);
    exit(2);
}

static void *room_for(struct arena *arena, size_t count, size_t size)
{
    void *room = arena_alloc_raw(arena, count + 1, size, 8);
    if (!room)
        stop("no memory");
    return room;
}

static void read_exactly(FILE *file, void *to, size_t size)
{
    if (size > 0 && fread(to, 1, size, file) != size)
        stop(file == stdin ? "the reference said too little" : "the strings end early");
}

static void open_tokenizer(struct comparison *comparison, const char *path,
                           const char *pattern)
{
    struct error error = {0};
    struct bytes image = {0};
    const struct tokenizer_spec *spec;
    struct arena *work = arena_create(1 << 20, 0);
    enum error_code code = tokenizer_read(path, pattern, work, &spec, &error);
    if (code == OK)
        code = tokenizer_build(spec, work, &image, &error);
    if (code != OK)
        stop(error.text);
    void *mapped = arena_alloc_raw(comparison->run, image.size, 1, 64);
    if (!mapped)
        stop("no memory");
    memcpy(mapped, image.data, image.size);
    if (tokenizer_open(mapped, image.size, comparison->run, &comparison->tokenizer,
                       &error) != OK)
        stop(error.text);
    bytes_clear(&image);
    arena_destroy(work);
}

/* ---- ours ---- */

static struct encode_options options_of(const struct comparison *comparison,
                                        uint32_t flags, bool with_offsets)
{
    return (struct encode_options){.specials = flags & FLAG_TOKENS ? SPECIALS_AS_TOKENS
                                               : flags & FLAG_REFUSED
                                                   ? SPECIALS_REFUSED
                                                   : comparison->specials,
                                   .add_special = flags & FLAG_ADD_SPECIAL,
                                   .max_length = flags & FLAG_CUT ? CUT_LENGTH : 0,
                                   .with_offsets = with_offsets};
}

/* Up to BATCH strings. */
static size_t read_batch(struct comparison *comparison, struct string *strings)
{
    size_t count = 0;
    unsigned char head[8];
    while (count < BATCH && fread(head, 1, sizeof head, comparison->strings) > 0) {
        struct string *string = strings + count++;
        string->flags = load_u32(head);
        string->size = load_u32(head + 4);
        string->text = room_for(comparison->batch, string->size, 1);
        read_exactly(comparison->strings, string->text, string->size);
    }
    return count;
}

/* As the stage does it: straight into one array where that can be. */
static void encode_batch(struct comparison *comparison, struct string *strings,
                         size_t count)
{
    size_t size = 0, total = 0;
    for (size_t i = 0; i < count; i++)
        size += strings[i].size;
    size_t room = tokenizer_room(comparison->tokenizer, size, count);
    uint32_t *ids = room > 0 ? room_for(comparison->batch, room, sizeof *ids) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct string *string = strings + i;
        struct encode_options options = options_of(comparison, string->flags, false);
        struct error error = {0};
        enum error_code code =
            ids ? tokenizer_encode_to(comparison->tokenizer, string->text, string->size,
                                      &options, comparison->scratch, ids + total,
                                      &string->fast, &error)
                : tokenizer_encode(comparison->tokenizer, string->text, string->size,
                                   &options, comparison->batch, &string->fast, &error);
        string->is_refused = code == ERROR_RECORD;
        if (string->is_refused)
            string->fast = (struct encoding){0};
        else if (code != OK)
            stop(error.text);
        total += string->fast.count;
        arena_reset(comparison->scratch);
    }
}

/* ---- theirs ---- */

static void read_answer(struct comparison *comparison, struct answer *answer)
{
    unsigned char head[12];
    read_exactly(stdin, head, sizeof head);
    *answer = (struct answer){.count = load_u32(head),
                              .size = load_u32(head + 4),
                              .has_offsets = load_u32(head + 8) != 0};
    size_t count = answer->count == refused ? 0 : answer->count;
    size_t size = answer->size == not_spelt ? 0 : answer->size;
    if (count > (1 << 28) || size > (1 << 28))
        stop("the reference says nonsense");
    answer->ids = room_for(comparison->scratch, count, sizeof *answer->ids);
    answer->offsets = room_for(comparison->scratch, 2 * count, sizeof *answer->offsets);
    answer->text = room_for(comparison->scratch, size, 1);
    read_exactly(stdin, answer->ids, count * sizeof *answer->ids);
    if (answer->has_offsets)
        read_exactly(stdin, answer->offsets, 2 * count * sizeof *answer->offsets);
    read_exactly(stdin, answer->text, size);
}

/* ---- what differs ---- */

static void show_bytes(const unsigned char *text, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (text[i] >= 0x20 && text[i] < 0x7F && text[i] != '\\')
            (void)putchar(text[i]);
        else
            (void)printf("\\x%02x", text[i]);
    }
}

/* The string around a place, escaped byte by byte. */
static void show_text(const char *what, const unsigned char *text, size_t size, size_t at)
{
    size_t begin = at > SHOWN_BYTES ? at - SHOWN_BYTES : 0;
    size_t end = size - at > SHOWN_BYTES ? at + SHOWN_BYTES : size;
    (void)printf("  %s%s%s: ", what, begin > 0 ? "..." : "", end < size ? " ..." : "");
    show_bytes(text, begin, end);
    (void)putchar('\n');
}

static void show_numbers(const char *what, const uint32_t *numbers, size_t count,
                         size_t at, size_t each)
{
    size_t begin = at > 3 ? at - 3 : 0, end = count - at > 9 ? at + 9 : count;
    (void)printf("  %s (%zu), from %zu on:", what, count, begin);
    for (size_t i = begin; i < end; i++)
        if (each == 1)
            (void)printf(" %u", (unsigned)numbers[i]);
        else
            (void)printf(" %u-%u", (unsigned)numbers[2 * i],
                         (unsigned)numbers[2 * i + 1]);
    (void)putchar('\n');
}

/* Counts the string; true: the difference is to be shown. */
static bool note_difference(struct comparison *comparison, enum respect respect,
                            const struct string *string, const char *what)
{
    comparison->different[respect]++;
    if (comparison->shown >= SHOWN)
        return false;
    comparison->shown++;
    (void)printf("string %llu (%u bytes, flags %u): %s\n",
                 (unsigned long long)comparison->number, (unsigned)string->size,
                 (unsigned)string->flags, what);
    return true;
}

static size_t first_difference(const uint32_t *a, size_t a_count, const uint32_t *b,
                               size_t b_count)
{
    size_t at = 0;
    while (at < a_count && at < b_count && a[at] == b[at])
        at++;
    return at;
}

/* Where in the text a token begins: told by an encoding with offsets. */
static size_t place_of(const struct encoding *encoding, size_t token, size_t size)
{
    if (encoding->offsets && token < encoding->count &&
        encoding->offsets[2 * token] <= size)
        return encoding->offsets[2 * token];
    return token == 0 ? 0 : size;
}

static bool compare_ids(struct comparison *comparison, const struct string *string,
                        const struct encoding *ours, const struct encoding *slow,
                        const struct answer *answer)
{
    size_t at = first_difference(ours->ids, ours->count, answer->ids, answer->count);
    if (at == ours->count && at == answer->count)
        return true;
    if (note_difference(comparison, IDS, string,
                        ours == slow ? "ids of encoding with offsets" : "ids")) {
        show_text("string", string->text, string->size, place_of(slow, at, string->size));
        show_numbers("ours", ours->ids, ours->count, at, 1);
        show_numbers("theirs", answer->ids, answer->count, at, 1);
    }
    return false;
}

/* Offsets in bytes become offsets in characters; a character of which a token has a part
 * counts whole. */
static uint32_t *offsets_in_characters(struct comparison *comparison,
                                       const struct string *string,
                                       const struct encoding *encoding)
{
    uint32_t *before = room_for(comparison->scratch, string->size + (size_t)1, 4);
    uint32_t *offsets = room_for(comparison->scratch, 2 * encoding->count, 4);
    before[0] = 0;
    for (size_t i = 0; i < string->size; i++)
        before[i + 1] = before[i] + ((string->text[i] & 0xC0) != 0x80);
    for (size_t i = 0; i < 2 * encoding->count; i++) {
        uint32_t at = encoding->offsets[i];
        if (at > string->size)
            stop("an offset lies behind the text");
        bool is_inside = at < string->size && (string->text[at] & 0xC0) == 0x80;
        offsets[i] = before[at] - (i % 2 == 0 && is_inside);
    }
    return offsets;
}

static void compare_offsets(struct comparison *comparison, const struct string *string,
                            const struct encoding *slow, const struct answer *answer)
{
    uint32_t *offsets = offsets_in_characters(comparison, string, slow);
    comparison->compared[OFFSETS]++;
    size_t numbers = 2 * slow->count;
    size_t at = first_difference(offsets, numbers, answer->offsets, numbers) / 2;
    if (at < slow->count && note_difference(comparison, OFFSETS, string, "offsets")) {
        show_text("string", string->text, string->size, place_of(slow, at, string->size));
        show_numbers("ids", answer->ids, answer->count, at, 1);
        show_numbers("ours", offsets, slow->count, at, 2);
        show_numbers("theirs", answer->offsets, answer->count, at, 2);
    }
}

static void compare_text(struct comparison *comparison, const struct string *string,
                         const struct answer *answer)
{
    struct bytes *spelt = &comparison->spelt;
    struct error error = {0};
    bytes_reset(spelt);
    comparison->compared[TEXTS]++;
    enum error_code code =
        tokenizer_decode(comparison->tokenizer, answer->ids, answer->count,
                         !(string->flags & FLAG_OMIT), spelt, &error);
    size_t at = 0;
    while (at < spelt->size && at < answer->size && spelt->data[at] == answer->text[at])
        at++;
    if (code == OK && at == spelt->size && at == answer->size)
        return;
    if (note_difference(comparison, TEXTS, string,
                        code == OK ? "what the ids spell" : error.text)) {
        show_text("ours", spelt->data, spelt->size, at);
        show_text("theirs", answer->text, answer->size, at);
    }
}

static void compare_string(struct comparison *comparison, const struct string *string)
{
    struct answer answer;
    struct encoding slow = {0};
    struct error error = {0};
    read_answer(comparison, &answer);
    comparison->bytes += string->size;
    if (string->is_refused || answer.count == refused) {
        if (!string->is_refused || answer.count != refused)
            (void)note_difference(comparison, IDS, string,
                                  string->is_refused ? "refused by us alone"
                                                     : "refused by them alone");
        return;
    }
    comparison->tokens += answer.count;
    struct encode_options options = options_of(comparison, string->flags, true);
    if (tokenizer_encode(comparison->tokenizer, string->text, string->size, &options,
                         comparison->scratch, &slow, &error) != OK)
        stop(error.text);
    if (compare_ids(comparison, string, &string->fast, &slow, &answer) &&
        compare_ids(comparison, string, &slow, &slow, &answer) && answer.has_offsets)
        compare_offsets(comparison, string, &slow, &answer);
    if (answer.size != not_spelt)
        compare_text(comparison, string, &answer);
}

static void compare_all(struct comparison *comparison)
{
    struct string strings[BATCH];
    size_t count;
    while ((count = read_batch(comparison, strings)) > 0) {
        encode_batch(comparison, strings, count);
        for (size_t i = 0; i < count; i++) {
            compare_string(comparison, strings + i);
            arena_reset(comparison->scratch);
            comparison->number++;
        }
        arena_reset(comparison->batch);
    }
    if (fgetc(stdin) != EOF)
        stop("the reference said too much");
}

static void print_numbers(const struct comparison *comparison)
{
    const uint64_t numbers[] = {comparison->number,
                                comparison->bytes,
                                comparison->tokens,
                                comparison->compared[OFFSETS],
                                comparison->compared[TEXTS],
                                comparison->different[IDS],
                                comparison->different[OFFSETS],
                                comparison->different[TEXTS]};
    (void)printf("compared");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)printf(" %llu", (unsigned long long)numbers[i]);
    (void)putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc != 5)
        stop("usage: compare_tokens VOCABULARY PATTERN SPECIALS STRINGS <ANSWERS");
    struct comparison comparison = {.run = arena_create(1 << 20, 0),
                                    .batch = arena_create(1 << 20, 0),
                                    .scratch = arena_create(1 << 20, 0),
                                    .specials = strcmp(argv[3], "tokens") == 0
                                                    ? SPECIALS_AS_TOKENS
                                                    : SPECIALS_AS_TEXT,
                                    .strings = fopen(argv[4], "rb")};
    if (!comparison.run || !comparison.batch || !comparison.scratch)
        stop("no memory");
    if (!comparison.strings)
        stop("cannot open the strings");
    open_tokenizer(&comparison, argv[1], strcmp(argv[2], "auto") ? argv[2] : NULL);
    compare_all(&comparison);
    print_numbers(&comparison);
    bytes_clear(&comparison.spelt);
    (void)fclose(comparison.strings);
    arena_destroy(comparison.run);
    arena_destroy(comparison.batch);
    arena_destroy(comparison.scratch);
    return 0;
}
