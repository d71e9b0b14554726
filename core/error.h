/* error.h - how a function says that it failed, and what to do about it */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <stdint.h>

#include "core/compiler.h"

/* The code names the remedy, not the place: callers switch on it. */
enum error_code {
    OK = 0,
    ERROR_CONFIG,    /* the user's definition is wrong: report line:column, exit 2 */
    ERROR_RECORD,    /* this record is bad: set it aside, keep the shard */
    ERROR_TRANSIENT, /* try the shard again, perhaps elsewhere */
    ERROR_IO,        /* a file or socket failed: retry, then fail the run */
    ERROR_FULL,      /* a disk is full: keep what is published, stop */
    ERROR_MEMORY,    /* out of memory: fail the shard */
    ERROR_CLOSED,    /* the peer or the run ended: unwind quietly */
    ERROR_DAMAGED,   /* a stored file does not hold what it should: report it */
    ERROR_FATAL      /* a promise inside the program broke: stop the run */
};

struct source_position { /* line and column count from 1; 0 means unknown */
    const char *file;
    uint32_t line, column;
};

struct error {
    enum error_code code;
    struct source_position where;
    char text[512];
};

/* Fill *error (NULL allowed) and return code, so that callers write
 *     return error_set(error, ERROR_IO, "cannot read %s", path);      */
enum error_code error_set(struct error *error, enum error_code code, const char *format,
                          ...) PRINTF_LIKE(3, 4);

/* Always ERROR_CONFIG. `where.file` is borrowed for as long as the error lives. */
enum error_code error_set_at(struct error *error, struct source_position where,
                             const char *format, ...) PRINTF_LIKE(3, 4);

/* As error_set() with ": " and the text of errno behind it. ENOSPC and EDQUOT turn
 * the code into ERROR_FULL, ENOMEM into ERROR_MEMORY. */
enum error_code error_set_errno(struct error *error, enum error_code code, int number,
                                const char *format, ...) PRINTF_LIKE(4, 5);

/* Put "context: " in front of the text while the error travels upwards; returns the
 * error's own code. */
enum error_code error_wrap(struct error *error, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
