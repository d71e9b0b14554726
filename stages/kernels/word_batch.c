/* word_batch.c - words of a text, some hundred at a time, on their way to the cache */
#include "stages/kernels/word_batch.h"

#include <string.h>

#include "core/compiler.h"

/* Bits of bytes that are not ASCII, or are control characters: 0x80 in each, right up to
 * the lowest. */
static inline uint64_t mark_others(uint64_t word)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    static const uint64_t highs = UINT64_C(0x8080808080808080);
    return (word & highs) | ((word - ones * ' ') & ~word & highs);
}

/* ASCII, but neither a letter nor a digit. */
static inline bool is_sign(unsigned char at)
{
    return (unsigned)(at | 0x20) - 'a' > 25 && (unsigned)at - '0' > 9;
}

/* The usual word: at most one U+2581, at most 15 bytes of ASCII, and the next U+2581 or a
 * control character to cut at. Its end, or 0: it is another. Of `word` 24 bytes can be
 * read. */
static inline size_t usual_word(const struct word_cut *cut, const unsigned char *word,
                                struct word_key *key)
{
    const size_t spaces = word_is_space(word), begin = 3 * spaces;
    uint64_t low, high;
    memcpy(&low, word + begin, 8);
    memcpy(&high, word + begin + 8, 8);
    uint64_t low_marks = mark_others(low), high_marks = mark_others(high);
    size_t length;
    if (low_marks != 0)
        length = TRAILING_ZEROS(low_marks) / 8;
    else if (high_marks != 0)
        length = 8 + TRAILING_ZEROS(high_marks) / 8;
    else
        return 0;
    const unsigned char *stop = word + begin + length;
    if (length == 0 && spaces == 0 && stop[0] < ' ' && stop[1] < 128 &&
        !word_joins_ascii(cut, stop[0], stop[1]))
        length = 1;
    else if (length == 0 || (stop[0] < ' ' ? word_joins_ascii(cut, stop[-1], stop[0])
                                           : !word_is_space(stop)))
        return 0;
    else if (length > 1 && is_sign(stop[-1]) &&
             !word_joins_ascii(cut, stop[-2], stop[-1]))
        length--;
    unsigned low_bits = length < 8 ? (unsigned)(64 - 8 * length) : 0;
    unsigned high_bits = length > 8 ? (unsigned)(64 - 8 * (length - 8)) : 0;
    low = low << low_bits >> low_bits;
    high = length > 8 ? high << high_bits >> high_bits : 0;
    *key = (struct word_key){.low = low,
                             .high = high | (uint64_t)(length << 4 | spaces) << 56};
    return begin + length;
}

size_t word_batch_fill(const struct word_cut *cut, const struct word_cache *cache,
                       struct word_cursor *cursor, struct word_batch *batch)
{
    enum { READ_AHEAD = 24 };
    const unsigned char *text = cursor->text;
    size_t count = 0;
    while (count < WORD_BATCH && cursor->at < cursor->size) {
        const size_t begin = cursor->at;
        struct word_key key = {0};
        size_t end = 0;
        if (cut->has_spaces && cursor->stop <= begin &&
            cursor->size - begin >= READ_AHEAD)
            end = usual_word(cut, text + begin, &key);
        if (end != 0) {
            end = cursor->at = begin + end;
        } else {
            end = word_cut_next(cut, cursor);
            key = word_key_of(text + begin, end - begin, cursor->size - begin);
        }
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
