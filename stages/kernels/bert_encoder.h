/* bert_encoder.h - BERT's normalizer, its splitter and WordPiece in one pass
 *
 * Equal in result to normalizer_run(), splitter_run() and model_wordpiece one after
 * another; for text to ids without offsets. */
#ifndef STAGES_KERNELS_BERT_ENCODER_H
#define STAGES_KERNELS_BERT_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bert_encoder; /* in the arena given to open */
struct bytes;
struct tokenizer_spec;

enum { BERT_ENCODER_SLACK = 4 }; /* ids that may be written behind the last one */

/* Is that what the tokenizer does: one BertNormalizer that cleans, one BertPreTokenizer,
 * WordPiece? Added tokens are the caller's matter. */
bool bert_encoder_fits(const struct tokenizer_spec *spec);

/* For a specification that fits. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code bert_encoder_build(const struct tokenizer_spec *spec, struct arena *work,
                                   struct bytes *image, struct error *error);
/* `image` is borrowed until the end of `run`, where the cache lives. ERROR_DAMAGED,
 * ERROR_MEMORY. */
enum error_code bert_encoder_open(const void *image, size_t size, struct arena *run,
                                  struct bert_encoder **encoder, struct error *error);

/* Tokenize any bytes. `ids` has room for `size` + BERT_ENCODER_SLACK. ERROR_RECORD: 1 GiB of
 * text or more; ERROR_MEMORY. */
enum error_code bert_encoder_run(struct bert_encoder *encoder, const unsigned char *text,
                                 size_t size, struct arena *scratch, uint32_t *ids,
                                 size_t *count, struct error *error);

#endif
