/* split.h - cut text into the pieces that byte-pair tokenizers merge within
 *
 * Each pattern is the published regular expression of its tokenizer, matched by hand:
 * leftmost, alternatives in order, greedy with backtracking, \s \p{L} \p{N} \p{M} as in
 * Unicode 16.0. The pieces are adjacent and cover the text. Text need not be UTF-8: a byte
 * that does not begin a well-formed character (overlong forms, surrogates and truncated
 * sequences are not) counts as one character that is neither space, letter, number nor
 * mark. Time is linear in the size of the text. */
#ifndef STAGES_KERNELS_SPLIT_H
#define STAGES_KERNELS_SPLIT_H

#include <stddef.h>

enum split_pattern {
    SPLIT_R50K, /* GPT-2 and GPT-3; case-sensitive contractions, unlimited digits */
    SPLIT_P50K, /* the same pattern */
    SPLIT_CL100K,
    SPLIT_O200K,
    SPLIT_LLAMA3, /* as cl100k */
    SPLIT_QWEN,   /* as cl100k with single digits */
    SPLIT_PATTERN_COUNT
};

/* Write the ends of the next at most `capacity` pieces, from *at on, to `ends` and move
 * *at to the last of them. Returns their number: 0 only at the end of the text. */
size_t split_pieces(enum split_pattern pattern, const unsigned char *text, size_t size,
                    size_t *at, size_t *ends, size_t capacity);

/* The published expression, in PCRE2 syntax, for tests and documents. */
const char *split_expression(enum split_pattern pattern);

#endif
