/* fuzz_jsonl.c - lines of JSON: no crash, no byte lost, the same records however cut */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/hash.h"
#include "core/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct input_column columns[] = {
    {.name = "s", .type = COLUMN_UTF8},
    {.name = "b", .type = COLUMN_BYTES},
    {.name = "t", .type = COLUMN_BOOL},
    {.name = "i", .type = COLUMN_I64},
    {.name = "d", .type = COLUMN_F64},
    {.name = "u", .type = COLUMN_LIST_U32},
    {.name = "f", .type = COLUMN_LIST_F32},
    {.name = "v", .type = COLUMN_VECTOR_F32, .dimension = 2},
    {.name = "x", .type = COLUMN_LIST_BOX},
};

struct totals {
    uint64_t bytes, rows, bad;
    struct hash128 texts; /* does not depend on batches */
};

static void add_batch(struct totals *totals, const struct reader_result *result)
{
    const struct batch *batch = result->batch;
    for (uint32_t row = 0; row < batch->count; row++) {
        totals->bytes += batch->origins[row].size;
        totals->rows++;
        for (uint32_t i = 0; i < 2 && i < batch->column_count; i++) {
            const uint64_t *offsets = batch->columns[i]->offsets;
            const char *text = (const char *)batch->columns[i]->data + offsets[row];
            totals->texts = hash128_add(
                totals->texts, hash128(text, (size_t)(offsets[row + 1] - offsets[row])));
        }
    }
    for (size_t i = 0; i < result->bad_count; i++) {
        totals->bytes += result->bad[i].origin.size;
        totals->bad++;
        if (!result->bad[i].reason || result->bad[i].excerpt_size > 200)
            abort();
    }
}

static struct totals read_all(const struct input_spec *input, const uint8_t *data,
                              size_t size, uint32_t max_records, unsigned char rubbish)
{
    struct totals totals = {0};
    struct reader *reader = NULL;
    struct reader_result result = {0};
    struct arena *arena = arena_create(4096, 0);
    unsigned char *copy = malloc(size + 64);
    if (!arena || !copy || reader_create(input, &reader, NULL) != OK)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    memset(copy + size, rubbish, 64);
    struct extent extent = {.name = "f", .data = copy, .data_size = size, .end = size};
    if (reader_open(reader, &extent, 0, NULL) != OK)
        abort();
    do {
        arena_reset(arena);
        if (reader_next(reader, max_records, 1000, arena, &result, NULL) != OK)
            abort();
        totals.bytes += result.separator_bytes;
        if (result.batch)
            add_batch(&totals, &result);
    } while (result.batch);
    reader_destroy(reader);
    arena_destroy(arena);
    free(copy);
    return totals;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct input_spec input = {.format = data[0] % 16 == 15 ? FORMAT_LINES : FORMAT_JSONL,
                               .text = data[0] & 1 ? "text" : NULL,
                               .key = data[0] & 2 ? "id" : NULL,
                               .columns = columns,
                               .column_count = data[0] & 4 ? 9 : 0,
                               .max_record = data[0] & 8 ? 20 : 1 << 20};
    struct totals one = read_all(&input, data + 1, size - 1, 1, '}');
    struct totals many = read_all(&input, data + 1, size - 1, 1000, 0);
    if (one.bytes != size - 1 || many.bytes != size - 1 || one.rows != many.rows ||
        one.bad != many.bad || !hash128_is_equal(one.texts, many.texts))
        abort();
    return 0;
}
