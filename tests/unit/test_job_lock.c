/* test_job_lock.c - one coordinator a job, whoever comes and dies */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/job_lock.h"
#include "core/clock.h"
#include "core/platform.h"

extern char **environ;

enum { BEAT_MS = 20, CROWD = 12, EXIT_WON = 40, EXIT_REFUSED = 41 };

static char program[4096];

static int make_job(void **state)
{
    static char job[64];
    (void)snprintf(job, sizeof job, "/tmp/test_job_lock.XXXXXX");
    *state = job;
    return mkdtemp(job) ? 0 : -1;
}

static const char *below(const char *job, const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", job, name);
    return path;
}

static int remove_job(void **state)
{
    const char *const names[] = {"lock",   "lock.1", "lock.2", "lock.3",
                                 "lock.4", "lock.5", "end"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(below(*state, names[i]));
    return rmdir(*state); /* fails when something was left behind */
}

static void put_record(const char *path, uint64_t session, const char *host, int pid,
                       uint64_t start, uint64_t beat)
{
    char boot[64], temporary[300];
    platform_boot_id(boot, sizeof boot);
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    assert_non_null(file);
    (void)fprintf(file,
                  "millrace-lock 1\nsession %llu\nstate held\nhost %s\nboot %s\npid %d\n"
                  "start %llu\nnonce 00000000000000aa\nbeat %llu\n"
                  "since 2026-01-02T03:04:05.678Z\nend\n",
                  (unsigned long long)session, host, boot, pid, (unsigned long long)start,
                  (unsigned long long)beat);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static const char *this_host(void)
{
    static char host[256];
    platform_host_name(host, sizeof host);
    return host;
}

static int start_self(const char *role, const char *job)
{
    char *const arguments[] = {program, (char *)(uintptr_t)role, (char *)(uintptr_t)job,
                               NULL};
    pid_t pid = 0;
    assert_int_equal(posix_spawn(&pid, program, NULL, NULL, arguments, environ), 0);
    return (int)pid;
}

static void first_session_is_one_and_the_next_is_two(void **state)
{
    struct job_lock *lock = NULL;
    struct error error;
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    assert_int_equal(lock_session(lock), 1);
    assert_true(lock_is_ours(lock));
    assert_int_equal(lock_beat(lock, &error), OK);
    lock_release(lock);
    struct lock_record record;
    assert_int_equal(lock_read(*state, &record, &error), OK);
    assert_false(record.is_held);
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    assert_int_equal(lock_session(lock), 2);
    lock_release(lock);
}

static void live_holder_is_named_in_the_refusal(void **state)
{
    struct job_lock *lock = NULL, *second = NULL;
    struct error error;
    char wanted[300];
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    assert_int_equal(lock_acquire(*state, BEAT_MS, &second, &error), ERROR_CONFIG);
    (void)snprintf(wanted, sizeof wanted, "process %d on %s since 20", (int)getpid(),
                   this_host());
    assert_non_null(strstr(error.text, wanted));
    assert_null(second);
    assert_true(lock_is_ours(lock));
    lock_release(lock);
}

static void dead_holder_on_this_host_is_taken_over_at_once(void **state)
{
    /* Our own number, but another process had it: it began at another time. */
    put_record(below(*state, "lock"), 3, this_host(), (int)getpid(), 1, 7);
    struct job_lock *lock = NULL;
    struct error error;
    int64_t begin_ms = clock_now_ms();
    assert_int_equal(lock_acquire(*state, 60000, &lock, &error), OK);
    assert_true(clock_now_ms() - begin_ms < 5000);
    assert_int_equal(lock_session(lock), 4);
    lock_release(lock);
}

static void killed_holder_is_taken_over(void **state)
{
    struct error error;
    struct lock_record record = {0};
    int pid = start_self("contend", *state);
    while (record.session == 0)
        (void)lock_read(*state, &record, &error);
    assert_int_equal(record.pid, pid);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    struct job_lock *lock = NULL;
    assert_int_equal(lock_acquire(*state, 60000, &lock, &error), OK);
    assert_int_equal(lock_session(lock), 2);
    lock_release(lock);
}

static void still_counter_elsewhere_is_taken_over_after_three_beats(void **state)
{
    put_record(below(*state, "lock"), 1, "elsewhere", 1, 1, 7);
    struct job_lock *lock = NULL;
    struct error error;
    int64_t begin_ms = clock_now_ms();
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    assert_true(clock_now_ms() - begin_ms >= INT64_C(3) * BEAT_MS);
    assert_int_equal(lock_session(lock), 2);
    lock_release(lock);
}

static void beating_counter_elsewhere_is_refused(void **state)
{
    struct error error;
    struct job_lock *lock = NULL;
    struct lock_record record = {0};
    int pid = start_self("beat", *state);
    while (record.session == 0)
        (void)lock_read(*state, &record, &error);
    assert_int_equal(lock_acquire(*state, 1000, &lock, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "process 1 on elsewhere since 2026"));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)unlink(below(*state, "lock.new"));
}

static void claim_of_a_successor_fences_the_holder_off(void **state)
{
    struct job_lock *lock = NULL;
    struct error error;
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    put_record(below(*state, "lock.2"), 2, "elsewhere", 1, 1, 0);
    assert_false(lock_is_ours(lock));
    assert_int_equal(lock_beat(lock, &error), ERROR_CLOSED);
    assert_string_equal(error.text, "fenced off by session 2 on elsewhere");
    lock_release(lock);
    struct lock_record record;
    assert_int_equal(lock_read(*state, &record, &error), OK);
    assert_int_equal(record.session, 2);
    assert_true(record.is_held);
}

static void late_write_of_an_earlier_session_changes_nothing(void **state)
{
    struct job_lock *lock = NULL;
    struct error error;
    put_record(below(*state, "lock"), 1, this_host(), (int)getpid(), 1, 7);
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    put_record(below(*state, "lock"), 1, this_host(), (int)getpid(), 1, 8);
    struct lock_record record;
    assert_int_equal(lock_read(*state, &record, &error), OK);
    assert_int_equal(record.session, 2);
    struct job_lock *second = NULL;
    assert_int_equal(lock_acquire(*state, BEAT_MS, &second, &error), ERROR_CONFIG);
    assert_int_equal(lock_beat(lock, &error), OK);
    lock_release(lock);
}

static void damaged_file_is_taken_over_when_it_stands_still(void **state)
{
    FILE *file = fopen(below(*state, "lock"), "w");
    assert_non_null(file);
    (void)fputs("millrace-lock 1\nsession 99999999999999999999\n", file);
    assert_int_equal(fclose(file), 0);
    struct job_lock *lock = NULL;
    struct error error;
    assert_int_equal(lock_acquire(*state, BEAT_MS, &lock, &error), OK);
    assert_int_equal(lock_session(lock), 1);
    lock_release(lock);
}

static void contest(const char *job)
{
    int won = 0;
    for (int i = 0; i < CROWD; i++)
        (void)start_self("contend", job);
    for (int i = 0; i < CROWD; i++) {
        if (i == CROWD - 1) { /* one is left: the winner, that waits for us */
            FILE *file = fopen(below(job, "end"), "w");
            assert_non_null(file);
            assert_int_equal(fclose(file), 0);
        }
        int status = 0;
        assert_true(waitpid(-1, &status, 0) > 0);
        assert_true(WIFEXITED(status));
        won += WEXITSTATUS(status) == EXIT_WON;
        assert_true(WEXITSTATUS(status) == EXIT_WON ||
                    WEXITSTATUS(status) == EXIT_REFUSED);
    }
    assert_int_equal(won, 1);
    assert_int_equal(unlink(below(job, "end")), 0);
}

static void one_of_many_wins(void **state)
{
    contest(*state);
    contest(*state); /* from a released one */
    put_record(below(*state, "lock"), 3, this_host(), (int)getpid(), 1, 7);
    contest(*state); /* from a dead one here */
    put_record(below(*state, "lock"), 5, "elsewhere", 1, 1, 7);
    (void)unlink(below(*state, "lock.4"));
    contest(*state); /* from one elsewhere that stands still */
    struct lock_record record;
    struct error error;
    assert_int_equal(lock_read(*state, &record, &error), OK);
    assert_int_equal(record.session, 6);
    (void)unlink(below(*state, "lock.6"));
}

static int contend(const char *job)
{
    struct job_lock *lock = NULL;
    struct error error;
    enum error_code code = lock_acquire(job, BEAT_MS, &lock, &error);
    if (code != OK) {
        if (code != ERROR_CONFIG)
            (void)fprintf(stderr, "%s\n", error.text);
        return code == ERROR_CONFIG ? EXIT_REFUSED : 1;
    }
    int parent = (int)getppid();
    while (access(below(job, "end"), F_OK) != 0 && getppid() == parent) {
        clock_sleep_ms(BEAT_MS / 4);
        if (lock_beat(lock, &error) != OK)
            return 2;
    }
    lock_release(lock);
    return EXIT_WON;
}

static int beat(const char *job)
{
    int parent = (int)getppid();
    for (uint64_t i = 0; getppid() == parent; i++) {
        put_record(below(job, "lock"), 1, "elsewhere", 1, 1, i);
        clock_sleep_ms(5);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct error error;
    if (argc == 3)
        return strcmp(argv[1], "beat") == 0 ? beat(argv[2]) : contend(argv[2]);
    if (platform_executable(program, sizeof program, &error) != OK)
        return 1;
#define LOCK_TEST(name) cmocka_unit_test_setup_teardown(name, make_job, remove_job)
    const struct CMUnitTest tests[] = {
        LOCK_TEST(first_session_is_one_and_the_next_is_two),
        LOCK_TEST(live_holder_is_named_in_the_refusal),
        LOCK_TEST(dead_holder_on_this_host_is_taken_over_at_once),
        LOCK_TEST(killed_holder_is_taken_over),
        LOCK_TEST(still_counter_elsewhere_is_taken_over_after_three_beats),
        LOCK_TEST(beating_counter_elsewhere_is_refused),
        LOCK_TEST(claim_of_a_successor_fences_the_holder_off),
        LOCK_TEST(late_write_of_an_earlier_session_changes_nothing),
        LOCK_TEST(damaged_file_is_taken_over_when_it_stands_still),
        LOCK_TEST(one_of_many_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
