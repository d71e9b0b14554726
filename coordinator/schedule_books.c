/* schedule_books.c - the books of a schedule: units, workers, and who holds what */
#include "coordinator/schedule_books.h"

#include <assert.h>
#include <string.h>

/* A worker number beyond this is a mistake: the table would take gigabytes. */
enum { WORKER_MAX = 1 << 22 };

struct worker *books_worker(const struct schedule *schedule, uint32_t worker)
{
    struct worker *workers = (struct worker *)(void *)schedule->workers.data;
    if (worker == 0 || worker >= schedule->workers.size / sizeof *workers ||
        workers[worker].state == WORKER_UNKNOWN)
        return NULL;
    return &workers[worker];
}

struct copy *books_copy(const struct schedule *schedule, uint32_t copy)
{
    return (struct copy *)(void *)schedule->copies.data + copy;
}

uint32_t books_run_of(const struct schedule *schedule, uint32_t unit)
{
    uint32_t low = 0, high = schedule->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (schedule->runs[middle].first_unit <= unit)
            low = middle;
        else
            high = middle;
    }
    return low;
}

shard_id books_shard_of(const struct schedule *schedule, uint32_t unit)
{
    uint32_t run = books_run_of(schedule, unit);
    const struct run_state *state = &schedule->runs[run];
    if (state->stream != UINT32_MAX)
        return SHARD_ID(run, SHARDS_UNKNOWN);
    return SHARD_ID(run, unit - state->first_unit);
}

struct stream_state *books_stream_of(const struct schedule *schedule, uint32_t unit)
{
    uint32_t stream = schedule->runs[books_run_of(schedule, unit)].stream;
    return stream == UINT32_MAX ? NULL : &schedule->streams[stream];
}

enum unit_kind books_kind_of(const struct schedule *schedule, uint32_t unit)
{
    if (schedule->stream_count == 0)
        return KIND_SHARD;
    return books_stream_of(schedule, unit) ? KIND_STREAM : KIND_SHARD;
}

uint32_t books_pending(const struct schedule *schedule, enum unit_kind kind)
{
    const struct queue *queue = &schedule->queues[kind];
    return queue->fresh + queue->returned.count + queue->avoided.count;
}

uint32_t books_unit(const struct schedule *schedule, shard_id shard)
{
    uint32_t run = SHARD_RUN(shard), index = SHARD_INDEX(shard);
    if (run >= schedule->run_count)
        return 0;
    const struct run_state *state = &schedule->runs[run];
    if (state->stream != UINT32_MAX)
        return state->first_unit;
    return index < state->count ? state->first_unit + index : 0;
}

bool books_is_holder(const struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    const struct unit *state = &schedule->units[unit];
    if (state->state != UNIT_HELD && state->state != UNIT_SHARED)
        return false;
    return state->holder == worker ||
           (state->state == UNIT_SHARED &&
            books_copy(schedule, state->order.after)->worker == worker);
}

enum error_code books_no_such_shard(const struct schedule_event *event,
                                    struct error *error)
{
    return error_set(error, ERROR_FATAL,
                     "schedule: worker %u names shard %u of run %u, "
                     "which does not exist",
                     event->worker, SHARD_INDEX(event->shard), SHARD_RUN(event->shard));
}

void books_emit(struct schedule *schedule, struct schedule_action action)
{
    bytes_put(&schedule->actions, &action, sizeof action);
}

struct chain_links books_order_links(const struct schedule *schedule)
{
    return (struct chain_links){&schedule->units[0].order, sizeof(struct unit)};
}

struct chain_links books_held_links(const struct schedule *schedule)
{
    return (struct chain_links){&schedule->units[0].held, sizeof(struct unit)};
}

static struct chain_links copy_links(const struct schedule *schedule)
{
    return (struct chain_links){&books_copy(schedule, 0)->held, sizeof(struct copy)};
}

struct chain_links books_worker_links(const struct schedule *schedule,
                                      enum worker_list list)
{
    struct worker *workers = (struct worker *)(void *)schedule->workers.data;
    return (struct chain_links){&workers[0].links[list], sizeof *workers};
}

struct worker *books_add_worker(struct schedule *schedule, uint32_t worker)
{
    size_t count = schedule->workers.size / sizeof(struct worker);
    if (worker >= WORKER_MAX)
        return NULL;
    if (worker >= count) {
        size_t more = (worker + 1 - count) * sizeof(struct worker);
        unsigned char *room = bytes_reserve(&schedule->workers, more);
        if (!room)
            return NULL;
        memset(room, 0, more);
        schedule->workers.size += more;
    }
    return (struct worker *)(void *)schedule->workers.data + worker;
}

static void enlist(struct schedule *schedule, uint32_t worker, enum worker_list list,
                   bool is_wanted)
{
    struct worker *state = books_worker(schedule, worker);
    if (state->is_in[list] == is_wanted)
        return;
    state->is_in[list] = is_wanted;
    struct chain_links links = books_worker_links(schedule, list);
    if (is_wanted)
        chain_append(&schedule->worker_lists[list], links, worker);
    else
        chain_remove(&schedule->worker_lists[list], links, worker);
}

void books_settle_worker(struct schedule *schedule, uint32_t worker)
{
    struct worker *state = books_worker(schedule, worker);
    for (int kind = 0; kind < KINDS; kind++) {
        uint32_t vacant = 0;
        if (state->state == WORKER_PRESENT && state->credit[kind] > state->held[kind])
            vacant = state->credit[kind] - state->held[kind];
        schedule->free[kind] = schedule->free[kind] - state->free[kind] + vacant;
        state->free[kind] = vacant;
        enlist(schedule, worker,
               kind == KIND_SHARD ? LIST_HUNGRY_SHARD : LIST_HUNGRY_STREAM, vacant > 0);
    }
    bool has_leases = state->held[KIND_SHARD] || state->held[KIND_STREAM];
    /* While a stream is being read its worker has more to do, and seals as it goes. */
    enlist(schedule, worker, LIST_UNFLUSHED,
           has_leases && !state->is_flushed && state->open_streams == 0);
}

void books_heard(struct schedule *schedule, uint32_t worker)
{
    struct worker *state = books_worker(schedule, worker);
    state->heard_ms = schedule->now_ms;
    enlist(schedule, worker, LIST_HEARD, false);
    enlist(schedule, worker, LIST_HEARD,
           state->state == WORKER_PRESENT || state->state == WORKER_ASIDE);
}

static uint32_t stamp(const struct schedule *schedule)
{
    return (uint32_t)(uint64_t)(schedule->now_ms - schedule->begin_ms);
}

static struct queue *queue_of(struct schedule *schedule, uint32_t unit)
{
    return &schedule->queues[books_kind_of(schedule, unit)];
}

static void leave_queue(struct schedule *schedule, uint32_t unit)
{
    struct queue *queue = queue_of(schedule, unit);
    struct unit *state = &schedule->units[unit];
    if (state->place == PLACE_FRESH)
        queue->fresh--;
    else
        chain_remove(state->place == PLACE_RETURNED ? &queue->returned : &queue->avoided,
                     books_order_links(schedule), unit);
}

static void count_lease(struct schedule *schedule, uint32_t unit, uint32_t worker,
                        int change)
{
    enum unit_kind kind = books_kind_of(schedule, unit);
    struct worker *state = books_worker(schedule, worker);
    state->held[kind] += (uint32_t)change;
    if (kind == KIND_STREAM && books_stream_of(schedule, unit)->count == SHARDS_UNKNOWN)
        state->open_streams += (uint32_t)change;
    if (change > 0)
        state->is_flushed = false;
    books_settle_worker(schedule, worker);
}

static bool give(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    struct unit *state = &schedule->units[unit];
    leave_queue(schedule, unit);
    state->holder = worker;
    if (state->first_holder == 0)
        state->first_holder = worker;
    state->leased_ms = stamp(schedule);
    schedule->retried += state->is_retry;
    state->is_retry = false;
    enum unit_kind kind = books_kind_of(schedule, unit);
    schedule->leased[kind]++;
    chain_append(&books_worker(schedule, worker)->units, books_held_links(schedule),
                 unit);
    if (kind == KIND_SHARD)
        chain_append(&schedule->age, books_order_links(schedule), unit);
    count_lease(schedule, unit, worker, 1);
    return true;
}

static uint32_t new_copy(struct schedule *schedule)
{
    if (schedule->free_copies.count == 0) {
        size_t first = schedule->copies.size / sizeof(struct copy);
        /* Number 0 is never used: it means that there is none. */
        const struct copy empty[2] = {{{0}, 0, 0, 0}, {{0}, 0, 0, 0}};
        size_t more = first ? 1 : 2;
        bytes_put(&schedule->copies, empty, more * sizeof empty[0]);
        if (schedule->copies.is_bad)
            return 0;
        chain_append(&schedule->free_copies, copy_links(schedule),
                     (uint32_t)(first + more - 1));
    }
    uint32_t copy = schedule->free_copies.head;
    chain_remove(&schedule->free_copies, copy_links(schedule), copy);
    return copy;
}

static bool share(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    uint32_t number = new_copy(schedule);
    if (number == 0)
        return false;
    struct copy *copy = books_copy(schedule, number);
    copy->unit = unit;
    copy->worker = worker;
    copy->leased_ms = stamp(schedule);
    chain_append(&books_worker(schedule, worker)->copies, copy_links(schedule), number);
    chain_remove(&schedule->age, books_order_links(schedule), unit);
    schedule->units[unit].order.after = number;
    schedule->speculated++;
    count_lease(schedule, unit, worker, 1);
    return true;
}

/* The holder's part of the books, for a unit that is not shared (any more). */
static void leave_holder(struct schedule *schedule, uint32_t unit)
{
    struct unit *state = &schedule->units[unit];
    uint32_t holder = state->holder;
    chain_remove(&books_worker(schedule, holder)->units, books_held_links(schedule),
                 unit);
    state->holder = 0;
    count_lease(schedule, unit, holder, -1);
}

static void leave_copy(struct schedule *schedule, uint32_t unit)
{
    struct unit *state = &schedule->units[unit];
    uint32_t number = state->order.after;
    struct copy *copy = books_copy(schedule, number);
    chain_remove(&books_worker(schedule, copy->worker)->copies, copy_links(schedule),
                 number);
    chain_append(&schedule->free_copies, copy_links(schedule), number);
    state->order = (struct chain_link){0};
    count_lease(schedule, unit, copy->worker, -1);
}

static void end_lease(struct schedule *schedule, uint32_t unit)
{
    enum unit_kind kind = books_kind_of(schedule, unit);
    schedule->leased[kind]--;
    if (kind == KIND_SHARD)
        chain_remove(&schedule->age, books_order_links(schedule), unit);
}

static bool put_back(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    struct unit *state = &schedule->units[unit];
    assert(state->holder == worker);
    (void)worker;
    end_lease(schedule, unit);
    leave_holder(schedule, unit);
    state->epoch++;
    state->place = PLACE_RETURNED;
    chain_append(&queue_of(schedule, unit)->returned, books_order_links(schedule), unit);
    return true;
}

/* One of two holders goes, the other keeps its lease at the same epoch. */
static bool unshare(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    struct unit *state = &schedule->units[unit];
    struct copy copy = *books_copy(schedule, state->order.after);
    leave_copy(schedule, unit);
    if (copy.worker != worker) {
        leave_holder(schedule, unit);
        state->holder = copy.worker;
        state->leased_ms = copy.leased_ms;
        chain_append(&books_worker(schedule, copy.worker)->units,
                     books_held_links(schedule), unit);
        count_lease(schedule, unit, copy.worker, 1);
        chain_append(&schedule->age, books_order_links(schedule), unit);
    } else { /* it was among the oldest when it was shared */
        chain_prepend(&schedule->age, books_order_links(schedule), unit);
    }
    return true;
}

static void note_duration(struct schedule *schedule, uint32_t leased_ms)
{
    schedule->durations[schedule->next_duration] = stamp(schedule) - leased_ms;
    schedule->next_duration = (schedule->next_duration + 1) % DURATIONS;
    if (schedule->duration_count < DURATIONS)
        schedule->duration_count++;
    schedule->median_age++;
}

static void revoke_or_note(struct schedule *schedule, uint32_t unit, uint32_t holder,
                           uint32_t leased_ms, uint32_t finisher)
{
    if (holder == finisher) {
        if (books_kind_of(schedule, unit) == KIND_SHARD)
            note_duration(schedule, leased_ms);
        return;
    }
    books_emit(schedule, (struct schedule_action){.type = ACTION_REVOKE,
                                                  .worker = holder,
                                                  .shard = books_shard_of(schedule, unit),
                                                  .count = 1,
                                                  .epoch = schedule->units[unit].epoch});
}

static void count_done(struct schedule *schedule, uint32_t unit)
{
    schedule->undone--;
    if (books_kind_of(schedule, unit) == KIND_SHARD)
        schedule->done++;
}

static bool finish_pending(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    (void)worker;
    leave_queue(schedule, unit);
    count_done(schedule, unit);
    return true;
}

static bool finish_held(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    const struct unit *state = &schedule->units[unit];
    revoke_or_note(schedule, unit, state->holder, state->leased_ms, worker);
    end_lease(schedule, unit);
    leave_holder(schedule, unit);
    count_done(schedule, unit);
    return true;
}

static bool finish_shared(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    const struct unit *state = &schedule->units[unit];
    struct copy copy = *books_copy(schedule, state->order.after);
    revoke_or_note(schedule, unit, state->holder, state->leased_ms, worker);
    revoke_or_note(schedule, unit, copy.worker, copy.leased_ms, worker);
    leave_copy(schedule, unit);
    leave_holder(schedule, unit);
    schedule->leased[KIND_SHARD]--;
    count_done(schedule, unit);
    return true;
}

static bool stay_done(struct schedule *schedule, uint32_t unit, uint32_t worker)
{
    (void)schedule, (void)unit, (void)worker;
    return true;
}

struct unit_row {
    bool (*act)(struct schedule *schedule, uint32_t unit, uint32_t worker);
    enum unit_state next;
};

static const struct unit_row unit_rows[UNIT_STATES][UNIT_EVENTS] = {
    [UNIT_PENDING] =
        {[UNIT_LEASE] = {give, UNIT_HELD}, [UNIT_FINISH] = {finish_pending, UNIT_DONE}},
    [UNIT_HELD] = {[UNIT_COPY] = {share, UNIT_SHARED},
                   [UNIT_DROP] = {put_back, UNIT_PENDING},
                   [UNIT_FINISH] = {finish_held, UNIT_DONE}},
    [UNIT_SHARED] =
        {[UNIT_DROP] = {unshare, UNIT_HELD}, [UNIT_FINISH] = {finish_shared, UNIT_DONE}},
    [UNIT_DONE] = {[UNIT_FINISH] = {stay_done, UNIT_DONE}},
};

enum error_code books_step_unit(struct schedule *schedule, uint32_t unit,
                                enum unit_event event, uint32_t worker,
                                struct error *error)
{
    struct unit *state = &schedule->units[unit];
    const struct unit_row *row = &unit_rows[state->state][event];
    if (!row->act)
        return error_set(error, ERROR_FATAL,
                         "schedule: unit %u in state %d has no event %d", unit,
                         (int)state->state, (int)event);
    if (!row->act(schedule, unit, worker))
        return error_set(error, ERROR_MEMORY, "schedule: out of memory");
    state->state = (uint8_t)row->next;
    return OK;
}

enum error_code books_drop_all(struct schedule *schedule, uint32_t worker, bool is_retry,
                               struct error *error)
{
    struct worker *state = books_worker(schedule, worker);
    enum error_code code = OK;
    while (code == OK && (state->units.head || state->copies.head)) {
        uint32_t unit = state->units.head
                            ? state->units.head
                            : books_copy(schedule, state->copies.head)->unit;
        code = books_step_unit(schedule, unit, UNIT_DROP, worker, error);
        if (is_retry && schedule->units[unit].state == UNIT_PENDING)
            schedule->units[unit].is_retry = true;
    }
    return code;
}
