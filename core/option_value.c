/* option_value.c - the values of options as text, and back */
#include "core/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

enum { DIGITS_MAX = 18 };

static const char *const size_unit_names[] = {"B",   "KB",  "MB",  "GB", "TB",
                                              "KiB", "MiB", "GiB", "TiB"};
static const uint64_t size_unit_values[] = {1,          1000,          1000000,
                                            1000000000, 1000000000000, 1024,
                                            1048576,    1073741824,    1099511627776};
static const char *const duration_unit_names[] = {"ms", "s", "m", "h"};
static const uint64_t duration_unit_values[] = {1, 1000, 60000, 3600000};

enum {
    SIZE_UNITS = sizeof size_unit_names / sizeof *size_unit_names,
    DURATION_UNITS = sizeof duration_unit_names / sizeof *duration_unit_names
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum value_fault value_parse_int(const char *text, int64_t *value)
{
    const char *at = text + (*text == '-' || *text == '+');
    if (!is_digit(*at))
        return VALUE_MALFORMED;
    for (; *at; at++)
        if (!is_digit(*at))
            return VALUE_MALFORMED;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno)
        return VALUE_TOO_LARGE;
    *value = number;
    return VALUE_OK;
}

static const char *skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

enum value_fault value_parse_real(const char *text, double *value)
{
    const char *begin = text + (*text == '-' || *text == '+');
    const char *at = skip_digits(begin);
    size_t digits = (size_t)(at - begin);
    if (*at == '.') {
        const char *fraction = at + 1;
        at = skip_digits(fraction);
        digits += (size_t)(at - fraction);
    }
    if (digits == 0)
        return VALUE_MALFORMED;
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        if (!is_digit(*at))
            return VALUE_MALFORMED;
        at = skip_digits(at);
    }
    if (*at)
        return VALUE_MALFORMED;
    double number = strtod(text, NULL);
    if (!isfinite(number))
        return VALUE_TOO_LARGE;
    *value = number;
    return VALUE_OK;
}

const char *value_unit(const char *text)
{
    const char *at = skip_digits(text);
    if (*at == '.')
        at = skip_digits(at + 1);
    return at;
}

/* "1.5" times `unit`, exactly. `text` ends at the unit. */
static enum value_fault scale(const char *text, const char *end, uint64_t unit,
                              uint64_t *value)
{
    uint64_t digits = 0, divisor = 1;
    int count = 0;
    bool is_fraction = false;
    for (const char *at = text; at < end; at++) {
        if (*at == '.') {
            is_fraction = true;
            continue;
        }
        if (count == 0 && *at == '0' && !is_fraction)
            continue;
        if (++count > DIGITS_MAX)
            return VALUE_TOO_LARGE;
        digits = digits * 10 + (uint64_t)(*at - '0');
        divisor *= is_fraction ? 10 : 1;
    }
    if (digits != 0 && unit > UINT64_MAX / digits)
        return VALUE_TOO_LARGE;
    if (digits * unit % divisor != 0)
        return VALUE_FRACTION;
    *value = digits * unit / divisor;
    return VALUE_OK;
}

static enum value_fault parse_scaled(const char *text, const char *const *names,
                                     const uint64_t *units, size_t count, uint64_t *value)
{
    const char *unit = value_unit(text);
    if (!is_digit(*text) || unit[-1] == '.')
        return VALUE_MALFORMED;
    for (size_t i = 0; i < count; i++)
        if (strcmp(unit, names[i]) == 0)
            return scale(text, unit, units[i], value);
    return *unit ? VALUE_UNKNOWN_UNIT : VALUE_NO_UNIT;
}

enum value_fault value_parse_size(const char *text, uint64_t *value)
{
    enum value_fault fault =
        parse_scaled(text, size_unit_names, size_unit_values, SIZE_UNITS, value);
    if (fault == VALUE_NO_UNIT)
        return scale(text, text + strlen(text), 1, value);
    return fault;
}

enum value_fault value_parse_duration(const char *text, int64_t *ms)
{
    uint64_t value = 0;
    enum value_fault fault = parse_scaled(text, duration_unit_names, duration_unit_values,
                                          DURATION_UNITS, &value);
    if (fault)
        return fault;
    if (value > INT64_MAX)
        return VALUE_TOO_LARGE;
    *ms = (int64_t)value;
    return VALUE_OK;
}

size_t value_size_units(const char *const **names)
{
    *names = size_unit_names;
    return SIZE_UNITS;
}

size_t value_duration_units(const char *const **names)
{
    *names = duration_unit_names;
    return DURATION_UNITS;
}

void value_format_size(uint64_t bytes, char *text, size_t size)
{
    size_t best = 0;
    for (size_t i = 0; i < SIZE_UNITS && bytes > 0; i++)
        if (bytes % size_unit_values[i] == 0 &&
            size_unit_values[i] > size_unit_values[best])
            best = i;
    (void)snprintf(text, size, "%llu%s",
                   (unsigned long long)(bytes / size_unit_values[best]),
                   best ? size_unit_names[best] : "");
}

void value_format_duration(int64_t ms, char *text, size_t size)
{
    size_t best = 0;
    for (size_t i = 0; i < DURATION_UNITS && ms > 0; i++)
        if ((uint64_t)ms % duration_unit_values[i] == 0)
            best = i;
    (void)snprintf(text, size, "%lld%s",
                   (long long)ms / (long long)duration_unit_values[best],
                   ms == 0 ? "s" : duration_unit_names[best]);
}

void value_format_real(double value, char *text, size_t size)
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, size, "%.*g", digits, value);
        double again = strtod(text, NULL);
        if (again >= value && again <= value)
            return;
    }
}

static bool is_plain_text(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return false;
    if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
          *text == '_' || *text == '/'))
        return false;
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_./-")] == 0;
}

static void put(struct bytes *yaml, const char *text)
{
    bytes_put(yaml, text, strlen(text));
}

/* Characters that YAML refuses or folds, given as they stand in UTF-8: controls, the
 * line separators, the byte order mark and the two that are none. */
static size_t special_size(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7F)
        return 1;
    if (at[0] == 0xC2 && at[1] < 0xA0)
        return 2;
    if (at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9))
        return 3;
    if (at[0] == 0xEF &&
        ((at[1] == 0xBB && at[2] == 0xBF) || (at[1] == 0xBF && at[2] >= 0xBE)))
        return 3;
    return 0;
}

void value_put_text(struct bytes *yaml, const char *text)
{
    if (is_plain_text(text)) {
        put(yaml, text);
        return;
    }
    put(yaml, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        char escape[16];
        size_t special = special_size(at);
        if (special > 0) {
            uint32_t code = special == 1   ? at[0]
                            : special == 2 ? (at[0] & 0x1FU) << 6 | (at[1] & 0x3FU)
                                           : (at[0] & 0xFU) << 12 | (at[1] & 0x3FU) << 6 |
                                                 (at[2] & 0x3FU);
            (void)snprintf(escape, sizeof escape, "\\u%04X", (unsigned)code);
            put(yaml, escape);
            at += special;
            continue;
        }
        if (*at == '"' || *at == '\\')
            put(yaml, "\\");
        bytes_put(yaml, at, 1);
        at++;
    }
    put(yaml, "\"");
}

const void *option_field(const struct option_spec *spec, const void *target)
{
    return (const unsigned char *)target + spec->offset;
}

const char *option_text(const struct option_spec *spec, const void *target)
{
    const char *const *text = option_field(spec, target);
    return *text;
}

static void put_text_list(const struct text_list *list, struct bytes *yaml)
{
    put(yaml, "[");
    for (size_t i = 0; i < list->count; i++) {
        put(yaml, i ? ", " : "");
        value_put_text(yaml, list->items[i]);
    }
    put(yaml, "]");
}

static void put_real_list(const struct real_list *list, bool is_of_pairs,
                          struct bytes *yaml)
{
    char number[40];
    put(yaml, "[");
    for (size_t i = 0; i < list->count; i++) {
        value_format_real(list->items[i], number, sizeof number);
        put(yaml, i ? ", " : "");
        put(yaml, is_of_pairs && i % 2 == 0 ? "[" : "");
        put(yaml, number);
        put(yaml, is_of_pairs && i % 2 == 1 ? "]" : "");
    }
    put(yaml, "]");
}

static void put_group(const struct option_spec *group, const void *target,
                      struct bytes *yaml)
{
    bool is_first = true;
    put(yaml, "{");
    for (; group->name; group++) {
        size_t before = yaml->size;
        put(yaml, is_first ? "" : ", ");
        put(yaml, group->name);
        put(yaml, ": ");
        if (option_put_value(group, target, yaml))
            is_first = false;
        else
            yaml->size = before;
    }
    put(yaml, "}");
}

static void put_number(const struct option_spec *spec, const void *field,
                       struct bytes *yaml)
{
    char number[40] = "";
    if (spec->type == OPTION_INT)
        (void)snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)field);
    else if (spec->type == OPTION_SIZE)
        value_format_size(*(const uint64_t *)field, number, sizeof number);
    else if (spec->type == OPTION_DURATION)
        value_format_duration(*(const int64_t *)field, number, sizeof number);
    else
        value_format_real(*(const double *)field, number, sizeof number);
    put(yaml, number);
}

bool option_put_value(const struct option_spec *spec, const void *target,
                      struct bytes *yaml)
{
    const void *field = option_field(spec, target);
    switch (spec->type) {
    case OPTION_BOOL:
        put(yaml, *(const bool *)field ? "true" : "false");
        return true;
    case OPTION_TEXT:
    case OPTION_PATH:
        if (!option_text(spec, target))
            return false;
        value_put_text(yaml, option_text(spec, target));
        return true;
    case OPTION_CHOICE:
        put(yaml, spec->choices[*(const int *)field]);
        return true;
    case OPTION_TEXT_LIST:
        put_text_list(field, yaml);
        return true;
    case OPTION_REAL_LIST:
    case OPTION_REAL_PAIRS:
        put_real_list(field, spec->type == OPTION_REAL_PAIRS, yaml);
        return true;
    case OPTION_GROUP:
        put_group(spec->group, field, yaml);
        return true;
    case OPTION_NODE:
        return false;
    default:
        put_number(spec, field, yaml);
        return true;
    }
}

void option_format_bound(const struct option_spec *spec, double bound, char *text,
                         size_t size)
{
    if (spec->type == OPTION_SIZE)
        value_format_size((uint64_t)bound, text, size);
    else if (spec->type == OPTION_DURATION)
        value_format_duration((int64_t)bound, text, size);
    else if (spec->type == OPTION_INT)
        (void)snprintf(text, size, "%.0f", bound);
    else
        value_format_real(bound, text, size);
}
