/* picture_column.c - pictures that a stage makes, as a column of pixels or of files */
#include "stages/picture_column.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/image_encode.h"

enum { KEPT_MAX = 64 << 20, ALIGN = 64 };

const char *const picture_output_choices[] = {"pixels", "jpeg", "png", NULL};

enum column_type picture_output_type(int output)
{
    return output == PICTURE_PIXELS ? COLUMN_IMAGE_U8 : COLUMN_BYTES;
}

void picture_column_clear(struct picture_column *column)
{
    bytes_clear(&column->data);
    bytes_clear(&column->ends);
    bytes_clear(&column->shapes);
    bytes_clear(&column->file);
}

void picture_column_reset(struct picture_column *column)
{
    bytes_reset(&column->data);
    bytes_reset(&column->ends);
    bytes_reset(&column->shapes);
}

static void end_row(struct picture_column *column, uint32_t width, uint32_t height)
{
    uint64_t end = column->data.size;
    uint32_t shape[3] = {height, width, width ? 3 : 0};
    bytes_put(&column->ends, &end, sizeof end);
    bytes_put(&column->shapes, shape, sizeof shape);
}

enum error_code picture_column_put(struct picture_column *column,
                                   const unsigned char *pixels, uint32_t width,
                                   uint32_t height, struct image_fault *fault)
{
    struct error error = {0};
    enum error_code code = OK;
    if (column->options.output == PICTURE_PIXELS) {
        bytes_put(&column->data, pixels, (size_t)width * height * 3);
    } else {
        code =
            column->options.output == PICTURE_JPEG
                ? image_encode_jpeg(pixels, width, height, (int)column->options.quality,
                                    &column->file, &error)
                : image_encode_png(pixels, width, height, &column->file, &error);
        if (code == OK)
            bytes_put(&column->data, column->file.data, column->file.size);
    }
    if (code == ERROR_RECORD) {
        fault->reason = "cannot_encode";
        (void)snprintf(fault->detail, sizeof fault->detail, "%.190s", error.text);
    }
    if (code == OK)
        end_row(column, width, height);
    return code == OK && column->data.is_bad ? ERROR_MEMORY : code;
}

void picture_column_put_none(struct picture_column *column)
{
    end_row(column, 0, 0);
}

void picture_column_cut(struct picture_column *column, uint32_t count)
{
    if (column->ends.size <= count * sizeof(uint64_t))
        return;
    column->data.size =
        count > 0 ? (size_t)load_u64(column->ends.data + (count - 1) * sizeof(uint64_t))
                  : 0;
    column->ends.size = count * sizeof(uint64_t);
    column->shapes.size = count * sizeof(uint32_t[3]);
}

/* In the arena; NULL: no memory, here or before. */
static void *move(const struct bytes *from, size_t before, struct arena *arena)
{
    unsigned char *to =
        from->is_bad ? NULL : arena_alloc_raw(arena, before + from->size + 1, 1, ALIGN);
    if (to && from->size > 0)
        memcpy(to + before, from->data, from->size);
    return to;
}

enum error_code picture_column_finish(struct picture_column *column, const char *name,
                                      struct arena *arena, struct column *made,
                                      struct error *error)
{
    bool is_pixels = column->options.output == PICTURE_PIXELS;
    uint64_t *offsets = move(&column->ends, sizeof *offsets, arena);
    *made = (struct column){.name = name,
                            .type = picture_output_type(column->options.output),
                            .offsets = offsets,
                            .data = move(&column->data, 0, arena),
                            .shapes = move(&column->shapes, 0, arena)};
    bool is_done = offsets && made->data && made->shapes;
    if (offsets)
        offsets[0] = 0;
    if (!is_pixels)
        made->shapes = NULL;
    if (column->data.capacity > KEPT_MAX)
        bytes_clear(&column->data);
    return is_done ? OK : error_set(error, ERROR_MEMORY, "no memory for pictures");
}
