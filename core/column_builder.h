/* column_builder.h - collect the rows of a column, then lay them out in an arena */
#ifndef CORE_COLUMN_BUILDER_H
#define CORE_COLUMN_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/bytes.h"

struct arena;

/* Set name, type and dimension, the rest zero. For every type but images. */
struct column_builder {
    const char *name; /* borrowed as long as the columns made */
    enum column_type type;
    uint32_t dimension;
    uint32_t count;
    uint32_t null_count;
    bool is_borrowed;    /* `data` is memory of an arena */
    struct bytes data;   /* elements; for bool a byte a row */
    struct bytes ends;   /* uint64_t a row: bytes of `data` up to its end */
    struct bytes absent; /* a byte a row */
};

void column_builder_clear(struct column_builder *builder); /* frees; name and type stay */
void column_builder_reset(struct column_builder *builder); /* no rows, memory kept */

/* Collect the rows in `size` bytes of the arena that column_builder_finish() will get, so
 * that they need not be copied there; until the next reset. There are no rows yet. */
void column_builder_borrow(struct column_builder *builder, unsigned char *room,
                           size_t size);

/* Room for a row of up to `size` bytes, or NULL. The row is added by
 * column_builder_end_row() once its bytes are there. */
unsigned char *column_builder_begin_row(struct column_builder *builder, size_t size);
void column_builder_end_row(struct column_builder *builder, size_t size);
/* A whole row; `data` in the element type of the column (bool: a byte). */
void column_builder_put(struct column_builder *builder, const void *data, size_t size);
/* A row without a value: empty, or zeros where rows have a fixed size. */
void column_builder_put_null(struct column_builder *builder);
/* Take back all rows from `count` on. */
void column_builder_cut(struct column_builder *builder, uint32_t count);

/* The rows as a column, its buffers in `arena`. NULL: no memory here or before. */
struct column *column_builder_finish(const struct column_builder *builder,
                                     struct arena *arena);

#endif
