/* resample.h - change the size of pictures, row by row, with the same bits everywhere */
#ifndef STAGES_KERNELS_RESAMPLE_H
#define STAGES_KERNELS_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All but RESAMPLE_AREA are Pillow's filters of these names, widened when a picture becomes
 * smaller, and give its bits: weights in 22 bits of fraction, across first, then down, each
 * rounded to 8 bits. RESAMPLE_AREA weighs a pixel by how much of it is covered, as OpenCV's
 * INTER_AREA does; it is for pictures that become smaller, and nearest where they grow. */
enum resample_filter {
    RESAMPLE_BOX,
    RESAMPLE_BILINEAR,
    RESAMPLE_BICUBIC,
    RESAMPLE_LANCZOS,
    RESAMPLE_AREA
};

/* The inputs of each output along one side: weights (count, width), of which an output uses
 * the first `used`, for inputs from `begin` on. */
struct resample_span {
    uint32_t begin, used;
};
struct resample_weights {
    struct resample_span *spans; /* (count), owned */
    int32_t *weights;            /* (count, width), owned; 1 << 22 in sum */
    /* The same as (count, 2, padded): their upper parts, then their lower 11 bits; owned.
     * Sixteen bits hold either, and products of such are summed two at a time. */
    int16_t *halves;
    uint32_t count, width, padded; /* padded: a multiple of 16, the rest zeros */
};
/* False: no memory. */
bool resample_weights_create(uint32_t from, uint32_t to, enum resample_filter filter,
                             struct resample_weights *weights);
void resample_weights_clear(struct resample_weights *weights);

/* A picture on its way: rows in, rows out; memory for the rows that one output row needs. */
struct resampler; /* heap object */

/* From (from_height, from_width, channels) to (to_height, to_width, channels); channels 1 or
 * 3, sizes at least 1. NULL: no memory. */
struct resampler *resampler_create(uint32_t from_width, uint32_t from_height,
                                   uint32_t to_width, uint32_t to_height,
                                   uint32_t channels, enum resample_filter filter);
void resampler_destroy(struct resampler *resampler);
/* Bytes that it takes, near enough. */
uint64_t resampler_bytes(uint32_t from_width, uint32_t from_height, uint32_t to_width,
                         uint32_t to_height, uint32_t channels,
                         enum resample_filter filter);
/* Begin a picture of the same sizes anew. */
void resampler_reset(struct resampler *resampler);
/* Take the next row in; all rows that were ready have been pulled. */
void resampler_push(struct resampler *resampler, const unsigned char *row);
/* Write the next row to `out`. False: it needs rows that have not been pushed. */
bool resampler_pull(struct resampler *resampler, unsigned char *out);

/* The inner loops, so that tests can compare them: same arguments, same bits.
 * across: (from_width, channels) to (weights->count, channels); down: `used` rows of `size`
 * bytes each, `weights` (used), to one. */
struct resample_loops {
    void (*across)(const unsigned char *row, uint32_t from_width, uint32_t channels,
                   const struct resample_weights *weights, unsigned char *out);
    void (*down)(const unsigned char *const *rows, const int32_t *weights, uint32_t used,
                 size_t size, unsigned char *out);
};
extern const struct resample_loops resample_plain;
const struct resample_loops *resample_avx2(void); /* NULL: the CPU has no AVX2 */

/* OpenCV's INTER_LINEAR of 8-bit pictures (height, width, channels), bit for bit: no
 * widening when a picture becomes smaller, weights in 11 bits of fraction; halving both sides
 * is the mean of four. `room` has resize_linear_room() bytes. */
size_t resize_linear_room(uint32_t to_width, uint32_t channels);
void resize_linear(const unsigned char *from, uint32_t from_width, uint32_t from_height,
                   size_t from_stride, uint32_t channels, unsigned char *to,
                   uint32_t to_width, uint32_t to_height, size_t to_stride, void *room);

#endif
