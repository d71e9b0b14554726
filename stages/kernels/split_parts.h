/* split_parts.h - what the variants of split_pieces() share */
#ifndef STAGES_KERNELS_SPLIT_PARTS_H
#define STAGES_KERNELS_SPLIT_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/kernels/split.h"

/* The end of the piece that begins at `at` < end: the reference. */
const unsigned char *split_next(enum split_pattern pattern, const unsigned char *at,
                                const unsigned char *end);

/* 's 't 'm 'd 're 've 'll at an apostrophe: bytes matched, or 0. */
size_t split_contraction(const unsigned char *at, const unsigned char *end,
                         bool folds_case);

/* The class set (split.c) of the character at `at`, a byte of 128 or more, and its length:
 * 1 for a byte that begins none. */
unsigned split_wide_set(const unsigned char *at, const unsigned char *end,
                        size_t *length);

/* As split_pieces(), by windows of 64 bytes; the CPU has to have the extensions. They stop
 * where less than a window is left of the text or of the capacity: 0 is not the end. */
size_t split_pieces_avx512(enum split_pattern pattern, const unsigned char *text,
                           size_t size, size_t *at, size_t *ends, size_t capacity);
size_t split_pieces_avx2(enum split_pattern pattern, const unsigned char *text,
                         size_t size, size_t *at, size_t *ends, size_t capacity);
bool split_has_avx512(void);
bool split_has_avx2(void);

#endif
