/* export_columns.c - the columns that a format of samples writes */
#include "commands/export_columns.h"

#include <string.h>

enum { BOX_FLOATS = 6 };

static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    while (list) {
        size_t length = strcspn(list, ",");
        if (length == size && memcmp(list, name, size) == 0)
            return true;
        list = list[length] ? list + length + 1 : NULL;
    }
    return false;
}

/* Each name of the list must be a column's. */
static enum error_code check_list(const struct batch *batch, const char *list,
                                  struct error *error)
{
    while (list) {
        size_t length = strcspn(list, ",");
        bool is_found = false;
        for (uint32_t i = 0; i < batch->column_count && !is_found; i++) {
            const char *name = batch->columns[i]->name;
            is_found = strlen(name) == length && memcmp(name, list, length) == 0;
        }
        if (!is_found)
            return error_set(error, ERROR_CONFIG, "the records have no column \"%.*s\"",
                             length > 100 ? 100 : (int)length, list);
        list = list[length] ? list + length + 1 : NULL;
    }
    return OK;
}

static void add_column(struct export_columns *columns, const struct column *column,
                       bool is_sorted)
{
    size_t at = columns->count++;
    while (is_sorted && at > 0 &&
           strcmp(export_columns_name(columns, at - 1), column->name) > 0) {
        columns->items[at] = columns->items[at - 1];
        at--;
    }
    columns->items[at].name = columns->names.size;
    columns->items[at].type = column->type;
    columns->items[at].dimension = column->dimension;
    bytes_put(&columns->names, column->name, strlen(column->name) + 1);
}

enum error_code export_columns_init(struct export_columns *columns,
                                    const struct batch *batch, const char *list,
                                    bool is_sorted, struct error *error)
{
    *columns = (struct export_columns){0};
    enum error_code code = check_list(batch, list, error);
    for (uint32_t i = 0; code == OK && i < batch->column_count; i++) {
        const struct column *column = batch->columns[i];
        if (list && !is_listed(list, column->name))
            continue;
        if (columns->count == SCHEMA_MAX)
            return error_set(error, ERROR_CONFIG, "more than %d columns", SCHEMA_MAX);
        add_column(columns, column, is_sorted);
        if (columns->names.is_bad)
            return error_set(error, ERROR_MEMORY, "no memory for the columns");
    }
    return code;
}

void export_columns_clear(struct export_columns *columns)
{
    bytes_clear(&columns->names);
    columns->count = 0;
}

const char *export_columns_name(const struct export_columns *columns, size_t i)
{
    return (const char *)columns->names.data + columns->items[i].name;
}

size_t export_row_shape(const struct column *column, uint32_t row,
                        uint64_t shape[EXPORT_DIMENSIONS_MAX])
{
    shape[0] = column_row_length(column, row);
    switch (column->type) {
    case COLUMN_LIST_U32:
    case COLUMN_LIST_F32:
    case COLUMN_VECTOR_F32:
        return 1;
    case COLUMN_LIST_BOX:
        shape[1] = BOX_FLOATS;
        return 2;
    case COLUMN_IMAGE_U8:
        for (size_t i = 0; i < 3; i++)
            shape[i] = column->shapes[(size_t)row * 3 + i];
        return 3;
    default:
        return 0;
    }
}
