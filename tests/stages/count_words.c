/* count_words.c - fit stage for tests: counts words, and notes the order of the records */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"
#include "core/hash.h"
#include "core/stage.h"

enum { WORD_SPACE = ' ' };
enum crash_place { CRASH_NEVER, CRASH_SAVE, CRASH_MERGE, CRASH_FINISH };
static const char *const crash_choices[] = {"never", "save", "merge", "finish", NULL};
static const uint64_t order_base = 0x9E3779B97F4A7C15U; /* odd: its powers are odd too */

struct options {
    int64_t min_count, merge_delay_us;
    const char *refuse, *known;
    bool has_order;
    int crash; /* enum crash_place */
};

static const struct option_spec option_table[] = {
    {.name = "min_count",
     .type = OPTION_INT,
     .offset = offsetof(struct options, min_count),
     .initial = "1",
     .min = 1,
     .max = 1e9,
     .help = "Leave out words that are rarer"},
    {.name = "merge_delay_us",
     .type = OPTION_INT,
     .offset = offsetof(struct options, merge_delay_us),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "Microseconds to sleep for each state that is merged"},
    {.name = "refuse",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, refuse),
     .initial = "",
     .help = "Reject records that begin with this text"},
    {.name = "known",
     .type = OPTION_PATH,
     .offset = offsetof(struct options, known),
     .initial = "",
     .help = "File of counts whose words are not counted again"},
    {.name = "order",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, has_order),
     .initial = "true",
     .help = "Write order.txt as well"},
    {.name = "crash",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, crash),
     .initial = "never",
     .choices = crash_choices,
     .help = "Where to crash"},
    OPTION_END};

static void crash_at(const struct stage *self, enum crash_place place)
{
    const struct options *options = self->options;
    if (options->crash == (int)place)
        abort();
}

struct word {
    size_t at; /* in `text` */
    size_t size;
    uint64_t count;
};

/* The order of records r1 ... rn is the sum of hash(ri) * base^(n - i), modulo 2^64: the
 * hash of a sequence follows from those of its two parts, but not in the other order. */
struct state {
    struct bytes text;
    struct word *words; /* owned */
    size_t count, capacity;
    uint64_t records, order, power; /* power: base^records */
    struct bytes known;             /* the file, with a zero behind it */
};

static enum error_code open_stage(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    FILE *file = options->known ? fopen(options->known, "rb") : NULL;
    if (!options->known)
        return OK;
    if (!file)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot open \"%s\"",
                               options->known);
    for (int byte = fgetc(file); byte != EOF; byte = fgetc(file))
        bytes_put_u8(&state->known, (uint8_t)byte);
    bytes_put_u8(&state->known, 0);
    (void)fclose(file);
    return state->known.is_bad ? error_set(error, ERROR_MEMORY, "no memory for words")
                               : OK;
}

static bool is_known(const struct state *state, const char *word, size_t size)
{
    const char *at = (const char *)state->known.data;
    while (at && (at = strchr(at, WORD_SPACE)) != NULL) {
        at++;
        if (strcspn(at, "\n") == size && memcmp(at, word, size) == 0)
            return true;
    }
    return false;
}

static enum error_code begin(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    (void)error;
    bytes_reset(&state->text);
    state->count = 0;
    state->records = state->order = 0;
    state->power = 1;
    return OK;
}

static void close_stage(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->text);
    bytes_clear(&state->known);
    free(state->words);
}

static enum error_code add(struct state *state, const char *word, size_t size,
                           uint64_t count, struct error *error)
{
    struct word *grown = array_grow(state->words, &state->capacity, state->count + 1,
                                    sizeof *state->words);
    if (!grown)
        return error_set(error, ERROR_MEMORY, "no memory for words");
    state->words = grown;
    grown[state->count++] =
        (struct word){.at = state->text.size, .size = size, .count = count};
    bytes_put(&state->text, word, size);
    return state->text.is_bad ? error_set(error, ERROR_MEMORY, "no memory for words")
                              : OK;
}

static void append_order(struct state *state, uint64_t order, uint64_t power,
                         uint64_t records)
{
    state->order = state->order * power + order;
    state->power *= power;
    state->records += records;
}

static enum error_code add_text(struct state *state, const char *text, size_t size,
                                struct error *error)
{
    enum error_code code = OK;
    append_order(state, hash64(text, size, 0), order_base, 1);
    for (size_t at = 0; code == OK && at < size;) {
        size_t length = 0;
        while (at + length < size && (unsigned char)text[at + length] > WORD_SPACE)
            length++;
        if (length && !is_known(state, text + at, length))
            code = add(state, text + at, length, 1, error);
        at += length + 1;
    }
    return code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    const struct column *text = batch_column(in, "text");
    enum error_code code = OK;
    size_t refused = options->refuse ? strlen(options->refuse) : 0;
    for (uint32_t row = 0; code == OK && row < in->count; row++) {
        const char *bytes = column_row(text, row);
        size_t size = (size_t)column_row_length(text, row);
        if (refused && size >= refused && memcmp(bytes, options->refuse, refused) == 0)
            stage_output_reject(output, row, "refused", NULL);
        else
            code = add_text(self->state, bytes, size, error);
    }
    return code;
}

/* A word with its text, while sorting. */
struct named_word {
    const unsigned char *text;
    size_t size;
    uint64_t count;
};

static int compare_words(const void *a, const void *b)
{
    const struct named_word *left = a, *right = b;
    size_t least = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->text, right->text, least);
    return order != 0 ? order : (left->size > right->size) - (left->size < right->size);
}

/* All words, sorted, each once. NULL: no memory. The caller frees it. */
static struct named_word *sort_words(const struct state *state, size_t *count)
{
    struct named_word *words = calloc(state->count + 1, sizeof *words);
    *count = 0;
    if (!words)
        return NULL;
    for (size_t i = 0; i < state->count; i++)
        words[i] = (struct named_word){.text = state->text.data + state->words[i].at,
                                       .size = state->words[i].size,
                                       .count = state->words[i].count};
    qsort(words, state->count, sizeof *words, compare_words);
    for (size_t i = 0; i < state->count; i++) {
        if (*count && compare_words(&words[*count - 1], &words[i]) == 0)
            words[*count - 1].count += words[i].count;
        else
            words[(*count)++] = words[i];
    }
    return words;
}

static enum error_code save(struct stage *self, struct bytes *out, struct error *error)
{
    const struct state *state = self->state;
    size_t count;
    struct named_word *words = sort_words(state, &count);
    crash_at(self, CRASH_SAVE);
    if (!words)
        return error_set(error, ERROR_MEMORY, "no memory for words");
    bytes_put_u64(out, state->records);
    bytes_put_u64(out, state->order);
    bytes_put_u64(out, state->power);
    for (size_t i = 0; i < count; i++) {
        bytes_put_varint(out, words[i].count);
        bytes_put_text(out, words[i].text, words[i].size);
    }
    free(words);
    return OK;
}

static enum error_code merge(struct stage *self, const void *saved, size_t size,
                             struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    struct cursor in = cursor_over(saved, size);
    struct timespec span = {.tv_sec = options->merge_delay_us / 1000000,
                            .tv_nsec = options->merge_delay_us % 1000000 * 1000};
    enum error_code code = OK;
    (void)nanosleep(&span, NULL);
    crash_at(self, CRASH_MERGE);
    uint64_t records = cursor_u64(&in), order = cursor_u64(&in), power = cursor_u64(&in);
    append_order(state, order, power, records);
    while (code == OK && cursor_left(&in) && !in.is_bad) {
        uint64_t count = cursor_varint(&in);
        size_t length = 0;
        const char *word = cursor_text(&in, &length);
        if (!in.is_bad)
            code = add(state, word, length, count, error);
    }
    return in.is_bad ? error_set(error, ERROR_DAMAGED, "this state counts no words")
                     : code;
}

static enum error_code open_file(const char *folder, const char *name, FILE **file,
                                 struct error *error)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    *file = fopen(path, "wb");
    return *file ? OK
                 : error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
}

static enum error_code close_file(FILE *file, const char *name, struct error *error)
{
    bool is_bad = ferror(file);
    int number = errno;
    if (fclose(file) != 0 || is_bad)
        return error_set_errno(error, ERROR_IO, is_bad ? number : errno,
                               "cannot write \"%s\"", name);
    return OK;
}

static enum error_code finish(struct stage *self, const char *folder, struct error *error)
{
    const struct options *options = self->options;
    const struct state *state = self->state;
    FILE *file = NULL;
    size_t count, written = 0;
    struct named_word *words = sort_words(state, &count);
    enum error_code code = words ? open_file(folder, "counts.txt", &file, error)
                                 : error_set(error, ERROR_MEMORY, "no memory for words");
    for (size_t i = 0; code == OK && i < count; i++) {
        if (words[i].count < (uint64_t)options->min_count)
            continue;
        (void)fprintf(file, "%" PRIu64 " ", words[i].count);
        (void)fwrite(words[i].text, 1, words[i].size, file);
        (void)fputc('\n', file);
        written++;
    }
    free(words);
    crash_at(self, CRASH_FINISH);
    if (code == OK)
        code = close_file(file, "counts.txt", error);
    if (code == OK && written == 0)
        return error_set(error, ERROR_CONFIG, "no word comes %lld times",
                         (long long)options->min_count);
    if (code == OK && options->has_order)
        code = open_file(folder, "order.txt", &file, error);
    if (code != OK || !options->has_order)
        return code;
    (void)fprintf(file, "%" PRIu64 " records, %016" PRIx64 "\n", state->records,
                  state->order);
    return close_file(file, "order.txt", error);
}

static const char *const *files(const void *given)
{
    static const char *const both[] = {"counts.txt", "order.txt", NULL};
    static const char *const one[] = {"counts.txt", NULL};
    const struct options *options = given;
    return options->has_order ? both : one;
}

static const struct stage_fit fit = {
    .files = files, .begin = begin, .save = save, .merge = merge, .finish = finish};

const struct stage_type stage_count_words = {
    .name = "count_words",
    .summary = "Count the words between white space, for tests",
    .traits = STAGE_REPRODUCIBLE,
    .columns = (const struct stage_column[]){{"text", COLUMN_UTF8, true}, {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .open = open_stage,
    .process = process,
    .close = close_stage,
    .fit = &fit};
