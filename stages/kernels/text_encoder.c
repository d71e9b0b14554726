/* text_encoder.c - text to token ids: split, look up, merge what is new */
#include "stages/kernels/text_encoder.h"

#include <string.h>

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

/* Look for a place to cut? Pieces of more than CUT_ABOVE_ASCII bytes, and of more than
 * CUT_ABOVE_OTHERS where the last byte is not ASCII: without a branch on that. */
static inline bool may_be_cut(size_t length, unsigned char last)
{
    return length + (last >> 7) * (size_t)(CUT_ABOVE_ASCII - CUT_ABOVE_OTHERS) >
           CUT_ABOVE_ASCII;
}

/* Keys and cache lines of a batch's pieces: the lines are on their way when they are looked
 * at. Pieces are cut where they can be. `*piece`: the first not done. Returns their
 * number. */
static size_t prepare_batch(struct text_encoder *encoder, const unsigned char *text,
                            size_t size, size_t begin, size_t *piece, size_t count)
{
    const struct piece_cache *const cache = &encoder->cache;
    const struct piece_slot *const small = cache->small;
    struct pending_piece *pending = encoder->pending;
    const struct pending_piece *const full = pending + TEXT_BATCH;
    size_t next = *piece;
    while (next < count && pending < full) {
        size_t end = encoder->ends[next++];
        if (UNLIKELY(may_be_cut(end - begin, text[end - 1]))) {
            size_t part = vocabulary_cut(encoder->vocabulary, text + begin, end - begin);
            next -= begin + part < end;
            end = begin + part;
        }
        size_t length = end - begin;
        if (LIKELY(length <= PIECE_KEY_MAX)) {
            pending->key = LIKELY(size - begin >= 16)
                               ? piece_key_load(text + begin, length)
                               : piece_key_copy(text + begin, length);
            pending->line = small + piece_key_slot(pending->key);
            PREFETCH(pending->line);
        } else {
            PREFETCH(
                piece_large_line(cache, piece_large_slot(text + begin, length), length));
            pending->key = (struct piece_key){0};
            pending->line = small;
        }
        pending->end = begin = end;
        pending++;
    }
    *piece = next;
    return (size_t)(pending - encoder->pending);
}

/* The ids of a piece that is too long for the small table, or has too many. */
static enum error_code encode_large(struct text_encoder *encoder,
                                    struct missed_piece *missed, struct arena *scratch,
                                    struct error *error)
{
    struct piece_cache *cache = &encoder->cache;
    size_t slot = piece_large_slot(missed->piece, missed->size);
    missed->count =
        piece_cache_find_large(cache, slot, missed->piece, missed->size, missed->ids);
    if (missed->count > 0)
        return OK;
    enum error_code code = merge_piece(encoder->vocabulary, missed->piece, missed->size,
                                       scratch, missed->ids, &missed->count, error);
    if (code == OK)
        piece_cache_put_large(cache, slot, missed->piece, missed->size, missed->ids,
                              missed->count);
    return code;
}

static void remember(struct text_encoder *encoder, const struct missed_piece *missed)
{
    struct piece_cache *cache = &encoder->cache;
    size_t line = (size_t)(missed->pending->line - cache->small);
    if (missed->count > PIECE_INLINE_IDS)
        piece_cache_put_large(cache, piece_large_slot(missed->piece, missed->size),
                              missed->piece, missed->size, missed->ids, missed->count);
    piece_cache_put(cache, missed->pending->key, line, missed->ids, missed->count);
}

/* The neighbour of its line, or a token as a whole. False: it is to be merged. */
static bool find_missed(struct text_encoder *encoder, struct missed_piece *missed)
{
    const struct piece_cache *cache = &encoder->cache;
    size_t line = (size_t)(missed->pending->line - cache->small);
    const struct piece_slot *slot =
        piece_cache_find(cache, missed->pending->key, piece_key_other_slot(line));
    if (slot) {
        uint32_t ids[PIECE_INLINE_IDS]; /* there may not be room for all of them */
        missed->count = piece_slot_get(slot, ids);
        missed->is_known = missed->count == PIECE_IN_LARGE;
        if (!missed->is_known)
            memcpy(missed->ids, ids, missed->count * sizeof *ids);
        return true;
    }
    uint32_t token = vocabulary_find_hashed(encoder->vocabulary, missed->hash,
                                            missed->piece, missed->size);
    if (token == TOKEN_NONE)
        return false;
    missed->ids[0] = token;
    missed->count = 1;
    remember(encoder, missed);
    return true;
}

/* What the batch missed, together: memory is asked ahead for all of it. */
static enum error_code encode_missed(struct text_encoder *encoder, size_t count,
                                     struct arena *scratch, struct error *error)
{
    const struct vocabulary *vocabulary = encoder->vocabulary;
    struct missed_piece *const end = encoder->missed + count;
    size_t jobs = 0;
    for (struct missed_piece *missed = encoder->missed; missed < end; missed++) {
        if (missed->size > PIECE_KEY_MAX || missed->is_known)
            continue;
        size_t line = (size_t)(missed->pending->line - encoder->cache.small);
        PREFETCH(encoder->cache.small + piece_key_other_slot(line));
        missed->hash = vocabulary_hash(missed->piece, missed->size);
        PREFETCH(vocabulary->pieces + (missed->hash >> vocabulary->piece_shift));
    }
    for (struct missed_piece *missed = encoder->missed; missed < end; missed++) {
        bool is_small = missed->size <= PIECE_KEY_MAX;
        if (is_small && !missed->is_known && !find_missed(encoder, missed)) {
            encoder->merged[jobs] = missed;
            encoder->jobs[jobs++] = (struct merge_job){
                .piece = missed->piece, .size = missed->size, .ids = missed->ids};
        } else if (!is_small || missed->is_known) {
            enum error_code code = encode_large(encoder, missed, scratch, error);
            if (code != OK)
                return code;
        }
    }
    merge_jobs(vocabulary, encoder->jobs, jobs);
    for (size_t i = 0; i < jobs; i++) {
        encoder->merged[i]->count = encoder->jobs[i].count;
        remember(encoder, encoder->merged[i]);
    }
    return OK;
}

/* Close the gaps behind the ids of missed pieces. Returns the end. */
static uint32_t *close_gaps(const struct text_encoder *encoder, size_t count,
                            const uint32_t *end)
{
    const struct missed_piece *missed = encoder->missed;
    uint32_t *out = missed[0].ids;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *rest = missed[i].ids + missed[i].size;
        const uint32_t *next = i + 1 < count ? missed[i + 1].ids : end;
        memmove(out, missed[i].ids, missed[i].count * sizeof *out);
        out += missed[i].count;
        memmove(out, rest, (size_t)(next - rest) * sizeof *out);
        out += next - rest;
    }
    return out;
}

/* Look up and write the ids of the batch's pieces, which begin at `begin`. */
static enum error_code encode_batch(struct text_encoder *encoder,
                                    const unsigned char *text, size_t begin,
                                    size_t pieces, struct arena *scratch, uint32_t **ids,
                                    struct error *error)
{
    const struct pending_piece *const first = encoder->pending;
    const struct pending_piece *const end = first + pieces;
    uint32_t *out = *ids;
    size_t missed = 0;
    for (const struct pending_piece *piece = first; piece < end; piece++) {
        const struct piece_slot *slot = piece->line;
        slot += !piece_key_is_equal(slot->key, piece->key);
        bool is_hit = piece_key_is_equal(slot->key, piece->key) && piece->key.high;
        uint32_t found = slot->ids[0] >> PIECE_COUNT_SHIFT;
        if (LIKELY(is_hit && found != PIECE_IN_LARGE)) {
            memcpy(out, slot->ids, sizeof slot->ids);
            out[0] &= (1u << PIECE_COUNT_SHIFT) - 1;
            out += found;
            continue;
        }
        size_t from = piece > first ? piece[-1].end : begin;
        encoder->missed[missed++] = (struct missed_piece){.pending = piece,
                                                          .piece = text + from,
                                                          .size = piece->end - from,
                                                          .ids = out,
                                                          .is_known = is_hit};
        out += piece->end - from;
    }
    *ids = out;
    if (missed == 0)
        return OK;
    enum error_code code = encode_missed(encoder, missed, scratch, error);
    if (code == OK)
        *ids = close_gaps(encoder, missed, out);
    return code;
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
            split_pieces(encoder->pattern, text, size, &at, encoder->ends, TEXT_BATCH);
        while (piece < pieces) {
            size_t filled = prepare_batch(encoder, text, size, begin, &piece, pieces);
            enum error_code code =
                encode_batch(encoder, text, begin, filled, scratch, &out, error);
            if (code != OK)
                return code;
            begin = encoder->pending[filled - 1].end;
        }
    }
    *count = (size_t)(out - ids);
    return OK;
}
