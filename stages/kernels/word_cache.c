/* word_cache.c - what a model made of words seen before, in bounded memory */
#include "stages/kernels/word_cache.h"

#include "core/arena.h"
#include "stages/kernels/vocabulary.h"

enum { CACHE_LINE = 64 };

/* clang-format off */
const struct word_key word_key_masks[WORD_REST_MAX + 1] = {
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

bool word_cache_init(struct word_cache *cache, uint32_t limit, struct arena *arena)
{
    cache->is_wide = limit > UINT16_MAX + 1u;
    cache->small = arena_alloc(arena, (size_t)1 << WORD_SMALL_BITS,
                               sizeof(struct word_slot), CACHE_LINE);
    cache->large = arena_alloc(arena, (size_t)1 << WORD_LARGE_BITS,
                               sizeof(struct word_large_slot), CACHE_LINE);
    return cache->small && cache->large;
}

size_t word_large_slot(const unsigned char *word, size_t size)
{
    return (size_t)(vocabulary_hash(word, size) >> (64 - WORD_LARGE_BITS));
}

struct word_found word_cache_find_large(const struct word_cache *cache, size_t slot,
                                        const unsigned char *word, size_t size,
                                        uint32_t *ids)
{
    const struct word_large_slot *found = cache->large + slot;
    if (size > WORD_LARGE_MAX || found->size != size ||
        memcmp(found->word, word, size) != 0)
        return (struct word_found){0, 0};
    memcpy(ids, found->ids, found->count * sizeof *ids);
    return (struct word_found){.count = found->count, .limit = found->limit};
}

struct word_found word_cache_find_slowly(const struct word_cache *cache,
                                         struct word_key key, size_t slot,
                                         const unsigned char *word, size_t size,
                                         uint32_t *ids)
{
    const struct word_found nothing = {0, 0};
    if (key.high != 0) {
        const struct word_slot *small = word_cache_find(cache, key, slot);
        if (!small)
            small = word_cache_find(cache, key, word_key_other_slot(slot));
        if (!small)
            return nothing;
        struct word_found found = word_slot_get(cache, small, ids);
        if (found.count != WORD_IN_LARGE)
            return found;
        slot = word_large_slot(word, size);
    }
    return word_cache_find_large(cache, slot, word, size, ids);
}

static void put_large(struct word_cache *cache, size_t slot, const unsigned char *word,
                      size_t size, const uint32_t *ids, size_t count, uint32_t limit)
{
    if (size > WORD_LARGE_MAX || count > WORD_LARGE_IDS)
        return;
    struct word_large_slot *chosen = cache->large + slot;
    chosen->size = (unsigned char)size;
    chosen->count = (unsigned char)count;
    chosen->limit = (uint16_t)limit;
    memcpy(chosen->word, word, size);
    memcpy(chosen->ids, ids, count * sizeof *ids);
}

void word_cache_put(struct word_cache *cache, struct word_key key, size_t slot,
                    const unsigned char *word, size_t size, const uint32_t *ids,
                    size_t count, uint32_t limit)
{
    bool is_small = key.high != 0;
    const size_t most = cache->is_wide ? WORD_WIDE : WORD_NARROW;
    if (!is_small || count > most)
        put_large(cache, is_small ? word_large_slot(word, size) : slot, word, size, ids,
                  count, limit);
    if (!is_small)
        return;
    struct word_slot *line = cache->small + slot;
    struct word_slot *other = cache->small + word_key_other_slot(slot);
    struct word_slot *const order[] = {line, line + 1, other, other + 1};
    struct word_slot *chosen = line + 1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        bool is_same = order[i]->key.low == key.low && order[i]->key.high == key.high;
        if (order[i]->key.high == 0 || is_same) {
            chosen = order[i];
            break;
        }
    }
    unsigned char *packed = (unsigned char *)chosen->packed;
    memset(packed, 0, sizeof chosen->packed);
    for (size_t i = 0; i < count && count <= most; i++) {
        uint16_t narrow = (uint16_t)ids[i];
        if (cache->is_wide)
            memcpy(packed + 3 * i, &ids[i], 3); /* the lower bytes come first */
        else
            memcpy(packed + 2 * i, &narrow, 2);
    }
    chosen->note = (uint16_t)(limit << 4 | (count <= most ? count : WORD_IN_LARGE));
    chosen->key = key;
}
