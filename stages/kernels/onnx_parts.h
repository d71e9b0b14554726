/* onnx_parts.h - what onnx_runtime.c and onnx_session.c share, and nobody else */
#ifndef STAGES_KERNELS_ONNX_PARTS_H
#define STAGES_KERNELS_ONNX_PARTS_H

#include "core/error.h"
#include "core/module_path.h"
#include "stages/kernels/onnx_abi.h"

struct onnx_runtime {
    void *library;
    const struct ort_api *api;
    struct ort_env *env;
    struct ort_memory_info *memory; /* says of buffers that they are the caller's */
    char version[64], name[96], path[MODULE_PATH_SIZE];
};

/* Take `status`: OK for NULL, else `code` (ERROR_MEMORY, where the text says that there
 * was none) with the library's own text. */
enum error_code onnx_check(const struct onnx_runtime *runtime, struct ort_status *status,
                           enum error_code code, struct error *error);

#endif
