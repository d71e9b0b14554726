/* volume_keys.h - places of record keys, collected while a volume grows and sorted when
 * it is sealed
 *
 * Inserted one by one in the random order of their hashes they would cost more than all
 * the rest of a volume. */
#ifndef CORE_VOLUME_KEYS_H
#define CORE_VOLUME_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/manifest.h"

struct key_place {
    struct hash128 hash;
    shard_id shard;
    uint32_t position;
};

enum { KEY_HASH_SIZE = 16, KEY_PLACE_SIZE = 12 };

/* As stored: big-endian, so that bytes sort as numbers. */
void key_hash_write(struct hash128 hash, unsigned char out[KEY_HASH_SIZE]);
void key_place_write(shard_id shard, uint32_t position,
                     unsigned char out[KEY_PLACE_SIZE]);

/* {0} is an empty list. */
struct key_list {
    struct bytes places;  /* owned: struct key_place */
    struct bytes scratch; /* owned */
};
void key_list_clear(struct key_list *list);
size_t key_list_count(const struct key_list *list);
const struct key_place *key_list_items(const struct key_list *list);
enum error_code key_list_add(struct key_list *list, const struct key_place *place,
                             struct error *error);
/* Forget all but the first `count`. */
void key_list_cut(struct key_list *list, size_t count);
/* By hash, shard and position; repeated ones are taken out. Linear for hashes that are
 * spread evenly, and never worse than a quick sort. ERROR_MEMORY: nothing changed. */
enum error_code key_list_sort(struct key_list *list, struct error *error);

#endif
