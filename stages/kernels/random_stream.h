/* random_stream.h - random numbers that depend on a key and on nothing else
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): the n-th block of numbers is a function of key and n, in integers alone, so that
 * it is the same on every machine and wherever a record is worked on. */
#ifndef STAGES_KERNELS_RANDOM_STREAM_H
#define STAGES_KERNELS_RANDOM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One block: four numbers of a counter and a key of 32-bit words. */
void philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4]);

struct random_stream {
    uint32_t key[2], counter[4]; /* the lower half of the counter counts */
    uint32_t block[4];
    unsigned used; /* of the block */
};

/* `low` and `high`: a hash of what the numbers are for. */
void random_stream_init(struct random_stream *stream, uint64_t low, uint64_t high);
uint32_t random_stream_next(struct random_stream *stream);
/* Below `bound` (not 0), each number equally often: Lemire's multiplication, with what would
 * be too much drawn anew. */
uint32_t random_stream_below(struct random_stream *stream, uint32_t bound);
uint64_t random_stream_below_long(struct random_stream *stream, uint64_t bound);
/* True `numerator` times in `denominator` (not 0, not less than the numerator). */
bool random_stream_chance(struct random_stream *stream, uint32_t numerator,
                          uint32_t denominator);
/* A random order of the items (Fisher and Yates, from the end). */
void random_stream_shuffle(struct random_stream *stream, uint32_t *items, size_t count);

/* round(count * share / 1e6), halves to the even number, as Python and numpy round. */
uint64_t round_share(uint64_t count, uint32_t share);
/* A share between 0 and 1, as written in an option, in millionths. */
uint32_t share_of_real(double value);

#endif
