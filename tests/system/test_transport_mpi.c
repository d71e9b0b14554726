/* test_transport_mpi.c - frames over MPI: started by test_transport_mpi.sh on several ranks
 *
 * Rank 0 is the coordinator, all others run the cases. With an argument one special
 * situation is played instead. */
#include "tests/unit/transport_conformance.h"

#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"

enum { DRAIN_MS = 10000 };

static const struct transport_type *type;
static struct mpi_world world;

static void open_rank(struct transport *transport)
{
    struct error error = {0};
    struct transport_options options = {.max_frame_size = CONFORMANCE_FRAME_MAX};
    *transport = (struct transport){.type = type, .state = calloc(1, type->state_size)};
    assert_non_null(transport->state);
    if (type->open(transport, world.rank == 0 ? TRANSPORT_COORDINATOR : TRANSPORT_WORKER,
                   &options, &error) != OK)
        fail_msg("%s", error.text);
}

static void send_letter(struct transport *transport, peer_id to, char letter)
{
    struct error error;
    assert_int_equal(type->send(transport, to, &letter, 1, &error), OK);
}

static char receive_letter(struct transport *transport)
{
    struct error error;
    struct frame frame = {0};
    int64_t until_ms = clock_now_ms() + CONFORMANCE_PATIENCE_MS;
    while (!frame.data && clock_now_ms() < until_ms)
        assert_int_equal(type->receive(transport, 100, NULL, 0, &frame, &error), OK);
    assert_non_null(frame.data);
    return (char)frame.data[0];
}

/* ---- the suite ---- */

static void rank_0_serves_all(void **state)
{
    struct conformance_server server = {.transport = *state};
    int64_t until_ms = clock_now_ms() + 4 * CONFORMANCE_PATIENCE_MS;
    while (server.quit_count < world.size - 1) {
        conformance_serve(&server, 100);
        assert_true(clock_now_ms() < until_ms);
    }
    assert_int_equal(server.queue.size, 0);
    bytes_clear(&server.queue);
}

static int run_suite(struct transport *transport)
{
    void *given = transport;
    if (world.rank == 0) {
        const struct CMUnitTest cases[] = {
            cmocka_unit_test_prestate(rank_0_serves_all, given)};
        return cmocka_run_group_tests_name("mpi coordinator", cases, NULL, NULL);
    }
    struct conformance test = {.worker = transport};
    struct conformance *state = &test;
    struct CMUnitTest cases[CONFORMANCE_CASE_COUNT];
    memcpy(cases, conformance_cases, sizeof cases);
    conformance_open(&test);
    for (size_t i = 0; i < CONFORMANCE_CASE_COUNT; i++)
        cases[i].initial_state = state;
    int failed = cmocka_run_group_tests_name("mpi worker", cases, NULL, NULL);
    send_letter(transport, 0, CONFORMANCE_QUIT);
    conformance_close(&test);
    return failed;
}

/* ---- special situations ---- */

/* Peers are numbered in the order in which they are heard. */
static int run_numbers(struct transport *transport)
{
    struct error error;
    struct frame frame = {0};
    assert_int_equal(world.size, 3);
    if (world.rank != 0) {
        /* Rank 2 speaks at once, rank 1 when rank 0 has heard it: by way of the time. */
        if (world.rank == 1)
            clock_sleep_ms(500);
        send_letter(transport, 0, (char)('0' + world.rank));
        return receive_letter(transport) == 'w' ? 0 : 1;
    }
    assert_int_equal(type->send(transport, 1, "x", 1, &error), ERROR_FATAL);
    for (peer_id number = 1; number <= 2; number++) {
        do
            assert_int_equal(type->receive(transport, 100, NULL, 0, &frame, &error), OK);
        while (!frame.data);
        assert_int_equal(frame.from, number);
        assert_int_equal(frame.data[0], number == 1 ? '2' : '1');
    }
    send_letter(transport, 1, 'w');
    send_letter(transport, 2, 'w');
    return 0;
}

/* The last rank is gone without a word: nobody hangs in close(). Ends by _exit, as any
 * program must whose close() could not finalize. */
static int run_death(struct transport *transport)
{
    static unsigned char large[1 << 20];
    struct error error;
    struct frame frame;
    if (world.rank == world.size - 1) {
        send_letter(transport, 0, 'd');
        _exit(0);
    }
    if (world.rank == 0) {
        assert_int_equal(receive_letter(transport), 'd');
        /* Frames to the dead are taken or refused, and never block. */
        for (int i = 0; i < 100; i++) {
            enum error_code code = type->send(transport, 1, large, sizeof large, &error);
            assert_true(code == OK || code == ERROR_TRANSIENT);
            (void)type->receive(transport, 1, NULL, 0, &frame, &error);
        }
    }
    int64_t begin_ms = clock_now_ms();
    type->close(transport, 500);
    assert_true(clock_now_ms() - begin_ms < 3000);
    (void)printf("survived\n");
    (void)fflush(stdout);
    _exit(0);
}

/* Ranks with nothing to do leave the CPU alone. */
static int run_idle(struct transport *transport)
{
    enum { IDLE_MS = 3000 };
    struct error error;
    struct frame frame;
    int64_t cpu_us = clock_process_us(), until_ms = clock_now_ms() + IDLE_MS;
    while (clock_now_ms() < until_ms)
        (void)type->receive(transport, 100, NULL, 0, &frame, &error);
    double share = (double)(clock_process_us() - cpu_us) / (IDLE_MS * 1000.0);
    (void)printf("mpi: rank %d idle at %.2f %% CPU\n", world.rank, 100 * share);
    return share < 0.1 ? 0 : 1;
}

static int run_nothing(struct transport *transport)
{
    (void)transport;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct situation {
        const char *name;
        int (*run)(struct transport *transport);
    } situations[] = {{"suite", run_suite},
                      {"numbers", run_numbers},
                      {"death", run_death},
                      {"idle", run_idle},
                      {"nothing", run_nothing}};
    struct error error = {0};
    struct transport transport;
    if (!transport_mpi_is_launched())
        return 77;
    if (transport_mpi_load(&type, &world, &error) != OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    int status = 2;
    if (world.size == 1)
        return 0;
    open_rank(&transport);
    for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
        if (strcmp(argc == 2 ? argv[1] : "suite", situations[i].name) == 0)
            status = situations[i].run(&transport);
    type->close(&transport, DRAIN_MS);
    free(transport.state);
    return status;
}
