/* schedule_failure.c - what a failed shard means for it, its worker and the run */
#include "coordinator/schedule_failure.h"

static enum error_code set_aside(struct schedule *schedule, uint32_t worker,
                                 struct error *error)
{
    struct worker *state = books_worker(schedule, worker);
    /* The worker was to blame: its failures are taken off the shards' budgets. */
    for (uint32_t i = 0; i < state->streak_count; i++) {
        const struct streak *streak = &state->streak[i];
        struct fault *fault = fault_table_find(&schedule->faults, streak->shard);
        if (fault) {
            fault->shard_failures -= streak->shard_failures;
            fault->infrastructure_failures -= streak->infrastructure_failures;
        }
    }
    state->streak_count = 0;
    state->state = WORKER_ASIDE;
    state->was_aside = true;
    schedule->present--;
    schedule->aside++;
    enum error_code code = books_drop_all(schedule, worker, true, error);
    books_settle_worker(schedule, worker);
    books_emit(schedule,
               (struct schedule_action){.type = ACTION_SET_ASIDE, .worker = worker});
    return code;
}

static void give_up(struct schedule *schedule, const struct schedule_event *event,
                    const char *reason)
{
    if (schedule->has_failed)
        return;
    schedule->has_failed = true;
    books_emit(schedule, (struct schedule_action){.type = ACTION_GIVE_UP,
                                                  .worker = event->worker,
                                                  .shard = event->shard,
                                                  .count = 1,
                                                  .epoch = event->epoch,
                                                  .ordinal = event->ordinal,
                                                  .stage = event->stage,
                                                  .reason = event->reason ? event->reason
                                                                          : reason});
}

static bool is_of_stream(const struct schedule *schedule, uint32_t unit,
                         const struct schedule_event *event)
{
    return SHARD_INDEX(event->shard) != SHARDS_UNKNOWN && books_stream_of(schedule, unit);
}

/* The unit goes back, to the front, and rather not to this worker again. */
static enum error_code give_back(struct schedule *schedule, uint32_t unit,
                                 const struct schedule_event *event, struct error *error)
{
    struct fault *fault =
        fault_table_add(&schedule->faults, books_shard_of(schedule, unit));
    if (!fault)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    fault_note_worker(fault, event->worker, schedule->now_ms);
    enum error_code code =
        books_step_unit(schedule, unit, UNIT_DROP, event->worker, error);
    struct unit *state = &schedule->units[unit];
    if (code != OK || state->state != UNIT_PENDING)
        return code;
    struct queue *queue = &schedule->queues[books_kind_of(schedule, unit)];
    struct chain_links links = books_order_links(schedule);
    chain_remove(&queue->returned, links, unit);
    chain_append(&queue->avoided, links, unit);
    state->place = PLACE_AVOIDED;
    state->is_retry = true;
    return OK;
}

/* The holder of a stream has the bytes of its shards: it tries again itself. Before the
 * last attempt another worker gets the stream instead, when there is one. */
static enum error_code retry_stream_shard(struct schedule *schedule, uint32_t unit,
                                          const struct schedule_event *event,
                                          bool is_last_attempt, struct error *error)
{
    if (schedule->has_failed || schedule->is_draining)
        return OK;
    struct schedule_action action = {.type = ACTION_LEASE,
                                     .worker = event->worker,
                                     .shard = event->shard,
                                     .count = 1,
                                     .epoch = event->epoch};
    if (is_last_attempt && schedule->present > 1) {
        action.type = ACTION_REVOKE;
        action.shard = books_shard_of(schedule, unit);
        books_emit(schedule, action);
        return give_back(schedule, unit, event, error);
    }
    books_emit(schedule, action);
    schedule->retried++;
    books_worker(schedule, event->worker)->is_flushed = false;
    books_settle_worker(schedule, event->worker);
    return OK;
}

static void note_streak(struct worker *worker, const struct schedule_event *event,
                        bool is_shard)
{
    uint32_t i = 0;
    while (i < worker->streak_count && worker->streak[i].shard != event->shard)
        i++;
    if (i == STREAK_MAX)
        return;
    if (i == worker->streak_count)
        worker->streak[worker->streak_count++] = (struct streak){.shard = event->shard};
    if (is_shard)
        worker->streak[i].shard_failures++;
    else
        worker->streak[i].infrastructure_failures++;
}

static bool is_unfit(const struct schedule *schedule, const struct worker *worker)
{
    uint32_t limit = schedule->settings.worker_failures;
    if (limit > STREAK_MAX)
        limit = STREAK_MAX;
    return limit && worker->streak_count >= limit && schedule->present > 1;
}

/* A failure that counts: against the shard's budget, and against the worker. */
static enum error_code count_failure(struct schedule *schedule, uint32_t unit,
                                     const struct schedule_event *event,
                                     struct error *error)
{
    struct fault *fault = fault_table_add(&schedule->faults, event->shard);
    if (!fault)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    bool is_shard = event->fail_class == FAIL_SHARD || event->fail_class == FAIL_RECORD;
    uint32_t *failures =
        is_shard ? &fault->shard_failures : &fault->infrastructure_failures;
    uint32_t attempts = is_shard ? schedule->settings.shard_attempts
                                 : schedule->settings.infrastructure_attempts;
    (*failures)++;
    uint32_t spent = *failures;
    struct worker *worker = books_worker(schedule, event->worker);
    if (event->fail_class != FAIL_RECORD) {
        note_streak(worker, event, is_shard);
        if (is_unfit(schedule, worker))
            return set_aside(schedule, event->worker, error);
    }
    if (spent >= attempts)
        give_up(schedule, event,
                is_shard ? "the shard failed too often"
                         : "the machines failed this shard too often");
    if (is_of_stream(schedule, unit, event))
        return retry_stream_shard(schedule, unit, event, spent + 1 >= attempts, error);
    return give_back(schedule, unit, event, error);
}

static enum error_code on_record_failure(struct schedule *schedule, uint32_t unit,
                                         const struct schedule_event *event,
                                         struct error *error)
{
    struct fault *fault = fault_table_add(&schedule->faults, event->shard);
    struct lease_suspect *suspect = fault ? fault_suspect(fault, event->ordinal) : NULL;
    if (!suspect)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    /* A condemned record is not run: what fails now is the shard. */
    if (suspect->strikes >= STRIKES_CONDEMNED)
        return count_failure(schedule, unit, event, error);
    if (suspect->strikes++ == 0) {
        suspect->stage = event->stage;
        suspect->reason = event->reason;
    }
    books_emit(schedule, (struct schedule_action){.type = ACTION_SUSPECT,
                                                  .worker = event->worker,
                                                  .shard = event->shard,
                                                  .count = 1,
                                                  .epoch = event->epoch,
                                                  .ordinal = event->ordinal,
                                                  .stage = event->stage,
                                                  .strikes = suspect->strikes,
                                                  .reason = event->reason});
    if (is_of_stream(schedule, unit, event))
        return retry_stream_shard(schedule, unit, event, false, error);
    return give_back(schedule, unit, event, error);
}

static enum error_code on_fatal_failure(struct schedule *schedule, uint32_t unit,
                                        const struct schedule_event *event,
                                        struct error *error)
{
    give_up(schedule, event,
            event->fail_class == FAIL_FULL ? "disk full" : "a stage cannot be opened");
    if (is_of_stream(schedule, unit, event))
        return OK;
    return give_back(schedule, unit, event, error);
}

static enum error_code on_full(struct schedule *schedule, uint32_t unit,
                               const struct schedule_event *event, struct error *error)
{
    if (schedule->present > 1)
        return count_failure(schedule, unit, event, error);
    return on_fatal_failure(schedule, unit, event, error);
}

enum error_code failure_handle(struct schedule *schedule,
                               const struct schedule_event *event, struct error *error)
{
    typedef enum error_code handler(struct schedule *, uint32_t,
                                    const struct schedule_event *, struct error *);
    static handler *const handlers[] = {[FAIL_RECORD] = on_record_failure,
                                        [FAIL_SHARD] = count_failure,
                                        [FAIL_INFRASTRUCTURE] = count_failure,
                                        [FAIL_FULL] = on_full,
                                        [FAIL_CONFIG] = on_fatal_failure};
    uint32_t unit = books_unit(schedule, event->shard);
    uint32_t index = SHARD_INDEX(event->shard);
    if (unit == 0 || (size_t)event->fail_class >= sizeof handlers / sizeof handlers[0])
        return books_no_such_shard(event, error);
    struct stream_state *stream = books_stream_of(schedule, unit);
    bool is_single = stream && index != SHARDS_UNKNOWN;
    if (is_single && !stream_state_may_have(stream, index))
        return books_no_such_shard(event, error);
    if (!books_is_holder(schedule, unit, event->worker) ||
        schedule->units[unit].epoch != event->epoch ||
        (is_single && stream_state_is_done(stream, index)))
        return OK;
    if (is_single)
        stream_state_note_found(stream, index);
    return handlers[event->fail_class](schedule, unit, event, error);
}
