/* instances.h - instances of masked language models, side by side while they are made */
#ifndef STAGES_KERNELS_INSTANCES_H
#define STAGES_KERNELS_INSTANCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/masking.h"

struct arena;

/* What there is of an instance beside its tokens. */
struct instance_form {
    bool has_segments, has_masks;
    bool is_aligned; /* labels; else mask_positions and mask_labels */
    bool has_spans;
};

/* In the place of tokens that are not to be guessed: -100 as a signed number. */
enum { NO_LABEL_BELOW_ZERO = 100 };

/* Lists of a row i are [offsets[i], offsets[i + 1]). Those that the form lacks are empty. */
struct instances {
    struct instance_form form;
    uint32_t count;
    uint64_t *offsets; /* (capacity + 1) of the three that follow */
    uint32_t *tokens, *segments, *labels;
    uint64_t *label_offsets; /* (capacity + 1) of the two that follow */
    uint32_t *mask_positions, *mask_labels;
    uint64_t *span_offsets;   /* (capacity + 1) */
    uint32_t *spans;          /* begin and end of each stretch to be guessed */
    unsigned char *bits;      /* bitmap: the answer about a pair of segments */
    uint32_t *work;           /* (2, longest) */
    unsigned char *is_chosen; /* (longest) */
};

/* Room for so many instances with so many tokens together; `longest` bounds one. Results
 * live in `arena`, the rest in `scratch`. False: no memory. */
bool instances_begin(const struct instance_form *form, struct arena *arena,
                     struct arena *scratch, uint32_t capacity, size_t tokens,
                     size_t longest, struct instances *made);
/* The next instance has `size` tokens, which stand at made->tokens + made->offsets[count],
 * its segments likewise. Not masked. */
void instances_add(struct instances *made, uint32_t size);
/* Mask the one added last, and say what was there. */
void instances_mask(struct instances *made, const struct mask_rule *rule,
                    struct random_stream *stream);

#endif
