/* piece_trie.c - a double-array trie: which pieces does a text begin with? */
#include "stages/kernels/piece_trie.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

/* A base is tried at so many free cells before a new block is begun: time stays linear,
 * and few cells are lost. */
enum { BLOCK = 256, TRIES = 48, ROOT_LABEL = 0xFF };

struct layout {
    struct arena *work;
    uint64_t *cells;
    uint32_t *next_free, *previous_free; /* a ring through cell 0, which is never free */
    unsigned char *is_free, *is_base;
    size_t count, capacity;
};

static enum error_code fail_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for a trie of pieces");
}

static void *grown(struct arena *work, const void *old, size_t count, size_t capacity,
                   size_t element)
{
    void *items = arena_alloc(work, capacity, element, 8);
    if (items && count > 0)
        memcpy(items, old, count * element);
    return items;
}

static bool layout_reserve(struct layout *layout, size_t wanted)
{
    size_t capacity = layout->capacity, count = layout->count;
    if (wanted <= capacity)
        return true;
    while (capacity < wanted)
        capacity = capacity ? 2 * capacity : (size_t)64 * BLOCK;
    if (capacity > UINT32_MAX)
        return false;
    struct arena *work = layout->work;
    layout->cells = grown(work, layout->cells, count, capacity, sizeof *layout->cells);
    layout->next_free =
        grown(work, layout->next_free, count, capacity, sizeof *layout->next_free);
    layout->previous_free = grown(work, layout->previous_free, count, capacity,
                                  sizeof *layout->previous_free);
    layout->is_free = grown(work, layout->is_free, count, capacity, 1);
    layout->is_base = grown(work, layout->is_base, count, capacity, 1);
    layout->capacity = capacity;
    return layout->cells && layout->next_free && layout->previous_free &&
           layout->is_free && layout->is_base;
}

/* A block of free cells at the end, in front of those that are free already. */
static bool layout_extend(struct layout *layout)
{
    size_t first = layout->count;
    if (!layout_reserve(layout, first + BLOCK))
        return false;
    layout->count += BLOCK;
    for (size_t i = first == 0 ? 1 : first; i < layout->count; i++) {
        uint32_t before = layout->previous_free[0];
        layout->is_free[i] = 1;
        layout->previous_free[i] = before;
        layout->next_free[i] = 0;
        layout->next_free[before] = (uint32_t)i;
        layout->previous_free[0] = (uint32_t)i;
    }
    return true;
}

static void layout_take(struct layout *layout, uint32_t cell)
{
    layout->is_free[cell] = 0;
    layout->next_free[layout->previous_free[cell]] = layout->next_free[cell];
    layout->previous_free[layout->next_free[cell]] = layout->previous_free[cell];
}

static bool base_fits(const struct layout *layout, uint32_t base,
                      const unsigned char *labels, size_t count)
{
    /* A cell that is free looks like a child for byte 0 without children of its own, whose
     * base is 0: nothing may be found from there. Its label keeps the root, in cell 0, from
     * being found by any base but the second of these. */
    if (base == 0 || base == ROOT_LABEL || layout->is_base[base])
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!layout->is_free[base ^ labels[i]])
            return false;
    }
    return true;
}

/* A base whose cells for all labels are free, newest cells first; 0: no memory. */
static uint32_t find_base(struct layout *layout, const unsigned char *labels,
                          size_t count)
{
    uint32_t cell = layout->previous_free[0];
    for (size_t tries = 0; cell != 0 && tries < TRIES; tries++) {
        uint32_t base = cell ^ labels[0];
        if (base_fits(layout, base, labels, count))
            return base;
        cell = layout->previous_free[cell];
    }
    size_t first = layout->count;
    if (!layout_extend(layout))
        return 0;
    for (uint32_t base = (uint32_t)first; base < layout->count; base++) {
        if (base_fits(layout, base, labels, count))
            return base;
    }
    return 0;
}

/* Pieces [begin, end) share their first `depth` bytes, which lead to `cell`. */
struct range {
    uint32_t cell;
    size_t begin, end, depth;
};

static size_t range_labels(const struct trie_piece *pieces, struct range range,
                           unsigned char labels[BLOCK])
{
    size_t count = 0;
    for (size_t i = range.begin; i < range.end; i++) {
        unsigned char label = pieces[i].bytes[range.depth];
        if (count == 0 || labels[count - 1] != label)
            labels[count++] = label;
    }
    return count;
}

/* Place the children of a node and put them on the stack. */
static bool place_children(struct layout *layout, const struct trie_piece *pieces,
                           struct range range, struct range *stack, size_t *height)
{
    unsigned char labels[BLOCK];
    uint32_t value = TRIE_NONE;
    for (; range.begin < range.end && pieces[range.begin].size == range.depth;
         range.begin++)
        value = pieces[range.begin].value;
    layout->cells[range.cell] |= (uint64_t)(value + 1) << 8;
    size_t count = range_labels(pieces, range, labels);
    if (count == 0)
        return true;
    uint32_t base = find_base(layout, labels, count);
    if (base == 0)
        return false;
    layout->is_base[base] = 1;
    layout->cells[range.cell] |= (uint64_t)base << 32;
    for (size_t i = 0; i < count; i++) {
        layout_take(layout, base ^ labels[i]);
        layout->cells[base ^ labels[i]] = labels[i];
    }
    size_t end = range.end;
    for (size_t i = count; i-- > 0;) {
        size_t begin = end;
        while (begin > range.begin && pieces[begin - 1].bytes[range.depth] == labels[i])
            begin--;
        stack[(*height)++] =
            (struct range){base ^ labels[i], begin, end, range.depth + 1};
        end = begin;
    }
    return true;
}

static int compare_pieces(const void *left, const void *right)
{
    const struct trie_piece *a = left, *b = right;
    int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    if (order != 0)
        return order;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

enum error_code piece_trie_build(struct trie_piece *pieces, size_t count,
                                 struct arena *work, const uint64_t **cells,
                                 size_t *cell_count, struct error *error)
{
    struct layout layout = {.work = work};
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].value > TRIE_VALUE_MAX)
            return error_set(error, ERROR_CONFIG, "there are more than %d pieces",
                             TRIE_VALUE_MAX);
    }
    if (count > 0)
        qsort(pieces, count, sizeof *pieces, compare_pieces);
    /* ranges on the stack are apart and not empty */
    struct range *stack = ARENA_RAW(work, struct range, count + 1);
    size_t height = 0;
    if (!stack || !layout_extend(&layout))
        return fail_memory(error);
    layout.cells[0] = ROOT_LABEL;
    stack[height++] = (struct range){.cell = 0, .begin = 0, .end = count, .depth = 0};
    while (height > 0) {
        struct range range = stack[--height];
        if (!place_children(&layout, pieces, range, stack, &height))
            return fail_memory(error);
    }
    *cells = layout.cells;
    *cell_count = layout.count;
    return OK;
}

bool piece_trie_open(const void *cells, size_t size, struct piece_trie *trie)
{
    if (size == 0 || size % (BLOCK * sizeof *trie->cells) != 0)
        return false;
    trie->cells = cells;
    trie->root = trie_cell_base(trie->cells[0]);
    return trie->root < size / sizeof *trie->cells;
}
