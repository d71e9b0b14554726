/* sentencepiece_coder.h - for tests: a model opened, and compared with references */
#ifndef TESTS_SENTENCEPIECE_CODER_H
#define TESTS_SENTENCEPIECE_CODER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/sentencepiece_file.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/sentencepiece_reference.h"
#include "tests/text_goldens.h"

struct coder {
    const struct model_type *type;
    struct arena *work, *run, *scratch;
    struct tokenizer_spec spec;
    struct bytes image, normalized;
    void *state;
    struct error error;
};

/* A specification whose arena is `work`; *code says what became of it. */
static inline bool coder_open_spec(struct coder *coder)
{
    coder->type =
        coder->spec.model.kind == MODEL_UNIGRAM ? &model_unigram : &model_bpe_scores;
    coder->run = arena_create(1 << 20, 0);
    coder->scratch = arena_create(1 << 16, 0);
    coder->state = aligned_alloc(64, (coder->type->state_size + 63) / 64 * 64);
    memset(coder->state, 0, coder->type->state_size);
    return coder->type->build(&coder->spec, coder->work, &coder->image, &coder->error) ==
               OK &&
           coder->type->open(coder->state, coder->image.data, coder->image.size,
                             coder->run, &coder->error) == OK;
}

/* Make of a SentencePiece Unigram model what Hugging Face would: no kinds, doubles. */
static inline void coder_take_kinds(struct coder *coder)
{
    struct model_spec *model = &coder->spec.model;
    struct spec_token *tokens =
        ARENA_RAW(coder->work, struct spec_token, model->token_count);
    for (uint32_t i = 0; i < model->token_count; i++) {
        tokens[i] = model->tokens[i];
        tokens[i].kind = TOKEN_NORMAL;
    }
    model->tokens = tokens;
    model->is_sentencepiece = false;
}

static inline bool coder_open_file(struct coder *coder, const void *data, size_t size)
{
    *coder = (struct coder){.work = arena_create(1 << 20, 0)};
    return sentencepiece_read(data, size, coder->work, &coder->spec, &coder->error) ==
               OK &&
           coder_open_spec(coder);
}

static inline void coder_close(struct coder *coder)
{
    bytes_clear(&coder->image);
    bytes_clear(&coder->normalized);
    arena_destroy(coder->work);
    arena_destroy(coder->run);
    arena_destroy(coder->scratch);
    free(coder->state);
}

/* Ids of normalized text, which lies in memory of exactly its size, so that a read past it
 * shows. The ids, and spans unless NULL, are the caller's to free. */
static inline size_t coder_encode(struct coder *coder, const unsigned char *text,
                                  size_t size, uint32_t **ids, struct token_span **spans)
{
    size_t count = 0, room = size * coder->type->ids_per_byte + coder->type->ids_extra;
    unsigned char *copy = malloc(size ? size : 1);
    *ids = malloc(room * sizeof **ids);
    if (spans)
        *spans = malloc(room * sizeof **spans);
    if (size > 0)
        memcpy(copy, text, size);
    if (coder->type->encode(coder->state, copy, size, coder->scratch, *ids,
                            spans ? *spans : NULL, &count, &coder->error) != OK)
        count = SIZE_MAX;
    arena_reset(coder->scratch);
    free(copy);
    return count;
}

/* Are ids and spans those that the plain reference finds? Twice, as the second time is out
 * of the cache. */
static inline bool coder_agrees(struct coder *coder, const struct reference *reference,
                                const unsigned char *text, size_t size)
{
    uint32_t *ids, *wanted = malloc((size + 1) * sizeof *wanted);
    struct token_span *spans = NULL;
    size_t wanted_count = coder->type == &model_unigram
                              ? reference_unigram(reference, text, size, wanted)
                              : reference_bpe(reference, text, size, wanted);
    bool is_same = true;
    for (int pass = 0; pass < 3; pass++) {
        size_t count = coder_encode(coder, text, size, &ids, pass == 2 ? &spans : NULL);
        is_same = is_same && count == wanted_count &&
                  memcmp(ids, wanted, count * sizeof *ids) == 0;
        for (size_t i = 0; is_same && spans && i < count; i++)
            is_same = spans[i].begin <= spans[i].end && spans[i].end <= size &&
                      (i == 0 || spans[i].begin >= spans[i - 1].begin);
        free(ids);
    }
    free(spans);
    free(wanted);
    return is_same;
}

/* Numbers that are the same everywhere. */
static inline uint32_t coder_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

#endif
