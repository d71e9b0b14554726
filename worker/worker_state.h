/* worker_state.h - what the parts of a worker share */
#ifndef WORKER_WORKER_STATE_H
#define WORKER_WORKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/link.h"
#include "core/pipeline.h"
#include "core/protocol.h"
#include "core/transport.h"
#include "worker/channel.h"
#include "worker/control.h"

struct arena;

/* A lease as it came, kept while any of its shards is with us. */
struct held_lease {
    struct arena *arena;          /* owned: holds all of it */
    struct message_lease message; /* exactly one lease */
    uint32_t phase;
    uint32_t references; /* tasks and streams that point here */
};

/* Consecutive shards of one lease. */
struct task {
    struct held_lease *held; /* counted */
    shard_id shard;
    uint32_t count;
    uint32_t slot; /* shards of streams: where the bytes are; else NO_SLOT */
};
#define NO_SLOT UINT32_MAX

struct task_list {      /* a double-ended queue */
    struct task *items; /* owned, ring of `capacity` */
    size_t first, count, capacity;
};

/* A shard that killed executors here: what was learnt about it. */
struct hunt {
    shard_id shard;
    uint32_t begin, end;     /* ordinals to be run one at a time */
    uint32_t infrastructure; /* executors lost under it without its fault */
};

enum member_state {
    MEMBER_DEAD,
    MEMBER_STARTING, /* set up, not ready */
    MEMBER_READY,    /* no phase open */
    MEMBER_PREPARING,
    MEMBER_OPENING,
    MEMBER_WORKING
};

/* An executor as its worker sees it. */
struct member {
    uint32_t number;
    enum member_state state;
    uint32_t phase; /* of `queue`, `entries` and slots being filled */
    pid_t pid;
    struct channel channel;
    int flight_fd;         /* owned, kept for the successor */
    struct flight *flight; /* mapped */
    uint32_t incarnation;  /* how often this executor was started */

    struct task_list queue; /* sent to it, in order */
    uint32_t queued;        /* shards in `queue` */
    uint32_t fills;         /* slots it was told to fill */
    struct bytes entries;   /* finished, unpublished: u32 epoch, varint size, bytes */
    uint32_t entry_count;
    bool is_sealing;
    int64_t failed_ms; /* when it died last, for restarts that do not spin */
    uint32_t deaths;   /* one after another, without a finished shard between */

    uint64_t seen_sequence; /* watchdog: the flight as first seen at ... */
    int64_t seen_ms, seen_cpu_us;
    const char *kill_reason; /* why we killed it, or NULL */
};

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_RUNNING, SLOT_PARKED };
struct worker_slot {
    enum slot_state state;
    int fd;                       /* owned memory file */
    struct control_filled filled; /* from SLOT_READY on */
    struct held_lease *held; /* counted: lease of the stream, or of the single shard */
};

struct worker_stream {
    struct held_lease *held; /* counted; NULL: unused place */
    uint32_t run;
    int owner;           /* member number; -1: nobody */
    uint32_t next_index; /* first shard not yet in a slot or passed over */
    struct stream_entry entry;
    uint32_t entry_shard;
    bool is_ended;
    uint32_t failures;
};

/* A run of which this worker has finished shards that are not published yet. */
struct unpublished_run {
    uint32_t run, shards;
    bool is_read; /* a stream read to its end, and nothing of it is left here */
};

enum worker_phase_state { PHASE_NONE, PHASE_PREPARING, PHASE_OPEN };

struct worker {
    const struct worker_settings *settings;
    struct transport transport;
    struct link *link;
    uint64_t incarnation;
    struct arena *arena;         /* owned: of this conversation */
    struct arena *message_arena; /* owned: of one message */
    struct message_welcome welcome;
    const struct pipeline *pipeline; /* NULL: not welcomed yet */
    char scratch[512];
    char host[256];
    const char *libraries; /* what executors said; NULL: none is set up yet */

    struct member *members; /* (member_count) */
    uint32_t member_count;
    uint32_t phase;
    enum worker_phase_state phase_state;
    struct task_list pending; /* leased, given to no executor yet */
    uint32_t pending_shards;
    struct hunt *hunts;
    size_t hunt_count, hunt_capacity;
    struct worker_stream *streams; /* (stream_count) places */
    uint32_t stream_count;
    size_t stream_capacity;
    struct unpublished_run *runs; /* (run_count): of streams alone */
    size_t run_count, run_capacity;
    struct worker_slot *slots;
    uint32_t slot_made, slot_count; /* made at the start, and in use for this job */

    uint64_t shards_seen;    /* finished here in this phase */
    int64_t shard_us;        /* running mean of what a shard takes; 0: not known */
    uint64_t records, bytes; /* of executors that are gone */
    int64_t heartbeat_ms, heard_ms, watchdog_ms;
    uint32_t told_credit, told_streams;
    bool is_flushing, is_draining, is_drained, is_leaving, has_returned, has_complained;
    enum error_code verdict; /* why is_leaving */
    struct bytes message, control;
};

/* tasks.c: queues of shards, and who gets what. */
enum error_code task_list_push(struct task_list *list, struct task task, bool at_front,
                               struct error *error);
bool task_list_pop(struct task_list *list, struct task *task);
struct task *task_list_at(struct task_list *list, size_t index);
void task_list_remove(struct task_list *list, size_t index);
void held_lease_release(struct held_lease *held);
enum error_code tasks_accept(struct worker *worker, const struct message_lease *message,
                             struct error *error);
void tasks_revoke(struct worker *worker, const struct message_ranges *ranges);
enum error_code tasks_assign(struct worker *worker, struct error *error);
/* Send a task to a member; its shards stand in the member's queue afterwards. */
enum error_code tasks_send(struct worker *worker, struct member *member, struct task task,
                           struct error *error);
uint32_t tasks_credit(const struct worker *worker);
/* Give a task up that nobody waits for any more: its phase is over. */
void tasks_drop(struct worker *worker, struct task task);
/* A new phase: what executors have not begun yet is forgotten. */
void tasks_forget(struct worker *worker);
struct hunt *hunt_find(struct worker *worker, shard_id shard);
struct hunt *hunt_make(struct worker *worker, shard_id shard, struct error *error);
void tasks_clear(struct worker *worker);

/* streams.c: streams and slots. */
/* Make the slots, before any executor starts: they are inherited. */
enum error_code streams_prepare(struct worker *worker, struct error *error);
/* How many of them the pipeline's shards make sensible. */
void streams_size(struct worker *worker);
enum error_code streams_accept(struct worker *worker, struct held_lease *held,
                               struct error *error);
enum error_code streams_retry(struct worker *worker, struct held_lease *held,
                              struct error *error);
/* Give stream work to an idle member; *is_given says whether there was any. */
enum error_code streams_assign(struct worker *worker, struct member *member,
                               bool *is_given, struct error *error);
enum error_code streams_filled(struct worker *worker, struct member *member,
                               const struct control_filled *filled, struct error *error);
void streams_finished(struct worker *worker, uint32_t slot);
/* The shard in the slot failed: its bytes are kept for the next attempt, while we have
 * the stream. *epoch: of the stream's latest lease. */
void streams_park(struct worker *worker, uint32_t slot, uint32_t *epoch);
enum error_code streams_failed(struct worker *worker, struct member *member, uint32_t run,
                               enum error_code code, const char *text,
                               struct error *error);
/* The member reads no stream any more: it died, or its phase is over. */
void streams_owner_died(struct worker *worker, struct member *member);
/* The coordinator took back a stream, or does not want one shard of a stream. */
void streams_revoke(struct worker *worker, shard_id shard, uint32_t epoch);
/* A new phase: all streams are forgotten, and the slots that nobody is at. */
void streams_forget(struct worker *worker);
uint32_t streams_held(const struct worker *worker);
/* How many streams the worker wants to hold in the coordinator's books. */
uint32_t streams_credit(const struct worker *worker);
/* A shard of a stream was finished here, or published. */
enum error_code streams_count_finished(struct worker *worker, shard_id shard,
                                       struct error *error);
void streams_count_published(struct worker *worker, shard_id shard);
enum error_code streams_return(struct worker *worker, struct error *error);
void streams_clear(struct worker *worker);

/* members.c: executors as processes and partners. */
enum error_code members_start(struct worker *worker, struct error *error);
enum error_code members_setup(struct worker *worker, struct error *error);
enum error_code members_begin_phase(struct worker *worker, struct error *error);
enum error_code members_serve(struct worker *worker, struct member *member,
                              struct error *error);
enum error_code members_watch(struct worker *worker, int64_t now_ms, struct error *error);
enum error_code members_seal(struct worker *worker, struct error *error);
enum error_code members_send(struct worker *worker, struct member *member,
                             enum control_type type, const struct bytes *payload,
                             struct error *error);
void members_stop(struct worker *worker);
/* What the member was to do, or did without telling, is of a phase that is over. */
void members_forget_queue(struct worker *worker, struct member *member);
bool members_are_quiet(const struct worker *worker);
uint32_t members_alive(const struct worker *worker);
uint32_t members_unpublished(const struct worker *worker);

/* deaths.c: what the end of an executor means for the shards it had. */
enum error_code member_died(struct worker *worker, struct member *member, int status,
                            struct error *error);

/* worker_loop.c */
enum error_code worker_send(struct worker *worker, const struct message *message,
                            struct error *error);
/* Give [shard, shard + count) back undone. */
enum error_code worker_return(struct worker *worker, shard_id shard, uint32_t count,
                              uint32_t epoch, struct error *error);
enum error_code worker_fail_shard(struct worker *worker, shard_id shard, uint32_t epoch,
                                  enum fail_class class, uint32_t ordinal, uint32_t stage,
                                  const char *reason, const char *text,
                                  struct error *error);

#endif
