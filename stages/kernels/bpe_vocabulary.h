/* bpe_vocabulary.h - a list of merges as a vocabulary of ranks, where that is the same
 *
 * Hugging Face merges by the order of a list of pairs, vocabulary.h by the rank of what a
 * pair makes. Both do the same when the pair table that vocabulary_build() finds is a part
 * of the list, in the same order. Pairs of the list beyond that never stand side by side:
 * let a, b do so and a + b be the token t. Nothing was merged across their borders, so
 * merging t's bytes alone comes through the same state; from there, with two tokens left,
 * only (a, b) can go on, and (a, b) is the pair of t in the table.
 *
 * Where symbols are characters and not bytes, the vocabulary has tokens for the beginnings
 * of characters, too, whose merges come before all others: they put characters together.
 *
 * The equivalence is checked for each vocabulary when it is built, pair by pair. */
#ifndef STAGES_KERNELS_BPE_VOCABULARY_H
#define STAGES_KERNELS_BPE_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bytes;
struct model_spec;

struct bpe_vocabulary {
    bool is_equivalent; /* else the rest is not set */
    /* Tokens are bytes, and every byte of UTF-8 has one: a text needs no more than to be
     * split and merged. Other bytes are left out where they have none. */
    bool is_direct;
    bool may_cut;          /* a piece may be cut as vocabulary_cut() says */
    bool has_words;        /* and before each U+2581 behind another character */
    const uint32_t *names; /* (name_count): token of the model by id of the vocabulary, or
                            * UINT32_MAX; NULL: they are the same */
    uint32_t name_count;
    uint32_t same_below;    /* names of ids below are the ids */
    uint32_t byte_ids[256]; /* of "<0xNN>" with byte fallback, else UINT32_MAX */
};

/* Try to make a vocabulary of MODEL_BPE_MERGES, and append its image to `image`. `work`
 * holds `names`. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code bpe_vocabulary_build(const struct model_spec *model, struct arena *work,
                                     struct bytes *image, struct bpe_vocabulary *result,
                                     struct error *error);

#endif
