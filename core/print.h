/* print.h - text for people, for manual pages and for readers of JSON */
#ifndef CORE_PRINT_H
#define CORE_PRINT_H

#include <stddef.h>
#include <stdio.h>

/* Words of `text`, broken before column 80, and a newline. The first line begins where
 * the file stands, at `column`; those after it begin at `indent`. */
void print_wrapped(FILE *file, const char *text, size_t column, size_t indent);

/* Text of a manual page, with what roff would take for its own escaped. */
void print_roff(FILE *file, const char *text);

/* A JSON string with its quotes. */
void print_json(FILE *file, const char *text);

#endif
