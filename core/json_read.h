/* json_read.h - a JSON file of any size, taken value by value in bounded memory
 *
 * For files that are one array or object of very many values, such as annotations. The
 * outer levels are entered and walked; each value inside is taken whole and checked as
 * json.h says. Nothing is kept but the value that is looked at:
 *
 *     json_reader_enter(reader, &error);
 *     while (json_reader_next(reader, &name, &has_next, &error) == OK && has_next)
 *         json_reader_take(reader, fields, count, values, &error);
 *     json_reader_finish(reader, &error);
 *
 * After an error only json_reader_destroy() may be called. What is wrong with the file is
 * ERROR_DAMAGED and told as "FILE:LINE:COLUMN: PATH: text", PATH being such as
 * annotations[17], counted from 0; a file that cannot be read is ERROR_IO. */
#ifndef CORE_JSON_READ_H
#define CORE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"
#include "core/json.h"

/* A value taken whole may have this many bytes, and arrays and objects may be entered to
 * this depth. */
enum { JSON_READER_VALUE_MAX = 64 << 20, JSON_READER_LEVELS = 4 };

struct json_reader; /* heap object */

/* Opens a file; "-" is standard input. */
enum error_code json_reader_open(const char *path, struct json_reader **reader,
                                 struct error *error);
/* Reads on from where `file` (taken) stands; `name` (borrowed for as long as the reader
 * lives) is for messages. NULL: no memory, `file` is closed. */
struct json_reader *json_reader_create(FILE *file, const char *name);
void json_reader_destroy(struct json_reader *reader);

/* The type of the value that comes next, told by its first byte. */
enum error_code json_reader_type(struct json_reader *reader, enum json_type *type,
                                 struct error *error);

/* Step into the array or object that comes next. Refused when it is neither, and past
 * JSON_READER_LEVELS. */
enum error_code json_reader_enter(struct json_reader *reader, struct error *error);

/* Is there another value in what was entered last? If so it comes next, and in an object
 * *name is its name, cut behind 63 bytes, valid until the next call (NULL allowed); if not,
 * the array or object has been left. */
enum error_code json_reader_next(struct json_reader *reader, const char **name,
                                 bool *has_next, struct error *error);

/* Take the value that comes next, an object, and fetch `fields` of it as json_parse()
 * does; with no fields, any value. `values` live until the next call. */
enum error_code json_reader_take(struct json_reader *reader,
                                 const struct json_field *fields, size_t field_count,
                                 struct json_value *values, struct error *error);

/* Pass over the value that comes next, checking it; of an array or object only the
 * elements are bounded in size. */
enum error_code json_reader_skip(struct json_reader *reader, struct error *error);

/* Nothing but white space may follow. */
enum error_code json_reader_finish(struct json_reader *reader, struct error *error);

/* ERROR_DAMAGED, with the place of the value that was taken last, or looked at by
 * json_reader_type(). */
enum error_code json_reader_refuse(struct json_reader *reader, struct error *error,
                                   const char *format, ...) PRINTF_LIKE(3, 4);

#endif
