/* test_scratch.c - private folders, and what is left of dead processes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/scratch.h"

enum { PATH_SIZE = 512 };

struct fixture {
    char base[64], path[PATH_SIZE];
};

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->base, sizeof fixture->base, "/tmp/scratch-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->base));
    assert_int_equal(setenv("MILLRACE_SCRATCH", fixture->base, 1), 0);
    assert_int_equal(scratch_make(fixture->path, sizeof fixture->path, NULL), 0);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    scratch_remove(fixture->path);
    (void)rmdir(fixture->base);
    free(fixture);
    return 0;
}

/* Make the folder of a process that is no more: the living one's, with another start. */
static void make_dead(const char *living, char space_digit, char *path, size_t size)
{
    (void)snprintf(path, size, "%s", living);
    char *name = strrchr(path, '/') + 1;
    char *space = strchr(name, '-') + 1;
    char *start = strchr(strchr(space, '-') + 1, '-') + 1;
    if (space_digit)
        space[0] = space[0] == space_digit ? (char)(space_digit + 1) : space_digit;
    start[0] = start[0] == '1' ? '2' : '1';
    assert_int_equal(mkdir(path, 0700), 0);
}

static void the_folder_is_private(void **state)
{
    struct fixture *fixture = *state;
    struct stat info;
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void folders_of_living_processes_stay(void **state)
{
    struct fixture *fixture = *state;
    char other[PATH_SIZE];
    assert_int_equal(scratch_make(other, sizeof other, NULL), 0);
    assert_int_equal(access(fixture->path, F_OK), 0);
    scratch_remove(other);
}

static void folders_of_dead_processes_go(void **state)
{
    struct fixture *fixture = *state;
    char dead[PATH_SIZE], other[PATH_SIZE];
    make_dead(fixture->path, 0, dead, sizeof dead);
    assert_int_equal(scratch_make(other, sizeof other, NULL), 0);
    assert_int_not_equal(access(dead, F_OK), 0);
    scratch_remove(other);
}

static void folders_of_other_machines_stay(void **state)
{
    struct fixture *fixture = *state;
    char dead[PATH_SIZE], other[PATH_SIZE];
    make_dead(fixture->path, '1', dead, sizeof dead);
    assert_int_equal(scratch_make(other, sizeof other, NULL), 0);
    assert_int_equal(access(dead, F_OK), 0);
    scratch_remove(other);
    scratch_remove(dead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_folder_is_private, begin, end),
        cmocka_unit_test_setup_teardown(folders_of_living_processes_stay, begin, end),
        cmocka_unit_test_setup_teardown(folders_of_dead_processes_go, begin, end),
        cmocka_unit_test_setup_teardown(folders_of_other_machines_stay, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
