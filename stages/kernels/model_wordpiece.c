/* model_wordpiece.c - WordPiece as a tokenizer's model: a piece of text is a word */
#include "stages/kernels/tokenizer_model.h"

#include "core/bytes.h"
#include "stages/kernels/wordpiece.h"

struct state {
    struct wordpiece model;
    struct piece_cache cache; /* in the run arena */
};

static enum error_code build(const struct tokenizer_spec *spec, struct arena *work,
                             struct bytes *image, struct error *error)
{
    return wordpiece_build(spec, work, image, error);
}

static enum error_code open_model(void *memory, const void *image, size_t size,
                                  struct arena *run, struct error *error)
{
    struct state *state = memory;
    enum error_code code = wordpiece_open(&state->model, image, size, error);
    if (code == OK && !piece_cache_init(&state->cache, run))
        code = error_set(error, ERROR_MEMORY, "no memory for a cache of words");
    return code;
}

static enum error_code encode(void *memory, const unsigned char *text, size_t size,
                              struct arena *scratch, uint32_t *ids,
                              struct token_span *spans, size_t *count,
                              struct error *error)
{
    (void)scratch;
    (void)error;
    struct state *state = memory;
    if (spans || size > PIECE_KEY_MAX) {
        *count = wordpiece_encode(&state->model, text, size, ids, spans);
        return OK;
    }
    struct word_place place = {.key = piece_key_copy(text, size)};
    place.slot = piece_key_slot(place.key);
    const struct piece_slot *found =
        piece_cache_find(&state->cache, place.key, place.slot);
    if (found && found->ids[0] >> PIECE_COUNT_SHIFT != PIECE_IN_LARGE)
        *count = piece_slot_get(found, ids);
    else
        *count = wordpiece_encode_missed(&state->model, &state->cache, text, size, place,
                                         found, ids);
    return OK;
}

const struct model_type model_wordpiece = {
    .name = "WordPiece",
    .state_size = sizeof(struct state),
    .build = build,
    .open = open_model,
    .encode = encode,
    .ids_per_byte = 1,
    .ids_extra = PIECE_INLINE_IDS, /* the cache copies that many at a time */
};
