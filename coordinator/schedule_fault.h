/* schedule_fault.h - what a schedule remembers of shards that failed */
#ifndef COORDINATOR_SCHEDULE_FAULT_H
#define COORDINATOR_SCHEDULE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/manifest.h"
#include "core/protocol.h"

enum { FAULT_WORKERS = 4, STRIKES_CONDEMNED = 2 };

struct fault {
    shard_id shard;
    uint32_t shard_failures, infrastructure_failures;
    uint32_t failed_on[FAULT_WORKERS]; /* the latest workers it failed on; 0: none */
    uint32_t next_failed_on;
    int64_t failed_ms;     /* the latest failure */
    struct bytes suspects; /* struct lease_suspect, by ordinal */
};

/* Few shards ever fail: their faults stand apart, found by the shard's number. {0} is an
 * empty table. */
struct fault_table {
    struct bytes faults; /* struct fault */
    struct bytes slots;  /* uint32_t: number of a fault, from 1; a power of two of them */
};

void fault_table_clear(struct fault_table *table);
/* NULL: the shard never failed. Borrowed until the next fault_table_add(). */
struct fault *fault_table_find(const struct fault_table *table, shard_id shard);
/* Find or add. NULL: no memory. */
struct fault *fault_table_add(struct fault_table *table, shard_id shard);

void fault_note_worker(struct fault *fault, uint32_t worker, int64_t now_ms);
bool fault_names_worker(const struct fault *fault, uint32_t worker);
/* The suspect of this ordinal, added with no strikes when there is none. NULL: no memory.
 * Borrowed until the next call. */
struct lease_suspect *fault_suspect(struct fault *fault, uint32_t ordinal);

#endif
