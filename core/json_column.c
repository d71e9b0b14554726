/* json_column.c - JSON values as the rows of a column */
#include "core/json_column.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"

enum { DIGITS_MAX = 32, BOX_WIDTH = 6 };

static const char *put_base64(struct column_builder *builder,
                              const struct json_value *value)
{
    size_t size = 0;
    if (value->type != JSON_STRING)
        return "is not a string of base64";
    unsigned char *room = column_builder_begin_row(builder, value->size + 1);
    if (!room)
        return NULL;
    if (!base64_decode(value->data, value->size, room, &size))
        return "is not base64";
    column_builder_end_row(builder, size);
    return NULL;
}

static const char *put_i64(struct column_builder *builder, const struct json_value *value)
{
    static const char fault[] = "is not a whole number of 64 bits";
    char digits[DIGITS_MAX];
    int64_t number = 0;
    if (value->type != JSON_NUMBER)
        return fault;
    bool is_plain = value->size < sizeof digits;
    for (size_t i = 0; is_plain && i < value->size; i++)
        is_plain = (value->data[i] >= '0' && value->data[i] <= '9') ||
                   (i == 0 && value->data[i] == '-');
    if (is_plain) {
        memcpy(digits, value->data, value->size);
        digits[value->size] = 0;
        errno = 0;
        number = strtoll(digits, NULL, 10);
        if (errno)
            return fault;
    } else { /* 1.0, 2e3 */
        double real;
        if (!json_number(value->data, value->size, &real) || real != floor(real) ||
            fabs(real) >= 0x1p63)
            return fault;
        number = (int64_t)real;
    }
    column_builder_put(builder, &number, sizeof number);
    return NULL;
}

static const char *put_f64(struct column_builder *builder, const struct json_value *value)
{
    double real;
    if (value->type != JSON_NUMBER || !json_number(value->data, value->size, &real))
        return "is not a number";
    column_builder_put(builder, &real, sizeof real);
    return NULL;
}

static const char *put_u32_list(struct column_builder *builder,
                                const struct json_value *value)
{
    static const char fault[] = "is not a list of whole numbers of 32 bits";
    if (value->type != JSON_ARRAY || !value->is_numeric || value->width != 0)
        return fault;
    for (size_t i = 0; i < value->number_count; i++) {
        double real = value->numbers[i];
        if (!(real >= 0 && real <= UINT32_MAX) || real != floor(real))
            return fault;
    }
    size_t size = value->number_count * sizeof(uint32_t);
    uint32_t *room = (void *)column_builder_begin_row(builder, size);
    for (size_t i = 0; room && i < value->number_count; i++)
        room[i] = (uint32_t)value->numbers[i];
    if (room)
        column_builder_end_row(builder, size);
    return NULL;
}

static const char *put_floats(struct column_builder *builder,
                              const struct json_value *value)
{
    static const char fault[] = "holds a number too large for 32 bits";
    for (size_t i = 0; i < value->number_count; i++)
        if (fabs(value->numbers[i]) > FLT_MAX)
            return fault;
    size_t size = value->number_count * sizeof(float);
    float *room = (void *)column_builder_begin_row(builder, size);
    for (size_t i = 0; room && i < value->number_count; i++)
        room[i] = (float)value->numbers[i];
    if (room)
        column_builder_end_row(builder, size);
    return NULL;
}

static const char *put_list(struct column_builder *builder,
                            const struct json_value *value)
{
    bool is_list = value->type == JSON_ARRAY && value->is_numeric;
    bool is_empty = is_list && value->number_count == 0;
    switch (builder->type) {
    case COLUMN_LIST_U32:
        return put_u32_list(builder, value);
    case COLUMN_LIST_F32:
        return is_list && value->width == 0 ? put_floats(builder, value)
                                            : "is not a list of numbers";
    case COLUMN_VECTOR_F32:
        return is_list && value->width == 0 && value->number_count == builder->dimension
                   ? put_floats(builder, value)
                   : "is not a list of as many numbers as the vector has";
    case COLUMN_LIST_BOX:
        return is_empty || (is_list && value->width == BOX_WIDTH)
                   ? put_floats(builder, value)
                   : "is not a list of boxes [x1, y1, x2, y2, score, class]";
    default:
        return "cannot be read from JSON";
    }
}

const char *json_column_put(struct column_builder *builder,
                            const struct json_value *value)
{
    if (value->type == JSON_NULL || value->type == JSON_ABSENT) {
        column_builder_put_null(builder);
        return NULL;
    }
    switch (builder->type) {
    case COLUMN_UTF8:
        if (value->type != JSON_STRING)
            return "is not a string";
        column_builder_put(builder, value->data, value->size);
        return NULL;
    case COLUMN_BYTES:
        return put_base64(builder, value);
    case COLUMN_BOOL: {
        if (value->type != JSON_BOOL)
            return "is not true or false";
        unsigned char truth = value->data[0] == 't';
        column_builder_put(builder, &truth, 1);
        return NULL;
    }
    case COLUMN_I64:
        return put_i64(builder, value);
    case COLUMN_F64:
        return put_f64(builder, value);
    default:
        return put_list(builder, value);
    }
}
