/* word_batch.c - words of a text, some hundred at a time, on their way to the cache */
#include "stages/kernels/word_batch.h"

#include "core/compiler.h"

size_t word_batch_fill(const struct word_cut *cut, const struct word_cache *cache,
                       struct word_cursor *cursor, struct word_batch *batch)
{
    const unsigned char *text = cursor->text;
    size_t count = 0;
    while (count < WORD_BATCH && cursor->at < cursor->size) {
        size_t begin = cursor->at;
        size_t end = word_cut_next(cut, cursor);
        struct word_key key =
            word_key_of(text + begin, end - begin, cursor->size - begin);
        batch->keys[count] = key;
        batch->ends[count] = end;
        if (key.high != 0) {
            batch->slots[count] = word_key_slot(key);
            PREFETCH(cache->small + batch->slots[count]);
        } else {
            batch->slots[count] = end - begin <= WORD_LARGE_MAX
                                      ? word_large_slot(text + begin, end - begin)
                                      : 0;
            PREFETCH(cache->large + batch->slots[count]);
            PREFETCH(cache->large[batch->slots[count]].ids);
        }
        count++;
    }
    return count;
}
