/* column_builder.c - collect the rows of a column, then lay them out in an arena */
#include "core/column_builder.h"

#include <string.h>

#include "core/arena.h"

enum { BUFFER_ALIGN = 64 }; /* as Arrow advises */

static void end_borrowing(struct column_builder *builder)
{
    if (builder->is_borrowed)
        builder->data = (struct bytes){0};
    builder->is_borrowed = false;
}

void column_builder_clear(struct column_builder *builder)
{
    end_borrowing(builder);
    bytes_clear(&builder->data);
    bytes_clear(&builder->ends);
    bytes_clear(&builder->absent);
    builder->count = builder->null_count = 0;
}

void column_builder_reset(struct column_builder *builder)
{
    end_borrowing(builder);
    bytes_reset(&builder->data);
    bytes_reset(&builder->ends);
    bytes_reset(&builder->absent);
    builder->count = builder->null_count = 0;
}

void column_builder_borrow(struct column_builder *builder, unsigned char *room,
                           size_t size)
{
    bytes_clear(&builder->data);
    builder->data = (struct bytes){.data = room, .capacity = size};
    builder->is_borrowed = true;
}

unsigned char *column_builder_begin_row(struct column_builder *builder, size_t size)
{
    /* Memory of an arena cannot grow. */
    if (builder->is_borrowed && size > builder->data.capacity - builder->data.size)
        builder->data.is_bad = true;
    return bytes_reserve(&builder->data, size);
}

static void end_row(struct column_builder *builder, unsigned char is_absent)
{
    uint64_t end = builder->data.size;
    bytes_put(&builder->ends, &end, sizeof end);
    bytes_put_u8(&builder->absent, is_absent);
    builder->count++;
    builder->null_count += is_absent;
}

void column_builder_end_row(struct column_builder *builder, size_t size)
{
    builder->data.size += size;
    end_row(builder, 0);
}

void column_builder_put(struct column_builder *builder, const void *data, size_t size)
{
    unsigned char *room = column_builder_begin_row(builder, size);
    if (room && size > 0)
        memcpy(room, data, size);
    column_builder_end_row(builder, room ? size : 0);
}

/* Bytes of a row in a column whose rows are all alike; else 0. */
static size_t fixed_size(const struct column_builder *builder)
{
    switch (builder->type) {
    case COLUMN_BOOL:
        return 1;
    case COLUMN_I64:
    case COLUMN_F64:
        return 8;
    case COLUMN_VECTOR_F32:
        return (size_t)builder->dimension * sizeof(float);
    default:
        return 0;
    }
}

static size_t element_size(enum column_type type)
{
    switch (type) {
    case COLUMN_LIST_U32:
    case COLUMN_LIST_F32:
        return 4;
    case COLUMN_LIST_BOX:
        return 6 * sizeof(float);
    default:
        return 1;
    }
}

void column_builder_put_null(struct column_builder *builder)
{
    size_t size = fixed_size(builder);
    unsigned char *room = column_builder_begin_row(builder, size);
    if (room) {
        memset(room, 0, size);
        builder->data.size += size;
    }
    end_row(builder, 1);
}

static uint64_t end_of(const struct column_builder *builder, uint32_t row)
{
    uint64_t end;
    memcpy(&end, builder->ends.data + (size_t)row * sizeof end, sizeof end);
    return end;
}

void column_builder_cut(struct column_builder *builder, uint32_t count)
{
    bool is_bad = builder->data.is_bad || builder->ends.is_bad || builder->absent.is_bad;
    if (is_bad || count >= builder->count)
        return;
    while (builder->count > count) {
        builder->count--;
        builder->null_count -= builder->absent.data[builder->count];
    }
    builder->data.size = count > 0 ? (size_t)end_of(builder, count - 1) : 0;
    builder->ends.size = (size_t)count * sizeof(uint64_t);
    builder->absent.size = count;
}

/* A bitmap of the rows whose byte is (`is_set`) not zero. NULL: no memory. */
static unsigned char *make_bitmap(const unsigned char *rows, uint32_t count, bool is_set,
                                  struct arena *arena)
{
    unsigned char *bits = arena_alloc(arena, (size_t)count / 8 + 1, 1, BUFFER_ALIGN);
    for (uint32_t row = 0; bits && row < count; row++)
        if ((rows[row] != 0) == is_set)
            bits[row / 8] |= (unsigned char)(1U << row % 8);
    return bits;
}

static uint64_t *make_offsets(const struct column_builder *builder, struct arena *arena)
{
    uint64_t *offsets =
        arena_alloc_raw(arena, (size_t)builder->count + 1, sizeof *offsets, BUFFER_ALIGN);
    if (!offsets)
        return NULL;
    size_t size = element_size(builder->type);
    offsets[0] = 0;
    for (uint32_t row = 0; row < builder->count; row++)
        offsets[row + 1] = end_of(builder, row) / size;
    return offsets;
}

struct column *column_builder_finish(const struct column_builder *builder,
                                     struct arena *arena)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    if (!column || builder->data.is_bad || builder->ends.is_bad || builder->absent.is_bad)
        return NULL;
    column->name = builder->name;
    column->type = builder->type;
    column->dimension = builder->dimension;
    if (builder->null_count > 0) {
        column->validity =
            make_bitmap(builder->absent.data, builder->count, false, arena);
        if (!column->validity)
            return NULL;
    }
    if (fixed_size(builder) == 0) {
        column->offsets = make_offsets(builder, arena);
        if (!column->offsets)
            return NULL;
    }
    if (builder->type == COLUMN_BOOL) {
        column->data = make_bitmap(builder->data.data, builder->count, true, arena);
        return column->data ? column : NULL;
    }
    if (builder->is_borrowed) {
        column->data = builder->data.data;
        return column;
    }
    unsigned char *data = arena_alloc_raw(arena, builder->data.size, 1, BUFFER_ALIGN);
    if (!data)
        return NULL;
    if (builder->data.size > 0)
        memcpy(data, builder->data.data, builder->data.size);
    column->data = data;
    return column;
}
