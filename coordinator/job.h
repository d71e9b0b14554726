/* job.h - a job directory: made, recognised, compared */
#ifndef COORDINATOR_JOB_H
#define COORDINATOR_JOB_H

#include <stdbool.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/manifest.h"
#include "core/pipeline.h"

struct arena;

/* What `run` is about to do, before anything is written. */
struct job_plan {
    const struct pipeline *pipeline;
    struct manifest *manifests; /* (phase_count); file_count 0 for phase inputs */
    struct hash128 fingerprint; /* of the pipeline; inputs are compared by manifest */
    const char *description;    /* what the fingerprint covers, a line a thing */
};

/* Expand the inputs and compute the fingerprint. ERROR_CONFIG, ERROR_IO. */
enum error_code job_plan_make(const struct pipeline *pipeline, struct arena *arena,
                              struct job_plan *plan, struct error *error);

enum job_state {
    JOB_ABSENT,   /* no such folder, or an empty one */
    JOB_FINISHED, /* nothing left to do */
    JOB_STARTED   /* to be resumed */
};
/* Look at the folder. An existing job is compared with the plan: ERROR_CONFIG names what
 * differs. With `is_extended` files added to the input are no difference; the plan's
 * manifests then become the extended ones. A folder with other things in it is refused. */
enum error_code job_examine(const char *folder, struct job_plan *plan, bool is_extended,
                            struct arena *arena, enum job_state *state,
                            struct error *error);

/* Make the folder with nonce, pipeline.yaml and log/, as far as they are not there.
 * *nonce (in the arena) is what the file holds. ERROR_IO, ERROR_FULL. */
enum error_code job_make(const char *folder, const struct job_plan *plan,
                         struct arena *arena, const char **nonce, struct error *error);

/* A small file in one piece: temporary name, fsync, rename. */
enum error_code job_write_file(const char *folder, const char *name, const void *data,
                               size_t size, struct error *error);

#endif
