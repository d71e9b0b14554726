/* word_cache.h - what a model made of words seen before, in bounded memory
 *
 * A word is some U+2581s (0 to 15) and up to 15 bytes behind them: these have slots of 32
 * bytes, two side by side in a cache line, that hold up to four numbers. Other words of up
 * to 60 bytes, and those with more numbers, have larger slots in a second table. Nothing
 * is kept but what is asked again: a new word takes the place of an old one. Private to an
 * executor. */
#ifndef STAGES_KERNELS_WORD_CACHE_H
#define STAGES_KERNELS_WORD_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stages/kernels/word_cut.h"

struct arena;

enum {
    WORD_REST_MAX = 15, /* bytes behind the U+2581s of a small word */
    WORD_SPACES_MAX = 15,
    WORD_INLINE = 4,
    WORD_COUNT_SHIFT = 28, /* the count stands above the first number */
    WORD_LIMIT_SHIFT = 24, /* the limit above the second */
    WORD_IN_LARGE = 7,     /* as a count: see the large table */
    WORD_LARGE_MAX = 60,
    WORD_LARGE_IDS = 16,
    WORD_SMALL_BITS = 19, /* slots: 16 MiB */
    WORD_LARGE_BITS = 15, /* slots: 4 MiB */
    WORD_ID_MAX = (1 << 24) - 1
};

struct word_key {
    uint64_t low, high; /* {0, 0}: not a small word */
};

struct word_slot {
    struct word_key key;
    uint32_t ids[WORD_INLINE];
};

struct word_large_slot {
    unsigned char size, count, limit, reserved; /* size 0: empty */
    unsigned char word[WORD_LARGE_MAX];
    uint32_t ids[WORD_LARGE_IDS];
};

struct word_cache {
    struct word_slot *small; /* in the arena given to init */
    struct word_large_slot *large;
};

/* Up to four numbers and what the owner noted with them; count 0: not there. */
struct word_found {
    uint32_t count, limit;
};

/* Empty tables in `arena`. False: no memory. */
bool word_cache_init(struct word_cache *cache, struct arena *arena);

/* The key of a word; {0, 0} where it is not small. `left`: bytes that can be read. */
static inline struct word_key word_key_of(const unsigned char *word, size_t size,
                                          size_t left)
{
    size_t spaces = 0;
    while (spaces < WORD_SPACES_MAX && size - 3 * spaces >= 3 &&
           word_is_space(word + 3 * spaces))
        spaces++;
    struct word_key key = {0, 0};
    const unsigned char *rest = word + 3 * spaces;
    size_t length = size - 3 * spaces;
    if (length > WORD_REST_MAX)
        return key;
    if (left - 3 * spaces >= 16) {
        memcpy(&key.low, rest, 8);
        memcpy(&key.high, rest + 8, 8);
    } else {
        unsigned char padded[16] = {0};
        memcpy(padded, rest, length);
        memcpy(&key.low, padded, 8);
        memcpy(&key.high, padded + 8, 8);
    }
    unsigned low_bits = length < 8 ? (unsigned)(64 - 8 * length) : 0;
    unsigned high_bits = length <= 8 ? 0 : (unsigned)(64 - 8 * (length - 8));
    key.low = low_bits == 64 ? 0 : key.low << low_bits >> low_bits;
    key.high = length > 8 ? key.high << high_bits >> high_bits : 0;
    key.high |= (uint64_t)(length << 4 | spaces) << 56;
    return key;
}

/* The first small slot of the key's line. */
static inline size_t word_key_slot(struct word_key key)
{
    uint64_t hash =
        (key.low ^ (key.high << 29 | key.high >> 35)) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return (size_t)(hash >> (65 - WORD_SMALL_BITS)) << 1;
}

/* The slot of a line that holds the key, or NULL. */
static inline const struct word_slot *word_cache_find(const struct word_cache *cache,
                                                      struct word_key key, size_t slot)
{
    const struct word_slot *line = cache->small + slot;
    size_t second = ((line[0].key.low ^ key.low) | (line[0].key.high ^ key.high)) != 0;
    const struct word_slot *found = line + second;
    bool is_hit = ((found->key.low ^ key.low) | (found->key.high ^ key.high)) == 0;
    return is_hit ? found : NULL;
}

/* The line beside it: a second chance when a line is full. */
static inline size_t word_key_other_slot(size_t slot)
{
    return slot ^ 2;
}

/* Copy the numbers of a slot: always four, so that no branch depends on how many there
 * are. */
static inline struct word_found word_slot_get(const struct word_slot *slot, uint32_t *ids)
{
    uint32_t first = slot->ids[0], second = slot->ids[1];
    ids[0] = first & ((1u << WORD_COUNT_SHIFT) - 1);
    ids[1] = second & ((1u << WORD_LIMIT_SHIFT) - 1);
    ids[2] = slot->ids[2];
    ids[3] = slot->ids[3];
    return (struct word_found){.count = first >> WORD_COUNT_SHIFT,
                               .limit = second >> WORD_LIMIT_SHIFT};
}

/* Where a word stands in the large table. */
size_t word_large_slot(const unsigned char *word, size_t size);

/* The numbers of a word of any size whose large slot that is. */
struct word_found word_cache_find_large(const struct word_cache *cache, size_t slot,
                                        const unsigned char *word, size_t size,
                                        uint32_t *ids);

/* Everything about a word that word_cache_find() did not give: the line beside, the large
 * table. `ids` has room for WORD_LARGE_IDS. */
struct word_found word_cache_find_slowly(const struct word_cache *cache,
                                         struct word_key key, size_t slot,
                                         const unsigned char *word, size_t size,
                                         uint32_t *ids);

/* Remember a word if it is not too large; ids are at most WORD_ID_MAX, `limit` at most
 * 255. */
void word_cache_put(struct word_cache *cache, struct word_key key, size_t slot,
                    const unsigned char *word, size_t size, const uint32_t *ids,
                    size_t count, uint32_t limit);

#endif
