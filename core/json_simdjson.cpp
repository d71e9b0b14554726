/* json_simdjson.cpp - some fields out of one JSON object, with simdjson */
extern "C" {
#include "core/json.h"
#include "core/bytes.h"
}

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>

#include <simdjson.h>

/* Simdjson's first stage finds where every token begins and checks UTF-8 and strings at
 * some gigabytes a second, by kernels chosen at run time. The walk over the tokens is
 * ours: unlike a lazy reader it checks the whole text, and unlike a tree it copies
 * nothing that is not asked for and needs a third of the memory. */

struct json {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
    size_t capacity;
    bytes strings; /* unescaped strings of this text */
    bytes numbers; /* doubles of the arrays of this text */
};

namespace
{

using byte = unsigned char;

struct walk {
    struct json *json;
    const byte *text;
    size_t size;
    const uint32_t *index; /* where tokens begin */
    uint32_t count, at;
    const char *detail; /* why it is not JSON */
    bool is_memory_out;
};

struct token {
    const byte *data;
    size_t size; /* white space behind it cut off */
};

bool is_blank(byte c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_digit(byte c)
{
    return c >= '0' && c <= '9';
}

bool fail(struct walk *walk, const char *detail)
{
    walk->detail = detail;
    return false;
}

/* The byte that the next token begins with; 0 at the end. */
byte peek(const struct walk *walk)
{
    return walk->at < walk->count ? walk->text[walk->index[walk->at]] : byte{0};
}

struct token take(struct walk *walk)
{
    size_t begin = walk->index[walk->at++];
    size_t end = walk->at < walk->count ? walk->index[walk->at] : walk->size;
    while (end > begin + 1 && is_blank(walk->text[end - 1]))
        end--;
    return {walk->text + begin, end - begin};
}

size_t skip_digits(const byte *text, size_t at, size_t size)
{
    while (at < size && is_digit(text[at]))
        at++;
    return at;
}

/* number = [ "-" ] ( "0" | 1-9 digits ) [ "." digits ] [ e [ sign ] digits ] */
bool is_number(const byte *text, size_t size, bool *is_whole)
{
    size_t at = size > 0 && text[0] == '-' ? 1 : 0;
    if (at == size || !is_digit(text[at]))
        return false;
    at = text[at] == '0' ? at + 1 : skip_digits(text, at, size);
    *is_whole = at == size;
    if (at < size && text[at] == '.') {
        size_t begin = at + 1;
        at = skip_digits(text, begin, size);
        if (at == begin)
            return false;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        size_t begin = at;
        at = skip_digits(text, begin, size);
        if (at == begin)
            return false;
    }
    return at == size;
}

bool is_word(struct token token, const char *word)
{
    return token.size == strlen(word) && memcmp(token.data, word, token.size) == 0;
}

/* Unescape to `room`, or to the parser's memory; without escapes the text itself will
 * do where there is no room to fill. The first stage promises that the quotes match. */
bool read_string(struct walk *walk, struct token token, byte *room,
                 struct json_value *value)
{
    const byte *inner = token.data + 1;
    size_t inner_size = token.size >= 2 ? token.size - 2 : 0;
    value->type = JSON_STRING;
    if (!room && !memchr(inner, '\\', inner_size)) {
        value->data = inner;
        value->size = inner_size;
        return true;
    }
    if (!room) {
        /* Unescaped text is never longer: one reservation holds all of this text. */
        bytes *strings = &walk->json->strings;
        room = bytes_reserve(strings, walk->size - strings->size + JSON_PADDING);
        if (!room) {
            walk->is_memory_out = true;
            return fail(walk, "no memory");
        }
    }
    const byte *end = walk->json->stage->parse_string(inner, room);
    if (!end)
        return fail(walk, "a string has an invalid escape");
    value->data = room;
    value->size = static_cast<size_t>(end - room);
    return true;
}

/* A string that nobody wants is checked all the same. */
bool check_string(struct walk *walk, struct token token)
{
    struct json_value ignored = {};
    bytes *strings = &walk->json->strings;
    size_t before = strings->size;
    bool is_good = read_string(walk, token, nullptr, &ignored);
    strings->size = before;
    return is_good;
}

bool read_scalar(struct walk *walk, struct json_value *value, bool *is_whole)
{
    struct token token = take(walk);
    value->data = token.data;
    value->size = token.size;
    if (is_digit(token.data[0]) || token.data[0] == '-') {
        value->type = JSON_NUMBER;
        if (!is_number(token.data, token.size, is_whole))
            return fail(walk, "a number is malformed");
        return true;
    }
    if (is_word(token, "true") || is_word(token, "false"))
        value->type = JSON_BOOL;
    else if (is_word(token, "null"))
        value->type = JSON_NULL;
    else
        return fail(walk, "a value is malformed");
    return true;
}

bool skip_value(struct walk *walk, unsigned depth);

/* Behind `[` or a value: true when another value follows, false at the end or on an
 * error (walk->detail). */
bool has_next(struct walk *walk, byte close, bool *is_first)
{
    byte next = peek(walk);
    if (next == close) {
        walk->at++;
        return false;
    }
    if (*is_first) {
        *is_first = false;
        return true;
    }
    if (next != ',')
        return fail(walk, "a comma or closing bracket is missing");
    walk->at++;
    if (peek(walk) == close)
        return fail(walk, "a comma with nothing behind it");
    return true;
}

bool take_colon(struct walk *walk)
{
    if (peek(walk) != ':')
        return fail(walk, "a colon is missing");
    walk->at++;
    return true;
}

bool skip_object(struct walk *walk, unsigned depth)
{
    bool is_first = true;
    while (has_next(walk, '}', &is_first)) {
        if (peek(walk) != '"')
            return fail(walk, "a field name is not a string");
        if (!check_string(walk, take(walk)) || !take_colon(walk) ||
            !skip_value(walk, depth))
            return false;
    }
    return !walk->detail;
}

bool skip_value(struct walk *walk, unsigned depth)
{
    byte next = peek(walk);
    if (next == '"')
        return check_string(walk, take(walk));
    if (next == '{' || next == '[') {
        if (depth >= JSON_DEPTH_MAX)
            return fail(walk, "nested too deeply");
        walk->at++;
        if (next == '{')
            return skip_object(walk, depth + 1);
        bool is_first = true;
        while (has_next(walk, ']', &is_first))
            if (!skip_value(walk, depth + 1))
                return false;
        return !walk->detail;
    }
    if (next == 0)
        return fail(walk, "it ends too early");
    struct json_value ignored = {};
    bool is_whole = false;
    return read_scalar(walk, &ignored, &is_whole);
}

bool put_number(struct walk *walk, struct json_value *array)
{
    struct json_value value = {};
    bool is_whole = false;
    if (!read_scalar(walk, &value, &is_whole))
        return false;
    double number = 0;
    if (value.type != JSON_NUMBER || !json_number(value.data, value.size, &number)) {
        array->is_numeric = false;
        return true;
    }
    array->is_whole = array->is_whole && is_whole;
    bytes_put(&walk->json->numbers, &number, sizeof number);
    array->number_count++;
    return true;
}

/* A row of a wanted array of arrays; all must have the width of the first. */
bool read_row(struct walk *walk, bool is_first_row, struct json_value *array)
{
    walk->at++;
    size_t before = array->number_count;
    bool is_first = true;
    while (has_next(walk, ']', &is_first)) {
        byte next = peek(walk);
        bool is_nested = next == '[' || next == '{' || next == '"' || next == 0;
        if (is_nested)
            array->is_numeric = false;
        if (!(is_nested ? skip_value(walk, 3) : put_number(walk, array)))
            return false;
    }
    size_t width = array->number_count - before;
    if (is_first_row)
        array->width = width;
    if (width == 0 || width != array->width)
        array->is_numeric = false;
    return !walk->detail;
}

bool read_array(struct walk *walk, struct json_value *array)
{
    walk->at++;
    array->type = JSON_ARRAY;
    array->is_numeric = array->is_whole = true;
    bytes *numbers = &walk->json->numbers;
    /* Every number is a token: reserved once, the doubles stay in place. */
    size_t left = (walk->count - walk->at) * sizeof(double);
    byte *room = bytes_reserve(numbers, left > 0 ? left : 1);
    if (!room) {
        walk->is_memory_out = true;
        return fail(walk, "no memory");
    }
    array->numbers = static_cast<const double *>(static_cast<void *>(room));
    bool is_first = true;
    size_t elements = 0, rows = 0;
    while (has_next(walk, ']', &is_first)) {
        byte next = peek(walk);
        bool is_good;
        if (next == '[') {
            is_good = read_row(walk, rows++ == 0, array);
        } else if (next == '{' || next == '"' || next == 0) {
            array->is_numeric = false;
            is_good = skip_value(walk, 2);
        } else {
            is_good = put_number(walk, array);
        }
        elements++;
        if (!is_good)
            return false;
    }
    if (rows > 0 && rows != elements)
        array->is_numeric = false;
    return !walk->detail;
}

bool read_value(struct walk *walk, const struct json_field *field,
                struct json_value *value)
{
    byte next = peek(walk);
    bool is_whole = false;
    if (next == '"') {
        if (!read_string(walk, take(walk), field->room, value))
            return false;
        /* Strings put into the parser's memory stay there. */
        bytes *strings = &walk->json->strings;
        if (strings->data && value->data == strings->data + strings->size)
            strings->size += value->size;
        return true;
    }
    if (next == '[')
        return read_array(walk, value);
    if (next == '{') {
        value->type = JSON_OBJECT;
        return skip_value(walk, 1);
    }
    if (next == 0)
        return fail(walk, "it ends too early");
    return read_scalar(walk, value, &is_whole);
}

/* One field of the outer object, the walk standing on its name. */
bool read_field(struct walk *walk, const struct json_field *fields, size_t field_count,
                struct json_value *values)
{
    if (peek(walk) != '"')
        return fail(walk, "a field name is not a string");
    struct json_value name = {};
    if (!read_string(walk, take(walk), nullptr, &name) || !take_colon(walk))
        return false;
    size_t found = field_count;
    for (size_t i = 0; i < field_count; i++) {
        if (values[i].type != JSON_ABSENT || fields[i].name_size != name.size ||
            memcmp(fields[i].name, name.data, name.size) != 0)
            continue;
        if (found < field_count) {
            values[i] = values[found]; /* wanted twice */
            continue;
        }
        found = i;
        if (!read_value(walk, &fields[i], &values[i]))
            return false;
        /* The name's memory may be written over by now. */
        name.data = reinterpret_cast<const byte *>(fields[i].name);
    }
    return found < field_count || skip_value(walk, 1);
}

bool read_object(struct walk *walk, const struct json_field *fields, size_t field_count,
                 struct json_value *values)
{
    walk->at = 1;
    bool is_first = true;
    while (has_next(walk, '}', &is_first))
        if (!read_field(walk, fields, field_count, values))
            return false;
    if (!walk->detail && walk->at < walk->count)
        return fail(walk, "something stands behind the object");
    return !walk->detail;
}

/* Room for the tokens of a text of `size` bytes. */
bool make_room(struct json *json, size_t size)
{
    if (json->stage && size <= json->capacity)
        return true;
    size_t wanted = 65536;
    while (wanted < size)
        wanted += wanted / 2;
    if (wanted > simdjson::SIMDJSON_MAXSIZE_BYTES)
        wanted = simdjson::SIMDJSON_MAXSIZE_BYTES;
    json->capacity = 0;
    json->stage.reset();
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(
            wanted, JSON_DEPTH_MAX, json->stage) != simdjson::SUCCESS) {
        json->stage.reset();
        return false;
    }
    json->capacity = wanted;
    return true;
}

const char *describe(simdjson::error_code code)
{
    switch (code) {
    case simdjson::UNCLOSED_STRING:
        return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
        return "a string has an unescaped control character";
    case simdjson::EMPTY:
        return "it is empty";
    default:
        return "it is malformed";
    }
}

/* Which fault is met first depends on the kernel: bad UTF-8 always wins. */
enum json_outcome refuse(const byte *text, size_t size, const char *why,
                         const char **detail)
{
    bool is_utf8 = json_is_utf8(text, size);
    *detail = is_utf8 ? why : "it is not valid UTF-8";
    return is_utf8 ? JSON_INVALID : JSON_NOT_UTF8;
}

} // namespace

struct json *json_create(void)
{
    return new (std::nothrow) json{};
}

void json_destroy(struct json *json)
{
    if (!json)
        return;
    bytes_clear(&json->strings);
    bytes_clear(&json->numbers);
    delete json;
}

enum json_outcome json_parse(struct json *json, const unsigned char *text, size_t size,
                             const struct json_field *fields, size_t field_count,
                             struct json_value *values, const char **detail)
{
    *detail = "no memory";
    if (size >= simdjson::SIMDJSON_MAXSIZE_BYTES || !make_room(json, size))
        return JSON_NO_MEMORY;
    for (size_t i = 0; i < field_count; i++)
        values[i] = {};
    bytes_reset(&json->strings);
    bytes_reset(&json->numbers);
    simdjson::error_code code =
        json->stage->stage1(text, size, simdjson::stage1_mode::regular);
    if (code != simdjson::SUCCESS)
        return refuse(text, size, describe(code), detail);
    struct walk walk = {json,
                        text,
                        size,
                        json->stage->structural_indexes.get(),
                        json->stage->n_structural_indexes,
                        0,
                        nullptr,
                        false};
    bool is_object = peek(&walk) == '{';
    bool is_good = is_object ? read_object(&walk, fields, field_count, values)
                             : skip_value(&walk, 0);
    if (is_good && walk.at < walk.count)
        is_good = fail(&walk, "something stands behind the value");
    if (walk.is_memory_out || json->numbers.is_bad)
        return JSON_NO_MEMORY;
    if (!is_good)
        return refuse(text, size, walk.detail, detail);
    *detail = "it is not an object";
    return is_object ? JSON_OK : JSON_NOT_OBJECT;
}

bool json_number(const unsigned char *text, size_t size, double *value)
{
    bool is_whole = false;
    if (!is_number(text, size, &is_whole))
        return false;
    const char *begin = reinterpret_cast<const char *>(text);
    double number = 0;
    std::from_chars_result end = std::from_chars(begin, begin + size, number);
    if (end.ec != std::errc() || end.ptr != begin + size || !std::isfinite(number))
        return false;
    *value = number;
    return true;
}

bool json_is_utf8(const void *text, size_t size)
{
    return simdjson::validate_utf8(static_cast<const char *>(text), size);
}
