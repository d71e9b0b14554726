/* picture_stats.c - how bright, how varied and how sharp a picture is */
#include "stages/kernels/picture_stats.h"

#include <math.h>

void picture_sums_add(struct picture_sums *sums, const unsigned char *above,
                      const unsigned char *row, const unsigned char *below,
                      uint32_t width)
{
    uint64_t sum = 0, squares = 0, edge_squares = 0;
    int64_t edges = 0;
    for (uint32_t x = 0; x < width; x++) {
        uint32_t left = x > 0 ? x - 1 : width > 1 ? 1 : 0;
        uint32_t right = x + 1 < width ? x + 1 : width > 1 ? width - 2 : 0;
        int32_t value = row[x];
        int32_t edge = above[x] + below[x] + row[left] + row[right] - 4 * value;
        sum += (uint64_t)value;
        squares += (uint64_t)(value * value);
        edges += edge;
        edge_squares += (uint64_t)(edge * edge);
    }
    sums->pixels += width;
    sums->sum += sum;
    sums->squares += squares;
    sums->edge += edges;
    sums->edge_squares += edge_squares;
}

static double variance(double sum, double squares, double count)
{
    double mean = sum / count, value = squares / count - mean * mean;
    return value > 0 ? value : 0;
}

struct picture_stats picture_stats_of(const struct picture_sums *sums)
{
    double count = (double)sums->pixels;
    return (struct picture_stats){
        .brightness = (double)sums->sum / count,
        .contrast = sqrt(variance((double)sums->sum, (double)sums->squares, count)),
        .sharpness = variance((double)sums->edge, (double)sums->edge_squares, count)};
}
