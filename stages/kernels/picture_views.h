/* picture_views.h - one pass over a picture, many looks at it
 *
 * Rows of a picture go in from the top. Out come tiles of it at several scales, or the whole
 * in another size as one tile, each as soon as its last row is there. What is held of a level
 * is one row of its tiles, however high the picture is. */
#ifndef STAGES_KERNELS_PICTURE_VIEWS_H
#define STAGES_KERNELS_PICTURE_VIEWS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/box_tiles.h"
#include "stages/kernels/resample.h"

/* The picture in one size. Sizes are at least 1. */
struct view_level {
    uint32_t width, height;
    struct tile_rule rule; /* a tile at least as large as the level: the whole is one */
};

struct view {
    size_t level; /* its number */
    struct tile tile;
    const unsigned char *pixels; /* (y2 - y1, x2 - x1, 3) of the tile, borrowed */
    size_t stride;               /* bytes from row to row */
};

/* Called for each view, rows of tiles from the top, tiles from the left; those of different
 * levels by which is there first. What it returns but OK ends the pass. */
typedef enum error_code view_visitor(void *context, const struct view *view,
                                     struct error *error);

struct picture_views; /* heap object */

/* For pictures (from_height, from_width, 3). The levels are copied. NULL: no memory. */
struct picture_views *picture_views_create(uint32_t from_width, uint32_t from_height,
                                           const struct view_level *levels, size_t count,
                                           enum resample_filter filter);
void picture_views_destroy(struct picture_views *views); /* NULL is allowed */
/* Bytes that it takes, near enough. */
uint64_t picture_views_bytes(uint32_t from_width, uint32_t from_height,
                             const struct view_level *levels, size_t count,
                             enum resample_filter filter);

/* The next rows (count) of the picture, `stride` bytes apart. */
enum error_code picture_views_push(struct picture_views *views, const unsigned char *rows,
                                   size_t stride, uint32_t count, view_visitor *visit,
                                   void *context, struct error *error);

#endif
