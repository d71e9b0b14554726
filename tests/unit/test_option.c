/* test_option.c - tests of option tables and of values as text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/option.h"
#include "core/option_value.h"
#include "core/yaml.h"

struct merge {
    int method;
    double threshold;
};

struct options {
    bool is_on;
    int64_t count, wait_ms;
    uint64_t size;
    double ratio;
    const char *text, *path;
    int form;
    struct text_list names;
    struct real_list scales, ranges;
    struct merge merge;
};

static const char *const forms[] = {"NFC", "NFKC", "none", NULL};
static const char *const methods[] = {"nms", "soft_nms", NULL};

static const struct option_spec merge_specs[] = {
    {.name = "method",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct merge, method),
     .initial = "nms",
     .choices = methods,
     .help = "how"},
    {.name = "threshold",
     .type = OPTION_REAL,
     .offset = offsetof(struct merge, threshold),
     .initial = "0.5",
     .min = 0,
     .max = 1,
     .help = "from where on"},
    OPTION_END};

static const struct option_spec specs[] = {{.name = "on",
                                            .type = OPTION_BOOL,
                                            .offset = offsetof(struct options, is_on),
                                            .initial = "false",
                                            .help = "whether"},
                                           {.name = "count",
                                            .type = OPTION_INT,
                                            .offset = offsetof(struct options, count),
                                            .initial = "3",
                                            .min = -5,
                                            .max = 10,
                                            .help = "how many"},
                                           {.name = "wait",
                                            .type = OPTION_DURATION,
                                            .offset = offsetof(struct options, wait_ms),
                                            .initial = "90s",
                                            .help = "how long"},
                                           {.name = "size",
                                            .type = OPTION_SIZE,
                                            .offset = offsetof(struct options, size),
                                            .initial = "64KiB",
                                            .help = "how large"},
                                           {.name = "ratio",
                                            .type = OPTION_REAL,
                                            .offset = offsetof(struct options, ratio),
                                            .initial = "0.1",
                                            .help = "how much"},
                                           {.name = "text",
                                            .type = OPTION_TEXT,
                                            .offset = offsetof(struct options, text),
                                            .initial = "",
                                            .help = "what"},
                                           {.name = "path",
                                            .type = OPTION_PATH,
                                            .offset = offsetof(struct options, path),
                                            .initial = "",
                                            .help = "which file"},
                                           {.name = "form",
                                            .type = OPTION_CHOICE,
                                            .offset = offsetof(struct options, form),
                                            .initial = "NFKC",
                                            .choices = forms,
                                            .help = "which form"},
                                           {.name = "names",
                                            .type = OPTION_TEXT_LIST,
                                            .offset = offsetof(struct options, names),
                                            .initial = "",
                                            .help = "which names"},
                                           {.name = "scales",
                                            .type = OPTION_REAL_LIST,
                                            .offset = offsetof(struct options, scales),
                                            .initial = "[1, 0.4]",
                                            .min = 0,
                                            .max = 8,
                                            .help = "which scales"},
                                           {.name = "ranges",
                                            .type = OPTION_REAL_PAIRS,
                                            .offset = offsetof(struct options, ranges),
                                            .initial = "",
                                            .min = 0,
                                            .max = 1000,
                                            .help = "which sizes"},
                                           {.name = "merge",
                                            .type = OPTION_GROUP,
                                            .offset = offsetof(struct options, merge),
                                            .initial = "",
                                            .group = merge_specs,
                                            .help = "how boxes are merged"},
                                           OPTION_END};

struct fixture {
    struct arena *arena;
    struct diagnostics found;
    struct options options;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    fixture->arena = arena_create(1 << 16, 0);
    fixture->found.arena = fixture->arena;
    *state = fixture;
    return fixture->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static bool parse(struct fixture *fixture, const char *text)
{
    struct source_position where = {.file = "p.yaml", .line = 1, .column = 1};
    const struct yaml_node *node =
        yaml_parse(text, strlen(text), "p.yaml", fixture->arena, &fixture->found);
    memset(&fixture->options, 0xEE, sizeof fixture->options);
    fixture->found.count = 0;
    return options_parse(specs, node, &fixture->options, "stage x", where, "/",
                         fixture->arena, &fixture->found);
}

static void what_is_left_out_has_its_default(void **state)
{
    struct fixture *fixture = *state;
    const struct options *options = &fixture->options;
    assert_true(options_parse(specs, NULL, &fixture->options, "stage x",
                              (struct source_position){0}, "/", fixture->arena,
                              &fixture->found));
    assert_false(options->is_on);
    assert_int_equal(options->count, 3);
    assert_int_equal(options->wait_ms, 90000);
    assert_int_equal(options->size, 65536);
    assert_true(options->ratio > 0.0999 && options->ratio < 0.1001);
    assert_null(options->text);
    assert_null(options->path);
    assert_int_equal(options->form, 1);
    assert_int_equal(options->names.count, 0);
    assert_int_equal(options->scales.count, 2);
    assert_int_equal(options->ranges.count, 0);
    assert_int_equal(options->merge.method, 0);
}

static void every_type_is_read(void **state)
{
    struct fixture *fixture = *state;
    const struct options *options = &fixture->options;
    assert_true(parse(fixture,
                      "{on: true, count: -5, wait: 1.5h, size: 1.5GiB, ratio: -2e-3,"
                      " text: 'a: b', path: etc/passwd, form: none,"
                      " names: [a, '', 7], scales: [0.5],"
                      " ranges: [[0, 90], [75, 1e3]],"
                      " merge: {method: soft_nms, threshold: 1}}"));
    assert_true(options->is_on);
    assert_int_equal(options->count, -5);
    assert_int_equal(options->wait_ms, 5400000);
    assert_int_equal(options->size, 1610612736);
    assert_true(options->ratio < -0.0019 && options->ratio > -0.0021);
    assert_string_equal(options->text, "a: b");
    assert_string_equal(options->path, "/etc/passwd");
    assert_int_equal(options->form, 2);
    assert_int_equal(options->names.count, 3);
    assert_string_equal(options->names.items[1], "");
    assert_string_equal(options->names.items[2], "7");
    assert_int_equal(options->scales.count, 1);
    assert_int_equal(options->ranges.count, 4);
    assert_true(options->ranges.items[1] > 89.9 && options->ranges.items[1] < 90.1);
    assert_true(options->ranges.items[3] > 999);
    assert_int_equal(options->merge.method, 1);
    assert_true(options->merge.threshold > 0.99);
}

static void all_errors_are_told_in_one_go(void **state)
{
    struct fixture *fixture = *state;
    assert_false(parse(fixture,
                       "{on: yes, count: 11, wait: 5, size: x, ratio: [], form: nfx,\n"
                       " names: a, scales: [1, 9, b], merge: {treshold: 2}}"));
    diagnostics_sort(&fixture->found);
    static const char *const wanted[] = {
        "\"on\" must be true or false, not \"yes\"",
        "\"count\" must be from -5 to 10, not 11",
        "\"wait\" needs a unit: 5ms, 5s, 5m or 5h",
        "\"size\" must be a size such as 4096, 64KiB or 2MB, not \"x\"",
        "\"ratio\" must be a number, not a list",
        "\"form\" must be NFC, NFKC or none, not \"nfx\"; did you mean \"NFC\"?",
        "\"names\" must be a list such as [a, b], not \"a\"",
        "\"scales\" must be from 0 to 8, not 9",
        "an item of \"scales\" must be a number, not \"b\"",
        "unknown key \"treshold\" in \"merge\" of stage x; did you mean \"threshold\"?"};
    size_t count = sizeof wanted / sizeof *wanted;
    assert_int_equal(fixture->found.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(fixture->found.items[i].text, wanted[i]);
}

static void pairs_are_two_numbers_each(void **state)
{
    struct fixture *fixture = *state;
    assert_false(
        parse(fixture, "{count: 1, ranges: [[1, 2], 3, [4], [5, x], [6, 1001]]}"));
    diagnostics_sort(&fixture->found);
    static const char *const wanted[] = {
        "an item of \"ranges\" must be a pair such as [0, 90], not \"3\"",
        "an item of \"ranges\" must be a pair such as [0, 90], not a list",
        "an item of \"ranges\" must be a number, not \"x\"",
        "\"ranges\" must be from 0 to 1000, not 1001"};
    size_t count = sizeof wanted / sizeof *wanted;
    assert_int_equal(fixture->found.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(fixture->found.items[i].text, wanted[i]);
}

static void sizes_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum value_fault fault;
        uint64_t value;
    } cases[] = {
        {"0", VALUE_OK, 0},
        {"007", VALUE_OK, 7},
        {"100B", VALUE_OK, 100},
        {"2MB", VALUE_OK, 2000000},
        {"64KiB", VALUE_OK, 65536},
        {"1.5GiB", VALUE_OK, 1610612736},
        {"0.001KB", VALUE_OK, 1},
        {"18446744073709551615", VALUE_TOO_LARGE, 0},
        {"999999999999999999", VALUE_OK, 999999999999999999},
        {"16777216TiB", VALUE_TOO_LARGE, 0},
        {"16777215TiB", VALUE_OK, 18446742974197923840u},
        {"0.3KiB", VALUE_FRACTION, 0},
        {"1.5", VALUE_FRACTION, 0},
        {"-1", VALUE_MALFORMED, 0},
        {"", VALUE_MALFORMED, 0},
        {"KiB", VALUE_MALFORMED, 0},
        {".5KiB", VALUE_MALFORMED, 0},
        {"1.KiB", VALUE_MALFORMED, 0},
        {"1kb", VALUE_UNKNOWN_UNIT, 0},
        {"1.2.3", VALUE_UNKNOWN_UNIT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 0;
        assert_int_equal(value_parse_size(cases[i].text, &value), cases[i].fault);
        assert_int_equal(value, cases[i].value);
    }
}

static void values_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {
        0, 1, 1000, 1024, 1536, 65536, 2000000, 1u << 30, UINT64_MAX / 1024};
    static const double reals[] = {0, -1, 0.1, 1e-300, 1e308, 1.0 / 3, 123456789.125};
    char text[64];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t again = 1;
        value_format_size(sizes[i], text, sizeof text);
        if (value_parse_size(text, &again) != VALUE_TOO_LARGE)
            assert_int_equal(again, sizes[i]);
        int64_t ms = 1;
        value_format_duration((int64_t)(sizes[i] >> 12), text, sizeof text);
        assert_int_equal(value_parse_duration(text, &ms), VALUE_OK);
        assert_int_equal(ms, sizes[i] >> 12);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        double again = 7;
        value_format_real(reals[i], text, sizeof text);
        assert_int_equal(value_parse_real(text, &again), VALUE_OK);
        assert_memory_equal(&again, &reals[i], sizeof again);
    }
}

/* Texts of every kind of character, at the place of a key and of a value. */
static void written_texts_are_read_back_the_same(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {"plain",
                                        "",
                                        " ",
                                        "true",
                                        "123",
                                        "a: b",
                                        "#",
                                        "- x",
                                        "\"quoted\"",
                                        "back\\slash",
                                        "new\nline",
                                        "tab\t",
                                        "\x01\x1f\x7f",
                                        "\xC2\x80\xC2\x85\xC2\xA0",
                                        "\xE2\x80\xA8\xE2\x80\xA9",
                                        "\xEF\xBB\xBF",
                                        "gr\xC3\xB6\xC3\x9F.e",
                                        "\xF0\x9F\x98\x80",
                                        "{a}",
                                        "[a]",
                                        "a, b",
                                        "%x",
                                        "@x",
                                        "`x`",
                                        "'x'",
                                        "~",
                                        "null",
                                        "---",
                                        "?",
                                        ":",
                                        "!x",
                                        "&x",
                                        "*x",
                                        "|",
                                        ">",
                                        "/abs/path-1.txt"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bytes yaml = {0};
        bytes_put(&yaml, "{", 1);
        value_put_text(&yaml, texts[i]);
        bytes_put(&yaml, ": ", 2);
        value_put_text(&yaml, texts[i]);
        bytes_put(&yaml, "}", 1);
        const struct yaml_node *root = yaml_parse((const char *)yaml.data, yaml.size, "p",
                                                  fixture->arena, &fixture->found);
        bytes_clear(&yaml);
        assert_non_null(root);
        assert_int_equal(root->count, 1);
        assert_string_equal(root->keys[0]->text, texts[i]);
        assert_string_equal(root->items[0]->text, texts[i]);
    }
}

static size_t print(enum option_print how, char *text, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    options_print(file, specs, how);
    rewind(file);
    size_t length = fread(text, 1, size - 1, file);
    text[length] = 0;
    (void)fclose(file);
    return length;
}

static void help_names_every_option_within_80_columns(void **state)
{
    (void)state;
    char text[8192];
    (void)print(OPTION_PRINT_TEXT, text, sizeof text);
    assert_non_null(
        strstr(text, "  count: NUMBER\n      how many (default 3; from -5 to 10)\n"));
    assert_non_null(
        strstr(text, "  form: NFC | NFKC | none\n      which form (default NFKC)\n"));
    assert_non_null(strstr(text, "      threshold: NUMBER\n"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
}

static void json_help_is_json(void **state)
{
    struct fixture *fixture = *state;
    char text[8192];
    size_t size = print(OPTION_PRINT_JSON, text, sizeof text);
    /* JSON is YAML. */
    const struct yaml_node *root =
        yaml_parse(text, size, "json", fixture->arena, &fixture->found);
    assert_non_null(root);
    assert_int_equal(root->count, sizeof specs / sizeof *specs - 1);
    assert_string_equal(yaml_get(root->items[1], "max")->text, "10");
    assert_int_equal(yaml_get(root->items[7], "choices")->count, 3);
    assert_int_equal(yaml_get(root->items[11], "options")->count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_left_out_has_its_default, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_type_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(pairs_are_two_numbers_each, setup, teardown),
        cmocka_unit_test_setup_teardown(all_errors_are_told_in_one_go, setup, teardown),
        cmocka_unit_test(sizes_are_exact),
        cmocka_unit_test(values_are_written_as_they_are_read),
        cmocka_unit_test_setup_teardown(written_texts_are_read_back_the_same, setup,
                                        teardown),
        cmocka_unit_test(help_names_every_option_within_80_columns),
        cmocka_unit_test_setup_teardown(json_help_is_json, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
