/* log.c - one line per event on standard error */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"

enum log_level log_threshold = LEVEL_WARNING;
static char log_role[32] = "millrace";

void log_open(const char *role, enum log_level threshold)
{
    (void)snprintf(log_role, sizeof log_role, "%s", role);
    log_threshold = threshold;
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char time[32], text[1024];
    clock_format(clock_wall_ms(), time, sizeof time);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "%s %s %s: %s\n", time, names[level], log_role, text);
}
