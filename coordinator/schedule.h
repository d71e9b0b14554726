/* schedule.h - who does which shard: a state machine without I/O or clock
 *
 * Events go in with the time, actions come out; the loop carries them out. A unit is what
 * is leased: a shard of a plain file, group, phase or bucket, or a whole stream.
 *
 * An event costs a constant amount of work for each lease it moves, however many shards and
 * workers there are; a shard takes 36 bytes. */
#ifndef COORDINATOR_SCHEDULE_H
#define COORDINATOR_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/manifest.h"
#include "core/protocol.h"

struct schedule; /* heap object: one phase */

struct schedule_settings {
    int64_t silence_ms;      /* a worker not heard of for so long is lost */
    uint32_t shard_attempts; /* failures blamed on a shard before the run fails */
    uint32_t infrastructure_attempts; /* failures blamed on machines, per shard */
    uint32_t worker_failures; /* different shards failing one after another on one worker,
                                 none done between: it is set aside; at most 16, 0: never.
                                 Shards are done when they are published: allow for the
                                 failures of a volume's age */
    double speculate;         /* lease age over the median duration; 0: never. While no
                                 shard is done the minimum below is the median */
    int64_t speculate_min_ms; /* no unit younger than this is given to a second worker */
};

enum schedule_event_type {
    EVENT_JOIN,   /* worker, credit, stream_credit: a worker is ready */
    EVENT_LEAVE,  /* worker: BYE, or its connection is gone for good */
    EVENT_CREDIT, /* worker, credit, stream_credit, held: a heartbeat; absolute numbers */
    EVENT_DONE,   /* worker, shard, epoch: published and in the ledger */
    EVENT_FAIL, /* worker, shard, epoch, fail_class, ordinal, stage, reason; of a shard or
                     of a whole stream */
    EVENT_RETURN, /* worker, shard, count, epoch: given back undone, nobody's fault */
    EVENT_STREAM, /* worker, run in shard, epoch, count: all shards of a stream are known */
    EVENT_DRAIN, /* no new leases from now on */
    EVENT_TICK   /* time passed */
};

struct schedule_event {
    enum schedule_event_type type;
    int64_t now_ms;
    uint32_t worker; /* from 1 */
    uint32_t credit, stream_credit, held;
    shard_id shard; /* streams: SHARD_ID(run, SHARDS_UNKNOWN) */
    uint32_t count; /* RETURN: consecutive units; STREAM: shards in all */
    uint32_t epoch;
    enum fail_class fail_class;
    uint32_t ordinal, stage;
    const char
        *reason; /* static or living as long as the schedule; GIVE_UP hands it on */
};

enum schedule_action_type {
    ACTION_LEASE,  /* worker, shard, count, epoch: consecutive units of one run; or one
                         shard of a stream, again, to the stream's holder */
    ACTION_REVOKE, /* worker, shard, epoch: done elsewhere, or no longer wanted; the lease
                         is ended already. A stream, or one shard of a stream */
    ACTION_SUSPECT,   /* shard, ordinal, stage, reason, strikes: note in the ledger */
    ACTION_SET_ASIDE, /* worker: gets no more leases, its own came back; until no other one
                         is left, when it is leased to again (if it still joins in) */
    ACTION_LOST,      /* worker: was silent for too long; its leases went back */
    ACTION_FLUSH,     /* worker: seal now, all that is left is unpublished results */
    ACTION_COMPLETE,  /* every unit is done */
    ACTION_DRAINED,   /* after EVENT_DRAIN: nobody holds a lease any more */
    ACTION_GIVE_UP /* shard, reason: budgets are spent; the run has failed. Once; nothing
                         is leased any more, EVENT_DRAIN brings the rest home */
};

struct schedule_action {
    enum schedule_action_type type;
    uint32_t worker;
    shard_id shard;
    uint32_t count;
    uint32_t epoch;
    uint32_t ordinal, stage, strikes;
    bool is_speculative; /* LEASE: somebody else holds it too */
    const char *reason;
};

/* The actions of one event, in order. Kept by the schedule until the next event. */
struct schedule_actions {
    const struct schedule_action *items;
    size_t count;
};

/* `runs` is copied. ERROR_MEMORY. */
enum error_code schedule_create(const struct run *runs, uint32_t run_count,
                                const struct schedule_settings *settings,
                                struct schedule **schedule, struct error *error);
void schedule_destroy(struct schedule *schedule);

/* Before the first event: what an earlier session finished, and knew. */
void schedule_mark_done(struct schedule *schedule, shard_id shard);
void schedule_mark_stream_end(struct schedule *schedule, uint32_t run, uint32_t count);
enum error_code schedule_mark_suspect(struct schedule *schedule, shard_id shard,
                                      uint32_t ordinal, uint32_t stage, uint32_t strikes,
                                      const char *reason, struct error *error);

/* An event for a lease that is not held (any more) at this epoch changes nothing, except
 * DONE, which counts at any epoch: the bytes are the same. An event that makes no sense in
 * its state (an unknown worker, a shard that does not exist) is ERROR_FATAL. */
enum error_code schedule_step(struct schedule *schedule,
                              const struct schedule_event *event,
                              struct schedule_actions *actions, struct error *error);

/* For a lease about to be sent. */
size_t schedule_suspects(const struct schedule *schedule, shard_id shard,
                         const struct lease_suspect **suspects);
/* Ranges [first, end) of a stream's shards that are done, written to `ranges`
 * (capacity, 2); returns how many there are. */
size_t schedule_stream_done(const struct schedule *schedule, uint32_t run,
                            uint32_t *ranges, size_t capacity);

struct schedule_counts {
    uint64_t total; /* shards known; a stream not read to its end counts as found so
                           far, at least one */
    bool is_total_exact;
    uint64_t done, leased, pending;
    uint32_t workers, set_aside;
    uint64_t retried; /* leases that were given out again after a loss or failure */
    uint64_t speculated,
        changed_worker; /* shards done by another worker than the first */
};
void schedule_count(const struct schedule *schedule, struct schedule_counts *counts);

#endif
