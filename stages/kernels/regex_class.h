/* regex_class.h - named classes of characters as the inside of a class of PCRE2 */
#ifndef STAGES_KERNELS_REGEX_CLASS_H
#define STAGES_KERNELS_REGEX_CLASS_H

#include <stdbool.h>
#include <stddef.h>

struct bytes;

/* Those of PCRE2's own tables, or those of Unicode 16.0 whatever PCRE2 has. They differ on
 * the code points of regex_class_is_recent() alone, and the former is twice as fast. */
enum regex_tables { TABLES_OWN, TABLES_EXACT };

/* Do the two differ on some character of `text`, which is UTF-8? */
bool regex_class_is_recent(const unsigned char *text, size_t size);

/* \w of Oniguruma; `is_rust`: that of Rust's regular expressions. */
void regex_class_put_word(struct bytes *out, enum regex_tables tables, bool is_rust);

/* White_Space, or all that is not. */
void regex_class_put_space(struct bytes *out, enum regex_tables tables, bool is_negated);

/* What \p{NAME} means: a category ("Lu", "Letter"), a script, or a class as in [:NAME:].
 * False: it is not known. Case, spaces, "-" and "_" in the name do not matter. */
bool regex_class_put_property(struct bytes *out, enum regex_tables tables,
                              const unsigned char *name, size_t size);

/* What [:NAME:] means. */
bool regex_class_put_bracket(struct bytes *out, enum regex_tables tables,
                             const unsigned char *name, size_t size);

#endif
