/* export_columns.h - the columns that a format of samples writes */
#ifndef COMMANDS_EXPORT_COLUMNS_H
#define COMMANDS_EXPORT_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/batch.h"
#include "core/bytes.h"
#include "core/error.h"
#include "core/stage.h"

struct export_columns {
    struct bytes names; /* owned: with a zero behind each */
    struct {
        size_t name; /* in `names` */
        enum column_type type;
        uint32_t dimension;
    } items[SCHEMA_MAX];
    size_t count;
};

/* Those in `list` (names with commas between them; NULL: all of the batch), in the order
 * of the batch or of their names' bytes. ERROR_CONFIG: the batch has none of a name. */
enum error_code export_columns_init(struct export_columns *columns,
                                    const struct batch *batch, const char *list,
                                    bool is_sorted, struct error *error);
void export_columns_clear(struct export_columns *columns);
const char *export_columns_name(const struct export_columns *columns, size_t i);

/* Dimensions of a row as an array: 1 of a list, 2 of boxes, 3 of an image; 0: it is none. */
enum { EXPORT_DIMENSIONS_MAX = 3 };
size_t export_row_shape(const struct column *column, uint32_t row,
                        uint64_t shape[EXPORT_DIMENSIONS_MAX]);

#endif
