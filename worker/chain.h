/* chain.h - drive batches through the stages of a phase and account for every record */
#ifndef WORKER_CHAIN_H
#define WORKER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/batch.h"
#include "core/codec.h"
#include "core/error.h"
#include "core/pipeline.h"
#include "core/protocol.h"
#include "core/volume.h"

struct arena;
struct stage;
struct chain; /* heap object: the opened stages of one phase */

/* What prepare() wrote for one stage, mapped read-only; {0}: nothing. */
struct chain_prepared {
    const void *data; /* borrowed until chain_close() */
    size_t size;
};

/* Called around every process(), so that what is in flight can be noted where it outlives
 * a crash. `first` and `last` are the ordinals of the batch's first and last record.
 * after() is not called when process() failed in a way that ends chain_run(): the note
 * then still says where. Both may be NULL. */
struct chain_hooks {
    void *user;
    void (*before)(void *user, uint32_t stage, uint32_t first, uint32_t last);
    void (*after)(void *user, uint32_t stage);
};

/* Which records of a shard must not share a batch with others. */
struct chain_isolation {
    const struct lease_suspect *suspects; /* each runs alone; from 2 strikes on it is
                                             rejected in front of its stage */
    uint32_t suspect_count;
    uint32_t begin, end; /* ordinals [begin, end) run one at a time */
};

/* A quarantined record. */
struct chain_reject {
    uint32_t file;        /* number in the manifest */
    bool is_made;         /* one that a stage of this phase made */
    struct reject reject; /* .file is NULL: names are the caller's matter */
};

/* What became of one input batch. All of it lies in the arena given to chain_run(), but the
 * reasons' texts: they live until chain_close(), those of suspects as long as the
 * isolation. */
struct chain_outcome {
    const struct batch *const *batches; /* (batch_count), none empty, in input order; more
                                           than one only where records ran apart */
    size_t batch_count;
    const struct chain_reject *rejects; /* (reject_count) */
    size_t reject_count;
    const struct reason *reasons; /* (reason_count) what was dropped and quarantined */
    size_t reason_count;
    struct account account; /* separator_bytes is 0; the laws hold */
};

/* Since chain_open(), over the process() calls that succeeded. */
struct chain_stage_stats {
    uint64_t records_in, records_out;
    uint64_t bytes; /* of source, of the records that went in */
    int64_t cpu_us; /* of this process */
};

/* Open every stage. `phase` is borrowed until chain_close(), `prepared` (stage_count, NULL:
 * nothing prepared) is copied, `hooks` (NULL: none) is copied too. ERROR_CONFIG: a stage
 * cannot be opened; the error begins with its name. */
enum error_code chain_open(const struct phase_spec *phase,
                           const struct chain_prepared *prepared,
                           const struct chain_hooks *hooks, struct chain **chain,
                           struct error *error);
void chain_close(struct chain *chain);

/* A shard begins: what stages held of another is forgotten. From now on (until the next
 * call) batches belong to a shard with this isolation, which is borrowed as long; NULL:
 * none. */
void chain_begin(struct chain *chain, const struct chain_isolation *isolation);
/* What the file numbers of the next batches mean; borrowed until the next call. */
void chain_name_files(struct chain *chain, const struct file_names *files);

/* Run a batch through all stages. The outcome is written on success only.
 *   ERROR_MEMORY     a stage or the arena had none; look for the record in fresh processes
 *   ERROR_TRANSIENT  a stage that is not stateless could not do its batch
 * and whatever else process() says, the stage's name in front. Columns of the results may
 * point into `in`: it must live as long as they do. */
enum error_code chain_run(struct chain *chain, const struct batch *in,
                          struct arena *arena, struct chain_outcome *outcome,
                          struct error *error);

/* Behind the last batch of a shard: the records that stages make of what they still hold,
 * and what becomes of those. To be called until *is_done. Errors as of chain_run(). */
enum error_code chain_flush(struct chain *chain, struct arena *arena,
                            struct chain_outcome *outcome, bool *is_done,
                            struct error *error);

/* The columns of the phase's output_schema, in its order; buffers are shared. */
enum error_code chain_project(const struct chain *chain, const struct batch *batch,
                              struct arena *arena, const struct batch **out,
                              struct error *error);

/* The stage at `index`, open until chain_close(). */
struct stage *chain_stage(struct chain *chain, size_t index);

/* (phase->stage_count) */
const struct chain_stage_stats *chain_stats(const struct chain *chain);

#endif
