/* json_write.h - texts, numbers and whole records as JSON */
#ifndef CORE_JSON_WRITE_H
#define CORE_JSON_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"

struct bytes;

/* All of them append to `out`, never a newline; want of memory shows in out->is_bad. */

/* A string in quotes. Control characters are escaped, all else stands as it is; each byte
 * that is not part of UTF-8 becomes U+FFFD. */
void json_put_text(const char *text, size_t size, struct bytes *out);
/* The shortest decimal that reads back as the same number; NaN and infinities, which JSON
 * does not have, become null. */
void json_put_f64(double value, struct bytes *out);
void json_put_f32(float value, struct bytes *out);
void json_put_i64(int64_t value, struct bytes *out);
/* A string in quotes: base64 with padding. */
void json_put_base64(const void *data, size_t size, struct bytes *out);

/* One row of a column: lists and vectors as arrays, boxes as [x1, y1, x2, y2, score,
 * class] each, bytes as base64, a row that is not there and any image as null. */
void json_put_value(const struct column *column, uint32_t row, struct bytes *out);
/* One record as an object: its columns by name in the batch's order ("key" is the first
 * there), images left out. */
void json_put_record(const struct batch *batch, uint32_t row, struct bytes *out);

#endif
