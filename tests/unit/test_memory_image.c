/* test_memory_image.c - tables go in and come out; what is cut off is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/memory_image.h"

static const struct image_section tables[] = {{"abc", 3}, {NULL, 0}, {"0123456789", 10}};

static void tables_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct bytes image = {0};
    struct image_section found[3];
    struct error error;
    bytes_put(&image, "before", 6); /* it is appended */
    assert_int_equal(memory_image_write(7, tables, 3, &image, &error), OK);
    assert_int_equal(
        memory_image_open(image.data + 6, image.size - 6, 7, 3, found, &error), OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(found[i].size, tables[i].size);
        assert_int_equal(
            ((size_t)((const unsigned char *)found[i].data - image.data) - 6) % 64, 0);
        if (found[i].size > 0)
            assert_memory_equal(found[i].data, tables[i].data, tables[i].size);
    }
    bytes_clear(&image);
}

static void what_is_cut_or_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct bytes image = {0};
    struct image_section found[3];
    struct error error;
    assert_int_equal(memory_image_write(7, tables, 3, &image, &error), OK);
    for (size_t size = 0; size < image.size; size++) {
        unsigned char *copy = malloc(size + 1);
        memcpy(copy, image.data, size);
        assert_int_equal(memory_image_open(copy, size, 7, 3, found, &error),
                         ERROR_DAMAGED);
        free(copy);
    }
    assert_int_equal(memory_image_open(image.data, image.size, 8, 3, found, &error),
                     ERROR_DAMAGED);
    assert_int_equal(memory_image_open(image.data, image.size, 7, 2, found, &error),
                     ERROR_DAMAGED);
    image.data[24] ^= 1; /* the first table's offset */
    assert_int_equal(memory_image_open(image.data, image.size, 7, 3, found, &error),
                     ERROR_DAMAGED);
    bytes_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_come_out_as_they_went_in),
        cmocka_unit_test(what_is_cut_or_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
