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
    return cache->small && cache->large;
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

size_t piece_large_slot(const unsigned char *piece, size_t size)
{
    return (size_t)(vocabulary_hash(piece, size) >> (64 - PIECE_LARGE_BITS));
}

static bool is_large_piece(const struct piece_large_slot *slot,
                           const unsigned char *piece, size_t size)
{
    return slot->size == size && memcmp(slot->piece, piece, size) == 0;
}

size_t piece_cache_find_large(const struct piece_cache *cache, size_t slot,
                              const unsigned char *piece, size_t size, uint32_t *ids)
{
    const struct piece_large_slot *found = cache->large + slot;
    if (size > PIECE_LARGE_MAX)
        return 0;
    if (!is_large_piece(found, piece, size)) {
        found = cache->large + (slot ^ 1);
        if (!is_large_piece(found, piece, size))
            return 0;
    }
    memcpy(ids, found->ids, found->count * sizeof *ids);
    return found->count;
}

void piece_cache_put_large(struct piece_cache *cache, size_t slot,
                           const unsigned char *piece, size_t size, const uint32_t *ids,
                           size_t count)
{
    if (size > PIECE_LARGE_MAX || count > PIECE_LARGE_IDS)
        return;
    struct piece_large_slot *chosen = cache->large + slot;
    if (chosen->size != 0)
        chosen = cache->large + (slot ^ 1);
    chosen->size = (unsigned char)size;
    chosen->count = (unsigned char)count;
    memcpy(chosen->piece, piece, size);
    memcpy(chosen->ids, ids, count * sizeof *ids);
}
