/* books.h - what a job has done: the ledger, the volumes, the totals */
#ifndef COORDINATOR_BOOKS_H
#define COORDINATOR_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/account.h"
#include "core/error.h"
#include "core/ledger.h"
#include "core/protocol.h"
#include "coordinator/job.h"

struct arena;
struct books; /* heap object */
struct schedule;

/* What a phase came to so far. */
struct phase_totals {
    struct account account;
    uint64_t shards, stored_bytes, cpu_us;
    struct reason_table reasons;
};

/* Open the ledger at `scratch`/ledger.lmdb, begun from the job's index, and take up every
 * volume that it lacks. An index that is damaged or missing is made anew from the volumes.
 * `plan` is borrowed for the books' life. */
enum error_code books_open(const char *folder, const char *scratch,
                           const struct job_plan *plan, struct books **books,
                           struct error *error);
void books_close(struct books *books);

/* The shards of a phase, in `arena`: its manifest as the job knows it, or as planned; for
 * phases that read another, made from what that one left. */
enum error_code books_phase(struct books *books, uint32_t phase, struct arena *arena,
                            struct manifest *manifest, bool *is_complete,
                            struct error *error);
enum error_code books_complete_phase(struct books *books, uint32_t phase,
                                     const struct manifest *manifest,
                                     struct error *error);

/* Quarantined records are to be tried again: their shards count as not done, with the next
 * generation, and so do all shards of phases behind them. Call before books_fill(). */
enum error_code books_retry(struct books *books, uint32_t *shard_count,
                            struct error *error);
/* Tell a new schedule what is done, where streams end, and which records are suspects. */
enum error_code books_fill(struct books *books, uint32_t phase, struct schedule *schedule,
                           struct error *error);
/* Generation at which a shard is to be run; for a stream the highest of its shards. */
uint32_t books_generation(const struct books *books, uint32_t phase, shard_id shard);

/* A volume was published; `is_new` (done->count) says which shards were not known. */
enum error_code books_take(struct books *books, const struct message_done *done,
                           bool *is_new, struct error *error);
enum error_code books_stream(struct books *books, const struct message_stream *stream,
                             struct error *error);
enum error_code books_suspect(struct books *books, const struct suspect *suspect,
                              struct error *error);
/* Where to enter a stream to reach shard `index`. */
enum error_code books_entry(struct books *books, uint32_t phase, uint32_t run,
                            uint32_t index, uint64_t *compressed, uint64_t *decompressed,
                            struct error *error);

/* The numeric class that the job's first worker fixed, "" before that; at most CLASS_SIZE
 * bytes with the zero. */
enum { CLASS_SIZE = 160 };
const char *books_class(const struct books *books);
enum error_code books_fix_class(struct books *books, const char *class,
                                struct error *error);

enum error_code books_commit(struct books *books, struct error *error);
/* The index in the job directory becomes what the ledger is. */
enum error_code books_publish(struct books *books, struct error *error);

const struct phase_totals *books_totals(const struct books *books, uint32_t phase);
struct hash128 books_digest(const struct books *books, uint32_t phase);

#endif
