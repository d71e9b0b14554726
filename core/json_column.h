/* json_column.h - JSON values as the rows of a column */
#ifndef CORE_JSON_COLUMN_H
#define CORE_JSON_COLUMN_H

#include "core/column_builder.h"
#include "core/json.h"

/* Add a value as the next row: the inverse of json_put_value() in json_write.h. null and
 * no value at all become a row without a value; bytes are base64; i64 takes any whole
 * number in its range. NULL: done (want of memory shows at column_builder_finish());
 * else a static text that says what is wrong ("is not a string"), and no row was added. */
const char *json_column_put(struct column_builder *builder,
                            const struct json_value *value);

#endif
