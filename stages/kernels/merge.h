/* merge.h - byte-pair merging of one piece: lowest rank first, leftmost among equals
 *
 * All functions give the same ids. `ids` holds room for `size` of them; sizes are >= 1. */
#ifndef STAGES_KERNELS_MERGE_H
#define STAGES_KERNELS_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct vocabulary;

enum { MERGE_SHORT_MAX = 64, MERGE_TINY_MAX = 32 };

struct merge_job {
    const unsigned char *piece; /* (size) */
    size_t size;                /* 1 to MERGE_TINY_MAX */
    uint32_t *ids;              /* room for `size` */
    size_t count;               /* set */
};

/* merge_short() of many pieces side by side: what one waits for from memory is hidden
 * behind the others. */
void merge_jobs(const struct vocabulary *vocabulary, struct merge_job *jobs,
                size_t count);

/* Scan for the lowest rank, quadratic in `size` <= MERGE_SHORT_MAX. Returns the count. */
size_t merge_short(const struct vocabulary *vocabulary, const unsigned char *piece,
                   size_t size, uint32_t *ids);

/* With a heap, O(n log n), 40 bytes of `scratch` a byte. For pieces that a vocabulary
 * is not ordered in, and while one is built. ERROR_MEMORY. */
enum error_code merge_heap(const struct vocabulary *vocabulary,
                           const unsigned char *piece, size_t size, struct arena *scratch,
                           uint32_t *ids, size_t *count, struct error *error);

/* Longest tokens first, going back where two neighbours could not stand side by side:
 * linear, a bit of `scratch` a byte. Only where vocabulary_is_ordered_in() the piece.
 * ERROR_MEMORY. */
enum error_code merge_linear(const struct vocabulary *vocabulary,
                             const unsigned char *piece, size_t size,
                             struct arena *scratch, uint32_t *ids, size_t *count,
                             struct error *error);

/* Whichever of these is best; a piece that is a token as a whole is that token, even one
 * that merging does not make. */
enum error_code merge_piece(const struct vocabulary *vocabulary,
                            const unsigned char *piece, size_t size,
                            struct arena *scratch, uint32_t *ids, size_t *count,
                            struct error *error);

#endif
