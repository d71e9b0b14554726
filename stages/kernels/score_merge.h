/* score_merge.h - merge the characters of a word by score: SentencePiece's byte-pair model
 *
 * The best score first, leftmost among equals, as bpe_model.cc of SentencePiece does. */
#ifndef STAGES_KERNELS_SCORE_MERGE_H
#define STAGES_KERNELS_SCORE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct score_table;
struct token_span;

/* How to find the best pair; all give the same. */
enum score_method {
    SCORE_BY_SIZE, /* whichever is fastest */
    SCORE_SCAN,    /* look at all: words of at most SCORE_SCAN_MAX bytes */
    SCORE_HEAP,    /* O(n log n) */
    SCORE_BUCKETS  /* a list for each rank: linear, for ordered tables */
};
enum { SCORE_SCAN_MAX = 64, SCORE_BUCKETS_FROM = 2048 };

/* The ids of a word of any bytes, size >= 1: room for `size` of them. Neighbouring unknown
 * characters are one unknown id, or ids of their bytes. `spans` (NULL: not asked for) are
 * in bytes of the word; of a character's bytes the last one has all of it, as SentencePiece
 * has it. ERROR_MEMORY from `scratch`. */
enum error_code score_merge(const struct score_table *table, enum score_method method,
                            const unsigned char *word, size_t size, struct arena *scratch,
                            uint32_t *ids, struct token_span *spans, size_t *count,
                            struct error *error);

#endif
