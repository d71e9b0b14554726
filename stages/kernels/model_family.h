/* model_family.h - what the models of a family want to be given, and what they give
 *
 * Presets: each part may be overridden by an option of its own. */
#ifndef STAGES_KERNELS_MODEL_FAMILY_H
#define STAGES_KERNELS_MODEL_FAMILY_H

#include <stddef.h>

#include "stages/kernels/fit.h"
#include "stages/kernels/head.h"
#include "stages/kernels/pixel_pack.h"

struct model_family {
    const char *name, *summary;
    const char *head; /* a name of head.h */
    /* Options of the head that differ from its own, or NULL: of a user's kind, as parsed. */
    const struct head_options *options;
    struct fit_rule fit; /* sizes hold where the model's input has none of its own */
    struct pixel_format format;
    float threshold;       /* of scores, as the project's own demonstration has it */
    float merge_threshold; /* of IOU; 0: boxes need no merging */
};

extern const struct model_family model_families[];
extern const size_t model_family_count;

const struct model_family *model_family_find(const char *name); /* NULL: there is none */

#endif
