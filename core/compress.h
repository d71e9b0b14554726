/* compress.h - bytes into one zstd frame, piece by piece; a doorkeeper of zstd */
#ifndef CORE_COMPRESS_H
#define CORE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct bytes;
struct compressor; /* heap object */

/* NULL: no memory. The level must be one of compressor_levels(). */
struct compressor *compressor_create(int level);
void compressor_destroy(struct compressor *compressor);
void compressor_levels(int *lowest, int *highest);

/* Begin a frame of `size` bytes, which the frame will state. */
enum error_code compressor_begin(struct compressor *compressor, uint64_t size,
                                 struct error *error);
/* Append to `out` what comes of the next bytes; with is_end the end of the frame.
 * ERROR_MEMORY. */
enum error_code compressor_put(struct compressor *compressor, const void *data,
                               size_t size, bool is_end, struct bytes *out,
                               struct error *error);

#endif
