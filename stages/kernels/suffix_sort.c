/* suffix_sort.c - sort the suffixes of many words by their first symbols */
#include "stages/kernels/suffix_sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { SMALL_RANGE = 40, DIGIT_BITS = 8, DIGITS = 8 };

struct item {
    uint64_t key; /* some symbols, the first one highest */
    uint32_t place;
};

struct range { /* of items that share `depth` symbols */
    size_t begin, end;
    uint32_t depth;
};

struct sorter {
    const uint32_t *symbols;
    uint32_t depth, bits, in_key; /* bits of a symbol, symbols of a key */
    struct item *items, *spare;   /* (count) */
    struct range *ranges;         /* still to be sorted; owned */
    size_t range_count, range_capacity;
};

/* Symbols of the suffix at `place` from `depth` on; the end of a word stays the end. */
static uint64_t load_key(const struct sorter *sorter, uint32_t place, uint32_t depth)
{
    uint64_t key = 0;
    uint32_t left = sorter->depth - depth, i = 0;
    uint32_t taken = left < sorter->in_key ? left : sorter->in_key;
    const uint32_t *symbols = sorter->symbols + place + depth;
    for (; i < taken && symbols[i] != 0; i++)
        key = key << sorter->bits | symbols[i];
    return i == 0 ? 0 : key << sorter->bits * (sorter->in_key - i);
}

static void sort_small(struct item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct item item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Stable, a digit at a time, the last one first; digits that are all the same are passed
 * over. */
static void sort_radix(struct item *items, struct item *spare, size_t count)
{
    static const uint64_t mask = (1u << DIGIT_BITS) - 1;
    size_t counts[DIGITS][1 << DIGIT_BITS] = {{0}};
    struct item *from = items, *to = spare;
    for (size_t i = 0; i < count; i++) {
        for (unsigned d = 0; d < DIGITS; d++)
            counts[d][items[i].key >> d * DIGIT_BITS & mask]++;
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        size_t *starts = counts[d], sum = 0;
        if (starts[items[0].key >> d * DIGIT_BITS & mask] == count)
            continue;
        for (size_t i = 0; i <= mask; i++) {
            size_t size = starts[i];
            starts[i] = sum;
            sum += size;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].key >> d * DIGIT_BITS & mask]++] = from[i];
        struct item *other = from;
        from = to;
        to = other;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

static bool push_range(struct sorter *sorter, size_t begin, size_t end, uint32_t depth)
{
    struct range *ranges = array_grow(sorter->ranges, &sorter->range_capacity,
                                      sorter->range_count + 1, sizeof *ranges);
    if (!ranges)
        return false;
    sorter->ranges = ranges;
    ranges[sorter->range_count++] = (struct range){begin, end, depth};
    return true;
}

/* Sort a range by the next key, and leave those that are equal so far to be sorted. */
static bool sort_range(struct sorter *sorter, struct range range)
{
    struct item *items = sorter->items + range.begin;
    size_t count = range.end - range.begin;
    uint64_t last = (UINT64_C(1) << sorter->bits) - 1;
    for (size_t i = 0; i < count; i++)
        items[i].key = load_key(sorter, items[i].place, range.depth);
    if (count <= SMALL_RANGE)
        sort_small(items, count);
    else
        sort_radix(items, sorter->spare, count);
    uint32_t deeper = range.depth + sorter->in_key;
    if (deeper >= sorter->depth)
        return true;
    for (size_t i = 0, end; i < count; i = end) {
        end = i + 1;
        while (end < count && items[end].key == items[i].key)
            end++;
        bool is_ended = (items[i].key & last) == 0;
        if (end - i > 1 && !is_ended &&
            !push_range(sorter, range.begin + i, range.begin + end, deeper))
            return false;
    }
    return true;
}

static bool sort_all(struct sorter *sorter, size_t count)
{
    bool is_good = count == 0 || push_range(sorter, 0, count, 0);
    while (is_good && sorter->range_count > 0)
        is_good = sort_range(sorter, sorter->ranges[--sorter->range_count]);
    free(sorter->ranges);
    return is_good;
}

static unsigned char count_shared(const struct sorter *sorter, uint32_t a, uint32_t b)
{
    const uint32_t *x = sorter->symbols + a, *y = sorter->symbols + b;
    uint32_t i = 0;
    while (i < sorter->depth && x[i] == y[i] && x[i] != 0)
        i++;
    return (unsigned char)i;
}

enum error_code suffix_sort(const uint32_t *symbols, size_t count, uint32_t symbol_max,
                            uint32_t depth, struct arena *arena, uint32_t **order,
                            unsigned char **shared, size_t *order_count,
                            struct error *error)
{
    struct sorter sorter = {.symbols = symbols, .depth = depth, .bits = 1};
    size_t capacity = 0, spare_capacity = 0, used = 0;
    while (symbol_max >> sorter.bits != 0)
        sorter.bits++;
    sorter.in_key = 64 / sorter.bits;
    sorter.items = array_grow(NULL, &capacity, count + 1, sizeof *sorter.items);
    sorter.spare = array_grow(NULL, &spare_capacity, count + 1, sizeof *sorter.spare);
    uint32_t *places = ARENA_RAW(arena, uint32_t, count + 1);
    unsigned char *common = ARENA_RAW(arena, unsigned char, count + 1);
    bool is_good = sorter.items && sorter.spare && places && common && count < UINT32_MAX;
    for (size_t i = 0; i < count && is_good; i++) {
        if (symbols[i] != 0)
            sorter.items[used++] = (struct item){0, (uint32_t)i};
    }
    is_good = is_good && sort_all(&sorter, used);
    for (size_t i = 0; i < used && is_good; i++) {
        places[i] = sorter.items[i].place;
        common[i] = i ? count_shared(&sorter, places[i - 1], places[i]) : 0;
    }
    free(sorter.items);
    free(sorter.spare);
    if (!is_good)
        return error_set(error, ERROR_MEMORY, "no memory to sort suffixes");
    *order = places;
    *shared = common;
    *order_count = used;
    return OK;
}
