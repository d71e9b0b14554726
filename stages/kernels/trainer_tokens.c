/* trainer_tokens.c - the tokens of a vocabulary in the making, found by their text */
#include "stages/kernels/trainer_tokens.h"

#include <string.h>

#include "core/arena.h"
#include "core/hash.h"

bool trainer_tokens_init(struct trainer_tokens *tokens, uint32_t capacity,
                         struct arena *arena)
{
    uint32_t size = 64;
    while (size / 2 < capacity && size < UINT32_C(1) << 31)
        size *= 2;
    *tokens = (struct trainer_tokens){
        .capacity = capacity,
        .items = ARENA_RAW(arena, struct spec_token, (size_t)capacity + 1),
        .index = ARENA_NEW(arena, uint32_t, size),
        .index_size = size,
        .arena = arena};
    return tokens->items && tokens->index;
}

/* Where the text's id stands, or would stand. */
static uint32_t *index_slot(const struct trainer_tokens *tokens, struct byte_range text)
{
    uint32_t mask = tokens->index_size - 1;
    uint32_t at = (uint32_t)hash64(text.bytes, text.size, 0) & mask;
    for (; tokens->index[at] != 0; at = (at + 1) & mask) {
        struct byte_range other = tokens->items[tokens->index[at] - 1].text;
        if (other.size == text.size && memcmp(other.bytes, text.bytes, text.size) == 0)
            break;
    }
    return tokens->index + at;
}

uint32_t trainer_tokens_add(struct trainer_tokens *tokens, struct byte_range text,
                            enum token_kind kind, double score)
{
    const char *copy =
        arena_copy_text(tokens->arena, (const char *)text.bytes, text.size);
    if (!copy || tokens->count == tokens->capacity)
        return TRAINER_NO_TOKEN;
    uint32_t id = tokens->count++;
    uint32_t *slot = index_slot(tokens, text);
    struct byte_range kept = {(const unsigned char *)copy, text.size};
    tokens->items[id] = (struct spec_token){kept, id, kind, score};
    if (*slot == 0)
        *slot = id + 1;
    return id;
}

uint32_t trainer_tokens_find(const struct trainer_tokens *tokens, struct byte_range text)
{
    return *index_slot(tokens, text) - 1;
}
