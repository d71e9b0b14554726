/* text_encoder.h - text to token ids: split, look up, merge what is new */
#ifndef STAGES_KERNELS_TEXT_ENCODER_H
#define STAGES_KERNELS_TEXT_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_cache.h"
#include "stages/kernels/split.h"

struct arena;
struct vocabulary;

enum {
    TEXT_BATCH = 256,      /* pieces worked on together */
    TEXT_ENCODER_SLACK = 4 /* ids that may be written behind the last one */
};

struct text_encoder {
    const struct vocabulary *vocabulary; /* borrowed */
    enum split_pattern pattern;
    struct piece_cache cache; /* lives in the arena given to init */
    /* of the batch in work */
    size_t pieces[TEXT_BATCH]; /* ends, as the pattern cuts */
    size_t ends[TEXT_BATCH]; /* the same with longer pieces cut where no merge reaches */
    struct piece_key keys[TEXT_BATCH];
    size_t slots[TEXT_BATCH];
};

/* ERROR_MEMORY. `vocabulary` is borrowed for as long as the encoder is used. */
enum error_code text_encoder_init(struct text_encoder *encoder,
                                  const struct vocabulary *vocabulary,
                                  enum split_pattern pattern, struct arena *arena,
                                  struct error *error);

/* The ids of `text`, special tokens being text, to `ids`: room for
 * size + TEXT_ENCODER_SLACK. Any bytes are allowed. ERROR_MEMORY from `scratch`. */
enum error_code text_encoder_run(struct text_encoder *encoder, const unsigned char *text,
                                 size_t size, struct arena *scratch, uint32_t *ids,
                                 size_t *count, struct error *error);

#endif
