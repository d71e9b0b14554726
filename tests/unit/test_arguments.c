/* test_arguments.c - tests of the command-line table */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/arguments.h"

static const struct argument_spec specs[] = {
    {.name = "--set", .value = "PATH=VALUE", .is_repeatable = true, .help = "set a key"},
    {.name = "--job", .value = "DIR", .help = "the job directory"},
    {.name = "--quiet", .help = "say little"},
    ARGUMENT_END};
static const struct argument_command command = {.usage = "millrace run PIPELINE.yaml",
                                                .summary = "Run a pipeline.",
                                                .min = 1,
                                                .max = 1,
                                                .specs = specs};

static int setup(void **state)
{
    *state = arena_create(4096, 0);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

static enum error_code parse(void **state, int argc, char **argv,
                             struct arguments *arguments, struct error *error)
{
    return arguments_parse(&command, argc, argv, *state, arguments, error);
}

static void options_stand_anywhere_and_values_in_both_forms(void **state)
{
    char *argv[] = {"run", "--set", "a=1", "p.yaml", "--set=b=2", "--job=x", "--quiet"};
    struct arguments arguments;
    struct error error;
    assert_int_equal(parse(state, 7, argv, &arguments, &error), OK);
    assert_int_equal(arguments.texts.count, 1);
    assert_string_equal(arguments.texts.items[0], "p.yaml");
    struct text_list sets = arguments_values(&arguments, "--set");
    assert_int_equal(sets.count, 2);
    assert_string_equal(sets.items[0], "a=1");
    assert_string_equal(sets.items[1], "b=2");
    assert_string_equal(arguments_value(&arguments, "--job"), "x");
    assert_true(arguments_flag(&arguments, "--quiet"));
}

static void what_was_not_given_is_absent(void **state)
{
    char *argv[] = {"run", "p.yaml"};
    struct arguments arguments;
    struct error error;
    assert_int_equal(parse(state, 2, argv, &arguments, &error), OK);
    assert_null(arguments_value(&arguments, "--job"));
    assert_false(arguments_flag(&arguments, "--quiet"));
    assert_int_equal(arguments_values(&arguments, "--set").count, 0);
}

static void two_dashes_end_the_options(void **state)
{
    char *argv[] = {"run", "--", "--job"};
    struct arguments arguments;
    struct error error;
    assert_int_equal(parse(state, 3, argv, &arguments, &error), OK);
    assert_string_equal(arguments.texts.items[0], "--job");
}

static void help_needs_nothing_else(void **state)
{
    char *argv[] = {"run", "-h"};
    struct arguments arguments;
    struct error error;
    assert_int_equal(parse(state, 2, argv, &arguments, &error), OK);
    assert_true(arguments.is_help);
}

static void wrong_lines_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *argv[5];
        int argc;
        const char *text;
    } cases[] = {
        {{"run", "p", "--quite"},
         3,
         "unknown option \"--quite\"; did you mean \"--quiet\"?"},
        {{"run", "p", "--sets=3"},
         3,
         "unknown option \"--sets\"; did you mean \"--set\"?"},
        {{"run", "p", "-z"},
         3,
         "unknown option \"-z\"; known are --set, --job, --quiet and --help"},
        {{"run", "p", "--job"}, 3, "--job needs a value: --job DIR"},
        {{"run", "p", "--quiet=yes"}, 3, "--quiet takes no value"},
        {{"run", "--job=a", "--job=b", "p"}, 4, "--job is given twice"},
        {{"run"}, 1, "something is missing; usage: millrace run PIPELINE.yaml"},
        {{"run", "p", "q"},
         3,
         "\"q\" is one too many; usage: millrace run PIPELINE.yaml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char copies[5][32];
        char *argv[5];
        for (int k = 0; k < cases[i].argc; k++) {
            (void)snprintf(copies[k], sizeof copies[k], "%s", cases[i].argv[k]);
            argv[k] = copies[k];
        }
        struct arguments arguments;
        struct error error;
        assert_int_equal(parse(state, cases[i].argc, argv, &arguments, &error),
                         ERROR_CONFIG);
        assert_string_equal(error.text, cases[i].text);
    }
}

static void help_names_every_option_within_80_columns(void **state)
{
    (void)state;
    char text[4096];
    FILE *file = tmpfile();
    assert_non_null(file);
    arguments_help(&command, file);
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = 0;
    (void)fclose(file);
    assert_non_null(strstr(text, "usage: millrace run PIPELINE.yaml\n"));
    assert_non_null(strstr(text, "--set PATH=VALUE  set a key\n"));
    assert_non_null(strstr(text, "--quiet           say little\n"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(options_stand_anywhere_and_values_in_both_forms,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_given_is_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(two_dashes_end_the_options, setup, teardown),
        cmocka_unit_test_setup_teardown(help_needs_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_lines_are_refused_with_a_reason, setup,
                                        teardown),
        cmocka_unit_test(help_names_every_option_within_80_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
