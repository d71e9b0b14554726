/* piece_cache.c - ids of pieces seen before, in bounded memory, private to an executor */
#include "stages/kernels/piece_cache.h"

#include "core/arena.h"
#include "stages/kernels/vocabulary.h"

enum { CACHE_LINE = 64 };

/* clang-format off */
const struct piece_key piece_key_masks[16] = {
    {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x00000000000000FF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x000000000000FFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x0000000000FFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x00000000FFFFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x000000FFFFFFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x0000FFFFFFFFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0x00FFFFFFFFFFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x0000000000000000)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x00000000000000FF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x000000000000FFFF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x0000000000FFFFFF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x00000000FFFFFFFF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x000000FFFFFFFFFF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x0000FFFFFFFFFFFF)},
    {UINT64_C(0xFFFFFFFFFFFFFFFF), UINT64_C(0x00FFFFFFFFFFFFFF)}};
/* clang-format on */

bool piece_cache_init(struct piece_cache *cache, struct arena *arena)
{
    cache->small = arena_alloc(arena, (size_t)1 << PIECE_SMALL_BITS,
                               sizeof(struct piece_slot), CACHE_LINE);
    cache->large = arena_alloc(arena, (size_t)1 << PIECE_LARGE_BITS,
                               sizeof(struct piece_large_slot), CACHE_LINE);
    cache->longest = arena_alloc(arena, (size_t)1 << PIECE_LONG_BITS,
                                 sizeof(struct piece_long_slot), CACHE_LINE);
    return cache->small && cache->large && cache->longest;
}

void piece_cache_put(struct piece_cache *cache, struct piece_key key, size_t slot,
                     const uint32_t *ids, size_t count)
{
    struct piece_slot *line = cache->small + slot;
    struct piece_slot *other = cache->small + piece_key_other_slot(slot);
    struct piece_slot *const order[] = {line, line + 1, other, other + 1};
    struct piece_slot *chosen = line + 1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (order[i]->key.high == 0) {
            chosen = order[i];
            break;
        }
    }
    memset(chosen->ids, 0, sizeof chosen->ids);
    if (count <= PIECE_INLINE_IDS)
        memcpy(chosen->ids, ids, count * sizeof *ids);
    else
        count = PIECE_IN_LARGE;
    chosen->ids[0] |= (uint32_t)count << PIECE_COUNT_SHIFT;
    chosen->key = key;
}

enum { LINE_PIECE = 30, LINE_IDS = 8 }; /* of a slot of one line */

size_t piece_large_slot(const unsigned char *piece, size_t size)
{
    unsigned bits = size <= LINE_PIECE ? PIECE_LARGE_BITS : PIECE_LONG_BITS;
    return (size_t)(vocabulary_hash(piece, size) >> (64 - bits));
}

const void *piece_large_line(const struct piece_cache *cache, size_t slot, size_t size)
{
    return size <= LINE_PIECE ? (const void *)(cache->large + slot)
                              : (const void *)(cache->longest + slot);
}

/* A slot of either table. */
struct slot_view {
    unsigned char *size, *count, *piece;
    uint32_t *ids;
};

static struct slot_view view_slot(const struct piece_cache *cache, size_t slot,
                                  size_t size)
{
    if (size <= LINE_PIECE) {
        struct piece_large_slot *line = cache->large + slot;
        return (struct slot_view){&line->size, &line->count, line->piece, line->ids};
    }
    struct piece_long_slot *lines = cache->longest + slot;
    return (struct slot_view){&lines->size, &lines->count, lines->piece, lines->ids};
}

size_t piece_cache_find_large(const struct piece_cache *cache, size_t slot,
                              const unsigned char *piece, size_t size, uint32_t *ids)
{
    for (size_t i = 0; i < 2 && size <= PIECE_LARGE_MAX; i++) {
        struct slot_view found = view_slot(cache, slot ^ i, size);
        if (*found.size == size && memcmp(found.piece, piece, size) == 0) {
            memcpy(ids, found.ids, *found.count * sizeof *ids);
            return *found.count;
        }
    }
    return 0;
}

void piece_cache_put_large(struct piece_cache *cache, size_t slot,
                           const unsigned char *piece, size_t size, const uint32_t *ids,
                           size_t count)
{
    if (size > PIECE_LARGE_MAX ||
        count > (size <= LINE_PIECE ? (size_t)LINE_IDS : (size_t)PIECE_LARGE_IDS))
        return;
    struct slot_view chosen = view_slot(cache, slot, size);
    if (*chosen.size != 0)
        chosen = view_slot(cache, slot ^ 1, size);
    *chosen.size = (unsigned char)size;
    *chosen.count = (unsigned char)count;
    memcpy(chosen.piece, piece, size);
    memcpy(chosen.ids, ids, count * sizeof *ids);
}
