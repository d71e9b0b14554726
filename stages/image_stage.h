/* image_stage.h - what the stages that look at pictures share */
#ifndef STAGES_IMAGE_STAGE_H
#define STAGES_IMAGE_STAGE_H

#include <stdint.h>

#include "core/bytes.h"
#include "core/stage.h"
#include "stages/kernels/image_decode.h"

/* Options that all of them have, as the first member of their own. */
struct image_common {
    const char *column;
    int64_t max_pixels;
    uint64_t memory;
    int truncated; /* 0 reject, 1 keep */
    struct real_list background;
};

extern const char *const image_truncated_choices[];

/* Their rows of the option table. */
#define IMAGE_COMMON_OPTIONS                                                         \
    {.name = "column",                                                               \
     .type = OPTION_TEXT,                                                            \
     .offset = offsetof(struct image_common, column),                                \
     .initial = "data",                                                              \
     .help = "Column of the pictures: image files (bytes), or image<u8>"},           \
        {.name = "max_pixels",                                                       \
         .type = OPTION_INT,                                                         \
         .offset = offsetof(struct image_common, max_pixels),                        \
         .initial = "2000000000",                                                    \
         .min = 1,                                                                   \
         .max = 1e15,                                                                \
         .help = "A picture of more pixels is quarantined by its header"},           \
        {.name = "memory",                                                           \
         .type = OPTION_SIZE,                                                        \
         .offset = offsetof(struct image_common, memory),                            \
         .initial = "256MiB",                                                        \
         .min = 1 << 20,                                                             \
         .max = 1e15,                                                                \
         .help = "What decoding a picture may take beside its file; one that needs " \
                 "more is quarantined, and how much is told"},                       \
        {.name = "truncated",                                                        \
         .type = OPTION_CHOICE,                                                      \
         .offset = offsetof(struct image_common, truncated),                         \
         .initial = "reject",                                                        \
         .choices = image_truncated_choices,                                         \
         .help = "keep: use a cut or corrupt picture as far as it decodes"},         \
    {                                                                                \
        .name = "background", .type = OPTION_REAL_LIST,                              \
        .offset = offsetof(struct image_common, background),                         \
        .initial = "[255, 255, 255]",                                                \
        .help = "Red, green and blue, 0 to 255, under transparency, around padded "  \
                "pictures and in place of what does not decode"                      \
    }

/* Check them: the column is there and holds pictures. */
enum error_code image_stage_plan(const struct image_common *common,
                                 const struct schema *schema,
                                 const struct stage_place *place, const char *stage,
                                 struct error *error);
/* Check that a column of boxes is there, named by option "boxes". */
enum error_code image_stage_need_boxes(const char *name, const struct schema *schema,
                                       const struct stage_place *place, const char *stage,
                                       struct error *error);
struct image_rules image_stage_rules(const struct image_common *common);

/* A picture of a column, row by row, whether it is a file or pixels. */
struct picture_source {
    struct image_source *file; /* owned; NULL: pixels */
    const unsigned char *pixels;
    struct image_shape shape;
    uint32_t next_row;
};
/* As the functions of image_decode.h. */
enum error_code picture_source_open(const struct column *column, uint32_t row,
                                    const struct image_rules *rules, uint32_t least_width,
                                    uint32_t least_height, struct picture_source *source,
                                    struct image_fault *fault);
enum error_code picture_source_rows(struct picture_source *source, unsigned char *rows,
                                    uint32_t count, uint32_t *got,
                                    struct image_fault *fault);
enum error_code picture_source_finish(struct picture_source *source,
                                      struct image_fault *fault);
void picture_source_close(struct picture_source *source);

/* A picture of a column as a whole, upright; as picture_decode(). `room` has the pixels of a
 * file, those of a column image<u8> stay where they are. */
enum error_code image_stage_picture(const struct column *column, uint32_t row,
                                    const struct image_rules *rules, uint32_t least_width,
                                    uint32_t least_height, struct bytes *room,
                                    struct picture *picture, struct image_fault *fault);
/* The size of the upright picture by its header alone, before it is decoded; 0 by 0 where
 * there is none. */
enum error_code image_stage_measure(const struct column *column, uint32_t row,
                                    uint32_t *width, uint32_t *height,
                                    struct image_fault *fault);

/* (width, 3) RGB as (width) of luma, 0.299, 0.587, 0.114, rounded as Pillow does. */
void picture_to_luma(const unsigned char *pixels, uint32_t width, unsigned char *luma);

/* The process() of these stages: call `look` for each row that has a picture; a row whose
 * picture cannot be used is rejected. */
typedef enum error_code (*picture_visitor)(struct stage *self,
                                           const struct column *column, uint32_t row,
                                           struct image_fault *fault);
enum error_code image_stage_visit(struct stage *self, const struct batch *in,
                                  struct stage_output *output,
                                  const struct image_common *common, picture_visitor look,
                                  struct error *error);

#endif
