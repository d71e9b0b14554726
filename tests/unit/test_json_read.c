/* test_json_read.c - a JSON file value by value: places, mistakes, the seams of blocks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/json_read.h"

enum { BLOCK = 1 << 20 }; /* what the reader reads at a time */

static struct json_reader *open_bytes(const void *text, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    rewind(file);
    struct json_reader *reader = json_reader_create(file, "a.json");
    assert_non_null(reader);
    return reader;
}

static struct json_reader *open_text(const char *text)
{
    return open_bytes(text, strlen(text));
}

/* Walk {"NAME": [ELEMENT, ...], ...} or [ELEMENT, ...] to its end, taking each element;
 * other fields are skipped. What is met goes to `log` as "NAME:type " and "." an element. */
static enum error_code walk(struct json_reader *reader, char *log, size_t size,
                            struct error *error)
{
    enum json_type type = JSON_ABSENT;
    bool has_next = false, has_element = false;
    const char *name = NULL;
    size_t used = 0;
    enum error_code code = json_reader_enter(reader, error);
    while (code == OK) {
        code = json_reader_next(reader, &name, &has_next, error);
        if (code != OK || !has_next)
            break;
        code = json_reader_type(reader, &type, error);
        if (code != OK)
            break;
        used += (size_t)snprintf(log + used, size - used, "%s:%d ", name ? name : "",
                                 (int)type);
        if (type != JSON_ARRAY) {
            code = json_reader_skip(reader, error);
            continue;
        }
        code = json_reader_enter(reader, error);
        while (code == OK) {
            code = json_reader_next(reader, NULL, &has_element, error);
            if (code != OK || !has_element)
                break;
            code = json_reader_take(reader, NULL, 0, NULL, error);
            used += (size_t)snprintf(log + used, size - used, ".");
        }
    }
    return code == OK ? json_reader_finish(reader, error) : code;
}

static void outer_values_are_walked_and_inner_ones_taken(void **state)
{
    (void)state;
    char log[200];
    struct error error = {0};
    struct json_reader *reader = open_text(
        " {\"a\" : [ 1 ,\"]\\\"\", {\"b\":[{}]},[] ] ,\"\\u0062\":{\"x\":[1,{\"y\":2}]},"
        "\"c\":null,\"d\":\"}\",\"e\":true,\"f\":-1.5e3,\"g\":[]}\n ");
    assert_int_equal(walk(reader, log, sizeof log, &error), OK);
    assert_string_equal(log, "a:5 ....b:6 c:1 d:4 e:2 f:3 g:5 ");
    json_reader_destroy(reader);
}

static void fields_are_fetched(void **state)
{
    (void)state;
    static const struct json_field fields[] = {{.name = "id", .name_size = 2},
                                               {.name = "box", .name_size = 3}};
    struct json_value values[2];
    struct error error;
    bool has_next;
    struct json_reader *reader =
        open_text("[{\"box\": [1, 2.5], \"id\": 7}, {\"id\": \"x\"}]");
    assert_int_equal(json_reader_enter(reader, &error), OK);
    assert_int_equal(json_reader_next(reader, NULL, &has_next, &error), OK);
    assert_true(has_next);
    assert_int_equal(json_reader_take(reader, fields, 2, values, &error), OK);
    assert_int_equal(values[0].type, JSON_NUMBER);
    assert_memory_equal(values[0].data, "7", values[0].size);
    assert_int_equal(values[1].number_count, 2);
    assert_true(values[1].numbers[1] > 2.4 && values[1].numbers[1] < 2.6);
    assert_int_equal(json_reader_next(reader, NULL, &has_next, &error), OK);
    assert_int_equal(json_reader_take(reader, fields, 2, values, &error), OK);
    assert_int_equal(values[0].type, JSON_STRING);
    assert_int_equal(values[1].type, JSON_ABSENT);
    assert_int_equal(json_reader_next(reader, NULL, &has_next, &error), OK);
    assert_false(has_next);
    assert_int_equal(json_reader_finish(reader, &error), OK);
    json_reader_destroy(reader);
}

static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"",
         "a.json:1:1: the file ends where an array or object is needed; is it whole?"},
        {" \n 3", "a.json:2:2: \"3\" stands where an array or object is needed"},
        {"[\n1,\n  [2 3]]",
         "a.json:3:6: [1][0]: \"3\" stands where a comma or ] is needed"},
        {"{\"a\":[1,{\"b\":tru}]}", "a.json:1:9: a[1]: a value is malformed"},
        {"{\"a\":[1,{\"b\":NaN}]}",
         "a.json:1:9: a[1]: a value is malformed; JSON has neither NaN nor Infinity"},
        {"{\"a\":[1,{\"b\":-Infinity}]}",
         "a.json:1:9: a[1]: a number is malformed; JSON has neither NaN nor Infinity"},
        {"{\"a\":[1,{\"b\":2", "a.json:1:9: a[1]: a comma or closing bracket is missing; "
                               "the file ends in it: is "
                               "it whole?"},
        {"{\"a\":[1,2",
         "a.json:1:10: a[1]: the file ends where a comma or ] is needed; is "
         "it whole?"},
        {"{\"a\" [1]}", "a.json:1:6: a: \"[\" stands where a colon is needed"},
        {"{\"a\":1,}", "a.json:1:8: a: \"}\" stands where a field's name is needed"},
        {"{\"a\":1 \"b\":2}",
         "a.json:1:8: a: \"\"\" stands where a comma or } is needed"},
        {"{\"\\u12\":1}", "a.json:1:2: a string has an invalid escape"},
        {"[[1,]]", "a.json:1:5: [0][1]: \"]\" stands where a JSON value is needed"},
        {"[,1]", "a.json:1:2: [0]: \",\" stands where a JSON value is needed"},
        {"[[1]]]", "a.json:1:6: \"]\" stands where the end of the file is needed"},
        {"[[\"\xFF\"]]", "a.json:1:3: [0][0]: it is not valid UTF-8"},
        {"[\x01]", "a.json:1:2: [0]: byte 0x01 stands where a JSON value is needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char log[200];
        struct error error = {0};
        struct json_reader *reader = open_text(cases[i].text);
        assert_int_equal(walk(reader, log, sizeof log, &error), ERROR_DAMAGED);
        assert_string_equal(error.text, cases[i].message);
        json_reader_destroy(reader);
    }
}

static void an_object_is_demanded_where_fields_are(void **state)
{
    (void)state;
    static const struct json_field field = {.name = "id", .name_size = 2};
    struct json_value value;
    struct error error;
    bool has_next;
    struct json_reader *reader = open_text("[\n3]");
    assert_int_equal(json_reader_enter(reader, &error), OK);
    assert_int_equal(json_reader_next(reader, NULL, &has_next, &error), OK);
    assert_int_equal(json_reader_take(reader, &field, 1, &value, &error), ERROR_DAMAGED);
    assert_string_equal(error.text, "a.json:2:1: [0]: it is not an object");
    json_reader_destroy(reader);
}

static const char document[] = "{\"info\":{\"a\":\"x\\\\\"},\n\"s\":\"\\\\\\\"]\","
                               "\"n\\u00e9\":[{\"k\":[1,2.5,-3e2]},"
                               "\"\\\"}\",true,null,-12.25,[[]]],\"z\":[]} ";

static void a_block_may_end_anywhere(void **state)
{
    (void)state;
    size_t length = strlen(document);
    unsigned char *text = malloc(BLOCK + length);
    char want[200], log[200];
    struct error error = {0};
    assert_non_null(text);
    struct json_reader *whole = open_text(document);
    assert_int_equal(walk(whole, want, sizeof want, &error), OK);
    json_reader_destroy(whole);
    for (size_t shift = 0; shift <= length; shift++) {
        memset(text, ' ', BLOCK);
        text[BLOCK / 2] = '\n';
        memcpy(text + BLOCK - shift, document, length);
        struct json_reader *reader = open_bytes(text, BLOCK - shift + length);
        if (walk(reader, log, sizeof log, &error) != OK)
            fail_msg("cut at %zu: %s", shift, error.text);
        assert_string_equal(log, want);
        json_reader_destroy(reader);
    }
    free(text);
}

static void a_cut_file_is_never_taken_for_whole(void **state)
{
    (void)state;
    for (size_t size = 0; size + 1 < strlen(document); size++) {
        char log[200];
        struct error error = {0};
        struct json_reader *reader = open_bytes(document, size);
        assert_int_equal(walk(reader, log, sizeof log, &error), ERROR_DAMAGED);
        json_reader_destroy(reader);
    }
}

static void places_are_right_behind_the_first_block(void **state)
{
    (void)state;
    struct bytes text = {0};
    struct error error;
    char log[1000000], want[100];
    bytes_put(&text, "[[\n", 3);
    for (int i = 0; i < 300000; i++) /* 8 bytes each: some blocks */
        bytes_put(&text, "123456,\n", 8);
    bytes_put(&text, "  x]]", 5);
    struct json_reader *reader = open_bytes(text.data, text.size);
    assert_int_equal(walk(reader, log, sizeof log, &error), ERROR_DAMAGED);
    (void)snprintf(
        want, sizeof want,
        "a.json:300002:3: [0][300000]: \"x\" stands where a JSON value is needed");
    assert_string_equal(error.text, want);
    json_reader_destroy(reader);
    bytes_clear(&text);
}

static void a_value_that_does_not_end_is_given_up(void **state)
{
    (void)state;
    size_t size = (size_t)JSON_READER_VALUE_MAX + 2 * BLOCK;
    char *text = malloc(size);
    char log[200];
    struct error error;
    assert_non_null(text);
    memset(text, 'a', size);
    memcpy(text, "[[\"", 3);
    struct json_reader *reader = open_bytes(text, size);
    free(text);
    assert_int_equal(walk(reader, log, sizeof log, &error), ERROR_DAMAGED);
    assert_string_equal(error.text,
                        "a.json:1:3: [0][0]: a value of more than 64 MiB begins "
                        "here; is a bracket or quote missing?");
    json_reader_destroy(reader);
}

static void what_is_skipped_may_be_of_any_size(void **state)
{
    (void)state;
    size_t size = (size_t)JSON_READER_VALUE_MAX + 4 * BLOCK;
    char *text = malloc(size);
    char log[200];
    struct error error = {0};
    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, "{\"a\":{\"b\":[0],", 14);
    for (size_t at = 20; at + 40 < size; at += BLOCK)
        memcpy(text + at, "\"c\":[[1],{}],", 13);
    memcpy(text + size - 10, "\"d\":0}}", 7);
    struct json_reader *reader = open_bytes(text, size);
    free(text);
    enum error_code code = walk(reader, log, sizeof log, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, OK);
    json_reader_destroy(reader);
}

static void a_byte_order_mark_is_passed(void **state)
{
    (void)state;
    char log[200];
    struct error error;
    struct json_reader *reader = open_text("\xEF\xBB\xBF[[1]]");
    assert_int_equal(walk(reader, log, sizeof log, &error), OK);
    json_reader_destroy(reader);
}

static void a_long_name_is_cut_and_a_zero_shown(void **state)
{
    (void)state;
    char text[300], name[200];
    const char *found = NULL;
    struct error error;
    bool has_next;
    memset(name, 'n', sizeof name);
    (void)snprintf(text, sizeof text, "{\"a\\u0000%.*s\": 1}", 150, name);
    struct json_reader *reader = open_text(text);
    assert_int_equal(json_reader_enter(reader, &error), OK);
    assert_int_equal(json_reader_next(reader, &found, &has_next, &error), OK);
    assert_int_equal(strlen(found), 63);
    assert_memory_equal(found, "a?nnn", 5);
    json_reader_destroy(reader);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct json_reader *reader = NULL;
    struct error error;
    assert_int_equal(json_reader_open("none/such.json", &reader, &error), ERROR_IO);
    assert_string_equal(error.text,
                        "cannot open \"none/such.json\": No such file or directory");
    assert_int_equal(json_reader_open(".", &reader, &error), OK);
    assert_int_equal(json_reader_enter(reader, &error), ERROR_IO);
    assert_string_equal(error.text, "cannot read \".\": Is a directory");
    json_reader_destroy(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outer_values_are_walked_and_inner_ones_taken),
        cmocka_unit_test(fields_are_fetched),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(an_object_is_demanded_where_fields_are),
        cmocka_unit_test(a_block_may_end_anywhere),
        cmocka_unit_test(a_cut_file_is_never_taken_for_whole),
        cmocka_unit_test(places_are_right_behind_the_first_block),
        cmocka_unit_test(a_value_that_does_not_end_is_given_up),
        cmocka_unit_test(what_is_skipped_may_be_of_any_size),
        cmocka_unit_test(a_byte_order_mark_is_passed),
        cmocka_unit_test(a_long_name_is_cut_and_a_zero_shown),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
