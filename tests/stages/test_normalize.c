/* test_normalize.c - normal forms, control characters, white space */
#include "tests/stages/one_stage.h"

#include <stdlib.h>

#include "core/bytes.h"
#include "core/unicode.h"

extern const struct stage_type stage_normalize;

static void expect(const char *yaml, const char *in, const char *out)
{
    struct one_stage one;
    one_stage_open(&one, &stage_normalize, yaml, text_fields, 2);
    one_stage_run(&one, text_batch(one.arena, &in, 1));
    assert_string_equal(text_of(&one, "text", 0), out);
    one_stage_close(&one);
}

static void composes_a_letter_and_its_mark(void **state)
{
    (void)state;
    expect("{}", "e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9");
}

static void orders_marks_and_composes_across_a_blocked_one(void **state)
{
    (void)state;
    /* a, dot below after circumflex: U+1EAD */
    expect("{}", "a\xCC\x82\xCC\xA3", "\xE1\xBA\xAD");
}

static void composes_hangul(void **state)
{
    (void)state;
    expect("{form: NFC}", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C");
    expect("{form: NFD}", "\xED\x95\x9C", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
}

static void composition_exclusions_stay_apart(void **state)
{
    (void)state;
    expect("{}", "\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"); /* U+0958 */
}

static void compatibility_forms_unfold_ligatures(void **state)
{
    (void)state;
    expect("{form: NFKC}", "\xEF\xAC\x81n \xE2\x85\xA7", "fin VIII");
    expect("{form: NFKD}", "\xEF\xAC\x81\xC3\xA9", "fie\xCC\x81");
}

static void form_none_changes_nothing(void **state)
{
    (void)state;
    expect("{form: none}", "e\xCC\x81 \x01", "e\xCC\x81 \x01");
}

static void strip_takes_controls_but_not_line_breaks(void **state)
{
    (void)state;
    expect("{control: strip}",
           "\xEF\xBB\xBF"
           "a\x01\tb\r\n\x7F\xC2\x85\xC2\xA0"
           "c\x1B[0m\x0B",
           "a\tb\r\n\xC2\xA0"
           "c[0m");
}

static void what_stripping_joins_is_composed(void **state)
{
    (void)state;
    expect("{control: strip}", "e\x01\xCC\x81", "\xC3\xA9");
}

static void collapse_keeps_one_line_break(void **state)
{
    (void)state;
    expect("{whitespace: collapse}",
           "  a \t b\r\n\r\n  c\xE2\x80\xA8"
           "d\xE3\x80\x80"
           "e ",
           " a b\nc\nd e ");
}

static void white_space_controls_become_blanks_where_both_are_asked(void **state)
{
    (void)state;
    expect("{whitespace: collapse, control: strip}",
           "a\x0B\x01 b\xC2\x85"
           "c",
           "a\nb\nc");
}

static void spaces_that_compatibility_makes_are_collapsed(void **state)
{
    (void)state;
    expect("{form: NFKC, whitespace: collapse}", "a \xC2\xA8", "a \xCC\x88");
}

static void a_column_without_change_is_shared(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"plain", "d\xC3\xA9j\xC3\xA0", "",
                                        "\xE4\xBD\xA0"};
    one_stage_open(&one, &stage_normalize, "{control: strip, whitespace: collapse}",
                   text_fields, 2);
    struct batch *batch = text_batch(one.arena, texts, 4);
    one_stage_run(&one, batch);
    assert_ptr_equal(one.outcome.batches[0]->columns[1], batch->columns[1]);
    one_stage_close(&one);
}

static void rows_beside_a_changed_one_stay_as_they_are(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"first", NULL, "", "e\xCC\x81", "last", NULL};
    one_stage_open(&one, &stage_normalize, "{}", text_fields, 2);
    one_stage_run(&one, text_batch(one.arena, texts, 6));
    static const char *const wanted[] = {"first", NULL, "", "\xC3\xA9", "last", NULL};
    for (uint32_t row = 0; row < 6; row++) {
        const char *text = text_of(&one, "text", row);
        if (wanted[row])
            assert_string_equal(text, wanted[row]);
        else
            assert_null(text);
    }
    one_stage_close(&one);
}

static void long_runs_of_marks_take_no_quadratic_time(void **state)
{
    (void)state;
    enum { PAIRS = 200000 };
    struct arena *arena = arena_create(1 << 16, 0);
    const struct unicode_table *table = unicode_table_build(UNICODE_NFC, arena);
    struct bytes text = {0}, work = {0}, out = {0};
    bytes_put(&text, "q", 1);
    for (int i = 0; i < PAIRS; i++) /* classes 230 and 220 by turns */
        bytes_put(&text, "\xCC\x8D\xCC\x97", 4);
    unicode_normalize(table, text.data, text.size, &work, &out);
    assert_int_equal(out.size, text.size);
    assert_memory_equal(out.data, "q\xCC\x97\xCC\x97", 5);
    assert_memory_equal(out.data + out.size - 2, "\xCC\x8D", 2);
    bytes_clear(&text);
    bytes_clear(&work);
    bytes_clear(&out);
    arena_destroy(arena);
}

/* A text of characters that like to interact, from a seed. */
static void put_random_text(uint32_t *seed, struct bytes *text)
{
    static const char *const parts[] = {"a",
                                        "e",
                                        " ",
                                        "\n",
                                        "\xCC\x81",
                                        "\xCC\xA3",
                                        "\xCC\x82",
                                        "\xCC\xB8",
                                        "\xC3\xA9",
                                        "\xE1\x84\x92",
                                        "\xE1\x85\xA1",
                                        "\xE1\x86\xAB",
                                        "\xED\x95\x98",
                                        "\xE0\xA5\x98",
                                        "\xE0\xA4\xBC",
                                        "\xC2\xA8",
                                        "\xE3\x80\x80",
                                        "\xEF\xAC\x81",
                                        "\xF0\x9D\x85\x9E",
                                        "\xE0\xA7\x87",
                                        "\xE0\xA6\xBE",
                                        "\xE2\x84\xAB",
                                        "=",
                                        "\xE0\xBE\xB2\xE0\xBE\x80",
                                        "\x01",
                                        "\xC2\x85",
                                        "\xEF\xBB\xBF",
                                        "\xD6\xB7",
                                        "\xD6\xBC",
                                        "\xE2\x80\xA9"};
    bytes_reset(text);
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        const char *part = parts[(*seed >> 16) % (sizeof parts / sizeof *parts)];
        bytes_put(text, part, strlen(part));
    }
}

static void normal_text_is_known_as_such_and_any_prefix_told_holds(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes text = {0}, work = {0}, out = {0}, again = {0};
    uint32_t seed = 7;
    for (int form = UNICODE_NFC; form <= UNICODE_NFKD; form++) {
        const struct unicode_table *table =
            unicode_table_build((enum unicode_form)form, arena);
        for (int round = 0; round < 20000; round++) {
            put_random_text(&seed, &text);
            bytes_reset(&out);
            unicode_normalize(table, text.data, text.size, &work, &out);
            size_t same = unicode_normal_length(table, text.data, text.size);
            assert_true(same <= out.size);
            assert_memory_equal(text.data, out.data, same);
            bytes_reset(&again);
            unicode_normalize(table, out.data, out.size, &work, &again);
            assert_int_equal(again.size, out.size);
            assert_memory_equal(again.data, out.data, out.size);
        }
    }
    bytes_clear(&text);
    bytes_clear(&work);
    bytes_clear(&out);
    bytes_clear(&again);
    arena_destroy(arena);
}

static void cleaning_twice_is_cleaning_once(void **state)
{
    (void)state;
    static const char yaml[] = "{form: NFKC, control: strip, whitespace: collapse}";
    struct one_stage one;
    struct bytes text = {0};
    uint32_t seed = 11;
    one_stage_open(&one, &stage_normalize, yaml, text_fields, 2);
    for (int round = 0; round < 2000; round++) {
        put_random_text(&seed, &text);
        bytes_put_u8(&text, 0);
        const char *in = (const char *)text.data;
        one_stage_run(&one, text_batch(one.arena, &in, 1));
        const char *once = text_of(&one, "text", 0);
        one_stage_run(&one, text_batch(one.arena, &once, 1));
        assert_string_equal(text_of(&one, "text", 0), once);
    }
    bytes_clear(&text);
    one_stage_close(&one);
}

static void a_column_that_is_not_there_is_an_error_at_its_place(void **state)
{
    (void)state;
    struct one_stage one;
    assert_int_equal(
        one_stage_plan(&one, &stage_normalize, "{column: body}", text_fields, 2),
        ERROR_CONFIG);
    assert_int_equal(one.error.where.line, 1);
    assert_int_equal(one.error.where.column, 10);
    assert_non_null(strstr(one.error.text, "\"body\""));
    one_stage_close(&one);
}

static void the_key_cannot_be_changed(void **state)
{
    (void)state;
    struct one_stage one;
    assert_int_equal(
        one_stage_plan(&one, &stage_normalize, "{column: key}", text_fields, 2),
        ERROR_CONFIG);
    one_stage_close(&one);
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(stage_type_check(&stage_normalize, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composes_a_letter_and_its_mark),
        cmocka_unit_test(orders_marks_and_composes_across_a_blocked_one),
        cmocka_unit_test(composes_hangul),
        cmocka_unit_test(composition_exclusions_stay_apart),
        cmocka_unit_test(compatibility_forms_unfold_ligatures),
        cmocka_unit_test(form_none_changes_nothing),
        cmocka_unit_test(strip_takes_controls_but_not_line_breaks),
        cmocka_unit_test(what_stripping_joins_is_composed),
        cmocka_unit_test(collapse_keeps_one_line_break),
        cmocka_unit_test(white_space_controls_become_blanks_where_both_are_asked),
        cmocka_unit_test(spaces_that_compatibility_makes_are_collapsed),
        cmocka_unit_test(a_column_without_change_is_shared),
        cmocka_unit_test(rows_beside_a_changed_one_stay_as_they_are),
        cmocka_unit_test(long_runs_of_marks_take_no_quadratic_time),
        cmocka_unit_test(normal_text_is_known_as_such_and_any_prefix_told_holds),
        cmocka_unit_test(cleaning_twice_is_cleaning_once),
        cmocka_unit_test(a_column_that_is_not_there_is_an_error_at_its_place),
        cmocka_unit_test(the_key_cannot_be_changed),
        cmocka_unit_test(the_descriptor_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
