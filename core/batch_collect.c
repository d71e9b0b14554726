/* batch_collect.c - rows of several batches as one */
#include "core/batch_collect.h"

#include <string.h>

#include "core/arena.h"

static bool any_invalid(const struct row_reference *rows, uint32_t count, uint32_t column)
{
    for (uint32_t i = 0; i < count; i++)
        if (!column_is_valid(rows[i].batch->columns[column], rows[i].row))
            return true;
    return false;
}

static void set_bit(unsigned char *bitmap, uint32_t row)
{
    bitmap[row / 8] |= (unsigned char)(1U << (row % 8));
}

static bool collect_bits(const struct row_reference *rows, uint32_t count,
                         uint32_t number, struct column *out, struct arena *arena)
{
    unsigned char *bits = ARENA_NEW(arena, unsigned char, (count + 7) / 8);
    for (uint32_t i = 0; bits && i < count; i++)
        if (column_bool(rows[i].batch->columns[number], rows[i].row))
            set_bit(bits, i);
    out->data = bits;
    return bits != NULL;
}

/* Fixed-width and list columns: lengths first, then one copy a row. */
static bool collect_elements(const struct row_reference *rows, uint32_t count,
                             uint32_t number, struct column *out, struct arena *arena)
{
    size_t element = column_element_size(out->type);
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)count + 1);
    if (!offsets)
        return false;
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        offsets[i] = total;
        total += column_row_length(rows[i].batch->columns[number], rows[i].row);
    }
    offsets[count] = total;
    unsigned char *data = arena_alloc_raw(arena, (size_t)total, element, 16);
    if (!data)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = (size_t)(offsets[i + 1] - offsets[i]) * element;
        if (size)
            memcpy(data + offsets[i] * element,
                   column_row(rows[i].batch->columns[number], rows[i].row), size);
    }
    out->data = data;
    out->offsets = column_has_offsets(out->type) ? offsets : NULL;
    return true;
}

static const struct column *collect_column(const struct row_reference *rows,
                                           uint32_t count, uint32_t number,
                                           struct arena *arena)
{
    struct column *out = ARENA_NEW(arena, struct column, 1);
    if (!out)
        return NULL;
    const struct column *like = rows[0].batch->columns[number];
    *out = (struct column){
        .name = like->name, .type = like->type, .dimension = like->dimension};
    if (any_invalid(rows, count, number)) {
        unsigned char *validity = ARENA_NEW(arena, unsigned char, (count + 7) / 8);
        for (uint32_t i = 0; validity && i < count; i++)
            if (column_is_valid(rows[i].batch->columns[number], rows[i].row))
                set_bit(validity, i);
        if (!validity)
            return NULL;
        out->validity = validity;
    }
    if (like->shapes) {
        uint32_t *shapes = ARENA_RAW(arena, uint32_t, (size_t)count * 3);
        for (uint32_t i = 0; shapes && i < count; i++)
            memcpy(shapes + 3 * (size_t)i,
                   rows[i].batch->columns[number]->shapes + 3 * (size_t)rows[i].row,
                   3 * sizeof *shapes);
        if (!shapes)
            return NULL;
        out->shapes = shapes;
    }
    bool is_made = like->type == COLUMN_BOOL
                       ? collect_bits(rows, count, number, out, arena)
                       : collect_elements(rows, count, number, out, arena);
    return is_made ? out : NULL;
}

struct batch *batch_collect(const struct row_reference *rows, uint32_t count,
                            struct arena *arena)
{
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    if (!batch || count == 0)
        return batch;
    uint32_t column_count = rows[0].batch->column_count;
    struct origin *origins = ARENA_RAW(arena, struct origin, count);
    const struct column **columns = ARENA_NEW(arena, const struct column *, column_count);
    if (!origins || !columns)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        origins[i] = rows[i].batch->origins[rows[i].row];
    for (uint32_t c = 0; c < column_count; c++) {
        columns[c] = collect_column(rows, count, c, arena);
        if (!columns[c])
            return NULL;
    }
    *batch = (struct batch){.count = count,
                            .column_count = column_count,
                            .origins = origins,
                            .columns = columns};
    return batch;
}
