/* json_write.c - texts, numbers and whole records as JSON */
#include "core/json_write.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/bytes.h"
#include "core/unicode.h"

static void put_literal(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

/* Bytes at the front that stand in a JSON string as they are: ASCII, eight at a time. */
static size_t plain_length(const unsigned char *text, size_t size)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        /* A byte below 0x20, a zero in `quote` or in `slash` borrows into its top bit; a
         * byte of 0x80 or more has it. False alarms only send us to the loop below. */
        uint64_t found = (word - ones * 0x20) | (quote - ones) | (slash - ones) | word;
        if (found & tops)
            break;
    }
    while (i < size && text[i] >= 0x20 && text[i] < 0x80 && text[i] != '"' &&
           text[i] != '\\')
        i++;
    return i;
}

static void put_escaped(unsigned char c, struct bytes *out)
{
    static const char named[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                 ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    if (c < sizeof named && named[c]) {
        const char pair[2] = {'\\', named[c]};
        bytes_put(out, pair, 2);
    } else {
        const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        bytes_put(out, escape, 6);
    }
}

void json_put_text(const char *text, size_t size, struct bytes *out)
{
    const unsigned char *at = (const unsigned char *)text;
    bytes_put_u8(out, '"');
    while (size > 0) {
        size_t length = plain_length(at, size);
        bytes_put(out, at, length);
        at += length;
        size -= length;
        while (size > 0 && *at >= 0x80) {
            uint32_t code;
            length = unicode_decode(at, size, &code);
            bytes_put(out, length ? (const char *)at : "\xEF\xBF\xBD",
                      length ? length : 3);
            length = length ? length : 1;
            at += length;
            size -= length;
        }
        if (size > 0 && (*at < 0x20 || *at == '"' || *at == '\\')) {
            put_escaped(*at, out);
            at++;
            size--;
        }
    }
    bytes_put_u8(out, '"');
}

void json_put_f64(double value, struct bytes *out)
{
    char text[40] = "null";
    if (isfinite(value)) {
        /* 15 digits hold for every normal number, and %g takes zeros off the end. */
        for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
    }
    put_literal(text, out);
}

void json_put_f32(float value, struct bytes *out)
{
    char text[40] = "null";
    if (isfinite(value)) {
        for (int digits = fabsf(value) < FLT_MIN ? 1 : 6; digits <= 9; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
            if (strtof(text, NULL) == value)
                break;
        }
    }
    put_literal(text, out);
}

static void put_u64(uint64_t value, struct bytes *out)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    bytes_put(out, digits + at, sizeof digits - at);
}

void json_put_i64(int64_t value, struct bytes *out)
{
    if (value < 0)
        bytes_put_u8(out, '-');
    put_u64(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, out);
}

void json_put_base64(const void *data, size_t size, struct bytes *out)
{
    bytes_put_u8(out, '"');
    base64_put(data, size, out);
    bytes_put_u8(out, '"');
}

static void put_u32_list(const uint32_t *items, uint64_t count, struct bytes *out)
{
    bytes_put_u8(out, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            put_literal(", ", out);
        put_u64(items[i], out);
    }
    bytes_put_u8(out, ']');
}

static void put_f32_list(const float *items, uint64_t count, struct bytes *out)
{
    bytes_put_u8(out, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            put_literal(", ", out);
        json_put_f32(items[i], out);
    }
    bytes_put_u8(out, ']');
}

static void put_boxes(const float *boxes, uint64_t count, struct bytes *out)
{
    bytes_put_u8(out, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            put_literal(", ", out);
        put_f32_list(boxes + 6 * i, 6, out);
    }
    bytes_put_u8(out, ']');
}

void json_put_value(const struct column *column, uint32_t row, struct bytes *out)
{
    if (!column_is_valid(column, row) || column->type == COLUMN_IMAGE_U8) {
        put_literal("null", out);
        return;
    }
    if (column->type == COLUMN_BOOL) {
        put_literal(column_bool(column, row) ? "true" : "false", out);
        return;
    }
    const void *data = column_row(column, row);
    uint64_t length = column_row_length(column, row);
    switch (column->type) {
    case COLUMN_UTF8:
        json_put_text(data, (size_t)length, out);
        break;
    case COLUMN_BYTES:
        json_put_base64(data, (size_t)length, out);
        break;
    case COLUMN_I64:
        json_put_i64(*(const int64_t *)data, out);
        break;
    case COLUMN_F64:
        json_put_f64(*(const double *)data, out);
        break;
    case COLUMN_LIST_U32:
        put_u32_list(data, length, out);
        break;
    case COLUMN_LIST_F32:
    case COLUMN_VECTOR_F32:
        put_f32_list(data, length, out);
        break;
    case COLUMN_LIST_BOX:
        put_boxes(data, length, out);
        break;
    case COLUMN_BOOL:
    case COLUMN_IMAGE_U8:
        break;
    }
}

void json_put_record(const struct batch *batch, uint32_t row, struct bytes *out)
{
    const char *before = "";
    bytes_put_u8(out, '{');
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *column = batch->columns[i];
        if (column->type == COLUMN_IMAGE_U8)
            continue;
        put_literal(before, out);
        json_put_text(column->name, strlen(column->name), out);
        put_literal(": ", out);
        json_put_value(column, row, out);
        before = ", ";
    }
    bytes_put_u8(out, '}');
}
