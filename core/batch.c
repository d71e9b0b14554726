/* batch.c - records in columns, in Arrow's memory layout */
#include "core/batch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { BOX_FLOATS = 6, IMAGE_DIMENSIONS = 3, VECTOR_DIMENSION_MAX = 1 << 24 };

struct type_facts {
    const char *name;
    size_t element_size;
    bool has_offsets;
};

static const struct type_facts facts[] = {
    [COLUMN_UTF8] = {"utf8", 1, true},
    [COLUMN_BYTES] = {"bytes", 1, true},
    [COLUMN_BOOL] = {"bool", 0, false},
    [COLUMN_I64] = {"i64", 8, false},
    [COLUMN_F64] = {"f64", 8, false},
    [COLUMN_LIST_U32] = {"list<u32>", 4, true},
    [COLUMN_LIST_F32] = {"list<f32>", 4, true},
    [COLUMN_VECTOR_F32] = {"vector<f32>", 4, false},
    [COLUMN_IMAGE_U8] = {"image<u8>", 1, true},
    [COLUMN_LIST_BOX] = {"list<box>", BOX_FLOATS * sizeof(float), true},
};

/* "<f32, 256>" behind "vector": blanks are allowed around the comma only. */
static bool parse_vector(const char *text, uint32_t *dimension)
{
    static const char head[] = "vector<f32";
    if (strncmp(text, head, sizeof head - 1) != 0)
        return false;
    text += sizeof head - 1;
    text += strspn(text, " ");
    if (*text != ',')
        return false;
    text++;
    text += strspn(text, " ");
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 8 || strcmp(text + digits, ">") != 0)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint32_t)(text[i] - '0');
    if (value == 0 || value > VECTOR_DIMENSION_MAX)
        return false;
    *dimension = value;
    return true;
}

bool column_type_parse(const char *text, enum column_type *type, uint32_t *dimension)
{
    if (parse_vector(text, dimension)) {
        *type = COLUMN_VECTOR_F32;
        return true;
    }
    for (int i = COLUMN_UTF8; i <= COLUMN_LIST_BOX; i++)
        if (i != COLUMN_VECTOR_F32 && strcmp(text, facts[i].name) == 0) {
            *type = (enum column_type)i;
            *dimension = 0;
            return true;
        }
    return false;
}

void column_type_format(enum column_type type, uint32_t dimension, char *text,
                        size_t size)
{
    if (type == COLUMN_VECTOR_F32)
        (void)snprintf(text, size, "vector<f32, %u>", (unsigned)dimension);
    else
        (void)snprintf(text, size, "%s", facts[type].name);
}

size_t column_element_size(enum column_type type)
{
    return facts[type].element_size;
}

bool column_has_offsets(enum column_type type)
{
    return facts[type].has_offsets;
}

static bool bit_at(const unsigned char *bitmap, uint32_t i)
{
    return bitmap[i / 8] >> (i % 8) & 1;
}

bool column_is_valid(const struct column *column, uint32_t row)
{
    return !column->validity || bit_at(column->validity, row);
}

uint64_t column_row_length(const struct column *column, uint32_t row)
{
    if (column_has_offsets(column->type))
        return column->offsets[row + 1] - column->offsets[row];
    return column->type == COLUMN_VECTOR_F32 ? column->dimension : 1;
}

/* Index of the first element of a row; row may be the number of rows. */
static uint64_t row_start(const struct column *column, uint32_t row)
{
    if (column_has_offsets(column->type))
        return column->offsets[row];
    return column->type == COLUMN_VECTOR_F32 ? (uint64_t)row * column->dimension : row;
}

const void *column_row(const struct column *column, uint32_t row)
{
    assert(column->type != COLUMN_BOOL);
    size_t start = (size_t)row_start(column, row) * column_element_size(column->type);
    return (const unsigned char *)column->data + start;
}

bool column_bool(const struct column *column, uint32_t row)
{
    return bit_at(column->data, row);
}

const struct column *batch_column(const struct batch *batch, const char *name)
{
    for (uint32_t i = 0; i < batch->column_count; i++)
        if (strcmp(batch->columns[i]->name, name) == 0)
            return batch->columns[i];
    return NULL;
}

static unsigned char *gather_bits(const unsigned char *bitmap, const uint32_t *rows,
                                  uint32_t count, struct arena *arena)
{
    unsigned char *bits = ARENA_NEW(arena, unsigned char, (size_t)count / 8 + 1);
    for (uint32_t i = 0; bits && i < count; i++)
        if (bit_at(bitmap, rows[i]))
            bits[i / 8] |= (unsigned char)(1U << (i % 8));
    return bits;
}

/* Neighbouring rows are copied together. */
static bool gather_elements(const struct column *column, const uint32_t *rows,
                            uint32_t count, struct arena *arena, struct column *out)
{
    size_t element = column_element_size(column->type);
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += column_row_length(column, rows[i]);
    size_t size;
    if (total > SIZE_MAX || !size_multiply((size_t)total, element, &size))
        return false;
    unsigned char *data = arena_alloc_raw(arena, size, 1, 16);
    if (!data)
        return false;
    out->data = data;
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i + 1;
        while (end < count && rows[end] == rows[end - 1] + 1)
            end++;
        uint64_t first = row_start(column, rows[i]);
        uint64_t length = row_start(column, rows[end - 1] + 1) - first;
        const unsigned char *from = column->data;
        if (length > 0)
            memcpy(data, from + (size_t)first * element, (size_t)length * element);
        data += (size_t)length * element;
        i = end;
    }
    return true;
}

static bool gather_offsets(const struct column *column, const uint32_t *rows,
                           uint32_t count, struct arena *arena, struct column *out)
{
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)count + 1);
    if (!offsets)
        return false;
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++)
        offsets[i + 1] = offsets[i] + column_row_length(column, rows[i]);
    out->offsets = offsets;
    return true;
}

static bool gather_shapes(const struct column *column, const uint32_t *rows,
                          uint32_t count, struct arena *arena, struct column *out)
{
    uint32_t *shapes = ARENA_RAW(arena, uint32_t, (size_t)count * IMAGE_DIMENSIONS);
    if (!shapes)
        return false;
    for (uint32_t i = 0; i < count; i++)
        memcpy(shapes + (size_t)i * IMAGE_DIMENSIONS,
               column->shapes + (size_t)rows[i] * IMAGE_DIMENSIONS,
               IMAGE_DIMENSIONS * sizeof *shapes);
    out->shapes = shapes;
    return true;
}

static bool gather_column(const struct column *column, const uint32_t *rows,
                          uint32_t count, struct arena *arena, struct column *out)
{
    *out = (struct column){
        .name = column->name, .type = column->type, .dimension = column->dimension};
    if (column->validity) {
        out->validity = gather_bits(column->validity, rows, count, arena);
        if (!out->validity)
            return false;
    }
    if (column->type == COLUMN_BOOL) {
        out->data = gather_bits(column->data, rows, count, arena);
        return out->data != NULL;
    }
    if (column_has_offsets(column->type) &&
        !gather_offsets(column, rows, count, arena, out))
        return false;
    if (column->shapes && !gather_shapes(column, rows, count, arena, out))
        return false;
    return gather_elements(column, rows, count, arena, out);
}

/* A batch of `count` rows with room for as many columns as `like` has. */
static struct batch *new_batch(const struct batch *like, uint32_t count,
                               struct arena *arena, struct column **columns)
{
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    const struct column **list =
        ARENA_NEW(arena, const struct column *, like->column_count);
    *columns = ARENA_NEW(arena, struct column, like->column_count);
    if (!batch || !list || !*columns)
        return NULL;
    for (uint32_t i = 0; i < like->column_count; i++)
        list[i] = *columns + i;
    batch->count = count;
    batch->column_count = like->column_count;
    batch->columns = list;
    return batch;
}

struct batch *batch_gather(const struct batch *batch, const uint32_t *rows,
                           uint32_t count, struct arena *arena)
{
    struct column *columns;
    struct batch *out = new_batch(batch, count, arena, &columns);
    struct origin *origins = ARENA_RAW(arena, struct origin, count);
    if (!out || !origins)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        origins[i] = batch->origins[rows[i]];
    out->origins = origins;
    for (uint32_t i = 0; i < batch->column_count; i++)
        if (!gather_column(batch->columns[i], rows, count, arena, columns + i))
            return NULL;
    return out;
}

struct batch *batch_select(const struct batch *batch, const unsigned char *keep,
                           struct arena *arena)
{
    uint32_t *rows = ARENA_RAW(arena, uint32_t, batch->count);
    if (!rows)
        return NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++)
        if (bit_at(keep, i))
            rows[count++] = i;
    return batch_gather(batch, rows, count, arena);
}

/* Bits [begin, end) from bit 0 on: shared when they begin with a byte. */
static const unsigned char *slice_bits(const unsigned char *bitmap, uint32_t begin,
                                       uint32_t end, struct arena *arena)
{
    if (begin % 8 == 0)
        return bitmap + begin / 8;
    unsigned char *bits = ARENA_NEW(arena, unsigned char, (size_t)(end - begin) / 8 + 1);
    for (uint32_t i = begin; bits && i < end; i++)
        if (bit_at(bitmap, i))
            bits[(i - begin) / 8] |= (unsigned char)(1U << ((i - begin) % 8));
    return bits;
}

static bool slice_column(const struct column *column, uint32_t begin, uint32_t end,
                         struct arena *arena, struct column *out)
{
    *out = *column;
    if (column->validity) {
        out->validity = slice_bits(column->validity, begin, end, arena);
        if (!out->validity)
            return false;
    }
    if (column->type == COLUMN_BOOL) {
        out->data = slice_bits(column->data, begin, end, arena);
        return out->data != NULL;
    }
    if (begin < end)
        out->data = column_row(column, begin);
    if (column->shapes)
        out->shapes = column->shapes + (size_t)begin * IMAGE_DIMENSIONS;
    if (!column->offsets || begin == 0)
        return true;
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)(end - begin) + 1);
    if (!offsets)
        return false;
    for (uint32_t i = begin; i <= end; i++)
        offsets[i - begin] = column->offsets[i] - column->offsets[begin];
    out->offsets = offsets;
    return true;
}

struct batch *batch_slice(const struct batch *batch, uint32_t begin, uint32_t end,
                          struct arena *arena)
{
    assert(begin <= end && end <= batch->count);
    struct column *columns;
    struct batch *out = new_batch(batch, end - begin, arena, &columns);
    if (!out)
        return NULL;
    out->origins = batch->origins + begin;
    for (uint32_t i = 0; i < batch->column_count; i++)
        if (!slice_column(batch->columns[i], begin, end, arena, columns + i))
            return NULL;
    return out;
}

/* A byte, a length and a shape stand in front of the elements at most. */
enum { CANONICAL_HEAD_MAX = 1 + 8 + IMAGE_DIMENSIONS * 4 };

void column_put_canonical(const struct column *column, uint32_t row, struct bytes *out)
{
    bool is_valid = column_is_valid(column, row);
    uint64_t length = is_valid ? column_row_length(column, row) : 0;
    size_t size = (size_t)length * column_element_size(column->type);
    unsigned char *begin = bytes_reserve(out, CANONICAL_HEAD_MAX + size);
    if (!begin)
        return;
    unsigned char *at = begin;
    *at++ = is_valid;
    if (is_valid && column->type == COLUMN_BOOL)
        *at++ = column_bool(column, row);
    if (is_valid && column_has_offsets(column->type)) {
        store_u64(at, length);
        at += 8;
    }
    for (size_t i = 0; is_valid && column->shapes && i < IMAGE_DIMENSIONS; i++) {
        store_u32(at, column->shapes[(size_t)row * IMAGE_DIMENSIONS + i]);
        at += 4;
    }
    if (size > 0)
        memcpy(at, column_row(column, row), size);
    out->size += (size_t)(at - begin) + size;
}
