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
struct bytes;
struct regex; /* in the arena given */

/* Append the expression in PCRE2's syntax to `out`. ERROR_CONFIG names place and what is
 * not supported. */
enum error_code regex_translate(const unsigned char *expression, size_t size,
                                struct bytes *out, struct error *error);

/* \w+|[^\w\s]+ of Hugging Face's Whitespace, whose \w is that of Rust, in PCRE2's
 * syntax. */
void regex_put_whitespace(struct bytes *out);

/* Compile what is in PCRE2's syntax; `is_fast`: to machine code, which lasts until
 * regex_close() or else the end of the process. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code regex_open(const unsigned char *expression, size_t size, bool is_fast,
                           struct arena *arena, struct regex **regex,
                           struct error *error);
void regex_close(struct regex *regex); /* NULL is allowed */

/* Can it be translated and compiled? */
enum error_code regex_check(const unsigned char *expression, size_t size,
                            struct error *error);

/* The text itself when it is UTF-8, else a copy in scratch in which each byte that is not
 * is U+0001: a character that is no letter, number, mark, punctuation or space. NULL: no
 * memory. */
const unsigned char *regex_clean(const unsigned char *text, size_t size,
                                 struct arena *scratch);

/* The first match in text[from ... size), which may be empty; text before `from` can be
 * looked back at. The text is UTF-8, `from` a boundary of characters. ERROR_RECORD: the
 * expression backtracks beyond all bounds on this text. */
enum error_code regex_find(const struct regex *regex, const unsigned char *text,
                           size_t size, size_t from, bool *is_found, size_t *begin,
                           size_t *end, struct error *error);

#endif
