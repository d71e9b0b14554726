/* bpe_trainer.c - byte-pair vocabularies: of bytes, of characters, WordPiece */
#include "stages/kernels/bpe_trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/unicode.h"
#include "stages/kernels/byte_alphabet.h"
#include "stages/kernels/pair_trainer.h"
#include "stages/kernels/trainer_tokens.h"
#include "stages/kernels/trainer_words.h"

enum { CODE_COUNT = 0x110000 };

struct job {
    const struct trainer_options *options;
    const struct counted_piece *words;
    size_t word_count;
    struct arena *arena; /* the result's, and of what is needed meanwhile */
    struct trainer_tokens tokens;
    /* Token of a byte or of a code point at the beginning of a word, and behind it. */
    uint32_t *first_ids, *other_ids;
};

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to train a vocabulary");
}

static const struct byte_range continuing_mark = {(const unsigned char *)"##", 2};

static bool put_special(const struct trainer_options *options,
                        struct trainer_tokens *tokens)
{
    for (size_t i = 0; i < options->special_count; i++) {
        if (trainer_tokens_add(tokens, options->special[i], TOKEN_CONTROL, 0) ==
            TRAINER_NO_TOKEN)
            return false;
    }
    return true;
}

bool trainer_put_controls(const struct trainer_options *options,
                          struct trainer_tokens *tokens)
{
    static const char *const names[3] = {"<unk>", "<s>", "</s>"};
    char text[8];
    bool is_good = true;
    for (int i = 0; i < 3; i++) {
        struct byte_range name = {(const unsigned char *)names[i], strlen(names[i])};
        enum token_kind kind = i == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
        is_good =
            is_good && trainer_tokens_add(tokens, name, kind, 0) != TRAINER_NO_TOKEN;
    }
    is_good = is_good && put_special(options, tokens);
    for (unsigned i = 0; i < 256 && options->byte_fallback && is_good; i++) {
        (void)snprintf(text, sizeof text, "<0x%02X>", i);
        struct byte_range name = {(const unsigned char *)text, 6};
        is_good = trainer_tokens_add(tokens, name, TOKEN_BYTE, 0) != TRAINER_NO_TOKEN;
    }
    return is_good;
}

/* ---- first tokens ---- */

static int compare_codes(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The 256 bytes in the order of their letters. */
static bool put_bytes(struct job *job)
{
    uint32_t order[256];
    struct byte_alphabet alphabet;
    byte_alphabet_fill(&alphabet);
    for (uint32_t i = 0; i < 256; i++)
        order[i] = (uint32_t)alphabet.chars[i] << 8 | i;
    qsort(order, 256, sizeof *order, compare_codes);
    for (int i = 0; i < 256; i++) {
        unsigned char byte = (unsigned char)order[i];
        uint32_t id = trainer_tokens_add(&job->tokens, (struct byte_range){&byte, 1},
                                         TOKEN_NORMAL, 0);
        if (id == TRAINER_NO_TOKEN)
            return false;
        job->first_ids[byte] = id;
    }
    job->other_ids = job->first_ids;
    return true;
}

/* A token for each code point; `prefix` stands in front. */
static bool put_codes(struct job *job, struct byte_range prefix, const uint32_t *codes,
                      uint32_t count, uint32_t *ids)
{
    unsigned char text[16];
    for (uint32_t i = 0; i < count; i++) {
        if (prefix.size > 0)
            memcpy(text, prefix.bytes, prefix.size);
        size_t size = prefix.size + trainer_put_code(codes[i], text + prefix.size);
        struct byte_range range = {text, size};
        uint32_t id = trainer_tokens_find(&job->tokens, range);
        if (id == TRAINER_NO_TOKEN)
            id = trainer_tokens_add(&job->tokens, range, TOKEN_NORMAL, 0);
        if (id == TRAINER_NO_TOKEN)
            return false;
        ids[codes[i]] = id;
    }
    return true;
}

/* Of the code points in `codes` those that stand behind another one in a word. */
static uint32_t find_continuing(const struct job *job, uint32_t *codes, uint32_t count)
{
    uint32_t code, kept = 0;
    for (size_t i = 0; i < job->word_count; i++) {
        const struct counted_piece *word = job->words + i;
        for (size_t at = 0, length; at < word->size; at += length) {
            length = unicode_decode(word->bytes + at, word->size - at, &code);
            if (at > 0 && length > 0)
                job->other_ids[code] = 0; /* seen */
            length = length ? length : 1;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (job->other_ids[codes[i]] == 0)
            codes[kept++] = codes[i];
    }
    memset(job->other_ids, 0xFF, CODE_COUNT * sizeof *job->other_ids);
    return kept;
}

/* Tokens of the characters, in order of code points. */
static enum error_code put_characters(struct job *job, struct error *error)
{
    const struct trainer_options *options = job->options;
    bool is_wordpiece = options->kind == TRAINER_WORDPIECE;
    struct trainer_alphabet alphabet;
    enum error_code code = trainer_alphabet_count(
        job->words, job->word_count, is_wordpiece ? 1 : options->character_coverage,
        options->alphabet_limit, job->arena, &alphabet, error);
    if (code != OK)
        return code;
    uint32_t *codes = ARENA_RAW(job->arena, uint32_t, (size_t)alphabet.count + 1);
    if (!codes)
        return no_memory(error);
    memcpy(codes, alphabet.codes, alphabet.count * sizeof *codes);
    qsort(codes, alphabet.count, sizeof *codes, compare_codes);
    uint64_t wanted = (uint64_t)job->tokens.count + alphabet.count;
    uint32_t continuing = 0;
    bool is_good = wanted <= job->tokens.capacity &&
                   put_codes(job, (struct byte_range){NULL, 0}, codes, alphabet.count,
                             job->first_ids);
    if (!is_wordpiece) {
        job->other_ids = job->first_ids;
    } else if (is_good) {
        continuing = find_continuing(job, codes, alphabet.count);
        is_good = put_codes(job, continuing_mark, codes, continuing, job->other_ids);
        wanted += continuing;
    }
    if (wanted > job->tokens.capacity)
        return error_set(error, ERROR_CONFIG,
                         "a vocabulary of %u tokens is too small: special tokens, bytes "
                         "and characters make %llu",
                         options->vocabulary_size, (unsigned long long)wanted);
    return is_good ? OK : no_memory(error);
}

static enum error_code put_first_tokens(struct job *job, struct error *error)
{
    const struct trainer_options *options = job->options;
    bool is_good;
    if (options->kind == TRAINER_BPE_CHARACTERS)
        is_good = trainer_put_controls(options, &job->tokens);
    else
        is_good = put_special(options, &job->tokens);
    if (is_good && options->kind == TRAINER_BPE_BYTES)
        is_good = put_bytes(job);
    else if (is_good)
        return put_characters(job, error);
    return is_good ? OK : no_memory(error);
}

/* ---- units ---- */

static size_t put_word(const struct job *job, uint32_t number, struct pair_unit *units)
{
    const struct counted_piece *word = job->words + number;
    size_t count = 0;
    const uint32_t *ids = job->first_ids;
    uint32_t code;
    for (size_t at = 0, length; at < word->size; at += length) {
        if (job->options->kind == TRAINER_BPE_BYTES) {
            length = 1;
            code = word->bytes[at];
        } else {
            length = unicode_decode(word->bytes + at, word->size - at, &code);
        }
        /* What has no token parts the word. */
        uint32_t id = length > 0 ? ids[code] : PAIR_BREAK;
        length = length ? length : 1;
        units[count++] = (struct pair_unit){id, number};
        ids = job->other_ids;
    }
    units[count++] = (struct pair_unit){PAIR_BREAK, number};
    return count;
}

static enum error_code make_units(const struct job *job, struct pair_task *task,
                                  struct error *error)
{
    size_t room = 1;
    for (size_t i = 0; i < job->word_count; i++)
        room += (size_t)job->words[i].size + 1;
    struct pair_unit *units = ARENA_RAW(job->arena, struct pair_unit, room);
    uint64_t *counts = ARENA_RAW(job->arena, uint64_t, job->word_count + 1);
    if (!units || !counts)
        return no_memory(error);
    size_t used = 0;
    units[used++] = (struct pair_unit){PAIR_BREAK, 0};
    for (size_t i = 0; i < job->word_count; i++) {
        counts[i] = job->words[i].count;
        used += put_word(job, (uint32_t)i, units + used);
    }
    if (used >= UINT32_MAX - 1)
        return error_set(
            error, ERROR_CONFIG,
            "the pieces to train on take more than 4 GiB: lower the limit of "
            "their table");
    arena_trim(job->arena, units, used * sizeof *units);
    task->units = units;
    task->unit_count = used;
    task->counts = counts;
    return OK;
}

/* ---- the result ---- */

/* SentencePiece's order: characters behind what was merged, each with a score lower than
 * the one before. */
static enum error_code order_as_sentencepiece(const struct job *job, uint32_t first,
                                              uint32_t merged, struct trained *trained,
                                              struct error *error)
{
    uint32_t count = job->tokens.count;
    struct spec_token *tokens =
        ARENA_RAW(job->arena, struct spec_token, (size_t)count + 1);
    if (!tokens)
        return no_memory(error);
    memcpy(tokens, job->tokens.items, first * sizeof *tokens);
    for (uint32_t i = first; i < count; i++) {
        uint32_t characters = merged - first;
        uint32_t from =
            i < first + count - merged ? i + characters : i - (count - merged);
        tokens[i] = job->tokens.items[from];
        tokens[i].id = i;
        tokens[i].score = -(double)(i - first);
    }
    trained->tokens = tokens;
    trained->merges = NULL;
    trained->merge_count = 0;
    trained->unknown = 0;
    return OK;
}

static enum error_code finish(const struct job *job, uint32_t first, uint32_t merged,
                              struct trained *trained, struct error *error)
{
    const struct trainer_options *options = job->options;
    trained->tokens = job->tokens.items;
    trained->token_count = job->tokens.count;
    trained->unknown = UINT32_MAX;
    if (options->kind == TRAINER_BPE_CHARACTERS)
        return order_as_sentencepiece(job, first, merged, trained, error);
    trained->special_count = (uint32_t)options->special_count;
    if (options->kind == TRAINER_WORDPIECE) {
        struct byte_range unknown = {(const unsigned char *)options->unknown,
                                     strlen(options->unknown)};
        trained->unknown = trainer_tokens_find(&job->tokens, unknown);
    }
    return OK;
}

static enum error_code list_words(const struct piece_table *table, struct job *job,
                                  struct error *error)
{
    enum error_code code =
        piece_table_list(table, job->arena, &job->words, &job->word_count, error);
    if (code == OK && job->options->kind == TRAINER_BPE_CHARACTERS)
        code = trainer_words_cut(job->words, job->word_count, job->arena, &job->words,
                                 &job->word_count, error);
    return code;
}

enum error_code bpe_trainer_run(const struct piece_table *table,
                                const struct trainer_options *options,
                                struct arena *arena, struct trained *trained,
                                struct error *error)
{
    struct job job = {.options = options, .arena = arena};
    struct pair_task task = {.tokens = &job.tokens,
                             .min_frequency = options->min_frequency,
                             .length_max = options->length_max};
    const struct spec_merge *merges = NULL;
    uint32_t merge_count = 0;
    job.first_ids = ARENA_RAW(arena, uint32_t, CODE_COUNT);
    job.other_ids = ARENA_RAW(arena, uint32_t, CODE_COUNT);
    if (!job.first_ids || !job.other_ids ||
        !trainer_tokens_init(&job.tokens, options->vocabulary_size, arena))
        return no_memory(error);
    memset(job.first_ids, 0xFF, CODE_COUNT * sizeof *job.first_ids);
    memset(job.other_ids, 0xFF, CODE_COUNT * sizeof *job.other_ids);
    enum error_code code = list_words(table, &job, error);
    if (code == OK)
        code = put_first_tokens(&job, error);
    if (code == OK)
        code = make_units(&job, &task, error);
    if (code != OK)
        return code;
    uint32_t merged = job.tokens.count;
    uint32_t first =
        3 + (uint32_t)options->special_count + (options->byte_fallback ? 256 : 0);
    if (options->kind == TRAINER_WORDPIECE)
        task.continuing = continuing_mark;
    code = pair_trainer_run(&task, arena, &merges, &merge_count, error);
    trained->merges = merges;
    trained->merge_count = merge_count;
    return code == OK ? finish(&job, first, merged, trained, error) : code;
}
