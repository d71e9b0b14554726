/* test_split_pcre2.c - the splitters against PCRE2 on random text
 *
 * Needs -DWITH_PCRE2 and -lpcre2-8. PCRE2's Unicode tables are older than ours, and its
 * \s has U+180E: code points are taken only where both agree on all classes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/kernels/split.h"

#ifdef WITH_PCRE2

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stages/kernels/unicode_tables.h"
#include "tests/text_goldens.h"

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static pcre2_code *compile(const char *expression)
{
    int number;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY,
                                     &number, &offset, NULL);
    assert_non_null(code);
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return code;
}

struct oracle {
    pcre2_code *classes[8];
    pcre2_match_data *match;
};

static void oracle_open(struct oracle *oracle)
{
    static const char *const expressions[8] = {
        [CLASS_OTHER] = "[^\\s\\p{L}\\p{N}\\p{M}]",
        [CLASS_SPACE] = "(?![\\r\\n])\\s",
        [CLASS_NEWLINE] = "[\\r\\n]",
        [CLASS_NUMBER] = "\\p{N}",
        [CLASS_UPPER] = "[\\p{Lu}\\p{Lt}]",
        [CLASS_LOWER] = "\\p{Ll}",
        [CLASS_LETTER] = "[\\p{Lm}\\p{Lo}]",
        [CLASS_MARK] = "\\p{M}",
    };
    for (size_t i = 0; i < 8; i++)
        oracle->classes[i] = compile(expressions[i]);
    oracle->match = pcre2_match_data_create(2, NULL);
    assert_non_null(oracle->match);
}

static void oracle_close(struct oracle *oracle)
{
    for (size_t i = 0; i < 8; i++)
        pcre2_code_free(oracle->classes[i]);
    pcre2_match_data_free(oracle->match);
}

static bool agrees(struct oracle *oracle, uint32_t point)
{
    unsigned char text[4];
    if ((point >= 0xD800 && point < 0xE000) || point > 0x10FFFF)
        return false;
    size_t size = json_put_point(text, point);
    return pcre2_match(oracle->classes[unicode_class_of(point)], text, size, 0, 0,
                       oracle->match, NULL) > 0;
}

/* Characters that decide something, many times over what chance would bring. */
static uint32_t random_point(struct oracle *oracle, uint64_t *seed)
{
    static const uint32_t frequent[] = {
        ' ',     ' ',     ' ',     '\n',   '\r',  '\t',    '\'',   '\'',  's',  'S',
        't',     'l',     'L',     'e',    'v',   'r',     'M',    'd',   '/',  '.',
        '!',     '1',     '2',     'A',    'z',   0x17F,   0x212A, 0xA0,  0x85, 0x2028,
        0x3000,  0x1680,  0x200B,  0xFEFF, 0x301, 0x903,   0x20DD, 0x2B0, 0xAA, 0x3042,
        0x4E2D,  0x1C5,   0x660,   0x2167, 0xBD,  0x1F600, 0x200D, 0xE9,  0xC9, 0x1C,
        0x1D7CE, 0x10400, 0x10428, 0x130,  0x131, 0xDF};
    for (;;) {
        uint32_t point;
        uint64_t kind = random_next(seed) % 16;
        if (kind < 10)
            point = frequent[random_next(seed) % (sizeof frequent / sizeof *frequent)];
        else if (kind < 13)
            point = (uint32_t)(random_next(seed) % 128);
        else if (kind < 15)
            point = (uint32_t)(random_next(seed) % 0x3000);
        else
            point = (uint32_t)(random_next(seed) % 0x20000);
        if (agrees(oracle, point))
            return point;
    }
}

static void compare(enum split_pattern pattern, pcre2_code *code, pcre2_match_data *match,
                    const unsigned char *text, size_t size)
{
    size_t ends[512], at = 0, from = 0, count = 0, found_now;
    while ((found_now =
                split_pieces(pattern, text, size, &at, ends + count, 512 - count)) > 0)
        count += found_now;
    for (size_t i = 0; i < count; i++) {
        assert_true(pcre2_match(code, text, size, from, PCRE2_NO_UTF_CHECK, match, NULL) >
                    0);
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
        assert_int_equal(found[0], from);
        if (found[1] != ends[i]) {
            for (size_t b = 0; b < size; b++)
                print_error("%02x ", text[b]);
            fail_msg("pattern %d: a piece from %zu ends at %zu instead of %zu",
                     (int)pattern, from, ends[i], (size_t)found[1]);
        }
        from = ends[i];
    }
    assert_int_equal(from, size);
}

static void random_text_is_cut_as_pcre2_does(void **state)
{
    (void)state;
    struct oracle oracle;
    oracle_open(&oracle);
    uint64_t seed = 20160;
    for (int p = 0; p < SPLIT_PATTERN_COUNT; p++) {
        pcre2_code *code = compile(split_expression((enum split_pattern)p));
        for (int round = 0; round < 40000; round++) {
            unsigned char text[256];
            size_t size = 0, points = random_next(&seed) % 40;
            for (size_t i = 0; i < points; i++)
                size += json_put_point(text + size, random_point(&oracle, &seed));
            unsigned char *exact = malloc(size ? size : 1);
            assert_non_null(exact);
            memcpy(exact, text, size);
            compare((enum split_pattern)p, code, oracle.match, exact, size);
            free(exact);
        }
        pcre2_code_free(code);
    }
    oracle_close(&oracle);
}

/* Every text of up to six characters over the white space that patterns tell apart, and
 * of what may follow it. */
static void all_white_space_is_cut_as_pcre2_does(void **state)
{
    (void)state;
    static const char *const alphabet[] = {" ", "\n", "\t", "\r", "\u3000", "a", "!"};
    enum { LETTERS = sizeof alphabet / sizeof *alphabet };
    pcre2_match_data *match = pcre2_match_data_create(2, NULL);
    for (int p = 0; p < SPLIT_PATTERN_COUNT; p++) {
        pcre2_code *code = compile(split_expression((enum split_pattern)p));
        for (size_t length = 1, total = LETTERS; length <= 6;
             length++, total *= LETTERS) {
            for (size_t number = 0; number < total; number++) {
                unsigned char text[32];
                size_t size = 0;
                for (size_t i = 0, rest = number; i < length; i++, rest /= LETTERS) {
                    const char *letter = alphabet[rest % LETTERS];
                    memcpy(text + size, letter, strlen(letter));
                    size += strlen(letter);
                }
                compare((enum split_pattern)p, code, match, text, size);
            }
        }
        pcre2_code_free(code);
    }
    pcre2_match_data_free(match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_text_is_cut_as_pcre2_does),
        cmocka_unit_test(all_white_space_is_cut_as_pcre2_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void skipped_without_pcre2(void **state)
{
    (void)state;
    print_message("skipped: built without PCRE2\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(skipped_without_pcre2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
