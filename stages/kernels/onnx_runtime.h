/* onnx_runtime.h - ONNX Runtime, opened at run time; its doorkeeper
 *
 * millrace is built without it: the library is looked for when a stage needs it. */
#ifndef STAGES_KERNELS_ONNX_RUNTIME_H
#define STAGES_KERNELS_ONNX_RUNTIME_H

#include <stddef.h>

#include "core/error.h"

struct onnx_runtime;

/* Open the library: `path` when it is not NULL, else what MILLRACE_ONNXRUNTIME names, else
 * libonnxruntime.so.1 beside the executable, in data/ there or in PREFIX/lib/millrace, else
 * what the system's loader finds by that name. It starts no thread and keeps no file open;
 * what it has to say goes to our log at debug level. The code stays mapped to the end of the
 * process, where later calls find it. ERROR_CONFIG: there is none, or none that goes with
 * this program; the text says what to do. */
enum error_code onnx_runtime_open(const char *path, struct onnx_runtime **runtime,
                                  struct error *error);
void onnx_runtime_close(
    struct onnx_runtime *runtime); /* behind its sessions; NULL allowed */

/* "1.30.0", and where the file lies. Both live as long as the runtime. */
const char *onnx_runtime_version(const struct onnx_runtime *runtime);
const char *onnx_runtime_path(const struct onnx_runtime *runtime);
/* For the numeric class: "onnxruntime 1.30.0 4f1d09a2", the number standing for how it was
 * built. On CPUs of one level the same name stands for the same results. */
const char *onnx_runtime_name(const struct onnx_runtime *runtime);
/* The name of the one that onnx_runtime_open(NULL) finds, to `name` (size). ERROR_CONFIG. */
enum error_code onnx_runtime_copy_name(char *name, size_t size, struct error *error);

#endif
