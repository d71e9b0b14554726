/* transport_conformance.c - what every transport must do */
#include "tests/unit/transport_conformance.h"

#include <unistd.h>

#include "core/clock.h"

/* ---- the coordinator's side ---- */

/* Byte i of frame `number`. */
static void fill_frame(unsigned char *data, size_t size, uint32_t number)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((i * 7 + (i >> 8) + number) & 127);
    if (size >= 5)
        store_u32(data + 1, number);
}

static void queue_frame(struct conformance_server *server, peer_id to,
                        const unsigned char *data, size_t size)
{
    bytes_put_u32(&server->queue, to);
    bytes_put_u32(&server->queue, (uint32_t)size);
    bytes_put(&server->queue, data, size);
    assert_false(server->queue.is_bad);
}

static void generate_frames(struct conformance_server *server, const struct frame *frame)
{
    uint32_t count = load_u32(frame->data + 1), size = load_u32(frame->data + 5);
    unsigned char *data = malloc(size);
    assert_non_null(data);
    for (uint32_t i = 0; i < count; i++) {
        fill_frame(data, size, i);
        data[0] = 'g';
        queue_frame(server, frame->from, data, size);
    }
    free(data);
}

static void flush_queue(struct conformance_server *server)
{
    struct error error;
    while (server->head < server->queue.size) {
        const unsigned char *item = server->queue.data + server->head;
        uint32_t size = load_u32(item + 4);
        enum error_code code = server->transport->type->send(
            server->transport, load_u32(item), item + 8, size, &error);
        if (code == ERROR_TRANSIENT)
            return;
        assert_int_equal(code, OK);
        server->head += 8 + size;
    }
    bytes_reset(&server->queue);
    server->head = 0;
}

void conformance_serve(struct conformance_server *server, int timeout_ms)
{
    struct error error;
    struct frame frame;
    flush_queue(server);
    if (server->queue.size > 0 && timeout_ms > 1)
        timeout_ms = 1;
    for (int i = 0; i < 64; i++) {
        enum error_code code = server->transport->type->receive(
            server->transport, i == 0 ? timeout_ms : 0, NULL, 0, &frame, &error);
        assert_int_equal(code, OK);
        if (!frame.data)
            break;
        assert_true(frame.from > 0);
        server->received++;
        server->bytes += frame.size;
        int letter = frame.size > 0 ? frame.data[0] : 0;
        if (letter == CONFORMANCE_QUIT)
            server->quit_count++;
        else if (letter == CONFORMANCE_GENERATE && frame.size == 9)
            generate_frames(server, &frame);
        else if (letter != CONFORMANCE_SINK)
            queue_frame(server, frame.from, frame.data, frame.size);
    }
    flush_queue(server);
}

/* ---- the worker's side ---- */

static void pump(const struct conformance *test)
{
    if (test->server)
        conformance_serve(test->server, 0);
}

void conformance_open(struct conformance *test)
{
    test->sent = malloc(CONFORMANCE_FRAME_MAX);
    test->expected = malloc(CONFORMANCE_FRAME_MAX);
    assert_non_null(test->sent);
    assert_non_null(test->expected);
}

void conformance_close(struct conformance *test)
{
    free(test->sent);
    free(test->expected);
    if (test->server)
        bytes_clear(&test->server->queue);
}

static bool try_send(const struct conformance *test, const unsigned char *data,
                     size_t size)
{
    struct error error;
    enum error_code code = test->worker->type->send(test->worker, 0, data, size, &error);
    assert_true(code == OK || code == ERROR_TRANSIENT);
    return code == OK;
}

static bool try_receive(const struct conformance *test, int timeout_ms,
                        struct frame *frame)
{
    struct error error;
    enum error_code code = test->worker->type->receive(
        test->worker, test->server ? 0 : timeout_ms, NULL, 0, frame, &error);
    assert_int_equal(code, OK);
    assert_true(!frame->data || frame->from == 0);
    return frame->data != NULL;
}

static void must_send(const struct conformance *test, const unsigned char *data,
                      size_t size)
{
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    while (!try_send(test, data, size)) {
        assert_true(clock_now_ms() < until_ms);
        pump(test);
        struct frame frame;
        assert_false(try_receive(test, 1, &frame));
    }
}

static void must_receive(const struct conformance *test, struct frame *frame)
{
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    while (!try_receive(test, 100, frame)) {
        assert_true(clock_now_ms() < until_ms);
        pump(test);
    }
}

static void frames_of_every_size_come_back_unchanged(void **state)
{
    const struct conformance *test = *state;
    static const size_t sizes[] = {1,     2,     100,       4095,    4096,          4097,
                                   65535, 65536, 65536 + 1, 1 << 20, (5 << 20) + 3, 0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill_frame(test->sent, sizes[i], (uint32_t)i);
        test->sent[0] = 'e';
        must_send(test, test->sent, sizes[i]);
        struct frame frame;
        must_receive(test, &frame);
        assert_int_equal(frame.size, sizes[i]);
        assert_memory_equal(frame.data, test->sent, sizes[i]);
    }
}

/* Send `count` frames as fast as they go, taking those that come back meanwhile. */
static void stream_frames(const struct conformance *test, uint32_t count, size_t size)
{
    uint32_t sent = 0, received = 0;
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    while (received < count) {
        assert_true(clock_now_ms() < until_ms);
        for (int i = 0; i < 100 && sent < count && sent < received + 2000; i++) {
            fill_frame(test->sent, size, sent);
            test->sent[0] = 'e';
            if (!try_send(test, test->sent, size))
                break;
            sent++;
        }
        pump(test);
        struct frame frame;
        while (try_receive(test, sent == count ? 10 : 0, &frame)) {
            fill_frame(test->expected, size, received);
            test->expected[0] = 'e';
            assert_int_equal(frame.size, size);
            assert_memory_equal(frame.data, test->expected, size);
            received++;
        }
    }
}

static void thousands_of_small_frames_keep_their_order(void **state)
{
    stream_frames(*state, 20000, 50);
}

static void large_frames_pass_each_other(void **state)
{
    stream_frames(*state, 8, 5 << 20);
}

static void middling_frames_pass_each_other(void **state)
{
    stream_frames(*state, 500, 65536 + 1);
}

static void a_flood_waits_for_a_slow_reader(void **state)
{
    const struct conformance *test = *state;
    enum { COUNT = 5000, SIZE = 3000 };
    unsigned char request[9] = {CONFORMANCE_GENERATE};
    store_u32(request + 1, COUNT);
    store_u32(request + 5, SIZE);
    must_send(test, request, sizeof request);
    for (int i = 0; i < 50; i++)
        pump(test);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct frame frame;
        must_receive(test, &frame);
        fill_frame(test->expected, SIZE, i);
        test->expected[0] = 'g';
        assert_int_equal(frame.size, SIZE);
        assert_memory_equal(frame.data, test->expected, SIZE);
    }
}

static void nothing_comes_in_time(void **state)
{
    const struct conformance *test = *state;
    static const int timeouts_ms[] = {0, 1, 20, 100};
    for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
        struct error error;
        struct frame frame = {.data = test->sent};
        int64_t begin_us = clock_now_us();
        assert_int_equal(test->worker->type->receive(test->worker, timeouts_ms[i], NULL,
                                                     0, &frame, &error),
                         OK);
        int64_t spent_us = clock_now_us() - begin_us;
        assert_null(frame.data);
        if (test->is_virtual)
            continue;
        assert_true(spent_us >= (timeouts_ms[i] - 1) * 1000);
        assert_true(spent_us < (timeouts_ms[i] + 500) * 1000); /* a busy machine */
    }
}

static void files_are_waited_for_together_with_frames(void **state)
{
    const struct conformance *test = *state;
    struct error error;
    struct frame frame;
    int full[2], empty[2], closed[2];
    assert_int_equal(pipe(full), 0);
    assert_int_equal(pipe(empty), 0);
    assert_int_equal(pipe(closed), 0);
    assert_int_equal(write(full[1], "x", 1), 1);
    assert_int_equal(close(closed[1]), 0);
    struct transport_wait waits[] = {{.fd = full[0]},
                                     {.fd = empty[0], .is_ready = true},
                                     {.fd = closed[0]},
                                     {.fd = empty[1], .wants_write = true},
                                     {.fd = -1, .is_ready = true}};
    enum { COUNT = sizeof waits / sizeof waits[0] };
    int64_t begin_ms = clock_now_ms();
    assert_int_equal(
        test->worker->type->receive(test->worker, 5000, waits, COUNT, &frame, &error),
        OK);
    assert_true(clock_now_ms() - begin_ms < 1000);
    assert_null(frame.data);
    assert_true(waits[0].is_ready);
    assert_false(waits[1].is_ready);
    assert_true(waits[2].is_ready);
    assert_true(waits[3].is_ready);
    assert_false(waits[4].is_ready);
    /* A frame does not hide a file that is ready. */
    must_send(test, (const unsigned char *)"e", 1);
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    do {
        pump(test);
        waits[0].is_ready = false;
        assert_int_equal(
            test->worker->type->receive(test->worker, 100, waits, 1, &frame, &error), OK);
        assert_true(waits[0].is_ready);
        assert_true(clock_now_ms() < until_ms);
    } while (!frame.data);
    for (int i = 0; i < 2; i++) {
        (void)close(full[i]);
        (void)close(empty[i]);
    }
    (void)close(closed[0]);
}

static void a_frame_past_the_limit_is_refused(void **state)
{
    const struct conformance *test = *state;
    struct error error;
    assert_int_equal(test->worker->type->send(test->worker, 0, test->sent,
                                              CONFORMANCE_FRAME_MAX + 1, &error),
                     ERROR_FATAL);
}

static void the_endpoint_is_told(void **state)
{
    const struct conformance *test = *state;
    assert_non_null(test->worker->type->endpoint(test->worker));
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* No limit: the machine may be busy. */
static void a_round_trip_is_timed(void **state)
{
    const struct conformance *test = *state;
    enum { COUNT = 2000 };
    static int64_t times_us[COUNT];
    int64_t cpu_us = clock_process_us();
    for (int i = 0; i < COUNT; i++) {
        struct frame frame;
        int64_t begin_us = clock_now_us();
        must_send(test, (const unsigned char *)"exx", 3);
        must_receive(test, &frame);
        times_us[i] = clock_now_us() - begin_us;
    }
    qsort(times_us, COUNT, sizeof times_us[0], compare_times);
    print_message("%s: round trip %lld us (median), %lld us (95 %%), CPU %.1f us\n",
                  test->worker->type->name, (long long)times_us[COUNT / 2],
                  (long long)times_us[COUNT * 95 / 100],
                  (double)(clock_process_us() - cpu_us) / COUNT);
}

const struct CMUnitTest conformance_cases[CONFORMANCE_CASE_COUNT] = {
    cmocka_unit_test(the_endpoint_is_told),
    cmocka_unit_test(frames_of_every_size_come_back_unchanged),
    cmocka_unit_test(thousands_of_small_frames_keep_their_order),
    cmocka_unit_test(middling_frames_pass_each_other),
    cmocka_unit_test(large_frames_pass_each_other),
    cmocka_unit_test(a_flood_waits_for_a_slow_reader),
    cmocka_unit_test(nothing_comes_in_time),
    cmocka_unit_test(files_are_waited_for_together_with_frames),
    cmocka_unit_test(a_frame_past_the_limit_is_refused),
    cmocka_unit_test(a_round_trip_is_timed),
};
