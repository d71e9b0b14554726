/* unicode.c - UTF-8 and the Unicode normal forms; doorkeeper of utf8proc */
#include "core/unicode.h"

#include <string.h>

#include <utf8proc.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { PLANE = 0x10000, DECOMPOSED_MAX = 32, SHORT_RUN = 16, CLASS_COUNT = 256 };

/* Set in a code point on its way that stands for a character of the text: the first of those
 * that the character becomes. */
enum { TAKES = 1 << 24, CODE_MASK = TAKES - 1 };

/* What a code point does to the quick check (UAX 15, section 9). */
enum settling {
    SETTLED = 0, /* a starter that stays as it is whatever stands before it */
    MARK = 1,    /* combining class above 0; stays if the marks are in order */
    UNSETTLED    /* changes, or may combine with what stands before it */
};

struct unicode_table {
    utf8proc_option_t options;
    unsigned char plane[PLANE / 4]; /* enum settling of U+0000 ... U+FFFF, 2 bits each */
};

size_t unicode_decode(const unsigned char *text, size_t size, uint32_t *code)
{
    uint32_t value = text[0];
    if (value < 0x80) {
        *code = value;
        return 1;
    }
    size_t length = value >= 0xF0 ? 4 : value >= 0xE0 ? 3 : 2;
    if (value < 0xC2 || value > 0xF4 || size < length)
        return 0;
    value &= 0x7Fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3Fu);
    }
    bool is_overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (is_overlong || (value >= 0xD800 && value < 0xE000) || value > 0x10FFFF)
        return 0;
    *code = value;
    return length;
}

size_t unicode_encode(uint32_t code, unsigned char out[4])
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, out);
}

size_t unicode_ascii_length(const unsigned char *text, size_t size)
{
    const uint64_t tops = 0x8080808080808080u;
    size_t i = 0;
    for (; size - i >= 32; i += 32) {
        uint64_t words[4];
        memcpy(words, text + i, sizeof words);
        if ((words[0] | words[1] | words[2] | words[3]) & tops)
            break;
    }
    while (i < size && text[i] < 0x80)
        i++;
    return i;
}

size_t unicode_cut(const void *text, size_t size, size_t max)
{
    const unsigned char *bytes = text;
    if (size <= max)
        return size;
    size = max;
    while (size > 0 && max - size < 3 && (bytes[size] & 0xC0) == 0x80)
        size--;
    return size;
}

bool unicode_is_white_space(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 ||
           code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
           code == 0x3000;
}

const char *unicode_version(void)
{
    return utf8proc_unicode_version();
}

static int combining_class(utf8proc_int32_t code)
{
    return utf8proc_get_property(code & CODE_MASK)->combining_class;
}

/* Code points that the character becomes, canonically ordered by utf8proc's tables. */
static utf8proc_ssize_t decompose(utf8proc_int32_t code, utf8proc_option_t options,
                                  utf8proc_int32_t *out)
{
    int ignored = 0;
    return utf8proc_decompose_char(code, out, DECOMPOSED_MAX, options, &ignored);
}

unsigned unicode_combining_class(uint32_t code)
{
    return (unsigned)combining_class((utf8proc_int32_t)code);
}

bool unicode_ends_grapheme(uint32_t before, uint32_t after, int32_t *state)
{
    return utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                            (utf8proc_int32_t)after, state);
}

/* May it become one with a character in front of it? */
static bool is_second(utf8proc_int32_t code)
{
    uint16_t index = utf8proc_get_property(code)->comb_index;
    /* The medial and final letters of Hangul combine by arithmetic, not by table. */
    bool is_jamo = (code >= 0x1161 && code < 0x1176) || (code >= 0x11A8 && code < 0x11C3);
    return is_jamo || (index != UINT16_MAX && index >= 0x8000);
}

static enum settling settle(utf8proc_int32_t code, utf8proc_option_t options)
{
    const utf8proc_property_t *property = utf8proc_get_property(code);
    bool is_hangul = code >= 0xAC00 && code < 0xD7A4;
    bool is_composing = options & UTF8PROC_COMPOSE;
    if (is_composing && is_second(code))
        return UNSETTLED;
    if (property->decomp_seqindex != UINT16_MAX || is_hangul) {
        utf8proc_int32_t codes[DECOMPOSED_MAX];
        utf8proc_ssize_t count = decompose(code, options, codes);
        if (count > 0 && count <= DECOMPOSED_MAX && is_composing)
            count = utf8proc_normalize_utf32(codes, count, options);
        if (count != 1 || codes[0] != code)
            return UNSETTLED;
    }
    return property->combining_class != 0 ? MARK : SETTLED;
}

const struct unicode_table *unicode_table_build(enum unicode_form form,
                                                struct arena *arena)
{
    static const utf8proc_option_t options[] = {
        [UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    struct unicode_table *table = ARENA_NEW(arena, struct unicode_table, 1);
    if (!table)
        return NULL;
    table->options = options[form];
    for (int32_t code = 0; code < PLANE; code++) {
        unsigned value = (unsigned)settle(code, table->options);
        table->plane[code / 4] |= (unsigned char)(value << 2 * (code % 4));
    }
    return table;
}

static enum settling settling_of(const struct unicode_table *table, uint32_t code)
{
    if (code >= PLANE)
        return settle((utf8proc_int32_t)code, table->options);
    return (enum settling)(table->plane[code / 4] >> 2 * (code % 4) & 3);
}

bool unicode_begins_anew(const struct unicode_table *table, uint32_t code)
{
    utf8proc_int32_t codes[DECOMPOSED_MAX] = {(utf8proc_int32_t)code};
    utf8proc_ssize_t count = decompose((utf8proc_int32_t)code, table->options, codes);
    if (count < 0 || count > DECOMPOSED_MAX)
        codes[0] = (utf8proc_int32_t)code;
    return combining_class(codes[0]) == 0 &&
           !((table->options & UTF8PROC_COMPOSE) && is_second(codes[0]));
}

/* The quick check. Returns the last boundary in front of the first place that is perhaps
 * not normal; `size` when there is none. *problem: that place. */
static size_t check_normal(const struct unicode_table *table, const unsigned char *text,
                           size_t size, size_t *problem)
{
    size_t boundary = 0, i = 0;
    int last_class = 0;
    while (i < size) {
        if (text[i] < 0x80) {
            i += unicode_ascii_length(text + i, size - i);
            boundary = i - 1;
            last_class = 0;
            continue;
        }
        uint32_t code;
        size_t length = unicode_decode(text + i, size - i, &code);
        enum settling settling = length ? settling_of(table, code) : SETTLED;
        if (settling == SETTLED) {
            boundary = length ? i : i + 1;
            last_class = 0;
        } else {
            int class = settling == MARK ? combining_class((int32_t)code) : -1;
            if (class < last_class) {
                *problem = i;
                return boundary;
            }
            last_class = class;
        }
        i += length ? length : 1;
    }
    return size;
}

size_t unicode_normal_length(const struct unicode_table *table, const unsigned char *text,
                             size_t size)
{
    size_t problem;
    return check_normal(table, text, size, &problem);
}

/* From `at`, inside a span to be rewritten, to the next settled starter. */
static size_t span_end(const struct unicode_table *table, const unsigned char *text,
                       size_t size, size_t at)
{
    while (at < size && text[at] >= 0x80) {
        uint32_t code;
        size_t length = unicode_decode(text + at, size - at, &code);
        if (length == 0 || settling_of(table, code) == SETTLED)
            break;
        at += length;
    }
    return at;
}

static void sort_short_run(utf8proc_int32_t *codes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        utf8proc_int32_t code = codes[i];
        int class = combining_class(code);
        size_t at = i;
        for (; at > 0 && combining_class(codes[at - 1]) > class; at--)
            codes[at] = codes[at - 1];
        codes[at] = code;
    }
}

/* Counting sort, stable; `spare` has room for `count`. */
static void sort_long_run(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *spare)
{
    size_t begins[CLASS_COUNT + 1] = {0};
    for (size_t i = 0; i < count; i++)
        begins[combining_class(codes[i]) + 1]++;
    for (size_t class = 0; class < CLASS_COUNT; class ++)
        begins[class + 1] += begins[class];
    for (size_t i = 0; i < count; i++)
        spare[begins[combining_class(codes[i])]++] = codes[i];
    memcpy(codes, spare, count * sizeof *codes);
}

/* Canonical order: each run of marks sorted by combining class, equal ones as they were.
 * utf8proc's own takes quadratic time for long runs. */
static void sort_marks(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *spare)
{
    for (size_t i = 0; i < count; i++) {
        size_t begin = i;
        while (i < count && combining_class(codes[i]) != 0)
            i++;
        if (i - begin > SHORT_RUN)
            sort_long_run(codes + begin, i - begin, spare);
        else if (i - begin > 1)
            sort_short_run(codes + begin, i - begin);
    }
}

/* text[0] ... text[size - 1] decomposed into `work`, with `mark` set in what TAKES a
 * character; false: no memory. */
static bool decompose_span(const struct unicode_table *table, const unsigned char *text,
                           size_t size, utf8proc_int32_t mark, struct bytes *work)
{
    bytes_reset(work);
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t length = unicode_decode(text + i, size - i, &code);
        utf8proc_int32_t codes[DECOMPOSED_MAX];
        utf8proc_ssize_t count = decompose((int32_t)code, table->options, codes);
        if (count < 0 || count > DECOMPOSED_MAX) {
            codes[0] = (utf8proc_int32_t)code;
            count = 1;
        }
        codes[0] |= mark;
        bytes_put(work, codes, (size_t)count * sizeof *codes);
        i += length ? length : 1;
    }
    return bytes_reserve(work, work->size) != NULL; /* room to sort */
}

/* A span without bad UTF-8 that can be normalized apart from what stands around it. */
static void normalize_span(const struct unicode_table *table, const unsigned char *text,
                           size_t size, struct bytes *work, struct bytes *out)
{
    if (!decompose_span(table, text, size, 0, work)) {
        out->is_bad = true;
        return;
    }
    utf8proc_int32_t *codes = (void *)work->data;
    size_t count = work->size / sizeof *codes;
    sort_marks(codes, count, codes + count);
    if (table->options & UTF8PROC_COMPOSE) {
        utf8proc_ssize_t left =
            utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)count, table->options);
        count = left > 0 ? (size_t)left : 0;
    }
    unsigned char *to = bytes_reserve(out, count * 4);
    if (!to)
        return;
    for (size_t i = 0; i < count; i++)
        to += utf8proc_encode_char(codes[i], to);
    out->size = (size_t)(to - out->data);
}

void unicode_normalize(const struct unicode_table *table, const unsigned char *text,
                       size_t size, struct bytes *work, struct bytes *out)
{
    while (size > 0) {
        size_t problem = size;
        size_t settled = check_normal(table, text, size, &problem);
        bytes_put(out, text, settled);
        size_t end = span_end(table, text, size, problem);
        if (settled < size) {
            /* The place itself is not settled, or is a mark out of order. */
            normalize_span(table, text + settled, end - settled, work, out);
            settled = end;
        }
        text += settled;
        size -= settled;
    }
}

/* The primary composite of two characters; 0: there is none. */
static utf8proc_int32_t compose(const struct unicode_table *table, utf8proc_int32_t first,
                                utf8proc_int32_t second)
{
    utf8proc_int32_t pair[2] = {first, second};
    return utf8proc_normalize_utf32(pair, 2, table->options) == 1 ? pair[0] : 0;
}

/* As utf8proc composes, with what each takes added up in `taken`; returns the number left. */
static size_t compose_counted(const struct unicode_table *table, utf8proc_int32_t *codes,
                              uint32_t *taken, size_t count)
{
    size_t left = 0, starter = SIZE_MAX;
    int highest = -1; /* class between the starter and what comes next; -1: nothing is */
    for (size_t i = 0; i < count; i++) {
        int class = combining_class(codes[i]);
        utf8proc_int32_t composed = 0;
        if (starter != SIZE_MAX && class > highest)
            composed = compose(table, codes[starter], codes[i]);
        if (composed != 0) {
            codes[starter] = composed;
            taken[starter] += taken[i];
            continue;
        }
        codes[left] = codes[i];
        taken[left] = taken[i];
        if (class == 0) {
            starter = left;
            highest = -1;
        } else if (class > highest) {
            highest = class;
        }
        left++;
    }
    return left;
}

void unicode_normalize_counted(const struct unicode_table *table,
                               const unsigned char *text, size_t size, struct bytes *work,
                               struct bytes *out, struct bytes *counts)
{
    if (!decompose_span(table, text, size, TAKES, work)) {
        out->is_bad = true;
        return;
    }
    utf8proc_int32_t *codes = (void *)work->data;
    size_t count = work->size / sizeof *codes;
    sort_marks(codes, count, codes + count);
    uint32_t *taken = (void *)bytes_reserve(counts, count * sizeof *taken);
    unsigned char *to = bytes_reserve(out, count * 4);
    if (!taken || !to)
        return;
    for (size_t i = 0; i < count; i++) {
        taken[i] = (codes[i] & TAKES) != 0;
        codes[i] &= CODE_MASK;
    }
    if (table->options & UTF8PROC_COMPOSE)
        count = compose_counted(table, codes, taken, count);
    for (size_t i = 0; i < count; i++)
        to += utf8proc_encode_char(codes[i], to);
    out->size = (size_t)(to - out->data);
    counts->size += count * sizeof *taken;
}
