/* count_text.h - count the code points of UTF-8 text */
#ifndef STAGES_KERNELS_COUNT_TEXT_H
#define STAGES_KERNELS_COUNT_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that do not continue a code point: the code points of valid UTF-8. */
uint64_t text_count_characters(const unsigned char *text, size_t size);

#endif
