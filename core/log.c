/* log.c - one line per event */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"

enum log_level log_threshold = LEVEL_WARNING;
static enum log_level error_threshold = LEVEL_WARNING; /* of standard error */
static FILE *log_file;
static char log_role[32] = "millrace";

void log_open(const char *role, enum log_level threshold)
{
    (void)snprintf(log_role, sizeof log_role, "%s", role);
    log_threshold = error_threshold = threshold;
}

void log_open_file(const char *path)
{
    log_close_file();
    log_file = fopen(path, "ae");
    if (log_file && log_threshold < LEVEL_INFO)
        log_threshold = LEVEL_INFO;
}

void log_close_file(void)
{
    if (log_file)
        (void)fclose(log_file);
    log_file = NULL;
    log_threshold = error_threshold;
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
    if (level <= error_threshold) /* on a terminal, over a progress line */
        (void)fprintf(stderr, "%s%s %s %s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
                      time, names[level], log_role, text);
    if (log_file && level <= LEVEL_INFO) {
        (void)fprintf(log_file, "%s %s %s: %s\n", time, names[level], log_role, text);
        (void)fflush(log_file);
    }
}
