/* random_stream.c - random numbers that depend on a key and on nothing else */
#include "stages/kernels/random_stream.h"

enum { ROUNDS = 10, WHOLE = 1000000 };

void philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    uint32_t first = key[0], second = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t left = (uint64_t)0xD2511F53 * a;
        uint64_t right = (uint64_t)0xCD9E8D57 * c;
        a = (uint32_t)(right >> 32) ^ b ^ first;
        b = (uint32_t)right;
        c = (uint32_t)(left >> 32) ^ d ^ second;
        d = (uint32_t)left;
        first += 0x9E3779B9;
        second += 0xBB67AE85;
    }
    block[0] = a;
    block[1] = b;
    block[2] = c;
    block[3] = d;
}

void random_stream_init(struct random_stream *stream, uint64_t low, uint64_t high)
{
    *stream =
        (struct random_stream){.key = {(uint32_t)low, (uint32_t)(low >> 32)},
                               .counter = {0, 0, (uint32_t)high, (uint32_t)(high >> 32)},
                               .used = 4};
}

uint32_t random_stream_next(struct random_stream *stream)
{
    if (stream->used == 4) {
        philox_block(stream->counter, stream->key, stream->block);
        stream->used = 0;
        if (++stream->counter[0] == 0)
            stream->counter[1]++;
    }
    return stream->block[stream->used++];
}

uint32_t random_stream_below(struct random_stream *stream, uint32_t bound)
{
    uint64_t product = (uint64_t)random_stream_next(stream) * bound;
    if ((uint32_t)product < bound) {
        uint32_t surplus = (uint32_t)-bound % bound; /* 2^32 modulo the bound */
        while ((uint32_t)product < surplus)
            product = (uint64_t)random_stream_next(stream) * bound;
    }
    return (uint32_t)(product >> 32);
}

uint64_t random_stream_below_long(struct random_stream *stream, uint64_t bound)
{
    uint64_t surplus = (uint64_t)-bound % bound; /* 2^64 modulo the bound */
    uint64_t number;
    do {
        number = (uint64_t)random_stream_next(stream) << 32;
        number |= random_stream_next(stream);
    } while (number < surplus);
    return number % bound;
}

bool random_stream_chance(struct random_stream *stream, uint32_t numerator,
                          uint32_t denominator)
{
    return random_stream_below(stream, denominator) < numerator;
}

void random_stream_shuffle(struct random_stream *stream, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = random_stream_below(stream, (uint32_t)i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[other];
        items[other] = item;
    }
}

uint64_t round_share(uint64_t count, uint32_t share)
{
    uint64_t product = count * share;
    uint64_t whole = product / WHOLE, rest = product % WHOLE;
    bool is_up = rest > WHOLE / 2 || (rest == WHOLE / 2 && whole % 2 == 1);
    return whole + is_up;
}

uint32_t share_of_real(double value)
{
    return (uint32_t)(value * WHOLE + 0.5);
}
