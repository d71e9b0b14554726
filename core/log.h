/* log.h - one line per event: time level role message */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/compiler.h"

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

extern enum log_level log_threshold; /* of what goes anywhere at all */
/* `role` ("coordinator", "worker 3") is copied; it stands in every line. Lines up to
 * `threshold` go to standard error. */
void log_open(const char *role, enum log_level threshold);
/* From now on lines up to LEVEL_INFO are appended to this file too. When it cannot be
 * opened there is none: a log is no reason to fail. */
void log_open_file(const char *path);
void log_close_file(void);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_at(level, ...)                   \
    do {                                     \
        if ((level) <= log_threshold)        \
            log_write((level), __VA_ARGS__); \
    } while (0)

#endif
