/* word_cache.h - what a model made of words seen before, in bounded memory
 *
 * A word is some U+2581s (0 to 15) and up to 15 bytes behind them: these have slots of 32
 * bytes, two side by side in a cache line, that hold up to seven numbers below 2^16, or up
 * to four below 2^24. Other words of up to 124 bytes, and those with more numbers, have
 * larger slots in a second table. A new word takes the place of an old one. Private to an
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
    WORD_NARROW = 7,    /* numbers below 2^16 in a small slot */
    WORD_WIDE = 4,      /* or below 2^24 */
    WORD_SLACK = 8,     /* numbers that word_slot_get() may write */
    WORD_IN_LARGE = 15, /* as a count: see the large table */
    WORD_LARGE_MAX = 124,
    WORD_LARGE_IDS = 32,
    WORD_LIMIT_MAX = 0xFFF, /* of what an owner notes with a word */
    WORD_SMALL_BITS = 20,   /* slots: 32 MiB */
    WORD_LARGE_BITS = 15,   /* slots: 8 MiB */
    WORD_ID_MAX = (1 << 24) - 1
};

struct word_key {
    uint64_t low, high; /* {0, 0}: not a small word */
};

struct word_slot {
    struct word_key key;
    uint16_t packed[7]; /* seven numbers, or four of three bytes each */
    uint16_t note;      /* limit << 4 | count */
};

struct word_large_slot {
    unsigned char size, count; /* size 0: empty */
    uint16_t limit;
    unsigned char word[WORD_LARGE_MAX];
    uint32_t ids[WORD_LARGE_IDS];
};

struct word_cache {
    struct word_slot *small; /* in the arena given to init */
    struct word_large_slot *large;
    bool is_wide; /* numbers are not below 2^16 */
};

/* How many numbers, and what the owner noted with them; count 0: not there. */
struct word_found {
    uint32_t count, limit;
};

/* Empty tables in `arena` for numbers below `limit`. False: no memory. */
bool word_cache_init(struct word_cache *cache, uint32_t limit, struct arena *arena);

/* Bytes of a key that a word of that size fills. */
extern const struct word_key word_key_masks[WORD_REST_MAX + 1];

/* The key of a word of so many U+2581s and the bytes at `rest`, of which 16 can be read. */
static inline struct word_key word_key_load(const unsigned char *rest, size_t size,
                                            size_t spaces)
{
    struct word_key key;
    memcpy(&key, rest, sizeof key);
    key.low &= word_key_masks[size].low;
    key.high &= word_key_masks[size].high;
    key.high |= (uint64_t)(size << 4 | spaces) << 56;
    return key;
}

/* The key of a word; {0, 0} where it is not small. `left`: bytes that can be read. */
static inline struct word_key word_key_of(const unsigned char *word, size_t size,
                                          size_t left)
{
    size_t spaces = 0;
    while (spaces < WORD_SPACES_MAX && size - 3 * spaces >= 3 &&
           word_is_space(word + 3 * spaces))
        spaces++;
    const unsigned char *rest = word + 3 * spaces;
    const size_t length = size - 3 * spaces;
    unsigned char padded[16] = {0};
    if (length > WORD_REST_MAX)
        return (struct word_key){0, 0};
    if (left - 3 * spaces < sizeof padded) {
        memcpy(padded, rest, length);
        rest = padded;
    }
    return word_key_load(rest, length, spaces);
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

/* Copy the numbers of a slot: always WORD_SLACK of them, so that no branch depends on how
 * many there are. */
static inline struct word_found word_slot_get(const struct word_cache *cache,
                                              const struct word_slot *slot, uint32_t *ids)
{
    if (cache->is_wide) {
        const unsigned char *packed = (const unsigned char *)slot->packed;
        for (size_t i = 0; i < WORD_WIDE; i++) {
            memcpy(&ids[i], packed + 3 * i, 4);
            ids[i] &= WORD_ID_MAX;
        }
    } else {
        uint16_t packed[WORD_SLACK];
        memcpy(packed, slot->packed, sizeof packed); /* and the note */
        for (size_t i = 0; i < WORD_SLACK; i++)
            ids[i] = packed[i];
    }
    return (struct word_found){.count = slot->note & 15u,
                               .limit = (uint32_t)slot->note >> 4};
}

/* Where a word stands in the large table. */
size_t word_large_slot(const unsigned char *word, size_t size);

/* The numbers of a word of any size whose large slot that is. */
struct word_found word_cache_find_large(const struct word_cache *cache, size_t slot,
                                        const unsigned char *word, size_t size,
                                        uint32_t *ids);

/* Everything about a word that word_cache_find() did not give: the line beside, the large
 * table. `ids` has room for WORD_SLACK more than the word can have. */
struct word_found word_cache_find_slowly(const struct word_cache *cache,
                                         struct word_key key, size_t slot,
                                         const unsigned char *word, size_t size,
                                         uint32_t *ids);

/* Remember a word if it is not too large; ids are at most WORD_ID_MAX, `limit` at most
 * WORD_LIMIT_MAX. */
void word_cache_put(struct word_cache *cache, struct word_key key, size_t slot,
                    const unsigned char *word, size_t size, const uint32_t *ids,
                    size_t count, uint32_t limit);

#endif
