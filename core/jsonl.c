/* jsonl.c - one line of JSON as a row of columns */
#include "core/jsonl.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/json.h"

struct jsonl {
    struct json *json;         /* owned */
    struct json_field *fields; /* owned: (field_count) */
    struct json_value *values; /* owned: (field_count) */
    size_t field_count;
    size_t first_column; /* in `columns` of the first field: 0 with a key field, else 1 */
    bool has_key, has_text;
    struct bytes elements; /* a row under way */
};

void jsonl_destroy(struct jsonl *jsonl)
{
    if (!jsonl)
        return;
    json_destroy(jsonl->json);
    free(jsonl->fields);
    free(jsonl->values);
    bytes_clear(&jsonl->elements);
    free(jsonl);
}

static void add_field(struct jsonl *jsonl, const char *name)
{
    jsonl->fields[jsonl->field_count++] =
        (struct json_field){.name = name, .name_size = strlen(name)};
}

struct jsonl *jsonl_create(const struct input_spec *input)
{
    struct jsonl *jsonl = calloc(1, sizeof *jsonl);
    if (!jsonl)
        return NULL;
    size_t most = input->column_count + 2;
    jsonl->json = json_create();
    jsonl->fields = calloc(most, sizeof *jsonl->fields);
    jsonl->values = calloc(most, sizeof *jsonl->values);
    if (!jsonl->json || !jsonl->fields || !jsonl->values) {
        jsonl_destroy(jsonl);
        return NULL;
    }
    jsonl->has_key = input->key != NULL;
    jsonl->has_text = input->text != NULL;
    jsonl->first_column = jsonl->has_key ? 0 : 1;
    if (input->key)
        add_field(jsonl, input->key);
    if (input->text)
        add_field(jsonl, input->text);
    for (size_t i = 0; i < input->column_count; i++)
        add_field(jsonl, input->columns[i].name);
    return jsonl;
}

static const char *type_name(const struct json_value *value)
{
    static const char *const names[] = {
        [JSON_ABSENT] = "absent",   [JSON_NULL] = "null",       [JSON_BOOL] = "a bool",
        [JSON_NUMBER] = "a number", [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object"};
    return names[value->type];
}

static void set_wrong_type(struct line_fault *fault, const struct json_field *field,
                           const struct json_value *value, const char *wanted)
{
    fault->reason = "wrong_type";
    (void)snprintf(fault->detail, sizeof fault->detail, "field \"%.60s\" is %s, not %s",
                   field->name, type_name(value), wanted);
}

/* An integer as written: no fraction, no exponent. */
static bool parse_i64(const struct json_value *value, int64_t *number)
{
    const unsigned char *at = value->data, *end = value->data + value->size;
    if (value->type != JSON_NUMBER)
        return false;
    bool is_negative = *at == '-';
    uint64_t most = (uint64_t)INT64_MAX + is_negative, sum = 0;
    for (at += is_negative; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = is_negative ? (int64_t)(~sum + 1) : (int64_t)sum;
    return true;
}

static bool is_integer(const struct json_value *value)
{
    for (size_t i = value->data[0] == '-'; i < value->size; i++)
        if (value->data[i] < '0' || value->data[i] > '9')
            return false;
    return true;
}

static bool put_floats(struct jsonl *jsonl, const struct json_value *value,
                       struct column_builder *column)
{
    unsigned char *room =
        bytes_reserve(&jsonl->elements, value->number_count * sizeof(float) + 1);
    for (size_t i = 0; room && i < value->number_count; i++) {
        double number = value->numbers[i];
        if (fabs(number) > 3.4028234663852886e38) /* FLT_MAX: it would be infinite */
            return false;
        float narrow = (float)number;
        memcpy(room + i * sizeof narrow, &narrow, sizeof narrow);
    }
    if (!room)
        column->data.is_bad = true;
    column_builder_put(column, room, value->number_count * sizeof(float));
    return true;
}

static bool put_u32s(struct jsonl *jsonl, const struct json_value *value,
                     struct column_builder *column)
{
    unsigned char *room =
        bytes_reserve(&jsonl->elements, value->number_count * sizeof(uint32_t) + 1);
    for (size_t i = 0; room && i < value->number_count; i++) {
        double number = value->numbers[i];
        if (number < 0 || number > UINT32_MAX)
            return false;
        uint32_t whole = (uint32_t)number;
        memcpy(room + i * sizeof whole, &whole, sizeof whole);
    }
    if (!room)
        column->data.is_bad = true;
    column_builder_put(column, room, value->number_count * sizeof(uint32_t));
    return true;
}

static bool put_base64(struct jsonl *jsonl, const struct json_value *value,
                       struct column_builder *column)
{
    size_t size;
    unsigned char *room = bytes_reserve(&jsonl->elements, value->size + 1);
    if (room && !base64_decode(value->data, value->size, room, &size))
        return false;
    if (!room)
        column->data.is_bad = true;
    else
        column_builder_put(column, room, size);
    return true;
}

/* Numbers, in rows of `width` (0: not in rows). An empty array is of every kind. */
static bool is_array_of(const struct json_value *value, size_t width)
{
    return value->type == JSON_ARRAY && value->is_numeric &&
           (value->width == width || (value->number_count == 0 && value->width == 0));
}

static bool put_number(const struct json_value *value, struct column_builder *column)
{
    double number;
    if (value->type != JSON_NUMBER || !json_number(value->data, value->size, &number))
        return false;
    column_builder_put(column, &number, sizeof number);
    return true;
}

static bool put_integer(const struct json_value *value, struct column_builder *column)
{
    int64_t number;
    if (!parse_i64(value, &number))
        return false;
    column_builder_put(column, &number, sizeof number);
    return true;
}

static bool put_bool(const struct json_value *value, struct column_builder *column)
{
    if (value->type != JSON_BOOL)
        return false;
    unsigned char truth = value->data[0] == 't';
    column_builder_put(column, &truth, 1);
    return true;
}

/* False: the value is not of the column's type; *wanted says what is. */
static bool put_value(struct jsonl *jsonl, const struct json_value *value,
                      struct column_builder *column, const char **wanted)
{
    bytes_reset(&jsonl->elements);
    switch (column->type) {
    case COLUMN_UTF8:
        *wanted = "a string";
        if (value->type == JSON_STRING)
            column_builder_put(column, value->data, value->size);
        return value->type == JSON_STRING;
    case COLUMN_BYTES:
        *wanted = "a string in base64";
        return value->type == JSON_STRING && put_base64(jsonl, value, column);
    case COLUMN_BOOL:
        *wanted = "true or false";
        return put_bool(value, column);
    case COLUMN_I64:
        *wanted = "a whole number of 64 bits";
        return put_integer(value, column);
    case COLUMN_F64:
        *wanted = "a finite number";
        return put_number(value, column);
    case COLUMN_LIST_U32:
        *wanted = "an array of whole numbers from 0 to 4294967295";
        return is_array_of(value, 0) && value->is_whole && put_u32s(jsonl, value, column);
    case COLUMN_LIST_F32:
        *wanted = "an array of numbers of 32 bits";
        return is_array_of(value, 0) && put_floats(jsonl, value, column);
    case COLUMN_VECTOR_F32:
        *wanted = "an array of as many numbers as the vector has";
        return is_array_of(value, 0) && value->number_count == column->dimension &&
               put_floats(jsonl, value, column);
    case COLUMN_LIST_BOX:
        *wanted = "an array of [x1, y1, x2, y2, score, class]";
        return is_array_of(value, 6) && put_floats(jsonl, value, column);
    default:
        *wanted = "of a type that JSON can hold";
        return false;
    }
}

/* The key: a string, or an integer as written. */
static void put_key(const struct jsonl *jsonl, struct column_builder *column,
                    struct line_fault *fault)
{
    const struct json_value *value = &jsonl->values[0];
    if (value->type == JSON_STRING || (value->type == JSON_NUMBER && is_integer(value))) {
        column_builder_put(column, value->data, value->size);
        fault->key = value->data;
        fault->key_size = value->size;
    } else if (value->type != JSON_ABSENT) {
        set_wrong_type(fault, &jsonl->fields[0], value, "a string or a whole number");
    }
}

static void put_fields(struct jsonl *jsonl, struct column_builder *columns,
                       struct line_fault *fault)
{
    size_t text = jsonl->has_text ? (size_t)jsonl->has_key : SIZE_MAX;
    for (size_t i = 0; i < jsonl->field_count && !fault->reason; i++) {
        struct column_builder *column = &columns[jsonl->first_column + i];
        const struct json_value *value = &jsonl->values[i];
        const char *wanted = NULL;
        if (jsonl->has_key && i == 0) {
            put_key(jsonl, column, fault);
        } else if (value->type == JSON_NULL && i != text) {
            column_builder_put_null(column);
        } else if (i == text && value->type == JSON_STRING &&
                   value->data == jsonl->fields[i].room) {
            column_builder_end_row(column, value->size); /* it is there already */
        } else if (value->type != JSON_ABSENT &&
                   !put_value(jsonl, value, column, &wanted)) {
            set_wrong_type(fault, &jsonl->fields[i], value, wanted);
        }
        if (value->type == JSON_ABSENT) {
            fault->reason = "missing_field";
            (void)snprintf(fault->detail, sizeof fault->detail,
                           "field \"%.100s\" is missing", jsonl->fields[i].name);
        }
    }
}

enum error_code jsonl_put_row(struct jsonl *jsonl, const unsigned char *line, size_t size,
                              struct column_builder *columns, struct line_fault *fault,
                              struct error *error)
{
    fault->reason = NULL;
    fault->key = NULL;
    fault->key_size = 0;
    if (jsonl->has_text) {
        size_t text = jsonl->has_key;
        unsigned char *room = column_builder_begin_row(
            &columns[jsonl->first_column + text], size + JSON_PADDING);
        if (!room)
            return error_set(error, ERROR_MEMORY, "no memory for a record's text");
        jsonl->fields[text].room = room;
    }
    const char *detail = NULL;
    switch (json_parse(jsonl->json, line, size, jsonl->fields, jsonl->field_count,
                       jsonl->values, &detail)) {
    case JSON_OK:
        put_fields(jsonl, columns, fault);
        return OK;
    case JSON_NO_MEMORY:
        return error_set(error, ERROR_MEMORY, "no memory to parse a record");
    case JSON_NOT_UTF8:
        fault->reason = "not_utf8";
        break;
    case JSON_INVALID:
    case JSON_NOT_OBJECT:
        fault->reason = "not_json";
        break;
    }
    (void)snprintf(fault->detail, sizeof fault->detail, "%s", detail);
    return OK;
}
