/* test_registry.c - every stage's descriptor is sound, and found by its name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stages/registry.h"

static void every_descriptor_is_sound(void **state)
{
    (void)state;
    assert_non_null(stage_types[0]);
    for (size_t i = 0; stage_types[i]; i++) {
        struct error error = {0};
        if (stage_type_check(stage_types[i], &error))
            fail_msg("%s", error.text);
    }
}

static void every_stage_is_found_by_its_name_alone(void **state)
{
    (void)state;
    for (size_t i = 0; stage_types[i]; i++)
        assert_ptr_equal(stage_find(stage_types[i]->name), stage_types[i]);
    assert_null(stage_find(""));
    assert_null(stage_find("tokenise"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_descriptor_is_sound),
        cmocka_unit_test(every_stage_is_found_by_its_name_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
