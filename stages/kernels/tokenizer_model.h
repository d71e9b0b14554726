/* tokenizer_model.h - the interface of a tokenizer's model: from one piece of text to ids
 *
 * A model sees a piece that added tokens, normalizers and splitters have left: for
 * SentencePiece the whole normalized text, for WordPiece a word. */
#ifndef STAGES_KERNELS_TOKENIZER_MODEL_H
#define STAGES_KERNELS_TOKENIZER_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bytes;
struct tokenizer_spec;

struct token_span { /* bytes of the piece that a token stands for, when asked for */
    uint32_t begin, end;
};

struct model_type {
    const char *name;
    size_t state_size;

    /* Append a position-independent image (it will be mapped at a multiple of 64 bytes).
     * `work` holds what is needed meanwhile. ERROR_CONFIG: the specification cannot be
     * carried out; ERROR_MEMORY. */
    enum error_code (*build)(const struct tokenizer_spec *spec, struct arena *work,
                             struct bytes *image, struct error *error);

    /* `state`: state_size zeroed bytes; `image` is borrowed until the end of `run`, where
     * caches live. ERROR_DAMAGED, ERROR_MEMORY. */
    enum error_code (*open)(void *state, const void *image, size_t size,
                            struct arena *run, struct error *error);

    /* The ids of `text` (any bytes, any size >= 1) into `ids`, and unless `spans` is NULL
     * what each stands for. Both have room for `size` * ids_per_byte + ids_extra. */
    enum error_code (*encode)(void *state, const unsigned char *text, size_t size,
                              struct arena *scratch, uint32_t *ids,
                              struct token_span *spans, size_t *count,
                              struct error *error);
    size_t ids_per_byte, ids_extra;
};

extern const struct model_type model_bpe_ranks, model_bpe_merges, model_bpe_scores,
    model_unigram, model_wordpiece;

#endif
