/* fold.h - the shards of a fit phase: records to states, states to files
 *
 * A shard leaves one record, or none where nothing came to it. It has the identity and the
 * source bytes of the first record that went in, and all others count as dropped with reason
 * "accumulated", so that over the three steps of a fit the account holds: one record is left
 * of all, and it is the same one however the input was cut. */
#ifndef WORKER_FOLD_H
#define WORKER_FOLD_H

#include <stdbool.h>

#include "core/batch.h"
#include "core/codec.h"
#include "core/error.h"
#include "core/pipeline.h"

struct arena;
struct fold; /* heap object */
struct output;
struct stage;

/* `phase` (not FIT_NONE) and `stage`, its last and open, are borrowed for the fold's life, as
 * are the texts. `draft` is a name that no other process uses: artefacts are written in a
 * hidden folder of that name before they are published. */
enum error_code fold_create(const struct phase_spec *phase, struct stage *stage,
                            const char *job_folder, const char *draft, struct fold **fold,
                            struct error *error);
void fold_destroy(struct fold *fold);

/* Are the phase's records states? Then they are for fold_merge(), not for its stages. */
bool fold_is_of_states(const struct fold *fold);

enum error_code fold_begin(struct fold *fold, struct error *error);
/* FIT_READ: these records went through the fit stage. */
enum error_code fold_took(struct fold *fold, const struct batch *batch,
                          const struct file_names *files, struct output *output,
                          struct error *error);
/* FIT_MERGE, FIT_FINISH: these states come next. */
enum error_code fold_merge(struct fold *fold, const struct batch *batch,
                           const struct file_names *files, struct output *output,
                           struct error *error);
/* The shard is read: its record goes to `output`. FIT_FINISH: the artefacts are published
 * before that. `arena` is for this call. */
enum error_code fold_end(struct fold *fold, struct arena *arena, struct output *output,
                         struct error *error);

#endif
