/* box_decay.c - the Gaussian by which soft_nms takes score away */
#include "stages/kernels/box_decay.h"

#include <stdint.h>
#include <string.h>

/* Loops over so many numbers become vector instructions. */
enum { BLOCK = 8 };

static const double log2_e = 1.4426950408889634;
static const double ln2_high = 6.93147180369123816490e-01; /* its last 32 bits are 0 */
static const double ln2_low = 1.90821492927058770002e-10;
static const double greatest = 700; /* exp(-700) is 1e-304, as good as 0 */
/* Added to a number below 2^51, it leaves the nearest whole number in the lowest bits. */
static const double rounder = 6755399441055744.0;

/* exp(-x) for 0 <= x <= 700: x = k ln 2 - r with |r| <= ln 2 / 2
 * (Cody and Waite, ln 2 in two parts), then the series of exp(r) to degree 13, from the
 * smallest term on, times 2^-k. */
static inline double exp_negative(double x)
{
    double rounded = x * log2_e + rounder;
    double k = rounded - rounder;
    double r = k * ln2_high - x + k * ln2_low;
    double sum = 1.0 / 6227020800;
    uint64_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 1.0 / 2;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    bits = (1023 - bits) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

static void decay_block(double *overlaps, double sigma)
{
    double exponents[BLOCK];
    for (size_t i = 0; i < BLOCK; i++) {
        double x = overlaps[i] * overlaps[i] / sigma;
        exponents[i] = x < greatest ? x : greatest;
    }
    for (size_t i = 0; i < BLOCK; i++)
        overlaps[i] = exp_negative(exponents[i]);
}

void box_decay_gaussian(double *overlaps, size_t count, double sigma)
{
    size_t whole = count / BLOCK * BLOCK;
    double rest[BLOCK] = {0};
    for (size_t i = 0; i < whole; i += BLOCK)
        decay_block(overlaps + i, sigma);
    if (whole == count)
        return;
    memcpy(rest, overlaps + whole, (count - whole) * sizeof *rest);
    decay_block(rest, sigma);
    memcpy(overlaps + whole, rest, (count - whole) * sizeof *rest);
}
