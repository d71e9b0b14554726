/* word_places.h - where a text is cut into words, many places at a time
 *
 * Of the places where it can be cut (word_cut.h) these are taken, so that words recur, but
 * are not too short: in front of U+2581s, between ASCII characters of two kinds (letters,
 * digits, signs) and beside control characters, and beside all other characters. Words of
 * one kind are cut no further, however long they are. */
#ifndef STAGES_KERNELS_WORD_PLACES_H
#define STAGES_KERNELS_WORD_PLACES_H

#include <stddef.h>

struct word_cut;

enum { WORD_PLACES_MIN = 65 };

/* The next places, ascending, the last of which is `size`: at most `capacity`, which is at
 * least WORD_PLACES_MIN. *from is 0 at first and says where to go on. Returns their number;
 * 0 when the text (size >= 1) is at its end. */
size_t word_places_find(const struct word_cut *cut, const unsigned char *text,
                        size_t size, size_t *from, size_t *places, size_t capacity);

#endif
