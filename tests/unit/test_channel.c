/* test_channel.c - tests of the frames between a worker and an executor */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "worker/channel.h"

struct fixture {
    struct channel left, right;
};

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int pair[2];
    assert_non_null(fixture);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    channel_init(&fixture->left, pair[0]);
    channel_init(&fixture->right, pair[1]);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    channel_clear(&fixture->left);
    channel_clear(&fixture->right);
    free(fixture);
    return 0;
}

static void frames_arrive_in_order(void **state)
{
    struct fixture *fixture = *state;
    uint8_t type;
    struct cursor payload;
    assert_int_equal(channel_put(&fixture->left, 3, "abc", 3, NULL), OK);
    assert_int_equal(channel_put(&fixture->left, 4, NULL, 0, NULL), OK);
    assert_int_equal(channel_flush(&fixture->left, false, NULL), OK);
    assert_int_equal(channel_fill(&fixture->right, -1, NULL), OK);
    assert_true(channel_take(&fixture->right, &type, &payload));
    assert_int_equal(type, 3);
    assert_int_equal(cursor_left(&payload), 3);
    assert_memory_equal(payload.at, "abc", 3);
    assert_true(channel_take(&fixture->right, &type, &payload));
    assert_int_equal(type, 4);
    assert_int_equal(cursor_left(&payload), 0);
    assert_false(channel_take(&fixture->right, &type, &payload));
}

static void a_frame_larger_than_the_socket_arrives_in_parts(void **state)
{
    struct fixture *fixture = *state;
    enum { SIZE = 5 << 20 };
    unsigned char *data = malloc(SIZE);
    assert_non_null(data);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    assert_int_equal(channel_put(&fixture->left, 9, data, SIZE, NULL), OK);
    uint8_t type = 0;
    struct cursor payload;
    bool is_taken = false;
    for (int i = 0; i < 10000 && !is_taken; i++) {
        assert_int_equal(channel_flush(&fixture->left, false, NULL), OK);
        assert_int_equal(channel_fill(&fixture->right, 0, NULL), OK);
        is_taken = channel_take(&fixture->right, &type, &payload);
        if (i == 0)
            assert_false(is_taken);
    }
    assert_true(is_taken);
    assert_false(channel_has_output(&fixture->left));
    assert_int_equal(type, 9);
    assert_int_equal(cursor_left(&payload), SIZE);
    assert_memory_equal(payload.at, data, SIZE);
    free(data);
}

static void what_came_before_the_end_can_be_taken(void **state)
{
    struct fixture *fixture = *state;
    uint8_t type;
    struct cursor payload;
    assert_int_equal(channel_put(&fixture->left, 7, "x", 1, NULL), OK);
    assert_int_equal(channel_flush(&fixture->left, true, NULL), OK);
    channel_clear(&fixture->left);
    assert_int_equal(channel_fill(&fixture->right, -1, NULL), OK);
    assert_true(channel_take(&fixture->right, &type, &payload));
    assert_int_equal(type, 7);
    assert_int_equal(channel_fill(&fixture->right, -1, NULL), OK);
    assert_true(fixture->right.is_closed);
    assert_false(channel_take(&fixture->right, &type, &payload));
}

static void writing_to_nobody_is_no_error(void **state)
{
    struct fixture *fixture = *state;
    channel_clear(&fixture->right);
    assert_int_equal(channel_put(&fixture->left, 1, "abc", 3, NULL), OK);
    assert_int_equal(channel_flush(&fixture->left, true, NULL), OK);
    assert_true(fixture->left.is_closed);
    assert_false(channel_has_output(&fixture->left));
}

static void filling_waits_no_longer_than_told(void **state)
{
    struct fixture *fixture = *state;
    uint8_t type;
    struct cursor payload;
    assert_int_equal(channel_fill(&fixture->right, 1, NULL), OK);
    assert_false(channel_take(&fixture->right, &type, &payload));
    assert_false(fixture->right.is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_arrive_in_order, begin, end),
        cmocka_unit_test_setup_teardown(a_frame_larger_than_the_socket_arrives_in_parts,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_came_before_the_end_can_be_taken, begin,
                                        end),
        cmocka_unit_test_setup_teardown(writing_to_nobody_is_no_error, begin, end),
        cmocka_unit_test_setup_teardown(filling_waits_no_longer_than_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
