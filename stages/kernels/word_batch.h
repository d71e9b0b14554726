/* word_batch.h - words of a text, some hundred at a time, on their way to the cache
 *
 * Keys and slots of all words of a batch are found first: their cache lines are there when
 * they are looked at. */
#ifndef STAGES_KERNELS_WORD_BATCH_H
#define STAGES_KERNELS_WORD_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/word_cache.h"
#include "stages/kernels/word_places.h"

enum { WORD_BATCH = 256 };

struct pending_word {
    struct word_key key;
    size_t slot; /* of the small table, or of the large one without a key */
    size_t end;  /* in the text; it begins where the one before it ends */
};

struct word_batch {
    const unsigned char *text;
    size_t size;
    size_t begin; /* of the batch */
    struct pending_word words[WORD_BATCH];
    /* what is to come */
    size_t next; /* where the next batch begins */
    size_t from; /* see word_places_find() */
    size_t place, place_count;
    size_t places[WORD_BATCH + WORD_PLACES_MIN];
};

/* Words of this text; of the batch only what is said above is set. */
void word_batch_open(struct word_batch *batch, const unsigned char *text, size_t size);

/* The next words of the text, at most WORD_BATCH. Returns their number; 0 at the end. */
size_t word_batch_fill(const struct word_cut *cut, const struct word_cache *cache,
                       struct word_batch *batch);

static inline size_t word_batch_begin(const struct word_batch *batch, size_t word)
{
    return word > 0 ? batch->words[word - 1].end : batch->begin;
}

#endif
