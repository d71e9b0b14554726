/* status_json.c - structs to JSON objects and back, by tables of their fields */
#include "coordinator/status_json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"

enum { DEPTH_MAX = 16, NAME_SIZE = 64, NUMBER_SIZE = 40 };

/* ---- writing ---- */

/* Bytes of the UTF-8 sequence at `at`, 0 when it is none. */
static size_t sequence_size(const unsigned char *at)
{
    static const unsigned lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xC2 ? 0
                  : at[0] < 0xE0 ? 2
                  : at[0] < 0xF0 ? 3
                  : at[0] < 0xF5 ? 4
                                 : 0;
    unsigned value = size > 1 ? at[0] & (0x7Fu >> size) : at[0];
    for (size_t i = 1; i < size; i++) { /* stops at the zero behind the text */
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3Fu);
    }
    bool is_good = size < 2 || (value >= lowest[size] && value <= 0x10FFFF &&
                                (value < 0xD800 || value > 0xDFFF));
    return is_good ? size : 0;
}

static void put(struct bytes *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

static void put_text(struct bytes *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    put(out, "\"");
    while (*at) {
        size_t size = sequence_size(at);
        if (size == 0) {
            put(out, "\xEF\xBF\xBD");
        } else if (*at < 0x20) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", *at);
            put(out, escape);
        } else {
            if (*at == '"' || *at == '\\')
                put(out, "\\");
            bytes_put(out, at, size);
        }
        at += size ? size : 1;
    }
    put(out, "\"");
}

static void put_value(struct bytes *out, const struct json_field *field, const void *at)
{
    char number[NUMBER_SIZE] = "";
    switch (field->type) {
    case JSON_U64:
        (void)snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)at);
        break;
    case JSON_U32:
        (void)snprintf(number, sizeof number, "%" PRIu32, *(const uint32_t *)at);
        break;
    case JSON_I64:
        (void)snprintf(number, sizeof number, "%" PRId64, *(const int64_t *)at);
        break;
    case JSON_F64:
        (void)snprintf(number, sizeof number, "%.3f", *(const double *)at);
        break;
    case JSON_BOOL:
        put(out, *(const bool *)at ? "true" : "false");
        break;
    case JSON_TEXT:
        put_text(out, *(const char *const *)at);
        break;
    case JSON_TIME:
        clock_format(*(const int64_t *)at, number, sizeof number);
        put_text(out, number);
        return;
    case JSON_NAME:
        put_text(out, field->names[*(const int *)at]);
        break;
    case JSON_FLAG_NAME:
        put_text(out, field->names[*(const bool *)at]);
        break;
    }
    put(out, number);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void json_write_fields(const struct json_field *fields, const void *base,
                       struct bytes *out)
{
    const char *group = NULL, *comma = "";
    for (const struct json_field *field = fields; field->name; field++) {
        const unsigned char *at = (const unsigned char *)base + field->offset;
        const void *value = at;
        if (field->type == JSON_TEXT && !*(const char *const *)value)
            continue;
        if (!is_same_text(group, field->group)) {
            if (group)
                put(out, "}");
            if (field->group) {
                put(out, comma);
                put_text(out, field->group);
                put(out, ":{");
                comma = "";
            }
            group = field->group;
        }
        put(out, comma);
        put_text(out, field->name);
        put(out, ":");
        put_value(out, field, value);
        comma = ",";
    }
    if (group)
        put(out, "}");
}

/* ---- reading ---- */

static char next(struct json_reader *reader) /* past white space; 0 at the end */
{
    while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
        reader->at++;
    return reader->at < reader->end ? *reader->at : 0;
}

static bool take(struct json_reader *reader, char wanted)
{
    if (next(reader) != wanted)
        return false;
    reader->at++;
    return true;
}

static bool read_hex(struct json_reader *reader, unsigned *value)
{
    char digits[5] = {0};
    if (reader->end - reader->at < 4)
        return false;
    memcpy(digits, reader->at, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4)
        return false;
    *value = (unsigned)strtoul(digits, NULL, 16);
    reader->at += 4;
    return true;
}

static size_t encode(unsigned value, char out[4])
{
    size_t size = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size; i-- > 1; value >>= 6)
        out[i] = (char)(0x80 | (value & 0x3F));
    out[0] = (char)(marks[size] | value);
    return size;
}

/* What stands behind a backslash: at most 4 bytes, from at least 2. */
static size_t read_escape(struct json_reader *reader, char out[4])
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = *reader->at++;
    unsigned value = 0, low = 0;
    if (name != 'u') {
        const char *found = name ? strchr(names, name) : NULL;
        out[0] = found ? values[found - names] : 0;
        return found ? 1 : 0;
    }
    if (!read_hex(reader, &value))
        return 0;
    if (value >= 0xD800 && value < 0xDC00) {
        bool is_pair = reader->end - reader->at >= 6 && *reader->at++ == '\\' &&
                       *reader->at++ == 'u' && read_hex(reader, &low) && low >= 0xDC00 &&
                       low < 0xE000;
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        return is_pair ? encode(value, out) : 0;
    }
    return value == 0 || (value >= 0xDC00 && value < 0xE000) ? 0 : encode(value, out);
}

/* A text into `out` of `capacity` bytes with a zero; longer ones are an error. */
static bool read_text(struct json_reader *reader, char *out, size_t capacity)
{
    size_t size = 0;
    if (!take(reader, '"'))
        return false;
    while (reader->at < reader->end && *reader->at != '"') {
        char raw[4] = {*reader->at++};
        size_t count = 1;
        if ((unsigned char)raw[0] < 0x20)
            return false;
        if (raw[0] == '\\')
            count = reader->at < reader->end ? read_escape(reader, raw) : 0;
        if (count == 0 || size + count >= capacity)
            return false;
        memcpy(out + size, raw, count);
        size += count;
    }
    out[size] = 0;
    return take(reader, '"');
}

static bool read_arena_text(struct json_reader *reader, const char **text)
{
    /* Unescaped it is not longer than what is left up to its end. */
    if (next(reader) != '"')
        return false;
    const char *end = reader->at + 1;
    while (end < reader->end && *end != '"')
        end += *end == '\\' && reader->end - end > 1 ? 2 : 1;
    size_t capacity = (size_t)(end - reader->at) + 1;
    char *copy = arena_alloc_raw(reader->arena, capacity, 1, 1);
    *text = copy;
    return copy && read_text(reader, copy, capacity);
}

static bool read_number(struct json_reader *reader, char text[NUMBER_SIZE])
{
    (void)next(reader);
    size_t size = 0;
    while (reader->at < reader->end && *reader->at &&
           strchr("+-.0123456789Ee", *reader->at)) {
        if (size + 1 == NUMBER_SIZE)
            return false;
        text[size++] = *reader->at++;
    }
    text[size] = 0;
    return size > 0;
}

static bool read_word(struct json_reader *reader, const char *word)
{
    size_t size = strlen(word);
    (void)next(reader);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0)
        return false;
    reader->at += size;
    return true;
}

static bool read_name(struct json_reader *reader, const struct json_field *field,
                      void *out)
{
    char name[NAME_SIZE];
    int i = 0;
    if (!read_text(reader, name, sizeof name))
        return false;
    while (field->names[i] && strcmp(field->names[i], name) != 0)
        i++;
    if (!field->names[i])
        return false;
    if (field->type == JSON_NAME)
        *(int *)out = i;
    else
        *(bool *)out = i == 1;
    return true;
}

static bool read_integer(struct json_reader *reader, enum json_type type, void *out)
{
    char text[NUMBER_SIZE], *end;
    bool is_signed = type == JSON_I64;
    if (!read_number(reader, text) || (!is_signed && text[0] == '-') || text[0] == '+')
        return false;
    errno = 0;
    int64_t negative = is_signed ? strtoll(text, &end, 10) : 0;
    uint64_t value = is_signed ? 0 : strtoull(text, &end, 10);
    if (errno || *end || (type == JSON_U32 && value > UINT32_MAX))
        return false;
    if (is_signed)
        *(int64_t *)out = negative;
    else if (type == JSON_U32)
        *(uint32_t *)out = (uint32_t)value;
    else
        *(uint64_t *)out = value;
    return true;
}

static bool skip_value(struct json_reader *reader);

static bool read_value(struct json_reader *reader, const struct json_field *field,
                       void *out)
{
    char text[NUMBER_SIZE], *end;
    switch (field->type) {
    case JSON_U64:
    case JSON_U32:
    case JSON_I64:
        return read_integer(reader, field->type, out);
    case JSON_F64:
        if (!read_number(reader, text))
            return false;
        *(double *)out = strtod(text, &end);
        return *end == 0 && isfinite(*(double *)out);
    case JSON_BOOL:
        *(bool *)out = next(reader) == 't';
        return read_word(reader, *(bool *)out ? "true" : "false");
    case JSON_TEXT:
        return read_arena_text(reader, out);
    case JSON_TIME:
        return skip_value(reader);
    case JSON_NAME:
    case JSON_FLAG_NAME:
        return read_name(reader, field, out);
    }
    return false;
}

/* The members of an object or the items of an array, up to its closing bracket. */
static bool skip_items(struct json_reader *reader, char close)
{
    if (take(reader, close))
        return true;
    do {
        const char *name;
        if (close == '}' && (!read_arena_text(reader, &name) || !take(reader, ':')))
            return false;
        if (!skip_value(reader))
            return false;
    } while (take(reader, ','));
    return take(reader, close);
}

static bool skip_value(struct json_reader *reader)
{
    char text[NUMBER_SIZE];
    const char *unused;
    char first = next(reader);
    if (first == '"')
        return read_arena_text(reader, &unused);
    if (first == 't' || first == 'f' || first == 'n')
        return read_word(reader, first == 't' ? "true" : first == 'f' ? "false" : "null");
    if (first != '{' && first != '[')
        return read_number(reader, text);
    if (reader->depth == DEPTH_MAX)
        return false;
    reader->at++;
    reader->depth++;
    bool is_good = skip_items(reader, first == '{' ? '}' : ']');
    reader->depth--;
    return is_good;
}

static bool read_list(struct json_reader *reader, const struct json_list *list)
{
    struct bytes items = {0};
    bool is_good = take(reader, '[');
    bool is_empty = is_good && take(reader, ']');
    while (is_good && !is_empty) {
        unsigned char *item = bytes_reserve(&items, list->size);
        if (item)
            memset(item, 0, list->size);
        is_good = item && list->read(reader, item);
        items.size += list->size;
        if (!is_good || !take(reader, ','))
            break;
    }
    is_good = is_good && (is_empty || take(reader, ']'));
    void *copy =
        is_good ? arena_alloc_raw(reader->arena, items.size, 1, list->align) : NULL;
    if (copy && items.size)
        memcpy(copy, items.data, items.size);
    *list->items = copy;
    *list->count = copy ? items.size / list->size : 0;
    bytes_clear(&items);
    return copy != NULL;
}

/* Members of the object, or of the group in it. */
static bool read_members(struct json_reader *reader, const char *group,
                         const struct json_target *targets,
                         const struct json_list *lists);

static bool read_member(struct json_reader *reader, const char *group, const char *name,
                        const struct json_target *targets, const struct json_list *lists)
{
    bool is_object = next(reader) == '{';
    for (const struct json_list *list = lists; list && list->name; list++)
        if (!group && strcmp(list->name, name) == 0)
            return read_list(reader, list);
    for (const struct json_target *target = targets; target->fields; target++)
        for (const struct json_field *field = target->fields; field->name; field++) {
            if (is_object && !group && is_same_text(field->group, name))
                return read_members(reader, name, targets, NULL);
            if (!is_object && is_same_text(field->group, group) &&
                strcmp(field->name, name) == 0)
                return read_value(reader, field,
                                  (unsigned char *)target->base + field->offset);
        }
    return skip_value(reader);
}

static bool read_members(struct json_reader *reader, const char *group,
                         const struct json_target *targets, const struct json_list *lists)
{
    if (!take(reader, '{'))
        return false;
    if (take(reader, '}'))
        return true;
    do {
        const char *name;
        if (!read_arena_text(reader, &name) || !take(reader, ':') ||
            !read_member(reader, group, name, targets, lists))
            return false;
    } while (take(reader, ','));
    return take(reader, '}');
}

bool json_read_object(struct json_reader *reader, const struct json_target *targets,
                      const struct json_list *lists)
{
    return read_members(reader, NULL, targets, lists);
}

bool json_is_at_end(struct json_reader *reader)
{
    return next(reader) == 0 && reader->at == reader->end;
}
