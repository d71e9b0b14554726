/* pixel_pack.h - pictures of bytes as the tensors that networks take
 *
 * A number of the tensor is (pixel - mean) / divisor of its channel, in float arithmetic:
 * subtracted, then divided, each rounded once; every variant gives the same bits. */
#ifndef STAGES_KERNELS_PIXEL_PACK_H
#define STAGES_KERNELS_PIXEL_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pixel_format {
    bool channels_last;        /* NHWC; else NCHW */
    bool is_bgr;               /* the network's first channel is blue */
    float mean[3], divisor[3]; /* of the network's channels, in steps of a byte */
    float pad[3]; /* around the picture, as a pixel before mean and divisor */
};

/* A picture (height, width, 3), RGB, rows `stride` bytes apart, at (left, top) of an input
 * of to_width by to_height, into which it fits. */
struct pixel_place {
    const unsigned char *pixels;
    size_t stride;
    uint32_t width, height, left, top, to_width, to_height;
};

/* One row of pixels (width, 3) to three rows; means and divisors of R, G, B. */
typedef void pixel_splitter(const unsigned char *row, size_t width, const float mean[3],
                            const float divisor[3], float *const planes[3]);
/* To a row (width, 3), the channels in their order. */
typedef void pixel_converter(const unsigned char *row, size_t width, const float mean[3],
                             const float divisor[3], float *out);

struct pixel_kernels {
    const char *name;
    pixel_splitter *split;
    pixel_converter *convert;
};

enum { PIXEL_KERNELS_MAX = 2 };

/* Those that this CPU has, best first; the last one is plain C. Returns their number. */
size_t pixel_kernels_list(struct pixel_kernels list[PIXEL_KERNELS_MAX]);

/* tensor: (3, to_height, to_width) or (to_height, to_width, 3), one item of a batch. */
void pixel_pack_floats(const struct pixel_kernels *kernels,
                       const struct pixel_format *format, const struct pixel_place *place,
                       float *tensor);

/* The same for networks that take bytes: no mean, no divisor, pad rounded to the nearest. */
void pixel_pack_bytes(const struct pixel_format *format, const struct pixel_place *place,
                      unsigned char *tensor);

#endif
