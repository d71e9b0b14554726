/* image_header.h - what an image file says of itself before it is decoded */
#ifndef CORE_IMAGE_HEADER_H
#define CORE_IMAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_format { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_TIFF };

struct image_header {
    enum image_format format; /* told by the content, never by a name */
    uint32_t width, height;   /* pixels as stored, before orientation; at least 1 */
    /* EXIF: 1 as stored, 2 mirrored, 3 turned by half, 4 upside down, 5 transposed,
     * 6 to be turned right, 7 transposed the other way, 8 to be turned left. 1 where it is
     * absent or makes no sense. */
    unsigned orientation;
    unsigned bits;       /* a sample; 0: not told here */
    bool is_interleaved; /* not stored from top to bottom: progressive, Adam7, ... */
};

/* "jpeg", "png", "webp", "tiff", "unknown". */
const char *image_format_name(enum image_format format);
/* The format whose signature the bytes begin with. */
enum image_format image_format_of(const void *data, size_t size);

/* Read the header. NULL: done. Else a static reason: "empty_file", "not_an_image",
 * "unsupported_format" (an image, of a format that is not read), "bad_header" (it cannot
 * be made sense of, or is cut short); *detail (NULL allowed) is a static text for people
 * then. */
const char *image_header_read(const void *data, size_t size, struct image_header *header,
                              const char **detail);

/* Width and height once the orientation is applied. */
void image_upright_size(const struct image_header *header, uint32_t *width,
                        uint32_t *height);

/* The orientation in a block of EXIF data, which is a TIFF file; 1 if there is none. */
unsigned exif_orientation(const void *data, size_t size);

#endif
