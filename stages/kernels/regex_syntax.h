/* regex_syntax.h - regular expressions of Oniguruma, as Ruby has them, for PCRE2 */
#ifndef STAGES_KERNELS_REGEX_SYNTAX_H
#define STAGES_KERNELS_REGEX_SYNTAX_H

#include <stddef.h>

#include "core/error.h"
#include "stages/kernels/regex_class.h"

struct bytes;

/* Append the expression in PCRE2's syntax, for UTF, UCP and MULTILINE with line feeds as
 * ends of lines. ERROR_CONFIG names place and what is not supported. */
enum error_code regex_translate(const unsigned char *expression, size_t size,
                                enum regex_tables tables, struct bytes *out,
                                struct error *error);

/* \w+|[^\w\s]+ with Rust's \w. */
void regex_put_whitespace(enum regex_tables tables, struct bytes *out);

#endif
