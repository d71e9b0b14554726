/* test_export_text.c - tests commands/export_text.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "commands/export_text.h"

static void assert_xml(const char *text, size_t size, const char *want)
{
    struct bytes out = {0};
    text_put_xml(text, size, &out);
    bytes_put_u8(&out, 0);
    assert_string_equal(out.data, want);
    bytes_clear(&out);
}

static void xml_says_what_it_can(void **state)
{
    (void)state;
    assert_xml("a<b>&\"'c", 8, "a&lt;b&gt;&amp;&quot;'c");
    assert_xml("\t\n\r", 3, "&#9;&#10;&#13;");
    assert_xml("\xC3\xA4\xF0\x9F\xA6\x8A", 6, "\xC3\xA4\xF0\x9F\xA6\x8A");
}

static void what_xml_cannot_say_is_replaced(void **state)
{
    (void)state;
    assert_xml("a\0b\x1B", 4,
               "a\xEF\xBF\xBD"
               "b\xEF\xBF\xBD");
    assert_xml("\xFF\xC3", 2, "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_xml("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* surrogate */
    assert_xml("\xEF\xBF\xBE", 3, "\xEF\xBF\xBD");                         /* U+FFFE */
}

static void urls_keep_slashes_and_plain_letters(void **state)
{
    (void)state;
    struct bytes out = {0};
    text_put_url("a/B-9._~?&\xC3\xA4\0", 13, &out);
    bytes_put_u8(&out, 0);
    assert_string_equal(out.data, "a/B-9._~%3F%26%C3%A4%00");
    bytes_clear(&out);
}

static void assert_path(const char *text, size_t size, const char *want)
{
    struct bytes out = {0};
    assert_null(text_put_path(text, size, &out));
    bytes_put_u8(&out, 0);
    assert_string_equal(out.data, want);
    bytes_clear(&out);
}

static void paths_stay_inside_and_apart(void **state)
{
    (void)state;
    assert_path("a/b.jpg", 7, "a/b.jpg");
    assert_path("../x", 4, "%2E./x");
    assert_path("x/..", 4, "x/%2E.");
    assert_path("/", 1, "%2F");
    assert_path("//a//", 5, "%2F/a%2F%2F");
    assert_path("a\\b\n", 4, "a%5Cb%0A");
    assert_path("a\0b", 3, "a%00b");
    assert_path("\xFF\xC3\xA4\xC3", 4, "%FF\xC3\xA4%C3");
    assert_path("\xC2\x85\xE2\x80\xA8", 5, "%C2%85%E2%80%A8");
    assert_path("100% %4 %41 %zz", 15, "100% %4 %2541 %zz");
}

/* The text again. */
static void decode(const struct bytes *path, struct bytes *text)
{
    static const char digits[] = "0123456789ABCDEF";
    bytes_reset(text);
    for (size_t i = 0; i < path->size; i++) {
        const char *high = NULL, *low = NULL;
        if (path->data[i] == '%' && path->size - i > 2) {
            high = memchr(digits, path->data[i + 1], 16);
            low = memchr(digits, path->data[i + 2], 16);
        }
        if (high && low) {
            bytes_put_u8(text, (uint8_t)((high - digits) * 16 + (low - digits)));
            i += 2;
        } else {
            bytes_put_u8(text, path->data[i]);
        }
    }
}

/* All short texts of bytes that matter. */
static void every_path_tells_its_text(void **state)
{
    static const char letters[] = {'/', '.',  '%',  '2',    'F',
                                   'a', '\n', '\\', '\xC3', '\xA4'};
    enum { LETTERS = sizeof letters, LENGTH = 5 };
    struct bytes path = {0}, text = {0};
    (void)state;
    for (unsigned number = 0, end = 100000; number < end; number++) {
        char made[LENGTH];
        for (unsigned i = 0, left = number; i < LENGTH; i++, left /= LETTERS)
            made[i] = letters[left % LETTERS];
        bytes_reset(&path);
        assert_null(text_put_path(made, LENGTH, &path));
        decode(&path, &text);
        assert_int_equal(text.size, LENGTH);
        assert_memory_equal(text.data, made, LENGTH);
        bytes_put_u8(&path, 0);
        const char *name = (const char *)path.data;
        if (*name == '/' || *name == '.' || strstr(name, "/.") || strstr(name, "//") ||
            name[strlen(name) - 1] == '/')
            fail_msg("%s", name);
    }
    bytes_clear(&path);
    bytes_clear(&text);
}

static void texts_that_make_no_path_are_refused(void **state)
{
    (void)state;
    char text[3000];
    struct bytes out = {0};
    memset(text, 'x', sizeof text);
    assert_string_equal(text_put_path("", 0, &out), "it is empty");
    assert_null(text_put_path(text, 240, &out));
    assert_non_null(strstr(text_put_path(text, 241, &out), "240 bytes"));
    memset(text, '\n', sizeof text);
    assert_non_null(strstr(text_put_path(text, 81, &out), "240 bytes"));
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 100 == 99 ? '/' : 'x';
    assert_non_null(strstr(text_put_path(text, sizeof text - 1, &out), "2000 bytes"));
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? '/' : 'x';
    assert_null(text_put_path(text, 129, &out));
    assert_non_null(strstr(text_put_path(text, 131, &out), "64 folders"));
    bytes_clear(&out);
}

static void only_extensions_of_images_are_taken_off(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } cases[] = {{"a.jpg", 1},       {"a.b.JPEG", 3}, {"a/b.tiff", 3}, {"v1.2", 4},
                 {".jpg", 4},        {"a/.png", 6},   {"a.png/b", 7},  {"a.jpegx", 7},
                 {"x.tar#b.png", 7}, {"jpg", 3},      {"", 0},         {"a.", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (text_stem(cases[i].text, strlen(cases[i].text)) != cases[i].want)
            fail_msg("%s", cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xml_says_what_it_can),
        cmocka_unit_test(what_xml_cannot_say_is_replaced),
        cmocka_unit_test(urls_keep_slashes_and_plain_letters),
        cmocka_unit_test(paths_stay_inside_and_apart),
        cmocka_unit_test(every_path_tells_its_text),
        cmocka_unit_test(texts_that_make_no_path_are_refused),
        cmocka_unit_test(only_extensions_of_images_are_taken_off),
    };
    return cmocka_run_group_tests_name("export_text", tests, NULL, NULL);
}
