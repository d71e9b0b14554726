/* shard_run.h - one shard from its source through the stages into the volume */
#ifndef WORKER_SHARD_RUN_H
#define WORKER_SHARD_RUN_H

#include <stdint.h>

#include "core/account.h"
#include "core/error.h"
#include "worker/chain.h"
#include "worker/control.h"
#include "worker/output.h"
#include "worker/source.h"

struct arena;
struct fold;

/* What a shard is run with; all borrowed. */
struct shard_run {
    struct source *source; /* its shard is open */
    struct chain *chain;
    struct output *output;
    struct flight *flight;
    struct arena *arena; /* of one batch: reset for each */
    struct fold *fold;   /* of a fit phase; else NULL */
};

/* Run the shard that the source has open. `isolation` as for chain_begin(). On success
 * the shard's entry stands in the output's volume, not yet committed. */
enum error_code shard_run(const struct shard_run *run, shard_id shard,
                          uint32_t generation, const struct chain_isolation *isolation,
                          const struct shard_entry **entry, struct error *error);

#endif
