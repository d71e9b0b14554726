/* test_masking.c - random streams, and masks against plain code with the same draws */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/kernels/masking.h"

enum { VOCABULARY = 1000, LONGEST = 600, MASK = 3, SPECIALS = 5, WHOLE = 1000000 };

/* ---- random streams ---- */

static void philox_gives_the_published_numbers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], block[4];
    } known[] = {{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                 {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                  {0xffffffff, 0xffffffff},
                  {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                 {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                  {0xa4093822, 0x299f31d0},
                  {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t block[4];
        philox_block(known[i].counter, known[i].key, block);
        assert_memory_equal(block, known[i].block, sizeof block);
    }
}

static void a_stream_is_block_after_block(void **state)
{
    (void)state;
    struct random_stream stream;
    random_stream_init(&stream, 0x1122334455667788, 0x99aabbccddeeff00);
    static const uint32_t key[2] = {0x55667788, 0x11223344};
    for (uint32_t n = 0; n < 10; n++) {
        const uint32_t counter[4] = {n, 0, 0xddeeff00, 0x99aabbcc};
        uint32_t block[4];
        philox_block(counter, key, block);
        for (int i = 0; i < 4; i++)
            assert_int_equal(random_stream_next(&stream), block[i]);
    }
}

static void numbers_below_a_bound_come_equally_often(void **state)
{
    (void)state;
    enum { BOUND = 7, DRAWS = 140000 };
    uint32_t counts[BOUND] = {0}, long_counts[BOUND] = {0};
    struct random_stream stream;
    random_stream_init(&stream, 1, 2);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t drawn = random_stream_below(&stream, BOUND);
        uint64_t long_one = random_stream_below_long(&stream, BOUND);
        assert_true(drawn < BOUND && long_one < BOUND);
        counts[drawn]++;
        long_counts[long_one]++;
    }
    for (int i = 0; i < BOUND; i++) { /* six standard deviations of 131 */
        assert_in_range(counts[i], DRAWS / BOUND - 790, DRAWS / BOUND + 790);
        assert_in_range(long_counts[i], DRAWS / BOUND - 790, DRAWS / BOUND + 790);
    }
    assert_int_equal(random_stream_below(&stream, 1), 0);
}

static void large_bounds_are_not_skewed(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    struct random_stream stream;
    uint32_t low = 0;
    random_stream_init(&stream, 3, 4);
    /* Without rejection the lower half of 3 * 2^30 would come twice as often. */
    for (int i = 0; i < DRAWS; i++)
        low += random_stream_below(&stream, 0xC0000000) < 0x60000000;
    assert_in_range(low, DRAWS / 2 - 740, DRAWS / 2 + 740);
}

static void shuffles_keep_every_item(void **state)
{
    (void)state;
    uint32_t items[100], seen[100] = {0}, first[5] = {0};
    struct random_stream stream;
    random_stream_init(&stream, 5, 6);
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    random_stream_shuffle(&stream, items, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(seen[items[i]]++, 0);
    for (int round = 0; round < 10000; round++) {
        uint32_t few[5] = {0, 1, 2, 3, 4};
        random_stream_shuffle(&stream, few, 5);
        first[few[0]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(first[i], 2000 - 240, 2000 + 240);
}

static void shares_are_rounded_halves_to_even(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        double share;
        uint64_t rounded;
    } known[] = {{10, 0.15, 2}, {30, 0.15, 4},   {50, 0.15, 8},  {1, 0.15, 0},
                 {7, 0.15, 1},  {512, 0.15, 77}, {5, 0.5, 2},    {7, 0.5, 4},
                 {9, 0, 0},     {9, 1, 9},       {128, 0.15, 19}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(round_share(known[i].count, share_of_real(known[i].share)),
                         known[i].rounded);
}

/* ---- choosing ---- */

/* Tokens 0 ... SPECIALS - 1 are special; every third one goes on with a word. */
static void make_rule(struct mask_rule *rule, enum mask_unit unit, unsigned char *flags)
{
    for (uint32_t i = 0; i < VOCABULARY; i++)
        flags[i] = i < SPECIALS ? TOKEN_IS_SPECIAL : i % 3 == 0 ? TOKEN_CONTINUES : 0;
    *rule = (struct mask_rule){.unit = unit,
                               .share = 150000,
                               .max_span = 10,
                               .mask_share = 800000,
                               .random_share = 100000,
                               .mask_token = MASK,
                               .flags = flags,
                               .vocabulary_size = VOCABULARY,
                               .drawn_size = VOCABULARY};
}

static uint32_t random_tokens(uint32_t *tokens)
{
    uint32_t count = 1 + (uint32_t)rand() % (LONGEST - 1);
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = rand() % 20 ? SPECIALS + (uint32_t)rand() % (VOCABULARY - SPECIALS)
                                : (uint32_t)rand() % SPECIALS;
    return count;
}

static bool starts_word(const unsigned char *flags, const uint32_t *tokens, uint32_t i)
{
    return i == 0 || flags[tokens[i]] != TOKEN_CONTINUES || tokens[i - 1] < SPECIALS;
}

/* SpanBERT's loop, with sets as arrays of flags. */
static void reference_spans(const struct mask_rule *rule, const uint32_t *tokens,
                            uint32_t count, uint32_t wanted, struct random_stream *stream,
                            unsigned char *mask)
{
    uint32_t masked = 0;
    memset(mask, 0, count);
    while (masked < wanted) {
        uint32_t span = mask_draw_span(rule, stream);
        uint32_t anchor = random_stream_below(stream, count);
        if (mask[anchor] || tokens[anchor] < SPECIALS)
            continue;
        uint32_t left = anchor;
        while (left > 0 && !starts_word(rule->flags, tokens, left))
            left--;
        uint32_t words = 0, at = left;
        while (words < span && at < count && tokens[at] >= SPECIALS && masked < wanted) {
            uint32_t end = at + 1;
            while (end < count && tokens[end] >= SPECIALS &&
                   !starts_word(rule->flags, tokens, end))
                end++;
            for (; at < end && masked < wanted; at++) {
                masked += !mask[at];
                mask[at] = 1;
            }
            at = end;
            words++;
        }
    }
}

/* BERT's loop: groups in random order, passing over those that do not fit. */
static void reference_groups(const struct mask_rule *rule, const uint32_t *tokens,
                             uint32_t count, uint32_t wanted,
                             struct random_stream *stream, unsigned char *mask)
{
    uint32_t group_of[LONGEST], order[LONGEST], sizes[LONGEST] = {0};
    uint32_t groups = 0, masked = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i] < SPECIALS) {
            group_of[i] = UINT32_MAX;
            continue;
        }
        if (rule->unit == MASK_TOKEN || starts_word(rule->flags, tokens, i))
            groups++;
        group_of[i] = groups - 1;
        sizes[groups - 1]++;
    }
    for (uint32_t i = 0; i < groups; i++)
        order[i] = i;
    memset(mask, 0, count);
    for (uint32_t i = 0; i < groups && masked < wanted; i++) {
        uint32_t other = i + random_stream_below(stream, groups - i), item = order[other];
        order[other] = order[i];
        if (masked + sizes[item] > wanted)
            continue;
        masked += sizes[item];
        for (uint32_t k = 0; k < count; k++)
            if (group_of[k] == item)
                mask[k] = 1;
    }
}

static void what_is_chosen_is_as_in_the_reference(void **state)
{
    (void)state;
    static unsigned char flags[VOCABULARY], chosen[LONGEST], wanted[LONGEST];
    static uint32_t tokens[LONGEST], work[2 * LONGEST];
    struct mask_rule rule;
    srand(2);
    for (int round = 0; round < 3000; round++) {
        make_rule(&rule, (enum mask_unit)(round % 3), flags);
        rule.share = round % 5 ? 150000 : (uint32_t)rand() % (WHOLE + 1);
        rule.max_predictions = round % 7 ? 0 : 20;
        uint32_t count = random_tokens(tokens), candidates = 0, sum = 0;
        for (uint32_t i = 0; i < count; i++)
            candidates += tokens[i] >= SPECIALS;
        uint32_t budget = mask_budget(&rule, count, candidates);
        struct random_stream stream, same;
        random_stream_init(&stream, (uint64_t)round, 9);
        same = stream;
        uint32_t found = mask_choose(&rule, tokens, count, &stream, work, chosen);
        if (rule.unit == MASK_SPAN)
            reference_spans(&rule, tokens, count, budget, &same, wanted);
        else
            reference_groups(&rule, tokens, count, budget, &same, wanted);
        assert_memory_equal(chosen, wanted, count);
        for (uint32_t i = 0; i < count; i++)
            sum += chosen[i];
        assert_int_equal(found, sum);
        assert_true(found <= budget);
        if (rule.unit != MASK_WORD)
            assert_int_equal(found, budget);
    }
}

static void budgets_follow_their_programs(void **state)
{
    (void)state;
    static unsigned char flags[VOCABULARY];
    struct mask_rule rule;
    make_rule(&rule, MASK_TOKEN, flags);
    assert_int_equal(mask_budget(&rule, 128, 125), 19);
    assert_int_equal(mask_budget(&rule, 2, 2), 1);
    assert_int_equal(mask_budget(&rule, 3, 0), 0);
    rule.max_predictions = 10;
    assert_int_equal(mask_budget(&rule, 128, 125), 10);
    rule.max_predictions = 0;
    rule.unit = MASK_SPAN;
    assert_int_equal(mask_budget(&rule, 128, 121), 19); /* 18.15 */
    assert_int_equal(mask_budget(&rule, 128, 120), 18);
}

static void every_token_is_chosen_equally_often(void **state)
{
    (void)state;
    enum { COUNT = 40, ROUNDS = 20000 };
    static unsigned char flags[VOCABULARY], chosen[COUNT];
    uint32_t tokens[COUNT], work[2 * COUNT], counts[COUNT] = {0};
    struct mask_rule rule;
    make_rule(&rule, MASK_TOKEN, flags);
    for (uint32_t i = 0; i < COUNT; i++)
        tokens[i] = SPECIALS + i;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct random_stream stream;
        random_stream_init(&stream, round, 1);
        (void)mask_choose(&rule, tokens, COUNT, &stream, work, chosen);
        for (uint32_t i = 0; i < COUNT; i++)
            counts[i] += chosen[i];
    }
    for (uint32_t i = 0; i < COUNT; i++) /* 6 of 40; six standard deviations of 51 */
        assert_in_range(counts[i], ROUNDS * 6 / COUNT - 306, ROUNDS * 6 / COUNT + 306);
}

static void spans_are_geometric(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    uint32_t counts[11] = {0};
    struct mask_rule rule = {.max_span = 10};
    struct random_stream stream;
    random_stream_init(&stream, 7, 8);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t length = mask_draw_span(&rule, &stream);
        assert_in_range(length, 1, 10);
        counts[length]++;
    }
    double sum = 1 - pow(0.8, 10);
    for (int length = 1; length <= 10; length++) {
        double share = 0.2 * pow(0.8, length - 1) / sum;
        double deviation = sqrt(share * (1 - share) * DRAWS);
        assert_true(fabs(counts[length] - share * DRAWS) < 5 * deviation);
    }
    rule.max_span = 1;
    assert_int_equal(mask_draw_span(&rule, &stream), 1);
}

/* ---- replacing ---- */

static void masks_random_and_kept_tokens_have_their_shares(void **state)
{
    (void)state;
    enum { COUNT = 500, ROUNDS = 400 };
    static unsigned char flags[VOCABULARY], chosen[COUNT];
    static uint32_t tokens[COUNT];
    for (int unit = MASK_TOKEN; unit <= MASK_SPAN; unit += 2) {
        struct mask_rule rule;
        uint32_t masked = 0, kept = 0, random = 0, total = 0;
        make_rule(&rule, (enum mask_unit)unit, flags);
        for (uint32_t round = 0; round < ROUNDS; round++) {
            struct random_stream stream;
            random_stream_init(&stream, round, 77);
            for (uint32_t i = 0; i < COUNT; i++) {
                tokens[i] = 999;
                chosen[i] = i % 2; /* each a span of its own */
            }
            mask_replace(&rule, chosen, COUNT, &stream, tokens);
            for (uint32_t i = 0; i < COUNT; i++) {
                if (!chosen[i])
                    assert_int_equal(tokens[i], 999);
                total += chosen[i];
                masked += tokens[i] == MASK;
                kept += chosen[i] && tokens[i] == 999;
                random += tokens[i] != MASK && tokens[i] != 999;
                assert_true(tokens[i] == MASK || tokens[i] >= SPECIALS);
            }
        }
        assert_int_equal(total, COUNT / 2 * ROUNDS); /* 100,000 */
        assert_in_range(masked, 80000 - 760, 80000 + 760);
        assert_in_range(random, 10000 - 570, 10000 + 570);
        assert_in_range(kept, 10000 - 570, 10000 + 570);
    }
}

static void one_draw_decides_for_a_span(void **state)
{
    (void)state;
    static unsigned char flags[VOCABULARY];
    static const unsigned char chosen[] = {1, 1, 1, 0, 1, 1};
    struct mask_rule rule;
    uint32_t kinds = 0;
    make_rule(&rule, MASK_SPAN, flags);
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t tokens[6] = {900, 901, 902, 903, 904, 905};
        struct random_stream stream;
        random_stream_init(&stream, round, 3);
        mask_replace(&rule, chosen, 6, &stream, tokens);
        assert_int_equal(tokens[3], 903);
        bool is_masked = tokens[0] == MASK;
        for (int i = 0; i < 3; i++)
            assert_int_equal(tokens[i] == MASK, is_masked);
        assert_int_equal(tokens[4] == MASK, tokens[5] == MASK);
        kinds |= 1u << (2 * is_masked + (tokens[4] == MASK));
    }
    assert_int_equal(kinds, 15);
}

static void a_known_sequence_gives_known_masks(void **state)
{
    (void)state;
    static unsigned char flags[VOCABULARY], chosen[40];
    uint32_t tokens[40], work[80];
    struct mask_rule rule;
    struct random_stream stream;
    make_rule(&rule, MASK_TOKEN, flags);
    for (uint32_t i = 0; i < 40; i++)
        tokens[i] = 100 + i;
    random_stream_init(&stream, 0x0123456789abcdef, 0xfedcba9876543210);
    assert_int_equal(mask_choose(&rule, tokens, 40, &stream, work, chosen), 6);
    mask_replace(&rule, chosen, 40, &stream, tokens);
    static const uint32_t wanted[][2] = {{11, 3}, {14, 3}, {22, 722},
                                         {27, 3}, {37, 3}, {38, 3}};
    for (uint32_t i = 0, next = 0; i < 40; i++) {
        bool is_next = next < 6 && wanted[next][0] == i;
        assert_int_equal(chosen[i], is_next);
        assert_int_equal(tokens[i], is_next ? wanted[next][1] : 100 + i);
        next += is_next;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(a_stream_is_block_after_block),
        cmocka_unit_test(numbers_below_a_bound_come_equally_often),
        cmocka_unit_test(large_bounds_are_not_skewed),
        cmocka_unit_test(shuffles_keep_every_item),
        cmocka_unit_test(shares_are_rounded_halves_to_even),
        cmocka_unit_test(what_is_chosen_is_as_in_the_reference),
        cmocka_unit_test(budgets_follow_their_programs),
        cmocka_unit_test(every_token_is_chosen_equally_often),
        cmocka_unit_test(spans_are_geometric),
        cmocka_unit_test(masks_random_and_kept_tokens_have_their_shares),
        cmocka_unit_test(one_draw_decides_for_a_span),
        cmocka_unit_test(a_known_sequence_gives_known_masks)};
    return cmocka_run_group_tests_name("masking", tests, NULL, NULL);
}
