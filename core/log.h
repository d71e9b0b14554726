/* log.h - one line per event on standard error: time level role message */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/compiler.h"

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

extern enum log_level log_threshold;
/* `role` ("coordinator", "worker 3") is copied; it stands in every line. */
void log_open(const char *role, enum log_level threshold);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_at(level, ...)                   \
    do {                                     \
        if ((level) <= log_threshold)        \
            log_write((level), __VA_ARGS__); \
    } while (0)

#endif
