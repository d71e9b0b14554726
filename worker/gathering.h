/* gathering.h - what became of the records of a batch, while its stages run */
#ifndef WORKER_GATHERING_H
#define WORKER_GATHERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/batch.h"
#include "core/error.h"
#include "worker/chain.h"

struct arena;
struct stage_output;

/* An outcome while it grows: arrays in the arena, doubled when full. {.arena} is empty. */
struct gathering {
    struct arena *arena; /* borrowed */
    const struct batch **batches;
    size_t batch_count, batch_capacity;
    struct chain_reject *rejects;
    size_t reject_count, reject_capacity;
    struct reason *reasons;
    size_t reason_count, reason_capacity;
    struct account account;
};

/* All of these fail with ERROR_MEMORY only. */

/* One row is quarantined. `detail` is in the arena or static, NULL allowed. */
enum error_code gathering_reject(struct gathering *all, const struct batch *batch,
                                 uint32_t row, const char *stage, const char *reason,
                                 const char *detail, struct error *error);
/* What a stage said of the rows of its batch, and of the records it made. */
enum error_code gathering_add_output(struct gathering *all,
                                     const struct stage_output *output, const char *stage,
                                     struct error *error);
/* The batch came out of the last stage. */
enum error_code gathering_add_batch(struct gathering *all, const struct batch *batch,
                                    struct error *error);
struct chain_outcome gathering_outcome(const struct gathering *all);

uint64_t batch_source_bytes(const struct batch *batch);

#endif
