/* perceptual_hash.c - 64 bits that pictures which look alike share for the most part */
#include "stages/kernels/perceptual_hash.h"

#include <stdlib.h>

enum { SIDE = PERCEPTUAL_SIDE, LOW = 8, BITS = LOW * LOW, FRACTION = 24, DROPPED = 4 };

/* cos(pi * k / 64) in 24 bits of fraction, of the first quarter turn. */
static const int64_t quarter[33] = {
    16777216, 16757007, 16696429, 16595628, 16454846, 16274424, 16054795,
    15796488, 15500126, 15166424, 14796184, 14390298, 13949745, 13475586,
    12968963, 12431097, 11863283, 11266890, 10643353, 9994176,  9320922,
    8625213,  7908725,  7173184,  6420363,  5652074,  4870169,  4076531,
    3273072,  2461729,  1644455,  823219,   0};

/* cos(pi * k / 64) for any k: exactly opposite values are exactly opposite here. */
static int64_t cosine(unsigned k)
{
    k %= 128;
    if (k > 64)
        k = 128 - k;
    return k <= 32 ? quarter[k] : -quarter[64 - k];
}

static int compare(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

uint64_t perceptual_hash(const unsigned char *luma)
{
    int64_t down[LOW][SIDE], low[BITS], sorted[BITS];
    for (unsigned u = 0; u < LOW; u++)
        for (unsigned x = 0; x < SIDE; x++) {
            int64_t sum = 0;
            for (unsigned y = 0; y < SIDE; y++)
                sum += luma[y * SIDE + x] * cosine((2 * y + 1) * u);
            down[u][x] = sum / (1 << DROPPED);
        }
    for (unsigned u = 0; u < LOW; u++)
        for (unsigned v = 0; v < LOW; v++) {
            int64_t sum = 0;
            for (unsigned x = 0; x < SIDE; x++)
                sum += down[u][x] * cosine((2 * x + 1) * v);
            low[u * LOW + v] = sorted[u * LOW + v] = sum;
        }
    qsort(sorted, BITS, sizeof *sorted, compare);
    /* The median is the mean of the two in the middle: above it is twice above their sum. */
    int64_t middle = sorted[BITS / 2 - 1] + sorted[BITS / 2];
    uint64_t hash = 0;
    for (unsigned i = 0; i < BITS; i++)
        hash = hash << 1 | (2 * low[i] > middle);
    return hash;
}
