/* pair_trainer.h - merge the most frequent pair of tokens, again and again
 *
 * Which pair is next: the one with the higher count, then the smaller left id, then the
 * smaller right id, as Hugging Face's trainer has it. Occurrences are merged from the left;
 * counts are of adjacent tokens, so that "aaa" has the pair (a, a) twice.
 *
 * A text is made by one pair alone, since what stands between two bounds that no merge has
 * crossed is merged the same way everywhere. Where the joined text is a token all the same,
 * a special one or one with another prefix, the pair is passed over. */
#ifndef STAGES_KERNELS_PAIR_TRAINER_H
#define STAGES_KERNELS_PAIR_TRAINER_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;
struct trainer_tokens;

#define PAIR_BREAK UINT32_MAX /* in place of a token: nothing is merged across */

struct pair_unit {
    uint32_t token, word;
};

struct pair_task {
    /* (unit_count): the words' first tokens, one unit each, PAIR_BREAK before the first
     * word, between words and behind the last. Changed by training. */
    struct pair_unit *units;
    size_t unit_count;             /* less than 2^32 - 1 */
    const uint64_t *counts;        /* of the words */
    struct trainer_tokens *tokens; /* those the units hold, and others; grows up to its
                                    * capacity */
    uint64_t min_frequency;        /* at least 1 */
    uint32_t length_max;           /* of a token, in units */
    uint32_t
        known_pairs; /* about how many pairs to look after at a time; 0: a good number.
                           * It does not show in the result */
    struct byte_range continuing; /* taken off the right text before it is joined */
};

/* Make tokens until there is no room or no pair. The merges are in the arena.
 * ERROR_MEMORY. */
enum error_code pair_trainer_run(const struct pair_task *task, struct arena *arena,
                                 const struct spec_merge **merges, uint32_t *merge_count,
                                 struct error *error);

#endif
