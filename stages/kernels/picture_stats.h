/* picture_stats.h - how bright, how varied and how sharp a picture is */
#ifndef STAGES_KERNELS_PICTURE_STATS_H
#define STAGES_KERNELS_PICTURE_STATS_H

#include <stdint.h>

/* Sums over a picture of luma, in whole numbers; {0} to begin. */
struct picture_sums {
    uint64_t pixels, sum, squares; /* of the values */
    int64_t edge; /* of the Laplacian: four neighbours less four times it */
    uint64_t edge_squares;
};

/* Add row `row`; those above and below it count as neighbours, and beyond a border the row
 * or pixel on the other side of the outermost one (it itself where there is none). */
void picture_sums_add(struct picture_sums *sums, const unsigned char *above,
                      const unsigned char *row, const unsigned char *below,
                      uint32_t width);

/* Mean and standard deviation of the values, and the variance of the Laplacian. */
struct picture_stats {
    double brightness, contrast, sharpness;
};
struct picture_stats picture_stats_of(const struct picture_sums *sums);

#endif
