/* split.c - cut text into the pieces that byte-pair tokenizers merge within */
#include "stages/kernels/split.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/compiler.h"
#include "stages/kernels/split_classes.h"
#include "stages/kernels/split_parts.h"

#define O SET_OTHER
#define S SET_GAP
#define R SET_NEWLINE
#define N SET_NUMBER
#define U SET_UPPER
#define L SET_LOWER
const uint8_t split_byte_sets[256] = {
    O, O, O, O, O, O, O, O, O, S, R, S, S, R, O, O, /* 00 */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* 10 */
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* 20 */
    N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O, /* 30 */
    O, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* 40 */
    U, U, U, U, U, U, U, U, U, U, U, O, O, O, O, O, /* 50 */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* 60 */
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, /* 70 */
};
#undef O
#undef S
#undef R
#undef N
#undef U
#undef L

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

unsigned split_wide_set(const unsigned char *at, const unsigned char *end, size_t *length)
{
    size_t left = (size_t)(end - at);
    uint32_t lead = at[0];
    uint32_t point = 0;
    *length = 1;
    if (lead < 0xE0) {
        if (lead < 0xC2 || left < 2 || !is_continuation(at[1]))
            return SET_OTHER;
        point = (lead & 0x1F) << 6 | (at[1] & 0x3Fu);
        *length = 2;
    } else if (lead < 0xF0) {
        if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
            return SET_OTHER;
        point = (lead & 0x0F) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
        if (point < 0x800 || (point >= 0xD800 && point < 0xE000))
            return SET_OTHER;
        *length = 3;
    } else {
        if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) ||
            !is_continuation(at[3]))
            return SET_OTHER;
        point = (lead & 0x0F) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 |
                (at[3] & 0x3Fu);
        if (point < 0x10000 || point > 0x10FFFF) /* leads F5 to FF end up here too */
            return SET_OTHER;
        *length = 4;
    }
    return 1u << unicode_class_of(point);
}

/* The set of the one class of the character at `at` < end. */
static inline unsigned set_at(const unsigned char *at, const unsigned char *end,
                              size_t *length)
{
    *length = 1;
    return *at < 0x80 ? split_byte_sets[*at] : split_wide_set(at, end, length);
}

/* Past all characters of a set. */
static inline const unsigned char *skip(const unsigned char *at, const unsigned char *end,
                                        unsigned set)
{
    for (;;) {
        while (at < end && split_byte_sets[*at] & set)
            at++;
        if (at == end || *at < 0x80)
            return at;
        size_t length;
        if (!(split_wide_set(at, end, &length) & set))
            return at;
        at += length;
    }
}

/* Past ASCII letters, eight bytes a step: one step for most words, without a branch that
 * depends on how long they are. `fold`: 0x20 takes capitals for small letters, 0 does not
 * take them. Stops early near the end. */
static inline const unsigned char *skip_ascii_letters(const unsigned char *at,
                                                      const unsigned char *end,
                                                      unsigned fold)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = 0x80 * ones;
    while (end - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        uint64_t folded = (bytes | fold * ones) & ~high;
        uint64_t from_a = folded + (0x80 - 'a') * ones;
        uint64_t past_z = folded + (0x80 - 'z' - 1) * ones;
        uint64_t others = ~(from_a & ~past_z & ~bytes) & high;
        if (others)
            return at + TRAILING_ZEROS(others) / 8;
        at += 8;
    }
    return at;
}

static inline const unsigned char *skip_letters(const unsigned char *at,
                                                const unsigned char *end)
{
    return skip(skip_ascii_letters(at, end, 0x20), end, SET_LETTER);
}

/* The long s (U+017F) folds to s; no other letter here has a fold beyond ASCII. */
size_t split_contraction(const unsigned char *at, const unsigned char *end,
                         bool folds_case)
{
    size_t left = (size_t)(end - at);
    if (left < 2)
        return 0;
    unsigned fold = folds_case ? 0x20 : 0;
    unsigned first = at[1] | fold;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    if (left < 3)
        return 0;
    if (folds_case && at[1] == 0xC5 && at[2] == 0xBF)
        return 3;
    unsigned second = at[2] | fold;
    if (((first == 'r' || first == 'v') && second == 'e') ||
        (first == 'l' && second == 'l'))
        return 3;
    return 0;
}

/* \s+(?!\S)|\s+ : before a non-space, a run of several gives back its last character. */
static const unsigned char *end_of_space(const unsigned char *at,
                                         const unsigned char *run_end,
                                         const unsigned char *end)
{
    if (run_end == end)
        return end;
    const unsigned char *last = run_end - 1;
    while (is_continuation(*last)) /* spaces are well-formed characters */
        last--;
    return last > at ? last : run_end;
}

/* The same after \s*[\r\n]+ , which takes everything up to the last line end. */
static const unsigned char *end_of_lines(const unsigned char *at,
                                         const unsigned char *end)
{
    const unsigned char *run_end = skip(at, end, SET_SPACE);
    for (const unsigned char *last = run_end; last > at; last--) {
        if (last[-1] == '\n' || last[-1] == '\r')
            return last;
    }
    return end_of_space(at, run_end, end);
}

static inline const unsigned char *next_r50k(const unsigned char *at,
                                             const unsigned char *end)
{
    if (*at == '\'') {
        size_t length = split_contraction(at, end, false);
        if (length)
            return at + length;
    }
    const unsigned char *body = *at == ' ' && at + 1 < end ? at + 1 : at;
    size_t length;
    unsigned set = set_at(body, end, &length);
    if (set & SET_LETTER)
        return skip_letters(body + length, end);
    if (set & SET_NUMBER)
        return skip(body + length, end, SET_NUMBER);
    if (set & SET_SYMBOL)
        return skip(body + length, end, SET_SYMBOL);
    return end_of_space(at, skip(at, end, SET_SPACE), end);
}

/* What follows the words in cl100k and o200k: numbers, symbols, space. `set`, `length`:
 * of the character at `at`. */
static inline const unsigned char *next_rest(const unsigned char *at,
                                             const unsigned char *end, unsigned set,
                                             size_t length, int digit_limit,
                                             bool takes_slash)
{
    if (set & SET_NUMBER) {
        for (int digits = 1;; digits++) {
            at += length;
            if (digits == digit_limit || at == end ||
                !(set_at(at, end, &length) & SET_NUMBER))
                return at;
        }
    }
    const unsigned char *body = at;
    if (*at == ' ' && at + 1 < end) {
        body = at + 1;
        set = set_at(body, end, &length);
    }
    if (!(set & SET_SYMBOL))
        return end_of_lines(at, end);
    body = skip(body + length, end, SET_SYMBOL);
    while (body < end &&
           (*body == '\n' || *body == '\r' || (takes_slash && *body == '/')))
        body++;
    return body;
}

static inline const unsigned char *next_cl100k(const unsigned char *at,
                                               const unsigned char *end, int digit_limit)
{
    if (*at == '\'') {
        size_t length = split_contraction(at, end, true);
        if (length)
            return at + length;
    }
    size_t length;
    unsigned set = set_at(at, end, &length);
    if (set & SET_LETTER)
        return skip_letters(at + length, end);
    if (set & SET_PREFIX) {
        const unsigned char *word = at + length;
        const unsigned char *word_end = skip_letters(word, end);
        if (word_end > word)
            return word_end;
    }
    return next_rest(at, end, set, length, digit_limit, false);
}

/* [capital]*[small]+ , else [capital]+[small]* , from `at` on; NULL: neither matches.
 * `is_first_only`: the first alternative alone. The capital run gives back characters
 * until the small one can begin, which only those in both sets can do. */
static inline const unsigned char *cased_word(const unsigned char *at,
                                              const unsigned char *end,
                                              bool is_first_only)
{
    const unsigned char *capitals = at;
    const unsigned char *both_end = NULL;
    unsigned set = 0;
    while (capitals < end) {
        size_t length;
        set = set_at(capitals, end, &length);
        if (!(set & SET_CAPITAL))
            break;
        capitals += length;
        if (set & SET_BOTH)
            both_end = capitals;
    }
    if (capitals < end && set & SET_SMALL)
        return skip(skip_ascii_letters(capitals, end, 0), end, SET_SMALL);
    if (both_end)
        return both_end;
    return capitals > at && !is_first_only ? capitals : NULL;
}

static inline const unsigned char *next_o200k(const unsigned char *at,
                                              const unsigned char *end)
{
    size_t length;
    unsigned set = set_at(at, end, &length);
    const unsigned char *word_end = NULL;
    if (set & SET_LETTER) {
        word_end = cased_word(at, end, false);
    } else if (set & SET_MARK) {
        /* As a prefix when a word of the first form follows, else a word by itself: the
         * first form without the prefix comes before the second form with it. */
        word_end = cased_word(at + length, end, true);
        if (!word_end)
            word_end = at + length;
    } else if (set & SET_PREFIX) {
        word_end = cased_word(at + length, end, false);
    }
    if (!word_end)
        return next_rest(at, end, set, length, 3, true);
    if (word_end < end && *word_end == '\'')
        word_end += split_contraction(word_end, end, true);
    return word_end;
}

const unsigned char *split_next(enum split_pattern pattern, const unsigned char *at,
                                const unsigned char *end)
{
    switch (pattern) {
    case SPLIT_R50K:
    case SPLIT_P50K:
        return next_r50k(at, end);
    case SPLIT_O200K:
        return next_o200k(at, end);
    case SPLIT_QWEN:
        return next_cl100k(at, end, 1);
    case SPLIT_CL100K:
    case SPLIT_LLAMA3:
    case SPLIT_PATTERN_COUNT:
        break;
    }
    return next_cl100k(at, end, 3);
}

size_t split_pieces(enum split_pattern pattern, const unsigned char *text, size_t size,
                    size_t *at, size_t *ends, size_t capacity)
{
    size_t count = 0;
    if (*at >= size)
        return 0;
    if (split_has_avx512())
        count = split_pieces_avx512(pattern, text, size, at, ends, capacity);
    else if (split_has_avx2())
        count = split_pieces_avx2(pattern, text, size, at, ends, capacity);
    if (count > 0)
        return count;
    const unsigned char *from = text + *at;
    const unsigned char *end = text + size;
    while (count < capacity && from < end) {
        from = split_next(pattern, from, end);
        ends[count++] = (size_t)(from - text);
    }
    *at = (size_t)(from - text);
    return count;
}

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define R50K     \
    CONTRACTIONS \
    "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SPACE_TAIL "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CL100K(digits)                                            \
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACE_TAIL

const char *split_expression(enum split_pattern pattern)
{
    static const char *const expressions[SPLIT_PATTERN_COUNT] = {
        [SPLIT_R50K] = R50K,
        [SPLIT_P50K] = R50K,
        [SPLIT_CL100K] = CL100K("\\p{N}{1,3}"),
        [SPLIT_LLAMA3] = CL100K("\\p{N}{1,3}"),
        [SPLIT_QWEN] = CL100K("\\p{N}"),
        [SPLIT_O200K] = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
                        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:" CONTRACTIONS ")?|"
                        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}"
                        "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACE_TAIL,
    };
    return pattern < SPLIT_PATTERN_COUNT ? expressions[pattern] : NULL;
}
