/* thumbnail.h - small JPEG pictures with boxes on them
 *
 * They are made by the stages `resize` and `draw`: this folder knows no decoder. */
#ifndef COMMANDS_THUMBNAIL_H
#define COMMANDS_THUMBNAIL_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

enum { THUMBNAIL_SIDE = 240 }; /* pixels, at most; small pictures keep their size */

struct thumbnail_source {
    const void *data; /* an image file, or pixels */
    size_t size;
    const uint32_t *shape; /* height, width, channels of pixels; NULL: it is a file */
    /* The pixels that boxes are measured in; 0: those of the upright picture. */
    uint32_t width, height;
    const float *boxes; /* (count, 6), as core/batch.h has them, all of them sound */
    size_t count;
};

struct thumbnail {    /* lives until the next call */
    const void *data; /* a JPEG file; NULL: there is none, */
    size_t size;
    uint32_t width, height;           /* of it */
    uint32_t full_width, full_height; /* of the upright picture; 0: not known */
    const char *reason, *detail;      /* and this is why; `detail` may be NULL */
};

struct thumbnail_maker; /* heap object; of one thread at a time */

/* ERROR_MEMORY. */
enum error_code thumbnail_maker_create(struct thumbnail_maker **maker,
                                       struct error *error);
void thumbnail_maker_destroy(struct thumbnail_maker *maker);
/* Room that callers may read a file into: lives as the maker. */
struct bytes *thumbnail_maker_room(struct thumbnail_maker *maker);

/* A picture that cannot be used is no error. ERROR_MEMORY. */
enum error_code thumbnail_make(struct thumbnail_maker *maker,
                               const struct thumbnail_source *source,
                               struct thumbnail *thumbnail, struct error *error);

#endif
