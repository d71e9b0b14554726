/* exact_math.c - logarithm, exponential and digamma with the same bits everywhere */
#include "stages/kernels/exact_math.h"

#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the first has 33 bits, so that small multiples of it are exact. */
static const double LN2_HIGH = 6.93147180369123816490e-01;
static const double LN2_LOW = 1.90821492927058770002e-10;

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* value = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh((m - 1) / (m + 1)). */
double exact_log(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    double m =
        value * power_of_two(-exponent / 2) * power_of_two(exponent / 2 - exponent);
    if (m > 1.4142135623730951) {
        m /= 2;
        exponent++;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return exponent * LN2_HIGH + (2 * s * sum + exponent * LN2_LOW);
}

/* value = k ln 2 + r with |r| <= ln 2 / 2; exp r by its series. */
double exact_exp(double value)
{
    if (value < -700)
        return 0;
    if (value > 700)
        value = 700;
    double scaled = value * 1.4426950408889634;
    int k = (int)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    double r = (value - k * LN2_HIGH) - k * LN2_LOW, sum = 1;
    for (int i = 13; i >= 1; i--)
        sum = 1 + sum * r / i;
    return sum * power_of_two(k);
}

/* digamma(x) = digamma(x + 1) - 1 / x up to x >= 10, then the asymptotic series. */
double exact_digamma(double value)
{
    double result = 0;
    for (; value < 10; value += 1)
        result -= 1 / value;
    double square = 1 / (value * value);
    double series =
        square *
        (1.0 / 12 -
         square *
             (1.0 / 120 -
              square * (1.0 / 252 -
                        square * (1.0 / 240 -
                                  square * (1.0 / 132 - square * (691.0 / 32760))))));
    return result + exact_log(value) - 0.5 / value - series;
}
