/* piece_encoder.h - ids of pieces through a cache, a batch at a time
 *
 * As text_encoder.h for pieces that somebody else cuts, and a model that is asked about
 * those that are new. */
#ifndef STAGES_KERNELS_PIECE_ENCODER_H
#define STAGES_KERNELS_PIECE_ENCODER_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_cache.h"

struct arena;

enum { PIECE_BATCH = 256, PIECE_ENCODER_SLACK = 4 /* ids written behind the last */ };

/* The ids of one piece: at most `size` of them, the same whenever it is asked. */
typedef enum error_code (*piece_function)(void *context, const unsigned char *piece,
                                          size_t size, struct arena *scratch,
                                          uint32_t *ids, size_t *count,
                                          struct error *error);

struct piece_encoder {
    struct piece_cache cache; /* lives in the arena given to its init */
    piece_function encode;
    void *context; /* borrowed */
    /* of the batch in work */
    struct piece_key keys[PIECE_BATCH];
    size_t slots[PIECE_BATCH];
};

/* The ids of the pieces that end at `ends` (count <= PIECE_BATCH, none empty), the first
 * of which begins at `begin`, to *ids, which is moved on. At most a byte an id, and
 * PIECE_ENCODER_SLACK. */
enum error_code piece_encoder_run(struct piece_encoder *encoder,
                                  const unsigned char *text, size_t size, size_t begin,
                                  const size_t *ends, size_t count, struct arena *scratch,
                                  uint32_t **ids, struct error *error);

#endif
