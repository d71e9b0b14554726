/* unicode_recent_tables.h - code points whose classes PCRE2's tables may not know yet */
#ifndef STAGES_KERNELS_UNICODE_RECENT_TABLES_H
#define STAGES_KERNELS_UNICODE_RECENT_TABLES_H

#include <stdbool.h>
#include <stdint.h>

enum { RECENT_RANGE_COUNT = 137 };

struct recent_range { /* assigned by Unicode 15.0 to 16.0, or with new properties */
    uint32_t first, last;
    char category[3];   /* "Lo"; empty: an old one */
    const char *script; /* "Han"; empty: an old one */
    bool is_alphabetic, is_uppercase, is_lowercase;
};

extern const struct recent_range recent_ranges[RECENT_RANGE_COUNT]; /* ascending */

#endif
