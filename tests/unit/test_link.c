/* test_link.c - reliable messages over a transport that is not */
#include "core/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/transport_inproc.h"

enum { SEEDS = 50, MESSAGES = 10000, COORDINATOR = 0xc0, WORKER = 0x30 };

static const struct link_settings settings = {
    .resend_ms = 200, .window = 256, .reorder = 256};

/* A frame taken out of a link, to be given to another one later. */
struct kept {
    unsigned char data[256];
    size_t size;
};

static bool keep_output(struct link *link, int64_t now_ms, struct kept *kept)
{
    size_t size;
    const unsigned char *frame = link_output(link, now_ms, &size);
    if (!frame)
        return false;
    assert_true(size <= sizeof kept->data);
    memcpy(kept->data, frame, size);
    kept->size = size;
    return true;
}

static enum link_event give(struct link *link, const struct kept *kept, int64_t now_ms)
{
    return link_accept(link, kept->data, kept->size, now_ms);
}

static void send_text(struct link *link, const char *text)
{
    struct error error = {0};
    assert_int_equal(link_send(link, text, strlen(text), &error), OK);
}

static void assert_next(struct link *link, const char *text)
{
    size_t size;
    const unsigned char *data = link_next(link, &size);
    assert_non_null(data);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
}

static void assert_nothing_next(struct link *link)
{
    size_t size;
    assert_null(link_next(link, &size));
}

struct pair {
    struct link *a, *b;
};

static int open_pair(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    if (!pair)
        return -1;
    pair->a = link_create(COORDINATOR, &settings);
    pair->b = link_create(WORKER, &settings);
    *state = pair;
    return pair->a && pair->b ? 0 : -1;
}

static int close_pair(void **state)
{
    struct pair *pair = *state;
    link_destroy(pair->a);
    link_destroy(pair->b);
    free(pair);
    return 0;
}

static void a_message_arrives_and_is_acknowledged(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    send_text(pair->a, "one");
    assert_int_equal(link_unacknowledged(pair->a), 1);
    assert_true(link_due_ms(pair->a) <= 0);
    assert_true(keep_output(pair->a, 0, &kept));
    assert_false(keep_output(pair->a, 0, &(struct kept){0}));
    assert_int_equal(link_frame_sender(kept.data, kept.size), COORDINATOR);
    assert_int_equal(give(pair->b, &kept, 5), LINK_MESSAGE);
    assert_int_equal(link_peer(pair->b), COORDINATOR);
    assert_next(pair->b, "one");
    assert_nothing_next(pair->b);
    assert_false(keep_output(pair->b, 6, &kept));
    assert_int_equal(link_due_ms(pair->b), 25);
    assert_true(keep_output(pair->b, 25, &kept));
    assert_int_equal(kept.size, 40);
    assert_int_equal(give(pair->a, &kept, 26), LINK_NOTHING);
    assert_int_equal(link_unacknowledged(pair->a), 0);
    assert_true(link_due_ms(pair->a) == INT64_MAX);
    assert_true(link_due_ms(pair->b) == INT64_MAX);
}

static void an_acknowledgement_rides_on_a_message(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    send_text(pair->a, "question");
    assert_true(keep_output(pair->a, 0, &kept));
    assert_int_equal(give(pair->b, &kept, 0), LINK_MESSAGE);
    assert_next(pair->b, "question");
    send_text(pair->b, "answer");
    assert_true(keep_output(pair->b, 1, &kept));
    assert_int_equal(give(pair->a, &kept, 1), LINK_MESSAGE);
    assert_int_equal(link_unacknowledged(pair->a), 0);
    assert_false(keep_output(pair->b, 100, &kept));
}

static void an_unacknowledged_frame_is_repeated_ever_more_slowly(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    static const int64_t due_ms[] = {0,    200,  600,  1400, 3000,
                                     4600, 6200, 7800, 9400, 11000};
    send_text(pair->a, "x");
    for (size_t i = 0; i < sizeof due_ms / sizeof due_ms[0]; i++) {
        if (i > 0) {
            assert_int_equal(link_due_ms(pair->a), due_ms[i]);
            assert_false(keep_output(pair->a, due_ms[i] - 1, &kept));
        }
        assert_true(keep_output(pair->a, due_ms[i], &kept));
        assert_false(keep_output(pair->a, due_ms[i], &(struct kept){0}));
    }
    assert_int_equal(give(pair->b, &kept, 0), LINK_MESSAGE);
    assert_next(pair->b, "x");
    assert_int_equal(give(pair->b, &kept, 0), LINK_NOTHING);
    assert_nothing_next(pair->b);
}

static void early_frames_wait_for_the_missing_one(void **state)
{
    struct pair *pair = *state;
    struct kept kept[4];
    static const char *const texts[] = {"a", "", "c", "d"};
    for (size_t i = 0; i < 4; i++) {
        send_text(pair->a, texts[i]);
        assert_true(keep_output(pair->a, 0, &kept[i]));
    }
    for (size_t i = 3; i > 0; i--)
        assert_int_equal(give(pair->b, &kept[i], 0), LINK_NOTHING);
    assert_int_equal(give(pair->b, &kept[2], 0), LINK_NOTHING);
    assert_int_equal(give(pair->b, &kept[0], 0), LINK_MESSAGE);
    for (size_t i = 0; i < 4; i++)
        assert_next(pair->b, texts[i]);
    assert_nothing_next(pair->b);
}

static void no_more_than_a_window_is_in_flight(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    for (size_t i = 0; i < settings.window + 10; i++)
        send_text(pair->a, "x");
    for (size_t i = 0; i < settings.window; i++) {
        assert_true(keep_output(pair->a, 0, &kept));
        (void)give(pair->b, &kept, 0);
    }
    assert_false(keep_output(pair->a, 0, &kept));
    assert_int_equal(link_due_ms(pair->a), settings.resend_ms);
    assert_true(keep_output(pair->b, 0, &kept));
    (void)give(pair->a, &kept, 0);
    assert_int_equal(link_unacknowledged(pair->a), 10);
    assert_true(keep_output(pair->a, 0, &kept));
}

/* A long queue on a slow way is not repeated while its head gets through. */
static void nothing_is_repeated_while_the_peer_gets_on(void **state)
{
    struct pair *pair = *state;
    enum { COUNT = 20 };
    static struct kept kept[COUNT];
    struct kept ack;
    for (size_t i = 0; i < COUNT; i++) {
        send_text(pair->a, "x");
        assert_true(keep_output(pair->a, 0, &kept[i]));
    }
    int64_t now_ms = 0;
    for (size_t i = 0; i < COUNT / 2; i++) {
        now_ms += settings.resend_ms - 30;
        assert_int_equal(give(pair->b, &kept[i], now_ms), LINK_MESSAGE);
        now_ms += 20;
        assert_true(keep_output(pair->b, now_ms, &ack));
        (void)give(pair->a, &ack, now_ms);
        assert_false(keep_output(pair->a, now_ms, &ack));
    }
    assert_int_equal(link_due_ms(pair->a), now_ms + settings.resend_ms);
    assert_true(keep_output(pair->a, now_ms + settings.resend_ms, &ack));
}

static void a_refused_frame_comes_again_soon(void **state)
{
    struct pair *pair = *state;
    struct kept first, again;
    send_text(pair->a, "x");
    assert_true(keep_output(pair->a, 0, &first));
    link_refused(pair->a);
    assert_false(keep_output(pair->a, 0, &again));
    assert_int_equal(link_due_ms(pair->a), 1);
    assert_true(keep_output(pair->a, 1, &again));
    assert_memory_equal(first.data, again.data, first.size);
    link_refused(pair->a);
    assert_int_equal(link_due_ms(pair->a), 3);
    assert_true(keep_output(pair->a, 3, &again));
    assert_int_equal(give(pair->b, &again, 3), LINK_MESSAGE);
    assert_true(keep_output(pair->b, 23, &again));
    link_refused(pair->b);
    assert_true(keep_output(pair->b, 24, &again));
    assert_int_equal(give(pair->a, &again, 24), LINK_NOTHING);
    assert_int_equal(link_unacknowledged(pair->a), 0);
}

static void another_incarnation_is_a_stranger(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    struct link *reborn = link_create(WORKER + 1, &settings);
    assert_non_null(reborn);
    send_text(pair->b, "x");
    assert_true(keep_output(pair->b, 0, &kept));
    assert_int_equal(give(pair->a, &kept, 0), LINK_MESSAGE);
    assert_next(pair->a, "x");
    send_text(reborn, "y");
    assert_true(keep_output(reborn, 0, &kept));
    assert_int_equal(give(pair->a, &kept, 0), LINK_STRANGER);
    assert_nothing_next(pair->a);
    assert_int_equal(link_peer(pair->a), WORKER);
    link_destroy(reborn);
}

static void a_frame_for_an_earlier_incarnation_is_dropped(void **state)
{
    struct pair *pair = *state;
    struct kept kept;
    struct link *reborn = link_create(WORKER + 1, &settings);
    assert_non_null(reborn);
    send_text(pair->b, "hello");
    assert_true(keep_output(pair->b, 0, &kept));
    (void)give(pair->a, &kept, 0);
    send_text(pair->a, "for the first one");
    assert_true(keep_output(pair->a, 0, &kept));
    assert_int_equal(give(reborn, &kept, 0), LINK_NOTHING);
    assert_int_equal(link_peer(reborn), 0);
    assert_nothing_next(reborn);
    link_destroy(reborn);
}

static void what_is_not_a_frame_is_garbage(void **state)
{
    struct pair *pair = *state;
    struct kept good, bad;
    send_text(pair->a, "text");
    assert_true(keep_output(pair->a, 0, &good));
    for (size_t size = 0; size < 40; size++)
        assert_int_equal(link_accept(pair->b, good.data, size, 0), LINK_GARBAGE);
    for (size_t i = 0; i < 8; i++) { /* magic, version, flags, zero */
        bad = good;
        bad.data[i] ^= 1;
        assert_int_equal(give(pair->b, &bad, 0), LINK_GARBAGE);
        assert_int_equal(link_frame_sender(bad.data, bad.size), 0);
    }
    bad = good;
    store_u64(bad.data + 8, 0); /* a sender that is nobody */
    assert_int_equal(give(pair->b, &bad, 0), LINK_GARBAGE);
    bad = good;
    store_u64(bad.data + 32, 1); /* acknowledges what was never sent */
    assert_int_equal(give(pair->b, &bad, 0), LINK_GARBAGE);
    bad = good;
    store_u64(bad.data + 24, 0); /* an acknowledgement with a message */
    assert_int_equal(give(pair->b, &bad, 0), LINK_GARBAGE);
    bad = good;
    store_u64(bad.data + 24, UINT64_MAX); /* far too early */
    assert_int_equal(give(pair->b, &bad, 0), LINK_NOTHING);
    assert_nothing_next(pair->b);
    assert_int_equal(give(pair->b, &good, 0), LINK_MESSAGE);
}

/* ---- the property: exactly once, in order, whatever happens on the way ---- */

struct end {
    struct transport transport;
    struct link *link;
    peer_id peer;
    bool may_send;
    uint32_t sent, received;
    uint64_t frames, outputs;
    uint32_t refuse_every; /* as if its transport were full; 0: never */
};

static void open_end(struct end *end, struct inproc_hub *hub, enum transport_role role)
{
    struct transport_options options = {.max_frame_size = 1 << 20};
    struct error error = {0};
    bool is_coordinator = role == TRANSPORT_COORDINATOR;
    *end = (struct end){.transport.type = &transport_inproc, .may_send = !is_coordinator};
    end->transport.state = calloc(1, transport_inproc.state_size);
    assert_non_null(end->transport.state);
    inproc_attach(&end->transport, hub);
    assert_int_equal(transport_inproc.open(&end->transport, role, &options, &error), OK);
    end->link = link_create(is_coordinator ? COORDINATOR : WORKER, &settings);
    assert_non_null(end->link);
}

static void close_end(struct end *end)
{
    link_destroy(end->link);
    transport_inproc.close(&end->transport, 0);
    free(end->transport.state);
}

/* Messages of 4 to 103 bytes that say which they are. */
static size_t make_message(uint32_t number, unsigned char *text)
{
    size_t size = 4 + number % 100;
    memset(text, (int)(number & 255), size);
    store_u32(text, number);
    return size;
}

static void take_messages(struct end *end)
{
    unsigned char expected[128];
    size_t size;
    const unsigned char *data;
    while ((data = link_next(end->link, &size)) != NULL) {
        assert_int_equal(size, make_message(end->received, expected));
        assert_memory_equal(data, expected, size);
        end->received++;
    }
}

/* Keep up to 1,000 messages queued, and move all frames that can be moved now. */
static void step_end(struct end *end, int64_t now_ms)
{
    struct error error = {0};
    struct frame frame;
    unsigned char text[128];
    size_t size;
    for (;;) {
        assert_int_equal(
            transport_inproc.receive(&end->transport, 0, NULL, 0, &frame, &error), OK);
        if (!frame.data)
            break;
        end->peer = frame.from;
        end->may_send = true;
        if (link_accept(end->link, frame.data, frame.size, now_ms) == LINK_MESSAGE)
            take_messages(end);
    }
    while (end->sent < MESSAGES && link_unacknowledged(end->link) < 1000) {
        size = make_message(end->sent++, text);
        assert_int_equal(link_send(end->link, text, size, &error), OK);
    }
    const unsigned char *data;
    if (!end->may_send)
        return; /* the coordinator has not heard of its peer yet */
    while ((data = link_output(end->link, now_ms, &size)) != NULL) {
        bool is_refused = end->refuse_every && ++end->outputs % end->refuse_every == 0;
        if (!is_refused &&
            transport_inproc.send(&end->transport, end->peer, data, size, &error) == OK)
            end->frames++;
        else
            link_refused(end->link);
    }
}

static bool is_finished(const struct end *end)
{
    return end->received == MESSAGES && link_unacknowledged(end->link) == 0;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Both ends to the finish; the virtual time it took. */
static int64_t play(uint64_t seed, const struct inproc_faults *faults, uint64_t *frames)
{
    struct inproc_hub *hub = inproc_hub_create(seed, faults, NULL, 0);
    assert_non_null(hub);
    struct end coordinator, worker;
    open_end(&coordinator, hub, TRANSPORT_COORDINATOR);
    open_end(&worker, hub, TRANSPORT_WORKER);
    worker.refuse_every = coordinator.refuse_every = faults->loss > 0 ? 97 : 0;
    int64_t now_ms = 0;
    for (;;) {
        step_end(&worker, now_ms);
        step_end(&coordinator, now_ms);
        if (is_finished(&coordinator) && is_finished(&worker))
            break;
        int64_t due_ms = sooner(link_due_ms(worker.link), inproc_due_ms(hub));
        if (coordinator.may_send)
            due_ms = sooner(due_ms, link_due_ms(coordinator.link));
        assert_true(due_ms < INT64_MAX); /* else it waits for ever */
        now_ms = due_ms > now_ms ? due_ms : now_ms + 1;
        inproc_advance_to(hub, now_ms);
        assert_true(now_ms < 10000000);
    }
    *frames = coordinator.frames + worker.frames;
    close_end(&worker);
    close_end(&coordinator);
    inproc_hub_destroy(hub);
    return now_ms;
}

static void every_message_arrives_once_and_in_order_in_a_bad_world(void **state)
{
    (void)state;
    static const struct inproc_faults bad = {.loss = 0.3,
                                             .repetition = 0.1,
                                             .delay_ms_min = 1,
                                             .delay_ms_max = 30,
                                             .reordering = 0.1,
                                             .reordering_ms = 100};
    uint64_t frames_sum = 0;
    int64_t time_sum = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t frames;
        time_sum += play(seed, &bad, &frames);
        frames_sum += frames;
    }
    print_message("%.2f frames a message, %lld ms of virtual time a run\n",
                  (double)frames_sum / (2.0 * SEEDS * MESSAGES),
                  (long long)(time_sum / SEEDS));
}

static void a_perfect_world_costs_few_frames_beyond_the_messages(void **state)
{
    (void)state;
    static const struct inproc_faults perfect = {.delay_ms_min = 1, .delay_ms_max = 1};
    uint64_t frames;
    (void)play(1, &perfect, &frames);
    assert_in_range(frames, 2 * MESSAGES, 2 * MESSAGES * 105 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_arrives_and_is_acknowledged, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(an_acknowledgement_rides_on_a_message, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(
            an_unacknowledged_frame_is_repeated_ever_more_slowly, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(early_frames_wait_for_the_missing_one, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(no_more_than_a_window_is_in_flight, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(nothing_is_repeated_while_the_peer_gets_on,
                                        open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_refused_frame_comes_again_soon, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(another_incarnation_is_a_stranger, open_pair,
                                        close_pair),
        cmocka_unit_test_setup_teardown(a_frame_for_an_earlier_incarnation_is_dropped,
                                        open_pair, close_pair),
        cmocka_unit_test_setup_teardown(what_is_not_a_frame_is_garbage, open_pair,
                                        close_pair),
        cmocka_unit_test(every_message_arrives_once_and_in_order_in_a_bad_world),
        cmocka_unit_test(a_perfect_world_costs_few_frames_beyond_the_messages),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
