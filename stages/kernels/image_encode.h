/* image_encode.h - image files out of pictures */
#ifndef STAGES_KERNELS_IMAGE_ENCODE_H
#define STAGES_KERNELS_IMAGE_ENCODE_H

#include <stdint.h>

#include "core/error.h"

struct bytes;

/* Write a picture (height, width, 3), RGB, as a file to `out`, which is reset. The same
 * pixels give the same bytes, as long as the library is of the same version. ERROR_MEMORY;
 * ERROR_RECORD: the format holds no picture of this size. */
enum error_code image_encode_jpeg(const unsigned char *pixels, uint32_t width,
                                  uint32_t height, int quality, struct bytes *out,
                                  struct error *error);
enum error_code image_encode_png(const unsigned char *pixels, uint32_t width,
                                 uint32_t height, struct bytes *out, struct error *error);

#endif
