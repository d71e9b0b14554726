/* image_png.c - decode and encode PNG; doorkeeper of libspng */
#include "stages/kernels/image_encode.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "core/bytes.h"
#include "stages/kernels/image_codec.h"

/* Texts and profiles that no picture needs may not take more. */
enum { CHUNK_MAX = 16 << 20, CHUNKS_MAX = 32 << 20, DECODER_BYTES = 1 << 20 };
enum { COMPRESSION = 6 };

/* A file that is to be used as far as it goes: the chunk that reaches beyond the end is
 * read as one that ends there, and a checksum is put behind it, which nobody looks at. */
struct cut_file {
    const unsigned char *data; /* borrowed */
    size_t size, at, chunk;    /* where that chunk begins; SIZE_MAX: there is none */
    unsigned char length[4];   /* what it is to say */
};

struct png {
    spng_ctx *context; /* owned */
    struct cut_file cut;
    struct spng_ihdr header;
    unsigned char background[3];
    size_t pixel;           /* bytes of one in `buffer`: 3, or 4 with alpha */
    unsigned char *buffer;  /* owned: the whole picture if interlaced, else a row */
    uint32_t next_row;      /* to be delivered of an interlaced one */
    bool is_whole;          /* an interlaced one has been decoded */
    enum error_code result; /* and how that went */
    struct image_fault fault;
};

static enum error_code failed(int status, struct image_fault *fault)
{
    switch (status) {
    case SPNG_EMEM:
        return ERROR_MEMORY;
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return image_refuse(fault, "truncated_image", "%s", spng_strerror(status));
    default:
        return image_refuse(fault, "corrupt_image", "%s", spng_strerror(status));
    }
}

/* libspng takes pieces whole or not at all. */
static int read_cut_file(spng_ctx *context, void *user, void *out, size_t wanted)
{
    struct cut_file *cut = user;
    unsigned char *to = out;
    (void)context;
    size_t total = cut->chunk < SIZE_MAX ? cut->size + 4 : cut->size;
    if (wanted > total - cut->at)
        return SPNG_IO_EOF;
    for (size_t i = 0; i < wanted; i++, cut->at++) {
        bool is_length = cut->at >= cut->chunk && cut->at - cut->chunk < 4;
        to[i] = is_length             ? cut->length[cut->at - cut->chunk]
                : cut->at < cut->size ? cut->data[cut->at]
                                      : 0;
    }
    return 0;
}

static void find_cut(struct cut_file *cut, const struct image_task *task)
{
    *cut = (struct cut_file){.data = task->data, .size = task->size, .chunk = SIZE_MAX};
    for (size_t at = 8; cut->size - at > 8;) {
        size_t length = load_u32_big(cut->data + at), left = cut->size - at - 8;
        if (length + 4 > left) {
            cut->chunk = at;
            store_u32_big(cut->length, (uint32_t)left);
            return;
        }
        at += length + 12;
    }
}

/* Set the context up and read all in front of the pixels. */
static int read_front(struct png *png, const struct image_task *task, bool *has_alpha)
{
    struct spng_trns transparent;
    int critical = task->rules->keeps_damaged ? SPNG_CRC_USE : SPNG_CRC_ERROR;
    int status = spng_set_crc_action(png->context, critical, SPNG_CRC_DISCARD);
    if (!status)
        status = spng_set_chunk_limits(png->context, CHUNK_MAX, CHUNKS_MAX);
    if (task->rules->keeps_damaged)
        find_cut(&png->cut, task);
    if (!status)
        status = task->rules->keeps_damaged
                     ? spng_set_png_stream(png->context, read_cut_file, &png->cut)
                     : spng_set_png_buffer(png->context, task->data, task->size);
    if (!status)
        status = spng_get_ihdr(png->context, &png->header);
    if (status)
        return status;
    *has_alpha = png->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                 png->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    status = *has_alpha ? SPNG_ECHUNKAVAIL : spng_get_trns(png->context, &transparent);
    if (!status)
        *has_alpha = true;
    return status == SPNG_ECHUNKAVAIL ? 0 : status;
}

static enum error_code open_png(struct image_task *task, void **state,
                                struct image_fault *fault)
{
    struct png *png = calloc(1, sizeof *png);
    if (!png)
        return ERROR_MEMORY;
    *state = png;
    memcpy(png->background, task->rules->background, sizeof png->background);
    png->context = spng_ctx_new(0);
    if (!png->context)
        return ERROR_MEMORY;
    bool has_alpha = false;
    int status = read_front(png, task, &has_alpha);
    if (status)
        return failed(status, fault);
    bool is_interlaced = png->header.interlace_method != 0;
    png->pixel = has_alpha ? 4 : 3;
    /* The decoder holds two rows as they are filtered, of 8 bytes a pixel at most. */
    uint64_t row = png->pixel * (uint64_t)png->header.width;
    uint64_t buffer = is_interlaced ? row * png->header.height : row;
    uint64_t needed = buffer + 16 * (uint64_t)png->header.width + DECODER_BYTES;
    const char *what = is_interlaced ? "an interlaced PNG" : "a PNG";
    enum error_code code = image_check_memory(task, needed, what, fault);
    if (code != OK)
        return code;
    png->buffer = calloc(1, (size_t)buffer);
    if (!png->buffer)
        return ERROR_MEMORY;
    int flags = SPNG_DECODE_PROGRESSIVE | (has_alpha ? SPNG_DECODE_TRNS : 0);
    int format = has_alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8;
    status = spng_decode_image(png->context, NULL, 0, format, flags);
    return status ? failed(status, fault) : OK;
}

/* A row of `buffer` as one of RGB. */
static void deliver(const struct png *png, const unsigned char *from, unsigned char *row)
{
    if (png->pixel == 4)
        image_lay_over(from, png->header.width, png->background, false, row);
    else
        memcpy(row, from, 3 * (size_t)png->header.width);
}

static void decode_passes(struct png *png)
{
    size_t row_size = png->pixel * png->header.width;
    int status = 0;
    struct spng_row_info row;
    while (!status) {
        status = spng_get_row_info(png->context, &row);
        if (!status)
            status = spng_decode_row(png->context, png->buffer + row.row_num * row_size,
                                     row_size);
    }
    png->is_whole = true;
    png->result = status == SPNG_EOI ? OK : failed(status, &png->fault);
}

static enum error_code png_rows(void *state, unsigned char *rows, size_t stride,
                                uint32_t count, uint32_t *got, struct image_fault *fault)
{
    struct png *png = state;
    size_t row_size = png->pixel * png->header.width;
    if (png->header.interlace_method) {
        if (!png->is_whole)
            decode_passes(png);
        for (uint32_t i = 0; i < count; i++)
            deliver(png, png->buffer + png->next_row++ * row_size, rows + i * stride);
        *got = count;
        return png->result == ERROR_MEMORY ? ERROR_MEMORY : OK;
    }
    int status = spng_decode_row(png->context, png->buffer, row_size);
    if (status && status != SPNG_EOI)
        return failed(status, fault);
    deliver(png, png->buffer, rows);
    *got = 1;
    return OK;
}

static enum error_code finish_png(void *state, struct image_fault *fault)
{
    const struct png *png = state;
    if (png->result != OK)
        *fault = png->fault;
    return png->result;
}

static void close_png(void *state)
{
    struct png *png = state;
    if (!png)
        return;
    spng_ctx_free(png->context);
    free(png->buffer);
    free(png);
}

const struct image_codec image_codec_png = {
    .open = open_png, .rows = png_rows, .finish = finish_png, .close = close_png};

/* ---- encoding ---- */

static int write_stream(spng_ctx *context, void *user, void *data, size_t size)
{
    struct bytes *out = user;
    (void)context;
    bytes_put(out, data, size);
    return out->is_bad ? SPNG_EMEM : 0;
}

enum error_code image_encode_png(const unsigned char *pixels, uint32_t width,
                                 uint32_t height, struct bytes *out, struct error *error)
{
    struct spng_ihdr header = {.width = width,
                               .height = height,
                               .bit_depth = 8,
                               .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    bytes_reset(out);
    spng_ctx *context = spng_ctx_new(SPNG_CTX_ENCODER);
    int status = context ? spng_set_png_stream(context, write_stream, out) : SPNG_EMEM;
    if (!status)
        status = spng_set_option(context, SPNG_IMG_COMPRESSION_LEVEL, COMPRESSION);
    if (!status)
        status = spng_set_ihdr(context, &header);
    if (!status)
        status = spng_encode_image(context, pixels, (size_t)3 * width * height,
                                   SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    spng_ctx_free(context);
    if (status == SPNG_EMEM || out->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory to encode a picture");
    if (status)
        return error_set(error, ERROR_RECORD, "cannot encode a PNG of %u by %u: %s",
                         (unsigned)width, (unsigned)height, spng_strerror(status));
    return OK;
}
