/* exact_batch.h - how many items a model may be given at once so that it does not show
 *
 * Kernels may differ in the last bit between batches of different sizes. Who runs models in
 * batches of powers of two up to what is found here, or item by item, gets the same bits. */
#ifndef STAGES_KERNELS_EXACT_BATCH_H
#define STAGES_KERNELS_EXACT_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/onnx_session.h"

enum { EXACT_BATCH_MAX = 64 };

/* A model of one input, and items to try. */
struct batch_trial {
    struct onnx_session *session;
    struct onnx_tensor input;    /* of one item: shape[0] is 1; its data the items' */
    struct onnx_tensor *outputs; /* (output_count), with their names: all that count */
    size_t output_count;
};

/* The largest power of two up to `most` (1 ... EXACT_BATCH_MAX) at which, and at all smaller
 * ones, each of the items (most) gets the same bits as alone; 1 where the model takes no
 * other, or mixes its items. ERROR_MEMORY, or what the model says to a single item. */
enum error_code exact_batch_find(const struct batch_trial *trial, uint32_t most,
                                 uint32_t *exact, struct error *error);

/* The next batch for `waiting` items (not 0): a power of two, at most `exact`. */
uint32_t exact_batch_next(uint32_t exact, uint32_t waiting);

#endif
