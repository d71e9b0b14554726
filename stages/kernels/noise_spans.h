/* noise_spans.h - T5's random spans of noise, and inputs and targets made of them
 *
 * random_spans_noise_mask and noise_span_to_unique_sentinel of t5's preprocessors (Raffel et
 * al., 2020), with all draws and roundings in integers. */
#ifndef STAGES_KERNELS_NOISE_SPANS_H
#define STAGES_KERNELS_NOISE_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/kernels/random_stream.h"

struct noise_rule {
    uint32_t density;     /* millionths of the tokens that are noise */
    uint64_t mean_length; /* of a span of noise, in millionths of a token; not 0 */
};

/* How much noise a sequence gets: tokens of it, in so many spans. */
struct noise_counts {
    uint32_t tokens, spans;
};

/* For a sequence of `length` (2 or more): tokens = round(length * density), at least 1, at
 * most length - 1; spans = round(tokens / mean_length), at least 1, at most tokens and
 * length - tokens. Halves are rounded to the even number. */
struct noise_counts noise_count(const struct noise_rule *rule, uint32_t length);

/* Cut `items` into `count` parts, none empty, all ways equally often. The n-th length goes to
 * lengths[n * stride]. */
void noise_segment(uint32_t items, uint32_t count, struct random_stream *stream,
                   uint32_t *lengths, uint32_t stride);

/* Spans of a sequence of `length` (not 0): lengths in turn of what is no noise and of noise,
 * room for length + 1. Returns how many spans of noise there are. A sequence of one token is
 * laid out as one of two and cut, as by t5: its span of noise is empty. */
uint32_t noise_draw(const struct noise_rule *rule, uint32_t length,
                    struct random_stream *stream, uint32_t *lengths);

/* Copy the spans of one kind (is_noise) and put a sentinel in the place of each of the
 * others that is not empty: `sentinel`, then `step` more for each. Returns how many tokens
 * are written: at most those of the sequence and one a span. */
uint32_t noise_copy(const uint32_t *tokens, const uint32_t *lengths, uint32_t spans,
                    bool is_noise, uint32_t sentinel, int32_t step, uint32_t *to);

#endif
