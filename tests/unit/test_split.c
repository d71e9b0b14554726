/* test_split.c - cutting text into pieces, by hand-derived cases */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages/kernels/split.h"

static const char *const names[SPLIT_PATTERN_COUNT] = {"r50k",  "p50k",   "cl100k",
                                                       "o200k", "llama3", "qwen"};

/* The text is the concatenation of `pieces` (NULL-terminated); one call a piece, and all
 * in one call, give exactly these. */
static void check(enum split_pattern pattern, const char *const *pieces)
{
    unsigned char text[256];
    size_t size = 0, count = 0, ends[64], at = 0, step = 0;
    for (; pieces[count]; count++) {
        memcpy(text + size, pieces[count], strlen(pieces[count]));
        size += strlen(pieces[count]);
    }
    unsigned char *exact = malloc(size); /* so that a read past the end shows */
    assert_non_null(exact);
    memcpy(exact, text, size);
    size_t found = split_pieces(pattern, exact, size, &at, ends, 64);
    for (size_t i = 0, end = 0; i < count && i < found; i++) {
        end += strlen(pieces[i]);
        if (ends[i] != end)
            fail_msg("%s: piece %zu, \"%s\", ends at %zu instead of %zu", names[pattern],
                     i, pieces[i], ends[i], end);
    }
    assert_int_equal(found, count);
    assert_int_equal(at, size);
    for (size_t i = 0; i < count; i++) {
        size_t end;
        assert_int_equal(split_pieces(pattern, exact, size, &step, &end, 1), 1);
        assert_int_equal(end, ends[i]);
    }
    free(exact);
}

#define CHECK(pattern, ...) check((pattern), (const char *const[]){__VA_ARGS__, NULL})

static void words_take_one_space(void **state)
{
    (void)state;
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        CHECK((enum split_pattern)i, "Hello", " world", " again", ".");
        CHECK((enum split_pattern)i, " a", " b", " ");
        CHECK((enum split_pattern)i, "caf\u00e9", " \u4e2d\u6587", " \u0431\u0443\u043a");
    }
}

static void a_run_of_space_gives_its_last_character_back(void **state)
{
    (void)state;
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        CHECK((enum split_pattern)i, "a", "  ", " b");
        CHECK((enum split_pattern)i, "a", "   ");
        CHECK((enum split_pattern)i, "a", "\u3000\u3000", " b");
    }
    CHECK(SPLIT_R50K, "a", "\u00a0\u3000", "\u00a0", "b");
    CHECK(SPLIT_CL100K, "a", "\u00a0\u3000", "\u00a0b");
    CHECK(SPLIT_R50K, "\n", "\n", "x");
    CHECK(SPLIT_CL100K, "  ", " ", "3");
}

static void what_is_no_white_space_is_none(void **state)
{
    (void)state;
    /* U+180E, U+200B, U+FEFF and U+001F are not; U+0085 and U+2028 are */
    CHECK(SPLIT_R50K, "\u180e\u200b\ufeff\x1f", "x");
    CHECK(SPLIT_R50K, "\xc2\x85", "\u2028", "x");
}

static void contractions_keep_their_case_rules(void **state)
{
    (void)state;
    CHECK(SPLIT_R50K, "it", "'s", " I", "'", "LL", "'ll", "'", "x");
    CHECK(SPLIT_R50K, "'", "\u017f");
    CHECK(SPLIT_CL100K, "it", "'s", " I", "'LL", "'re", "'Ve", "'x");
    CHECK(SPLIT_CL100K, "I", "'\u017f", "x");
    CHECK(SPLIT_CL100K, "'l", " '", "r", "'t", "ill");
    CHECK(SPLIT_O200K, "don'T", " I'\u017f", "x");
    CHECK(SPLIT_O200K, "'s'LL", "ve'd");
}

static void digits_are_limited_by_the_pattern(void **state)
{
    (void)state;
    CHECK(SPLIT_R50K, "1234567", " 89");
    CHECK(SPLIT_P50K, "1234567", " 89");
    CHECK(SPLIT_CL100K, "123", "456", "7", " ", "89");
    CHECK(SPLIT_LLAMA3, "123", "4");
    CHECK(SPLIT_O200K, "123", "4");
    CHECK(SPLIT_QWEN, "1", "2", "3", " ", "4");
    CHECK(SPLIT_CL100K, "\u00bd\u00b2\u2167", "\u0663"); /* No, No, Nl; Nd */
}

static void a_word_takes_any_single_character_before_it(void **state)
{
    (void)state;
    CHECK(SPLIT_CL100K, "\tfoo", "\"bar", "\"");
    CHECK(SPLIT_CL100K, "\U0001f600abc", "\u0301x");
    CHECK(SPLIT_CL100K, "\n", "foo", "!!", "a");
    CHECK(SPLIT_R50K, "\t", "foo", "\"", "bar", "\"");
}

static void symbols_take_line_ends(void **state)
{
    (void)state;
    CHECK(SPLIT_R50K, " !!", "\n", "\n", "x");
    CHECK(SPLIT_CL100K, " !!\r\n\n", "x");
    CHECK(SPLIT_CL100K, "a", "/\n", "/b");
    CHECK(SPLIT_O200K, "a", "/\n/", "b");
    CHECK(SPLIT_CL100K, "x", " \n\n", " y", "\n\t\n", "\t", "\tz");
    CHECK(SPLIT_CL100K, "x", " \n", "  ");
}

static void o200k_goes_back_between_upper_and_lower(void **state)
{
    (void)state;
    CHECK(SPLIT_O200K, "Hello", "WORLDFoo's", " ABC");
    CHECK(SPLIT_O200K, "camel", "Case", "XMLHttp", "Request");
    CHECK(SPLIT_O200K, "A\u3042", "BC");         /* Lo is upper and lower */
    CHECK(SPLIT_O200K, " A\u3042B\u3042", "CD"); /* the last of them ends the word */
    CHECK(SPLIT_O200K, "\u01c5abc", "\u01c5");   /* Lt is upper */
    CHECK(SPLIT_O200K, "-\u0301", "AB");         /* a mark is both */
    CHECK(SPLIT_O200K, "\u0301", "ABC");         /* no prefix where that fails */
    CHECK(SPLIT_O200K, "\u0301's");
    CHECK(SPLIT_O200K, "\u0301ABc\u0301a");
    CHECK(SPLIT_O200K, "\u4e2d'LL", "\u4e2d");
}

static void every_bad_byte_is_a_symbol(void **state)
{
    (void)state;
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        enum split_pattern pattern = (enum split_pattern)i;
        CHECK(pattern, "a", "\xff\xfe", " b");
        CHECK(pattern, "a", "\xed\xa0\x80"); /* a surrogate */
        CHECK(pattern, "a", "\xc0\xaf");     /* overlong */
        CHECK(pattern, "a", "\xe0\x80\xaf");
        CHECK(pattern, "a", "\xf4\x90\x80\x80"); /* past U+10FFFF */
        CHECK(pattern, "a", "\xe3\x81");         /* cut */
        CHECK(pattern, "a", "\xf0\x9f\x98");
        CHECK(pattern, "a", "\xc3");
        CHECK(pattern, "a", "\x80\xbf");
    }
    CHECK(SPLIT_CL100K,
          "\xff"
          "a",
          "\xe3\xff", "1");
}

static void nothing_has_no_pieces(void **state)
{
    (void)state;
    size_t at = 0, end;
    assert_int_equal(
        split_pieces(SPLIT_CL100K, (const unsigned char *)"", 0, &at, &end, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_take_one_space),
        cmocka_unit_test(a_run_of_space_gives_its_last_character_back),
        cmocka_unit_test(what_is_no_white_space_is_none),
        cmocka_unit_test(contractions_keep_their_case_rules),
        cmocka_unit_test(digits_are_limited_by_the_pattern),
        cmocka_unit_test(a_word_takes_any_single_character_before_it),
        cmocka_unit_test(symbols_take_line_ends),
        cmocka_unit_test(o200k_goes_back_between_upper_and_lower),
        cmocka_unit_test(every_bad_byte_is_a_symbol),
        cmocka_unit_test(nothing_has_no_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
