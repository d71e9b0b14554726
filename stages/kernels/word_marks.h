/* word_marks.h - cut text into words at U+2581, which stands for a space */
#ifndef STAGES_KERNELS_WORD_MARKS_H
#define STAGES_KERNELS_WORD_MARKS_H

#include <stddef.h>

/* Write the ends of the next at most `capacity` words, from *at on, to `ends` and move *at
 * to the last of them. A word begins with each U+2581 that does not follow another; the
 * words cover the text. Returns their number: 0 only at the end of the text. */
size_t word_marks_cut(const unsigned char *text, size_t size, size_t *at, size_t *ends,
                      size_t capacity);

#endif
