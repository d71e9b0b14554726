/* image_decode.c - pictures out of image files, by rows, in bounded memory */
#include "stages/kernels/image_decode.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/image_codec.h"

enum { BAND_ROWS = 16 };

struct image_source {
    const struct image_codec *codec;
    void *state; /* owned by the codec */
    struct image_rules rules;
    struct image_task task;
    uint32_t next_row;
    bool is_damaged; /* nothing more decodes */
    bool has_fault;  /* and was passed over */
};

enum error_code image_refuse(struct image_fault *fault, const char *reason,
                             const char *format, ...)
{
    va_list arguments;
    fault->reason = reason;
    va_start(arguments, format);
    (void)vsnprintf(fault->detail, sizeof fault->detail, format, arguments);
    va_end(arguments);
    return ERROR_RECORD;
}

enum error_code image_check_memory(const struct image_task *task, uint64_t needed,
                                   const char *what, struct image_fault *fault)
{
    if (needed <= task->rules->memory)
        return OK;
    return image_refuse(fault, "needs_memory",
                        "%s of %u by %u pixels takes %llu MiB to decode, memory is %llu "
                        "MiB",
                        what, (unsigned)task->header.width, (unsigned)task->header.height,
                        (unsigned long long)((needed + (1 << 20) - 1) >> 20),
                        (unsigned long long)(task->rules->memory >> 20));
}

void image_lay_over(const unsigned char *pixels, uint32_t width,
                    const unsigned char *background, bool is_premultiplied,
                    unsigned char *out)
{
    for (uint32_t x = 0; x < width; x++) {
        unsigned alpha = pixels[4 * (size_t)x + 3];
        for (size_t c = 0; c < 3; c++) {
            unsigned colour = pixels[4 * (size_t)x + c];
            unsigned below = background[c] * (255 - alpha);
            unsigned sum = (is_premultiplied ? 255 : alpha) * colour + below;
            unsigned value = (sum + 127) / 255;
            out[3 * (size_t)x + c] = (unsigned char)(value < 255 ? value : 255);
        }
    }
}

static const struct image_codec *codec_of(enum image_format format)
{
    switch (format) {
    case IMAGE_JPEG:
        return &image_codec_jpeg;
    case IMAGE_PNG:
        return &image_codec_png;
    case IMAGE_WEBP:
        return &image_codec_webp;
    default:
        return &image_codec_tiff;
    }
}

static enum error_code read_header(struct image_task *task, struct image_fault *fault)
{
    struct image_header *header = &task->header;
    const char *detail = "";
    const char *reason = image_header_read(task->data, task->size, header, &detail);
    if (reason)
        return image_refuse(fault, reason, "%s", detail);
    uint64_t pixels = (uint64_t)header->width * header->height;
    if (pixels > task->rules->max_pixels)
        return image_refuse(fault, "too_many_pixels",
                            "%u by %u pixels are more than max_pixels, %llu",
                            (unsigned)header->width, (unsigned)header->height,
                            (unsigned long long)task->rules->max_pixels);
    return OK;
}

enum error_code image_source_open(const void *data, size_t size,
                                  const struct image_rules *rules, uint32_t least_width,
                                  uint32_t least_height, struct image_source **source,
                                  struct image_shape *shape, struct image_fault *fault)
{
    struct image_source *made = calloc(1, sizeof *made);
    if (!made)
        return ERROR_MEMORY;
    struct image_task *task = &made->task;
    made->rules = *rules;
    *task = (struct image_task){.data = data, .size = size, .rules = &made->rules};
    enum error_code code = read_header(task, fault);
    if (code == OK) {
        bool is_turned = task->header.orientation >= 5;
        task->width = task->header.width;
        task->height = task->header.height;
        task->least_width = is_turned ? least_height : least_width;
        task->least_height = is_turned ? least_width : least_height;
        made->codec = codec_of(task->header.format);
        code = made->codec->open(task, &made->state, fault);
    }
    if (code != OK) {
        image_source_close(made);
        return code;
    }
    *source = made;
    *shape = (struct image_shape){.width = task->width,
                                  .height = task->height,
                                  .full_width = task->header.width,
                                  .full_height = task->header.height,
                                  .orientation = task->header.orientation,
                                  .format = task->header.format};
    return OK;
}

void image_source_close(struct image_source *source)
{
    if (!source)
        return;
    if (source->codec)
        source->codec->close(source->state);
    free(source);
}

static void fill_row(const struct image_source *source, unsigned char *row)
{
    for (uint32_t x = 0; x < source->task.width; x++)
        memcpy(row + 3 * (size_t)x, source->rules.background, 3);
}

/* May the picture go on without what could not be decoded? Not if there is nothing. */
static bool is_kept(const struct image_source *source, const struct image_fault *fault)
{
    return source->rules.keeps_damaged && source->next_row > 0 &&
           (strcmp(fault->reason, "truncated_image") == 0 ||
            strcmp(fault->reason, "corrupt_image") == 0);
}

enum error_code image_source_rows(struct image_source *source, unsigned char *rows,
                                  size_t stride, uint32_t count, uint32_t *got,
                                  struct image_fault *fault)
{
    uint32_t left = source->task.height - source->next_row, done = 0;
    if (count > left)
        count = left;
    while (done < count) {
        unsigned char *at = rows + done * stride;
        uint32_t more = 0;
        if (source->is_damaged) {
            fill_row(source, at);
            more = 1;
        } else {
            enum error_code code = source->codec->rows(source->state, at, stride,
                                                       count - done, &more, fault);
            if (code == ERROR_RECORD && is_kept(source, fault))
                source->is_damaged = source->has_fault = true;
            else if (code != OK)
                return code;
            assert(code != OK || more > 0);
        }
        done += more;
        source->next_row += more;
    }
    *got = done;
    return OK;
}

enum error_code image_source_finish(struct image_source *source,
                                    struct image_fault *fault)
{
    if (source->is_damaged)
        return OK;
    enum error_code code = source->codec->finish(source->state, fault);
    source->is_damaged = true; /* once is enough */
    if (code != ERROR_RECORD || !is_kept(source, fault))
        return code;
    source->has_fault = true;
    return OK;
}

bool image_source_is_damaged(const struct image_source *source)
{
    return source->has_fault;
}

/* Where pixel (0, 0) goes, and how far apart pixels of a row and rows lie then. */
struct placing {
    size_t begin;
    ptrdiff_t across, down;
};

static struct placing place(uint32_t width, uint32_t height, size_t channels,
                            unsigned orientation)
{
    bool is_turned = orientation >= 5;
    ptrdiff_t pixel = (ptrdiff_t)channels;
    ptrdiff_t row = (ptrdiff_t)(is_turned ? height : width) * pixel;
    ptrdiff_t x = is_turned ? row : pixel, y = is_turned ? pixel : row;
    static const bool mirrors_x[] = {0, 0, 1, 1, 0, 0, 0, 1, 1};
    static const bool mirrors_y[] = {0, 0, 0, 1, 1, 0, 1, 1, 0};
    size_t begin = 0;
    if (mirrors_x[orientation])
        begin += (size_t)x * (width - 1);
    if (mirrors_y[orientation])
        begin += (size_t)y * (height - 1);
    return (struct placing){begin, mirrors_x[orientation] ? -x : x,
                            mirrors_y[orientation] ? -y : y};
}

void picture_orient_rows(const unsigned char *rows, size_t stride, uint32_t first,
                         uint32_t count, uint32_t width, uint32_t height,
                         uint32_t channels, unsigned orientation, unsigned char *upright)
{
    struct placing to = place(width, height, channels, orientation);
    size_t row_size = (size_t)width * channels;
    unsigned char *base = upright + to.begin + (ptrdiff_t)first * to.down;
    for (uint32_t y = 0; orientation == 1 && y < count; y++)
        memcpy(base + y * row_size, rows + y * stride, row_size);
    if (orientation == 1)
        return;
    /* Down the columns first: what is turned stands side by side then. */
    for (uint32_t x = 0; x < width; x++) {
        const unsigned char *from = rows + (size_t)x * channels;
        unsigned char *out = base + (ptrdiff_t)x * to.across;
        for (uint32_t y = 0; y < count; y++, from += stride, out += to.down)
            for (uint32_t c = 0; c < channels; c++)
                out[c] = from[c];
    }
}

static enum error_code decode_rows(struct image_source *source,
                                   const struct image_shape *shape, unsigned char *band,
                                   unsigned char *upright, struct image_fault *fault)
{
    size_t row_size = (size_t)shape->width * 3;
    uint32_t got = 1;
    enum error_code code = OK;
    for (uint32_t first = 0; code == OK && first < shape->height; first += got) {
        bool is_upright = shape->orientation == 1;
        unsigned char *rows = is_upright ? upright + first * row_size : band;
        code = image_source_rows(source, rows, row_size, BAND_ROWS, &got, fault);
        if (code == OK && !is_upright)
            picture_orient_rows(band, row_size, first, got, shape->width, shape->height,
                                3, shape->orientation, upright);
    }
    return code == OK ? image_source_finish(source, fault) : code;
}

enum error_code picture_decode(const void *data, size_t size,
                               const struct image_rules *rules, uint32_t least_width,
                               uint32_t least_height, struct bytes *room,
                               struct picture *picture, struct image_fault *fault)
{
    struct image_source *source = NULL;
    struct image_shape shape;
    bytes_reset(room);
    enum error_code code = image_source_open(data, size, rules, least_width, least_height,
                                             &source, &shape, fault);
    if (code != OK)
        return code;
    uint64_t row = 3 * (uint64_t)shape.width, needed = row * shape.height;
    uint64_t band = shape.orientation == 1 ? 0 : row * BAND_ROWS;
    code = image_check_memory(&source->task, needed + band, "a picture", fault);
    unsigned char *pixels =
        code == OK ? bytes_reserve(room, (size_t)(needed + band)) : NULL;
    if (code == OK && !pixels)
        code = ERROR_MEMORY;
    if (code == OK)
        code = decode_rows(source, &shape, pixels + needed, pixels, fault);
    if (code == OK) {
        bool is_turned = shape.orientation >= 5;
        room->size = (size_t)needed;
        *picture = (struct picture){
            .pixels = pixels,
            .width = is_turned ? shape.height : shape.width,
            .height = is_turned ? shape.width : shape.height,
            .full_width = is_turned ? shape.full_height : shape.full_width,
            .full_height = is_turned ? shape.full_width : shape.full_height,
            .is_damaged = source->has_fault};
    }
    image_source_close(source);
    return code;
}
