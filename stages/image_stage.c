/* image_stage.c - what the stages that look at pictures share */
#include "stages/image_stage.h"

#include <string.h>

#include "core/arena.h"

const char *const image_truncated_choices[] = {"reject", "keep", NULL};

enum error_code image_stage_plan(const struct image_common *common,
                                 const struct schema *schema,
                                 const struct stage_place *place, const char *stage,
                                 struct error *error)
{
    struct source_position where = stage_option_position(place, "column");
    const struct schema_field *field = schema_find(schema, common->column);
    if (!field)
        return error_set_at(error, where,
                            "stage %s needs column \"%s\", which no earlier stage makes "
                            "and the input does not have; format images gives column "
                            "data, which an earlier phase must list in output.columns",
                            stage, common->column);
    if (field->type != COLUMN_BYTES && field->type != COLUMN_IMAGE_U8) {
        char type[32];
        column_type_format(field->type, field->dimension, type, sizeof type);
        return error_set_at(error, where,
                            "stage %s needs a column of bytes or image<u8>, \"%s\" is %s",
                            stage, common->column, type);
    }
    bool is_colour = common->background.count == 3;
    for (size_t i = 0; i < common->background.count; i++) {
        double value = common->background.items[i];
        is_colour = is_colour && value >= 0 && value <= 255 && value == (int)value;
    }
    if (!is_colour)
        return error_set_at(error, stage_option_position(place, "background"),
                            "\"background\" must be three whole numbers from 0 to 255");
    return OK;
}

enum error_code image_stage_need_boxes(const char *name, const struct schema *schema,
                                       const struct stage_place *place, const char *stage,
                                       struct error *error)
{
    const struct schema_field *boxes = schema_find(schema, name);
    if (boxes && boxes->type == COLUMN_LIST_BOX)
        return OK;
    return error_set_at(
        error, stage_option_position(place, "boxes"),
        boxes ? "stage %s needs column \"%s\" to be list<box>"
              : "stage %s needs column \"%s\", which nothing before it makes",
        stage, name);
}

struct image_rules image_stage_rules(const struct image_common *common)
{
    struct image_rules rules = {.max_pixels = (uint64_t)common->max_pixels,
                                .memory = common->memory,
                                .keeps_damaged = common->truncated != 0};
    for (size_t i = 0; i < 3; i++)
        rules.background[i] = (unsigned char)common->background.items[i];
    return rules;
}

static enum error_code refuse(struct image_fault *fault, const char *reason,
                              const char *detail)
{
    size_t size = strlen(detail);
    fault->reason = reason;
    memcpy(fault->detail, detail, size + 1);
    return ERROR_RECORD;
}

enum error_code picture_source_open(const struct column *column, uint32_t row,
                                    const struct image_rules *rules, uint32_t least_width,
                                    uint32_t least_height, struct picture_source *source,
                                    struct image_fault *fault)
{
    *source = (struct picture_source){0};
    if (!column_is_valid(column, row))
        return refuse(fault, "no_picture", "the record has none");
    const void *data = column_row(column, row);
    size_t size = (size_t)column_row_length(column, row);
    if (column->type == COLUMN_BYTES)
        return image_source_open(data, size, rules, least_width, least_height,
                                 &source->file, &source->shape, fault);
    const uint32_t *shape = column->shapes + 3 * (size_t)row;
    if (shape[0] == 0 || shape[1] == 0 || shape[2] != 3)
        return refuse(fault, "no_picture", "it has no pixels of three channels");
    source->pixels = data;
    source->shape = (struct image_shape){.width = shape[1],
                                         .height = shape[0],
                                         .full_width = shape[1],
                                         .full_height = shape[0],
                                         .orientation = 1};
    return OK;
}

enum error_code picture_source_rows(struct picture_source *source, unsigned char *rows,
                                    uint32_t count, uint32_t *got,
                                    struct image_fault *fault)
{
    size_t row = (size_t)source->shape.width * 3;
    if (source->file)
        return image_source_rows(source->file, rows, row, count, got, fault);
    uint32_t left = source->shape.height - source->next_row;
    *got = count < left ? count : left;
    memcpy(rows, source->pixels + source->next_row * row, row * *got);
    source->next_row += *got;
    return OK;
}

enum error_code picture_source_finish(struct picture_source *source,
                                      struct image_fault *fault)
{
    return source->file ? image_source_finish(source->file, fault) : OK;
}

void picture_source_close(struct picture_source *source)
{
    image_source_close(source->file);
    source->file = NULL;
}

enum error_code image_stage_measure(const struct column *column, uint32_t row,
                                    uint32_t *width, uint32_t *height,
                                    struct image_fault *fault)
{
    struct image_header header;
    *width = *height = 0;
    if (!column_is_valid(column, row))
        return OK;
    if (column->type != COLUMN_BYTES) {
        const uint32_t *shape = column->shapes + 3 * (size_t)row;
        *width = shape[1];
        *height = shape[0];
        return OK;
    }
    const char *detail = NULL;
    const char *reason =
        image_header_read(column_row(column, row), (size_t)column_row_length(column, row),
                          &header, &detail);
    if (reason)
        return refuse(fault, reason, detail ? detail : "");
    image_upright_size(&header, width, height);
    return OK;
}

enum error_code image_stage_picture(const struct column *column, uint32_t row,
                                    const struct image_rules *rules, uint32_t least_width,
                                    uint32_t least_height, struct bytes *room,
                                    struct picture *picture, struct image_fault *fault)
{
    if (column->type == COLUMN_BYTES && column_is_valid(column, row))
        return picture_decode(column_row(column, row),
                              (size_t)column_row_length(column, row), rules, least_width,
                              least_height, room, picture, fault);
    struct picture_source source;
    enum error_code code = picture_source_open(column, row, rules, least_width,
                                               least_height, &source, fault);
    if (code == OK)
        *picture = (struct picture){.pixels = source.pixels,
                                    .width = source.shape.width,
                                    .height = source.shape.height,
                                    .full_width = source.shape.full_width,
                                    .full_height = source.shape.full_height};
    return code;
}

void picture_to_luma(const unsigned char *pixels, uint32_t width, unsigned char *luma)
{
    for (size_t x = 0; x < width; x++) {
        const unsigned char *pixel = pixels + 3 * x;
        luma[x] = (unsigned char)((pixel[0] * 19595u + pixel[1] * 38470u +
                                   pixel[2] * 7471u + 0x8000u) >>
                                  16);
    }
}

enum error_code image_stage_visit(struct stage *self, const struct batch *in,
                                  struct stage_output *output,
                                  const struct image_common *common, picture_visitor look,
                                  struct error *error)
{
    const struct column *column = batch_column(in, common->column);
    if (!column)
        return error_set(error, ERROR_FATAL, "no column \"%s\"", common->column);
    for (uint32_t row = 0; row < in->count; row++) {
        struct image_fault fault = {0};
        enum error_code code = look(self, column, row, &fault);
        if (code == ERROR_RECORD)
            stage_output_reject(output, row, fault.reason, fault.detail);
        else if (code != OK)
            return error_set(error, code, "no memory for a picture");
    }
    return OK;
}
