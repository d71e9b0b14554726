/* text_encoder.c - text to token ids: split, look up, merge what is new */
#include "stages/kernels/text_encoder.h"

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/vocabulary.h"

/* Pieces of more bytes are cut, where they can be: those that end in ASCII when they do
 * not fit a small slot, since ASCII is seldom cut; others so that their parts recur. */
enum { CUT_ABOVE_ASCII = PIECE_KEY_MAX, CUT_ABOVE_OTHERS = 3 };

enum error_code text_encoder_init(struct text_encoder *encoder,
                                  const struct vocabulary *vocabulary,
                                  enum split_pattern pattern, struct arena *arena,
                                  struct error *error)
{
    encoder->vocabulary = vocabulary;
    encoder->pattern = pattern;
    if (!piece_cache_init(&encoder->cache, arena))
        return error_set(error, ERROR_MEMORY, "no memory for a cache of pieces");
    return OK;
}

/* Keys and slots of all pieces of a batch first: the cache lines are on their way when
 * they are looked at. */
static void prepare_batch(struct text_encoder *encoder, const unsigned char *text,
                          size_t size, size_t begin, size_t pieces)
{
    for (size_t i = 0; i < pieces; i++) {
        size_t length = encoder->ends[i] - begin;
        if (length <= PIECE_KEY_MAX) {
            struct piece_key key = size - begin >= 16
                                       ? piece_key_load(text + begin, length)
                                       : piece_key_copy(text + begin, length);
            size_t slot = piece_key_slot(key);
            PREFETCH(encoder->cache.small + slot);
            encoder->keys[i] = key;
            encoder->slots[i] = slot;
        } else {
            size_t slot = piece_large_slot(text + begin, length);
            PREFETCH(encoder->cache.large + slot);
            PREFETCH(encoder->cache.large[slot].ids);
            encoder->keys[i] = (struct piece_key){0};
            encoder->slots[i] = slot;
        }
        begin = encoder->ends[i];
    }
}

/* A piece that the small table does not answer; `is_known`: it says that the large one
 * does. */
static enum error_code encode_slowly(struct text_encoder *encoder,
                                     const unsigned char *piece, size_t size, size_t i,
                                     bool is_known, struct arena *scratch, uint32_t *ids,
                                     size_t *count, struct error *error)
{
    bool is_small = size <= PIECE_KEY_MAX;
    size_t large = is_small ? piece_large_slot(piece, size) : encoder->slots[i];
    if (is_small && !is_known) {
        const struct piece_slot *slot = piece_cache_find(
            &encoder->cache, encoder->keys[i], piece_key_other_slot(encoder->slots[i]));
        *count = slot ? piece_slot_get(slot, ids) : 0;
        if (*count > 0 && *count != PIECE_IN_LARGE)
            return OK;
        is_known = slot != NULL;
    }
    *count = 0;
    if (!is_small || is_known)
        *count = piece_cache_find_large(&encoder->cache, large, piece, size, ids);
    if (*count == 0) {
        enum error_code code =
            merge_piece(encoder->vocabulary, piece, size, scratch, ids, count, error);
        if (code != OK)
            return code;
        if (!is_small || *count > PIECE_INLINE_IDS)
            piece_cache_put_large(&encoder->cache, large, piece, size, ids, *count);
    }
    if (is_small && !is_known)
        piece_cache_put(&encoder->cache, encoder->keys[i], encoder->slots[i], ids,
                        *count);
    return OK;
}

/* Look up and write the ids of the batch's pieces, which begin at `begin`. */
static enum error_code encode_batch(struct text_encoder *encoder,
                                    const unsigned char *text, size_t begin,
                                    size_t pieces, struct arena *scratch, uint32_t **ids,
                                    struct error *error)
{
    uint32_t *out = *ids;
    for (size_t i = 0; i < pieces; i++) {
        const struct piece_slot *slot = NULL;
        size_t size = encoder->ends[i] - begin;
        if (size <= PIECE_KEY_MAX)
            slot = piece_cache_find(&encoder->cache, encoder->keys[i], encoder->slots[i]);
        uint32_t found = slot ? slot->ids[0] >> PIECE_COUNT_SHIFT : PIECE_IN_LARGE;
        if (UNLIKELY(found == PIECE_IN_LARGE)) {
            size_t written;
            enum error_code code =
                encode_slowly(encoder, text + begin, size, i, slot != NULL, scratch, out,
                              &written, error);
            if (code != OK)
                return code;
            out += written;
        } else {
            out += piece_slot_get(slot, out);
        }
        begin = encoder->ends[i];
    }
    *ids = out;
    return OK;
}

/* Fill the batch from the pieces [*piece, count) that the pattern made; the first begins
 * at `begin`. Returns the number in the batch. */
static size_t fill_batch(struct text_encoder *encoder, const unsigned char *text,
                         size_t begin, size_t *piece, size_t count)
{
    size_t filled = 0;
    while (*piece < count && filled < TEXT_BATCH) {
        size_t end = encoder->pieces[*piece];
        size_t limit = text[end - 1] < 0x80 ? CUT_ABOVE_ASCII : CUT_ABOVE_OTHERS;
        if (end - begin > limit)
            begin += vocabulary_cut(encoder->vocabulary, text + begin, end - begin);
        else
            begin = end;
        encoder->ends[filled++] = begin;
        *piece += begin == end;
    }
    return filled;
}

enum error_code text_encoder_run(struct text_encoder *encoder, const unsigned char *text,
                                 size_t size, struct arena *scratch, uint32_t *ids,
                                 size_t *count, struct error *error)
{
    uint32_t *out = ids;
    size_t at = 0, begin = 0;
    while (begin < size) {
        size_t piece = 0;
        size_t pieces =
            split_pieces(encoder->pattern, text, size, &at, encoder->pieces, TEXT_BATCH);
        while (piece < pieces) {
            size_t filled = fill_batch(encoder, text, begin, &piece, pieces);
            prepare_batch(encoder, text, size, begin, filled);
            enum error_code code =
                encode_batch(encoder, text, begin, filled, scratch, &out, error);
            if (code != OK)
                return code;
            begin = encoder->ends[filled - 1];
        }
    }
    *count = (size_t)(out - ids);
    return OK;
}
