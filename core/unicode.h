/* unicode.h - UTF-8 and the Unicode normal forms; doorkeeper of utf8proc */
#ifndef CORE_UNICODE_H
#define CORE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct bytes;

/* Decode the code point at text[0] (size > 0). Returns the bytes it takes, 1 to 4; 0 when
 * they are not UTF-8 (overlong forms, surrogates and values past U+10FFFF included). */
size_t unicode_decode(const unsigned char *text, size_t size, uint32_t *code);

/* Write the code point, which is no surrogate; returns the bytes it takes. */
size_t unicode_encode(uint32_t code, unsigned char out[4]);

/* Bytes at the front that are ASCII. */
size_t unicode_ascii_length(const unsigned char *text, size_t size);

/* Bytes of the longest beginning of `text` that takes at most `max` bytes and does not end
 * inside a character. */
size_t unicode_cut(const void *text, size_t size, size_t max);

/* The White_Space property. */
bool unicode_is_white_space(uint32_t code);

/* Canonical combining class; 0: the character is a starter. */
unsigned unicode_combining_class(uint32_t code);

/* Does an extended grapheme cluster end between two neighbours? To be asked of each pair
 * in turn; *state is 0 before the first. */
bool unicode_ends_grapheme(uint32_t before, uint32_t after, int32_t *state);

/* The version of Unicode that decides the normal forms: "15.0.0". */
const char *unicode_version(void);

enum unicode_form { UNICODE_NFC, UNICODE_NFKC, UNICODE_NFD, UNICODE_NFKD };

/* What is known of each code point in one normal form. Read-only once built; takes about
 * a millisecond. NULL: no memory. */
struct unicode_table;
const struct unicode_table *unicode_table_build(enum unicode_form form,
                                                struct arena *arena);

/* Length of a prefix that is in normal form and stays so whatever becomes of the rest:
 * `size` when the whole text is. Bytes that are not UTF-8 count as normal. */
size_t unicode_normal_length(const struct unicode_table *table, const unsigned char *text,
                             size_t size);

/* Can the text in front of the character be normalized apart from it and what follows? */
bool unicode_begins_anew(const struct unicode_table *table, uint32_t code);

/* Append the text in normal form to `out`; time grows with the text's length whatever it
 * holds. `work` is scratch. Want of memory shows in out->is_bad or work->is_bad. */
void unicode_normalize(const struct unicode_table *table, const unsigned char *text,
                       size_t size, struct bytes *work, struct bytes *out);

/* The same, for UTF-8 that can be normalized apart from what stands around it; and append
 * to `counts`, which is empty, a uint32_t for each character put to `out`: how many
 * characters of the text it takes. Those that one character becomes take 1, 0, 0, ...; what
 * is put together takes what its parts do; marks that are sorted keep their numbers. Want
 * of memory shows in one of the three. */
void unicode_normalize_counted(const struct unicode_table *table,
                               const unsigned char *text, size_t size, struct bytes *work,
                               struct bytes *out, struct bytes *counts);

#endif
