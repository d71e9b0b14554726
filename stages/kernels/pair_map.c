/* pair_map.c - pairs of tokens: a hash table for the trainers */
#include "stages/kernels/pair_map.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

enum { FIRST_CAPACITY = 4096 };

void pair_map_clear(struct pair_map *map)
{
    free(map->keys);
    free(map->slots);
    *map = (struct pair_map){0};
}

void pair_map_reset(struct pair_map *map)
{
    if (map->capacity > 0)
        memset(map->keys, 0xFF, map->capacity * sizeof *map->keys);
    map->used = 0;
}

/* Where the key is, or the free slot where it belongs. */
static size_t find_slot(const struct pair_map *map, uint64_t key)
{
    size_t mask = map->capacity - 1, at = (size_t)(pair_hash(key) >> 24) & mask;
    while (map->keys[at] != key && map->keys[at] != PAIR_FREE)
        at = (at + 1) & mask;
    return at;
}

struct pair *pair_map_find(const struct pair_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;
    size_t at = find_slot(map, key);
    return map->keys[at] == key ? map->slots + at : NULL;
}

static bool map_grow(struct pair_map *map)
{
    size_t room = 0, key_room = 0;
    size_t capacity = map->capacity ? 2 * map->capacity : FIRST_CAPACITY;
    uint64_t *keys = array_grow(NULL, &key_room, capacity, sizeof *keys);
    struct pair *slots = array_grow(NULL, &room, capacity, sizeof *slots);
    struct pair_map old = *map;
    if (!keys || !slots) {
        free(keys);
        free(slots);
        return false;
    }
    memset(keys, 0xFF, capacity * sizeof *keys);
    *map = (struct pair_map){
        .keys = keys, .slots = slots, .capacity = capacity, .used = old.used};
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.keys[i] == PAIR_FREE)
            continue;
        assert(old.slots);
        size_t at = find_slot(map, old.keys[i]);
        keys[at] = old.keys[i];
        slots[at] = old.slots[i];
    }
    pair_map_clear(&old);
    return true;
}

struct pair *pair_map_insert(struct pair_map *map, uint64_t key)
{
    struct pair *pair = pair_map_find(map, key);
    if (pair)
        return pair;
    if ((map->used + 1) * 2 > map->capacity && !map_grow(map))
        return NULL;
    assert(map->keys && map->slots);
    size_t at = find_slot(map, key);
    map->keys[at] = key;
    map->slots[at] = (struct pair){.key = key};
    map->used++;
    return map->slots + at;
}
