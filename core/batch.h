/* batch.h - records in columns, in Arrow's memory layout */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum column_type { /* the numbers are written to volumes: never change one */
                   COLUMN_UTF8 = 1,       /* offsets, bytes */
                   COLUMN_BYTES = 2,      /* offsets, bytes */
                   COLUMN_BOOL = 3,       /* bitmap, least significant bit first */
                   COLUMN_I64 = 4,        /* (count) int64_t */
                   COLUMN_F64 = 5,        /* (count) double */
                   COLUMN_LIST_U32 = 6,   /* offsets, uint32_t */
                   COLUMN_LIST_F32 = 7,   /* offsets, float */
                   COLUMN_VECTOR_F32 = 8, /* (count, dimension) float */
                   COLUMN_IMAGE_U8 =
                       9, /* offsets, bytes; shapes (count, 3): height, width, channels */
                   COLUMN_LIST_BOX =
                       10 /* offsets, (boxes, 6) float: x1 y1 x2 y2 score class */
};

/* One column of a batch. Immutable; shared by every batch that has the column. */
struct column {
    const char *name;
    enum column_type type;
    uint32_t dimension;            /* floats a row of a vector; 0 for other types */
    const unsigned char *validity; /* bitmap, 1: present; NULL: every row is present */
    const uint64_t *offsets;       /* (count + 1) in elements, first is 0; or NULL */
    const void *data;
    const uint32_t *shapes; /* images only */
};

/* Where a record came from: its identity is (file, offset, copy). */
struct origin {
    uint32_t file;    /* number in the phase's manifest */
    uint32_t ordinal; /* 0, 1, ... within its shard, blank lines not counted */
    uint64_t offset;  /* in the decompressed bytes of the file */
    uint64_t size;    /* source bytes, separator included */
    uint64_t copy; /* 0: the record as read; else which of those that stages made of it */
    bool is_made;  /* in this phase, and so in its account of made records; not stored */
};

struct batch {
    uint32_t count;
    uint32_t column_count;
    const struct origin *origins;        /* (count) */
    const struct column *const *columns; /* (column_count); "key" (utf8) is the first */
};

/* "utf8", "list<u32>", "vector<f32, 256>". False: no such type. */
bool column_type_parse(const char *text, enum column_type *type, uint32_t *dimension);
/* Writes the name as parsed above into `text` of at least 32 bytes. */
void column_type_format(enum column_type type, uint32_t dimension, char *text,
                        size_t size);
/* Bytes of one element of `data`: 1 for utf8, 4 for list<u32>, 24 for a box. 0 for
 * bool, whose data is a bitmap. */
size_t column_element_size(enum column_type type);
/* Has the type an offsets buffer? */
bool column_has_offsets(enum column_type type);
bool column_is_valid(const struct column *column, uint32_t row);
/* Elements in a row: bytes of text, numbers of a list, 1 for a scalar, d of a vector. */
uint64_t column_row_length(const struct column *column, uint32_t row);
/* First element of a row. Not for bool. */
const void *column_row(const struct column *column, uint32_t row);
bool column_bool(const struct column *column, uint32_t row);

/* The column of that name, or NULL. */
const struct column *batch_column(const struct batch *batch, const char *name);

/* A new batch of the rows whose bit in `keep` (bitmap) is 1; buffers copied into the
 * arena. NULL: no memory. */
struct batch *batch_select(const struct batch *batch, const unsigned char *keep,
                           struct arena *arena);
/* Rows [begin, end) as a batch, which shares the buffers of `batch`. NULL: no memory. */
struct batch *batch_slice(const struct batch *batch, uint32_t begin, uint32_t end,
                          struct arena *arena);
/* Rows of `batch` in the order of `rows` (count). NULL: no memory. */
struct batch *batch_gather(const struct batch *batch, const uint32_t *rows,
                           uint32_t count, struct arena *arena);

/* One row in the digest's canonical form: what is hashed (docs/formats.md). Elements
 * are little-endian, so on the machines we run on a row is its memory. */
struct bytes;
void column_put_canonical(const struct column *column, uint32_t row, struct bytes *out);

#endif
