/* batch_collect.h - rows of several batches as one */
#ifndef CORE_BATCH_COLLECT_H
#define CORE_BATCH_COLLECT_H

#include <stdint.h>

#include "core/batch.h"

struct arena;

struct row_reference {
    const struct batch *batch;
    uint32_t row;
};

/* The rows in their order as a batch of copies in `arena`. All batches have the same
 * columns in the same order; origins are copied as they are. NULL: no memory. */
struct batch *batch_collect(const struct row_reference *rows, uint32_t count,
                            struct arena *arena);

#endif
