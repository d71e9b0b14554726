/* test_exact_math.c - our logarithm, exponential and digamma against the C library's */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "stages/kernels/exact_math.h"

static void assert_close(double value, double expected)
{
    double scale = fabs(expected) > 1 ? fabs(expected) : 1;
    assert_true(fabs(value - expected) <= 4e-15 * scale);
}

static void logarithms_are_close(void **state)
{
    (void)state;
    for (double value = 1e-300; value < 1e300; value *= 1.37)
        assert_close(exact_log(value), log(value));
    for (double value = 0.5; value < 2; value += 0.0007)
        assert_close(exact_log(value), log(value));
    assert_true(exact_log(1) == 0);
}

static void exponentials_are_close(void **state)
{
    (void)state;
    for (double value = -699; value < 699; value += 0.731) {
        double expected = exp(value);
        assert_true(fabs(exact_exp(value) - expected) <= 1e-14 * expected);
    }
    assert_true(exact_exp(0) == 1);
    assert_true(exact_exp(-701) == 0);
}

/* digamma is the derivative of lgamma, and digamma(1) is minus Euler's constant. */
static void digamma_has_its_values(void **state)
{
    (void)state;
    assert_close(exact_digamma(1), -0.57721566490153286);
    assert_close(exact_digamma(0.5), -1.9635100260214235);
    assert_close(exact_digamma(100), 4.6001618527380874);
    for (double value = 0.3; value < 1e6; value *= 1.9) {
        double step = value * 1e-5;
        double slope = (lgamma(value + step) - lgamma(value - step)) / (2 * step);
        assert_true(fabs(exact_digamma(value) - slope) < 1e-6 * (1 + fabs(slope)));
        double difference = exact_digamma(value + 1) - exact_digamma(value);
        assert_true(fabs(difference - 1 / value) < 1e-12 * (1 + 1 / value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithms_are_close),
        cmocka_unit_test(exponentials_are_close),
        cmocka_unit_test(digamma_has_its_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
