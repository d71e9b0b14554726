/* test_protobuf.c - fields of a message, and messages that are damaged */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "stages/kernels/protobuf.h"

static void every_wire_type_is_read(void **state)
{
    (void)state;
    static const unsigned char message[] = {0x08, 0x96, 0x01,             /* 1: 150 */
                                            0x12, 3,    'a',  'b',  'c',  /* 2: abc */
                                            0x1D, 0,    0,    0x80, 0xBF, /* 3: -1 */
                                            0x21, 1,    2,    3,    4,
                                            5,    6,    7,    8, /* 4 */
                                            0xFA, 0x01, 0};      /* 31: "" */
    struct cursor cursor = cursor_over(message, sizeof message);
    struct protobuf_field field;
    assert_true(protobuf_next(&cursor, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 150);
    assert_true(protobuf_next(&cursor, &field));
    assert_int_equal(field.wire, WIRE_BYTES);
    assert_int_equal(field.size, 3);
    assert_memory_equal(field.data, "abc", 3);
    assert_true(protobuf_next(&cursor, &field));
    assert_true(protobuf_float(&field) == -1.0f);
    assert_true(protobuf_next(&cursor, &field));
    assert_true(field.value == UINT64_C(0x0807060504030201));
    assert_true(protobuf_next(&cursor, &field));
    assert_int_equal(field.number, 31);
    assert_int_equal(field.size, 0);
    assert_false(protobuf_next(&cursor, &field));
    assert_false(cursor.is_bad);
}

static void check_damaged(const unsigned char *message, size_t size)
{
    struct cursor cursor = cursor_over(message, size);
    struct protobuf_field field;
    while (protobuf_next(&cursor, &field))
        continue;
    assert_true(cursor.is_bad);
}

static void damaged_messages_end_with_a_mark(void **state)
{
    (void)state;
    check_damaged((const unsigned char[]){0x08}, 1);          /* no value */
    check_damaged((const unsigned char[]){0x12, 4, 'a'}, 3);  /* too long */
    check_damaged((const unsigned char[]){0x1D, 0, 0, 0}, 4); /* cut number */
    check_damaged((const unsigned char[]){0x0B, 0x0C}, 2);    /* group */
    check_damaged((const unsigned char[]){0x00, 0x01}, 2);    /* field 0 */
    check_damaged((const unsigned char[]){0x0E, 0x01}, 2);    /* wire type 6 */
    check_damaged((const unsigned char[]){0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                          0xFF, 0xFF, 0x01, 'a'},
                  12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wire_type_is_read),
        cmocka_unit_test(damaged_messages_end_with_a_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
