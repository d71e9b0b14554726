/* image_codec.h - what image_decode.c asks of the decoder of a format */
#ifndef STAGES_KERNELS_IMAGE_CODEC_H
#define STAGES_KERNELS_IMAGE_CODEC_H

#include "core/compiler.h"
#include "stages/kernels/image_decode.h"

/* A file on its way: set up by image_decode.c, `width` and `height` too, which a codec that
 * delivers a smaller picture changes in open(). */
struct image_task {
    const unsigned char *data; /* borrowed */
    size_t size;
    const struct image_rules *rules;
    struct image_header header;
    uint32_t least_width, least_height; /* as stored, 0: all */
    uint32_t width, height;             /* of the rows */
};

/* Codecs keep a state of their own. Every function may fail with ERROR_RECORD and a filled
 * *fault, or ERROR_MEMORY. */
struct image_codec {
    /* *state is closed by close() even when this fails. */
    enum error_code (*open)(struct image_task *task, void **state,
                            struct image_fault *fault);
    /* As image_source_rows(); one row at least, unless it fails. */
    enum error_code (*rows)(void *state, unsigned char *rows, size_t stride,
                            uint32_t count, uint32_t *got, struct image_fault *fault);
    /* Behind the last row, once. */
    enum error_code (*finish)(void *state, struct image_fault *fault);
    void (*close)(void *state);
};

extern const struct image_codec image_codec_jpeg, image_codec_png, image_codec_webp,
    image_codec_tiff;

/* Fill *fault; ERROR_RECORD. */
enum error_code image_refuse(struct image_fault *fault, const char *reason,
                             const char *format, ...) PRINTF_LIKE(3, 4);
/* Refuse what needs more than the rules allow. */
enum error_code image_check_memory(const struct image_task *task, uint64_t needed,
                                   const char *what, struct image_fault *fault);
/* (width, 4) RGBA over the background, as RGB. Of `is_premultiplied` pixels the colours are
 * multiplied by their alpha already. */
void image_lay_over(const unsigned char *pixels, uint32_t width,
                    const unsigned char *background, bool is_premultiplied,
                    unsigned char *out);

#endif
