/* mask_tokens_parts.h - what the two files of the stage mask_tokens share */
#ifndef STAGES_MASK_TOKENS_PARTS_H
#define STAGES_MASK_TOKENS_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/option.h"
#include "core/stage.h"
#include "stages/kernels/masking.h"
#include "stages/kernels/sentence_pairs.h"

enum mask_task {
    TASK_SEQUENCE,
    TASK_NEXT_SENTENCE, /* from here on: enum pair_task */
    TASK_SENTENCE_ORDER,
    TASK_TWO_SEGMENTS
};
enum mask_choice {
    UNIT_TOKEN,
    UNIT_WORD,
    UNIT_SPAN,
    UNIT_NONE
}; /* enum mask_unit; none */
enum label_form { LABELS_ALIGNED, LABELS_POSITIONS };
enum {
    NO_TOKEN = -1,
    TOKEN_ENDS_SENTENCE = 4 /* beside enum token_flag */
};

struct mask_options {
    const char *column, *vocabulary, *sentences;
    int task, unit, labels;
    int64_t vocabulary_size, mask_token, cls_token, sep_token;
    struct real_list special_tokens, sentence_ends;
    int64_t max_length, copies, seed, max_predictions, max_span;
    double share, mask_share, random_share, short_share;
    bool is_framed, has_spans;
};

struct mask_state {
    struct mask_rule mask;
    struct pair_rule pair;
    unsigned char *flags; /* (mask.vocabulary_size) */
    /* Documents that are held, and whom the records made of them are named after; in an
     * arena of the engine. */
    struct pair_document *documents; /* (capacity) */
    struct made_record *records;     /* (capacity) */
    uint32_t count, capacity, next;
};

/* begin(), process() and flush() of the stage. */
void mask_tokens_begin(struct stage *self);
enum error_code mask_tokens_process(struct stage *self, const struct batch *in,
                                    struct stage_output *output, struct error *error);
enum error_code mask_tokens_flush(struct stage *self, struct stage_output *output,
                                  struct error *error);

#endif
