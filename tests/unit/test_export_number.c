/* test_export_number.c - tests commands/export_number.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands/export_number.h"
#include "core/bytes.h"

enum { ROUNDS = 200000 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Floats of any size up to that of the largest edge, and of any sign. */
static float next_float(uint32_t *state)
{
    float value = (float)next_random(state) / (float)(1U << (next_random(state) % 32));
    return next_random(state) % 4 == 0 ? -value : value;
}

static const char *text_of(struct bytes *out)
{
    bytes_put_u8(out, 0);
    assert_false(out->is_bad);
    return (const char *)out->data;
}

static void assert_written(float value, const char *want)
{
    struct bytes out = {0};
    (void)number_put_f32(value, &out);
    assert_string_equal(text_of(&out), want);
    bytes_clear(&out);
}

static void decimals_are_the_shortest_without_an_exponent(void **state)
{
    (void)state;
    assert_written(0, "0");
    assert_written(-0.0F, "0");
    assert_written(0.1F, "0.1");
    assert_written(-2.5F, "-2.5");
    assert_written(100, "100");
    assert_written(1e6F, "1000000");
    assert_written(16777216, "16777216");
    assert_written(0.3F, "0.3");
    assert_written(1.0F / 3, "0.33333334");
    assert_written(639.99994F, "639.99994");
    assert_written(1e-9F, "0.000000001");
}

static void floats_read_back_the_same(void **state)
{
    (void)state;
    uint32_t seed = 1;
    struct bytes out = {0};
    for (int i = 0; i < ROUNDS; i++) {
        float value = next_float(&seed);
        bytes_reset(&out);
        double told = number_put_f32(value, &out);
        const char *text = text_of(&out);
        if (strtof(text, NULL) != value || strtod(text, NULL) != told)
            fail_msg("%.9g as %s", (double)value, text);
        /* With a place less it would be another float. */
        const char *point = strchr(text, '.');
        if (point) {
            double power = pow(10, (double)strlen(point) - 2);
            double rounded = rint((double)value * power) / power;
            if ((float)rounded == value &&
                fabs(rounded - (double)value) < number_tolerance(value))
                fail_msg("%s is longer than it must be", text);
        }
    }
    bytes_clear(&out);
}

/* How a reader has an edge again; `finest` is what is told in units of the scale. */
static void assert_edge(double got, float want, double finest, double scale)
{
    if ((float)got != want && fabs(got - (double)want) > 2 * finest / scale)
        fail_msg("%.17g instead of %.9g", got, (double)want);
}

static void begin_and_extent_give_both_edges_back(void **state)
{
    static const double scales[] = {1, 1.0 / 640, 100.0 / 4096, 1.0 / 99999};
    static const double finest[] = {0, 1e-13, 1e-11, 1e-13};
    uint32_t seed = 2;
    (void)state;
    struct bytes out = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int kind = i % 4;
        float a = (float)(next_random(&seed) % 4000000) / 1024;
        float b = (float)(next_random(&seed) % 4000000) / 999;
        float low = a < b ? a : b, high = a < b ? b : a;
        bytes_reset(&out);
        double begin = number_put_begin(low, scales[kind], finest[kind], &out);
        bytes_put_u8(&out, ' ');
        double extent = number_put_extent(high, begin, scales[kind], finest[kind], &out);
        char *end;
        assert_true(strtod(text_of(&out), &end) == begin);
        assert_true(strtod(end, NULL) == extent);
        assert_edge(begin / scales[kind], low, finest[kind], scales[kind]);
        assert_edge((begin + extent) / scales[kind], high, finest[kind], scales[kind]);
    }
    bytes_clear(&out);
}

static void centre_and_extent_give_both_edges_back(void **state)
{
    uint32_t seed = 3;
    (void)state;
    struct bytes centre = {0}, extent = {0};
    for (int i = 0; i < ROUNDS; i++) {
        double length = 1 + next_random(&seed) % 99999, scale = 1 / length;
        float a = (float)(length * (next_random(&seed) % 1000000) / 1e6);
        float b = (float)(length * (next_random(&seed) % 1000000) / 1e6);
        float low = a < b ? a : b, high = a < b ? b : a;
        bytes_reset(&centre);
        bytes_reset(&extent);
        number_put_centre(low, high, scale, 1e-13, &centre, &extent);
        double middle = strtod(text_of(&centre), NULL);
        double size = strtod(text_of(&extent), NULL);
        assert_true(middle >= 0 && middle <= 1 && size >= 0 && size <= 1);
        assert_edge((middle - size / 2) * length, low, 1e-13, scale);
        assert_edge((middle + size / 2) * length, high, 1e-13, scale);
    }
    bytes_clear(&centre);
    bytes_clear(&extent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_the_shortest_without_an_exponent),
        cmocka_unit_test(floats_read_back_the_same),
        cmocka_unit_test(begin_and_extent_give_both_edges_back),
        cmocka_unit_test(centre_and_extent_give_both_edges_back),
    };
    return cmocka_run_group_tests_name("export_number", tests, NULL, NULL);
}
