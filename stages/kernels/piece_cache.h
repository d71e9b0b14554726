/* piece_cache.h - ids of pieces seen before, in bounded memory, private to an executor
 *
 * Tables of two kinds. Small slots hold a key of 16 bytes (up to 15 bytes of the piece,
 * zeroes, its size) and up to four ids inline: two to a cache line, so that a look costs one
 * miss of the cache and no branch on the piece. Large slots take a cache line each, and what
 * is longer still or has more ids stands in a store that is emptied when it is full. Where
 * the two small slots of a line are taken, its neighbour is tried; else the second slot gives
 * way: the others keep what came first, and what is frequent comes early. What is cached
 * never shows in results. */
#ifndef STAGES_KERNELS_PIECE_CACHE_H
#define STAGES_KERNELS_PIECE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;

enum {
    PIECE_KEY_MAX = 15, /* bytes of a piece in a small slot */
    PIECE_INLINE_IDS = 4,
    PIECE_COUNT_SHIFT = 28, /* the count stands above the first id */
    PIECE_IN_LARGE = 7,     /* as a count: has more ids, see the large table */
    PIECE_LARGE_MAX = 30,
    PIECE_LARGE_IDS = 8,
    PIECE_SMALL_BITS = 20,     /* slots: 32 MiB */
    PIECE_LARGE_BITS = 17,     /* slots: 8 MiB */
    PIECE_STORED_BITS = 14,    /* slots: 384 KiB */
    PIECE_STORE_SIZE = 4 << 20 /* bytes */
};

struct piece_key {
    uint64_t low, high;
};

struct piece_slot {
    struct piece_key key; /* {0, 0}: empty */
    uint32_t ids[PIECE_INLINE_IDS];
};

/* A slot of a cache line. */
struct piece_large_slot {
    unsigned char size, count; /* 0, 0: empty */
    unsigned char piece[PIECE_LARGE_MAX];
    uint32_t ids[PIECE_LARGE_IDS];
};

/* What fits none: its ids and bytes stand in the store, one behind the other. */
struct piece_stored_slot {
    uint64_t hash;
    uint32_t offset, size, count; /* size 0: empty */
};

struct piece_cache {
    struct piece_slot *small; /* in the arena given to init */
    struct piece_large_slot *large;
    struct piece_stored_slot *stored;
    uint32_t *store; /* (PIECE_STORE_SIZE / 4) */
    size_t store_used;
};

/* Empty tables in `arena`. False: no memory. */
bool piece_cache_init(struct piece_cache *cache, struct arena *arena);

/* Bytes of a key that a piece of that size fills. */
extern const struct piece_key piece_key_masks[16];

/* The key of a piece of 1 to PIECE_KEY_MAX bytes, of which 16 can be read. */
static inline struct piece_key piece_key_load(const unsigned char *piece, size_t size)
{
    struct piece_key key;
    memcpy(&key, piece, sizeof key);
    key.low &= piece_key_masks[size].low;
    key.high = (key.high & piece_key_masks[size].high) | (uint64_t)size << 56;
    return key;
}

/* The same where fewer bytes can be read. */
static inline struct piece_key piece_key_copy(const unsigned char *piece, size_t size)
{
    unsigned char padded[16] = {0};
    memcpy(padded, piece, size);
    return piece_key_load(padded, size);
}

static inline bool piece_key_is_equal(struct piece_key a, struct piece_key b)
{
    return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}

/* The first small slot of the key's line. */
static inline size_t piece_key_slot(struct piece_key key)
{
    uint64_t hash =
        key.low * UINT64_C(0x9E3779B97F4A7C15) + key.high * UINT64_C(0xD6E8FEB86659FD93);
    return (size_t)(hash >> (64 - PIECE_SMALL_BITS)) & ~(size_t)1;
}

/* The slot that holds the key, or NULL. */
static inline const struct piece_slot *piece_cache_find(const struct piece_cache *cache,
                                                        struct piece_key key, size_t slot)
{
    const struct piece_slot *found = cache->small + slot;
    found += !piece_key_is_equal(found->key, key);
    return piece_key_is_equal(found->key, key) ? found : NULL;
}

/* The line beside it: a second chance when a line is full. */
static inline size_t piece_key_other_slot(size_t slot)
{
    return slot ^ 2;
}

/* Copy the ids of a slot: always PIECE_INLINE_IDS of them, so that no branch depends on
 * how many there are. Returns the count. */
static inline size_t piece_slot_get(const struct piece_slot *slot, uint32_t *ids)
{
    uint32_t first = slot->ids[0];
    ids[0] = first & ((1u << PIECE_COUNT_SHIFT) - 1);
    memcpy(ids + 1, slot->ids + 1, (PIECE_INLINE_IDS - 1) * sizeof *ids);
    return first >> PIECE_COUNT_SHIFT;
}

/* Remember a small piece; with more than PIECE_INLINE_IDS ids only that it is in the large
 * table. */
void piece_cache_put(struct piece_cache *cache, struct piece_key key, size_t slot,
                     const uint32_t *ids, size_t count);

/* What a large piece is looked up by. */
uint64_t piece_large_hash(const unsigned char *piece, size_t size);

/* The line that will be looked at, to be asked for ahead. */
const void *piece_large_line(const struct piece_cache *cache, uint64_t hash, size_t size);

/* Ids of a piece, of any size, that has this hash: their number, or 0. */
size_t piece_cache_find_large(const struct piece_cache *cache, uint64_t hash,
                              const unsigned char *piece, size_t size, uint32_t *ids);

/* Remember it where it is not too large. Where both slots are taken the second gives way. */
void piece_cache_put_large(struct piece_cache *cache, uint64_t hash,
                           const unsigned char *piece, size_t size, const uint32_t *ids,
                           size_t count);

#endif
