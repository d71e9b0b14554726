/* model_bundle.h - the models of a stage in one file, compiled for this machine
 *
 * What a stage's prepare() writes once a node and its executors map read-only, so that all
 * share one copy of the weights. Of one version of the library on one machine. */
#ifndef STAGES_KERNELS_MODEL_BUNDLE_H
#define STAGES_KERNELS_MODEL_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct onnx_runtime;
struct onnx_session;

enum { BUNDLE_MODELS_MAX = 4, BUNDLE_NOTES = 4 };

/* Compile models (count) and write them to `target`, with numbers that the stage wants back.
 * ERROR_IO, ERROR_FULL, ERROR_MEMORY; ERROR_CONFIG: one is no model. */
enum error_code model_bundle_write(const struct onnx_runtime *runtime,
                                   const char *const *paths, size_t count,
                                   const uint64_t notes[BUNDLE_NOTES], const char *target,
                                   struct error *error);

/* Open model `i` of a bundle (size), which is borrowed until the session is closed; `name` is
 * for messages. ERROR_DAMAGED: it is none, or of another version of the library; else as
 * onnx_session_open_bytes(). */
enum error_code model_bundle_open(const struct onnx_runtime *runtime, const void *bundle,
                                  size_t size, size_t i, const char *name,
                                  struct onnx_session **session, struct error *error);

/* The notes of a bundle that could be opened. */
uint64_t model_bundle_note(const void *bundle, size_t i);

#endif
