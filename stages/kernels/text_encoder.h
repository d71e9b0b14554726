/* text_encoder.h - text to token ids: split, look up, merge what is new */
#ifndef STAGES_KERNELS_TEXT_ENCODER_H
#define STAGES_KERNELS_TEXT_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/piece_cache.h"
#include "stages/kernels/split.h"

struct arena;
struct vocabulary;

enum {
    TEXT_BATCH = 256,      /* pieces worked on together */
    TEXT_ENCODER_SLACK = 4 /* ids that may be written behind the last one */
};

/* A piece that is being looked up. */
struct pending_piece {
    struct piece_key key; /* high 0: the piece is too long for one */
    const struct piece_slot *line;
    size_t end; /* in the text */
};

/* A piece whose ids are not in its cache line: they are written later, at `ids`, where
 * there is room for as many as the piece has bytes. */
struct missed_piece {
    const struct pending_piece *pending;
    const unsigned char *piece;
    size_t size;
    uint32_t *ids;
    size_t count;
    uint64_t hash; /* vocabulary_hash() */
    bool is_known; /* the large table has it */
};

struct text_encoder {
    const struct vocabulary *vocabulary; /* borrowed */
    enum split_pattern pattern;
    struct piece_cache cache; /* lives in the arena given to init */
    /* of the batch in work */
    size_t ends[TEXT_BATCH];                  /* as the pattern cuts */
    struct pending_piece pending[TEXT_BATCH]; /* longer pieces are cut where no merge
                                               * reaches */
    struct missed_piece missed[TEXT_BATCH];
    struct merge_job jobs[TEXT_BATCH];
    struct missed_piece *merged[TEXT_BATCH]; /* whose job it is */
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
