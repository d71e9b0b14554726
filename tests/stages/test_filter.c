/* test_filter.c - bounds, lists, missing values, and what plan refuses */
#include "tests/stages/one_stage.h"

#include <math.h>
#include <stdlib.h>

#include "stages/kernels/count_text.h"

extern const struct stage_type stage_filter;

static const struct schema_field all_fields[] = {
    {"key", COLUMN_UTF8, 0},     {"text", COLUMN_UTF8, 0},
    {"raw", COLUMN_BYTES, 0},    {"flag", COLUMN_BOOL, 0},
    {"count", COLUMN_I64, 0},    {"score", COLUMN_F64, 0},
    {"ids", COLUMN_LIST_U32, 0}, {"boxes", COLUMN_LIST_BOX, 0},
    {"v", COLUMN_VECTOR_F32, 4}, {"image", COLUMN_IMAGE_U8, 0}};
enum { FIELD_COUNT = sizeof all_fields / sizeof *all_fields };

enum { ROWS = 5 };

/* Five records with a column of each kind that can be compared. */
static struct batch *records(struct arena *arena)
{
    static const char *const texts[ROWS] = {"", "abc", "d\xC3\xA9j\xC3\xA0", NULL,
                                            "a longer text"};
    static const int64_t counts[ROWS] = {-3, 0, 7, 7, INT64_MAX};
    static const uint64_t ends[ROWS + 1] = {0, 0, 1, 3, 3, 6};
    static const uint32_t ids[6] = {1, 2, 3, 4, 5, 6};
    double *scores = ARENA_NEW(arena, double, ROWS);
    scores[0] = -1.5, scores[1] = 0.5, scores[2] = NAN, scores[3] = 2, scores[4] = 0.25;
    unsigned char *flags = ARENA_NEW(arena, unsigned char, 1);
    flags[0] = 0x0A;
    struct column *made = ARENA_NEW(arena, struct column, 4);
    made[0] = (struct column){.name = "count", .type = COLUMN_I64, .data = counts};
    made[1] = (struct column){.name = "score", .type = COLUMN_F64, .data = scores};
    made[2] = (struct column){
        .name = "ids", .type = COLUMN_LIST_U32, .offsets = ends, .data = ids};
    made[3] = (struct column){.name = "flag", .type = COLUMN_BOOL, .data = flags};
    const struct column *columns[5] = {text_column(arena, "text", texts, ROWS), &made[0],
                                       &made[1], &made[2], &made[3]};
    return make_batch(arena, columns, 5, ROWS);
}

/* `kept`: a letter a row, '+' where it stays; `reasons`: "reason=count ..." in order. */
static void expect(const char *yaml, const char *kept, const char *reasons)
{
    struct one_stage one;
    one_stage_open(&one, &stage_filter, yaml, all_fields, FIELD_COUNT);
    one_stage_run(&one, records(one.arena));
    char found[ROWS + 1] = "-----", why[256] = "";
    for (size_t i = 0; i < one.outcome.batch_count; i++)
        for (uint32_t row = 0; row < one.outcome.batches[i]->count; row++)
            found[one.outcome.batches[i]->origins[row].ordinal] = '+';
    for (size_t i = 0; i < one.outcome.reason_count; i++) {
        size_t used = strlen(why);
        (void)snprintf(why + used, sizeof why - used, "%s%s=%u", i ? " " : "",
                       one.outcome.reasons[i].reason,
                       (unsigned)one.outcome.reasons[i].tally.records);
    }
    assert_string_equal(found, kept);
    assert_string_equal(why, reasons);
    one_stage_close(&one);
}

static void lengths_count_characters_of_text(void **state)
{
    (void)state;
    expect("{min_length: 4, max_length: 4}", "--+--", "too_short=2 missing=1 too_long=1");
    expect("{max_length: 4, unit: bytes}", "++---", "too_long=2 missing=1");
}

static void lengths_count_elements_of_lists(void **state)
{
    (void)state;
    expect("{column: ids, min_length: 1, max_length: 2}", "-++--",
           "too_short=2 too_long=1");
}

static void numbers_are_held_to_inclusive_bounds(void **state)
{
    (void)state;
    expect("{column: count, min: 0, max: 7}", "-+++-", "below_min=1 above_max=1");
    expect("{column: score, min: 0.25}", "-+-++", "below_min=2");
}

static void what_is_no_number_passes_no_bound(void **state)
{
    (void)state;
    expect("{column: score, max: 100}", "++-++", "above_max=1");
}

static void values_are_looked_up_in_lists(void **state)
{
    (void)state;
    expect("{in: [abc, zzz, \"d\xC3\xA9j\xC3\xA0\"]}", "-++--", "not_in=2 missing=1");
    expect("{not_in: [abc]}", "+-+-+", "excluded=1 missing=1");
    expect("{column: count, in: [\"7\", \"-3\"]}", "+-++-", "not_in=2");
    expect("{column: flag, in: [\"true\"]}", "-+-+-", "not_in=3");
    expect("{column: key, not_in: [k4, k0]}", "-+++-", "excluded=2");
}

static void an_empty_text_is_a_value_to_look_up(void **state)
{
    (void)state;
    expect("{in: [\"\"]}", "+----", "not_in=3 missing=1");
}

static void missing_values_are_dropped_or_kept(void **state)
{
    (void)state;
    expect("{}", "+++-+", "missing=1");
    expect("{missing: keep, min_length: 5}", "---++", "too_short=3");
}

static void invert_keeps_the_rest_and_leaves_missing_alone(void **state)
{
    (void)state;
    expect("{min_length: 4, invert: true}", "++---", "matched=2 missing=1");
}

static void refuse(const char *yaml, uint32_t column, const char *text)
{
    struct one_stage one;
    enum error_code code =
        one_stage_plan(&one, &stage_filter, yaml, all_fields, FIELD_COUNT);
    assert_int_equal(code, ERROR_CONFIG);
    if (!strstr(one.error.text, text))
        print_message("\"%s\" is not in \"%s\"\n", text, one.error.text);
    assert_non_null(strstr(one.error.text, text));
    assert_int_equal(one.error.where.column, column);
    one_stage_close(&one);
}

static void plan_refuses_what_does_not_fit_at_its_place(void **state)
{
    (void)state;
    refuse("{column: nowhere}", 10, "\"nowhere\"");
    refuse("{column: score, min_length: 1}", 29, "min_length is for");
    refuse("{column: image, max_length: 1}", 29, "image<u8>");
    refuse("{column: text, min: 1}", 21, "min_length is for lengths");
    refuse("{column: ids, max: 1}", 20, "max is for");
    refuse("{column: score, in: [a]}", 21, "in is for");
    refuse("{column: boxes, not_in: [a]}", 25, "list<box>");
    refuse("{column: ids, unit: bytes}", 21, "unit is for");
    refuse("{column: raw, unit: characters}", 21, "unit is for");
    refuse("{min_length: 9, max_length: 3}", 29, "less than min_length");
    refuse("{column: score, min: 2, max: 1}", 30, "less than min");
}

static void characters_are_counted_as_a_plain_loop_does(void **state)
{
    (void)state;
    unsigned char text[4200];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof text; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (unsigned char)(seed >> 24);
    }
    for (size_t size = 0; size < sizeof text; size += size < 70 ? 1 : 37) {
        uint64_t count = 0;
        for (size_t i = 0; i < size; i++)
            count += (text[i] & 0xC0) != 0x80;
        assert_int_equal(text_count_characters(text, size), count);
    }
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(stage_type_check(&stage_filter, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_characters_of_text),
        cmocka_unit_test(lengths_count_elements_of_lists),
        cmocka_unit_test(numbers_are_held_to_inclusive_bounds),
        cmocka_unit_test(what_is_no_number_passes_no_bound),
        cmocka_unit_test(values_are_looked_up_in_lists),
        cmocka_unit_test(an_empty_text_is_a_value_to_look_up),
        cmocka_unit_test(missing_values_are_dropped_or_kept),
        cmocka_unit_test(invert_keeps_the_rest_and_leaves_missing_alone),
        cmocka_unit_test(plan_refuses_what_does_not_fit_at_its_place),
        cmocka_unit_test(characters_are_counted_as_a_plain_loop_does),
        cmocka_unit_test(the_descriptor_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
