/* executor_state.h - what the parts of an executor share */
#ifndef WORKER_EXECUTOR_STATE_H
#define WORKER_EXECUTOR_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/pipeline.h"
#include "worker/chain.h"
#include "worker/channel.h"
#include "worker/control.h"
#include "worker/output.h"
#include "worker/slots.h"
#include "worker/source.h"

struct arena;
struct fold;

/* A stream that this executor owns: it alone decompresses it. */
struct owned_stream {
    struct control_stream info; /* in `arena` */
    struct arena *arena;        /* owned */
    struct cutter *cutter;      /* owned */
    uint32_t next_index;
    bool is_ended;
};

struct executor {
    struct channel channel;
    struct flight *flight; /* mapped, shared with the worker */
    struct arena *run;     /* owned: setup and pipeline */
    struct control_setup setup;
    const struct pipeline *pipeline;
    struct slots *slots; /* owned */

    uint32_t phase;            /* UINT32_MAX: none open */
    struct arena *phase_arena; /* owned */
    struct chain *chain;       /* owned, as the next two */
    struct source *source;
    struct output *output;
    struct fold *fold;          /* owned; NULL: not a fit phase */
    struct arena *batch_arena;  /* owned */
    struct arena *task_arena;   /* owned: of one message */
    struct owned_stream stream; /* .cutter NULL: owns none */

    struct bytes finished; /* entries not yet told: varint size, bytes */
    uint32_t finished_count;
    int64_t finished_us;     /* what they took, on the clock */
    int64_t commit_ms;       /* of the last commit */
    int64_t volume_since_ms; /* first shard in the volume; 0: it is empty */
    uint32_t volume_shards, volume_number;
    struct bytes message;
    bool is_leaving;
};

/* Tell the worker that something went wrong with what it asked for. */
enum error_code executor_report(struct executor *executor, enum control_type what,
                                uint64_t shard, const struct error *failure,
                                struct error *error);
enum error_code executor_send(struct executor *executor, enum control_type type,
                              struct error *error);

/* executor_phase.c: open and close phases and volumes. */
enum error_code executor_setup(struct executor *executor, struct cursor message,
                               struct error *error);
/* Names of the libraries that the pipeline's stages compute with, in their order; "": none.
 * ERROR_CONFIG: one is not installed. */
enum { LIBRARIES_SIZE = 4 * STAGE_LIBRARY_SIZE };
enum error_code executor_libraries(const struct executor *executor,
                                   char names[LIBRARIES_SIZE], struct error *error);
enum error_code executor_prepare(struct executor *executor, uint32_t phase,
                                 struct error *error);
enum error_code executor_open_phase(struct executor *executor, uint32_t phase,
                                    struct error *error);
void executor_close_phase(struct executor *executor);
enum error_code executor_commit(struct executor *executor, struct error *error);
enum error_code executor_seal(struct executor *executor, struct error *error);

/* executor_task.c: shards and streams. Errors of a shard are reported to the worker and
 * are no errors here, unless the executor cannot go on. */
enum error_code executor_run_lease(struct executor *executor, struct cursor message,
                                   struct error *error);
enum error_code executor_take_stream(struct executor *executor, struct cursor message,
                                     struct error *error);
enum error_code executor_fill(struct executor *executor, struct cursor message,
                              struct error *error);
enum error_code executor_run_slot(struct executor *executor, struct cursor message,
                                  struct error *error);
void executor_drop_stream(struct executor *executor);

#endif
