/* test_special_token.c - finding the text of special tokens */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "stages/kernels/special_token.h"

static bool find(enum split_pattern pattern, const char *text,
                 struct special_token *found)
{
    return special_token_find(pattern, (const unsigned char *)text, strlen(text), 0,
                              found);
}

static void every_pattern_knows_its_own(void **state)
{
    (void)state;
    static const struct {
        enum split_pattern pattern;
        const char *text;
        uint32_t id;
    } cases[] = {
        {SPLIT_R50K, "<|endoftext|>", 50256},
        {SPLIT_P50K, "<|endoftext|>", 50256},
        {SPLIT_CL100K, "<|endoftext|>", 100257},
        {SPLIT_CL100K, "<|fim_prefix|>", 100258},
        {SPLIT_CL100K, "<|fim_middle|>", 100259},
        {SPLIT_CL100K, "<|fim_suffix|>", 100260},
        {SPLIT_CL100K, "<|endofprompt|>", 100276},
        {SPLIT_O200K, "<|endoftext|>", 199999},
        {SPLIT_O200K, "<|endofprompt|>", 200018},
        {SPLIT_LLAMA3, "<|begin_of_text|>", 128000},
        {SPLIT_LLAMA3, "<|reserved_special_token_0|>", 128002},
        {SPLIT_LLAMA3, "<|reserved_special_token_3|>", 128005},
        {SPLIT_LLAMA3, "<|start_header_id|>", 128006},
        {SPLIT_LLAMA3, "<|reserved_special_token_4|>", 128008},
        {SPLIT_LLAMA3, "<|eot_id|>", 128009},
        {SPLIT_LLAMA3, "<|reserved_special_token_5|>", 128010},
        {SPLIT_LLAMA3, "<|reserved_special_token_250|>", 128255},
        {SPLIT_QWEN, "<|im_start|>", 151644},
        {SPLIT_QWEN, "<|extra_204|>", 151850},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct special_token found;
        assert_true(find(cases[i].pattern, cases[i].text, &found));
        assert_int_equal(found.id, cases[i].id);
        assert_int_equal(found.begin, 0);
        assert_int_equal(found.end, strlen(cases[i].text));
        assert_true(special_token_has_id(cases[i].pattern, cases[i].id));
        assert_false(special_token_has_id(cases[i].pattern, 255));
    }
}

static void the_leftmost_is_found_wherever_it_stands(void **state)
{
    (void)state;
    struct special_token found;
    static const char text[] = "<<|x|><|<|endoftext|><|endoftext|>";
    assert_true(find(SPLIT_CL100K, text, &found));
    assert_int_equal(found.begin, 8);
    assert_int_equal(found.end, 21);
    assert_true(special_token_find(SPLIT_CL100K, (const unsigned char *)text,
                                   strlen(text), 21, &found));
    assert_int_equal(found.begin, 21);
    assert_int_equal(found.end, 34);
}

static void what_is_nearly_one_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "<",
                                        "<|",
                                        "<|endoftext|",
                                        "<|endoftext",
                                        "<|endoftext |>",
                                        "<|ENDOFTEXT|>",
                                        "<|endoftextx|>",
                                        "<|reserved_special_token_|>",
                                        "<|reserved_special_token_05|>",
                                        "<|reserved_special_token_251|>",
                                        "<|reserved_special_token_99999999999|>",
                                        "<|extra_205|>",
                                        "<||>"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct special_token found;
        for (int p = 0; p < SPLIT_PATTERN_COUNT; p++)
            assert_false(find((enum split_pattern)p, texts[i], &found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_knows_its_own),
        cmocka_unit_test(the_leftmost_is_found_wherever_it_stands),
        cmocka_unit_test(what_is_nearly_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
