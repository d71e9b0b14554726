/* sentence_pairs.c - two segments of sentences for a model to relate */
#include "stages/kernels/sentence_pairs.h"

#include <string.h>

enum { WHOLE = 1000000, FRAME = 3, TRIES = 10, TARGET_MIN = 2, TARGET_MIN_TWO = 5 };

uint32_t sentences_at_ends(const uint32_t *tokens, uint32_t length,
                           const unsigned char *flags, uint32_t flag_count,
                           unsigned char end_flag, uint32_t *begins)
{
    uint32_t count = 0;
    bool was_end = false;
    for (uint32_t i = 0; i < length; i++) {
        bool is_end = tokens[i] < flag_count && (flags[tokens[i]] & end_flag);
        if (i == 0 || (was_end && !is_end))
            begins[count++] = i;
        was_end = is_end;
    }
    begins[count] = length;
    return count;
}

uint32_t sentences_at_starts(const uint32_t *starts, uint64_t count, uint32_t length,
                             uint32_t *begins)
{
    uint32_t found = 0;
    begins[found++] = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (starts[i] >= length || (i > 0 && starts[i] <= starts[i - 1]))
            return 0;
        if (starts[i] > 0)
            begins[found++] = starts[i];
    }
    begins[found] = length;
    return found;
}

static uint32_t size_of(const struct pair_document *document, uint32_t begin,
                        uint32_t end)
{
    return document->begins[end] - document->begins[begin];
}

/* The sentences from `begin` on that reach the target together. */
static uint32_t chunk_end(const struct pair_document *document, uint32_t begin,
                          uint32_t target)
{
    uint32_t end = begin + 1;
    while (end < document->count && size_of(document, begin, end) < target)
        end++;
    return end;
}

static uint32_t draw_target(const struct pair_rule *rule, uint32_t least, uint32_t most,
                            struct random_stream *stream)
{
    if (most > least && random_stream_chance(stream, rule->short_share, WHOLE))
        return least + random_stream_below(stream, most - least + 1);
    return most;
}

/* Segment b from another document, from a random sentence of it on. */
static void take_random(const struct pair_document *documents, uint32_t document_count,
                        uint32_t index, uint32_t target, struct random_stream *stream,
                        struct pair *pair)
{
    uint32_t other = index;
    for (int i = 0; i < TRIES && other == index; i++)
        other = random_stream_below(stream, document_count);
    const struct pair_document *document = &documents[other];
    uint32_t begin = random_stream_below(stream, document->count);
    pair->b_document = other;
    pair->b_begin = document->begins[begin];
    pair->b_size = size_of(document, begin, chunk_end(document, begin, target));
    pair->is_other = true;
}

static void swap_segments(struct pair *pair)
{
    struct pair was = *pair;
    pair->a_begin = was.b_begin;
    pair->a_size = was.b_size;
    pair->b_begin = was.a_begin;
    pair->b_size = was.a_size;
    pair->is_other = true;
}

/* Token by token from the longer segment, in front or behind. */
static void truncate_pair(struct pair *pair, uint32_t room, struct random_stream *stream)
{
    while (pair->a_size + pair->b_size > room) {
        bool is_a = pair->a_size > pair->b_size;
        uint32_t *begin = is_a ? &pair->a_begin : &pair->b_begin;
        *begin += random_stream_chance(stream, 1, 2);
        *(is_a ? &pair->a_size : &pair->b_size) -= 1;
    }
}

static uint32_t plan_related(const struct pair_rule *rule,
                             const struct pair_document *documents,
                             uint32_t document_count, uint32_t index,
                             struct random_stream *stream, struct pair *pairs)
{
    const struct pair_document *document = &documents[index];
    uint32_t room = rule->max_length - FRAME, count = 0;
    uint32_t target = draw_target(rule, TARGET_MIN, room, stream);
    for (uint32_t begin = 0; begin < document->count;) {
        uint32_t end = chunk_end(document, begin, target);
        uint32_t middle = begin + 1;
        if (end - begin >= 2)
            middle += random_stream_below(stream, end - begin - 1);
        struct pair *pair = &pairs[count++];
        *pair = (struct pair){.a_document = index,
                              .a_begin = document->begins[begin],
                              .a_size = size_of(document, begin, middle),
                              .b_document = index,
                              .b_begin = document->begins[middle],
                              .b_size = size_of(document, middle, end)};
        bool is_random = end - begin == 1 || (rule->task == PAIR_NEXT_SENTENCE &&
                                              random_stream_chance(stream, 1, 2));
        uint32_t wanted = target > pair->a_size ? target - pair->a_size : 0;
        if (is_random) /* the sentences behind the first segment are for the next one */
            take_random(documents, document_count, index, wanted, stream, pair);
        else if (rule->task == PAIR_SENTENCE_ORDER && random_stream_chance(stream, 1, 2))
            swap_segments(pair);
        truncate_pair(pair, room, stream);
        begin = is_random ? middle : end;
    }
    return count;
}

/* Which sentences go to which segment: to the first while it has room, and half of the time
 * the one that goes beyond. */
static void part_sentences(const struct pair_document *document, uint32_t first_target,
                           uint32_t max_length, struct random_stream *stream,
                           struct pair *pair, unsigned char *side)
{
    uint32_t a = 0, b = 0;
    for (uint32_t i = pair->first_sentence; i < pair->end_sentence; i++) {
        uint32_t size = size_of(document, i, i + 1);
        bool is_first =
            a == 0 || (uint64_t)a + size < first_target ||
            (b == 0 && a < first_target && random_stream_chance(stream, 1, 2));
        side[i] = !is_first;
        *(is_first ? &a : &b) += size;
    }
    pair->a_size = a < max_length - 2 ? a : max_length - 2;
    uint32_t left =
        pair->a_size + FRAME < max_length ? max_length - pair->a_size - FRAME : 0;
    pair->b_size = b < left ? b : left;
}

static uint32_t plan_two_segments(const struct pair_rule *rule,
                                  const struct pair_document *documents, uint32_t index,
                                  struct random_stream *stream, struct pair *pairs,
                                  unsigned char *side)
{
    const struct pair_document *document = &documents[index];
    uint32_t count = 0;
    for (uint32_t begin = 0; begin < document->count;) {
        uint32_t target = draw_target(rule, TARGET_MIN_TWO, rule->max_length, stream);
        uint32_t end = chunk_end(document, begin, target);
        uint32_t first_target =
            random_stream_chance(stream, 1, 10) ? UINT32_MAX : (target - FRAME) / 2;
        struct pair *pair = &pairs[count++];
        *pair = (struct pair){.a_document = index,
                              .b_document = index,
                              .first_sentence = begin,
                              .end_sentence = end};
        part_sentences(document, first_target, rule->max_length, stream, pair, side);
        begin = end;
    }
    return count;
}

uint32_t pairs_plan(const struct pair_rule *rule, const struct pair_document *documents,
                    uint32_t document_count, uint32_t index, struct random_stream *stream,
                    struct pair *pairs, unsigned char *side)
{
    if (rule->task == PAIR_TWO_SEGMENTS)
        return plan_two_segments(rule, documents, index, stream, pairs, side);
    return plan_related(rule, documents, document_count, index, stream, pairs);
}

/* The sentences of one side one behind the other, as many tokens as there is room for. */
static void copy_side(const struct pair *pair, const struct pair_document *document,
                      const unsigned char *side, unsigned char which, uint32_t room,
                      uint32_t *to)
{
    for (uint32_t i = pair->first_sentence; i < pair->end_sentence && room > 0; i++) {
        uint32_t size = size_of(document, i, i + 1);
        if (side[i] != which)
            continue;
        size = size < room ? size : room;
        memcpy(to, document->tokens + document->begins[i], (size_t)size * sizeof *to);
        to += size;
        room -= size;
    }
}

void pair_copy(const struct pair *pair, enum pair_task task,
               const struct pair_document *documents, const unsigned char *side,
               uint32_t *a, uint32_t *b)
{
    if (task == PAIR_TWO_SEGMENTS) {
        copy_side(pair, &documents[pair->a_document], side, 0, pair->a_size, a);
        copy_side(pair, &documents[pair->a_document], side, 1, pair->b_size, b);
        return;
    }
    memcpy(a, documents[pair->a_document].tokens + pair->a_begin,
           (size_t)pair->a_size * sizeof *a);
    memcpy(b, documents[pair->b_document].tokens + pair->b_begin,
           (size_t)pair->b_size * sizeof *b);
}
