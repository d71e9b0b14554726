/* prefix_trie.c - byte strings and their numbers in a double array, to find prefixes */
#include "stages/kernels/prefix_trie.h"

#include <stdlib.h>

#include "core/bytes.h"

enum {
    BLOCK = 256, /* a unit's children lie in one */
    ROOT = 0,    /* labelled as free, so that it is nobody's child */
    NO_BASE = 0, /* of units without children: nobody else's */
    UNIT_LIMIT = 1 << 23,
    FREE_LABEL = 1 << 8,
    DENSE_PERCENT = 95 /* a part that is as full as that is not searched again */
};

struct task { /* keys [begin, end) share `depth` bytes, which lead to `unit` */
    size_t begin, end, depth;
    uint32_t unit;
};

struct builder {
    const struct trie_key *keys;
    struct bytes units;     /* u64 */
    struct bytes used_base; /* u8 for each unit */
    struct bytes tasks;     /* a stack */
    size_t unit_count, search_from;
};

static int compare_keys(const void *left, const void *right)
{
    const struct trie_key *a = left, *b = right;
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, common);
    if (order != 0)
        return order;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static uint64_t get_unit(const struct builder *builder, size_t at)
{
    return load_u64(builder->units.data + 8 * at);
}

static bool is_free(const struct builder *builder, size_t at)
{
    return at >= builder->unit_count ||
           (at != ROOT && (get_unit(builder, at) & FREE_LABEL));
}

static void add_block(struct builder *builder)
{
    for (size_t i = 0; i < BLOCK; i++) {
        bytes_put_u64(&builder->units, (uint64_t)PREFIX_TRIE_NONE << 32 | FREE_LABEL);
        bytes_put_u8(&builder->used_base, 0);
    }
    builder->unit_count += BLOCK;
}

/* Is `base` one for children with these labels? */
static bool base_fits(const struct builder *builder, size_t base,
                      const unsigned char *labels, size_t count)
{
    if (base < builder->unit_count && builder->used_base.data[base])
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_free(builder, base ^ labels[i]))
            return false;
    }
    return true;
}

/* First fit; parts that are nearly full are left behind. */
static size_t find_base(struct builder *builder, const unsigned char *labels,
                        size_t count)
{
    size_t begin = builder->search_from, taken = 0, at = begin;
    for (;; at++) {
        if (!is_free(builder, at)) {
            taken++;
            continue;
        }
        if (base_fits(builder, at ^ labels[0], labels, count))
            break;
    }
    if (at - begin > BLOCK && taken * 100 >= (at - begin) * DENSE_PERCENT)
        builder->search_from = at;
    return at ^ labels[0];
}

static void set_unit(struct builder *builder, size_t at, unsigned char label)
{
    store_u64(builder->units.data + 8 * at, (uint64_t)PREFIX_TRIE_NONE << 32 | label);
}

/* Place the children of the task's unit, each a task to come. False: no memory. */
static bool place_children(struct builder *builder, struct task task)
{
    unsigned char labels[BLOCK] = {0};
    size_t count = 0, child = 0;
    const struct trie_key *keys = builder->keys;
    for (size_t i = task.begin; i < task.end; i++) {
        unsigned char label = keys[i].bytes[task.depth];
        if (count == 0 || labels[count - 1] != label)
            labels[count++] = label;
    }
    size_t base = find_base(builder, labels, count);
    while (base >= builder->unit_count && !builder->units.is_bad)
        add_block(builder);
    if (builder->units.is_bad || builder->used_base.is_bad)
        return false;
    builder->used_base.data[base] = 1;
    uint64_t unit = get_unit(builder, task.unit) | (uint64_t)base << 9;
    store_u64(builder->units.data + 8 * (size_t)task.unit, unit);
    for (size_t begin = task.begin, end; begin < task.end; begin = end, child++) {
        uint32_t at = (uint32_t)(base ^ labels[child]);
        for (end = begin + 1;
             end < task.end && keys[end].bytes[task.depth] == labels[child]; end++)
            ;
        set_unit(builder, at, labels[child]);
        struct task next = {begin, end, task.depth + 1, at};
        bytes_put(&builder->tasks, &next, sizeof next);
    }
    return !builder->tasks.is_bad;
}

/* Depth first, so that the units of a long key are near each other. */
static enum error_code place_all(struct builder *builder, size_t count,
                                 struct error *error)
{
    struct task task = {0, count, 0, 0};
    add_block(builder);
    if (builder->units.is_bad || builder->used_base.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a trie");
    builder->used_base.data[NO_BASE] = 1;
    bytes_put(&builder->tasks, &task, sizeof task);
    while (builder->tasks.size > 0 && !builder->tasks.is_bad) {
        builder->tasks.size -= sizeof task;
        memcpy(&task, builder->tasks.data + builder->tasks.size, sizeof task);
        uint64_t unit = get_unit(builder, task.unit);
        for (; task.begin < task.end && builder->keys[task.begin].size == task.depth;
             task.begin++)
            unit = (uint64_t)builder->keys[task.begin].value << 32 | (uint32_t)unit;
        store_u64(builder->units.data + 8 * (size_t)task.unit, unit);
        if (task.begin == task.end)
            continue;
        if (!place_children(builder, task))
            return error_set(error, ERROR_MEMORY, "no memory for a trie");
        if (builder->unit_count >= UNIT_LIMIT)
            return error_set(error, ERROR_CONFIG,
                             "the tokens are too many for a trie of %d units",
                             (int)UNIT_LIMIT);
    }
    return OK;
}

enum error_code prefix_trie_build(struct trie_key *keys, size_t count,
                                  struct bytes *image, struct error *error)
{
    struct builder builder = {.keys = keys};
    if (count > 0)
        qsort(keys, count, sizeof *keys, compare_keys);
    enum error_code code = place_all(&builder, count, error);
    if (code == OK) {
        bytes_put(image, builder.units.data, builder.units.size);
        if (image->is_bad)
            code = error_set(error, ERROR_MEMORY, "no memory for a trie");
    }
    bytes_clear(&builder.units);
    bytes_clear(&builder.used_base);
    bytes_clear(&builder.tasks);
    return code;
}

enum error_code prefix_trie_open(struct prefix_trie *trie, const unsigned char *image,
                                 size_t size, struct error *error)
{
    *trie = (struct prefix_trie){.units = image, .unit_count = size / 8};
    bool is_whole = size > 0 && size % ((size_t)8 * BLOCK) == 0;
    for (size_t i = 0; is_whole && i < trie->unit_count; i++)
        is_whole = (prefix_trie_unit(trie, i) >> 9 & 0x7FFFFF) < trie->unit_count;
    return is_whole ? OK : error_set(error, ERROR_DAMAGED, "a prepared trie is damaged");
}
