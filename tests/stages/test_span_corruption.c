/* test_span_corruption.c - T5's spans: counts, evenness, and tokens against masks of bits */
#include "tests/stages/token_lists.h"

#include "stages/kernels/noise_spans.h"

extern const struct stage_type stage_span_corruption;

enum { LONGEST = 700, SENTINEL = 32099 };
static const struct noise_rule t5 = {.density = 150000, .mean_length = 3000000};

/* ---- kernels ---- */

static void counts_are_those_of_t5(void **state)
{
    (void)state;
    static const struct {
        uint32_t length, tokens, spans;
    } known[] = {{2, 1, 1},    {3, 1, 1},     {10, 2, 1},    {30, 4, 1},     {50, 8, 3},
                 {100, 15, 5}, {512, 77, 26}, {568, 85, 28}, {1137, 171, 57}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct noise_counts counts = noise_count(&t5, known[i].length);
        assert_int_equal(counts.tokens, known[i].tokens);
        assert_int_equal(counts.spans, known[i].spans);
    }
    /* Dense noise leaves a token between any two spans. */
    const struct noise_rule dense = {.density = 900000, .mean_length = 1000000};
    struct noise_counts counts = noise_count(&dense, 10);
    assert_int_equal(counts.tokens, 9);
    assert_int_equal(counts.spans, 1);
    const struct noise_rule all = {.density = 1000000, .mean_length = 1000000};
    assert_int_equal(noise_count(&all, 10).tokens, 9);
    const struct noise_rule none = {.density = 0, .mean_length = 1000000};
    assert_int_equal(noise_count(&none, 10).tokens, 1);
}

static void inputs_of_512_take_568_tokens(void **state)
{
    (void)state;
    uint32_t tokens[568] = {0}, lengths[569], to[1200];
    struct random_stream stream;
    random_stream_init(&stream, 1, 1);
    uint32_t spans = noise_draw(&t5, 568, &stream, lengths);
    assert_int_equal(noise_copy(tokens, lengths, spans, false, 9, -1, to) + 1, 512);
    assert_int_equal(noise_copy(tokens, lengths, spans, true, 9, -1, to) + 1, 114);
}

static void all_ways_to_cut_come_equally_often(void **state)
{
    (void)state;
    enum { ROUNDS = 50000 };
    uint32_t counts[6][6] = {{0}}, lengths[3];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct random_stream stream;
        random_stream_init(&stream, round, 2);
        noise_segment(6, 3, &stream, lengths, 1);
        assert_int_equal(lengths[0] + lengths[1] + lengths[2], 6);
        counts[lengths[0]][lengths[1]]++;
    }
    uint32_t ways = 0; /* six items in three parts: ten ways */
    for (uint32_t a = 1; a <= 4; a++)
        for (uint32_t b = 1; a + b <= 5; b++, ways++)
            assert_in_range(counts[a][b], ROUNDS / 10 - 340, ROUNDS / 10 + 340);
    assert_int_equal(ways, 10);
}

/* noise_span_to_unique_sentinel of t5: one bit a token. */
static uint32_t reference_copy(const uint32_t *tokens, const bool *noise, uint32_t count,
                               uint32_t sentinel, uint32_t *to)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool was_noise = i > 0 && noise[i - 1];
        if (!noise[i])
            to[written++] = tokens[i];
        else if (!was_noise)
            to[written++] = sentinel--;
    }
    return written;
}

static void inputs_and_targets_are_those_of_the_mask(void **state)
{
    (void)state;
    static uint32_t tokens[LONGEST], lengths[LONGEST + 1], to[LONGEST * 2],
        wanted[LONGEST * 2];
    static bool noise[LONGEST], rest[LONGEST];
    srand(8);
    for (uint32_t round = 0; round < 2000; round++) {
        struct noise_rule rule =
            round % 2 ? t5
                      : (struct noise_rule){.density = (uint32_t)rand() % 1000001,
                                            .mean_length =
                                                1000000u + (uint32_t)rand() % 9000000};
        struct random_stream stream;
        uint32_t count = 1 + (uint32_t)rand() % (LONGEST - 1), at = 0, noisy = 0;
        random_stream_init(&stream, round, 3);
        uint32_t spans = noise_draw(&rule, count, &stream, lengths);
        for (uint32_t i = 0; i < 2 * spans; i++) {
            assert_true(lengths[i] > 0 || count == 1);
            for (uint32_t k = 0; k < lengths[i]; k++, at++) {
                tokens[at] = at;
                noise[at] = i % 2;
                rest[at] = !noise[at];
                noisy += noise[at];
            }
        }
        assert_int_equal(at, count);
        if (count > 1) {
            assert_int_equal(noisy, noise_count(&rule, count).tokens);
            assert_int_equal(spans, noise_count(&rule, count).spans);
        }
        uint32_t found = noise_copy(tokens, lengths, spans, false, SENTINEL, -1, to);
        assert_int_equal(found, reference_copy(tokens, noise, count, SENTINEL, wanted));
        assert_memory_equal(to, wanted, found * sizeof *to);
        found = noise_copy(tokens, lengths, spans, true, SENTINEL, -1, to);
        assert_int_equal(found, reference_copy(tokens, rest, count, SENTINEL, wanted));
        assert_memory_equal(to, wanted, found * sizeof *to);
    }
}

/* ---- the stage ---- */

static void a_known_record_gives_known_sides(void **state)
{
    (void)state;
    struct one_stage one;
    struct list lists[] = {list_of("10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25"),
                           list_of(""), list_of("7")};
    one_stage_open(&one, &stage_span_corruption,
                   "{first_sentinel: 999, end_token: 1, noise_density: 0.3, "
                   "mean_noise_span_length: 2}",
                   token_fields, 2);
    assert_int_equal(one.phase.output_schema.count, 4);
    one_stage_run(&one, token_batch(one.arena, lists, 3));
    const struct batch *batch = one.outcome.batches[0];
    assert_int_equal(batch->count, 2);
    assert_string_equal(one.outcome.reasons[0].reason, "empty");
    expect_list(batch, "inputs", 0, "10 11 12 13 14 999 17 18 19 20 21 22 998 1");
    expect_list(batch, "targets", 0, "999 15 16 998 23 24 25 1");
    expect_list(batch, "inputs", 1, "7 1");
    expect_list(batch, "targets", 1, "999 1");
    for (int i = 0; i < 3; i++)
        list_free(&lists[i]);
    one_stage_close(&one);
}

static void too_many_spans_for_the_sentinels_are_rejected(void **state)
{
    (void)state;
    struct one_stage one;
    struct list lists[2] = {{0}};
    for (uint32_t i = 0; i < 200; i++)
        list_add(&lists[i % 20 == 0], i); /* 190 tokens: 9 spans; 10: one */
    one_stage_open(&one, &stage_span_corruption, "{first_sentinel: 99, sentinels: 8}",
                   token_fields, 2);
    one_stage_run(&one, token_batch(one.arena, lists, 2));
    assert_int_equal(one.outcome.batches[0]->count, 1);
    assert_int_equal(one.outcome.reject_count, 1);
    assert_string_equal(one.outcome.rejects[0].reject.reason, "too_many_spans");
    list_free(&lists[0]);
    list_free(&lists[1]);
    one_stage_close(&one);
}

static void rows_do_not_depend_on_their_batch(void **state)
{
    (void)state;
    struct one_stage one;
    struct list lists[20] = {{0}};
    char first[4096], second[4096];
    srand(9);
    for (uint32_t i = 0; i < 20; i++)
        for (uint32_t k = 0; k < 1 + (uint32_t)rand() % 300; k++)
            list_add(&lists[i], k);
    one_stage_open(&one, &stage_span_corruption, "{first_sentinel: 999}", token_fields,
                   2);
    const struct batch *all = token_batch(one.arena, lists, 20);
    one_stage_run(&one, all);
    const struct batch *together = one.outcome.batches[0];
    for (uint32_t i = 0; i < 20; i++) {
        one_stage_run(&one, batch_slice(all, i, i + 1, one.arena));
        const struct batch *alone = one.outcome.batches[0];
        for (int side = 0; side < 2; side++) {
            const char *name = side ? "targets" : "inputs";
            assert_string_equal(list_text(together, name, i, first, sizeof first),
                                list_text(alone, name, 0, second, sizeof second));
        }
        list_free(&lists[i]);
    }
    one_stage_close(&one);
}

static void options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part;
    } wrong[] = {{"{}", "first_sentinel"},
                 {"{first_sentinel: 50}", "no 100 ids"},
                 {"{first_sentinel: 500, sentinel_step: 0}", "-1 or 1"},
                 {"{first_sentinel: 500, column: key}", "\"key\""},
                 {"{first_sentinel: 500, mean_noise_span_length: 0.5}", "mean_noise"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct one_stage one;
        assert_int_equal(
            one_stage_plan(&one, &stage_span_corruption, wrong[i].yaml, token_fields, 2),
            ERROR_CONFIG);
        if (!strstr(one.error.text, wrong[i].part))
            fail_msg("%s: %s", wrong[i].yaml, one.error.text);
        one_stage_close(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_t5),
        cmocka_unit_test(inputs_of_512_take_568_tokens),
        cmocka_unit_test(all_ways_to_cut_come_equally_often),
        cmocka_unit_test(inputs_and_targets_are_those_of_the_mask),
        cmocka_unit_test(a_known_record_gives_known_sides),
        cmocka_unit_test(too_many_spans_for_the_sentinels_are_rejected),
        cmocka_unit_test(rows_do_not_depend_on_their_batch),
        cmocka_unit_test(options_that_do_not_fit_are_refused)};
    return cmocka_run_group_tests_name("span_corruption", tests, NULL, NULL);
}
