/* registry.c - the table of all stages */
#include "stages/registry.h"

#include <string.h>

#define STAGE(name) extern const struct stage_type stage_##name;
#include "stages/stages.def"
#ifdef MILLRACE_TEST_STAGES
STAGE(poison)
STAGE(count_words)
STAGE(with_library)
#endif
#undef STAGE

const struct stage_type *const stage_types[] = {
#define STAGE(name) &stage_##name,
#include "stages/stages.def"
#ifdef MILLRACE_TEST_STAGES
    STAGE(poison) STAGE(count_words) STAGE(with_library)
#endif
#undef STAGE
        NULL};

const struct stage_type *stage_find(const char *name)
{
    for (size_t i = 0; stage_types[i]; i++)
        if (strcmp(stage_types[i]->name, name) == 0)
            return stage_types[i];
    return NULL;
}
