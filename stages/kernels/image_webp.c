/* image_webp.c - decode WebP; doorkeeper of libwebp */
#include "stages/kernels/image_codec.h"

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

enum { DECODER_BYTES = 4 << 20 };

struct webp {
    unsigned char *pixels; /* owned: (height, width, pixel) */
    size_t pixel;          /* 3, or 4 with alpha */
    uint32_t width, height, next_row;
    uint32_t sound; /* rows that have been decoded */
    unsigned char background[3];
    VP8StatusCode status;
};

static const char *text_of(VP8StatusCode status)
{
    return status == VP8_STATUS_BITSTREAM_ERROR ? "the bit stream makes no sense"
           : status == VP8_STATUS_UNSUPPORTED_FEATURE
               ? "it has a feature that is not supported"
               : "the parameters make no sense";
}

static enum error_code failed(VP8StatusCode status, struct image_fault *fault)
{
    if (status == VP8_STATUS_OUT_OF_MEMORY)
        return ERROR_MEMORY;
    if (status == VP8_STATUS_SUSPENDED || status == VP8_STATUS_NOT_ENOUGH_DATA)
        return image_refuse(fault, "truncated_image", "the file ends too early");
    return image_refuse(fault, "corrupt_image", "%s", text_of(status));
}

/* Decode at once: libwebp needs the whole picture's memory whatever comes of it. */
static enum error_code decode(struct webp *webp, const struct image_task *task,
                              WebPDecoderConfig *config)
{
    size_t row = webp->pixel * webp->width;
    config->output.colorspace = webp->pixel == 4 ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = webp->pixels;
    config->output.u.RGBA.stride = (int)row;
    config->output.u.RGBA.size = row * webp->height;
    WebPIDecoder *decoder = WebPIDecode(NULL, 0, config);
    if (!decoder)
        return ERROR_MEMORY;
    int last = 0;
    webp->status = WebPIUpdate(decoder, task->data, task->size);
    if (WebPIDecGetRGB(decoder, &last, NULL, NULL, NULL) && last > 0)
        webp->sound = (uint32_t)last;
    if (webp->status == VP8_STATUS_OK)
        webp->sound = webp->height;
    WebPIDelete(decoder);
    return webp->status == VP8_STATUS_OUT_OF_MEMORY ? ERROR_MEMORY : OK;
}

static enum error_code open_webp(struct image_task *task, void **state,
                                 struct image_fault *fault)
{
    WebPDecoderConfig config;
    struct webp *webp = calloc(1, sizeof *webp);
    if (!webp)
        return ERROR_MEMORY;
    *state = webp;
    if (!WebPInitDecoderConfig(&config))
        return image_refuse(fault, "unsupported_image", "libwebp has another version");
    VP8StatusCode status = WebPGetFeatures(task->data, task->size, &config.input);
    if (status != VP8_STATUS_OK)
        return failed(status, fault);
    if (config.input.has_animation)
        return image_refuse(fault, "unsupported_image", "it is animated");
    webp->width = task->width = (uint32_t)config.input.width;
    webp->height = task->height = (uint32_t)config.input.height;
    if ((uint64_t)webp->width * webp->height > task->rules->max_pixels)
        return image_refuse(fault, "too_many_pixels", "it is larger than it says");
    webp->pixel = config.input.has_alpha ? 4 : 3;
    memcpy(webp->background, task->rules->background, sizeof webp->background);
    uint64_t pixels = (uint64_t)webp->width * webp->height;
    /* A lossless one is decoded as 32-bit pixels first, an alpha plane by itself. */
    uint64_t extra = config.input.format != 1 ? 4 : config.input.has_alpha ? 2 : 0;
    enum error_code code = image_check_memory(
        task, pixels * (webp->pixel + extra) + DECODER_BYTES, "a WebP", fault);
    if (code != OK)
        return code;
    webp->pixels = calloc((size_t)pixels, webp->pixel);
    return webp->pixels ? decode(webp, task, &config) : ERROR_MEMORY;
}

static enum error_code webp_rows(void *state, unsigned char *rows, size_t stride,
                                 uint32_t count, uint32_t *got, struct image_fault *fault)
{
    struct webp *webp = state;
    size_t row = webp->pixel * webp->width;
    if (webp->next_row >= webp->sound)
        return failed(webp->status, fault);
    const unsigned char *from = webp->pixels + webp->next_row * row;
    uint32_t left = webp->sound - webp->next_row;
    *got = count < left ? count : left;
    for (uint32_t i = 0; i < *got; i++, from += row, rows += stride)
        if (webp->pixel == 4)
            image_lay_over(from, webp->width, webp->background, false, rows);
        else
            memcpy(rows, from, row);
    webp->next_row += *got;
    return OK;
}

static enum error_code finish_webp(void *state, struct image_fault *fault)
{
    const struct webp *webp = state;
    return webp->status == VP8_STATUS_OK ? OK : failed(webp->status, fault);
}

static void close_webp(void *state)
{
    struct webp *webp = state;
    if (!webp)
        return;
    free(webp->pixels);
    free(webp);
}

const struct image_codec image_codec_webp = {
    .open = open_webp, .rows = webp_rows, .finish = finish_webp, .close = close_webp};
