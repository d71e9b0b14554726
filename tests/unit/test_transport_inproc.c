/* test_transport_inproc.c - the transport for tests, and its faults */
#include "tests/unit/transport_conformance.h"

#include "core/transport_inproc.h"

struct world {
    struct conformance test; /* first: the cases take it for the state */
    struct conformance_server server;
    struct inproc_hub *hub;
    struct transport coordinator, worker;
};

static void open_transport(struct transport *transport, struct inproc_hub *hub,
                           enum transport_role role)
{
    struct transport_options options = {.max_frame_size = CONFORMANCE_FRAME_MAX};
    struct error error;
    transport->type = &transport_inproc;
    transport->state = calloc(1, transport_inproc.state_size);
    assert_non_null(transport->state);
    inproc_attach(transport, hub);
    assert_int_equal(transport_inproc.open(transport, role, &options, &error), OK);
}

static struct world *open_scripted(const struct inproc_step *script, size_t count)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->hub = inproc_hub_create(1, NULL, script, count);
    assert_non_null(world->hub);
    open_transport(&world->coordinator, world->hub, TRANSPORT_COORDINATOR);
    open_transport(&world->worker, world->hub, TRANSPORT_WORKER);
    world->server.transport = &world->coordinator;
    world->test = (struct conformance){
        .worker = &world->worker, .server = &world->server, .is_virtual = true};
    conformance_open(&world->test);
    return world;
}

static void close_scripted(struct world *world)
{
    conformance_close(&world->test);
    transport_inproc.close(&world->worker, 0);
    transport_inproc.close(&world->coordinator, 0);
    inproc_hub_destroy(world->hub);
    free(world->worker.state);
    free(world->coordinator.state);
    free(world);
}

static int open_world(void **state)
{
    *state = open_scripted(NULL, 0);
    return 0;
}

static int close_world(void **state)
{
    close_scripted(*state);
    return 0;
}

static void send_letter(struct world *world, char letter)
{
    struct error error;
    assert_int_equal(transport_inproc.send(&world->worker, 0, &letter, 1, &error), OK);
}

/* The letters that have arrived at the coordinator. */
static void assert_arrived(struct world *world, const char *letters)
{
    struct error error;
    struct frame frame;
    char arrived[16] = "";
    for (size_t i = 0; i < sizeof arrived - 1; i++) {
        (void)transport_inproc.receive(&world->coordinator, 0, NULL, 0, &frame, &error);
        if (!frame.data)
            break;
        assert_int_equal(frame.from, 1);
        arrived[i] = (char)frame.data[0];
    }
    assert_string_equal(arrived, letters);
}

static void a_script_is_followed(void **state)
{
    (void)state;
    static const struct inproc_step script[] = {
        {.is_to_coordinator = true, .number = 2, .deed = INPROC_LOSE},
        {.is_to_coordinator = true, .number = 3, .deed = INPROC_REPEAT, .delay_ms = 5},
        {.is_to_coordinator = true, .number = 4, .deed = INPROC_DELAY, .delay_ms = 10},
    };
    struct world *world = open_scripted(script, 3);
    for (const char *letter = "abcde"; *letter; letter++)
        send_letter(world, *letter);
    assert_arrived(world, "ace");
    assert_int_equal(inproc_due_ms(world->hub), 5);
    inproc_advance_to(world->hub, 5);
    assert_arrived(world, "c");
    inproc_advance_to(world->hub, 9);
    assert_arrived(world, "");
    inproc_advance_to(world->hub, 10);
    assert_arrived(world, "d");
    assert_true(inproc_due_ms(world->hub) == INT64_MAX);
    close_scripted(world);
}

static void a_worker_that_is_cut_off_is_not_heard(void **state)
{
    (void)state;
    struct world *world = open_scripted(NULL, 0);
    send_letter(world, 'a');
    assert_arrived(world, "a");
    inproc_set_cut(world->hub, 1, true);
    send_letter(world, 'b');
    inproc_set_cut(world->hub, 1, false);
    send_letter(world, 'c');
    assert_arrived(world, "c");
    close_scripted(world);
}

static void a_worker_that_is_gone_cannot_be_sent_to(void **state)
{
    (void)state;
    struct error error;
    struct world *world = open_scripted(NULL, 0);
    assert_int_equal(transport_inproc.send(&world->coordinator, 1, "x", 1, &error),
                     ERROR_FATAL);
    send_letter(world, 'a');
    assert_arrived(world, "a");
    assert_int_equal(transport_inproc.send(&world->coordinator, 1, "x", 1, &error), OK);
    transport_inproc.close(&world->worker, 0);
    assert_int_equal(transport_inproc.send(&world->coordinator, 1, "x", 1, &error),
                     ERROR_TRANSIENT);
    close_scripted(world);
}

static int run_conformance(void)
{
    struct CMUnitTest cases[CONFORMANCE_CASE_COUNT];
    memcpy(cases, conformance_cases, sizeof cases);
    return cmocka_run_group_tests_name("inproc", cases, open_world, close_world);
}

int main(void)
{
    const struct CMUnitTest own[] = {
        cmocka_unit_test(a_script_is_followed),
        cmocka_unit_test(a_worker_that_is_cut_off_is_not_heard),
        cmocka_unit_test(a_worker_that_is_gone_cannot_be_sent_to),
    };
    int failed = run_conformance();
    return failed + cmocka_run_group_tests_name("inproc faults", own, NULL, NULL);
}
