/* box_tiles.h - where tiles lie, and which boxes of a tile or a scale count
 *
 * Tiles as get_slice_bboxes of sahi/slicing.py places them: row by row from the upper
 * left, each a step of its size less the overlap from the one before; the last of a row
 * and of a column is moved back so that it ends with the image. */
#ifndef STAGES_KERNELS_BOX_TILES_H
#define STAGES_KERNELS_BOX_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "stages/kernels/box.h"

/* In pixels: [x1, x2) by [y1, y2). */
struct tile {
    uint32_t x1, y1, x2, y2;
};

struct tile_rule {
    uint32_t width, height;        /* of a tile, at least 1 */
    uint32_t overlap_x, overlap_y; /* pixels, less than the tile's size */
};

/* The overlaps as parts of the size, 0 <= ratio < 1, cut to whole pixels. False: a size
 * is 0 or a ratio is none. */
bool tile_rule_set(uint32_t width, uint32_t height, double ratio_x, double ratio_y,
                   struct tile_rule *rule);

/* A rule by the size of the image: get_auto_slice_params of sahi/slicing.py, under which
 * images of up to 2^19 pixels are one tile. (An overlap may then be as large as the
 * tile.) */
void tile_rule_choose(uint32_t image_width, uint32_t image_height,
                      struct tile_rule *rule);

/* Goes through the tiles one after another. */
struct tile_walk {
    struct tile_rule rule;
    uint32_t image_width, image_height;
    uint64_t x, y; /* where the next one would begin */
    bool is_done;
};

void tile_walk_begin(struct tile_walk *walk, const struct tile_rule *rule,
                     uint32_t image_width, uint32_t image_height);
/* False: there is none left. An image without pixels has none. */
bool tile_walk_next(struct tile_walk *walk, struct tile *tile);

/* Is the box, in pixels of the image, likely to be a part of something that the tile's
 * edge cuts: is a side of it nearer than `margin` to a side of the tile (or beyond) that
 * lies inside the image? Whoever leaves those out needs no merging of tiles, as long as
 * they overlap by more than the objects are large (Najibi et al., "AutoFocus", ICCV
 * 2019; the margin of its check_valid is 10). */
bool box_is_cut(const struct box *box, const struct tile *tile, uint32_t image_width,
                uint32_t image_height, float margin);

/* Has the box the size that is to be found at a scale: least^2 < area <= most^2? A bound
 * of 0 or less is none. (Singh and Davis, SNIP, CVPR 2018, as Tester.aggregate of
 * SNIPER's lib/inference.py, which keeps all boxes of a scale where none is valid: this
 * does not.) */
bool box_is_in_range(const struct box *box, double least, double most);

#endif
