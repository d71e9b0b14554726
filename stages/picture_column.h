/* picture_column.h - pictures that a stage makes, as a column of pixels or of files */
#ifndef STAGES_PICTURE_COLUMN_H
#define STAGES_PICTURE_COLUMN_H

#include <stddef.h>
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

/* Options of stages that make pictures: `member` of their own struct `type`. */
struct picture_options {
    int output; /* enum picture_output */
    int64_t quality;
};
#define PICTURE_OPTIONS(type_, member, usual)                                          \
    {.name = "output",                                                                 \
     .type = OPTION_CHOICE,                                                            \
     .offset = offsetof(type_, member) + offsetof(struct picture_options, output),     \
     .initial = (usual),                                                               \
     .choices = picture_output_choices,                                                \
     .help = "pixels: a column image<u8>; jpeg, png: a column of bytes, files"},       \
    {                                                                                  \
        .name = "quality", .type = OPTION_INT,                                         \
        .offset = offsetof(type_, member) + offsetof(struct picture_options, quality), \
        .initial = "90", .min = 1, .max = 100, .help = "Of output jpeg"                \
    }

/* {0} is an empty one; set the options. Everything else in it is owned. */
struct picture_column {
    struct picture_options options;
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
