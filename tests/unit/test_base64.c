/* test_base64.c - base64 is read strictly */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/base64.h"
#include "core/bytes.h"

static bool decode(const char *text, unsigned char *out, size_t *size)
{
    return base64_decode((const unsigned char *)text, strlen(text), out, size);
}

static void the_vectors_of_the_standard_are_read_and_written(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        unsigned char out[16];
        size_t size;
        assert_true(decode(vectors[i][0], out, &size));
        assert_int_equal(size, strlen(vectors[i][1]));
        assert_memory_equal(out, vectors[i][1], size);
        struct bytes text = {0};
        base64_put(vectors[i][1], strlen(vectors[i][1]), &text);
        assert_int_equal(text.size, strlen(vectors[i][0]));
        if (text.size > 0)
            assert_memory_equal(text.data, vectors[i][0], text.size);
        bytes_clear(&text);
    }
}

static void every_digit_has_its_value(void **state)
{
    (void)state;
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char out[48];
    size_t size;
    assert_true(decode(digits, out, &size));
    assert_int_equal(size, 48);
    for (unsigned i = 0; i < 64; i++) {
        unsigned bits = (unsigned)out[i * 6 / 8] << 8;
        bits |= i * 6 / 8 + 1 < 48 ? out[i * 6 / 8 + 1] : 0;
        assert_int_equal(bits >> (10 - i * 6 % 8) & 63, i);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "A",    "AA",   "AAA",  "A===", "====",   "AA=A",    "=AAA",
        "AB==", "AAB=", "AA A", "AA-_", "AAAA\n", "AAAAA==="};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        unsigned char out[16];
        size_t size;
        assert_false(decode(wrong[i], out, &size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_standard_are_read_and_written),
        cmocka_unit_test(every_digit_has_its_value),
        cmocka_unit_test(what_is_not_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
