/* word_batch.h - words of a text, some hundred at a time, on their way to the cache
 *
 * Keys and slots of all words of a batch are found first: their cache lines are there when
 * they are looked at. */
#ifndef STAGES_KERNELS_WORD_BATCH_H
#define STAGES_KERNELS_WORD_BATCH_H

#include <stddef.h>

#include "stages/kernels/word_cache.h"

enum { WORD_BATCH = 256 };

struct word_batch {
    size_t ends[WORD_BATCH]; /* in the text; the first word begins where the cursor was */
    struct word_key keys[WORD_BATCH];
    size_t slots[WORD_BATCH]; /* of the small table, or of the large one without a key */
};

/* The next words of the text, at most WORD_BATCH. Returns their number; 0 at the end. */
size_t word_batch_fill(const struct word_cut *cut, const struct word_cache *cache,
                       struct word_cursor *cursor, struct word_batch *batch);

#endif
