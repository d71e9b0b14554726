/* regex_syntax.c - regular expressions of Oniguruma, as Ruby has them, for PCRE2 */
#include "stages/kernels/regex_syntax.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/json.h"
#include "core/unicode.h"

enum { GROUP_DEPTH_MAX = 64 };
#define NO_ATOM SIZE_MAX

struct translation {
    const unsigned char *begin, *at, *end;
    struct bytes *out;
    enum regex_tables tables;
    struct error *error;
    size_t atom;                    /* where in `out` the latest one begins */
    size_t groups[GROUP_DEPTH_MAX]; /* where open groups begin */
    size_t depth;
};

static enum error_code refuse(const struct translation *t, const char *what)
{
    return error_set(t->error, ERROR_CONFIG,
                     "regular expression, character %zu: %s not supported",
                     (size_t)(t->at - t->begin) + 1, what);
}

static void put_text(struct translation *t, const char *text)
{
    bytes_put(t->out, text, strlen(text));
}

static bool starts_with(const struct translation *t, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(t->end - t->at) >= size && memcmp(t->at, text, size) == 0;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* One character as it is. */
static void copy_character(struct translation *t)
{
    uint32_t point;
    size_t size = unicode_decode(t->at, (size_t)(t->end - t->at), &point);
    bytes_put(t->out, t->at, size > 0 ? size : 1);
    t->at += size > 0 ? size : 1;
}

/* \xHH, \x{H...}, \uHHHH: at the letter behind the backslash. */
static enum error_code put_code(struct translation *t)
{
    bool is_braced = starts_with(t, "x{");
    size_t count = 0, limit = is_braced ? 6 : *t->at == 'u' ? 4 : 2;
    const unsigned char *digits = t->at + (is_braced ? 2 : 1);
    unsigned value = 0;
    char text[16];
    while (digits + count < t->end && count < limit && is_hex(digits[count])) {
        unsigned c = digits[count++];
        value = value * 16 + (c <= '9' ? c - '0' : (c & 0xDF) - 'A' + 10);
    }
    bool is_closed = !is_braced || (digits + count < t->end && digits[count] == '}');
    if (count == 0 || !is_closed || (*t->at == 'u' && count < 4) ||
        (!is_braced && *t->at == 'x' && value >= 0x80)) /* bytes of a character */
        return refuse(t, "this number of a character is");
    (void)snprintf(text, sizeof text, "\\x{%X}", value);
    put_text(t, text);
    t->at = digits + count + is_braced;
    return OK;
}

/* \p{...} at the `p`: what goes inside a class, and whether all else is meant. */
static enum error_code put_property(struct translation *t, bool *is_negated)
{
    *is_negated = *t->at == 'P';
    const unsigned char *name = t->at + 2;
    const unsigned char *close = t->end - t->at > 2 && t->at[1] == '{'
                                     ? memchr(name, '}', (size_t)(t->end - name))
                                     : NULL;
    if (close && *name == '^') {
        *is_negated = !*is_negated;
        name++;
    }
    if (!close ||
        !regex_class_put_property(t->out, t->tables, name, (size_t)(close - name)))
        return refuse(t, "this property is");
    t->at = close + 1;
    return OK;
}

/* A class by one letter: \s \w \d \h; false: it is none. */
static bool put_short_class(struct translation *t, unsigned char letter)
{
    static const unsigned char digit[] = "Nd";
    switch (letter) {
    case 's':
        regex_class_put_space(t->out, t->tables, false);
        return true;
    case 'w':
        regex_class_put_word(t->out, t->tables, false);
        return true;
    case 'd':
        return regex_class_put_property(t->out, t->tables, digit, 2);
    case 'h':
        put_text(t, "0-9A-Fa-f");
        return true;
    default:
        return false;
    }
}

/* Escapes that mean one character, in and out of classes, at what follows the backslash.
 * *is_one: it was such a one, or refused. */
static enum error_code put_escaped(struct translation *t, bool *is_one)
{
    unsigned char c = *t->at;
    *is_one = true;
    if (c == 'x' || c == 'u')
        return put_code(t);
    if (c == 'v') {
        put_text(t, "\\x{B}");
    } else if (c < 0x80 && (memchr("tnrfae", c, 6) || (!is_letter(c) && !is_digit(c)))) {
        bytes_put(t->out, "\\", 1);
        bytes_put(t->out, &c, 1);
    } else if (c >= 0x80) {
        copy_character(t);
        return OK;
    } else {
        *is_one = false;
        return OK;
    }
    t->at++;
    return OK;
}

/* ---- classes ---- */

/* What follows a backslash in a class. *is_set: more than one character. */
static enum error_code put_class_escape(struct translation *t, bool *is_set)
{
    bool is_one = false, is_negated = false;
    *is_set = true;
    if (t->at == t->end)
        return refuse(t, "a backslash at the end is");
    if (*t->at == 'p' || *t->at == 'P') {
        enum error_code code = put_property(t, &is_negated);
        return code == OK && is_negated ? refuse(t, "a negated property in a class is")
                                        : code;
    }
    if (*t->at == 'S') {
        regex_class_put_space(t->out, t->tables, true);
        t->at++;
        return OK;
    }
    if (put_short_class(t, *t->at)) {
        t->at++;
        return OK;
    }
    *is_set = false;
    enum error_code code = put_escaped(t, &is_one);
    return code != OK || is_one ? code : refuse(t, "this escape in a class is");
}

/* [:name:] in a class. */
static enum error_code put_bracket(struct translation *t)
{
    const unsigned char *name = t->at + 2, *close = name;
    while (close < t->end && is_letter(*close))
        close++;
    if (t->end - close < 2 || close[0] != ':' || close[1] != ']' ||
        !regex_class_put_bracket(t->out, t->tables, name, (size_t)(close - name)))
        return refuse(t, "this class is");
    t->at = close + 2;
    return OK;
}

/* Items of a class up to its bracket; classes inside it are put into it (a union). */
static enum error_code put_class_items(struct translation *t, size_t depth)
{
    bool is_set = false, is_first = true;
    if (depth > GROUP_DEPTH_MAX)
        return refuse(t, "a class nested so deeply is");
    for (;; is_first = false) {
        enum error_code code = OK;
        if (t->at == t->end)
            return refuse(t, "a class without an end is");
        if (*t->at == ']' && !is_first) {
            t->at++;
            return OK;
        }
        if (starts_with(t, "&&"))
            return refuse(t, "an intersection of classes is");
        if (starts_with(t, "[:")) {
            code = put_bracket(t);
            is_set = true;
        } else if (*t->at == '[') {
            t->at++;
            if (starts_with(t, "^"))
                return refuse(t, "a negated class in a class is");
            code = put_class_items(t, depth + 1);
            is_set = true;
        } else if (*t->at == '\\') {
            t->at++;
            code = put_class_escape(t, &is_set);
        } else if (*t->at == '-' && (is_set || is_first)) {
            put_text(t, "\\-"); /* no range begins with a set */
            t->at++;
            is_set = false;
        } else {
            if (*t->at == ']' || *t->at == '^')
                bytes_put(t->out, "\\", 1);
            copy_character(t);
            is_set = false;
        }
        if (code != OK)
            return code;
    }
}

static enum error_code put_class(struct translation *t)
{
    t->atom = t->out->size;
    t->at++;
    bytes_put(t->out, "[", 1);
    if (starts_with(t, "^")) {
        bytes_put(t->out, "^", 1);
        t->at++;
    }
    enum error_code code = put_class_items(t, 0);
    bytes_put(t->out, "]", 1);
    return code;
}

/* ---- what stands outside of classes ---- */

/* A boundary between a character of words and one of none. */
static void put_boundary(struct translation *t, bool is_negated)
{
    struct bytes word = {0};
    regex_class_put_word(&word, t->tables, false);
    static const char *const parts[2][4] = {{"(?:(?<=[", "])(?![", "])|(?<![", "])(?=["},
                                            {"(?:(?<=[", "])(?=[", "])|(?<![", "])(?!["}};
    for (size_t i = 0; i < 4; i++) {
        put_text(t, parts[is_negated][i]);
        bytes_put(t->out, word.data, word.size);
    }
    put_text(t, "]))");
    t->out->is_bad = t->out->is_bad || word.is_bad;
    bytes_clear(&word);
}

static enum error_code put_escape(struct translation *t)
{
    bool is_one = false, is_negated = false;
    t->atom = t->out->size;
    if (++t->at == t->end)
        return refuse(t, "a backslash at the end is");
    unsigned char c = *t->at;
    if (c == 'b' || c == 'B') {
        put_boundary(t, c == 'B');
        t->at++;
        return OK;
    }
    if (c == 'A' || c == 'z' || c == 'Z' || c == 'G' || c == 'R') {
        bytes_put(t->out, "\\", 1);
        bytes_put(t->out, &c, 1);
        t->at++;
        return OK;
    }
    if (c == 'p' || c == 'P') {
        struct bytes *out = t->out, inside = {0};
        t->out = &inside;
        enum error_code code = put_property(t, &is_negated);
        t->out = out;
        put_text(t, is_negated ? "[^" : "[");
        bytes_put(out, inside.data, inside.size);
        put_text(t, "]");
        out->is_bad = out->is_bad || inside.is_bad;
        bytes_clear(&inside);
        return code;
    }
    if (c == 's' || c == 'w' || c == 'd' || c == 'h' || c == 'S' || c == 'W' ||
        c == 'D' || c == 'H') {
        put_text(t, c < 'a' ? "[^" : "[");
        (void)put_short_class(t, c | 0x20);
        put_text(t, "]");
        t->at++;
        return OK;
    }
    enum error_code code = put_escaped(t, &is_one);
    return code != OK || is_one ? code : refuse(t, "this escape is");
}

/* (?imx-imx) and (?imx-imx: behind "(?": Ruby's m is PCRE2's s. */
static enum error_code put_options(struct translation *t)
{
    const unsigned char *begin = t->at - 2;
    bool is_cleared = false;
    for (; t->at < t->end && *t->at != ':' && *t->at != ')'; t->at++) {
        if (*t->at == '-' && !is_cleared)
            is_cleared = true;
        else if (*t->at != 'i' && *t->at != 'm')
            return refuse(t, "this kind of group is");
        bytes_put(t->out, *t->at == 'm' ? "s" : (const char *)t->at, 1);
    }
    if (t->at == t->end)
        return refuse(t, "a group without an end is");
    /* Elsewhere, Ruby lets it reach over the alternatives that follow, PCRE2 not so. */
    if (*t->at == ')' && begin != t->begin)
        return refuse(t, "an option that does not stand at the beginning is");
    if (*t->at == ')')
        t->depth--;
    bytes_put(t->out, t->at++, 1);
    return OK;
}

static enum error_code put_group(struct translation *t)
{
    static const char *const heads[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    if (t->depth == GROUP_DEPTH_MAX)
        return refuse(t, "a group nested so deeply is");
    t->groups[t->depth++] = t->out->size;
    t->atom = NO_ATOM;
    if (!starts_with(t, "(?")) {
        bytes_put(t->out, t->at++, 1);
        return OK;
    }
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (starts_with(t, heads[i])) {
            put_text(t, heads[i]);
            t->at += strlen(heads[i]);
            return OK;
        }
    }
    put_text(t, "(?");
    t->at += 2;
    return put_options(t);
}

/* Behind the latest atom and its quantifier: the two as one atom. */
static void wrap_atom(struct translation *t)
{
    static const char open[] = "(?:";
    unsigned char *room = bytes_reserve(t->out, 4);
    if (!room)
        return;
    memmove(t->out->data + t->atom + 3, t->out->data + t->atom, t->out->size - t->atom);
    memcpy(t->out->data + t->atom, open, 3);
    t->out->size += 3;
    bytes_put(t->out, ")", 1);
}

/* {n}, {n,}, {n,m}, {,m}: its size, or 0. */
static size_t interval_size(const struct translation *t, bool *is_exact)
{
    const unsigned char *at = t->at + 1;
    size_t low = 0, high = 0;
    for (; at < t->end && is_digit(*at); at++)
        low++;
    *is_exact = at < t->end && *at == '}';
    if (at < t->end && *at == ',') {
        for (at++; at < t->end && is_digit(*at); at++)
            high++;
    }
    return at < t->end && *at == '}' && low + high > 0 ? (size_t)(at - t->at) + 1 : 0;
}

static enum error_code put_interval(struct translation *t, size_t size, bool is_exact)
{
    if (t->at[1] == ',') {
        put_text(t, "{0");
        bytes_put(t->out, t->at + 1, size - 1);
    } else {
        bytes_put(t->out, t->at, size);
    }
    t->at += size;
    if (t->at == t->end || (*t->at != '?' && *t->at != '+'))
        return OK;
    if (*t->at == '+' || is_exact) /* not possessive, not lazy: once more */
        wrap_atom(t);
    bytes_put(t->out, t->at++, 1);
    return OK;
}

static enum error_code put_quantifier(struct translation *t, size_t size, bool is_exact)
{
    enum error_code code = OK;
    if (t->atom == NO_ATOM)
        return refuse(t, "repeating nothing is");
    if (*t->at == '{') {
        code = put_interval(t, size, is_exact);
    } else {
        bytes_put(t->out, t->at++, 1);
        if (t->at < t->end && (*t->at == '?' || *t->at == '+'))
            bytes_put(t->out, t->at++, 1);
    }
    if (code == OK && t->at < t->end && (*t->at == '*' || *t->at == '+' || *t->at == '?'))
        return refuse(t, "repeating what is repeated is");
    t->atom = NO_ATOM;
    return code;
}

static enum error_code put_next(struct translation *t)
{
    bool is_exact = false;
    size_t size = *t->at == '{' ? interval_size(t, &is_exact) : 0;
    switch (*t->at) {
    case '[':
        return put_class(t);
    case '\\':
        return put_escape(t);
    case '(':
        return put_group(t);
    case ')':
        if (t->depth == 0)
            return refuse(t, "a closing bracket without its opening one is");
        t->atom = t->groups[--t->depth];
        bytes_put(t->out, t->at++, 1);
        return OK;
    case '|':
        t->atom = NO_ATOM;
        bytes_put(t->out, t->at++, 1);
        return OK;
    case '*':
    case '+':
    case '?':
        return put_quantifier(t, 1, false);
    default:
        break;
    }
    if (size > 0)
        return put_quantifier(t, size, is_exact);
    t->atom = t->out->size;
    if (*t->at == '{')
        bytes_put(t->out, "\\", 1);
    copy_character(t);
    return OK;
}

enum error_code regex_translate(const unsigned char *expression, size_t size,
                                enum regex_tables tables, struct bytes *out,
                                struct error *error)
{
    if (size == 0)
        return OK;
    struct translation t = {.begin = expression,
                            .at = expression,
                            .end = expression + size,
                            .out = out,
                            .tables = tables,
                            .error = error,
                            .atom = NO_ATOM};
    if (!json_is_utf8(expression, size) || memchr(expression, 0, size))
        return error_set(error, ERROR_CONFIG, "regular expression: it is not UTF-8");
    while (t.at < t.end) {
        enum error_code code = put_next(&t);
        if (code != OK)
            return code;
    }
    if (t.depth > 0)
        return refuse(&t, "a group without an end is");
    if (out->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    return OK;
}

void regex_put_whitespace(enum regex_tables tables, struct bytes *out)
{
    bytes_put(out, "[", 1);
    regex_class_put_word(out, tables, true);
    bytes_put(out, "]+|[^", 5);
    regex_class_put_word(out, tables, true);
    regex_class_put_space(out, tables, false);
    bytes_put(out, "]+", 2);
}
