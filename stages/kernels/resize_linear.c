/* resize_linear.c - OpenCV's bilinear resize of 8-bit pictures, bit for bit */
#include <math.h>
#include <string.h>

#include "stages/kernels/resample.h"

enum { FRACTION = 11, ONE = 1 << FRACTION };

/* Two neighbours and their weights, which are one in sum. */
struct pair {
    uint32_t first, second;
    int32_t weights[2];
};

/* Half to even, as the conversion of a CPU does. */
static int32_t to_fixed(float value)
{
    return (int32_t)lrintf(value * ONE);
}

static uint32_t inside(int64_t place, uint32_t size)
{
    return place < 0 ? 0 : place >= (int64_t)size ? size - 1 : (uint32_t)place;
}

/* Beyond the border lies the outermost pixel. Across, all weight goes to one of the two then;
 * down it stays divided, and the rounding shows it. */
static struct pair find_pair(uint32_t at, uint32_t from, uint32_t to, bool is_across)
{
    double scale = 1.0 / ((double)to / from);
    float place = (float)((at + 0.5) * scale - 0.5);
    int64_t whole = (int64_t)place;
    if ((float)whole > place)
        whole--;
    float part = place - (float)whole;
    if (is_across && (whole < 0 || whole >= (int64_t)from - 1))
        part = 0;
    return (struct pair){inside(whole, from),
                         inside(whole + (whole >= 0 || !is_across), from),
                         {to_fixed(1.0F - part), to_fixed(part)}};
}

static void across(const unsigned char *row, const struct pair *pairs, uint32_t width,
                   uint32_t channels, int32_t *out)
{
    for (uint32_t x = 0; x < width; x++) {
        const unsigned char *first = row + (size_t)pairs[x].first * channels;
        const unsigned char *second = row + (size_t)pairs[x].second * channels;
        for (uint32_t c = 0; c < channels; c++)
            *out++ = first[c] * pairs[x].weights[0] + second[c] * pairs[x].weights[1];
    }
}

static void halve(const unsigned char *from, size_t from_stride, uint32_t channels,
                  unsigned char *to, uint32_t width, uint32_t height, size_t to_stride)
{
    for (uint32_t y = 0; y < height; y++) {
        const unsigned char *upper = from + 2 * (size_t)y * from_stride;
        const unsigned char *lower = upper + from_stride;
        unsigned char *out = to + y * to_stride;
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < channels; c++) {
                size_t left = 2 * (size_t)x * channels + c, right = left + channels;
                *out++ = (unsigned char)((upper[left] + upper[right] + lower[left] +
                                          lower[right] + 2) >>
                                         2);
            }
    }
}

size_t resize_linear_room(uint32_t to_width, uint32_t channels)
{
    return to_width * (sizeof(struct pair) + 2 * (size_t)channels * sizeof(int32_t));
}

void resize_linear(const unsigned char *from, uint32_t from_width, uint32_t from_height,
                   size_t from_stride, uint32_t channels, unsigned char *to,
                   uint32_t to_width, uint32_t to_height, size_t to_stride, void *room)
{
    if (from_width == 2 * (uint64_t)to_width && from_height == 2 * (uint64_t)to_height) {
        halve(from, from_stride, channels, to, to_width, to_height, to_stride);
        return;
    }
    size_t row_size = (size_t)to_width * channels;
    struct pair *pairs = room;
    int32_t *rows[2] = {(int32_t *)(void *)(pairs + to_width), NULL};
    uint32_t held[2] = {UINT32_MAX, UINT32_MAX}; /* which input row each of them has */
    rows[1] = rows[0] + row_size;
    for (uint32_t x = 0; x < to_width; x++)
        pairs[x] = find_pair(x, from_width, to_width, true);
    for (uint32_t y = 0; y < to_height; y++) {
        struct pair pair = find_pair(y, from_height, to_height, false);
        uint32_t wanted[2] = {pair.first, pair.second};
        if (held[1] == wanted[0] && held[0] != wanted[0]) {
            int32_t *moved = rows[0];
            rows[0] = rows[1];
            rows[1] = moved;
            held[1] = held[0];
            held[0] = wanted[0];
        }
        for (int i = 0; i < 2; i++)
            if (held[i] != wanted[i]) {
                across(from + wanted[i] * from_stride, pairs, to_width, channels,
                       rows[i]);
                held[i] = wanted[i];
            }
        unsigned char *out = to + y * to_stride;
        for (size_t x = 0; x < row_size; x++)
            out[x] =
                (unsigned char)((((pair.weights[0] * (rows[0][x] >> 4)) >> 16) +
                                 ((pair.weights[1] * (rows[1][x] >> 4)) >> 16) + 2) >>
                                2);
    }
}
