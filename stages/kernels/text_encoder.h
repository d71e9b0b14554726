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
    TEXT_BATCH = 256,      /* pieces looked up together */
    TEXT_MISSED_MAX = 768, /* pieces that are merged together */
    TEXT_PARTS_MAX = 1024, /* of missed pieces */
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
    struct piece_key key; /* as above */
    const struct piece_slot *line;
    const unsigned char *piece;
    size_t size;
    uint32_t *ids;
    size_t count;
    bool is_known;                 /* the large table has it */
    size_t first_part, part_count; /* 0: its ids are there */
};

/* A missed piece is cut where no merge reaches across: its parts recur more often. */
struct missed_part {
    struct piece_key key;
    const struct piece_slot *line;
    const unsigned char *piece;
    size_t size;
    uint32_t *ids;
    size_t count;
    struct merge_job *job; /* NULL: it was found */
};

struct text_encoder {
    const struct vocabulary *vocabulary; /* borrowed */
    enum split_pattern pattern;
    struct piece_cache cache; /* lives in the arena given to init */
    /* of the batch in work */
    size_t ends[TEXT_BATCH]; /* as the pattern cuts */
    struct pending_piece pending[TEXT_BATCH];
    /* of some batches */
    struct missed_piece missed[TEXT_MISSED_MAX];
    size_t missed_count;
    struct missed_part parts[TEXT_PARTS_MAX];
    struct merge_job jobs[TEXT_PARTS_MAX];
    size_t part_count, job_count;
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
