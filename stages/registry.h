/* registry.h - the table of all stages */
#ifndef STAGES_REGISTRY_H
#define STAGES_REGISTRY_H

#include "core/stage.h"

extern const struct stage_type *const stage_types[];   /* NULL-terminated */
const struct stage_type *stage_find(const char *name); /* NULL: no such stage */

#endif
