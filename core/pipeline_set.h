/* pipeline_set.h - change a pipeline's tree by PATH=VALUE texts */
#ifndef CORE_PIPELINE_SET_H
#define CORE_PIPELINE_SET_H

#include "core/diagnostics.h"
#include "core/yaml.h"

struct arena;

/* The tree with the value at PATH put in place of what stood there; maps on the way are
 * made where they are missing. Names are separated by dots, list items go by number, and
 * a stage by number and name: "stages.0.tokenize.pattern=r50k". The value is YAML on one
 * line. Places are in the file "--set", columns count from the P of PATH. `root` stays
 * as it was and is shared. NULL: reported. */
const struct yaml_node *pipeline_set(const struct yaml_node *root, const char *set,
                                     struct arena *arena,
                                     struct diagnostics *diagnostics);

#endif
