/* worker_loop.c - the worker process: talk to the coordinator, supervise executors */
#include "worker/worker_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/scratch.h"
#include "core/stop_signal.h"
#include "stages/registry.h"
#include "worker/endpoint_file.h"
#include "worker/worker_state.h"

enum {
    HEARTBEAT_MS = 500,
    HEARTBEAT_SHARE = 4, /* at least so many in the time after which we count as silent */
    TICK_MS = 100,
    PAUSE_MS = 1000,      /* a round that took longer: we were stopped ourselves */
    LOST_FACTOR = 5,      /* silences of the coordinator until we give it up */
    RANK_LOST_MS = 60000, /* a rank cannot join anew: its end is the run's */
    STOP_MS = 2000,       /* a silent coordinator is not waited for when we are to stop */
    DRAIN_MS = 1000,
    RANK_DRAIN_MS = 30000,
    UNANSWERED_MS = 3000,
    ENDPOINT_SIZE = 512,
    PATH_SIZE = 4096,
    ARENA_BLOCK = 64 << 10
};

enum error_code worker_send(struct worker *worker, const struct message *message,
                            struct error *error)
{
    bytes_reset(&worker->message);
    message_write(message, &worker->message);
    if (worker->message.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a message");
    return link_send(worker->link, worker->message.data, worker->message.size, error);
}

enum error_code worker_fail_shard(struct worker *worker, shard_id shard, uint32_t epoch,
                                  enum fail_class class, uint32_t ordinal, uint32_t stage,
                                  const char *reason, const char *text,
                                  struct error *error)
{
    struct message message = {.type = MESSAGE_FAIL};
    message.as.fail = (struct message_fail){.phase = worker->phase,
                                            .shard = shard,
                                            .epoch = epoch,
                                            .class = class,
                                            .ordinal = ordinal,
                                            .stage = stage,
                                            .reason = reason,
                                            .text = text};
    return worker_send(worker, &message, error);
}

enum error_code worker_return(struct worker *worker, shard_id shard, uint32_t count,
                              uint32_t epoch, struct error *error)
{
    struct shard_range range = {.shard = shard, .count = count, .epoch = epoch};
    struct message message = {.type = MESSAGE_RETURN};
    message.as.ranges =
        (struct message_ranges){.phase = worker->phase, .ranges = &range, .count = 1};
    return worker_send(worker, &message, error);
}

static enum error_code send_hello(struct worker *worker, struct error *error)
{
    struct message message = {.type = MESSAGE_HELLO};
    message.as.hello = (struct message_hello){.version = PROTOCOL_VERSION,
                                              .incarnation = worker->incarnation,
                                              .host = worker->host,
                                              .pid = (uint32_t)getpid(),
                                              .executors = worker->member_count,
                                              .memory = platform_memory(),
                                              .cpu_level = platform_cpu_level()};
    return worker_send(worker, &message, error);
}

static enum error_code send_heartbeat(struct worker *worker, int64_t now_ms,
                                      struct error *error)
{
    struct message message = {.type = MESSAGE_HEARTBEAT};
    struct message_heartbeat *beat = &message.as.heartbeat;
    *beat = (struct message_heartbeat){.credit = tasks_credit(worker),
                                       .stream_credit = streams_credit(worker),
                                       .held = worker->pending_shards,
                                       .streams_held = streams_held(worker),
                                       .records = worker->records,
                                       .bytes = worker->bytes,
                                       .executors = members_alive(worker)};
    for (uint32_t i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        beat->held += member->queued + member->entry_count;
        if (!member->flight || member->state == MEMBER_DEAD)
            continue;
        beat->records += atomic_load(&member->flight->records);
        beat->bytes += atomic_load(&member->flight->bytes);
    }
    worker->heartbeat_ms = now_ms;
    worker->told_credit = beat->credit;
    worker->told_streams = beat->stream_credit;
    return worker_send(worker, &message, error);
}

/* Is this the job folder the coordinator means, and not a namesake? */
static enum error_code check_nonce(const struct message_welcome *welcome,
                                   struct error *error)
{
    char path[PATH_SIZE], text[128] = "";
    (void)snprintf(path, sizeof path, "%s/nonce", welcome->job_folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set_errno(error, ERROR_CONFIG, errno,
                               "this machine does not see the job directory \"%s\"",
                               welcome->job_folder);
    (void)fgets(text, sizeof text, file);
    (void)fclose(file);
    text[strcspn(text, "\n")] = 0;
    if (strcmp(text, welcome->nonce) != 0)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" on this machine is another job directory than the "
                         "coordinator's",
                         welcome->job_folder);
    return OK;
}

static enum error_code welcomed(struct worker *worker, const struct message_welcome *from,
                                struct error *error)
{
    if (worker->pipeline)
        return OK;
    struct message_welcome *welcome = &worker->welcome;
    struct arena *arena = worker->arena;
    *welcome = *from;
    welcome->job_folder =
        arena_copy_text(arena, from->job_folder, strlen(from->job_folder));
    welcome->nonce = arena_copy_text(arena, from->nonce, strlen(from->nonce));
    welcome->pipeline_yaml =
        arena_copy_text(arena, from->pipeline_yaml, from->pipeline_size);
    if (!welcome->job_folder || !welcome->nonce || !welcome->pipeline_yaml)
        return error_set(error, ERROR_MEMORY, "no memory for the job");
    enum error_code code = check_nonce(welcome, error);
    if (code != OK)
        return code;
    struct diagnostics diagnostics = {.arena = arena};
    worker->pipeline =
        pipeline_parse(welcome->pipeline_yaml, welcome->pipeline_size, "pipeline.yaml",
                       welcome->job_folder, NULL, stage_types, arena, &diagnostics);
    if (!worker->pipeline)
        return error_set(error, ERROR_CONFIG, "this machine cannot read the pipeline: %s",
                         diagnostics.count ? diagnostics.items[0].text
                                           : "no reason given");
    streams_size(worker);
    return members_setup(worker, error);
}

static enum error_code begin_phase(struct worker *worker, uint32_t phase,
                                   struct error *error)
{
    if (!worker->pipeline || phase >= worker->pipeline->phase_count)
        return error_set(error, ERROR_FATAL, "there is no phase %u", phase);
    worker->phase = phase;
    worker->phase_state = PHASE_PREPARING;
    worker->shard_us = 0;
    worker->shards_seen = 0;
    worker->is_flushing = false;
    tasks_forget(worker);
    return members_begin_phase(worker, error);
}

static enum error_code dispatch(struct worker *worker, const unsigned char *data,
                                size_t size, struct error *error)
{
    struct message message;
    arena_reset(worker->message_arena);
    enum error_code code =
        message_read(data, size, worker->message_arena, &message, error);
    if (code != OK)
        return code;
    switch (message.type) {
    case MESSAGE_WELCOME:
        return welcomed(worker, &message.as.welcome, error);
    case MESSAGE_REFUSE:
        return error_set(error, ERROR_CONFIG, "the coordinator refuses this worker: %s",
                         message.as.refuse.reason);
    case MESSAGE_PHASE:
        return begin_phase(worker, message.as.phase.phase, error);
    case MESSAGE_LEASE:
        if (message.as.lease.phase != worker->phase || worker->is_draining)
            return OK;
        return tasks_accept(worker, &message.as.lease, error);
    case MESSAGE_REVOKE:
        tasks_revoke(worker, &message.as.ranges);
        return OK;
    case MESSAGE_FLUSH:
        worker->is_flushing = true;
        return OK;
    case MESSAGE_DRAIN:
        worker->is_draining = true;
        return OK;
    case MESSAGE_BYE:
        worker->is_leaving = true;
        return OK;
    default:
        return OK; /* heartbeats, and what a newer coordinator may say */
    }
}

/* Put what the link wants sent onto the transport. */
static enum error_code pump_output(struct worker *worker, int64_t now_ms,
                                   struct error *error)
{
    size_t size;
    const unsigned char *frame;
    while ((frame = link_output(worker->link, now_ms, &size)) != NULL) {
        enum error_code code =
            worker->transport.type->send(&worker->transport, 0, frame, size, error);
        if (code == ERROR_TRANSIENT) {
            link_refused(worker->link);
            return OK;
        }
        if (code != OK)
            return code;
    }
    return OK;
}

static enum error_code take_frame(struct worker *worker, const struct frame *frame,
                                  int64_t now_ms, struct error *error)
{
    enum link_event event = link_accept(worker->link, frame->data, frame->size, now_ms);
    if (event == LINK_STRANGER)
        return error_set(error, ERROR_CLOSED, "the coordinator was started again");
    if (event == LINK_GARBAGE)
        return OK;
    worker->heard_ms = now_ms;
    size_t size;
    const unsigned char *data;
    while ((data = link_next(worker->link, &size)) != NULL) {
        enum error_code code = dispatch(worker, data, size, error);
        if (code != OK)
            return code;
    }
    return OK;
}

/* Wait for the coordinator and the executors, and take what they say. */
static enum error_code listen(struct worker *worker, int timeout_ms, struct error *error)
{
    arena_reset(worker->message_arena);
    struct transport_wait *waits =
        ARENA_NEW(worker->message_arena, struct transport_wait, worker->member_count);
    if (!waits)
        return error_set(error, ERROR_MEMORY, "no memory to wait");
    size_t count = 0;
    for (uint32_t i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        if (member->state != MEMBER_DEAD)
            waits[count++] = (struct transport_wait){
                .fd = member->channel.fd,
                .wants_write = channel_has_output(&member->channel)};
    }
    struct frame frame = {0};
    enum error_code code = worker->transport.type->receive(&worker->transport, timeout_ms,
                                                           waits, count, &frame, error);
    for (int i = 0; code == OK && frame.data && i < 256; i++) {
        code = take_frame(worker, &frame, clock_now_ms(), error);
        frame.data = NULL;
        if (code == OK)
            code = worker->transport.type->receive(&worker->transport, 0, NULL, 0, &frame,
                                                   error);
    }
    for (uint32_t i = 0; code == OK && i < worker->member_count; i++)
        if (worker->members[i].state != MEMBER_DEAD)
            code = members_serve(worker, &worker->members[i], error);
    return code;
}

static enum error_code return_pending(struct worker *worker, struct error *error)
{
    enum error_code code = streams_return(worker, error);
    struct task task;
    while (code == OK && task_list_pop(&worker->pending, &task)) {
        code = worker_return(worker, task.shard, task.count,
                             task.held->message.leases[0].epoch, error);
        held_lease_release(task.held);
    }
    worker->pending_shards = 0;
    return code;
}

static int64_t heartbeat_ms(const struct worker *worker)
{
    int64_t share_ms = worker->welcome.silence_ms / HEARTBEAT_SHARE;
    return share_ms < HEARTBEAT_MS ? share_ms : HEARTBEAT_MS;
}

/* What there is to do between two messages. */
static enum error_code advance(struct worker *worker, int64_t now_ms, struct error *error)
{
    enum error_code code = members_watch(worker, now_ms, error);
    if (code == OK)
        code = tasks_assign(worker, error);
    if (code == OK &&
        ((worker->is_flushing && worker->pending.count == 0) || worker->is_draining))
        code = members_seal(worker, error);
    if (code == OK && worker->is_draining && members_are_quiet(worker) &&
        !worker->has_returned) {
        worker->has_returned = true;
        code = return_pending(worker, error);
    }
    if (code != OK || !worker->pipeline)
        return code;
    bool is_changed = tasks_credit(worker) != worker->told_credit ||
                      streams_credit(worker) != worker->told_streams;
    if (is_changed || now_ms - worker->heartbeat_ms >= heartbeat_ms(worker))
        code = send_heartbeat(worker, now_ms, error);
    return code;
}

/* No answer yet: is it because the job's coordinator is elsewhere by now? */
static enum error_code check_endpoint(struct worker *worker, int64_t now_ms,
                                      struct error *error)
{
    const struct worker_settings *settings = worker->settings;
    char endpoint[ENDPOINT_SIZE];
    if (now_ms - worker->heartbeat_ms < UNANSWERED_MS)
        return OK;
    if (!worker->has_complained && settings->waits_for_ever) {
        log_at(LEVEL_WARNING,
               "no coordinator answers at %s yet (or it has other keys): still trying",
               settings->options.endpoint);
        worker->has_complained = true;
    }
    worker->heartbeat_ms = now_ms;
    if (settings->job && endpoint_file_read(settings->job, endpoint, sizeof endpoint) &&
        strcmp(endpoint, settings->options.endpoint) != 0)
        return error_set(error, ERROR_CLOSED, "the coordinator is elsewhere now");
    return OK;
}

static enum error_code check_coordinator(struct worker *worker, int64_t now_ms,
                                         struct error *error)
{
    if (worker->settings->is_own && getppid() != worker->settings->parent)
        return error_set(error, ERROR_CLOSED, "the coordinator is gone");
    if (stop_signal_count() && (!worker->pipeline || now_ms - worker->heard_ms > STOP_MS))
        return error_set(error, ERROR_CLOSED, "stopped by a signal");
    /* A rank that was never welcomed has nowhere else to look, and is as lost as others. */
    if (!worker->pipeline && !worker->settings->is_rank)
        return check_endpoint(worker, now_ms, error);
    int64_t limit_ms = worker->welcome.silence_ms * LOST_FACTOR;
    if (worker->settings->is_rank && limit_ms < RANK_LOST_MS)
        limit_ms = RANK_LOST_MS;
    /* One of the coordinator's own lives as long as it does, stopped or not. */
    if (!worker->settings->is_own && now_ms - worker->heard_ms > limit_ms)
        return error_set(error, ERROR_CLOSED, "the coordinator is silent");
    return OK;
}

static enum error_code converse(struct worker *worker, struct error *error)
{
    enum error_code code = send_hello(worker, error);
    int64_t round_ms = worker->heard_ms = worker->heartbeat_ms = clock_now_ms();
    while (code == OK && !worker->is_leaving) {
        int64_t now_ms = clock_now_ms();
        if (now_ms - round_ms > PAUSE_MS) /* who is stopped hears nothing */
            worker->heard_ms += now_ms - round_ms;
        round_ms = now_ms;
        code = pump_output(worker, now_ms, error);
        int64_t due_ms = link_due_ms(worker->link) - now_ms;
        int timeout_ms = due_ms < 0 ? 0 : due_ms < TICK_MS ? (int)due_ms : TICK_MS;
        if (code == OK)
            code = listen(worker, timeout_ms, error);
        if (code == OK)
            code = advance(worker, clock_now_ms(), error);
        if (code == OK && stop_signal_count() && worker->pipeline)
            worker->is_draining = true;
        if (code == OK && stop_signal_count() && worker->has_returned &&
            link_unacknowledged(worker->link) == 0)
            worker->is_leaving = true;
        if (code == OK)
            code = check_coordinator(worker, clock_now_ms(), error);
    }
    return code;
}

static uint64_t make_incarnation(void)
{
    uint64_t seed[3] = {(uint64_t)clock_now_us(), (uint64_t)getpid(),
                        (uint64_t)clock_wall_ms()};
    char host[256];
    platform_host_name(host, sizeof host);
    uint64_t value = hash64(seed, sizeof seed, hash64(host, strlen(host), 0));
    return value ? value : 1;
}

static enum error_code prepare_worker(struct worker *worker, struct error *error)
{
    static const struct link_settings link = {
        .resend_ms = 200, .window = 256, .reorder = 256};
    worker->incarnation = make_incarnation();
    worker->arena = arena_create(ARENA_BLOCK, 0);
    worker->message_arena = arena_create(ARENA_BLOCK, 0);
    worker->member_count = worker->settings->executors;
    worker->members = worker->arena
                          ? ARENA_NEW(worker->arena, struct member, worker->member_count)
                          : NULL;
    worker->link = link_create(worker->incarnation, &link);
    if (!worker->arena || !worker->message_arena || !worker->members || !worker->link)
        return error_set(error, ERROR_MEMORY, "no memory for a worker");
    platform_host_name(worker->host, sizeof worker->host);
    enum error_code code = scratch_make(worker->scratch, sizeof worker->scratch, error);
    if (code == OK)
        code = streams_prepare(worker, error);
    if (code == OK)
        code = members_start(worker, error);
    return code;
}

static void release_worker(struct worker *worker)
{
    members_stop(worker);
    tasks_clear(worker);
    streams_clear(worker);
    link_destroy(worker->link);
    arena_destroy(worker->arena);
    arena_destroy(worker->message_arena);
    bytes_clear(&worker->message);
    bytes_clear(&worker->control);
    scratch_remove(worker->scratch);
}

static struct worker *create_worker(const struct worker_settings *settings,
                                    const struct transport *transport)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker) {
        worker->settings = settings;
        worker->transport = *transport;
    }
    return worker;
}

/* One conversation with one coordinator, from HELLO to the end. */
static enum error_code serve_once(const struct worker_settings *settings,
                                  struct transport *transport, struct error *error)
{
    struct worker *worker = create_worker(settings, transport);
    if (!worker)
        return error_set(error, ERROR_MEMORY, "no memory for a worker");
    enum error_code code = prepare_worker(worker, error);
    if (code == OK)
        code = converse(worker, error);
    worker->verdict = code;
    worker->is_leaving = true;
    if (code == OK) { /* say that we are gone */
        struct message bye = {.type = MESSAGE_BYE};
        if (worker_send(worker, &bye, NULL) == OK)
            (void)pump_output(worker, clock_now_ms(), NULL);
    }
    release_worker(worker);
    free(worker);
    return code;
}

enum error_code worker_run(const struct worker_settings *settings, struct error *error)
{
    if (settings->is_own)
        platform_die_with_parent(SIGTERM, settings->parent);
    stop_signal_catch(settings->is_own); /* the terminal tells the coordinator, too */
    struct transport transport;
    enum error_code code = transport_open(&transport, settings->transport,
                                          TRANSPORT_WORKER, &settings->options, error);
    while (code == OK) {
        code = serve_once(settings, &transport, error);
        bool is_lost = code == ERROR_CLOSED && !settings->is_own &&
                       settings->waits_for_ever && !stop_signal_count();
        if (is_lost && settings->job)
            log_at(LEVEL_WARNING, "%s: looking for a new one", error ? error->text : "");
        if (!is_lost || settings->job)
            break;
        log_at(LEVEL_WARNING, "%s: joining anew", error ? error->text : "lost");
        code = OK;
    }
    /* Ranks leave together: the coordinator publishes before it says its own farewell. */
    transport_close(&transport, settings->is_rank ? RANK_DRAIN_MS : DRAIN_MS);
    return code == ERROR_CLOSED && stop_signal_count() ? OK : code;
}
