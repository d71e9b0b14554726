/* trainer.c - learn a tokenizer's vocabulary from a table of counted pieces */
#include "stages/kernels/trainer.h"

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/bpe_trainer.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/unigram_trainer.h"

enum { LENGTH_MAX = 16, LENGTH_LIMIT = 255 };

static bool is_sentencepiece(const struct trainer_options *options)
{
    return options->kind == TRAINER_BPE_CHARACTERS || options->kind == TRAINER_UNIGRAM;
}

static bool has_text(struct byte_range range, const char *text)
{
    return range.size == strlen(text) && memcmp(range.bytes, text, range.size) == 0;
}

/* Special tokens: distinct, not empty, no piece that is there already. */
static enum error_code check_special(const struct trainer_options *options,
                                     struct error *error)
{
    bool has_unknown = options->kind != TRAINER_WORDPIECE;
    for (size_t i = 0; i < options->special_count; i++) {
        struct byte_range a = options->special[i];
        if (a.size == 0)
            return error_set(error, ERROR_CONFIG, "a special token is empty");
        bool is_taken =
            is_sentencepiece(options) &&
            (has_text(a, "<unk>") || has_text(a, "<s>") || has_text(a, "</s>") ||
             (a.size == 6 && memcmp(a.bytes, "<0x", 3) == 0));
        bool is_byte = options->kind == TRAINER_BPE_BYTES && a.size == 1;
        for (size_t k = 0; k < i && !is_taken; k++) {
            struct byte_range b = options->special[k];
            is_taken = a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
        }
        if (is_taken || is_byte)
            return error_set(error, ERROR_CONFIG,
                             "the special token \"%.*s\" is in the vocabulary already",
                             (int)(a.size < 100 ? a.size : 100), (const char *)a.bytes);
        has_unknown = has_unknown || has_text(a, options->unknown);
    }
    if (!has_unknown)
        return error_set(error, ERROR_CONFIG,
                         "the unknown token \"%.100s\" is not among the special tokens",
                         options->unknown);
    return OK;
}

static enum error_code check_options(const struct piece_table *table,
                                     const struct trainer_options *options,
                                     struct error *error)
{
    static const enum piece_cut cuts[] = {[TRAINER_BPE_BYTES] = PIECES_PATTERN,
                                          [TRAINER_BPE_CHARACTERS] = PIECES_SENTENCEPIECE,
                                          [TRAINER_UNIGRAM] = PIECES_SENTENCEPIECE,
                                          [TRAINER_WORDPIECE] = PIECES_GIVEN};
    uint64_t least =
        options->special_count + (is_sentencepiece(options) ? 3 : 0) +
        (options->byte_fallback || options->kind == TRAINER_BPE_BYTES ? 256 : 0);
    if (piece_table_describe(table).cut != cuts[options->kind])
        return error_set(error, ERROR_CONFIG,
                         "the pieces were cut for another kind of vocabulary");
    if (options->vocabulary_size > TOKEN_ID_LIMIT)
        return error_set(error, ERROR_CONFIG, "a vocabulary has at most %d tokens",
                         TOKEN_ID_LIMIT);
    if (options->vocabulary_size < least)
        return error_set(
            error, ERROR_CONFIG,
            "a vocabulary of %u tokens is too small: special tokens and bytes "
            "make %llu",
            options->vocabulary_size, (unsigned long long)least);
    if (!(options->character_coverage >= 0 && options->character_coverage <= 1))
        return error_set(error, ERROR_CONFIG, "character coverage lies between 0 and 1");
    if (is_sentencepiece(options) && options->length_max > LENGTH_LIMIT)
        return error_set(error, ERROR_CONFIG, "a token has at most %d characters",
                         LENGTH_LIMIT);
    return check_special(options, error);
}

enum error_code trainer_train(const struct piece_table *table,
                              const struct trainer_options *options, struct arena *arena,
                              struct trained *trained, struct error *error)
{
    struct trainer_options settled = *options;
    if (!settled.unknown)
        settled.unknown = "[UNK]";
    enum error_code code = check_options(table, &settled, error);
    if (code != OK)
        return code;
    if (settled.min_frequency == 0)
        settled.min_frequency = 1;
    if (settled.character_coverage == 0)
        settled.character_coverage = 0.9995;
    if (settled.length_max == 0)
        settled.length_max = is_sentencepiece(options) ? LENGTH_MAX : UINT32_MAX;
    struct trained result = {.kind = settled.kind,
                             .pattern = piece_table_describe(table).pattern,
                             .byte_fallback = settled.byte_fallback,
                             .lowercase = settled.lowercase};
    if (settled.kind == TRAINER_UNIGRAM)
        code = unigram_trainer_run(table, &settled, arena, &result, error);
    else
        code = bpe_trainer_run(table, &settled, arena, &result, error);
    if (code == OK)
        *trained = result;
    return code;
}
