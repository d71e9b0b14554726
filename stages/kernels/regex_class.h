/* regex_class.h - named classes of characters as the inside of a class of PCRE2 */
#ifndef STAGES_KERNELS_REGEX_CLASS_H
#define STAGES_KERNELS_REGEX_CLASS_H

#include <stdbool.h>
#include <stddef.h>

struct bytes;

/* \w of Oniguruma; `is_rust`: that of Rust's regular expressions. */
void regex_class_put_word(struct bytes *out, bool is_rust);

/* White_Space, or all that is not. */
void regex_class_put_space(struct bytes *out, bool is_negated);

/* What \p{NAME} means: a category ("Lu", "Letter"), a script, or a class as in [:NAME:].
 * False: it is not known. Case, spaces, "-" and "_" in the name do not matter. */
bool regex_class_put_property(struct bytes *out, const unsigned char *name, size_t size);

/* What [:NAME:] means. */
bool regex_class_put_bracket(struct bytes *out, const unsigned char *name, size_t size);

#endif
