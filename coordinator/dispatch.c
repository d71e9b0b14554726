/* dispatch.c - carry messages to the schedule and its decisions to the workers */
#include <stdio.h>
#include <string.h>

#include "coordinator/coordinator_state.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"

static enum error_code refuse(struct coordinator *coordinator, struct peer *peer,
                              const char *reason, struct error *error)
{
    struct message message = {.type = MESSAGE_REFUSE, .as.refuse = {.reason = reason}};
    peer->is_leaving = true;
    return peers_send(coordinator, peer, &message, error);
}

static enum error_code welcome(struct coordinator *coordinator, struct peer *peer,
                               const struct message_hello *hello, struct error *error)
{
    struct message message = {.type = MESSAGE_WELCOME};
    if (hello->version != PROTOCOL_VERSION)
        return refuse(coordinator, peer, "another version of millrace", error);
    peer->number = coordinator->next_number++;
    peer->pid = hello->pid;
    peer->executors = hello->executors;
    peer->is_admitted = !class_is_needed(coordinator->pipeline);
    (void)snprintf(peer->host, sizeof peer->host, "%s", hello->host);
    (void)snprintf(peer->cpu_level, sizeof peer->cpu_level, "%s", hello->cpu_level);
    log_at(LEVEL_INFO, "worker %u joined: %s, process %u, %u executors", peer->number,
           peer->host, peer->pid, peer->executors);
    struct bytes yaml = {0};
    pipeline_write(coordinator->pipeline, &yaml);
    message.as.welcome =
        (struct message_welcome){.worker = peer->number,
                                 .session = lock_session(coordinator->settings->lock),
                                 .job_folder = coordinator->settings->folder,
                                 .nonce = coordinator->settings->nonce,
                                 .fingerprint = coordinator->settings->plan->fingerprint,
                                 .pipeline_yaml = (const char *)yaml.data,
                                 .pipeline_size = yaml.size,
                                 .silence_ms = coordinator->pipeline->limits.silence_ms};
    enum error_code code =
        yaml.is_bad ? error_set(error, ERROR_MEMORY, "no memory for the pipeline")
                    : peers_send(coordinator, peer, &message, error);
    bytes_clear(&yaml);
    if (code == OK && coordinator->schedule) {
        message.type = MESSAGE_PHASE;
        message.as.phase.phase = coordinator->phase;
        code = peers_send(coordinator, peer, &message, error);
    }
    return code;
}

static enum error_code say_goodbye(struct coordinator *coordinator, struct peer *peer,
                                   struct error *error)
{
    struct message message = {.type = MESSAGE_BYE};
    peer->is_leaving = true;
    return peers_send(coordinator, peer, &message, error);
}

static enum error_code lost(struct coordinator *coordinator, uint32_t number)
{
    struct peer *peer = peers_by_number(coordinator, number);
    log_at(LEVEL_WARNING, "worker %u is silent: its shards go to others", number);
    if (peer)
        peer->is_joined = false; /* until it speaks again */
    return OK;
}

static enum error_code note_suspect(struct coordinator *coordinator,
                                    const struct schedule_action *action,
                                    struct error *error)
{
    struct suspect suspect = {.phase = coordinator->phase,
                              .shard = action->shard,
                              .ordinal = action->ordinal,
                              .strikes = action->strikes,
                              .stage = action->stage,
                              .reason = action->reason};
    const struct phase_spec *phase = &coordinator->pipeline->phases[coordinator->phase];
    const char *stage = action->stage < phase->stage_count
                            ? phase->stages[action->stage].type->name
                            : "?";
    log_at(LEVEL_WARNING, "record %u of shard %llx: %s in stage %s%s", action->ordinal,
           (unsigned long long)action->shard, action->reason, stage,
           action->strikes > 1 ? "; it is quarantined" : "; once more to be sure");
    coordinator->has_uncommitted = coordinator->has_unpublished = true;
    return books_suspect(coordinator->settings->books, &suspect, error);
}

static enum error_code revoke(struct coordinator *coordinator, struct peer *peer,
                              const struct schedule_action *action, struct error *error)
{
    struct shard_range range = {
        .shard = action->shard, .count = 1, .epoch = action->epoch};
    struct message message = {.type = MESSAGE_REVOKE};
    message.as.ranges = (struct message_ranges){
        .phase = coordinator->phase, .ranges = &range, .count = 1};
    return peers_send(coordinator, peer, &message, error);
}

static void give_up(struct coordinator *coordinator, const struct schedule_action *action)
{
    if (coordinator->is_failed)
        return;
    coordinator->is_failed = true;
    if (!coordinator->failure.text[0])
        (void)error_set(&coordinator->failure, ERROR_FATAL, "shard %llx: %s",
                        (unsigned long long)action->shard,
                        action->reason ? action->reason : "its budget is spent");
}

static enum error_code act(struct coordinator *coordinator,
                           const struct schedule_action *action, struct error *error)
{
    struct peer *peer = peers_by_number(coordinator, action->worker);
    struct message flush = {.type = MESSAGE_FLUSH};
    switch (action->type) {
    case ACTION_LEASE:
        return peer ? leases_send(coordinator, peer, action, error) : OK;
    case ACTION_REVOKE:
        return peer ? revoke(coordinator, peer, action, error) : OK;
    case ACTION_SUSPECT:
        return note_suspect(coordinator, action, error);
    case ACTION_SET_ASIDE:
        log_at(LEVEL_WARNING, "worker %u is set aside: its shards fail one after another",
               action->worker);
        return peer ? say_goodbye(coordinator, peer, error) : OK;
    case ACTION_LOST:
        return lost(coordinator, action->worker);
    case ACTION_FLUSH:
        return peer ? peers_send(coordinator, peer, &flush, error) : OK;
    case ACTION_COMPLETE:
        coordinator->is_phase_done = true;
        return OK;
    case ACTION_DRAINED:
        coordinator->is_drained = true;
        return OK;
    case ACTION_GIVE_UP:
        give_up(coordinator, action);
        return OK;
    }
    return error_set(error, ERROR_FATAL, "the schedule wants what nobody knows");
}

enum error_code dispatch_event(struct coordinator *coordinator,
                               const struct schedule_event *event, struct error *error)
{
    struct schedule_actions actions;
    enum error_code code = schedule_step(coordinator->schedule, event, &actions, error);
    for (size_t i = 0; code == OK && i < actions.count; i++)
        code = act(coordinator, &actions.items[i], error);
    return code;
}

enum error_code dispatch_gone(struct coordinator *coordinator, struct peer *peer,
                              int64_t now_ms, struct error *error)
{
    uint32_t number = peer->number;
    bool is_joined = peer->is_joined;
    link_destroy(peer->link);
    peer->link = NULL;
    peer->is_joined = false;
    peer->is_leaving = true;
    if (!is_joined || !coordinator->schedule)
        return OK;
    struct schedule_event event = {
        .type = EVENT_LEAVE, .now_ms = now_ms, .worker = number};
    return dispatch_event(coordinator, &event, error);
}

static enum error_code heartbeat(struct coordinator *coordinator, struct peer *peer,
                                 const struct message_heartbeat *beat, int64_t now_ms,
                                 struct error *error)
{
    peer->credit = beat->credit;
    peer->stream_credit = beat->stream_credit;
    peer->held = beat->held;
    peer->records = beat->records;
    peer->bytes = beat->bytes;
    if (!coordinator->schedule || peer->is_leaving || !peer->is_admitted)
        return OK;
    struct schedule_event event = {.type = peer->is_joined ? EVENT_CREDIT : EVENT_JOIN,
                                   .now_ms = now_ms,
                                   .worker = peer->number,
                                   .credit = beat->credit,
                                   .stream_credit = beat->stream_credit,
                                   .held = beat->held};
    peer->is_joined = true;
    return dispatch_event(coordinator, &event, error);
}

static enum error_code done(struct coordinator *coordinator, struct peer *peer,
                            const struct message_done *message, int64_t now_ms,
                            struct error *error)
{
    if (message->phase != coordinator->phase || !coordinator->schedule)
        return OK; /* a late twin: the shards were done without it */
    bool *is_new = ARENA_NEW(coordinator->message_arena, bool, message->count);
    if (!is_new)
        return error_set(error, ERROR_MEMORY, "no memory for a volume's shards");
    coordinator->fsync_count += message->fsync_count;
    coordinator->fsync_us += message->fsync_us;
    coordinator->has_uncommitted = coordinator->has_unpublished = true;
    enum error_code code =
        books_take(coordinator->settings->books, message, is_new, error);
    for (uint32_t i = 0; code == OK && i < message->count; i++) {
        struct schedule_event event = {.type = EVENT_DONE,
                                       .now_ms = now_ms,
                                       .worker = peer->number,
                                       .shard = message->entries[i].shard,
                                       .epoch = message->epochs[i]};
        code = dispatch_event(coordinator, &event, error);
    }
    return code;
}

static bool is_own_worker(const struct coordinator *coordinator, const struct peer *peer)
{
    for (uint32_t i = 0; coordinator->own && i < coordinator->settings->own_workers; i++)
        if ((uint32_t)coordinator->own[i].pid == peer->pid)
            return true;
    return false;
}

/* A worker cannot go on: the others can do without it, if there are any. What one of our
 * own lacks, all of them lack. */
static enum error_code worker_failed(struct coordinator *coordinator, struct peer *peer,
                                     const struct message_fail *message, int64_t now_ms,
                                     struct error *error)
{
    struct schedule_counts counts;
    schedule_count(coordinator->schedule, &counts);
    log_at(LEVEL_WARNING, "worker %u (%s) cannot go on: %s", peer->number, peer->host,
           message->text);
    bool has_others = counts.workers > (peer->is_joined ? 1U : 0U);
    if (has_others && !is_own_worker(coordinator, peer)) {
        bool was_joined = peer->is_joined;
        struct schedule_event event = {
            .type = EVENT_LEAVE, .now_ms = now_ms, .worker = peer->number};
        peer->is_joined = false;
        enum error_code code = say_goodbye(coordinator, peer, error);
        return code == OK && was_joined ? dispatch_event(coordinator, &event, error)
                                        : code;
    }
    coordinator->is_failed = true;
    (void)error_set(&coordinator->failure,
                    message->class == FAIL_FULL ? ERROR_FULL : ERROR_IO, "%s",
                    message->text);
    return OK;
}

static enum error_code fail(struct coordinator *coordinator, struct peer *peer,
                            const struct message_fail *message, int64_t now_ms,
                            struct error *error)
{
    if (message->phase != coordinator->phase || !coordinator->schedule ||
        peer->is_leaving)
        return OK;
    if (message->shard == SHARD_NONE)
        return worker_failed(coordinator, peer, message, now_ms, error);
    if (!peer->is_joined)
        return OK;
    log_at(LEVEL_WARNING, "worker %u, shard %llx: %s: %s", peer->number,
           (unsigned long long)message->shard, message->reason, message->text);
    if (message->class == FAIL_CONFIG || message->class == FAIL_FULL ||
        message->class == FAIL_SHARD)
        (void)error_set(&coordinator->failure,
                        message->class == FAIL_FULL ? ERROR_FULL : ERROR_IO, "%s",
                        message->text);
    const char *reason = arena_copy_text(coordinator->phase_arena, message->reason,
                                         strlen(message->reason));
    if (!reason)
        return error_set(error, ERROR_MEMORY, "no memory for a reason");
    struct schedule_event event = {.type = EVENT_FAIL,
                                   .now_ms = now_ms,
                                   .worker = peer->number,
                                   .shard = message->shard,
                                   .epoch = message->epoch,
                                   .fail_class = message->class,
                                   .ordinal = message->ordinal,
                                   .stage = message->stage,
                                   .reason = reason};
    return dispatch_event(coordinator, &event, error);
}

static enum error_code stream(struct coordinator *coordinator, struct peer *peer,
                              const struct message_stream *message, int64_t now_ms,
                              struct error *error)
{
    if (message->phase != coordinator->phase || !coordinator->schedule)
        return OK;
    coordinator->has_uncommitted = coordinator->has_unpublished = true;
    enum error_code code = books_stream(coordinator->settings->books, message, error);
    if (code != OK || message->count == SHARDS_UNKNOWN || !peer->is_joined)
        return code;
    struct schedule_event event = {.type = EVENT_STREAM,
                                   .now_ms = now_ms,
                                   .worker = peer->number,
                                   .shard = SHARD_ID(message->run, SHARDS_UNKNOWN),
                                   .epoch = message->epoch,
                                   .count = message->count};
    return dispatch_event(coordinator, &event, error);
}

static enum error_code returned(struct coordinator *coordinator, struct peer *peer,
                                const struct message_ranges *ranges, int64_t now_ms,
                                struct error *error)
{
    if (ranges->phase != coordinator->phase || !coordinator->schedule || !peer->is_joined)
        return OK;
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < ranges->count; i++) {
        struct schedule_event event = {.type = EVENT_RETURN,
                                       .now_ms = now_ms,
                                       .worker = peer->number,
                                       .shard = ranges->ranges[i].shard,
                                       .count = ranges->ranges[i].count,
                                       .epoch = ranges->ranges[i].epoch};
        code = dispatch_event(coordinator, &event, error);
    }
    return code;
}

/* What one of our own is refused for, no other worker of this machine can mend. */
static enum error_code libraries(struct coordinator *coordinator, struct peer *peer,
                                 const char *names, int64_t now_ms, struct error *error)
{
    char refusal[REFUSAL_SIZE] = "";
    if (peer->is_admitted || peer->is_leaving)
        return OK;
    enum error_code code = class_admit(coordinator, peer, names, refusal, error);
    if (code != OK)
        return code;
    if (!peer->is_admitted) {
        log_at(LEVEL_WARNING, "worker %u (%s) is refused: %s", peer->number, peer->host,
               refusal);
        if (is_own_worker(coordinator, peer)) {
            coordinator->is_failed = true;
            (void)error_set(&coordinator->failure, ERROR_CONFIG, "%s", refusal);
        }
        return refuse(coordinator, peer, refusal, error);
    }
    struct message_heartbeat beat = {.credit = peer->credit,
                                     .stream_credit = peer->stream_credit,
                                     .held = peer->held,
                                     .records = peer->records,
                                     .bytes = peer->bytes};
    return heartbeat(coordinator, peer, &beat, now_ms, error);
}

enum error_code dispatch_message(struct coordinator *coordinator, struct peer *peer,
                                 const unsigned char *data, size_t size, int64_t now_ms,
                                 struct error *error)
{
    struct message message;
    arena_reset(coordinator->message_arena);
    enum error_code code =
        message_read(data, size, coordinator->message_arena, &message, error);
    if (code != OK)
        return code;
    if (!peer->number && message.type != MESSAGE_HELLO)
        return OK; /* not introduced */
    switch (message.type) {
    case MESSAGE_HELLO:
        return peer->number ? OK : welcome(coordinator, peer, &message.as.hello, error);
    case MESSAGE_HEARTBEAT:
        return heartbeat(coordinator, peer, &message.as.heartbeat, now_ms, error);
    case MESSAGE_DONE:
        return done(coordinator, peer, &message.as.done, now_ms, error);
    case MESSAGE_FAIL:
        return fail(coordinator, peer, &message.as.fail, now_ms, error);
    case MESSAGE_STREAM:
        return stream(coordinator, peer, &message.as.stream, now_ms, error);
    case MESSAGE_RETURN:
        return returned(coordinator, peer, &message.as.ranges, now_ms, error);
    case MESSAGE_LIBRARIES:
        return libraries(coordinator, peer, message.as.libraries.names, now_ms, error);
    case MESSAGE_BYE:
        log_at(LEVEL_INFO, "worker %u left", peer->number);
        return dispatch_gone(coordinator, peer, now_ms, error);
    default:
        return OK;
    }
}
