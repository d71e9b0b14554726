/* test_process.c - programs are started, talked to, ended, and do not outlive us */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/platform.h"
#include "core/process.h"

enum { PATH_SIZE = 1024, TOLD = 9 };

/* Start `words` of a shell. */
static struct process start_shell(const char *words, bool is_guarded)
{
    char shell[] = "sh", option[] = "-c", script[256];
    (void)snprintf(script, sizeof script, "%s", words);
    char *argv[] = {shell, option, script, NULL};
    const struct process_settings settings = {.argv = argv,
                                              .has_input = true,
                                              .has_output = true,
                                              .is_group = true,
                                              .is_guarded = is_guarded};
    struct process process = {.input = -1, .output = -1};
    struct error error;
    assert_int_equal(process_start(&settings, &process, &error), OK);
    return process;
}

static void an_exchange_gives_the_lines_asked_for(void **state)
{
    (void)state;
    struct process process = start_shell("exec cat", true);
    struct bytes out = {0};
    struct error error;
    for (int round = 0; round < 3; round++) {
        bytes_reset(&out);
        assert_int_equal(process_exchange(&process, "a\nb\n", 4, 2, 100, &out, &error),
                         OK);
        assert_int_equal(out.size, 4);
        assert_memory_equal(out.data, "a\nb\n", 4);
    }
    bytes_clear(&out);
    struct process_end end = process_stop(&process, 5000);
    assert_false(end.is_signal);
    assert_int_equal(end.number, 0);
}

static void faults_of_the_other_side_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        enum error_code code;
    } cases[] = {{"read x; exit 4", ERROR_CLOSED},
                 {"read x; printf '\\n\\n'", ERROR_DAMAGED},
                 {"read x; printf '\\nmore'; read x", ERROR_DAMAGED},
                 {"exec cat /dev/zero", ERROR_DAMAGED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct process process = start_shell(cases[i].script, false);
        struct bytes out = {0};
        struct error error;
        enum error_code code =
            process_exchange(&process, "a\n", 2, 1, 1 << 20, &out, &error);
        assert_int_equal(code, cases[i].code);
        bytes_clear(&out);
        (void)process_stop(&process, 0);
    }
}

static void the_end_says_how(void **state)
{
    (void)state;
    char text[32];
    struct process process = start_shell("exit 7", true);
    struct process_end end = process_stop(&process, 5000);
    process_end_format(&end, text, sizeof text);
    assert_string_equal(text, "exit status 7");
    process = start_shell("kill -SEGV $$", true);
    end = process_stop(&process, 5000);
    process_end_format(&end, text, sizeof text);
    assert_string_equal(text, "SIGSEGV");
    process = start_shell("trap '' TERM; while :; do sleep 1; done", true);
    assert_false(process_wait(&process, 10, &end));
    end = process_stop(&process, 0);
    assert_true(end.is_signal);
    assert_int_equal(end.number, SIGKILL);
    assert_int_equal(process_stop(&process, 0).number, 0); /* again: nothing */
}

static void a_program_that_is_not_there_is_not_started(void **state)
{
    (void)state;
    char name[] = "no-such-program-at-all";
    char *argv[] = {name, NULL};
    const struct process_settings settings = {.argv = argv};
    struct process process;
    struct error error;
    assert_int_equal(process_start(&settings, &process, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, name));
}

static void a_descriptor_is_passed_on_at_its_number(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const struct process_descriptor passed = {ends[1], TOLD};
    char shell[] = "sh", option[] = "-c", script[] = "echo yes >&9";
    char *argv[] = {shell, option, script, NULL};
    const struct process_settings settings = {
        .argv = argv, .descriptors = &passed, .descriptor_count = 1};
    struct process process;
    struct error error;
    assert_int_equal(process_start(&settings, &process, &error), OK);
    char text[8] = "";
    assert_int_equal(read(ends[0], text, sizeof text), 4);
    assert_string_equal(text, "yes\n");
    (void)process_stop(&process, 5000);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_guarded_program_gets_no_other_open_file(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct process process = start_shell("sleep 100 & echo $!; wait", true);
    struct bytes out = {0};
    struct error error;
    assert_int_equal(process_exchange(&process, "", 0, 1, 100, &out, &error), OK);
    (void)close(ends[1]);
    struct pollfd closed = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&closed, 1, 5000), 1); /* no one else has the other end */
    bytes_clear(&out);
    (void)process_stop(&process, 0);
    (void)close(ends[0]);
}

/* For the next case: a process that starts a guarded program and waits to be killed. What
 * the program itself started holds TOLD open and has said so. */
static int parent_main(void)
{
    char shell[] = "sh", option[] = "-c", script[] = "sleep 100 & echo >&9; wait";
    char *argv[] = {shell, option, script, NULL};
    const struct process_descriptor passed = {TOLD, TOLD};
    const struct process_settings settings = {
        .argv = argv, .is_guarded = true, .descriptors = &passed, .descriptor_count = 1};
    struct process process;
    if (process_start(&settings, &process, NULL) != OK)
        return 1;
    (void)close(TOLD);
    for (;;)
        (void)pause();
}

static void a_killed_parent_takes_its_guarded_programs_along(void **state)
{
    (void)state;
    int ends[2];
    char self[PATH_SIZE], word[] = "--parent", text[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(platform_executable(self, sizeof self, NULL), OK);
    char *argv[] = {self, word, NULL};
    const struct process_descriptor passed = {ends[1], TOLD};
    const struct process_settings settings = {
        .argv = argv, .descriptors = &passed, .descriptor_count = 1};
    struct process process;
    struct error error;
    assert_int_equal(process_start(&settings, &process, &error), OK);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], text, 1), 1); /* the sleeper is there */
    assert_int_equal(kill(process.pid, SIGKILL), 0);
    struct process_end end;
    assert_true(process_wait(&process, 5000, &end));
    struct pollfd closed = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&closed, 1, 5000), 1);
    assert_int_equal(read(ends[0], text, 1), 0); /* nobody holds the pipe any more */
    (void)close(ends[0]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PROCESS_CHILD_WORD) == 0)
        return process_child_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--parent") == 0)
        return parent_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_gives_the_lines_asked_for),
        cmocka_unit_test(faults_of_the_other_side_are_told),
        cmocka_unit_test(the_end_says_how),
        cmocka_unit_test(a_program_that_is_not_there_is_not_started),
        cmocka_unit_test(a_descriptor_is_passed_on_at_its_number),
        cmocka_unit_test(a_guarded_program_gets_no_other_open_file),
        cmocka_unit_test(a_killed_parent_takes_its_guarded_programs_along)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
