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
    cache->stored = arena_alloc(arena, (size_t)1 << PIECE_STORED_BITS,
                                sizeof(struct piece_stored_slot), CACHE_LINE);
    cache->store = arena_alloc(arena, PIECE_STORE_SIZE, 1, CACHE_LINE);
    cache->store_used = 0;
    return cache->small && cache->large && cache->stored && cache->store;
}

void piece_cache_put(struct piece_cache *cache, struct piece_key key, size_t slot,
                     const uint32_t *ids, size_t count)
{
    struct piece_slot *line = cache->small + slot;
    struct piece_slot *other = cache->small + piece_key_other_slot(slot);
    struct piece_slot *const order[] = {line, line + 1, other, other + 1};
    struct piece_slot *chosen = line + 1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (order[i]->key.high == 0 || piece_key_is_equal(order[i]->key, key)) {
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

uint64_t piece_large_hash(const unsigned char *piece, size_t size)
{
    return vocabulary_hash(piece, size);
}

static struct piece_large_slot *large_slot(const struct piece_cache *cache, uint64_t hash)
{
    return cache->large + (hash >> (64 - PIECE_LARGE_BITS));
}

static struct piece_stored_slot *stored_slot(const struct piece_cache *cache,
                                             uint64_t hash)
{
    return cache->stored + (hash >> (64 - PIECE_STORED_BITS));
}

const void *piece_large_line(const struct piece_cache *cache, uint64_t hash, size_t size)
{
    return size <= PIECE_LARGE_MAX ? (const void *)large_slot(cache, hash)
                                   : (const void *)stored_slot(cache, hash);
}

/* The two slots that an entry may have are neighbours. */
static size_t beside(const void *slot, const void *first, size_t size)
{
    return ((size_t)((const unsigned char *)slot - (const unsigned char *)first) / size) ^
           1;
}

static size_t find_stored(const struct piece_cache *cache, uint64_t hash,
                          const unsigned char *piece, size_t size, uint32_t *ids)
{
    const struct piece_stored_slot *slot = stored_slot(cache, hash);
    for (size_t i = 0; i < 2; i++) {
        const uint32_t *stored = cache->store + slot->offset;
        if (slot->hash == hash && slot->size == size &&
            memcmp(stored + slot->count, piece, size) == 0) {
            memcpy(ids, stored, slot->count * sizeof *ids);
            return slot->count;
        }
        slot = cache->stored + beside(slot, cache->stored, sizeof *slot);
    }
    return 0;
}

size_t piece_cache_find_large(const struct piece_cache *cache, uint64_t hash,
                              const unsigned char *piece, size_t size, uint32_t *ids)
{
    const struct piece_large_slot *slot = large_slot(cache, hash);
    for (size_t i = 0; i < 2 && size <= PIECE_LARGE_MAX; i++) {
        if (slot->size == size && memcmp(slot->piece, piece, size) == 0) {
            memcpy(ids, slot->ids, slot->count * sizeof *ids);
            return slot->count;
        }
        slot = cache->large + beside(slot, cache->large, sizeof *slot);
    }
    return find_stored(cache, hash, piece, size, ids);
}

static void put_stored(struct piece_cache *cache, uint64_t hash,
                       const unsigned char *piece, size_t size, const uint32_t *ids,
                       size_t count)
{
    const size_t capacity = PIECE_STORE_SIZE / sizeof *cache->store;
    if (size > PIECE_STORE_SIZE / 16 || count > capacity / 16)
        return;
    size_t wanted = count + (size + sizeof *cache->store - 1) / sizeof *cache->store;
    if (wanted > capacity - cache->store_used) {
        memset(cache->stored, 0, sizeof *cache->stored << PIECE_STORED_BITS);
        cache->store_used = 0;
    }
    struct piece_stored_slot *slot = stored_slot(cache, hash);
    if (slot->size != 0)
        slot = cache->stored + beside(slot, cache->stored, sizeof *slot);
    *slot = (struct piece_stored_slot){.hash = hash,
                                       .offset = (uint32_t)cache->store_used,
                                       .size = (uint32_t)size,
                                       .count = (uint32_t)count};
    uint32_t *stored = cache->store + cache->store_used;
    memcpy(stored, ids, count * sizeof *ids);
    memcpy(stored + count, piece, size);
    cache->store_used += wanted;
}

void piece_cache_put_large(struct piece_cache *cache, uint64_t hash,
                           const unsigned char *piece, size_t size, const uint32_t *ids,
                           size_t count)
{
    if (size > PIECE_LARGE_MAX || count > PIECE_LARGE_IDS) {
        put_stored(cache, hash, piece, size, ids, count);
        return;
    }
    struct piece_large_slot *slot = large_slot(cache, hash);
    if (slot->size != 0)
        slot = cache->large + beside(slot, cache->large, sizeof *slot);
    slot->size = (unsigned char)size;
    slot->count = (unsigned char)count;
    memcpy(slot->piece, piece, size);
    memcpy(slot->ids, ids, count * sizeof *ids);
}
