/* special_token.h - the named special tokens of the published byte-pair tokenizers */
#ifndef STAGES_KERNELS_SPECIAL_TOKEN_H
#define STAGES_KERNELS_SPECIAL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/split.h"

struct special_token {
    size_t begin, end; /* in the text */
    uint32_t id;
};

/* The first special token of the pattern's tokenizer in text[from ... size). None is the
 * beginning of another, so at most one begins at a place. False: there is none. */
bool special_token_find(enum split_pattern pattern, const unsigned char *text,
                        size_t size, size_t from, struct special_token *found);

/* Is the id that of a special token? */
bool special_token_has_id(enum split_pattern pattern, uint32_t id);

struct special_token_text {
    char text[64]; /* with a zero behind it */
    uint32_t id;
};

/* The special tokens of a pattern's tokenizer, one after another from index 0. False:
 * there are no more. */
bool special_token_list(enum split_pattern pattern, size_t index,
                        struct special_token_text *token);

#endif
