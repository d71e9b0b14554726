/* image_decode.h - pictures out of image files, by rows, in bounded memory */
#ifndef STAGES_KERNELS_IMAGE_DECODE_H
#define STAGES_KERNELS_IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/image_header.h"

struct bytes;

/* What decoding may cost, and what it does with damage. */
struct image_rules {
    uint64_t max_pixels;         /* a larger picture is refused by its header */
    uint64_t memory;             /* bytes that decoding may take beside the file */
    bool keeps_damaged;          /* use what decodes; else a damaged file is refused */
    unsigned char background[3]; /* under transparency, and where nothing decodes */
};

/* Why a file gives no picture: a static snake_case reason, and a detail for people.
 * Reasons: those of image_header_read(), "too_many_pixels", "needs_memory" (the detail
 * says how much), "truncated_image", "corrupt_image", "unsupported_image". */
struct image_fault {
    const char *reason;
    char detail[200];
};

/* A picture as it is stored, row by row from the top: the orientation is not applied. */
struct image_source; /* heap object */

struct image_shape {
    uint32_t width, height; /* of the rows */
    uint32_t full_width,
        full_height;      /* of the picture, where the rows are a smaller one */
    unsigned orientation; /* to be applied: see image_header.h */
    enum image_format format;
};

/* Begin to decode. The file is borrowed until image_source_close(). Rows are RGB, three
 * bytes a pixel, whatever the file holds: gray is repeated, palettes are looked up, 16 bits
 * are cut to 8, CMYK is taken as Adobe writes it, transparent pixels are laid over the
 * background. Profiles are not applied.
 * `least_width`, `least_height`: a picture may come at a half, a quarter or an eighth of its
 * size, rounded up, as long as it has these after orientation; JPEG does it for a fraction
 * of the time. 0: as large as it is.
 * ERROR_RECORD: see *fault. ERROR_MEMORY. */
enum error_code image_source_open(const void *data, size_t size,
                                  const struct image_rules *rules, uint32_t least_width,
                                  uint32_t least_height, struct image_source **source,
                                  struct image_shape *shape, struct image_fault *fault);
void image_source_close(struct image_source *source);

/* The next rows, `count` at most and all that are left at the end, to `rows`, which are
 * `stride` bytes apart. *got is 0 behind the last row, and only there. What a damaged file
 * lacks is background where it is kept. ERROR_RECORD, ERROR_MEMORY. */
enum error_code image_source_rows(struct image_source *source, unsigned char *rows,
                                  size_t stride, uint32_t count, uint32_t *got,
                                  struct image_fault *fault);
/* Behind the last row: was all of it sound? Decoders see damage late, so that rows are not
 * to be believed before. ERROR_RECORD. */
enum error_code image_source_finish(struct image_source *source,
                                    struct image_fault *fault);
/* Has damage been passed over, because the rules keep damaged pictures? */
bool image_source_is_damaged(const struct image_source *source);

/* A whole picture, upright. */
struct picture {
    const unsigned char *pixels; /* (height, width, 3) */
    uint32_t width, height;
    uint32_t full_width, full_height; /* see image_shape, upright */
    bool is_damaged;
};
/* Decode a file at once into `room`, which is reset and has the pixels afterwards. They
 * count in rules->memory. */
enum error_code picture_decode(const void *data, size_t size,
                               const struct image_rules *rules, uint32_t least_width,
                               uint32_t least_height, struct bytes *room,
                               struct picture *picture, struct image_fault *fault);

/* Put rows [first, first + count) of a stored picture of (height, width, channels) into
 * the upright one that `orientation` makes of it. */
void picture_orient_rows(const unsigned char *rows, size_t stride, uint32_t first,
                         uint32_t count, uint32_t width, uint32_t height,
                         uint32_t channels, unsigned orientation, unsigned char *upright);

#endif
