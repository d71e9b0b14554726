/* picture_column.h - pictures that a stage makes, as a column of pixels or of files */
#ifndef STAGES_PICTURE_COLUMN_H
#define STAGES_PICTURE_COLUMN_H

#include <stdint.h>

#include "core/batch.h"
#include "core/bytes.h"
#include "core/error.h"
#include "core/option.h"
#include "stages/kernels/image_decode.h"

struct arena;

enum picture_output { PICTURE_PIXELS, PICTURE_JPEG, PICTURE_PNG };
extern const char *const picture_output_choices[]; /* "pixels", "jpeg", "png" */
enum column_type picture_output_type(int output);

/* {0} is an empty one; set output and quality. Everything in it is owned. */
struct picture_column {
    int output;  /* enum picture_output */
    int quality; /* of JPEG */
    struct bytes data, ends, shapes, file;
};

void picture_column_clear(struct picture_column *column); /* frees */
void picture_column_reset(struct picture_column *column); /* no rows */
/* The next row: a picture (height, width, 3), RGB. ERROR_RECORD, and no row: the format holds
 * none of this size. ERROR_MEMORY. */
enum error_code picture_column_put(struct picture_column *column,
                                   const unsigned char *pixels, uint32_t width,
                                   uint32_t height, struct image_fault *fault);
/* A row without a picture, for a record that is rejected. */
void picture_column_put_none(struct picture_column *column);
/* Take back all rows from `count` on. */
void picture_column_cut(struct picture_column *column, uint32_t count);
/* The rows as a column of this name (borrowed), its buffers in the arena; large memory is
 * given back. ERROR_MEMORY, here or before. */
enum error_code picture_column_finish(struct picture_column *column, const char *name,
                                      struct arena *arena, struct column *made,
                                      struct error *error);

#endif
