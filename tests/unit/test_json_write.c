/* test_json_write.c - what is written reads back the same */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json_column.h"
#include "core/json_write.h"

static void expect(struct bytes *out, const char *text)
{
    bytes_put_u8(out, 0);
    assert_string_equal((const char *)out->data, text);
    bytes_reset(out);
}

static void texts_are_escaped_where_they_must_be(void **state)
{
    (void)state;
    struct bytes out = {0};
    json_put_text("plain", 5, &out);
    expect(&out, "\"plain\"");
    json_put_text("", 0, &out);
    expect(&out, "\"\"");
    json_put_text("a \"quote\" \\ and\n\r\t\b\f\x01\x1F\x7F", 23, &out);
    expect(&out, "\"a \\\"quote\\\" \\\\ and\\n\\r\\t\\b\\f\\u0001\\u001f\x7F\"");
    json_put_text("\xC3\xA9\xF0\x9F\x98\x80", 6, &out);
    expect(&out, "\"\xC3\xA9\xF0\x9F\x98\x80\"");
    bytes_clear(&out);
}

static void every_byte_that_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    struct bytes out = {0};
    json_put_text("a\xFF\xC3(\xED\xA0\x80\xC0\x80", 9, &out);
    expect(&out, "\"a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                 "\xEF\xBF\xBD\xEF\xBF\xBD\"");
    json_put_text("cut \xE4\xBD", 6, &out);
    expect(&out, "\"cut \xEF\xBF\xBD\xEF\xBF\xBD\"");
    bytes_clear(&out);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    struct bytes out = {0};
    json_put_f64(0.1, &out);
    expect(&out, "0.1");
    json_put_f64(1.0 / 3, &out);
    expect(&out, "0.3333333333333333");
    json_put_f64(-0.0, &out);
    expect(&out, "-0");
    json_put_f64(5e-324, &out);
    expect(&out, "5e-324");
    json_put_f64(NAN, &out);
    expect(&out, "null");
    json_put_f32(0.1f, &out);
    expect(&out, "0.1");
    json_put_f32(FLT_MAX, &out);
    expect(&out, "3.4028235e+38");
    json_put_i64(INT64_MIN, &out);
    expect(&out, "-9223372036854775808");
    bytes_clear(&out);
}

static void any_double_reads_back(void **state)
{
    (void)state;
    struct bytes out = {0};
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        float narrow;
        memcpy(&value, &bits, sizeof value);
        memcpy(&narrow, &bits, sizeof narrow);
        if (isfinite(value)) {
            json_put_f64(value, &out);
            bytes_put_u8(&out, 0);
            assert_true(strtod((const char *)out.data, NULL) == value);
            bytes_reset(&out);
        }
        if (isfinite(narrow)) {
            json_put_f32(narrow, &out);
            bytes_put_u8(&out, 0);
            assert_true(strtof((const char *)out.data, NULL) == narrow);
            bytes_reset(&out);
        }
    }
    bytes_clear(&out);
}

/* Read `text` as a value of the type; "" when it is refused, else as it is written. */
static const char *through(const char *text, enum column_type type, uint32_t dimension,
                           struct arena *arena)
{
    struct bytes line = {0};
    bytes_put(&line, "{\"a\": ", 6);
    bytes_put(&line, text, strlen(text));
    bytes_put(&line, "}", 1);
    size_t size = line.size;
    assert_non_null(bytes_reserve(&line, JSON_PADDING));
    memset(line.data + size, 0, JSON_PADDING);
    struct json *json = json_create();
    const struct json_field field = {.name = "a", .name_size = 1};
    struct json_value value;
    const char *detail = NULL;
    assert_int_equal(json_parse(json, line.data, size, &field, 1, &value, &detail),
                     JSON_OK);
    struct column_builder builder = {.name = "a", .type = type, .dimension = dimension};
    const char *fault = json_column_put(&builder, &value);
    struct bytes out = {0};
    if (!fault) {
        const struct column *column = column_builder_finish(&builder, arena);
        assert_non_null(column);
        json_put_value(column, 0, &out);
    } else {
        assert_int_equal(builder.count, 0);
    }
    bytes_put_u8(&out, 0);
    const char *copy = arena_copy_text(arena, (const char *)out.data, out.size);
    bytes_clear(&out);
    bytes_clear(&line);
    column_builder_clear(&builder);
    json_destroy(json);
    return copy;
}

static void values_of_each_type_come_back(void **state)
{
    (void)state;
    static const struct {
        enum column_type type;
        uint32_t dimension;
        const char *text;
    } cases[] = {{COLUMN_UTF8, 0, "\"a\\\"\\n\xC3\xA9\""},
                 {COLUMN_BYTES, 0, "\"\""},
                 {COLUMN_BYTES, 0, "\"AA==\""},
                 {COLUMN_BYTES, 0, "\"/+8=\""},
                 {COLUMN_BYTES, 0, "\"AQID\""},
                 {COLUMN_BOOL, 0, "true"},
                 {COLUMN_BOOL, 0, "false"},
                 {COLUMN_I64, 0, "-9223372036854775808"},
                 {COLUMN_I64, 0, "9223372036854775807"},
                 {COLUMN_F64, 0, "-2.5e-07"},
                 {COLUMN_LIST_U32, 0, "[]"},
                 {COLUMN_LIST_U32, 0, "[0, 4294967295]"},
                 {COLUMN_LIST_F32, 0, "[0.1, -3]"},
                 {COLUMN_VECTOR_F32, 3, "[1, 2, 0.5]"},
                 {COLUMN_LIST_BOX, 0, "[]"},
                 {COLUMN_LIST_BOX, 0, "[[1, 2, 3, 4, 0.5, 7], [5, 6, 7, 8, 0.25, 0]]"},
                 {COLUMN_UTF8, 0, "null"},
                 {COLUMN_VECTOR_F32, 2, "null"}};
    struct arena *arena = arena_create(1 << 16, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(
            through(cases[i].text, cases[i].type, cases[i].dimension, arena),
            cases[i].text);
    assert_string_equal(through("2e3", COLUMN_I64, 0, arena), "2000");
    arena_destroy(arena);
}

static void values_of_other_types_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum column_type type;
        const char *text;
    } cases[] = {{COLUMN_UTF8, "5"},
                 {COLUMN_UTF8, "[\"a\"]"},
                 {COLUMN_BYTES, "\"A\""},
                 {COLUMN_BYTES, "\"A=BC\""},
                 {COLUMN_BYTES, "1"},
                 {COLUMN_BOOL, "\"true\""},
                 {COLUMN_I64, "9223372036854775808"},
                 {COLUMN_I64, "1.5"},
                 {COLUMN_I64, "1e40"},
                 {COLUMN_F64, "\"1\""},
                 {COLUMN_LIST_U32, "[-1]"},
                 {COLUMN_LIST_U32, "[1.5]"},
                 {COLUMN_LIST_U32, "[4294967296]"},
                 {COLUMN_LIST_U32, "[[1]]"},
                 {COLUMN_LIST_F32, "[1e39]"},
                 {COLUMN_LIST_F32, "[\"1\"]"},
                 {COLUMN_VECTOR_F32, "[1, 2]"},
                 {COLUMN_LIST_BOX, "[[1, 2, 3, 4]]"},
                 {COLUMN_LIST_BOX, "[1, 2, 3, 4, 5, 6]"},
                 {COLUMN_IMAGE_U8, "[1]"}};
    struct arena *arena = arena_create(1 << 16, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(through(cases[i].text, cases[i].type, 3, arena), "");
    arena_destroy(arena);
}

static void a_record_is_an_object_in_the_order_of_its_columns(void **state)
{
    (void)state;
    static const uint64_t key_ends[] = {0, 2, 4}, byte_ends[] = {0, 1, 1};
    static const int64_t numbers[] = {1, -2};
    static const unsigned char second[] = {2};
    const struct column key = {
        .name = "key", .type = COLUMN_UTF8, .offsets = key_ends, .data = "k0k1"};
    const struct column number = {
        .name = "n\"", .type = COLUMN_I64, .validity = second, .data = numbers};
    const struct column raw = {
        .name = "raw", .type = COLUMN_BYTES, .offsets = byte_ends, .data = "\xFF"};
    const struct column image = {.name = "image", .type = COLUMN_IMAGE_U8};
    const struct column *const columns[] = {&key, &image, &number, &raw};
    const struct batch batch = {.count = 2, .column_count = 4, .columns = columns};
    struct bytes out = {0};
    json_put_record(&batch, 0, &out);
    expect(&out, "{\"key\": \"k0\", \"n\\\"\": null, \"raw\": \"/w==\"}");
    json_put_record(&batch, 1, &out);
    expect(&out, "{\"key\": \"k1\", \"n\\\"\": -2, \"raw\": \"\"}");
    bytes_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped_where_they_must_be),
        cmocka_unit_test(every_byte_that_is_not_utf8_is_replaced),
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(any_double_reads_back),
        cmocka_unit_test(values_of_each_type_come_back),
        cmocka_unit_test(values_of_other_types_are_refused),
        cmocka_unit_test(a_record_is_an_object_in_the_order_of_its_columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
