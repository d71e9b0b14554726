/* onnx_library.h - for tests: ONNX Runtime, where it has been fetched */
#ifndef TESTS_ONNX_LIBRARY_H
#define TESTS_ONNX_LIBRARY_H

#include <stdlib.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "stages/kernels/onnx_runtime.h"

/* What MILLRACE_ONNXRUNTIME names, or else what pipelines/prepare_onnxruntime fetched; ""
 * where there is neither. */
static inline const char *onnx_library_path(void)
{
    static const char fetched[] = "data/libonnxruntime.so.1";
    const char *wanted = getenv("MILLRACE_ONNXRUNTIME");
    if (wanted && *wanted)
        return wanted;
    return access(fetched, R_OK) == 0 ? fetched : "";
}

/* The test is skipped where there is none; else stages find it. */
static inline void need_onnx_library(void)
{
    if (!*onnx_library_path()) {
        print_message("ONNX Runtime is not here: pipelines/prepare_onnxruntime data\n");
        skip();
    }
    assert_int_equal(setenv("MILLRACE_ONNXRUNTIME", onnx_library_path(), 1), 0);
}

/* When it is opened first, the library takes 14 bytes that it never gives back. What it
 * takes for us is looked at: a group's setup that opens it unwatched. */
static inline int open_onnx_library_first(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = NULL;
    struct error error;
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
    if (*onnx_library_path() &&
        onnx_runtime_open(onnx_library_path(), &runtime, &error) == OK)
        onnx_runtime_close(runtime);
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
    return 0;
}

#endif
