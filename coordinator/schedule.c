/* schedule.c - who does which shard: a state machine without I/O or clock */
#include "coordinator/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/schedule_books.h"
#include "coordinator/schedule_failure.h"
#include "coordinator/schedule_lease.h"

/* ---- making one ---- */

static enum error_code count_units(const struct run *runs, uint32_t run_count,
                                   struct schedule *schedule, struct error *error)
{
    uint64_t units = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        bool is_stream = runs[i].kind == RUN_STREAM;
        if (!is_stream && runs[i].count == SHARDS_UNKNOWN)
            return error_set(error, ERROR_FATAL, "schedule: run %u has no count", i);
        units += is_stream ? 1 : runs[i].count;
        schedule->stream_count += is_stream;
        if (!is_stream)
            schedule->shards += runs[i].count;
    }
    if (units >= UINT32_MAX - 1)
        return error_set(error, ERROR_CONFIG,
                         "%llu shards are too many for one phase; make them larger",
                         (unsigned long long)units);
    schedule->run_count = run_count;
    schedule->unit_count = (uint32_t)units;
    return OK;
}

static void fill_runs(struct schedule *schedule, const struct run *runs)
{
    uint32_t unit = 1, stream = 0;
    for (uint32_t i = 0; i < schedule->run_count; i++) {
        struct run_state *run = &schedule->runs[i];
        run->first_unit = unit;
        run->stream = UINT32_MAX;
        run->count = runs[i].count;
        if (runs[i].kind == RUN_STREAM) {
            run->count = 1;
            run->stream = stream;
            schedule->streams[stream++].count = SHARDS_UNKNOWN;
        }
        unit += run->count;
    }
    schedule->runs[schedule->run_count] =
        (struct run_state){.first_unit = unit, .stream = UINT32_MAX};
    schedule->undone = schedule->unit_count;
    schedule->queues[KIND_SHARD].fresh = (uint32_t)schedule->shards;
    schedule->queues[KIND_STREAM].fresh = schedule->stream_count;
    for (uint32_t i = 0; i < schedule->run_count; i++)
        if (runs[i].kind == RUN_STREAM && runs[i].count != SHARDS_UNKNOWN)
            schedule_mark_stream_end(schedule, i, runs[i].count);
}

enum error_code schedule_create(const struct run *runs, uint32_t run_count,
                                const struct schedule_settings *settings,
                                struct schedule **schedule, struct error *error)
{
    struct schedule *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    made->settings = *settings;
    enum error_code code = count_units(runs, run_count, made, error);
    if (code != OK)
        goto done;
    made->runs = calloc((size_t)run_count + 1, sizeof *made->runs);
    made->units = calloc((size_t)made->unit_count + 1, sizeof *made->units);
    made->streams = calloc((size_t)made->stream_count + 1, sizeof *made->streams);
    if (!made->runs || !made->units || !made->streams) {
        code = error_set(error, ERROR_MEMORY, "schedule: no memory for %u shards",
                         made->unit_count);
        goto done;
    }
    fill_runs(made, runs);
    *schedule = made;
    made = NULL;
done:
    schedule_destroy(made);
    return code;
}

void schedule_destroy(struct schedule *schedule)
{
    if (!schedule)
        return;
    for (uint32_t i = 0; schedule->streams && i < schedule->stream_count; i++)
        bytes_clear(&schedule->streams[i].done);
    fault_table_clear(&schedule->faults);
    bytes_clear(&schedule->actions);
    bytes_clear(&schedule->workers);
    bytes_clear(&schedule->copies);
    free(schedule->streams);
    free(schedule->units);
    free(schedule->runs);
    free(schedule);
}

/* ---- what an earlier session knew ---- */

void schedule_mark_done(struct schedule *schedule, shard_id shard)
{
    uint32_t unit = books_unit(schedule, shard), index = SHARD_INDEX(shard);
    if (unit == 0)
        return;
    struct stream_state *stream = books_stream_of(schedule, unit);
    if (stream) {
        if (!stream_state_may_have(stream, index) || stream_state_is_done(stream, index))
            return;
        stream_state_note_found(stream, index);
        stream_state_note_done(stream, index);
        if (!stream_state_has_ended(stream))
            return;
    }
    (void)books_step_unit(schedule, unit, UNIT_FINISH, 0, NULL);
}

void schedule_mark_stream_end(struct schedule *schedule, uint32_t run, uint32_t count)
{
    if (run >= schedule->run_count || schedule->runs[run].stream == UINT32_MAX ||
        count > STREAM_SHARDS_MAX)
        return;
    struct stream_state *stream = &schedule->streams[schedule->runs[run].stream];
    stream->count = count;
    if (stream_state_has_ended(stream))
        (void)books_step_unit(schedule, schedule->runs[run].first_unit, UNIT_FINISH, 0,
                              NULL);
}

enum error_code schedule_mark_suspect(struct schedule *schedule, shard_id shard,
                                      uint32_t ordinal, uint32_t stage, uint32_t strikes,
                                      const char *reason, struct error *error)
{
    struct fault *fault = fault_table_add(&schedule->faults, shard);
    struct lease_suspect *suspect = fault ? fault_suspect(fault, ordinal) : NULL;
    if (!suspect)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    suspect->stage = stage;
    suspect->strikes = strikes;
    suspect->reason = reason;
    return OK;
}

/* ---- workers come and go ---- */

/* When all good workers are gone, those set aside are better than none. */
static void readmit(struct schedule *schedule)
{
    if (schedule->present || !schedule->aside)
        return;
    uint32_t count = (uint32_t)(schedule->workers.size / sizeof(struct worker));
    for (uint32_t i = 1; i < count; i++) {
        struct worker *worker = books_worker(schedule, i);
        if (!worker || worker->state != WORKER_ASIDE)
            continue;
        worker->state = WORKER_PRESENT;
        worker->was_aside = false;
        worker->streak_count = 0;
        schedule->present++;
        schedule->aside--;
        books_settle_worker(schedule, i);
    }
}

static enum error_code depart(struct schedule *schedule, uint32_t worker,
                              struct error *error)
{
    struct worker *state = books_worker(schedule, worker);
    if (state->state == WORKER_PRESENT)
        schedule->present--;
    else
        schedule->aside--;
    state->state = WORKER_GONE;
    enum error_code code = books_drop_all(schedule, worker, true, error);
    books_settle_worker(schedule, worker);
    books_heard(schedule, worker);
    return code;
}

static enum error_code on_join(struct schedule *schedule,
                               const struct schedule_event *event, struct error *error)
{
    struct worker *worker = books_add_worker(schedule, event->worker);
    if (!worker)
        return error_set(error, ERROR_FATAL, "schedule: no room for worker %u",
                         event->worker);
    if (worker->state == WORKER_PRESENT || worker->state == WORKER_ASIDE) {
        enum error_code code = depart(schedule, event->worker, error);
        if (code != OK)
            return code;
    }
    bool is_aside = worker->was_aside && schedule->present > 0;
    worker->state = is_aside ? WORKER_ASIDE : WORKER_PRESENT;
    worker->was_aside = is_aside;
    if (is_aside)
        schedule->aside++;
    else
        schedule->present++;
    worker->streak_count = 0;
    worker->credit[KIND_SHARD] = event->credit;
    worker->credit[KIND_STREAM] = event->stream_credit;
    books_settle_worker(schedule, event->worker);
    return OK;
}

static enum error_code on_leave(struct schedule *schedule,
                                const struct schedule_event *event, struct error *error)
{
    return depart(schedule, event->worker, error);
}

static enum error_code on_credit(struct schedule *schedule,
                                 const struct schedule_event *event, struct error *error)
{
    (void)error;
    struct worker *worker = books_worker(schedule, event->worker);
    worker->credit[KIND_SHARD] = event->credit;
    worker->credit[KIND_STREAM] = event->stream_credit;
    books_settle_worker(schedule, event->worker);
    return OK;
}

static enum error_code on_nothing(struct schedule *schedule,
                                  const struct schedule_event *event, struct error *error)
{
    (void)schedule, (void)event, (void)error;
    return OK;
}

/* ---- results ---- */

static enum error_code stream_shard_done(struct schedule *schedule, uint32_t unit,
                                         const struct schedule_event *event,
                                         struct error *error)
{
    struct stream_state *stream = books_stream_of(schedule, unit);
    const struct unit *state = &schedule->units[unit];
    uint32_t index = SHARD_INDEX(event->shard);
    if (!stream_state_may_have(stream, index))
        return books_no_such_shard(event, error);
    if (stream_state_is_done(stream, index))
        return OK;
    stream_state_note_found(stream, index);
    stream_state_note_done(stream, index);
    if (stream->done.is_bad)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    schedule->changed_worker +=
        state->first_holder != 0 && state->first_holder != event->worker;
    if (stream_state_has_ended(stream))
        return books_step_unit(schedule, unit, UNIT_FINISH, event->worker, error);
    if (state->state == UNIT_HELD && state->holder != event->worker)
        books_emit(schedule, (struct schedule_action){.type = ACTION_REVOKE,
                                                      .worker = state->holder,
                                                      .shard = event->shard,
                                                      .count = 1,
                                                      .epoch = state->epoch});
    return OK;
}

static enum error_code on_done(struct schedule *schedule,
                               const struct schedule_event *event, struct error *error)
{
    uint32_t unit = books_unit(schedule, event->shard);
    if (unit == 0)
        return books_no_such_shard(event, error);
    struct worker *worker = books_worker(schedule, event->worker);
    if (worker)
        worker->streak_count = 0;
    if (books_stream_of(schedule, unit))
        return stream_shard_done(schedule, unit, event, error);
    const struct unit *state = &schedule->units[unit];
    schedule->changed_worker += state->state != UNIT_DONE && state->first_holder != 0 &&
                                state->first_holder != event->worker;
    return books_step_unit(schedule, unit, UNIT_FINISH, event->worker, error);
}

static enum error_code on_stream(struct schedule *schedule,
                                 const struct schedule_event *event, struct error *error)
{
    uint32_t unit = books_unit(schedule, event->shard);
    struct stream_state *stream = unit ? books_stream_of(schedule, unit) : NULL;
    if (!stream)
        return books_no_such_shard(event, error);
    if (!books_is_holder(schedule, unit, event->worker) ||
        schedule->units[unit].epoch != event->epoch || event->count == SHARDS_UNKNOWN)
        return OK;
    if (event->count > STREAM_SHARDS_MAX || event->count < stream->found ||
        (stream->count != SHARDS_UNKNOWN && stream->count != event->count))
        return error_set(error, ERROR_FATAL,
                         "schedule: worker %u ends run %u at shard %u, which cannot be",
                         event->worker, SHARD_RUN(event->shard), event->count);
    if (stream->count == event->count)
        return OK;
    stream->count = event->count;
    struct worker *holder = books_worker(schedule, event->worker);
    holder->open_streams--;
    holder->is_flushed = false;
    books_settle_worker(schedule, event->worker);
    if (stream_state_has_ended(stream))
        return books_step_unit(schedule, unit, UNIT_FINISH, event->worker, error);
    return OK;
}

static enum error_code on_return(struct schedule *schedule,
                                 const struct schedule_event *event, struct error *error)
{
    uint32_t unit = books_unit(schedule, event->shard);
    if (unit == 0)
        return books_no_such_shard(event, error);
    const struct stream_state *stream = books_stream_of(schedule, unit);
    uint32_t count = stream ? 1 : event->count;
    const struct run_state *run = &schedule->runs[SHARD_RUN(event->shard)];
    if (count > run->count - (unit - run->first_unit))
        return books_no_such_shard(event, error);
    uint32_t index = SHARD_INDEX(event->shard);
    if (stream && index != SHARDS_UNKNOWN && stream_state_is_done(stream, index))
        return OK;
    for (uint32_t end = unit + count; unit < end; unit++) {
        if (!books_is_holder(schedule, unit, event->worker) ||
            schedule->units[unit].epoch != event->epoch)
            continue;
        /* Without this shard its holder cannot end the stream: all of it comes back. */
        if (stream && index != SHARDS_UNKNOWN)
            books_emit(schedule,
                       (struct schedule_action){.type = ACTION_REVOKE,
                                                .worker = event->worker,
                                                .shard = books_shard_of(schedule, unit),
                                                .count = 1,
                                                .epoch = event->epoch});
        enum error_code code =
            books_step_unit(schedule, unit, UNIT_DROP, event->worker, error);
        if (code != OK)
            return code;
    }
    return OK;
}

/* ---- events of no worker ---- */

static enum error_code on_drain(struct schedule *schedule,
                                const struct schedule_event *event, struct error *error)
{
    (void)event, (void)error;
    schedule->is_draining = true;
    return OK;
}

static enum error_code on_tick(struct schedule *schedule,
                               const struct schedule_event *event, struct error *error)
{
    (void)event;
    const struct chain *heard = &schedule->worker_lists[LIST_HEARD];
    while (heard->head && schedule->settings.silence_ms > 0) {
        uint32_t worker = heard->head;
        if (schedule->now_ms - books_worker(schedule, worker)->heard_ms <=
            schedule->settings.silence_ms)
            break;
        books_emit(schedule,
                   (struct schedule_action){.type = ACTION_LOST, .worker = worker});
        enum error_code code = depart(schedule, worker, error);
        if (code != OK)
            return code;
    }
    return OK;
}

/* ---- the machine ---- */

typedef enum error_code event_handler(struct schedule *, const struct schedule_event *,
                                      struct error *);

/* A worker's state and what comes from it; no entry: it makes no sense. */
static event_handler *const worker_rows[WORKER_STATES][EVENT_TICK + 1] = {
    [WORKER_UNKNOWN] = {[EVENT_JOIN] = on_join, [EVENT_DONE] = on_done},
    [WORKER_PRESENT] = {[EVENT_JOIN] = on_join,
                        [EVENT_LEAVE] = on_leave,
                        [EVENT_CREDIT] = on_credit,
                        [EVENT_DONE] = on_done,
                        [EVENT_FAIL] = failure_handle,
                        [EVENT_RETURN] = on_return,
                        [EVENT_STREAM] = on_stream},
    [WORKER_ASIDE] = {[EVENT_JOIN] = on_join,
                      [EVENT_LEAVE] = on_leave,
                      [EVENT_CREDIT] = on_credit,
                      [EVENT_DONE] = on_done,
                      [EVENT_FAIL] = on_nothing,
                      [EVENT_RETURN] = on_nothing,
                      [EVENT_STREAM] = on_nothing},
    [WORKER_GONE] = {[EVENT_JOIN] = on_join,
                     [EVENT_LEAVE] = on_nothing,
                     [EVENT_CREDIT] = on_nothing,
                     [EVENT_DONE] = on_done,
                     [EVENT_FAIL] = on_nothing,
                     [EVENT_RETURN] = on_nothing,
                     [EVENT_STREAM] = on_nothing},
};

static event_handler *const general_rows[EVENT_TICK + 1] = {
    [EVENT_DRAIN] = on_drain, [EVENT_TICK] = on_tick};

static enum error_code handle(struct schedule *schedule,
                              const struct schedule_event *event, struct error *error)
{
    if ((unsigned)event->type > EVENT_TICK)
        return error_set(error, ERROR_FATAL, "schedule: there is no event %d",
                         (int)event->type);
    event_handler *handler = general_rows[event->type];
    if (handler)
        return handler(schedule, event, error);
    const struct worker *worker = books_worker(schedule, event->worker);
    handler = worker_rows[worker ? worker->state : WORKER_UNKNOWN][event->type];
    if (!handler || (event->type == EVENT_JOIN && event->worker == 0))
        return error_set(error, ERROR_FATAL,
                         "schedule: event %d from worker %u, which never joined",
                         (int)event->type, event->worker);
    enum error_code code = handler(schedule, event, error);
    if (books_worker(schedule, event->worker))
        books_heard(schedule, event->worker);
    return code;
}

static void tell_the_end(struct schedule *schedule)
{
    bool is_complete = schedule->undone == 0;
    if (is_complete && !schedule->is_complete_told) {
        schedule->is_complete_told = true;
        books_emit(schedule, (struct schedule_action){.type = ACTION_COMPLETE});
    }
    if (!is_complete && schedule->is_draining && !schedule->is_drained_told &&
        schedule->leased[KIND_SHARD] == 0 && schedule->leased[KIND_STREAM] == 0) {
        schedule->is_drained_told = true;
        books_emit(schedule, (struct schedule_action){.type = ACTION_DRAINED});
    }
}

enum error_code schedule_step(struct schedule *schedule,
                              const struct schedule_event *event,
                              struct schedule_actions *actions, struct error *error)
{
    bytes_reset(&schedule->actions);
    if (!schedule->has_begun) {
        schedule->has_begun = true;
        schedule->begin_ms = schedule->now_ms = event->now_ms;
    }
    if (event->now_ms > schedule->now_ms)
        schedule->now_ms = event->now_ms;
    enum error_code code = handle(schedule, event, error);
    if (code != OK)
        return code;
    readmit(schedule);
    code = lease_out(schedule, error);
    if (code != OK)
        return code;
    tell_the_end(schedule);
    if (schedule->actions.is_bad)
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    actions->items = (const struct schedule_action *)(void *)schedule->actions.data;
    actions->count = schedule->actions.size / sizeof *actions->items;
    return OK;
}

/* ---- questions ---- */

size_t schedule_suspects(const struct schedule *schedule, shard_id shard,
                         const struct lease_suspect **suspects)
{
    const struct fault *fault = fault_table_find(&schedule->faults, shard);
    *suspects = fault ? (const struct lease_suspect *)(void *)fault->suspects.data : NULL;
    return fault ? fault->suspects.size / sizeof **suspects : 0;
}

size_t schedule_stream_done(const struct schedule *schedule, uint32_t run,
                            uint32_t *ranges, size_t capacity)
{
    if (run >= schedule->run_count || schedule->runs[run].stream == UINT32_MAX)
        return 0;
    return stream_state_ranges(&schedule->streams[schedule->runs[run].stream], ranges,
                               capacity);
}

static void count_streams(const struct schedule *schedule, struct schedule_counts *counts)
{
    for (uint32_t i = 0; schedule->stream_count && i < schedule->run_count; i++) {
        const struct run_state *run = &schedule->runs[i];
        if (run->stream == UINT32_MAX)
            continue;
        const struct stream_state *stream = &schedule->streams[run->stream];
        uint32_t total = stream->count;
        if (total == SHARDS_UNKNOWN) {
            total = stream->found ? stream->found : 1;
            counts->is_total_exact = false;
        }
        counts->total += total;
        counts->done += stream->done_count;
        uint32_t left = total - stream->done_count;
        if (schedule->units[run->first_unit].state == UNIT_HELD)
            counts->leased += left;
        else
            counts->pending += left;
    }
}

void schedule_count(const struct schedule *schedule, struct schedule_counts *counts)
{
    *counts = (struct schedule_counts){
        .total = schedule->shards,
        .is_total_exact = true,
        .done = schedule->done,
        .leased = schedule->leased[KIND_SHARD],
        .pending = books_pending(schedule, KIND_SHARD),
        .workers = schedule->present,
        .set_aside = schedule->aside,
        .retried = schedule->retried,
        .speculated = schedule->speculated,
        .changed_worker = schedule->changed_worker,
    };
    count_streams(schedule, counts);
}
