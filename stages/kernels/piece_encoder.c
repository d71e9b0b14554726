/* piece_encoder.c - ids of pieces through a cache, a batch at a time */
#include "stages/kernels/piece_encoder.h"

#include <stdbool.h>

#include "core/arena.h"
#include "core/compiler.h"

/* Keys and slots first: the cache lines are on their way when they are looked at. */
static void prepare_batch(struct piece_encoder *encoder, const unsigned char *text,
                          size_t size, size_t begin, const size_t *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = ends[i] - begin;
        if (length <= PIECE_KEY_MAX) {
            struct piece_key key = size - begin >= 16
                                       ? piece_key_load(text + begin, length)
                                       : piece_key_copy(text + begin, length);
            encoder->keys[i] = key;
            encoder->slots[i] = piece_key_slot(key);
            PREFETCH(encoder->cache.small + encoder->slots[i]);
        } else {
            encoder->slots[i] = piece_large_hash(text + begin, length);
        }
        begin = ends[i];
    }
}

/* A piece that fits no small slot, or whose small slot says that the large table has it. */
static enum error_code encode_large(struct piece_encoder *encoder,
                                    const unsigned char *piece, size_t size, size_t slot,
                                    struct arena *scratch, uint32_t *ids, size_t *count,
                                    struct error *error)
{
    *count = piece_cache_find_large(&encoder->cache, slot, piece, size, ids);
    if (*count > 0)
        return OK;
    enum error_code code =
        encoder->encode(encoder->context, piece, size, scratch, ids, count, error);
    if (code == OK)
        piece_cache_put_large(&encoder->cache, slot, piece, size, ids, *count);
    return code;
}

/* A small piece whose line does not hold it. */
static enum error_code encode_small(struct piece_encoder *encoder,
                                    const unsigned char *piece, size_t size, size_t i,
                                    struct arena *scratch, uint32_t *ids, size_t *count,
                                    struct error *error)
{
    const struct piece_slot *slot = piece_cache_find(
        &encoder->cache, encoder->keys[i], piece_key_other_slot(encoder->slots[i]));
    if (slot) {
        *count = piece_slot_get(slot, ids);
        if (*count != PIECE_IN_LARGE)
            return OK;
        return encode_large(encoder, piece, size, piece_large_hash(piece, size), scratch,
                            ids, count, error);
    }
    enum error_code code =
        encoder->encode(encoder->context, piece, size, scratch, ids, count, error);
    if (code != OK)
        return code;
    piece_cache_put(&encoder->cache, encoder->keys[i], encoder->slots[i], ids, *count);
    if (*count > PIECE_INLINE_IDS)
        piece_cache_put_large(&encoder->cache, piece_large_hash(piece, size), piece, size,
                              ids, *count);
    return OK;
}

enum error_code piece_encoder_run(struct piece_encoder *encoder,
                                  const unsigned char *text, size_t size, size_t begin,
                                  const size_t *ends, size_t count, struct arena *scratch,
                                  uint32_t **ids, struct error *error)
{
    uint32_t *out = *ids;
    prepare_batch(encoder, text, size, begin, ends, count);
    for (size_t i = 0; i < count; i++) {
        const unsigned char *piece = text + begin;
        size_t length = ends[i] - begin, written = 0;
        const struct piece_slot *slot = NULL;
        begin = ends[i];
        if (length <= PIECE_KEY_MAX)
            slot = piece_cache_find(&encoder->cache, encoder->keys[i], encoder->slots[i]);
        uint32_t found = slot ? slot->ids[0] >> PIECE_COUNT_SHIFT : PIECE_IN_LARGE;
        if (!UNLIKELY(found == PIECE_IN_LARGE)) {
            out += piece_slot_get(slot, out);
            continue;
        }
        enum error_code code;
        if (slot || length > PIECE_KEY_MAX)
            code =
                encode_large(encoder, piece, length,
                             slot ? piece_large_hash(piece, length) : encoder->slots[i],
                             scratch, out, &written, error);
        else
            code = encode_small(encoder, piece, length, i, scratch, out, &written, error);
        if (code != OK)
            return code;
        out += written;
    }
    *ids = out;
    return OK;
}
