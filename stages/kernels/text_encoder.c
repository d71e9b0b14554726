/* text_encoder.c - text to token ids: split, look up, merge what is new */
#include "stages/kernels/text_encoder.h"

#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/vocabulary.h"

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

static struct piece_key key_of(const unsigned char *piece, size_t size,
                               const unsigned char *end)
{
    return LIKELY(end - piece >= 16) ? piece_key_load(piece, size)
                                     : piece_key_copy(piece, size);
}

/* Keys and cache lines of a batch's pieces: the lines are on their way when they are looked
 * at. Long pieces are cut where they can be. `*piece`: the first not done. Returns their
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
        if (UNLIKELY(end - begin > PIECE_KEY_MAX)) {
            size_t part = vocabulary_cut(encoder->vocabulary, text + begin, end - begin);
            next -= begin + part < end;
            end = begin + part;
        }
        size_t length = end - begin;
        if (LIKELY(length <= PIECE_KEY_MAX)) {
            pending->key = key_of(text + begin, length, text + size);
            pending->line = small + piece_key_slot(pending->key);
            PREFETCH(pending->line);
        } else {
            PREFETCH(
                piece_large_line(cache, piece_large_hash(text + begin, length), length));
            pending->key = (struct piece_key){0};
            pending->line = small;
        }
        pending->end = begin = end;
        pending++;
    }
    *piece = next;
    return (size_t)(pending - encoder->pending);
}

/* Write the ids of the batch's pieces, which begin at `begin`; those that are missed leave
 * a gap. */
static uint32_t *look_up_batch(struct text_encoder *encoder, const unsigned char *text,
                               size_t begin, size_t pieces, uint32_t *out)
{
    const struct pending_piece *const first = encoder->pending;
    const struct pending_piece *const end = first + pieces;
    struct missed_piece *missed = encoder->missed + encoder->missed_count;
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
        *missed++ = (struct missed_piece){.key = piece->key,
                                          .line = piece->line,
                                          .piece = text + from,
                                          .size = piece->end - from,
                                          .ids = out,
                                          .is_known = is_hit};
        out += piece->end - from;
    }
    encoder->missed_count = (size_t)(missed - encoder->missed);
    return out;
}

/* ---- what was missed ---- */

static size_t line_number(const struct text_encoder *encoder,
                          const struct piece_slot *line)
{
    return (size_t)(line - encoder->cache.small);
}

/* Ids of a piece that is in the cache: their number, or 0. `is_large`: not in the table of
 * small ones. */
static size_t find_ids(const struct text_encoder *encoder, struct piece_key key,
                       const struct piece_slot *line, bool is_large,
                       const unsigned char *piece, size_t size, uint32_t *ids)
{
    const struct piece_cache *cache = &encoder->cache;
    if (!is_large) {
        size_t number = line_number(encoder, line);
        const struct piece_slot *slot = piece_cache_find(cache, key, number);
        if (!slot)
            slot = piece_cache_find(cache, key, piece_key_other_slot(number));
        if (!slot)
            return 0;
        uint32_t four[PIECE_INLINE_IDS]; /* there may not be room for all of them */
        size_t count = piece_slot_get(slot, four);
        for (size_t i = 0; i < count && i < PIECE_INLINE_IDS; i++)
            ids[i] = four[i];
        if (count != PIECE_IN_LARGE)
            return count;
    }
    return piece_cache_find_large(cache, piece_large_hash(piece, size), piece, size, ids);
}

static void remember(struct text_encoder *encoder, struct piece_key key,
                     const struct piece_slot *line, const unsigned char *piece,
                     size_t size, const uint32_t *ids, size_t count)
{
    if (count > PIECE_INLINE_IDS || size > PIECE_KEY_MAX)
        piece_cache_put_large(&encoder->cache, piece_large_hash(piece, size), piece, size,
                              ids, count);
    if (size <= PIECE_KEY_MAX)
        piece_cache_put(&encoder->cache, key, line_number(encoder, line), ids, count);
}

static void add_job(struct text_encoder *encoder, struct missed_part *part)
{
    part->job = &encoder->jobs[encoder->job_count++];
    *part->job =
        (struct merge_job){.piece = part->piece, .size = part->size, .ids = part->ids};
}

/* The parts of a piece; their lines are on their way. Only what ends in a character of
 * several bytes is worth a look for places to cut, and long pieces were cut before. `end`:
 * behind the text. */
static void add_parts(struct text_encoder *encoder, struct missed_piece *missed,
                      const unsigned char *end)
{
    const struct piece_slot *const small = encoder->cache.small;
    bool may_be_cut = missed->size > 3 && missed->size <= PIECE_KEY_MAX &&
                      missed->piece[missed->size - 1] >= 0x80;
    missed->first_part = encoder->part_count;
    for (size_t from = 0, size = missed->size; from < missed->size; from += size) {
        const unsigned char *piece = missed->piece + from;
        if (may_be_cut)
            size = vocabulary_cut(encoder->vocabulary, piece, missed->size - from);
        struct missed_part *part = &encoder->parts[encoder->part_count++];
        *part = (struct missed_part){.key = missed->key,
                                     .line = missed->line,
                                     .piece = piece,
                                     .size = size,
                                     .ids = missed->ids + from};
        if (size == missed->size) {
            add_job(encoder, part);
            break;
        }
        part->key = key_of(piece, size, end);
        part->line = small + piece_key_slot(part->key);
        PREFETCH(part->line);
        PREFETCH(small + piece_key_other_slot(line_number(encoder, part->line)));
    }
    missed->part_count = encoder->part_count - missed->first_part;
}

/* A token that merging does not make: it is its piece's only id all the same. */
static bool find_token(const struct text_encoder *encoder, struct missed_piece *missed)
{
    if (!vocabulary_is_hidden(encoder->vocabulary, missed->piece, missed->size))
        return false;
    uint32_t token = vocabulary_find(encoder->vocabulary, missed->piece, missed->size);
    if (token == TOKEN_NONE)
        return false;
    missed->ids[0] = token;
    missed->count = 1;
    return true;
}

/* Find the ids of a missed piece, or add its parts. */
static enum error_code resolve_piece(struct text_encoder *encoder,
                                     struct missed_piece *missed,
                                     const unsigned char *end, struct arena *scratch,
                                     struct error *error)
{
    missed->part_count = 0;
    missed->count = find_ids(encoder, missed->key, missed->line,
                             missed->is_known || missed->size > PIECE_KEY_MAX,
                             missed->piece, missed->size, missed->ids);
    if (missed->count > 0)
        return OK;
    enum error_code code = OK;
    if (missed->size > MERGE_TINY_MAX) {
        code = merge_piece(encoder->vocabulary, missed->piece, missed->size, scratch,
                           missed->ids, &missed->count, error);
    } else if (!find_token(encoder, missed)) {
        add_parts(encoder, missed, end);
        return OK;
    }
    if (code == OK)
        remember(encoder, missed->key, missed->line, missed->piece, missed->size,
                 missed->ids, missed->count);
    return code;
}

/* The ids of all parts. Those that are new are merged together. */
static void resolve_parts(struct text_encoder *encoder)
{
    const struct missed_part *const end = encoder->parts + encoder->part_count;
    for (struct missed_part *part = encoder->parts; part < end; part++) {
        if (part->job)
            continue;
        part->count = find_ids(encoder, part->key, part->line, false, part->piece,
                               part->size, part->ids);
        if (part->count == 0)
            add_job(encoder, part);
    }
    merge_jobs(encoder->vocabulary, encoder->jobs, encoder->job_count);
    for (struct missed_part *part = encoder->parts; part < end; part++) {
        if (!part->job)
            continue;
        part->count = part->job->count;
        remember(encoder, part->key, part->line, part->piece, part->size, part->ids,
                 part->count);
    }
}

/* The ids of a piece are those of its parts. */
static void join_parts(struct text_encoder *encoder, struct missed_piece *missed)
{
    const struct missed_part *parts = encoder->parts + missed->first_part;
    if (missed->part_count == 0)
        return;
    missed->count = parts[0].count;
    for (size_t i = 1; i < missed->part_count; i++) {
        memmove(missed->ids + missed->count, parts[i].ids,
                parts[i].count * sizeof *missed->ids);
        missed->count += parts[i].count;
    }
    if (missed->part_count > 1)
        remember(encoder, missed->key, missed->line, missed->piece, missed->size,
                 missed->ids, missed->count);
}

static void send_for_lines(const struct text_encoder *encoder)
{
    for (size_t i = 0; i < encoder->missed_count; i++) {
        const struct missed_piece *missed = &encoder->missed[i];
        if (missed->size > PIECE_KEY_MAX)
            continue;
        PREFETCH(encoder->cache.small +
                 piece_key_other_slot(line_number(encoder, missed->line)));
        if (missed->is_known)
            PREFETCH(piece_large_line(&encoder->cache,
                                      piece_large_hash(missed->piece, missed->size),
                                      missed->size));
    }
}

/* Close the gaps behind the ids of missed pieces. Returns the end. */
static uint32_t *close_gaps(const struct text_encoder *encoder, const uint32_t *end)
{
    const struct missed_piece *missed = encoder->missed;
    uint32_t *out = missed[0].ids;
    for (size_t i = 0; i < encoder->missed_count; i++) {
        const uint32_t *rest = missed[i].ids + missed[i].size;
        const uint32_t *next = i + 1 < encoder->missed_count ? missed[i + 1].ids : end;
        memmove(out, missed[i].ids, missed[i].count * sizeof *out);
        out += missed[i].count;
        memmove(out, rest, (size_t)(next - rest) * sizeof *out);
        out += next - rest;
    }
    return out;
}

/* The ids of all missed pieces go into their gaps. `end`: behind the text. */
static enum error_code resolve_missed(struct text_encoder *encoder,
                                      const unsigned char *end, struct arena *scratch,
                                      uint32_t **ids, struct error *error)
{
    send_for_lines(encoder);
    for (size_t next = 0; next < encoder->missed_count;) {
        size_t first = next;
        encoder->part_count = encoder->job_count = 0;
        for (; next < encoder->missed_count &&
               encoder->part_count + PIECE_KEY_MAX <= TEXT_PARTS_MAX;
             next++) {
            enum error_code code =
                resolve_piece(encoder, &encoder->missed[next], end, scratch, error);
            if (code != OK)
                return code;
        }
        resolve_parts(encoder);
        for (size_t i = first; i < next; i++)
            join_parts(encoder, &encoder->missed[i]);
    }
    if (encoder->missed_count > 0)
        *ids = close_gaps(encoder, *ids);
    encoder->missed_count = 0;
    return OK;
}

enum error_code text_encoder_run(struct text_encoder *encoder, const unsigned char *text,
                                 size_t size, struct arena *scratch, uint32_t *ids,
                                 size_t *count, struct error *error)
{
    uint32_t *out = ids;
    size_t at = 0, begin = 0;
    encoder->missed_count = 0;
    while (begin < size) {
        size_t piece = 0;
        size_t pieces =
            split_pieces(encoder->pattern, text, size, &at, encoder->ends, TEXT_BATCH);
        while (piece < pieces) {
            if (encoder->missed_count + TEXT_BATCH > TEXT_MISSED_MAX) {
                enum error_code code =
                    resolve_missed(encoder, text + size, scratch, &out, error);
                if (code != OK)
                    return code;
            }
            size_t filled = prepare_batch(encoder, text, size, begin, &piece, pieces);
            out = look_up_batch(encoder, text, begin, filled, out);
            begin = encoder->pending[filled - 1].end;
        }
    }
    enum error_code code = resolve_missed(encoder, text + size, scratch, &out, error);
    if (code == OK)
        *count = (size_t)(out - ids);
    return code;
}
