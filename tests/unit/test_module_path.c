/* test_module_path.c - files that are opened at run time are found beside the executable */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "core/module_path.h"

static void assert_found(const char *name, const char *folder, const char *end)
{
    char path[MODULE_PATH_SIZE];
    struct error error;
    bool is_found = false;
    assert_int_equal(module_path_find(name, folder, path, &is_found, &error), OK);
    assert_true(is_found);
    assert_true(strlen(path) > strlen(end));
    assert_string_equal(path + strlen(path) - strlen(end), end);
    assert_int_equal(access(path, R_OK), 0);
}

static void a_file_beside_the_executable_is_found(void **state)
{
    (void)state;
    assert_found("test_module_path", NULL, "/unit/test_module_path");
    assert_found("test_module_path", "nowhere", "/unit/test_module_path");
}

static void a_file_in_a_folder_beside_it_is_found(void **state)
{
    (void)state;
    assert_found("unit/test_module_path", "..", "/../unit/test_module_path");
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    char path[MODULE_PATH_SIZE] = "as it was";
    struct error error;
    bool is_found = true;
    assert_int_equal(module_path_find("no-such-module.so", "..", path, &is_found, &error),
                     OK);
    assert_false(is_found);
}

static void where_installed_ones_are_is_told(void **state)
{
    (void)state;
    const char *folder = module_path_installed(), *end = "/lib/millrace";
    assert_true(strlen(folder) >= strlen(end));
    assert_string_equal(folder + strlen(folder) - strlen(end), end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_beside_the_executable_is_found),
        cmocka_unit_test(a_file_in_a_folder_beside_it_is_found),
        cmocka_unit_test(a_file_that_is_not_there_is_not_found),
        cmocka_unit_test(where_installed_ones_are_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
