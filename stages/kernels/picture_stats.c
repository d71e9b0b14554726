/* picture_stats.c - how bright, how varied and how sharp a picture is */
#include "stages/kernels/picture_stats.h"

#include <math.h>

enum { BLOCK = 4096 }; /* pixels whose squares fit into 32 bits in sum */

/* Pixels [begin, end), which have neighbours on both sides. */
static void add_inner(struct picture_sums *sums, const unsigned char *above,
                      const unsigned char *row, const unsigned char *below,
                      uint32_t begin, uint32_t end)
{
    while (begin < end) {
        uint32_t stop = end - begin < BLOCK ? end : begin + BLOCK;
        uint32_t sum = 0, squares = 0, edge_squares = 0;
        int32_t edges = 0;
        for (; begin < stop; begin++) {
            int32_t value = row[begin];
            int32_t edge =
                above[begin] + below[begin] + row[begin - 1] + row[begin + 1] - 4 * value;
            sum += (uint32_t)value;
            squares += (uint32_t)(value * value);
            edges += edge;
            edge_squares += (uint32_t)(edge * edge);
        }
        sums->sum += sum;
        sums->squares += squares;
        sums->edge += edges;
        sums->edge_squares += edge_squares;
    }
}

void picture_sums_add(struct picture_sums *sums, const unsigned char *above,
                      const unsigned char *row, const unsigned char *below,
                      uint32_t width)
{
    uint32_t last = width - 1;
    sums->pixels += width;
    if (width > 2)
        add_inner(sums, above, row, below, 1, last);
    for (uint32_t side = 0; side < (width > 1 ? 2 : 1); side++) {
        uint32_t x = side ? last : 0;
        uint32_t inner = width == 1 ? 0 : side ? last - 1 : 1;
        int32_t value = row[x];
        int32_t edge = above[x] + below[x] + 2 * row[inner] - 4 * value;
        sums->sum += (uint32_t)value;
        sums->squares += (uint32_t)(value * value);
        sums->edge += edge;
        sums->edge_squares += (uint32_t)(edge * edge);
    }
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
