/* trainer_tokens.h - the tokens of a vocabulary in the making, found by their text */
#ifndef STAGES_KERNELS_TRAINER_TOKENS_H
#define STAGES_KERNELS_TRAINER_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/tokenizer_spec.h"

struct arena;

#define TRAINER_NO_TOKEN UINT32_MAX

struct trainer_tokens { /* in the arena given to init */
    struct spec_token *items;
    uint32_t count, capacity;
    uint32_t *index; /* open addressing: id + 1, or 0 */
    uint32_t index_size;
    struct arena *arena;
};

/* False: no memory. */
bool trainer_tokens_init(struct trainer_tokens *tokens, uint32_t capacity,
                         struct arena *arena);

/* Append a copy of the text; at most `capacity` times. Its id, or TRAINER_NO_TOKEN: no
 * memory. A text that is there already is found no more often than before. */
uint32_t trainer_tokens_add(struct trainer_tokens *tokens, struct byte_range text,
                            enum token_kind kind, double score);

uint32_t trainer_tokens_find(const struct trainer_tokens *tokens, struct byte_range text);

#endif
