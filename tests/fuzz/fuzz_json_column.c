/* fuzz_json_column.c - any JSON value into a column of any type, and out again */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json_column.h"
#include "core/json_write.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Read the field "a" of the object in `line` as a row of a column; NULL: it is none. */
static const struct column *read_column(struct bytes *line, enum column_type type,
                                        struct column_builder *builder,
                                        struct arena *arena)
{
    size_t size = line->size;
    unsigned char *padding = bytes_reserve(line, JSON_PADDING);
    struct json *json = json_create();
    if (!padding || !json)
        abort();
    memset(padding, 0, JSON_PADDING);
    const struct json_field field = {.name = "a", .name_size = 1};
    struct json_value value;
    const char *detail;
    *builder = (struct column_builder){.name = "a", .type = type, .dimension = 3};
    const struct column *column = NULL;
    if (json_parse(json, line->data, size, &field, 1, &value, &detail) == JSON_OK &&
        !json_column_put(builder, &value))
        column = column_builder_finish(builder, arena);
    json_destroy(json);
    return column;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0)
        return 0;
    enum column_type type = (enum column_type)(COLUMN_UTF8 + data[0] % COLUMN_LIST_BOX);
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes line = {0}, first = {0}, second = {0};
    struct column_builder builder = {0}, again = {0};
    bytes_put(&line, data + 1, size - 1);
    const struct column *column = read_column(&line, type, &builder, arena);
    if (column && type != COLUMN_IMAGE_U8) {
        json_put_value(column, 0, &first);
        bytes_reset(&line);
        bytes_put(&line, "{\"a\":", 5);
        bytes_put(&line, first.data, first.size);
        bytes_put(&line, "}", 1);
        column = read_column(&line, type, &again, arena);
        if (!column)
            abort();
        json_put_value(column, 0, &second);
        if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
            abort();
    }
    column_builder_clear(&builder);
    column_builder_clear(&again);
    bytes_clear(&line);
    bytes_clear(&first);
    bytes_clear(&second);
    arena_destroy(arena);
    return 0;
}
