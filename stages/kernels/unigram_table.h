/* unigram_table.h - the compiled form of a Unigram model
 *
 * Scores are what is added for a piece: of user-defined pieces of SentencePiece, as
 * unigram_model.cc has it, size * (largest score, at least FLT_MIN) - 0.1. */
#ifndef STAGES_KERNELS_UNIGRAM_TABLE_H
#define STAGES_KERNELS_UNIGRAM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_trie.h"
#include "stages/kernels/word_cut.h"

struct arena;
struct bytes;
struct tokenizer_spec;

struct unigram_table {  /* a view */
    bool is_float;      /* SentencePiece: sums are rounded to floats; else Hugging Face */
    bool byte_fallback; /* and all that is needed for it is there */
    uint32_t id_limit;
    uint32_t unknown; /* id, or UINT32_MAX: there is none */
    double unknown_score;
    const double *scores;     /* (id_limit); of SentencePiece's unknown id that above */
    const uint32_t *byte_ids; /* (256) */
    struct piece_trie trie;   /* ids of pieces */
    struct word_cut cut;
};

/* Append the image. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code unigram_table_build(const struct tokenizer_spec *spec, struct arena *work,
                                    struct bytes *image, struct error *error);

/* A view, borrowed. ERROR_DAMAGED: headers or sizes are wrong. */
enum error_code unigram_table_open(const void *image, size_t size,
                                   struct unigram_table *table, struct error *error);

#endif
