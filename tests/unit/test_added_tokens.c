/* test_added_tokens.c - added tokens in text: against Hugging Face's, and a plain search */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/added_tokens.h"
#include "stages/kernels/word_character.h"

struct fixture {
    struct bytes image;
    struct added_tokens tokens;
};

static void build(struct fixture *fixture, const struct added_token *tokens, size_t count)
{
    struct error error = {0};
    struct arena *work = arena_create(1 << 16, 0);
    *fixture = (struct fixture){0};
    assert_int_equal(added_tokens_build(tokens, count, work, &fixture->image, &error),
                     OK);
    assert_int_equal(added_tokens_open(fixture->image.data, fixture->image.size,
                                       &fixture->tokens, &error),
                     OK);
    arena_destroy(work);
}

#define TOKEN(name, number)                                                       \
    {                                                                             \
        .text = {(const unsigned char *)(name), sizeof(name) - 1}, .id = (number) \
    }

struct wanted_match {
    uint32_t id;
    size_t begin, end;
};

static void check_matches(const struct fixture *fixture, const void *text, size_t size,
                          const struct wanted_match *wanted)
{
    struct added_cursor cursor = {0};
    struct added_match match;
    unsigned char *copy = malloc(size ? size : 1); /* of exactly its size */
    memcpy(copy, text, size);
    size_t i = 0;
    while (added_tokens_next(&fixture->tokens, copy, size, &cursor, &match)) {
        assert_int_equal(match.id, wanted[i].id);
        assert_int_equal(match.begin, wanted[i].begin);
        assert_int_equal(match.end, wanted[i].end);
        i++;
    }
    assert_int_equal(wanted[i].id, 0);
    free(copy);
}

/* Matches as Hugging Face's tokenizers 0.22.2 finds them, through npm @anush008/tokenizers
 * 0.6.0, offsets turned into bytes. */
static void flags_are_obeyed_as_by_hugging_face(void **state)
{
    (void)state;
    static const struct added_token tokens[] = {
        {.text = {(const unsigned char *)"<s>", 3}, .id = 256, .is_special = true},
        {.text = {(const unsigned char *)"<sp>", 4},
         .id = 257,
         .is_left_stripped = true,
         .is_right_stripped = true},
        {.text = {(const unsigned char *)"ab", 2}, .id = 258, .is_single_word = true},
        TOKEN("abc", 259),
        {.text = {(const unsigned char *)"<l>", 3}, .id = 260, .is_left_stripped = true},
        {.text = {(const unsigned char *)"<r>", 3}, .id = 261, .is_right_stripped = true},
        {.text = {(const unsigned char *)"xx", 2},
         .id = 262,
         .is_single_word = true,
         .is_left_stripped = true,
         .is_right_stripped = true},
        {.text = {(const unsigned char *)"\xc3\xa9\xc3\xa9", 4},
         .id = 263,
         .is_single_word = true},
        TOKEN("  ", 264),
    };
    static const struct {
        const char *text;
        struct wanted_match matches[8];
    } cases[] = {
        {"a<s>b", {{256, 1, 4}}},
        {" <sp> a", {{257, 0, 6}}},
        {"\xe3\x80\x80<sp>\xc2\xa0\n<sp> q", {{257, 0, 10}, {257, 10, 15}}},
        {"ab abc abx xab _ab ab_ ab", {{258, 0, 2}, {259, 3, 6}, {258, 23, 25}}},
        {"(ab)", {{258, 1, 3}}},
        {"\xc3\xa9"
         "ab ab\xc3\xa9",
         {{0}}},
        {"1ab ab1 \xc2\xbd"
         "ab ab\xc2\xbd",
         {{258, 10, 12}, {258, 13, 15}}},
        {"  <l>  <l> ", {{264, 0, 2}, {260, 2, 5}, {264, 5, 7}, {260, 7, 10}}},
        {" <r> <r>  ", {{261, 1, 5}, {261, 5, 10}, {264, 8, 10}}},
        {"  xx  xx axx", {{264, 0, 2}, {262, 2, 6}, {264, 4, 6}, {262, 6, 9}}},
        {"\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9",
         {{263, 0, 4}, {263, 14, 18}}},
        {"<r>   y", {{261, 0, 6}, {264, 3, 5}}},
        {"\xe2\x92\xb6"
         "ab ab\xe2\x92\xb6 \xe2\x80\x8d"
         "ab ab\xe2\x80\xbf",
         {{0}}},
        {"<s><s><sp", {{256, 0, 3}, {256, 3, 6}}},
        {"   xx", {{264, 0, 2}, {262, 2, 5}}},
        {"ab\xcc\x81 \xcc\x81"
         "ab",
         {{0}}},
    };
    struct fixture fixture;
    build(&fixture, tokens, sizeof tokens / sizeof *tokens);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_matches(&fixture, cases[i].text, strlen(cases[i].text), cases[i].matches);
    bytes_clear(&fixture.image);
}

static void the_longest_counts_and_of_equals_the_first(void **state)
{
    (void)state;
    static const struct added_token tokens[] = {
        TOKEN("<a>", 1), TOKEN("<a>b", 2), TOKEN("<a>", 3), TOKEN("", 4), TOKEN("q", 5)};
    static const struct wanted_match wanted[] = {{1, 0, 3},  {2, 3, 7},   {5, 7, 8},
                                                 {1, 8, 11}, {5, 12, 13}, {0}};
    struct fixture fixture;
    build(&fixture, tokens, sizeof tokens / sizeof *tokens);
    check_matches(&fixture,
                  "<a><a>bq<a>c"
                  "q",
                  13, wanted);
    bytes_clear(&fixture.image);
}

/* The plain search: at each place every token. */
static size_t find_plainly(const struct added_token *tokens, size_t count,
                           const unsigned char *text, size_t size,
                           struct wanted_match *matches)
{
    size_t found = 0;
    for (size_t at = 0; at < size;) {
        size_t longest = 0;
        for (size_t i = 0; i < count; i++) {
            size_t length = tokens[i].text.size;
            if (length > longest && length <= size - at &&
                memcmp(text + at, tokens[i].text.bytes, length) == 0) {
                longest = length;
                matches[found] = (struct wanted_match){tokens[i].id, at, at + length};
            }
        }
        found += longest > 0;
        at += longest > 0 ? longest : 1;
    }
    matches[found].id = 0;
    return found;
}

static void random_texts_are_searched_as_plainly(void **state)
{
    (void)state;
    enum { TOKENS = 24, SIZE = 300 };
    uint64_t seed = 9;
    for (unsigned turn = 0; turn < 600; turn++) {
        struct added_token tokens[TOKENS];
        unsigned char names[TOKENS][6], text[SIZE];
        struct wanted_match wanted[SIZE + 1];
        size_t count = 1 + turn % TOKENS;
        unsigned letters = 2 + turn % 7, shortest = 1 + turn % 2;
        for (size_t i = 0; i < count; i++) {
            size_t size = shortest + (seed >> 40) % 5;
            for (size_t k = 0; k < size; k++) {
                seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
                names[i][k] = (unsigned char)('a' + (seed >> 33) % letters);
            }
            tokens[i] =
                (struct added_token){.text = {names[i], size}, .id = (uint32_t)i + 1};
        }
        for (size_t i = 0; i < SIZE; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            text[i] = (unsigned char)('a' + (seed >> 33) % (letters + turn % 20));
        }
        struct fixture fixture;
        build(&fixture, tokens, count);
        (void)find_plainly(tokens, count, text, SIZE - turn % 50, wanted);
        check_matches(&fixture, text, SIZE - turn % 50, wanted);
        bytes_clear(&fixture.image);
    }
}

static void a_damaged_image_is_refused(void **state)
{
    (void)state;
    static const struct added_token tokens[] = {TOKEN("<a>", 1), TOKEN("<b>", 2)};
    struct fixture fixture;
    struct added_tokens view;
    struct error error;
    build(&fixture, tokens, 2);
    for (size_t size = 0; size < fixture.image.size; size++)
        assert_int_equal(added_tokens_open(fixture.image.data, size, &view, &error),
                         ERROR_DAMAGED);
    bytes_clear(&fixture.image);
}

static void words_are_made_of_word_characters(void **state)
{
    (void)state;
    static const uint32_t inside[] = {'a',    'Z',     '0',    '_',    0xE9,
                                      0x301,  0x4E2D,  0x2160, 0x24B6, 0x200D,
                                      0x203F, 0x1F130, 0x661,  0xAA};
    static const uint32_t outside[] = {' ',    '-',     0xA0,   0xBD,   0xB2,     0x2460,
                                       0x20AC, 0x1F600, 0x3000, 0x2028, 0x10FFFF, 0x0};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        assert_true(is_word_character(inside[i]));
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_false(is_word_character(outside[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_obeyed_as_by_hugging_face),
        cmocka_unit_test(the_longest_counts_and_of_equals_the_first),
        cmocka_unit_test(random_texts_are_searched_as_plainly),
        cmocka_unit_test(a_damaged_image_is_refused),
        cmocka_unit_test(words_are_made_of_word_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
