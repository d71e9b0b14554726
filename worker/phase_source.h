/* phase_source.h - the results of an earlier phase as the input of a later one */
#ifndef WORKER_PHASE_SOURCE_H
#define WORKER_PHASE_SOURCE_H

#include <stdint.h>

#include "core/batch.h"
#include "core/codec.h"
#include "core/error.h"
#include "core/manifest.h"
#include "core/pipeline.h"

struct arena;
struct phase_source; /* heap object: the job's index and some open volumes */

/* Opens the job's index, in which the earlier phase is complete. */
enum error_code phase_source_create(const struct pipeline *pipeline, uint32_t phase,
                                    const char *job_folder, struct phase_source **source,
                                    struct error *error);
void phase_source_destroy(struct phase_source *source);

/* RUN_PHASE: the shard of that number. RUN_BUCKET: the bucket SHARD_INDEX(shard), gathered
 * in `arena` and put in order, which depends on the records alone.
 * RUN_MERGE, RUN_FINISH: the states of a group of shards, or of all, in input order. */
enum error_code phase_source_open(struct phase_source *source, enum run_kind kind,
                                  shard_id shard, struct arena *arena,
                                  struct error *error);
/* *batch NULL: the shard is read. */
enum error_code phase_source_next(struct phase_source *source, uint32_t max_records,
                                  struct arena *arena, const struct batch **batch,
                                  struct file_names *files, struct error *error);

#endif
