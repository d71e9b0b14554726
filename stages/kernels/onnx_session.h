/* onnx_session.h - a model in ONNX format, ready to run
 *
 * A session runs in the thread that calls it, one operator after another. Between two runs
 * it holds the weights, the last outputs, and as much room for numbers in between as the
 * largest run took: inputs of bounded size keep it bounded. The same inputs give the same
 * bits on one machine; on another, where the runtime's name and the CPU's level are the
 * same. */
#ifndef STAGES_KERNELS_ONNX_SESSION_H
#define STAGES_KERNELS_ONNX_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct onnx_runtime;
struct onnx_session;

enum onnx_type {
    ONNX_OTHER, /* texts, sequences, more than ONNX_RANK_MAX dimensions: cannot be used */
    ONNX_F32,
    ONNX_F64,
    ONNX_F16, /* as the 16 bits that they are */
    ONNX_U8,
    ONNX_I8,
    ONNX_I32,
    ONNX_I64,
    ONNX_BOOL /* a byte, 0 or 1 */
};
const char *onnx_type_name(enum onnx_type type); /* "f32" */
size_t onnx_type_size(enum onnx_type type);      /* bytes of one; 0 for ONNX_OTHER */

enum { ONNX_RANK_MAX = 8 };

struct onnx_port { /* an input or output as the model declares it */
    const char *name;
    enum onnx_type type;
    size_t rank;                  /* 0: a single number */
    int64_t shape[ONNX_RANK_MAX]; /* -1: any */
};

struct onnx_tensor {
    const char *name;
    enum onnx_type type;
    size_t rank;
    int64_t shape[ONNX_RANK_MAX];
    const void *data; /* (shape), row by row; NULL allowed where it has no element */
    size_t size;      /* bytes */
};

/* Open the model in a file. A file in ORT format stays mapped and must not be written to: if
 * it is large, all processes that have it open share its weights. Weights that a model keeps
 * beside it are found in its folder. ERROR_IO, ERROR_MEMORY; ERROR_CONFIG: it is no model, or
 * this library cannot run it. */
enum error_code onnx_session_open(const struct onnx_runtime *runtime, const char *path,
                                  struct onnx_session **session, struct error *error);
/* The same for a model in memory, which is borrowed until the session is closed; `name`
 * (borrowed for the call) is for messages. */
enum error_code onnx_session_open_bytes(const struct onnx_runtime *runtime,
                                        const char *name, const void *model, size_t size,
                                        struct onnx_session **session,
                                        struct error *error);
void onnx_session_close(struct onnx_session *session); /* NULL is allowed */

/* Write the model, as this library and CPU optimise it, to `target` in ORT format: what a
 * stage's prepare() does once a node, so that its executors map one copy of the weights and
 * open it faster. Results are those of the model itself. Errors as onnx_session_open(). */
enum error_code onnx_model_compile(const struct onnx_runtime *runtime, const char *path,
                                   const char *target, struct error *error);

/* The ports live as long as the session, in the model's order. */
size_t onnx_session_input_count(const struct onnx_session *session);
size_t onnx_session_output_count(const struct onnx_session *session);
const struct onnx_port *onnx_session_input(const struct onnx_session *session, size_t i);
const struct onnx_port *onnx_session_output(const struct onnx_session *session, size_t i);
/* NULL: there is none of that name. */
const struct onnx_port *onnx_session_find_input(const struct onnx_session *session,
                                                const char *name);
const struct onnx_port *onnx_session_find_output(const struct onnx_session *session,
                                                 const char *name);

/* Run the model on `inputs`, one for each of its own, in any order. Of `outputs` (no more
 * than it has) the caller sets the names, the rest is filled in; their data is the session's
 * and lives until the next run, reset or close. ERROR_CONFIG: a name, type or shape that
 * the model does not have, told before anything runs. ERROR_RECORD: the model failed on
 * these numbers. ERROR_MEMORY. */
enum error_code onnx_session_run(struct onnx_session *session,
                                 const struct onnx_tensor *inputs, size_t input_count,
                                 struct onnx_tensor *outputs, size_t output_count,
                                 struct error *error);
void onnx_session_reset(struct onnx_session *session); /* gives the outputs back */

#endif
