/* reader_images.h - image files as records: their bytes, and what their headers say */
#ifndef CORE_READER_IMAGES_H
#define CORE_READER_IMAGES_H

#include "core/reader.h"

/* How a reader of whole images works together with reader.c, whose promises hold here. */
struct image_reader; /* heap object */

/* NULL: no memory. */
struct image_reader *image_reader_create(const struct input_spec *input);
void image_reader_destroy(struct image_reader *reader);

/* Begin the files of a shard. Copied as reader_open() does. */
enum error_code image_reader_open(struct image_reader *reader,
                                  const struct extent *extents, size_t count,
                                  uint32_t first_ordinal, struct error *error);
/* A batch ends at `max_records`, at IMAGE_BATCH_BYTES of files, or where its pictures
 * would take more than IMAGE_BATCH_PIXELS pixels: stages make pictures of them. */
enum { IMAGE_BATCH_BYTES = 8 << 20, IMAGE_BATCH_PIXELS = 24 << 20 };
enum error_code image_reader_next(struct image_reader *reader, uint32_t max_records,
                                  struct arena *arena, struct reader_result *result,
                                  struct error *error);

#endif
