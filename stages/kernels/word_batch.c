/* word_batch.c - words of a text, some hundred at a time, on their way to the cache */
#include "stages/kernels/word_batch.h"

#include <string.h>

#include "core/compiler.h"

enum { SPACE_SIZE = 3, SPACES_LOOKED_AT = 16 * SPACE_SIZE, READ_AHEAD = 24 };

void word_batch_open(struct word_batch *batch, const unsigned char *text, size_t size)
{
    batch->text = text;
    batch->size = size;
    batch->begin = batch->next = batch->from = 0;
    batch->place = batch->place_count = 0;
}

/* The usual word: at most one U+2581, up to 15 bytes behind it. False: it is another. Of
 * the text READ_AHEAD bytes can be read. */
static inline bool usual_key(const unsigned char *word, size_t size, struct word_key *key)
{
    const size_t spaces = word_is_space(word), begin = SPACE_SIZE * spaces;
    if (UNLIKELY(size - begin > WORD_REST_MAX || (spaces && word_is_space(word + begin))))
        return false;
    *key = word_key_load(word + begin, size - begin, spaces);
    return true;
}

/* Words of more bytes than have a small slot are cut further, where they can be. */
static size_t cut_long_word(const struct word_cut *cut, const unsigned char *text,
                            size_t begin, size_t end)
{
    if (end - begin > WORD_REST_MAX && (text[begin] | text[begin + 1]) < 0x80 &&
        !word_joins_ascii(cut, text[begin], text[begin + 1]))
        return begin + 1; /* digits, mostly, one by one */
    size_t limit = end - begin > SPACES_LOOKED_AT ? begin + SPACES_LOOKED_AT : end;
    size_t rest = word_cut_skip_spaces(text, limit, begin);
    bool is_in_spaces = rest == limit && limit < end;
    if (end - rest <= WORD_REST_MAX)
        return end;
    return word_cut_first(cut, text,
                          rest == begin || is_in_spaces ? begin : rest - SPACE_SIZE, end);
}

static void find_large_slot(const struct word_cache *cache, const unsigned char *word,
                            size_t size, struct pending_word *pending)
{
    pending->slot = size <= WORD_LARGE_MAX ? word_large_slot(word, size) : 0;
    PREFETCH(cache->large + pending->slot);
    PREFETCH(cache->large[pending->slot].ids);
}

size_t word_batch_fill(const struct word_cut *cut, const struct word_cache *cache,
                       struct word_batch *batch)
{
    const unsigned char *text = batch->text;
    const size_t size = batch->size;
    size_t count = 0, begin = batch->begin = batch->next;
    while (count < WORD_BATCH) {
        if (batch->place == batch->place_count) {
            batch->place = 0;
            batch->place_count =
                word_places_find(cut, text, size, &batch->from, batch->places,
                                 sizeof batch->places / sizeof *batch->places);
            if (batch->place_count == 0)
                break;
        }
        struct pending_word *pending = &batch->words[count++];
        size_t end = batch->places[batch->place++];
        bool is_usual = size - begin >= READ_AHEAD &&
                        usual_key(text + begin, end - begin, &pending->key);
        if (UNLIKELY(!is_usual)) {
            size_t part = cut_long_word(cut, text, begin, end);
            batch->place -= part < end;
            end = part;
            pending->key = word_key_of(text + begin, end - begin, size - begin);
        }
        pending->end = end;
        if (LIKELY(pending->key.high != 0)) {
            pending->slot = word_key_slot(pending->key);
            PREFETCH(cache->small + pending->slot);
        } else {
            find_large_slot(cache, text + begin, end - begin, pending);
        }
        begin = end;
    }
    batch->next = begin;
    return count;
}
