/* coordinator_state.h - what the parts of the coordinator share */
#ifndef COORDINATOR_COORDINATOR_STATE_H
#define COORDINATOR_COORDINATOR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "coordinator/loop.h"
#include "coordinator/schedule.h"
#include "core/bytes.h"
#include "core/link.h"
#include "core/protocol.h"

struct arena;

/* A worker, from its first frame on. */
struct peer {
    peer_id id;
    struct link *link; /* owned; NULL: gone */
    uint32_t number;   /* of the worker in this session, from 1; 0: no HELLO yet */
    bool is_joined;    /* the current schedule knows it */
    bool is_leaving;   /* BYE was said */
    bool is_admitted;  /* it computes as this job does: see numeric_class.c */
    char host[64], cpu_level[32];
    uint32_t pid, executors;
    uint32_t credit, stream_credit, held;
    uint64_t records, bytes; /* as of its latest heartbeat */
    int64_t heard_ms;
};

struct own_worker {
    pid_t pid;                 /* 0: not running */
    uint32_t starts, failures; /* failures: it ended by itself, with an error */
};

struct coordinator {
    const struct coordinator_settings *settings;
    const struct pipeline *pipeline;
    struct arena *arena;         /* owned: of the run */
    struct arena *phase_arena;   /* owned */
    struct arena *message_arena; /* owned: of one message */
    struct peer *peers;          /* owned; peer_id is not the index */
    size_t peer_count, peer_capacity;
    uint32_t next_number;
    struct own_worker *own; /* (own_workers) */

    uint32_t phase;
    struct manifest manifest;
    struct schedule *schedule; /* owned */
    bool is_phase_done, is_draining, is_drained, is_failed;
    struct error failure;

    int64_t started_ms, phase_ms, beat_ms, tick_ms, commit_ms, publish_ms, progress_ms,
        status_ms, publish_cost_ms, company_ms; /* when a worker was last there */
    bool has_uncommitted, has_unpublished;
    uint64_t fsync_count;
    int64_t fsync_us;
    uint64_t shards_done; /* when the phase began, and what peers had said: */
    uint64_t records_before, bytes_before;
    struct bytes message;
    uint32_t *stream_ranges; /* scratch for leases of streams */
    size_t range_capacity;
    size_t progress_width; /* of the line on the terminal */
};

/* peers.c: conversations. */
struct peer *peers_find(struct coordinator *coordinator, peer_id id);
struct peer *peers_by_number(struct coordinator *coordinator, uint32_t number);
enum error_code peers_take_frame(struct coordinator *coordinator,
                                 const struct frame *frame, int64_t now_ms,
                                 struct error *error);
enum error_code peers_pump(struct coordinator *coordinator, int64_t now_ms,
                           struct error *error);
int64_t peers_due_ms(const struct coordinator *coordinator);
enum error_code peers_send(struct coordinator *coordinator, struct peer *peer,
                           const struct message *message, struct error *error);
enum error_code peers_send_all(struct coordinator *coordinator,
                               const struct message *message, struct error *error);
/* At the end: send what is left and take acknowledgements, but no more messages. */
void peers_absorb(struct coordinator *coordinator, int timeout_ms);
void peers_clear(struct coordinator *coordinator);

/* dispatch.c: what a worker says, and what the schedule wants done. */
enum error_code dispatch_message(struct coordinator *coordinator, struct peer *peer,
                                 const unsigned char *data, size_t size, int64_t now_ms,
                                 struct error *error);
enum error_code dispatch_event(struct coordinator *coordinator,
                               const struct schedule_event *event, struct error *error);
/* A worker is gone for good. */
enum error_code dispatch_gone(struct coordinator *coordinator, struct peer *peer,
                              int64_t now_ms, struct error *error);

/* numeric_class.c */
enum { REFUSAL_SIZE = 448 };
/* Must workers of this job compute alike? */
bool class_is_needed(const struct pipeline *pipeline);
/* Admit a worker with these libraries, fixing the job's class if it is the first one; or say
 * in `refusal` why it is not admitted. */
enum error_code class_admit(struct coordinator *coordinator, struct peer *peer,
                            const char *libraries, char refusal[REFUSAL_SIZE],
                            struct error *error);

/* leases.c */
enum error_code leases_send(struct coordinator *coordinator, struct peer *peer,
                            const struct schedule_action *action, struct error *error);

/* own_workers.c: processes that this coordinator starts. */
enum error_code own_workers_start(struct coordinator *coordinator, struct error *error);
enum error_code own_workers_watch(struct coordinator *coordinator, int64_t now_ms,
                                  struct error *error);
void own_workers_stop(struct coordinator *coordinator);

/* report.c: progress for people, status.json for programs. */
void report_progress(struct coordinator *coordinator, int64_t now_ms);
/* Rates count from now on. */
void report_begin_phase(struct coordinator *coordinator);
void report_clear(struct coordinator *coordinator);
/* `state` is an enum status_state. */
enum error_code report_status(struct coordinator *coordinator, const char *message,
                              int state, struct error *error);

#endif
