/* option_value.h - the values of options as text, and back */
#ifndef CORE_OPTION_VALUE_H
#define CORE_OPTION_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/option.h"

struct bytes;

enum value_fault {
    VALUE_OK,
    VALUE_MALFORMED,
    VALUE_TOO_LARGE,
    VALUE_NO_UNIT,      /* a duration of which nobody can say whether it is s or ms */
    VALUE_UNKNOWN_UNIT, /* the unit is what stands behind the digits */
    VALUE_FRACTION      /* 0.3KiB is no whole number of bytes */
};

/* Written on VALUE_OK only. Whole texts: nothing may stand before or behind the value. */
enum value_fault value_parse_int(const char *text, int64_t *value);
enum value_fault value_parse_real(const char *text, double *value);
enum value_fault value_parse_size(const char *text, uint64_t *value);
enum value_fault value_parse_duration(const char *text, int64_t *ms);
/* What stands behind the digits of a size or duration. */
const char *value_unit(const char *text);
/* The units known, for suggestions: of sizes or of durations. */
size_t value_size_units(const char *const **names);
size_t value_duration_units(const char *const **names);

/* The shortest way to write a size exactly: "16MiB", "1.5GiB" is 1536MiB, "100". */
void value_format_size(uint64_t bytes, char *text, size_t size);
/* "10s", "250ms", "4h". */
void value_format_duration(int64_t ms, char *text, size_t size);
/* The shortest decimal that is read back as the same number. */
void value_format_real(double value, char *text, size_t size);

/* A text as YAML that is read back as the same text wherever it stands. */
void value_put_text(struct bytes *yaml, const char *text);
/* The value of an option as YAML on one line, groups as {a: 1, b: 2}. False: the option
 * was left out and nothing is written. Not for OPTION_NODE. */
bool option_put_value(const struct option_spec *spec, const void *target,
                      struct bytes *yaml);

/* `min` or `max` as a user would write it. */
void option_format_bound(const struct option_spec *spec, double bound, char *text,
                         size_t size);

/* Fields of an options struct. */
const void *option_field(const struct option_spec *spec, const void *target);
const char *option_text(const struct option_spec *spec, const void *target);

#endif
