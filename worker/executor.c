/* executor.c - the process that runs stages */
#include "worker/executor.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/platform.h"
#include "worker/executor_state.h"

enum error_code executor_send(struct executor *executor, enum control_type type,
                              struct error *error)
{
    if (executor->message.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a message");
    enum error_code code =
        channel_put(&executor->channel, (uint8_t)type, executor->message.data,
                    executor->message.size, error);
    return code == OK ? channel_flush(&executor->channel, true, error) : code;
}

enum error_code executor_report(struct executor *executor, enum control_type what,
                                uint64_t shard, const struct error *failure,
                                struct error *error)
{
    bytes_reset(&executor->message);
    bytes_put_u8(&executor->message, (uint8_t)what);
    bytes_put_u64(&executor->message, shard);
    bytes_put_u8(&executor->message, (uint8_t)failure->code);
    bytes_put_text(&executor->message, failure->text, strlen(failure->text));
    return executor_send(executor, CONTROL_FAILED, error);
}

static enum error_code send_empty(struct executor *executor, enum control_type type,
                                  uint32_t number, struct error *error)
{
    bytes_reset(&executor->message);
    bytes_put_u32(&executor->message, number);
    return executor_send(executor, type, error);
}

static enum error_code say_ready(struct executor *executor, struct error *error)
{
    char names[LIBRARIES_SIZE];
    enum error_code code = executor_libraries(executor, names, error);
    bytes_reset(&executor->message);
    bytes_put_text(&executor->message, names, strlen(names));
    return code == OK ? executor_send(executor, CONTROL_READY, error) : code;
}

/* Carry out one message. An error here is the executor's end. */
static enum error_code dispatch(struct executor *executor, enum control_type type,
                                struct cursor message, struct error *error)
{
    enum error_code code;
    if (executor->task_arena)
        arena_reset(executor->task_arena);
    switch (type) {
    case CONTROL_SETUP:
        code = executor_setup(executor, message, error);
        return code == OK ? say_ready(executor, error) : code;
    case CONTROL_PREPARE: {
        uint32_t phase = cursor_u32(&message);
        code = executor_prepare(executor, phase, error);
        return code == OK ? send_empty(executor, CONTROL_PREPARED, phase, error) : code;
    }
    case CONTROL_OPEN:
        return executor_open_phase(executor, cursor_u32(&message), error);
    case CONTROL_RUN:
        return executor_run_lease(executor, message, error);
    case CONTROL_STREAM:
        return executor_take_stream(executor, message, error);
    case CONTROL_FILL:
        return executor_fill(executor, message, error);
    case CONTROL_SLOT:
        return executor_run_slot(executor, message, error);
    case CONTROL_SEAL:
        return executor_seal(executor, error);
    case CONTROL_EXIT:
        executor->is_leaving = true;
        return OK;
    default:
        return error_set(error, ERROR_FATAL, "an executor does not know message %d",
                         type);
    }
}

/* Nothing to do at the moment: commit, then wait for a message until the volume is due. */
static enum error_code idle(struct executor *executor, struct error *error)
{
    enum error_code code = executor_commit(executor, error);
    if (code != OK)
        return code;
    int timeout_ms = -1;
    if (executor->volume_since_ms && executor->pipeline) {
        int64_t due = executor->volume_since_ms + executor->pipeline->store.seal_ms;
        int64_t left = due - clock_now_ms();
        if (left <= 0)
            return executor_seal(executor, error);
        timeout_ms = left > INT_MAX ? INT_MAX : (int)left;
    }
    return channel_fill(&executor->channel, timeout_ms, error);
}

static enum error_code serve(struct executor *executor, struct error *error)
{
    enum error_code code = OK;
    while (code == OK && !executor->is_leaving) {
        uint8_t type;
        struct cursor message;
        if (channel_take(&executor->channel, &type, &message))
            code = dispatch(executor, (enum control_type)type, message, error);
        else if (executor->channel.is_closed)
            return OK; /* the worker is gone, and so are we */
        else if ((code = channel_fill(&executor->channel, 0, error)) == OK &&
                 executor->channel.in.size == executor->channel.in_at &&
                 !executor->channel.is_closed)
            code = idle(executor, error);
    }
    return code;
}

static void release(struct executor *executor)
{
    executor_close_phase(executor);
    slots_destroy(executor->slots);
    arena_destroy(executor->batch_arena);
    arena_destroy(executor->task_arena);
    arena_destroy(executor->phase_arena);
    arena_destroy(executor->stream.arena);
    arena_destroy(executor->run);
    bytes_clear(&executor->finished);
    bytes_clear(&executor->message);
    channel_clear(&executor->channel);
    (void)munmap(executor->flight, sizeof *executor->flight);
}

static int exit_status(enum error_code code)
{
    if (code == OK)
        return 0;
    return code == ERROR_MEMORY ? EXECUTOR_EXIT_MEMORY : 1;
}

static struct executor *create_executor(int channel_fd, int flight_fd)
{
    struct executor *executor = calloc(1, sizeof *executor);
    if (!executor)
        return NULL;
    executor->phase = UINT32_MAX;
    channel_init(&executor->channel, channel_fd);
    executor->flight = mmap(NULL, sizeof *executor->flight, PROT_READ | PROT_WRITE,
                            MAP_SHARED, flight_fd, 0);
    (void)close(flight_fd);
    if (executor->flight == MAP_FAILED) {
        free(executor);
        return NULL;
    }
    return executor;
}

int executor_main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    int channel_fd = (int)strtol(argv[1], NULL, 10);
    int flight_fd = (int)strtol(argv[2], NULL, 10);
    int parent = (int)strtol(argv[3], NULL, 10);
    platform_die_with_parent(SIGKILL, parent);
    (void)signal(SIGINT, SIG_IGN); /* the terminal tells all of us: the worker decides */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGUSR1, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    log_open("executor", LEVEL_WARNING);

    struct executor *executor = create_executor(channel_fd, flight_fd);
    if (!executor)
        return EXECUTOR_EXIT_MEMORY;
    struct error error = {0};
    enum error_code code = serve(executor, &error);
    /* Out of memory leaves at once: the flight says which record was at work. */
    if (code != OK && code != ERROR_MEMORY)
        (void)executor_report(executor, CONTROL_EXIT, 0, &error, NULL);
    if (code != ERROR_MEMORY)
        release(executor);
    int status = exit_status(code);
    free(executor);
    return status;
}
