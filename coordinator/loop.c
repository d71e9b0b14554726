/* loop.c - the coordinator: leases shards to workers until a job is done */
#include "coordinator/loop.h"

#include <stdlib.h>

#include "coordinator/coordinator_state.h"
#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/stop_signal.h"

enum {
    TICK_MS = 50,
    COMMIT_MS = 20,
    PUBLISH_MS = 2000,
    PUBLISH_SHARE = 20, /* publishing may take one part in so many of the time */
    STATUS_MS = 1000,
    FAREWELL_MS = 1000,
    ALONE_MS = 10000, /* under MPI, where nobody can join later */
    FRAMES_AT_ONCE = 1024,
    ARENA_BLOCK = 64 << 10
};

static struct schedule_settings schedule_settings(const struct pipeline *pipeline,
                                                  uint32_t phase)
{
    const struct limit_spec *limits = &pipeline->limits;
    /* The last step of a fit is one shard that no other can be compared with. */
    bool is_alone = pipeline->phases[phase].fit == FIT_FINISH;
    return (struct schedule_settings){.silence_ms = limits->silence_ms,
                                      .shard_attempts = (uint32_t)limits->attempts,
                                      .infrastructure_attempts = 100,
                                      .worker_failures = 8,
                                      .speculate = is_alone ? 0 : limits->speculate,
                                      .speculate_min_ms =
                                          limits->speculate < 1 ? 0 : 1000};
}

/* Workers that are there already take part in the new phase; one that is silent does when it
 * is heard of again, lest each phase wait for it anew. */
static enum error_code join_peers(struct coordinator *coordinator, int64_t now_ms,
                                  struct error *error)
{
    struct message message = {.type = MESSAGE_PHASE};
    message.as.phase.phase = coordinator->phase;
    enum error_code code = peers_send_all(coordinator, &message, error);
    for (size_t i = 0; code == OK && i < coordinator->peer_count; i++) {
        struct peer *peer = &coordinator->peers[i];
        peer->is_joined = false;
        bool is_silent =
            now_ms - peer->heard_ms > coordinator->pipeline->limits.silence_ms;
        if (!peer->link || !peer->number || peer->is_leaving || !peer->credit ||
            is_silent || !peer->is_admitted)
            continue;
        peer->is_joined = true;
        struct schedule_event event = {.type = EVENT_JOIN,
                                       .now_ms = now_ms,
                                       .worker = peer->number,
                                       .credit = peer->credit,
                                       .stream_credit = peer->stream_credit};
        code = dispatch_event(coordinator, &event, error);
    }
    return code;
}

static enum error_code begin_phase(struct coordinator *coordinator, int64_t now_ms,
                                   struct error *error)
{
    struct schedule_settings settings =
        schedule_settings(coordinator->pipeline, coordinator->phase);
    enum error_code code =
        schedule_create(coordinator->manifest.runs, coordinator->manifest.run_count,
                        &settings, &coordinator->schedule, error);
    if (code == OK)
        code = books_fill(coordinator->settings->books, coordinator->phase,
                          coordinator->schedule, error);
    if (code != OK)
        return code;
    struct schedule_counts counts;
    schedule_count(coordinator->schedule, &counts);
    coordinator->shards_done = counts.done;
    coordinator->phase_ms = now_ms;
    report_begin_phase(coordinator);
    coordinator->is_phase_done = false;
    return join_peers(coordinator, now_ms, error);
}

static enum error_code receive(struct coordinator *coordinator, int timeout_ms,
                               struct error *error)
{
    struct transport *transport = coordinator->settings->transport;
    struct frame frame = {0};
    enum error_code code =
        transport->type->receive(transport, timeout_ms, NULL, 0, &frame, error);
    int64_t now_ms = clock_now_ms();
    for (int i = 0; code == OK && frame.data && i < FRAMES_AT_ONCE; i++) {
        code = peers_take_frame(coordinator, &frame, now_ms, error);
        frame.data = NULL;
        if (code == OK)
            code = transport->type->receive(transport, 0, NULL, 0, &frame, error);
    }
    if (code == OK && frame.data)
        code = peers_take_frame(coordinator, &frame, now_ms, error);
    return code;
}

/* Fenced off: nothing may be published any more. */
static enum error_code check_lock(const struct coordinator *coordinator,
                                  struct error *error)
{
    if (lock_is_ours(coordinator->settings->lock))
        return OK;
    return error_set(error, ERROR_CLOSED, "another session has taken over this job");
}

static enum error_code publish(struct coordinator *coordinator, struct error *error)
{
    enum error_code code = check_lock(coordinator, error);
    if (code != OK || (!coordinator->has_unpublished && !coordinator->has_uncommitted))
        return code;
    int64_t began_ms = clock_now_ms();
    code = books_publish(coordinator->settings->books, error);
    coordinator->publish_ms = clock_now_ms();
    coordinator->publish_cost_ms = coordinator->publish_ms - began_ms;
    coordinator->has_unpublished = coordinator->has_uncommitted = false;
    return code;
}

/* Under MPI: when all ranks are lost, there is nobody to wait for. */
static enum error_code check_company(struct coordinator *coordinator, int64_t now_ms,
                                     struct error *error)
{
    bool is_alone = !coordinator->settings->endpoint[0] && coordinator->next_number > 1;
    for (size_t i = 0; is_alone && i < coordinator->peer_count; i++)
        is_alone = !coordinator->peers[i].is_joined;
    if (!is_alone)
        coordinator->company_ms = now_ms;
    if (now_ms - coordinator->company_ms < ALONE_MS)
        return OK;
    return error_set(error, ERROR_FATAL,
                     "no worker is left; the same command goes on with the job");
}

/* What is due by the clock. */
static enum error_code keep_house(struct coordinator *coordinator, int64_t now_ms,
                                  struct error *error)
{
    enum error_code code = OK;
    if (coordinator->has_uncommitted && now_ms - coordinator->commit_ms >= COMMIT_MS) {
        code = books_commit(coordinator->settings->books, error);
        coordinator->commit_ms = now_ms;
        coordinator->has_uncommitted = false;
    }
    if (code == OK && now_ms - coordinator->tick_ms >= TICK_MS) {
        struct schedule_event tick = {.type = EVENT_TICK, .now_ms = now_ms};
        coordinator->tick_ms = now_ms;
        code = dispatch_event(coordinator, &tick, error);
        if (code == OK)
            code = own_workers_watch(coordinator, now_ms, error);
        if (code == OK)
            code = check_company(coordinator, now_ms, error);
    }
    if (code == OK && now_ms - coordinator->beat_ms >= LOCK_BEAT_MS) {
        coordinator->beat_ms = now_ms;
        code = lock_beat(coordinator->settings->lock, error);
        if (code == ERROR_IO)
            code = OK; /* the next beat may do */
    }
    int64_t pause_ms = coordinator->publish_cost_ms * PUBLISH_SHARE;
    if (pause_ms < PUBLISH_MS)
        pause_ms = PUBLISH_MS;
    if (code == OK && coordinator->has_unpublished &&
        now_ms - coordinator->publish_ms >= pause_ms)
        code = publish(coordinator, error);
    if (code == OK && now_ms - coordinator->status_ms >= STATUS_MS) {
        coordinator->status_ms = now_ms;
        code = report_status(coordinator, NULL, STATUS_RUNNING, error);
    }
    report_progress(coordinator, now_ms);
    return code;
}

static enum error_code drain(struct coordinator *coordinator, int64_t now_ms,
                             struct error *error)
{
    struct schedule_event event = {.type = EVENT_DRAIN, .now_ms = now_ms};
    struct message message = {.type = MESSAGE_DRAIN};
    coordinator->is_draining = true;
    report_clear(coordinator);
    if (!coordinator->settings->is_quiet)
        log_write(LEVEL_INFO, "stopping: running shards are finished and published");
    enum error_code code = dispatch_event(coordinator, &event, error);
    return code == OK ? peers_send_all(coordinator, &message, error) : code;
}

static int next_timeout(const struct coordinator *coordinator, int64_t now_ms)
{
    int64_t wait_ms = peers_due_ms(coordinator) - now_ms;
    int64_t tick = coordinator->has_uncommitted ? COMMIT_MS : TICK_MS;
    if (wait_ms > tick)
        wait_ms = tick;
    return wait_ms < 0 ? 0 : (int)wait_ms;
}

/* One phase, until it is done, drained or failed. */
static enum error_code run_phase(struct coordinator *coordinator, struct error *error)
{
    enum error_code code = begin_phase(coordinator, clock_now_ms(), error);
    coordinator->tick_ms = 0;
    while (code == OK && !coordinator->is_phase_done && !coordinator->is_drained &&
           !coordinator->is_failed && stop_signal_count() < 2) {
        int64_t now_ms = clock_now_ms();
        if (stop_signal_count() && !coordinator->is_draining)
            code = drain(coordinator, now_ms, error);
        if (code == OK)
            code = peers_pump(coordinator, now_ms, error);
        if (code == OK)
            code = receive(coordinator, next_timeout(coordinator, now_ms), error);
        if (code == OK)
            code = keep_house(coordinator, clock_now_ms(), error);
    }
    return code;
}

static enum error_code run_phases(struct coordinator *coordinator, struct error *error)
{
    struct books *books = coordinator->settings->books;
    enum error_code code = OK;
    for (uint32_t p = 0; code == OK && p < coordinator->pipeline->phase_count; p++) {
        bool is_complete;
        coordinator->phase = p;
        arena_reset(coordinator->phase_arena);
        code = books_phase(books, p, coordinator->phase_arena, &coordinator->manifest,
                           &is_complete, error);
        if (code != OK || is_complete)
            continue;
        if (stop_signal_count()) {
            coordinator->is_draining = true;
            coordinator->is_phase_done = false;
            break;
        }
        schedule_destroy(coordinator->schedule);
        coordinator->schedule = NULL;
        coordinator->has_unpublished = true; /* the phase and its shards */
        code = publish(coordinator, error);
        if (code == OK)
            code = report_status(coordinator, NULL, STATUS_RUNNING, error);
        if (code == OK)
            code = run_phase(coordinator, error);
        if (code != OK || !coordinator->is_phase_done)
            break;
        code = check_lock(coordinator, error);
        if (code == OK)
            code = books_complete_phase(books, p, &coordinator->manifest, error);
        if (code == OK)
            coordinator->has_unpublished = coordinator->has_uncommitted = false;
    }
    return code;
}

/* Say goodbye to all, and wait until our own workers are gone. */
static void dismiss(struct coordinator *coordinator)
{
    struct message bye = {.type = MESSAGE_BYE};
    (void)peers_send_all(coordinator, &bye, NULL);
    (void)peers_pump(coordinator, clock_now_ms(), NULL);
    own_workers_stop(coordinator);
    /* Workers elsewhere answer; without an answer they find out by themselves. */
    int64_t until = clock_now_ms() + FAREWELL_MS;
    for (bool is_waiting = true; is_waiting && clock_now_ms() < until;) {
        is_waiting = false;
        for (size_t i = 0; i < coordinator->peer_count; i++) {
            const struct peer *peer = &coordinator->peers[i];
            is_waiting = is_waiting || (peer->link && link_unacknowledged(peer->link) &&
                                        clock_now_ms() - peer->heard_ms < FAREWELL_MS);
        }
        if (is_waiting)
            peers_absorb(coordinator, 10);
    }
}

static void release(struct coordinator *coordinator)
{
    schedule_destroy(coordinator->schedule);
    peers_clear(coordinator);
    free(coordinator->stream_ranges);
    bytes_clear(&coordinator->message);
    arena_destroy(coordinator->arena);
    arena_destroy(coordinator->phase_arena);
    arena_destroy(coordinator->message_arena);
    free(coordinator);
}

/* Publish what there is, and write the verdict down. */
static enum run_verdict conclude(struct coordinator *coordinator, enum error_code code,
                                 struct error *error)
{
    enum run_verdict verdict = RUN_FINISHED;
    enum status_state state = STATUS_FINISHED;
    const char *message = NULL;
    if (code == OK && coordinator->is_failed) {
        code = coordinator->failure.code;
        if (error)
            *error = coordinator->failure;
    }
    if (code != OK) {
        verdict = RUN_FAILED;
        state = STATUS_FAILED;
        message = error ? error->text : NULL;
    } else if (coordinator->is_draining || stop_signal_count()) {
        bool is_done = coordinator->is_phase_done &&
                       coordinator->phase + 1 == coordinator->pipeline->phase_count;
        verdict = is_done ? RUN_FINISHED : RUN_STOPPED;
        state = is_done ? STATUS_FINISHED : STATUS_STOPPED;
    }
    struct error late = {0};
    enum error_code end = code == ERROR_CLOSED ? OK : publish(coordinator, &late);
    if (end == OK && code != ERROR_CLOSED)
        end = report_status(coordinator, message, (int)state, &late);
    if (end != OK && code == OK) {
        verdict = RUN_FAILED;
        if (error)
            *error = late;
    }
    return verdict;
}

static struct coordinator *create_coordinator(const struct coordinator_settings *settings)
{
    struct coordinator *coordinator = calloc(1, sizeof *coordinator);
    if (!coordinator)
        return NULL;
    coordinator->settings = settings;
    coordinator->pipeline = settings->plan->pipeline;
    coordinator->next_number = 1;
    coordinator->started_ms = coordinator->company_ms = clock_now_ms();
    coordinator->has_unpublished = true; /* volumes taken up, records to be retried */
    coordinator->arena = arena_create(ARENA_BLOCK, 0);
    coordinator->phase_arena = arena_create(ARENA_BLOCK, 0);
    coordinator->message_arena = arena_create(ARENA_BLOCK, 0);
    if (coordinator->arena && coordinator->phase_arena && coordinator->message_arena)
        return coordinator;
    release(coordinator);
    return NULL;
}

enum run_verdict coordinator_run(const struct coordinator_settings *settings,
                                 struct error *error)
{
    struct coordinator *coordinator = create_coordinator(settings);
    if (!coordinator) {
        (void)error_set(error, ERROR_MEMORY, "no memory for the coordinator");
        return RUN_FAILED;
    }
    enum error_code code = own_workers_start(coordinator, error);
    if (code == OK)
        code = run_phases(coordinator, error);
    report_clear(coordinator);
    dismiss(coordinator);
    enum run_verdict verdict = conclude(coordinator, code, error);
    release(coordinator);
    return verdict;
}
