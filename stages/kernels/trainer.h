/* trainer.h - learn a tokenizer's vocabulary from a table of counted pieces
 *
 * Nothing depends on time, threads, addresses or a seed: the same table and options give
 * the same tokens. trainer_file.h writes them. */
#ifndef STAGES_KERNELS_TRAINER_H
#define STAGES_KERNELS_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_table.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;

enum trainer_kind {
    TRAINER_BPE_BYTES,      /* on a table cut by a pattern */
    TRAINER_BPE_CHARACTERS, /* on a table cut as SentencePiece does: its BPE */
    TRAINER_UNIGRAM,        /* the same */
    TRAINER_WORDPIECE       /* on words that a splitter gave: BERT's */
};

/* Zero means the default where one is given. */
struct trainer_options {
    enum trainer_kind kind;
    /* Tokens in all: special tokens, bytes and alphabet included. BPE and WordPiece make
     * fewer where no pair is frequent enough. Of equally frequent pairs the one with the
     * smaller ids is merged first: see pair_trainer.h. */
    uint32_t vocabulary_size;
    uint64_t min_frequency; /* of a pair to be merged; 0: 1. Not of TRAINER_UNIGRAM */
    /* In order, distinct, not empty. They have the first ids, but with TRAINER_BPE_BYTES
     * and the format .tiktoken, which has no special tokens: see trainer_file.h. Of
     * TRAINER_WORDPIECE one must be the unknown token; the SentencePiece kinds put <unk>,
     * <s> and </s> at 0, 1, 2 and these behind them as control pieces. */
    const struct byte_range *special;
    size_t special_count;
    uint32_t alphabet_limit;   /* characters kept, the most frequent; 0: no limit */
    double character_coverage; /* of all characters' occurrences, at most 1; 0: 0.9995. Of
                                * the SentencePiece kinds */
    bool byte_fallback;        /* 256 byte tokens. Of the SentencePiece kinds */
    uint32_t length_max;       /* of a token in characters (TRAINER_BPE_BYTES: bytes); 0:
                                * 16 for the SentencePiece kinds, else no limit */
    const char *unknown;       /* of TRAINER_WORDPIECE; NULL: "[UNK]" */
    bool lowercase;            /* of TRAINER_WORDPIECE: what the written file asks of its
                                * normalizer; the pieces given must agree */
};

struct trained { /* in the arena given to trainer_train() */
    enum trainer_kind kind;
    enum split_pattern pattern;
    const struct spec_token *tokens; /* (token_count), a token's id is its position */
    uint32_t token_count;
    const struct spec_merge *merges; /* (merge_count), in order */
    uint32_t merge_count;
    uint32_t special_count; /* TRAINER_BPE_BYTES, TRAINER_WORDPIECE: the first tokens */
    uint32_t unknown;       /* id, or UINT32_MAX */
    bool byte_fallback, lowercase;
};

/* ERROR_CONFIG: options that contradict each other or the table (a vocabulary too small
 * for what it must have, or for Unigram larger than the texts give); ERROR_MEMORY.
 * Training takes about 0.5 KiB of memory for each piece of the table, Unigram 1 KiB. */
enum error_code trainer_train(const struct piece_table *table,
                              const struct trainer_options *options, struct arena *arena,
                              struct trained *trained, struct error *error);

#endif
