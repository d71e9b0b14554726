/* schedule_books.h - the books of a schedule: units, workers, and who holds what
 *
 * Inside of the schedule only (schedule.c, schedule_lease.c). Units and workers are
 * numbered from 1. */
#ifndef COORDINATOR_SCHEDULE_BOOKS_H
#define COORDINATOR_SCHEDULE_BOOKS_H

#include "coordinator/unit_chain.h"
#include "coordinator/schedule.h"
#include "coordinator/schedule_fault.h"
#include "coordinator/schedule_stream.h"
#include "core/bytes.h"

enum unit_kind { KIND_SHARD, KIND_STREAM, KINDS };

/* The life of a unit. */
enum unit_state { UNIT_PENDING, UNIT_HELD, UNIT_SHARED, UNIT_DONE, UNIT_STATES };
enum unit_event {
    UNIT_LEASE,  /* given to a worker */
    UNIT_COPY,   /* given to a second worker */
    UNIT_DROP,   /* a holder has it no longer, undone */
    UNIT_FINISH, /* done, by anybody */
    UNIT_EVENTS
};

/* Where a pending unit waits. */
enum unit_place {
    PLACE_FRESH,    /* never leased: behind the cursor of its queue */
    PLACE_RETURNED, /* came back */
    PLACE_AVOIDED   /* came back failed: rather not for a worker it failed on */
};

struct unit {
    struct chain_link order; /* waiting, or among the held ones by age; a shared one is in
                                neither, `after` is then the number of its copy */
    struct chain_link held;  /* among the units of its holder */
    uint32_t epoch;
    uint32_t holder, first_holder;
    uint32_t leased_ms; /* since the schedule's first event, modulo 2^32 */
    uint8_t state, place;
    bool is_retry; /* the next lease repeats one that was lost or failed */
};

/* The second lease of a shared unit. */
struct copy {
    struct chain_link held; /* among the copies of its worker, or free */
    uint32_t unit, worker;
    uint32_t leased_ms;
};

struct run_state {
    uint32_t first_unit;
    uint32_t count;  /* units: 1 for a stream */
    uint32_t stream; /* number of the stream, or UINT32_MAX */
};

/* Pending units of one kind. */
struct queue {
    uint32_t run, index; /* cursor: fresh units are here or behind */
    uint32_t fresh;      /* how many are */
    struct chain returned, avoided;
};

enum worker_state {
    WORKER_UNKNOWN,
    WORKER_PRESENT,
    WORKER_ASIDE,
    WORKER_GONE,
    WORKER_STATES
};
enum worker_list {
    LIST_HUNGRY_SHARD, /* present, with free credit: KIND_SHARD */
    LIST_HUNGRY_STREAM,
    LIST_UNFLUSHED, /* holds leases, and was not told to flush since the latest one */
    LIST_HEARD,     /* not gone, the longest silent one first */
    WORKER_LISTS
};
enum { STREAK_MAX = 16 };

/* One of the different shards that failed one after another on a worker. */
struct streak {
    shard_id shard;
    uint32_t shard_failures, infrastructure_failures;
};

struct worker {
    struct chain_link links[WORKER_LISTS];
    bool is_in[WORKER_LISTS];
    bool was_aside, is_flushed;
    enum worker_state state;
    int64_t heard_ms;
    uint32_t credit[KINDS], held[KINDS];
    uint32_t free[KINDS];  /* as counted in the schedule's `free` */
    uint32_t open_streams; /* streams held whose end is not known */
    struct chain units, copies;
    uint32_t streak_count;
    struct streak streak[STREAK_MAX];
};

enum { DURATIONS = 63 };

struct schedule {
    struct schedule_settings settings;
    struct run_state *runs; /* owned, run_count + 1 */
    uint32_t run_count;
    struct unit *units; /* owned, unit_count + 1 */
    uint32_t unit_count;
    struct stream_state *streams; /* owned */
    uint32_t stream_count;

    struct queue queues[KINDS];
    uint32_t undone;          /* units */
    uint32_t leased[KINDS];   /* units */
    uint64_t shards, done;    /* units of KIND_SHARD */
    struct chain age;         /* held, not shared shards, oldest first */
    struct bytes copies;      /* struct copy, from number 1 */
    struct chain free_copies; /* over copies.held */

    struct bytes workers; /* struct worker, from number 1 */
    struct chain worker_lists[WORKER_LISTS];
    uint64_t free[KINDS]; /* credit of all hungry workers */
    uint32_t present, aside;

    struct fault_table faults;
    struct bytes actions;

    bool has_begun;
    int64_t begin_ms, now_ms; /* of the first and the current event */
    bool is_draining, has_failed, is_complete_told, is_drained_told;

    uint32_t durations[DURATIONS]; /* of the latest leases that were done, a ring */
    uint32_t duration_count, next_duration, median_age;
    uint32_t median_ms;
    uint64_t retried, speculated, changed_worker;
};

/* Lookups. A worker that never joined has no struct: NULL. */
struct worker *books_worker(const struct schedule *schedule, uint32_t worker);
struct copy *books_copy(const struct schedule *schedule, uint32_t copy);
uint32_t books_run_of(const struct schedule *schedule, uint32_t unit);
shard_id books_shard_of(const struct schedule *schedule, uint32_t unit);
enum unit_kind books_kind_of(const struct schedule *schedule, uint32_t unit);
struct stream_state *books_stream_of(const struct schedule *schedule, uint32_t unit);
uint32_t books_pending(const struct schedule *schedule, enum unit_kind kind);
/* The unit of a shard number, 0 when there is none. */
uint32_t books_unit(const struct schedule *schedule, shard_id shard);
bool books_is_holder(const struct schedule *schedule, uint32_t unit, uint32_t worker);

/* The error of an event for a shard that cannot be. */
enum error_code books_no_such_shard(const struct schedule_event *event,
                                    struct error *error);
void books_emit(struct schedule *schedule, struct schedule_action action);

/* Find or add the struct of a worker. NULL: no memory. Moves the others. */
struct worker *books_add_worker(struct schedule *schedule, uint32_t worker);
/* Put the worker into the lists it belongs to now, and out of the others. */
void books_settle_worker(struct schedule *schedule, uint32_t worker);
void books_heard(struct schedule *schedule, uint32_t worker);

/* One step in the life of a unit. ERROR_FATAL: the state has no such event. */
enum error_code books_step_unit(struct schedule *schedule, uint32_t unit,
                                enum unit_event event, uint32_t worker,
                                struct error *error);
/* All leases of the worker go back; `is_retry`: as a loss, not as a gift. */
enum error_code books_drop_all(struct schedule *schedule, uint32_t worker, bool is_retry,
                               struct error *error);

struct chain_links books_order_links(const struct schedule *schedule);
struct chain_links books_held_links(const struct schedule *schedule);
struct chain_links books_worker_links(const struct schedule *schedule,
                                      enum worker_list list);

#endif
