/* perceptual_hash.h - 64 bits that pictures which look alike share for the most part */
#ifndef STAGES_KERNELS_PERCEPTUAL_HASH_H
#define STAGES_KERNELS_PERCEPTUAL_HASH_H

#include <stdint.h>

enum { PERCEPTUAL_SIDE = 32 };

/* imagehash's phash of a picture of luma (32, 32): the cosine transform's 8 by 8 lowest
 * frequencies, a bit each, by rows from the highest bit down: is it above their median? In
 * whole numbers, so that a picture of one colour gives zeros and not what rounding left. */
uint64_t perceptual_hash(const unsigned char *luma);

#endif
