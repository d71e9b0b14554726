/* error.c - fill and wrap error reports */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct error *error, enum error_code code, struct source_position where,
                 const char *format, va_list arguments)
{
    error->code = code;
    error->where = where;
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
}

enum error_code error_set(struct error *error, enum error_code code, const char *format,
                          ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        fill(error, code, (struct source_position){0}, format, arguments);
        va_end(arguments);
    }
    return code;
}

enum error_code error_set_at(struct error *error, struct source_position where,
                             const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        fill(error, ERROR_CONFIG, where, format, arguments);
        va_end(arguments);
    }
    return ERROR_CONFIG;
}

enum error_code error_set_errno(struct error *error, enum error_code code, int number,
                                const char *format, ...)
{
    if (number == ENOSPC || number == EDQUOT)
        code = ERROR_FULL;
    else if (number == ENOMEM)
        code = ERROR_MEMORY;
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        fill(error, code, (struct source_position){0}, format, arguments);
        va_end(arguments);
        size_t used = strlen(error->text);
        const char *reason = code == ERROR_FULL ? "disk full" : strerror(number);
        (void)snprintf(error->text + used, sizeof error->text - used, ": %s", reason);
    }
    return code;
}

enum error_code error_wrap(struct error *error, const char *format, ...)
{
    if (!error)
        return ERROR_FATAL;
    char inner[sizeof error->text];
    memcpy(inner, error->text, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof error->text - used, ": %s", inner);
    return error->code;
}
