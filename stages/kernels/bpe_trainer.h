/* bpe_trainer.h - byte-pair vocabularies: of bytes, of characters, WordPiece */
#ifndef STAGES_KERNELS_BPE_TRAINER_H
#define STAGES_KERNELS_BPE_TRAINER_H

#include "stages/kernels/trainer.h"

/* trainer_train() for the kinds that merge pairs; the options are checked but for the
 * size of the vocabulary. */
enum error_code bpe_trainer_run(const struct piece_table *table,
                                const struct trainer_options *options,
                                struct arena *arena, struct trained *trained,
                                struct error *error);

/* What every vocabulary of SentencePiece begins with: <unk>, <s>, </s>, control pieces
 * and, with byte fallback, the bytes. False: no memory. */
struct trainer_tokens;
bool trainer_put_controls(const struct trainer_options *options,
                          struct trainer_tokens *tokens);

#endif
