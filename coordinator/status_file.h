/* status_file.h - JOB/status.json: the verdict and the totals of a job */
#ifndef COORDINATOR_STATUS_FILE_H
#define COORDINATOR_STATUS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/error.h"

struct arena;
struct bytes;

enum status_state {
    STATUS_RUNNING,
    STATUS_FINISHED,
    STATUS_FAILED,
    STATUS_STOPPED /* early, on purpose or not: the same command resumes */
};
const char *status_state_name(enum status_state state);

/* What is counted of the job as a whole, and of each phase. */
struct status_part {
    enum status_state state;
    double seconds;
    uint64_t shards_total, shards_done;
    bool is_total_exact; /* false: streams not read to their end may have more */
    struct account account;
    uint64_t stored_bytes;
};

struct status_phase {
    const char *name;
    struct status_part part;
};

struct status {       /* texts and arrays are borrowed; those read lie in the arena */
    const char *name; /* of the pipeline */
    struct status_part part;
    uint64_t session;
    const char *host, *boot; /* of the coordinator: platform.h */
    uint32_t pid;
    uint64_t process_start;
    int64_t started_ms, updated_ms; /* wall time */
    uint32_t workers, executors;
    uint64_t retried, speculated, changed_worker; /* struct schedule_counts */
    uint64_t fsync_count, fsync_us;               /* us: in all */
    double fsync_mean_us;                         /* worked out by status_write() */
    const struct status_phase *phases;
    size_t phase_count;
    const struct reason *reasons;
    size_t reason_count;
    const char *message; /* why it failed or stopped, or NULL */
};

/* One JSON object without a newline. All numbers are exact; a byte that is not part of
 * UTF-8 becomes U+FFFD. */
void status_write(const struct status *status, struct bytes *out);
/* What status_write() writes; unknown keys are passed over. ERROR_DAMAGED. */
enum error_code status_read(const char *text, size_t size, struct arena *arena,
                            struct status *status, struct error *error);

/* Put JOB/status.json in place in one step; durably, unless it says STATUS_RUNNING: a run
 * does not wait for a disk to say how far it is. ERROR_IO, ERROR_FULL: the old one
 * stays. */
enum error_code status_save(const char *job, const struct status *status,
                            struct error *error);
/* ERROR_CLOSED: there is none. ERROR_IO, ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code status_load(const char *job, struct arena *arena, struct status *status,
                            struct error *error);

#endif
