/* unigram_trainer.h - SentencePiece's Unigram vocabularies */
#ifndef STAGES_KERNELS_UNIGRAM_TRAINER_H
#define STAGES_KERNELS_UNIGRAM_TRAINER_H

#include "stages/kernels/trainer.h"

/* trainer_train() for TRAINER_UNIGRAM; the options are checked but for the size of the
 * vocabulary. */
enum error_code unigram_trainer_run(const struct piece_table *table,
                                    const struct trainer_options *options,
                                    struct arena *arena, struct trained *trained,
                                    struct error *error);

#endif
