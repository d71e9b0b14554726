/* pair_map.h - pairs of tokens: a hash table for the trainers */
#ifndef STAGES_KERNELS_PAIR_MAP_H
#define STAGES_KERNELS_PAIR_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"

struct pair {
    uint64_t key; /* left id above, right id below */
    uint64_t count;
    uint32_t positions; /* how many */
    uint32_t segment;   /* where they begin in the owner's list */
};

/* No pair: both ids would be none. */
#define PAIR_FREE UINT64_MAX

struct pair_map {       /* {0} is empty */
    uint64_t *keys;     /* (capacity), owned; PAIR_FREE: a free slot */
    struct pair *slots; /* (capacity), owned: what is not free */
    size_t capacity, used;
};

static inline uint64_t pair_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static inline uint64_t pair_hash(uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    return (hash ^ hash >> 29) * UINT64_C(0xD6E8FEB86659FD93);
}

void pair_map_clear(struct pair_map *map); /* frees the memory; {0} again */
void pair_map_reset(struct pair_map *map); /* empty, memory kept */

/* Get the slot where the key would be into the caches. */
static inline void pair_map_prefetch(const struct pair_map *map, uint64_t key)
{
    if (map->capacity > 0)
        PREFETCH(map->keys + ((size_t)(pair_hash(key) >> 24) & (map->capacity - 1)));
}

/* Valid until the next insertion. NULL: not there. */
struct pair *pair_map_find(const struct pair_map *map, uint64_t key);

/* The pair, a new one with nothing but its key where it is not there. NULL: no memory. */
struct pair *pair_map_insert(struct pair_map *map, uint64_t key);

#endif
