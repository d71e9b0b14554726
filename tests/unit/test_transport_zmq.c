/* test_transport_zmq.c - frames over ZeroMQ */
#include "tests/unit/transport_conformance.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands/keys.h"
#include "core/clock.h"
#include "core/zmq_keys.h"

extern char **environ;

enum { ENDPOINT_SIZE = 256 };

struct world {
    struct conformance test; /* first: the cases take it for the state */
    struct conformance_server server;
    struct transport coordinator, worker;
    char folder[32], keys[64], endpoint[ENDPOINT_SIZE];
};

static const char *self_path; /* of this test, to start itself as a worker */

static void make_folder(struct world *world)
{
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/millrace.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->keys, sizeof world->keys, "%s/keys", world->folder);
    (void)snprintf(world->endpoint, sizeof world->endpoint, "ipc://%s/socket",
                   world->folder);
}

static void remove_folder(struct world *world)
{
    (void)unlink(world->keys);
    (void)unlink(world->endpoint + 6);
    assert_int_equal(rmdir(world->folder), 0);
}

static enum error_code open_one(struct transport *transport, enum transport_role role,
                                const char *endpoint, const char *keys,
                                struct error *error)
{
    struct transport_options options = {
        .endpoint = endpoint, .keys = keys, .max_frame_size = CONFORMANCE_FRAME_MAX};
    transport->type = &transport_zmq;
    transport->state = calloc(1, transport_zmq.state_size);
    assert_non_null(transport->state);
    return transport_zmq.open(transport, role, &options, error);
}

static void must_open(struct transport *transport, enum transport_role role,
                      const char *endpoint, const char *keys)
{
    struct error error = {0};
    if (open_one(transport, role, endpoint, keys, &error) != OK)
        fail_msg("%s", error.text);
}

static void close_one(struct transport *transport)
{
    if (transport->state)
        transport_zmq.close(transport, 100);
    free(transport->state);
    *transport = (struct transport){0};
}

static struct world *open_both(const char *endpoint, bool has_keys)
{
    struct world *world = calloc(1, sizeof *world);
    struct error error;
    assert_non_null(world);
    make_folder(world);
    if (has_keys)
        assert_int_equal(zmq_keys_write(world->keys, &error), OK);
    const char *keys = has_keys ? world->keys : NULL;
    must_open(&world->coordinator, TRANSPORT_COORDINATOR,
              endpoint ? endpoint : world->endpoint, keys);
    must_open(&world->worker, TRANSPORT_WORKER,
              transport_zmq.endpoint(&world->coordinator), keys);
    world->server.transport = &world->coordinator;
    world->test =
        (struct conformance){.worker = &world->worker, .server = &world->server};
    conformance_open(&world->test);
    return world;
}

static int open_ipc(void **state)
{
    *state = open_both(NULL, false);
    return 0;
}

static int open_tcp(void **state)
{
    *state = open_both("tcp://127.0.0.1:0", false);
    return 0;
}

static int open_keys(void **state)
{
    *state = open_both("tcp://localhost:0", true);
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    conformance_close(&world->test);
    close_one(&world->worker);
    close_one(&world->coordinator);
    remove_folder(world);
    free(world);
    return 0;
}

/* The next frame within timeout_ms; false: none. */
static bool receive_one(struct transport *transport, int timeout_ms, struct frame *frame)
{
    struct error error;
    assert_int_equal(transport_zmq.receive(transport, timeout_ms, NULL, 0, frame, &error),
                     OK);
    return frame->data != NULL;
}

static void assert_sends(struct transport *transport, peer_id to, const char *text)
{
    struct error error = {0};
    assert_int_equal(transport_zmq.send(transport, to, text, strlen(text), &error), OK);
}

/* ---- a peer that dies ---- */

/* What the child does: say hello, then send large frames until it is killed. */
static int run_child(const char *endpoint)
{
    struct transport transport;
    struct error error;
    struct frame frame;
    static unsigned char large[1 << 20];
    if (open_one(&transport, TRANSPORT_WORKER, endpoint, NULL, &error) != OK)
        return 1;
    (void)transport_zmq.send(&transport, 0, "hello", 5, &error);
    for (;;) {
        (void)transport_zmq.send(&transport, 0, large, sizeof large, &error);
        if (transport_zmq.receive(&transport, 1, NULL, 0, &frame, &error) != OK)
            return 1;
    }
}

static pid_t start_child(const char *endpoint)
{
    pid_t pid;
    char path[512], option[] = "--child", argument[ENDPOINT_SIZE];
    (void)snprintf(path, sizeof path, "%s", self_path);
    (void)snprintf(argument, sizeof argument, "%s", endpoint);
    char *arguments[] = {path, option, argument, NULL};
    assert_int_equal(posix_spawn(&pid, path, NULL, NULL, arguments, environ), 0);
    return pid;
}

static peer_id await_hello(struct transport *coordinator, peer_id not_from)
{
    struct frame frame;
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    while (clock_now_ms() < until_ms) {
        if (!receive_one(coordinator, 100, &frame) || frame.from == not_from)
            continue;
        assert_int_equal(frame.size, 5);
        return frame.from;
    }
    fail_msg("no hello");
    return 0;
}

static void a_peer_that_dies_costs_nobody_else_anything(void **state)
{
    struct world *world = *state;
    const char *endpoint = transport_zmq.endpoint(&world->coordinator);
    struct error error;
    struct frame frame;
    pid_t pid = start_child(endpoint);
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
    for (int i = 0; i < 20; i++) /* let it be busy */
        (void)receive_one(&world->coordinator, 10, &frame);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    int64_t until_ms = clock_now_ms() + 5000;
    enum error_code code = OK;
    while (code == OK && clock_now_ms() < until_ms) {
        if (receive_one(&world->coordinator, 1, &frame))
            assert_int_equal(frame.size, 1 << 20); /* whole or not at all */
        code = transport_zmq.send(&world->coordinator, 1, "x", 1, &error);
    }
    assert_int_equal(code, ERROR_TRANSIENT);
    assert_sends(&world->worker, 0, "hello");
    assert_int_equal(await_hello(&world->coordinator, 1), 2);
    assert_sends(&world->coordinator, 2, "welcome");
    assert_true(receive_one(&world->worker, 5000, &frame));
    assert_int_equal(frame.size, 7);
    /* A number is not given again. */
    pid = start_child(endpoint);
    assert_int_equal(await_hello(&world->coordinator, 1), 3);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void many_workers_keep_their_numbers(void **state)
{
    struct world *world = *state;
    enum { COUNT = 80 }; /* more than the first table of peers holds */
    static struct transport workers[COUNT];
    bool is_known[COUNT + 1] = {false};
    struct frame frame;
    char text[8];
    for (int i = 0; i < COUNT; i++) {
        must_open(&workers[i], TRANSPORT_WORKER,
                  transport_zmq.endpoint(&world->coordinator), NULL);
        assert_sends(&workers[i], 0, "hello");
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(receive_one(&world->coordinator, CONFORMANCE_PATIENCE_MS, &frame));
        assert_in_range(frame.from, 1, COUNT);
        assert_false(is_known[frame.from]);
        is_known[frame.from] = true;
        (void)snprintf(text, sizeof text, "%u", (unsigned)frame.from);
        assert_sends(&world->coordinator, frame.from, text);
    }
    for (int i = 0; i < COUNT; i++) { /* each answers with the number it was told */
        assert_true(receive_one(&workers[i], CONFORMANCE_PATIENCE_MS, &frame));
        (void)snprintf(text, sizeof text, "%.*s", (int)frame.size,
                       (const char *)frame.data);
        assert_sends(&workers[i], 0, text);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(receive_one(&world->coordinator, CONFORMANCE_PATIENCE_MS, &frame));
        int size = snprintf(text, sizeof text, "%u", (unsigned)frame.from);
        assert_int_equal(frame.size, size);
        assert_memory_equal(frame.data, text, frame.size);
    }
    for (int i = 0; i < COUNT; i++)
        close_one(&workers[i]);
}

static void a_worker_outlives_its_coordinator(void **state)
{
    struct world *world = *state;
    struct error error;
    struct frame frame;
    char endpoint[ENDPOINT_SIZE];
    (void)snprintf(endpoint, sizeof endpoint, "%s",
                   transport_zmq.endpoint(&world->coordinator));
    assert_sends(&world->worker, 0, "hello");
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
    close_one(&world->coordinator);
    /* Its sends are queued or refused, and never block. */
    enum error_code code = OK;
    for (int i = 0; i < 5000 && code == OK; i++)
        code = transport_zmq.send(&world->worker, 0, "hello", 5, &error);
    assert_int_equal(code, ERROR_TRANSIENT);
    must_open(&world->coordinator, TRANSPORT_COORDINATOR, endpoint, NULL);
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
    assert_sends(&world->coordinator, 1, "welcome");
    assert_true(receive_one(&world->worker, 5000, &frame));
}

static void a_worker_waits_for_its_coordinator(void **state)
{
    struct world *world = *state;
    struct frame frame;
    char endpoint[ENDPOINT_SIZE];
    (void)snprintf(endpoint, sizeof endpoint, "%s",
                   transport_zmq.endpoint(&world->coordinator));
    close_one(&world->worker);
    close_one(&world->coordinator);
    must_open(&world->worker, TRANSPORT_WORKER, endpoint, NULL);
    assert_sends(&world->worker, 0, "hello");
    assert_false(receive_one(&world->worker, 150, &frame));
    must_open(&world->coordinator, TRANSPORT_COORDINATOR, endpoint, NULL);
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
}

static void what_was_sent_before_close_arrives(void **state)
{
    struct world *world = *state;
    struct frame frame;
    assert_sends(&world->worker, 0, "hello");
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
    assert_sends(&world->worker, 0, "bye");
    transport_zmq.close(&world->worker, 1000);
    assert_true(receive_one(&world->coordinator, 5000, &frame));
    assert_int_equal(frame.size, 3);
}

static void close_gives_up_after_its_time(void **state)
{
    (void)state;
    struct transport worker;
    must_open(&worker, TRANSPORT_WORKER, "tcp://127.0.0.1:1", NULL);
    assert_sends(&worker, 0, "hello");
    int64_t begin_ms = clock_now_ms();
    close_one(&worker);
    assert_true(clock_now_ms() - begin_ms < 2000);
}

static void a_frame_too_large_for_the_receiver_does_not_arrive(void **state)
{
    struct world *world = *state;
    struct error error;
    struct frame frame;
    const size_t size = CONFORMANCE_FRAME_MAX + 1;
    struct transport other = {.type = &transport_zmq,
                              .state = calloc(1, transport_zmq.state_size)};
    struct transport_options options = {.endpoint =
                                            transport_zmq.endpoint(&world->coordinator),
                                        .max_frame_size = 2 * size};
    unsigned char *large = calloc(1, size);
    assert_non_null(large);
    assert_int_equal(transport_zmq.open(&other, TRANSPORT_WORKER, &options, &error), OK);
    assert_int_equal(transport_zmq.send(&other, 0, large, size, &error), OK);
    assert_false(receive_one(&world->coordinator, 300, &frame));
    assert_sends(&world->worker, 0, "hello");
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
    free(large);
    transport_zmq.close(&other, 0);
    free(other.state);
}

/* ---- endpoints and keys ---- */

static void assert_refused(enum transport_role role, const char *endpoint,
                           const char *keys, enum error_code code, const char *text)
{
    struct transport transport;
    struct error error = {0};
    assert_int_equal(open_one(&transport, role, endpoint, keys, &error), code);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" lacks \"%s\"", error.text, text);
    close_one(&transport);
}

static void a_wrong_endpoint_is_refused_with_its_reason(void **state)
{
    (void)state;
    char longest[200] = "ipc:///tmp/";
    memset(longest + strlen(longest), 'x', 120);
    assert_refused(TRANSPORT_COORDINATOR, longest, NULL, ERROR_CONFIG, "107");
    assert_refused(TRANSPORT_WORKER, longest, NULL, ERROR_CONFIG, "107");
    assert_refused(TRANSPORT_WORKER, "", NULL, ERROR_CONFIG, "neither");
    assert_refused(TRANSPORT_WORKER, NULL, NULL, ERROR_CONFIG, "neither");
    assert_refused(TRANSPORT_WORKER, "udp://127.0.0.1:1", NULL, ERROR_CONFIG, "neither");
    assert_refused(TRANSPORT_WORKER, "tcp://127.0.0.1", NULL, ERROR_CONFIG, "127.0.0.1");
    assert_refused(TRANSPORT_WORKER, "tcp://127.0.0.1:99999", NULL, ERROR_CONFIG, "9999");
    assert_refused(TRANSPORT_WORKER, "tcp://127.0.0.1:0", NULL, ERROR_CONFIG, ":0");
    assert_refused(TRANSPORT_WORKER, "tcp://127.0.0.1:12x", NULL, ERROR_CONFIG, "12x");
    assert_refused(TRANSPORT_COORDINATOR, "tcp://:1", NULL, ERROR_CONFIG, "ADDRESS");
    assert_refused(TRANSPORT_COORDINATOR, "tcp://no.such.host:0", NULL, ERROR_CONFIG,
                   "no.such.host");
    assert_refused(TRANSPORT_COORDINATOR, "ipc:///no/such/folder/x", NULL, ERROR_CONFIG,
                   "no/such");
    assert_refused(TRANSPORT_COORDINATOR, "tcp://127.0.0.1:0", "/no/keys", ERROR_CONFIG,
                   "/no/keys");
}

static void a_port_in_use_is_an_error(void **state)
{
    struct world *world = *state;
    assert_refused(TRANSPORT_COORDINATOR, transport_zmq.endpoint(&world->coordinator),
                   NULL, ERROR_IO, "in use");
}

static void keys_are_written_once_and_for_their_owner_alone(void **state)
{
    (void)state;
    struct world world;
    struct error error = {0};
    struct stat status;
    struct zmq_keys keys;
    char name[] = "keys";
    make_folder(&world);
    char *arguments[] = {name, world.keys, NULL};
    assert_int_equal(command_keys(2, arguments), 0);
    assert_int_equal(stat(world.keys, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(zmq_keys_load(world.keys, &keys, &error), OK);
    assert_string_not_equal(keys.server_secret, keys.client_secret);
    assert_int_equal(zmq_keys_write(world.keys, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "exists"));
    assert_int_equal(chmod(world.keys, 0640), 0);
    assert_int_equal(zmq_keys_load(world.keys, &keys, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "chmod 600"));
    FILE *file = fopen(world.keys, "w");
    assert_non_null(file);
    (void)fputs("server-public too-short\n", file);
    (void)fclose(file);
    assert_int_equal(chmod(world.keys, 0600), 0);
    assert_int_equal(zmq_keys_load(world.keys, &keys, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "millrace keys"));
    remove_folder(&world);
}

/* A worker with these keys (NULL: none) is not heard, one with the right ones is. `told`
 * stands in what the first one's receive() says, NULL: it is not told. */
static void assert_shut_out(struct world *world, const char *keys, const char *told)
{
    struct transport worker;
    struct frame frame;
    struct error error = {0};
    must_open(&worker, TRANSPORT_WORKER, transport_zmq.endpoint(&world->coordinator),
              keys);
    assert_sends(&worker, 0, "let me in");
    enum error_code code = OK;
    int64_t until_ms = clock_now_ms() + (told ? 5000 : 300);
    while (clock_now_ms() < until_ms && code == OK) {
        assert_false(receive_one(&world->coordinator, 20, &frame));
        code = transport_zmq.receive(&worker, 20, NULL, 0, &frame, &error);
    }
    assert_int_equal(code, told ? ERROR_CONFIG : OK);
    if (told && !strstr(error.text, told))
        fail_msg("\"%s\" lacks \"%s\"", error.text, told);
    close_one(&worker);
    assert_sends(&world->worker, 0, "hello");
    assert_int_equal(await_hello(&world->coordinator, 0), 1);
}

static void a_worker_without_keys_is_not_heard(void **state)
{
    assert_shut_out(*state, NULL, "only one uses");
}

static void a_worker_with_keys_of_its_own_is_not_heard(void **state)
{
    struct world *world = *state;
    struct error error;
    char path[80];
    (void)snprintf(path, sizeof path, "%s.other", world->keys);
    assert_int_equal(zmq_keys_write(path, &error), OK);
    assert_shut_out(world, path, NULL);
    assert_int_equal(unlink(path), 0);
}

static void a_worker_that_knows_the_server_key_alone_is_not_heard(void **state)
{
    struct world *world = *state;
    struct zmq_keys keys, stolen;
    struct error error;
    char path[80];
    (void)snprintf(path, sizeof path, "%s.other", world->keys);
    assert_int_equal(zmq_keys_write(path, &error), OK);
    assert_int_equal(zmq_keys_load(path, &stolen, &error), OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(zmq_keys_load(world->keys, &keys, &error), OK);
    memcpy(stolen.server_public, keys.server_public, ZMQ_KEY_SIZE);
    assert_int_equal(zmq_keys_save(path, &stolen, &error), OK);
    assert_shut_out(world, path, "does not know");
    assert_int_equal(unlink(path), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return run_child(argv[2]);
    self_path = argv[0];
    struct CMUnitTest cases[CONFORMANCE_CASE_COUNT];
    memcpy(cases, conformance_cases, sizeof cases);
#define ON(open, name) cmocka_unit_test_setup_teardown(name, open, close_world)
    const struct CMUnitTest own[] = {
        ON(open_ipc, a_peer_that_dies_costs_nobody_else_anything),
        ON(open_tcp, a_peer_that_dies_costs_nobody_else_anything),
        ON(open_ipc, many_workers_keep_their_numbers),
        ON(open_ipc, a_worker_outlives_its_coordinator),
        ON(open_tcp, a_worker_outlives_its_coordinator),
        ON(open_ipc, a_worker_waits_for_its_coordinator),
        ON(open_tcp, a_worker_waits_for_its_coordinator),
        ON(open_tcp, what_was_sent_before_close_arrives),
        cmocka_unit_test(close_gives_up_after_its_time),
        ON(open_tcp, a_frame_too_large_for_the_receiver_does_not_arrive),
        cmocka_unit_test(a_wrong_endpoint_is_refused_with_its_reason),
        ON(open_tcp, a_port_in_use_is_an_error),
        cmocka_unit_test(keys_are_written_once_and_for_their_owner_alone),
        ON(open_keys, a_worker_without_keys_is_not_heard),
        ON(open_keys, a_worker_with_keys_of_its_own_is_not_heard),
        ON(open_keys, a_worker_that_knows_the_server_key_alone_is_not_heard),
    };
#undef ON
    int failed = cmocka_run_group_tests_name("zmq ipc", cases, open_ipc, close_world);
    failed += cmocka_run_group_tests_name("zmq tcp", cases, open_tcp, close_world);
    failed += cmocka_run_group_tests_name("zmq keys", cases, open_keys, close_world);
    return failed + cmocka_run_group_tests_name("zmq", own, NULL, NULL);
}
