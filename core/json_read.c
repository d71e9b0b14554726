/* json_read.c - a JSON file of any size, taken value by value in bounded memory */
#include "core/json_read.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"

enum { BLOCK = 1 << 20, NAME_SIZE = 64, PATH_SIZE = 300 };

struct level { /* an array or object that was entered */
    bool is_object;
    bool is_begun;        /* its first value has been reached */
    uint64_t index;       /* of the value that is looked at */
    char name[NAME_SIZE]; /* in an object: its name, cut where it is long */
};

struct json_reader {
    FILE *file;       /* owned */
    const char *name; /* borrowed */
    struct json *parser;
    struct bytes buffer; /* what was read and not passed yet, and some before it */
    size_t at;           /* in the buffer: what comes next */
    size_t value_at;     /* in the buffer: where the value that is looked at begins */
    bool is_begun;       /* something has been read */
    bool is_ended;       /* the file is in the buffer to its end */
    uint64_t line;       /* of the buffer's first byte, from 1 */
    uint64_t column;     /* bytes before it in its line */
    struct level levels[JSON_READER_LEVELS];
    size_t level_count;
    struct bytes text; /* the name of a field, as an object that can be parsed */
};

/* ---- places ---- */

/* Line of a byte of the buffer, from 1, and bytes before it in the line. */
static void find_place(const struct json_reader *reader, size_t at, uint64_t *line,
                       uint64_t *column)
{
    const unsigned char *from = reader->buffer.data, *end = from ? from + at : from;
    *line = reader->line;
    *column = reader->column + at;
    for (const unsigned char *found;
         from < end && (found = memchr(from, '\n', (size_t)(end - from))) != NULL;) {
        from = found + 1;
        *line += 1;
        *column = (uint64_t)(end - from);
    }
}

/* "annotations[17]: ", or nothing outside of all. */
static void write_path(const struct json_reader *reader, char path[PATH_SIZE])
{
    size_t used = 0;
    *path = 0;
    for (size_t i = 0; i < reader->level_count && used < PATH_SIZE; i++) {
        const struct level *level = &reader->levels[i];
        if (!level->is_begun)
            break;
        int size = level->is_object ? snprintf(path + used, PATH_SIZE - used, "%s%s",
                                               i ? "." : "", level->name)
                                    : snprintf(path + used, PATH_SIZE - used,
                                               "[%" PRIu64 "]", level->index);
        used += size > 0 ? (size_t)size : 0;
    }
    if (used > 0 && used < PATH_SIZE)
        (void)snprintf(path + used, PATH_SIZE - used, ": ");
}

static enum error_code refuse_at(const struct json_reader *reader, size_t at,
                                 struct error *error, const char *text)
{
    char path[PATH_SIZE];
    uint64_t line, column;
    find_place(reader, at, &line, &column);
    write_path(reader, path);
    return error_set(error, ERROR_DAMAGED, "%s:%" PRIu64 ":%" PRIu64 ": %s%s",
                     reader->name, line, column + 1, path, text);
}

enum error_code json_reader_refuse(struct json_reader *reader, struct error *error,
                                   const char *format, ...)
{
    char text[300];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return refuse_at(reader, reader->value_at, error, text);
}

static enum error_code no_memory(const struct json_reader *reader, struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", reader->name);
}

/* ---- bytes ---- */

/* Read more; what was passed is dropped, so that reader->at becomes 0. Sets is_ended when
 * there is no more. */
static enum error_code fill(struct json_reader *reader, struct error *error)
{
    struct bytes *buffer = &reader->buffer;
    if (reader->at > 0) {
        uint64_t line, column;
        find_place(reader, reader->at, &line, &column);
        reader->line = line;
        reader->column = column;
        memmove(buffer->data, buffer->data + reader->at, buffer->size - reader->at);
        buffer->size -= reader->at;
        reader->at = reader->value_at = 0;
    }
    unsigned char *room = bytes_reserve(buffer, BLOCK + JSON_PADDING);
    if (!room)
        return no_memory(reader, error);
    size_t size = fread(room, 1, BLOCK, reader->file);
    if (ferror(reader->file))
        return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"",
                               reader->name);
    buffer->size += size;
    memset(buffer->data + buffer->size, 0, JSON_PADDING);
    reader->is_ended = size == 0;
    if (!reader->is_begun && size >= 3 && memcmp(room, "\xEF\xBB\xBF", 3) == 0)
        reader->at = 3; /* a byte order mark */
    reader->is_begun = true;
    return OK;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Pass white space; *next is the byte that follows, 0 at the end of the file. A zero byte
 * in the file is no JSON either: whoever meets it refuses it. */
static enum error_code peek(struct json_reader *reader, unsigned char *next,
                            struct error *error)
{
    for (;;) {
        const unsigned char *data = reader->buffer.data;
        while (reader->at < reader->buffer.size && is_blank(data[reader->at]))
            reader->at++;
        reader->value_at = reader->at;
        *next = 0;
        if (reader->at < reader->buffer.size) {
            *next = data[reader->at];
            return OK;
        }
        if (reader->is_ended)
            return OK;
        enum error_code code = fill(reader, error);
        if (code != OK)
            return code;
    }
}

static enum error_code refuse_byte(const struct json_reader *reader, const char *wanted,
                                   struct error *error)
{
    char text[120];
    size_t at = reader->at;
    unsigned char byte = at < reader->buffer.size ? reader->buffer.data[at] : 0;
    if (at == reader->buffer.size)
        (void)snprintf(text, sizeof text,
                       "the file ends where %s is needed; is it whole?", wanted);
    else if (byte > ' ' && byte < 0x7F)
        (void)snprintf(text, sizeof text, "\"%c\" stands where %s is needed", byte,
                       wanted);
    else
        (void)snprintf(text, sizeof text, "byte 0x%02X stands where %s is needed", byte,
                       wanted);
    return refuse_at(reader, at, error, text);
}

/* ---- the extent of a value ---- */

struct scan {
    size_t at; /* from reader->at on: what was looked at */
    size_t depth;
    bool is_string;
};

enum { STRUCTURE = 1, SCALAR_END = 2 };
static const unsigned char kinds[256] = {
    ['"'] = STRUCTURE,   ['['] = STRUCTURE,
    ['{'] = STRUCTURE,   [']'] = STRUCTURE | SCALAR_END,
    [','] = SCALAR_END,  ['}'] = STRUCTURE | SCALAR_END,
    [' '] = SCALAR_END,  ['\t'] = SCALAR_END,
    ['\n'] = SCALAR_END, ['\r'] = SCALAR_END,
};

/* Behind the quote that closes a string; false: it is not in the buffer, and the scan
 * stands where it goes on. */
static bool scan_string(struct scan *scan, const unsigned char *data, size_t size)
{
    while (scan->at < size) {
        const unsigned char *from = data + scan->at;
        const unsigned char *quote = memchr(from, '"', size - scan->at);
        size_t length = quote ? (size_t)(quote - from) : size - scan->at;
        const unsigned char *escape = memchr(from, '\\', length);
        if (!escape) {
            scan->at += length + (quote != NULL);
            scan->is_string = !quote;
            return quote != NULL;
        }
        size_t behind = (size_t)(escape - data) + 2;
        if (behind > size) { /* the escape is cut: look at it again */
            scan->at = behind - 2;
            return false;
        }
        scan->at = behind;
    }
    return false;
}

/* True: the value that begins at data[0] ends at scan->at. What is in it is json_parse()'s
 * matter: brackets of any kind are counted alike. */
static bool scan_value(struct scan *scan, const unsigned char *data, size_t size)
{
    if (!(kinds[data[0]] & STRUCTURE)) {
        while (scan->at < size && !(kinds[data[scan->at]] & SCALAR_END))
            scan->at++;
        return scan->at < size;
    }
    while (scan->at < size || scan->is_string) {
        if (scan->is_string && !scan_string(scan, data, size))
            return false;
        if (scan->depth == 0 && scan->at > 0)
            return true;
        while (scan->at < size && !(kinds[data[scan->at]] & STRUCTURE))
            scan->at++;
        if (scan->at == size)
            return false;
        unsigned char c = data[scan->at++];
        scan->is_string = c == '"';
        scan->depth += c == '[' || c == '{';
        scan->depth -= c == ']' || c == '}';
        if (scan->depth == 0 && !scan->is_string)
            return true;
    }
    return false;
}

/* Bring the value that begins at reader->at, which is in the buffer, into it as a whole. */
static enum error_code find_value(struct json_reader *reader, size_t *size,
                                  struct error *error)
{
    struct scan scan = {0};
    for (;;) {
        size_t left = reader->buffer.size - reader->at;
        bool is_whole = scan_value(&scan, reader->buffer.data + reader->at, left);
        if (scan.at > JSON_READER_VALUE_MAX)
            return refuse_at(reader, reader->at, error,
                             "a value of more than 64 MiB begins here; is a bracket or "
                             "quote missing?");
        if (is_whole || reader->is_ended) { /* the cut end of a file is judged as it is */
            *size = is_whole ? scan.at : left;
            return OK;
        }
        enum error_code code = fill(reader, error);
        if (code != OK)
            return code;
    }
}

/* ---- values ---- */

static bool mentions(const unsigned char *text, size_t size, const char *word)
{
    size_t length = strlen(word);
    const unsigned char *end = text + size;
    while ((size_t)(end - text) >= length) {
        text = memchr(text, word[0], (size_t)(end - text) - length + 1);
        if (!text)
            return false;
        if (memcmp(text, word, length) == 0)
            return true;
        text++;
    }
    return false;
}

/* Say why a value is not JSON, or not the object that is wanted. */
static enum error_code refuse_value(struct json_reader *reader, size_t size,
                                    enum json_outcome outcome, const char *detail,
                                    struct error *error)
{
    const unsigned char *text = reader->buffer.data + reader->at;
    const char *remedy = "";
    if (outcome == JSON_NO_MEMORY)
        return no_memory(reader, error);
    if (outcome == JSON_INVALID &&
        (mentions(text, size, "NaN") || mentions(text, size, "Infinity")))
        remedy = "; JSON has neither NaN nor Infinity";
    else if (outcome == JSON_INVALID && reader->is_ended &&
             reader->at + size == reader->buffer.size)
        remedy = "; the file ends in it: is it whole?";
    return json_reader_refuse(reader, error, "%s%s", detail, remedy);
}

static enum json_type type_of(unsigned char next)
{
    switch (next) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return next == '-' || (next >= '0' && next <= '9') ? JSON_NUMBER : JSON_ABSENT;
    }
}

enum error_code json_reader_take(struct json_reader *reader,
                                 const struct json_field *fields, size_t field_count,
                                 struct json_value *values, struct error *error)
{
    unsigned char next;
    size_t size = 0;
    const char *detail;
    enum error_code code = peek(reader, &next, error);
    if (code == OK && type_of(next) == JSON_ABSENT)
        code = refuse_byte(reader, "a JSON value", error);
    if (code == OK)
        code = find_value(reader, &size, error);
    if (code != OK)
        return code;
    reader->value_at = reader->at;
    enum json_outcome outcome =
        json_parse(reader->parser, reader->buffer.data + reader->at, size, fields,
                   field_count, values, &detail);
    if (outcome != JSON_OK && (outcome != JSON_NOT_OBJECT || field_count > 0))
        return refuse_value(reader, size, outcome, detail, error);
    reader->at += size;
    return OK;
}

enum error_code json_reader_type(struct json_reader *reader, enum json_type *type,
                                 struct error *error)
{
    unsigned char next;
    enum error_code code = peek(reader, &next, error);
    if (code != OK)
        return code;
    *type = type_of(next);
    return *type == JSON_ABSENT ? refuse_byte(reader, "a JSON value", error) : OK;
}

/* ---- levels ---- */

enum error_code json_reader_enter(struct json_reader *reader, struct error *error)
{
    unsigned char next;
    enum error_code code = peek(reader, &next, error);
    if (code != OK)
        return code;
    if (next != '[' && next != '{')
        return refuse_byte(reader, "an array or object", error);
    if (reader->level_count == JSON_READER_LEVELS)
        return refuse_at(reader, reader->at, error, "arrays are nested too deeply here");
    reader->levels[reader->level_count++] = (struct level){.is_object = next == '{'};
    reader->at++;
    return OK;
}

/* "name" and the colon behind it: unescaped by the parser, as the value of a field. */
static enum error_code take_name(struct json_reader *reader, struct level *level,
                                 const char **name, struct error *error)
{
    static const struct json_field field = {.name = "n", .name_size = 1};
    struct json_value value;
    const char *detail;
    unsigned char next;
    size_t size = 0;
    enum error_code code = peek(reader, &next, error);
    if (code == OK && next != '"')
        code = refuse_byte(reader, "a field's name", error);
    if (code == OK)
        code = find_value(reader, &size, error);
    if (code != OK)
        return code;
    bytes_reset(&reader->text);
    bytes_put(&reader->text, "{\"n\":", 5);
    bytes_put(&reader->text, reader->buffer.data + reader->at, size);
    bytes_put(&reader->text, "}", 1);
    size = reader->text.size;
    if (!bytes_reserve(&reader->text, JSON_PADDING))
        return no_memory(reader, error);
    memset(reader->text.data + size, 0, JSON_PADDING);
    enum json_outcome outcome =
        json_parse(reader->parser, reader->text.data, size, &field, 1, &value, &detail);
    if (outcome != JSON_OK)
        return refuse_value(reader, size - 6, outcome, detail, error);
    reader->at += size - 6;
    size_t shown = value.size < NAME_SIZE ? value.size : NAME_SIZE - 1;
    for (size_t i = 0; i < shown; i++)
        level->name[i] = value.data[i] ? (char)value.data[i] : '?';
    level->name[shown] = 0;
    *name = level->name;
    code = peek(reader, &next, error);
    if (code == OK && next != ':')
        code = refuse_byte(reader, "a colon", error);
    if (code == OK)
        reader->at++;
    return code;
}

enum error_code json_reader_next(struct json_reader *reader, const char **name,
                                 bool *has_next, struct error *error)
{
    assert(reader->level_count > 0);
    struct level *level = &reader->levels[reader->level_count - 1];
    unsigned char next, close = level->is_object ? '}' : ']';
    const char *found = NULL;
    enum error_code code = peek(reader, &next, error);
    if (code != OK)
        return code;
    if (next == close) {
        reader->at++;
        reader->level_count--;
        *has_next = false;
        return OK;
    }
    if (level->is_begun && next != ',')
        return refuse_byte(reader, level->is_object ? "a comma or }" : "a comma or ]",
                           error);
    reader->at += level->is_begun;
    level->index += level->is_begun;
    level->is_begun = true;
    if (level->is_object)
        code = take_name(reader, level, &found, error);
    if (code != OK)
        return code;
    if (name)
        *name = found;
    *has_next = true;
    return OK;
}

enum error_code json_reader_skip(struct json_reader *reader, struct error *error)
{
    enum json_type type = JSON_ABSENT;
    bool has_next = true;
    enum error_code code = json_reader_type(reader, &type, error);
    if (code != OK)
        return code;
    if ((type != JSON_ARRAY && type != JSON_OBJECT) ||
        reader->level_count == JSON_READER_LEVELS)
        return json_reader_take(reader, NULL, 0, NULL, error);
    code = json_reader_enter(reader, error);
    while (code == OK) {
        code = json_reader_next(reader, NULL, &has_next, error);
        if (code != OK || !has_next)
            break;
        code = json_reader_take(reader, NULL, 0, NULL, error);
    }
    return code;
}

enum error_code json_reader_finish(struct json_reader *reader, struct error *error)
{
    unsigned char next;
    enum error_code code = peek(reader, &next, error);
    if (code == OK && reader->at < reader->buffer.size)
        code = refuse_byte(reader, "the end of the file", error);
    return code;
}

/* ---- open and close ---- */

struct json_reader *json_reader_create(FILE *file, const char *name)
{
    struct json_reader *reader = calloc(1, sizeof *reader);
    struct json *parser = json_create();
    if (!reader || !parser) {
        free(reader);
        json_destroy(parser);
        (void)fclose(file);
        return NULL;
    }
    *reader = (struct json_reader){
        .file = file, .name = name, .parser = parser, .line = 1, .column = 0};
    return reader;
}

enum error_code json_reader_open(const char *path, struct json_reader **reader,
                                 struct error *error)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? fdopen(dup(STDIN_FILENO), "rb") : fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    *reader = json_reader_create(file, is_stdin ? "standard input" : path);
    return *reader ? OK
                   : error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
}

void json_reader_destroy(struct json_reader *reader)
{
    if (!reader)
        return;
    (void)fclose(reader->file);
    json_destroy(reader->parser);
    bytes_clear(&reader->buffer);
    bytes_clear(&reader->text);
    free(reader);
}
