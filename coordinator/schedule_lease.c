/* schedule_lease.c - hand out what is pending: leases, second leases, requests to flush */
#include "coordinator/schedule_lease.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* A shard that failed on a worker waits so long for another one to have credit. */
    AVOID_MS = 1000,
    AVOIDED_SCAN = 64, /* avoided shards looked at for one worker */
    AGE_SCAN = 256,    /* leases looked at for a second lease */
    MEDIAN_EVERY = 16  /* durations between two looks at their median */
};

/* A lease in the making: consecutive units of one run at one epoch. */
struct range {
    uint32_t unit, count, run;
};

static void emit_range(struct schedule *schedule, struct range *range, uint32_t worker)
{
    if (range->count)
        books_emit(schedule, (struct schedule_action){
                                 .type = ACTION_LEASE,
                                 .worker = worker,
                                 .shard = books_shard_of(schedule, range->unit),
                                 .count = range->count,
                                 .epoch = schedule->units[range->unit].epoch});
    *range = (struct range){0};
}

static enum error_code lease_unit(struct schedule *schedule, uint32_t unit,
                                  uint32_t worker, struct range *range,
                                  struct error *error)
{
    enum error_code code = books_step_unit(schedule, unit, UNIT_LEASE, worker, error);
    if (code != OK)
        return code;
    uint32_t run = range->run;
    bool is_next = range->count && unit == range->unit + range->count &&
                   unit < schedule->runs[run + 1].first_unit &&
                   schedule->units[unit].epoch == schedule->units[range->unit].epoch;
    if (!is_next) {
        emit_range(schedule, range, worker);
        *range = (struct range){unit, 0, books_run_of(schedule, unit)};
    }
    range->count++;
    return OK;
}

/* Move the cursor to the next unit never leased, 0 when there is none. */
static uint32_t next_fresh(struct schedule *schedule, enum unit_kind kind)
{
    struct queue *queue = &schedule->queues[kind];
    if (queue->fresh == 0)
        return 0;
    for (; queue->run < schedule->run_count; queue->run++, queue->index = 0) {
        const struct run_state *run = &schedule->runs[queue->run];
        if ((run->stream != UINT32_MAX) != (kind == KIND_STREAM))
            continue;
        for (; queue->index < run->count; queue->index++) {
            uint32_t unit = run->first_unit + queue->index;
            const struct unit *state = &schedule->units[unit];
            if (state->state == UNIT_PENDING && state->place == PLACE_FRESH)
                return unit;
        }
    }
    return 0;
}

/* Is there a worker in the run on which the shard did not fail? */
static bool has_better_worker(const struct schedule *schedule, const struct fault *fault)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < FAULT_WORKERS; i++) {
        const struct worker *worker = books_worker(schedule, fault->failed_on[i]);
        bad += worker && worker->state == WORKER_PRESENT;
    }
    return schedule->present > bad;
}

static bool may_have(const struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    const struct fault *fault =
        fault_table_find(&schedule->faults, books_shard_of(schedule, unit));
    return !fault || !fault_names_worker(fault, worker) ||
           schedule->now_ms - fault->failed_ms > AVOID_MS ||
           !has_better_worker(schedule, fault);
}

static uint32_t next_avoided(const struct schedule *schedule, enum unit_kind kind,
                             uint32_t worker)
{
    uint32_t unit = schedule->queues[kind].avoided.head;
    for (int i = 0; unit && i < AVOIDED_SCAN; i++) {
        if (may_have(schedule, unit, worker))
            return unit;
        unit = schedule->units[unit].order.after;
    }
    return 0;
}

static enum error_code lease_to(struct schedule *schedule, enum unit_kind kind,
                                uint32_t worker, uint32_t wanted, struct error *error)
{
    struct range range = {0};
    enum error_code code = OK;
    uint32_t unit = next_avoided(schedule, kind, worker);
    while (code == OK && wanted) {
        if (!unit)
            unit = schedule->queues[kind].returned.head;
        if (!unit)
            unit = next_fresh(schedule, kind);
        if (!unit)
            break;
        bool was_avoided = schedule->units[unit].place == PLACE_AVOIDED;
        code = lease_unit(schedule, unit, worker, &range, error);
        wanted--;
        unit = was_avoided ? next_avoided(schedule, kind, worker) : 0;
    }
    emit_range(schedule, &range, worker);
    return code;
}

/* One round over the hungry: to each its part of what is pending, by what it wants. */
static enum error_code share_out(struct schedule *schedule, enum unit_kind kind,
                                 struct error *error)
{
    enum worker_list list = kind == KIND_SHARD ? LIST_HUNGRY_SHARD : LIST_HUNGRY_STREAM;
    struct chain *hungry = &schedule->worker_lists[list];
    uint64_t unserved = schedule->free[kind];
    enum error_code code = OK;
    for (uint32_t left = hungry->count; code == OK && left; left--) {
        uint64_t pending = books_pending(schedule, kind);
        if (pending == 0)
            break;
        uint32_t worker = hungry->head;
        uint32_t vacant = books_worker(schedule, worker)->free[kind];
        uint64_t part =
            pending < unserved ? (pending * vacant + unserved - 1) / unserved : vacant;
        unserved -= vacant;
        code = lease_to(schedule, kind, worker, (uint32_t)part, error);
        if (books_worker(schedule, worker)->is_in[list]) { /* to the end of the row */
            struct chain_links links = books_worker_links(schedule, list);
            chain_remove(hungry, links, worker);
            chain_append(hungry, links, worker);
        }
    }
    return code;
}

static enum error_code lease_pending(struct schedule *schedule, enum unit_kind kind,
                                     struct error *error)
{
    const struct chain *hungry =
        &schedule
             ->worker_lists[kind == KIND_SHARD ? LIST_HUNGRY_SHARD : LIST_HUNGRY_STREAM];
    enum error_code code = OK;
    uint32_t before = 0;
    /* A second round for what those could not have whose part it was. */
    while (code == OK && hungry->count && books_pending(schedule, kind) != before) {
        before = books_pending(schedule, kind);
        code = share_out(schedule, kind, error);
    }
    return code;
}

static int compare_durations(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t median_duration(struct schedule *schedule)
{
    if (schedule->duration_count == 0) /* nothing to compare with: let the minimum rule */
        return (uint32_t)schedule->settings.speculate_min_ms;
    if (schedule->median_age >= MEDIAN_EVERY || schedule->duration_count < MEDIAN_EVERY) {
        uint32_t sorted[DURATIONS];
        uint32_t count = schedule->duration_count;
        memcpy(sorted, schedule->durations, count * sizeof sorted[0]);
        qsort(sorted, count, sizeof sorted[0], compare_durations);
        schedule->median_ms = sorted[count / 2];
        schedule->median_age = 0;
    }
    return schedule->median_ms;
}

static bool is_late(struct schedule *schedule, uint32_t unit)
{
    uint32_t now = (uint32_t)(uint64_t)(schedule->now_ms - schedule->begin_ms);
    uint32_t age = now - schedule->units[unit].leased_ms;
    return (int64_t)age >= schedule->settings.speculate_min_ms &&
           (double)age >= schedule->settings.speculate * median_duration(schedule);
}

/* A hungry worker that may hold the unit beside its holder: one of the first few. */
static uint32_t second_worker(const struct schedule *schedule, uint32_t unit)
{
    const struct fault *fault =
        schedule->faults.slots.size
            ? fault_table_find(&schedule->faults, books_shard_of(schedule, unit))
            : NULL;
    uint32_t worker = schedule->worker_lists[LIST_HUNGRY_SHARD].head;
    for (int i = 0; worker && i <= FAULT_WORKERS + 1; i++) {
        if (worker != schedule->units[unit].holder &&
            !(fault && fault_names_worker(fault, worker)))
            return worker;
        worker = books_worker(schedule, worker)->links[LIST_HUNGRY_SHARD].after;
    }
    return 0;
}

static enum error_code speculate(struct schedule *schedule, struct error *error)
{
    const struct chain *hungry = &schedule->worker_lists[LIST_HUNGRY_SHARD];
    if (schedule->settings.speculate <= 0)
        return OK;
    uint32_t unit = schedule->age.head;
    enum error_code code = OK;
    for (int i = 0; code == OK && unit && hungry->count && i < AGE_SCAN; i++) {
        if (!is_late(schedule, unit))
            break;
        uint32_t after = schedule->units[unit].order.after;
        uint32_t worker = second_worker(schedule, unit);
        if (worker) {
            code = books_step_unit(schedule, unit, UNIT_COPY, worker, error);
            if (code == OK)
                books_emit(schedule, (struct schedule_action){
                                         .type = ACTION_LEASE,
                                         .worker = worker,
                                         .shard = books_shard_of(schedule, unit),
                                         .count = 1,
                                         .epoch = schedule->units[unit].epoch,
                                         .is_speculative = true});
        }
        unit = after;
    }
    return code;
}

static void ask_to_flush(struct schedule *schedule)
{
    const struct chain *unflushed = &schedule->worker_lists[LIST_UNFLUSHED];
    while (unflushed->head) {
        uint32_t worker = unflushed->head;
        books_worker(schedule, worker)->is_flushed = true;
        books_settle_worker(schedule, worker);
        books_emit(schedule,
                   (struct schedule_action){.type = ACTION_FLUSH, .worker = worker});
    }
}

enum error_code lease_out(struct schedule *schedule, struct error *error)
{
    if (schedule->is_draining || schedule->has_failed || schedule->undone == 0)
        return OK;
    enum error_code code = lease_pending(schedule, KIND_SHARD, error);
    if (code == OK)
        code = lease_pending(schedule, KIND_STREAM, error);
    if (code != OK)
        return code;
    if (books_pending(schedule, KIND_SHARD) == 0)
        code = speculate(schedule, error);
    if (code == OK && books_pending(schedule, KIND_SHARD) == 0 &&
        books_pending(schedule, KIND_STREAM) == 0)
        ask_to_flush(schedule);
    return code;
}
