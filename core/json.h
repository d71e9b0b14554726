/* json.h - some fields out of one JSON object; doorkeeper: core/json_simdjson.cpp */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Readable bytes behind a text to be parsed, and room behind an unescaped string. */
enum { JSON_PADDING = 64 };
/* Arrays and objects nested deeper than this are refused. */
enum { JSON_DEPTH_MAX = 1024 };

enum json_type {
    JSON_ABSENT,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_field { /* a field that the caller wants */
    const char *name;
    size_t name_size;
    unsigned char *room; /* where its string goes: the text's size + JSON_PADDING bytes;
                            NULL: memory of the parser or of the text */
};

struct json_value {
    enum json_type type;
    /* A string without its escapes, a number or bool as written. Valid until the next
     * parse, and as long as the text. */
    const unsigned char *data;
    size_t size;
    /* An array of numbers, or of arrays of `width` numbers each (row after row; width 0:
     * plain numbers, and an empty array). Valid until the next parse. */
    const double *numbers;
    size_t number_count, width;
    bool is_numeric; /* the array is such a one, every number finite */
    bool is_whole;   /* and all were written without fraction and exponent */
};

enum json_outcome {
    JSON_OK,
    JSON_NOT_UTF8,
    JSON_INVALID, /* not JSON in some place, read or not; or nested too deeply */
    JSON_NOT_OBJECT,
    JSON_NO_MEMORY
};

struct json; /* heap object: keeps its buffers from text to text */

struct json *json_create(void); /* NULL: no memory */
void json_destroy(struct json *json);

/* Check all of `text` (RFC 8259, numbers of any size, no lone surrogates) and fetch the
 * values of `fields` from the object that it is. Of a repeated name the first counts.
 * `values` has field_count entries and is complete only on JSON_OK. *detail gets a
 * static text for people on failure. Behind the text JSON_PADDING bytes are readable;
 * their values do not matter. Texts of 4 GiB and more are JSON_NO_MEMORY. */
enum json_outcome json_parse(struct json *json, const unsigned char *text, size_t size,
                             const struct json_field *fields, size_t field_count,
                             struct json_value *values, const char **detail);

/* A number as written, to the nearest double. False: not one, or not a finite one. */
bool json_number(const unsigned char *text, size_t size, double *value);

bool json_is_utf8(const void *text, size_t size);

#endif
