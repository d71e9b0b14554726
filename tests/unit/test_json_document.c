/* test_json_document.c - walking a JSON text as a tree */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/json_document.h"

static struct json_document *parse(const char *text)
{
    const char *detail = NULL;
    struct json_document *document =
        json_document_create((const unsigned char *)text, strlen(text), &detail);
    assert_non_null(document);
    return document;
}

static void values_are_read_by_type(void **state)
{
    (void)state;
    struct json_document *document = parse(
        "{\"t\":\"a\\u00e9\\n\",\"i\":-7,\"n\":0.5,\"b\":true,\"z\":null,\"o\":{}}");
    struct json_node root = json_document_root(document);
    const unsigned char *text = NULL;
    size_t size = 0;
    int64_t whole = 0;
    double number = 0;
    bool truth = false;
    assert_true(json_node_text(json_node_field(root, "t"), &text, &size));
    assert_int_equal(size, 4);
    assert_memory_equal(text, "a\xC3\xA9\n", 4);
    assert_true(json_node_integer(json_node_field(root, "i"), &whole));
    assert_int_equal(whole, -7);
    assert_true(json_node_number(json_node_field(root, "n"), &number));
    assert_true(number > 0.49 && number < 0.51);
    assert_true(json_node_number(json_node_field(root, "i"), &number));
    assert_true(json_node_bool(json_node_field(root, "b"), &truth) && truth);
    assert_int_equal(json_node_type(json_node_field(root, "z")), JSON_NULL);
    assert_int_equal(json_node_type(json_node_field(root, "o")), JSON_OBJECT);
    assert_int_equal(json_node_type(json_node_field(root, "none")), JSON_ABSENT);
    assert_false(json_node_integer(json_node_field(root, "n"), &whole));
    assert_false(json_node_text(json_node_field(root, "i"), &text, &size));
    assert_false(json_node_bool(json_node_field(root, "none"), &truth));
    json_document_destroy(document);
}

static void members_come_in_order(void **state)
{
    (void)state;
    struct json_document *document = parse("{\"b\":[1,[2],3],\"a\":{\"x\":1}}");
    struct json_node root = json_document_root(document), value;
    struct json_members members = json_node_members(root);
    const unsigned char *name;
    size_t size;
    assert_true(json_members_next(&members, &name, &size, &value));
    assert_memory_equal(name, "b", 1);
    assert_int_equal(json_node_count(value), 3);
    assert_true(json_members_next(&members, &name, &size, &value));
    assert_memory_equal(name, "a", 1);
    assert_int_equal(json_node_count(value), 1);
    assert_false(json_members_next(&members, &name, &size, &value));
    assert_int_equal(json_node_count(json_node_field(root, "none")), 0);
    json_document_destroy(document);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",         "{",           "{\"a\":}", "[1,]",
                                        "\"\xFF\"", "\"\\ud800\"", "1 2",      "nul"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *detail = NULL;
        assert_null(json_document_create((const unsigned char *)wrong[i],
                                         strlen(wrong[i]), &detail));
        assert_non_null(detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_by_type),
        cmocka_unit_test(members_come_in_order),
        cmocka_unit_test(what_is_not_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
