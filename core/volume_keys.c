/* volume_keys.c - places of record keys, collected while a volume grows and sorted when
 * it is sealed */
#include "core/volume_keys.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET_BITS_MAX = 22, INSERTION_MAX = 24 };

void key_hash_write(struct hash128 hash, unsigned char out[KEY_HASH_SIZE])
{
    store_u64_big(out, hash.high);
    store_u64_big(out + 8, hash.low);
}

void key_place_write(shard_id shard, uint32_t position, unsigned char out[KEY_PLACE_SIZE])
{
    store_u64_big(out, shard);
    store_u32_big(out + 8, position);
}

void key_list_clear(struct key_list *list)
{
    bytes_clear(&list->places);
    bytes_clear(&list->scratch);
}

size_t key_list_count(const struct key_list *list)
{
    return list->places.size / sizeof(struct key_place);
}

const struct key_place *key_list_items(const struct key_list *list)
{
    return (const void *)list->places.data;
}

enum error_code key_list_add(struct key_list *list, const struct key_place *place,
                             struct error *error)
{
    bytes_put(&list->places, place, sizeof *place);
    if (!list->places.is_bad)
        return OK;
    list->places.is_bad = false; /* what it holds is whole */
    return error_set(error, ERROR_MEMORY, "no memory for the keys of a volume");
}

void key_list_cut(struct key_list *list, size_t count)
{
    list->places.size = count * sizeof(struct key_place);
}

static int compare(const struct key_place *a, const struct key_place *b)
{
    if (a->hash.high != b->hash.high)
        return a->hash.high < b->hash.high ? -1 : 1;
    if (a->hash.low != b->hash.low)
        return a->hash.low < b->hash.low ? -1 : 1;
    if (a->shard != b->shard)
        return a->shard < b->shard ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static int compare_places(const void *a, const void *b)
{
    return compare(a, b);
}

static void sort_bucket(struct key_place *items, size_t count)
{
    if (count > INSERTION_MAX) {
        qsort(items, count, sizeof *items, compare_places);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct key_place item = items[i];
        size_t at = i;
        for (; at > 0 && compare(&item, &items[at - 1]) < 0; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static size_t take_out_repeated(struct key_place *items, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || compare(&items[kept - 1], &items[i]) != 0)
            items[kept++] = items[i];
    return kept;
}

/* Buckets by the hash's first bits, some two items each, sorted one by one. */
enum error_code key_list_sort(struct key_list *list, struct error *error)
{
    size_t count = key_list_count(list);
    unsigned bits = 1;
    while (bits < BUCKET_BITS_MAX && (size_t)2 << bits < count)
        bits++;
    size_t buckets = (size_t)1 << bits;
    bytes_reset(&list->scratch);
    unsigned char *room =
        bytes_reserve(&list->scratch,
                      count * sizeof(struct key_place) + (buckets + 1) * sizeof(size_t));
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory to sort the keys of a volume");
    if (count == 0)
        return OK;
    struct key_place *items = (void *)list->places.data;
    struct key_place *sorted = (void *)room;
    size_t *ends = (void *)(room + count * sizeof *sorted);
    memset(ends, 0, (buckets + 1) * sizeof *ends);
    for (size_t i = 0; i < count; i++)
        ends[(items[i].hash.high >> (64 - bits)) + 1]++;
    for (size_t i = 1; i <= buckets; i++)
        ends[i] += ends[i - 1];
    for (size_t i = 0; i < count; i++)
        sorted[ends[items[i].hash.high >> (64 - bits)]++] = items[i];
    size_t begin = 0;
    for (size_t i = 0; i < buckets; i++) {
        sort_bucket(sorted + begin, ends[i] - begin);
        begin = ends[i];
    }
    size_t kept = take_out_repeated(sorted, count);
    memcpy(items, sorted, kept * sizeof *items);
    key_list_cut(list, kept);
    return OK;
}
