/* regex.h - regular expressions of tokenizer files; doorkeeper of PCRE2
 *
 * The syntax is Oniguruma's, with Ruby's rules, as Hugging Face's tokenizers compile it:
 * `^` and `$` are those of lines, {n,m}+ is a repeated interval and not a possessive one,
 * [a[bc]] is a union. It is translated to PCRE2's; what cannot be is refused (back
 * references, intersections, calls, \K, ...). Classes follow Unicode 16.0 whatever the
 * version of PCRE2's tables. One difference stays: under (?i) a character does not match
 * two others ("ss" for U+00DF). */
#ifndef STAGES_KERNELS_REGEX_H
#define STAGES_KERNELS_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct arena;
struct regex; /* in the arena given */

/* Translate and compile; `is_fast`: to machine code, which lasts until regex_close() or
 * else the end of the process. ERROR_CONFIG names place and what is not supported;
 * ERROR_MEMORY. */
enum error_code regex_open(const unsigned char *expression, size_t size, bool is_fast,
                           struct arena *arena, struct regex **regex,
                           struct error *error);

/* \w+|[^\w\s]+ of Hugging Face's Whitespace, whose \w is that of Rust. */
enum error_code regex_open_whitespace(bool is_fast, struct arena *arena,
                                      struct regex **regex, struct error *error);
void regex_close(struct regex *regex); /* NULL is allowed */

/* Can it be translated and compiled? */
enum error_code regex_check(const unsigned char *expression, size_t size,
                            struct error *error);

struct regex_text { /* a text to be matched */
    const unsigned char *text;
    bool is_recent; /* it has characters that PCRE2's tables may not know */
};

/* `text` itself when it is UTF-8, else a copy in scratch in which each byte that is not is
 * U+0001: a character that is no letter, number, mark, punctuation or space. False: no
 * memory. */
bool regex_clean(const unsigned char *text, size_t size, struct arena *scratch,
                 struct regex_text *clean);

/* The first match in text[from ... end), which may be empty. What stands before `begin` or
 * behind `end` is not there for it; what stands before `from` can be looked back at. All
 * are boundaries of characters. ERROR_RECORD: the expression backtracks beyond all bounds
 * on this text. */
enum error_code regex_find(const struct regex *regex, const struct regex_text *text,
                           size_t begin, size_t end, size_t from, bool *is_found,
                           size_t *match_begin, size_t *match_end, struct error *error);

#endif
