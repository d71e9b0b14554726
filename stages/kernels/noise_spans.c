/* noise_spans.c - T5's random spans of noise, and inputs and targets made of them */
#include "stages/kernels/noise_spans.h"

#include <string.h>

enum { WHOLE = 1000000 };

static uint64_t at_least_one(uint64_t value)
{
    return value > 0 ? value : 1;
}

/* round(a / b), halves to the even number. */
static uint64_t round_quotient(uint64_t a, uint64_t b)
{
    uint64_t whole = a / b, rest = a % b;
    bool is_up = rest > b - rest || (rest == b - rest && whole % 2 == 1);
    return whole + is_up;
}

struct noise_counts noise_count(const struct noise_rule *rule, uint32_t length)
{
    uint64_t tokens = at_least_one(round_share(length, rule->density));
    if (tokens > length - 1)
        tokens = length - 1;
    uint64_t rest = length - tokens;
    uint64_t spans = at_least_one(round_quotient(tokens * WHOLE, rule->mean_length));
    if (spans > tokens)
        spans = tokens;
    if (spans > rest)
        spans = rest;
    return (struct noise_counts){(uint32_t)tokens, (uint32_t)spans};
}

/* Of the items - 1 places between two items, count - 1 are where a part ends: each place is
 * taken with the chance of places wanted to places left. */
void noise_segment(uint32_t items, uint32_t count, struct random_stream *stream,
                   uint32_t *lengths, uint32_t stride)
{
    uint32_t wanted = count - 1, begin = 0;
    for (uint32_t place = 1; wanted > 0; place++) {
        if (random_stream_below(stream, items - place) >= wanted)
            continue;
        *lengths = place - begin;
        lengths += stride;
        begin = place;
        wanted--;
    }
    *lengths = items - begin;
}

uint32_t noise_draw(const struct noise_rule *rule, uint32_t length,
                    struct random_stream *stream, uint32_t *lengths)
{
    if (length == 1) {
        lengths[0] = 1;
        lengths[1] = 0;
        return 1;
    }
    struct noise_counts counts = noise_count(rule, length);
    noise_segment(counts.tokens, counts.spans, stream, lengths + 1, 2);
    noise_segment(length - counts.tokens, counts.spans, stream, lengths, 2);
    return counts.spans;
}

uint32_t noise_copy(const uint32_t *tokens, const uint32_t *lengths, uint32_t spans,
                    bool is_noise, uint32_t sentinel, int32_t step, uint32_t *to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2 * spans; i++) {
        if ((i % 2 == 1) == is_noise) {
            memcpy(to + count, tokens, (size_t)lengths[i] * sizeof *to);
            count += lengths[i];
        } else if (lengths[i] > 0) {
            to[count++] = sentinel;
            sentinel += (uint32_t)step;
        }
        tokens += lengths[i];
    }
    return count;
}
