/* output.h - what an executor makes of a shard: blocks, keys, rejects, digest, account */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include <stdint.h>

#include "core/account.h"
#include "core/batch.h"
#include "core/codec.h"
#include "core/error.h"
#include "core/pipeline.h"
#include "core/volume.h"

struct output; /* heap object: a volume being filled, and the shard at hand */

/* Open or take over the volume at `path`; `*shard_count` says how many shards it holds.
 * `phase` is borrowed for the output's life. */
enum error_code output_open(const struct phase_spec *phase,
                            const struct volume_meta *meta, const char *path,
                            struct output **output, uint64_t *shard_count,
                            struct error *error);
/* See volume_write_early(). */
void output_write_early(struct output *output, const char *folder);
void output_close(struct output *output); /* the volume's file stays */

/* One shard at a time, between begin and finish. What is not finished is forgotten by
 * the next begin. */
void output_begin(struct output *output, shard_id shard, uint32_t generation);
/* The records of a batch came out of the last stage. */
enum error_code output_batch(struct output *output, const struct batch *batch,
                             const struct file_names *files, struct error *error);
/* A record is quarantined; `is_made`: one that a stage made. */
enum error_code output_reject(struct output *output, const struct reject *reject,
                              bool is_made, struct error *error);
/* Records were taken out by a stage: why, for the table of reasons. */
void output_drop(struct output *output, const char *stage, const char *reason,
                 struct tally tally);
/* What became of the records of a batch, less those that the calls above count: dropped,
 * used, made and merged. */
void output_account(struct output *output, const struct account *account);
/* Records and separators were read. */
void output_read(struct output *output, struct tally read, uint64_t separator_bytes);
/* Put keys, rejects and the shard's entry into the volume. *entry lives until the next
 * begin. ERROR_FATAL: the account does not hold. */
enum error_code output_finish(struct output *output, uint64_t cpu_us,
                              const struct shard_entry **entry, struct error *error);

/* Make all finished shards durable against the death of this process. */
enum error_code output_commit(struct output *output, struct error *error);
uint64_t output_bytes(const struct output *output);
/* Publish the volume as `folder`/`name`. The output then has no volume any more: close
 * it and open another. */
enum error_code output_seal(struct output *output, const char *folder, const char *name,
                            struct volume_info *info, struct error *error);

#endif
