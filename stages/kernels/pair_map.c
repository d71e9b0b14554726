/* pair_map.c - pairs of tokens: a hash table for the trainers */
#include "stages/kernels/pair_map.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/bytes.h"

enum { FIRST_CAPACITY = 4096 };

void pair_map_clear(struct pair_map *map)
{
    free(map->slots);
    *map = (struct pair_map){0};
}

void pair_map_reset(struct pair_map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        map->slots[i].key = PAIR_FREE;
    map->used = 0;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct pair *find_slot(const struct pair_map *map, uint64_t key)
{
    size_t mask = map->capacity - 1, at = (size_t)(pair_hash(key) >> 24) & mask;
    while (map->slots[at].key != key && map->slots[at].key != PAIR_FREE)
        at = (at + 1) & mask;
    return map->slots + at;
}

struct pair *pair_map_find(const struct pair_map *map, uint64_t key)
{
    struct pair *slot = map->capacity ? find_slot(map, key) : NULL;
    return slot && slot->key == key ? slot : NULL;
}

static bool map_grow(struct pair_map *map)
{
    size_t room = 0;
    struct pair_map grown = {.capacity =
                                 map->capacity ? 2 * map->capacity : FIRST_CAPACITY,
                             .used = map->used};
    grown.slots = array_grow(NULL, &room, grown.capacity, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (size_t i = 0; i < grown.capacity; i++)
        grown.slots[i].key = PAIR_FREE;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key != PAIR_FREE)
            *find_slot(&grown, map->slots[i].key) = map->slots[i];
    }
    free(map->slots);
    *map = grown;
    return true;
}

struct pair *pair_map_insert(struct pair_map *map, uint64_t key)
{
    struct pair *slot = pair_map_find(map, key);
    if (slot)
        return slot;
    if ((map->used + 1) * 2 > map->capacity && !map_grow(map))
        return NULL;
    slot = find_slot(map, key);
    *slot = (struct pair){.key = key};
    map->used++;
    return slot;
}
