/* input_check.h - tell every pattern of a pipeline's inputs that is wrong */
#ifndef COMMANDS_INPUT_CHECK_H
#define COMMANDS_INPUT_CHECK_H

#include <stdbool.h>

#include "core/diagnostics.h"
#include "core/manifest.h"
#include "core/pipeline.h"

/* As manifest_build() for a phase that reads files, but where that fails, every pattern
 * that is wrong by itself is reported at its own place, not the first alone. False:
 * reported. */
bool input_check_build(const struct pipeline *pipeline, const struct phase_spec *phase,
                       struct arena *arena, struct manifest *manifest,
                       struct diagnostics *diagnostics);

#endif
