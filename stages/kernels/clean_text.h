/* clean_text.h - take control characters and surplus white space out of UTF-8 text */
#ifndef STAGES_KERNELS_CLEAN_TEXT_H
#define STAGES_KERNELS_CLEAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct bytes;

/* Control characters are C0 and C1 but tab, line feed and carriage return, DEL, and the
 * byte order mark U+FEFF. `is_sparing`: those that are white space (U+000B, U+000C,
 * U+0085) stay, so that text_collapse_space() can make a blank of them.
 * The first gives the bytes in front of the first one, `size` when there is none; the
 * second appends the text without them. */
size_t text_find_control(const unsigned char *text, size_t size, bool is_sparing);
void text_strip_controls(const unsigned char *text, size_t size, bool is_sparing,
                         struct bytes *out);

/* Each run of White_Space characters becomes one line feed if there is a line break in it
 * (U+000A to U+000D, U+0085, U+2028, U+2029), else one space; at the ends, too.
 * The first gives the bytes in front of the first run that changes. */
size_t text_find_surplus_space(const unsigned char *text, size_t size);
void text_collapse_space(const unsigned char *text, size_t size, struct bytes *out);

#endif
