/* diagnostics.h - all errors of a user's file, to be told in one go */
#ifndef CORE_DIAGNOSTICS_H
#define CORE_DIAGNOSTICS_H

#include <stddef.h>
#include <stdio.h>

#include "core/error.h"

struct arena;
struct bytes;

struct diagnostic {
    struct source_position where;
    const char *text;
};
struct diagnostics {
    struct arena *arena; /* borrowed: holds the texts */
    struct diagnostic *items;
    size_t count, capacity;
};
/* Past 500 errors, and without memory, further ones are left out. */
void diagnostics_add(struct diagnostics *list, struct source_position where,
                     const char *format, ...) PRINTF_LIKE(3, 4);
/* Sort by place: the user's file before "--set", then by line and column. Errors of one
 * place stay in the order in which they were found. */
void diagnostics_sort(struct diagnostics *list);
/* "FILE:LINE:COLUMN: text", a line each; line and column only where they are known. */
void diagnostics_print(const struct diagnostics *list, FILE *file);

/* Of `names` (count), the one nearest to `text` by edits, or NULL when none is near
 * enough to be meant. */
const char *nearest_name(const char *text, const char *const *names, size_t count);

/* What a message says behind an unknown name: `; did you mean "NAME"?` when one is near,
 * else `; known are A, B and C` when there are few, else nothing. Written to `text`
 * (size), which is returned. */
const char *suggest_name(const char *wrong, const char *const *names, size_t count,
                         char *text, size_t size);

#endif
