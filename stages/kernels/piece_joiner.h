/* piece_joiner.h - matches and what lies between them into pieces, by a split's behaviour */
#ifndef STAGES_KERNELS_PIECE_JOINER_H
#define STAGES_KERNELS_PIECE_JOINER_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_spec.h"

struct piece_joiner {
    enum split_behavior behavior;
    bool is_inverted;    /* matches count as what lies between, and that as matches */
    struct piece *items; /* room for as many as the text has bytes */
    size_t count;
    struct piece last; /* what may still grow */
    bool has_last, was_match;
};

/* Out of the way what no later part can join. */
static inline void piece_joiner_flush(struct piece_joiner *joiner)
{
    if (joiner->has_last && joiner->last.end > joiner->last.begin)
        joiner->items[joiner->count++] = joiner->last;
    joiner->has_last = joiner->was_match = false;
}

/* The next stretch of a part, adjacent to the one before; it may be empty. A part begins
 * after a flush and ends with one. Rules: NormalizedString::split of Hugging Face. */
static inline void piece_joiner_put(struct piece_joiner *joiner, size_t begin, size_t end,
                                    bool is_match)
{
    is_match ^= joiner->is_inverted;
    bool joins = false;
    switch (joiner->behavior) {
    case BEHAVIOR_REMOVED:
        if (is_match)
            return;
        break;
    case BEHAVIOR_ISOLATED:
        break;
    case BEHAVIOR_MERGED_WITH_PREVIOUS:
        joins = is_match && !joiner->was_match;
        break;
    case BEHAVIOR_MERGED_WITH_NEXT:
        joins = joiner->was_match && !is_match;
        break;
    case BEHAVIOR_CONTIGUOUS:
        joins = is_match == joiner->was_match;
        break;
    }
    if (joins && joiner->has_last) {
        joiner->last.end = (uint32_t)end;
    } else {
        piece_joiner_flush(joiner);
        joiner->last = (struct piece){(uint32_t)begin, (uint32_t)end};
        joiner->has_last = true;
    }
    joiner->was_match = is_match;
}

#endif
