/* trainer_stage.h - what the stages that train a tokenizer share */
#ifndef STAGES_TRAINER_STAGE_H
#define STAGES_TRAINER_STAGE_H

#include <stdint.h>

#include "core/option.h"
#include "core/stage.h"
#include "stages/kernels/piece_table.h"
#include "stages/kernels/trainer.h"
#include "stages/kernels/trainer_file.h"

/* The first member of the state of each of these stages. */
struct trainer_state {
    struct piece_table *table; /* owned; NULL until begin() */
    struct piece_table_options options;
};

/* Options that all of them have, as the first member of their own. */
struct trainer_common {
    int64_t vocabulary_size;
    struct text_list special;
    uint64_t memory;
};
/* Their rows of the option table. A saved table is smaller than its limit of memory. */
#define TRAINER_COMMON_OPTIONS(special_initial, special_help)                   \
    {.name = "vocabulary_size",                                                 \
     .type = OPTION_INT,                                                        \
     .offset = offsetof(struct trainer_common, vocabulary_size),                \
     .initial = "32000",                                                        \
     .min = 1,                                                                  \
     .max = 16777216,                                                           \
     .help = "Tokens in all, special ones and the alphabet included"},          \
        {.name = "special",                                                     \
         .type = OPTION_TEXT_LIST,                                              \
         .offset = offsetof(struct trainer_common, special),                    \
         .initial = (special_initial),                                          \
         .help = (special_help)},                                               \
    {                                                                           \
        .name = "memory", .type = OPTION_SIZE,                                  \
        .offset = offsetof(struct trainer_common, memory), .initial = "256MiB", \
        .min = 65536, .max = FIT_STATE_MAX,                                     \
        .help = "What distinct words may take, at a word's size and 48 bytes "  \
                "each; beyond it, texts are sampled by their hash"              \
    }

/* plan(): there must be texts. Refuses special tokens that are empty or stand twice. */
enum error_code trainer_stage_plan(const struct trainer_common *common,
                                   const struct schema *schema,
                                   const struct stage_place *place, const char *stage,
                                   struct error *error);

/* Entries of struct stage and struct stage_fit; state->options must be set by open(). */
void trainer_stage_close(struct stage *self);
enum error_code trainer_stage_begin(struct stage *self, struct error *error);
enum error_code trainer_stage_process(struct stage *self, const struct batch *in,
                                      struct stage_output *output, struct error *error);
enum error_code trainer_stage_save(struct stage *self, struct bytes *state,
                                   struct error *error);
enum error_code trainer_stage_merge(struct stage *self, const void *state, size_t size,
                                    struct error *error);

/* Train on the table and write `folder`/`name`. The special tokens of `options` are those
 * of `common`. */
enum error_code trainer_stage_finish(struct stage *self,
                                     const struct trainer_common *common,
                                     const struct trainer_options *options,
                                     enum trainer_format format, const char *folder,
                                     const char *name, struct error *error);

#endif
