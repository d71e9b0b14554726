/* model_bpe.h - what the byte-pair models by rank and by list have in common
 *
 * An image holds either a vocabulary of ranks or, where a list of merges is not the same as
 * one, a pair table. */
#ifndef STAGES_KERNELS_MODEL_BPE_H
#define STAGES_KERNELS_MODEL_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/pair_table.h"
#include "stages/kernels/piece_encoder.h"
#include "stages/kernels/split.h"
#include "stages/kernels/vocabulary.h"

struct arena;
struct bpe_vocabulary;
struct bytes;
struct model_spec;
struct text_encoder;
struct token_span;

struct model_bpe {
    bool has_vocabulary;
    struct vocabulary vocabulary; /* if so, with what bpe_vocabulary.h says of it */
    bool is_byte_level, is_direct, may_cut, has_words, byte_fallback, fuse_unknown;
    uint32_t unknown, name_count, same_below;
    const uint32_t *names, *byte_ids;
    struct pair_table pairs; /* if not */
    struct piece_encoder encoder;
    struct text_encoder *direct; /* in the run arena; NULL: not made */
    struct arena *run;
    size_t words[PIECE_BATCH], ends[PIECE_BATCH]; /* of the batch in work */
};

/* Append the image of a model whose vocabulary is `image_of`, or of its pair table where
 * `result` says that there is none. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code model_bpe_write(const struct model_spec *model,
                                const struct bpe_vocabulary *result,
                                const struct bytes *vocabulary, struct bytes *image,
                                struct error *error);

/* As struct model_type says; the state is a struct model_bpe. */
enum error_code model_bpe_open(void *state, const void *image, size_t size,
                               struct arena *run, struct error *error);
enum error_code model_bpe_encode(void *state, const unsigned char *text, size_t size,
                                 struct arena *scratch, uint32_t *ids,
                                 struct token_span *spans, size_t *count,
                                 struct error *error);

/* Make the machine of text_encoder.h, which takes whole texts that this pattern splits.
 * *is_made false: the model is none for it. ERROR_MEMORY. */
enum error_code model_bpe_make_direct(void *state, enum split_pattern pattern,
                                      bool *is_made, struct error *error);
/* Run it: room for size + TEXT_ENCODER_SLACK ids. `spans` (unless NULL) count from
 * `base`. */
enum error_code model_bpe_run_direct(void *state, const unsigned char *text, size_t size,
                                     struct arena *scratch, uint32_t *ids,
                                     struct token_span *spans, uint32_t base,
                                     size_t *count, struct error *error);

#endif
