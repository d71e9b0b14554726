/* exact_batch.c - how many items a model may be given at once so that it does not show */
#include "stages/kernels/exact_batch.h"

#include <stdbool.h>
#include <string.h>

#include "core/bytes.h"

/* Run items [first, first + count). */
static enum error_code run(const struct batch_trial *trial, uint32_t first,
                           uint32_t count, struct error *error)
{
    struct onnx_tensor input = trial->input;
    input.data = (const unsigned char *)input.data + first * input.size;
    input.shape[0] = count;
    input.size *= count;
    return onnx_session_run(trial->session, &input, 1, trial->outputs,
                            trial->output_count, error);
}

/* Has item `item` of the last run, of `count` items, the bits of `alone`? */
static bool is_item_equal(const struct batch_trial *trial, uint32_t item, uint32_t count,
                          const struct bytes *alone)
{
    size_t used = 0;
    for (size_t i = 0; i < trial->output_count; i++) {
        const struct onnx_tensor *output = &trial->outputs[i];
        size_t each = output->size / count;
        const unsigned char *data = output->data;
        if (output->rank < 1 || output->shape[0] != count || used + each > alone->size ||
            memcmp(data + item * each, alone->data + used, each) != 0)
            return false;
        used += each;
    }
    return used == alone->size;
}

static bool is_batch_exact(const struct batch_trial *trial, uint32_t count,
                           const struct bytes *alone)
{
    struct error ignored = {0};
    bool is_equal = run(trial, 0, count, &ignored) == OK;
    for (uint32_t i = 0; is_equal && i < count; i++)
        is_equal = is_item_equal(trial, i, count, &alone[i]);
    return is_equal;
}

enum error_code exact_batch_find(const struct batch_trial *trial, uint32_t most,
                                 uint32_t *exact, struct error *error)
{
    struct bytes alone[EXACT_BATCH_MAX] = {{0}};
    enum error_code code = OK;
    *exact = 1;
    most = exact_batch_next(EXACT_BATCH_MAX, most);
    for (uint32_t i = 0; most > 1 && code == OK && i < most; i++) {
        code = run(trial, i, 1, error);
        for (size_t k = 0; code == OK && k < trial->output_count; k++)
            bytes_put(&alone[i], trial->outputs[k].data, trial->outputs[k].size);
        if (code == OK && alone[i].is_bad)
            code = error_set(error, ERROR_MEMORY, "no memory to try the model");
    }
    for (uint32_t count = 2; code == OK && count <= most; count *= 2) {
        if (!is_batch_exact(trial, count, alone))
            break;
        *exact = count;
    }
    for (uint32_t i = 0; i < most; i++)
        bytes_clear(&alone[i]);
    return code;
}

uint32_t exact_batch_next(uint32_t exact, uint32_t waiting)
{
    uint32_t size = exact < waiting ? exact : waiting;
    while (size & (size - 1))
        size &= size - 1;
    return size;
}
