/* image_jpeg.c - decode and encode JPEG; doorkeeper of libjpeg-turbo */
#include "stages/kernels/image_encode.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "core/bytes.h"
#include "stages/kernels/image_codec.h"

enum { ROWS_MAX = 16, SCANS_MAX = 500, BLOCK_BYTES = 64 * sizeof(short) };

/* libjpeg reports a fatal error by a call that must not return: longjmp() to whoever called
 * libjpeg last, always within this file. */
struct failure {
    struct jpeg_error_mgr manager; /* first: libjpeg gives its address back */
    jmp_buf jump;
    bool is_memory, is_cut;        /* no memory; the data ended too early */
    bool is_corrupt;               /* a warning told of lost pixels */
    char message[JMSG_LENGTH_MAX]; /* of the fatal error or the first such warning */
};

struct jpeg {
    struct jpeg_decompress_struct info;
    struct failure failure;
    struct jpeg_progress_mgr progress;
    unsigned char *inks; /* owned: a row of CMYK; NULL where it is not needed */
};

static void keep_message(j_common_ptr info, struct failure *failure)
{
    if (!failure->message[0])
        (*info->err->format_message)(info, failure->message);
}

static void fail(j_common_ptr info)
{
    struct failure *failure = (struct failure *)(void *)info->err;
    failure->is_memory = info->err->msg_code == JERR_OUT_OF_MEMORY;
    failure->message[0] = 0;
    keep_message(info, failure);
    longjmp(failure->jump, 1);
}

/* Warnings that pixels were lost; the rest is about marks that nobody needs. */
static void warn(j_common_ptr info, int level)
{
    struct failure *failure = (struct failure *)(void *)info->err;
    if (level >= 0)
        return;
    info->err->num_warnings++;
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF: /* an end mark alone may be missing */
        failure->is_cut = true;
        break;
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_NOT_SEQUENTIAL:
        failure->is_corrupt = true;
        keep_message(info, failure);
        break;
    default:
        break;
    }
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static struct jpeg_error_mgr *watch(struct failure *failure)
{
    (void)jpeg_std_error(&failure->manager);
    failure->manager.error_exit = fail;
    failure->manager.emit_message = warn;
    failure->manager.output_message = say_nothing;
    return &failure->manager;
}

/* A picture of thousands of tiny scans costs a pass over all of it each. */
static void count_scans(j_common_ptr info)
{
    const struct jpeg_decompress_struct *decoder = (const void *)info;
    if (decoder->input_scan_number > SCANS_MAX) {
        info->err->msg_code = JERR_NOTIMPL;
        info->err->error_exit(info);
    }
}

static enum error_code failed(const struct failure *failure, struct image_fault *fault)
{
    if (failure->is_memory)
        return ERROR_MEMORY;
    return image_refuse(fault, failure->is_cut ? "truncated_image" : "corrupt_image",
                        "%s", failure->message);
}

/* What the coefficients of the whole picture take, which are kept while there are several
 * scans. */
static uint64_t coefficient_bytes(struct jpeg_decompress_struct *info)
{
    uint64_t blocks = 0;
    if (!jpeg_has_multiple_scans(info))
        return 0;
    for (int i = 0; i < info->num_components; i++) {
        const jpeg_component_info *component = &info->comp_info[i];
        uint64_t across = (uint64_t)component->h_samp_factor;
        uint64_t down = (uint64_t)component->v_samp_factor;
        uint64_t width = (component->width_in_blocks + across - 1) / across * across;
        uint64_t height = (component->height_in_blocks + down - 1) / down * down;
        blocks += width * height;
    }
    return blocks * BLOCK_BYTES;
}

/* Buffers of rows on their way, by the sizes that libjpeg gives them. */
static uint64_t row_bytes(const struct jpeg_decompress_struct *info)
{
    return (uint64_t)info->image_width * (uint64_t)info->num_components * 64;
}

/* The least of 1/8, 1/4, 1/2 and 1 that gives the size asked for. */
static unsigned choose_scale(const struct image_task *task)
{
    for (unsigned scale = 1; scale < 8 && task->least_width && task->least_height;
         scale *= 2) {
        uint64_t width = ((uint64_t)task->width * scale + 7) / 8;
        uint64_t height = ((uint64_t)task->height * scale + 7) / 8;
        if (width >= task->least_width && height >= task->least_height)
            return scale;
    }
    return 8;
}

static enum error_code start(struct jpeg *jpeg, struct image_task *task,
                             struct image_fault *fault)
{
    struct jpeg_decompress_struct *info = &jpeg->info;
    jpeg_mem_src(info, task->data, (unsigned long)task->size);
    (void)jpeg_read_header(info, TRUE);
    uint64_t needed = coefficient_bytes(info) + row_bytes(info);
    const char *what =
        jpeg_has_multiple_scans(info) ? "a JPEG of several scans" : "a JPEG";
    enum error_code code = image_check_memory(task, needed, what, fault);
    if (code != OK)
        return code;
    info->mem->max_memory_to_use =
        task->rules->memory < LONG_MAX ? (long)task->rules->memory : LONG_MAX;
    bool has_inks = info->num_components == 4;
    info->out_color_space = has_inks ? JCS_CMYK : JCS_RGB;
    info->scale_num = choose_scale(task);
    info->scale_denom = 8;
    (void)jpeg_start_decompress(info);
    task->width = info->output_width;
    task->height = info->output_height;
    return OK;
}

static enum error_code open_jpeg(struct image_task *task, void **state,
                                 struct image_fault *fault)
{
    if (task->header.bits != 8)
        return image_refuse(fault, "unsupported_image",
                            "it has %u bits a sample, JPEGs of 8 alone are read",
                            task->header.bits);
    struct jpeg *jpeg = calloc(1, sizeof *jpeg);
    if (!jpeg)
        return ERROR_MEMORY;
    *state = jpeg;
    jpeg->info.err = watch(&jpeg->failure);
    if (setjmp(jpeg->failure.jump))
        return failed(&jpeg->failure, fault);
    jpeg_create_decompress(&jpeg->info);
    jpeg->progress.progress_monitor = count_scans;
    jpeg->info.progress = &jpeg->progress;
    enum error_code code = start(jpeg, task, fault);
    if (code != OK || jpeg->info.out_color_space != JCS_CMYK)
        return code;
    jpeg->inks = malloc((size_t)jpeg->info.output_width * 4);
    return jpeg->inks ? OK : ERROR_MEMORY;
}

/* Inks as Adobe writes them, 255 for none of it. */
static void mix_inks(const unsigned char *inks, uint32_t width, unsigned char *out)
{
    for (size_t x = 0; x < width; x++) {
        unsigned light = inks[4 * x + 3];
        for (size_t c = 0; c < 3; c++)
            out[3 * x + c] = (unsigned char)((inks[4 * x + c] * light + 127) / 255);
    }
}

static enum error_code jpeg_rows(void *state, unsigned char *rows, size_t stride,
                                 uint32_t count, uint32_t *got, struct image_fault *fault)
{
    struct jpeg *jpeg = state;
    JSAMPROW lines[ROWS_MAX];
    unsigned most = jpeg->inks ? 1 : ROWS_MAX, wanted = count < most ? count : most;
    if (setjmp(jpeg->failure.jump))
        return failed(&jpeg->failure, fault);
    for (unsigned i = 0; i < wanted; i++)
        lines[i] = rows + i * stride;
    if (jpeg->inks)
        lines[0] = jpeg->inks;
    *got = jpeg_read_scanlines(&jpeg->info, lines, wanted);
    if (jpeg->inks && *got > 0)
        mix_inks(jpeg->inks, jpeg->info.output_width, rows);
    return OK;
}

static enum error_code finish_jpeg(void *state, struct image_fault *fault)
{
    struct jpeg *jpeg = state;
    struct failure *failure = &jpeg->failure;
    /* What stands behind the last row is nobody's loss, but scans may be missing, or an
     * arithmetic code's end, which reads as zeros without a warning. */
    bool lacks_data = failure->is_cut &&
                      (jpeg_has_multiple_scans(&jpeg->info) || jpeg->info.arith_code);
    if (failure->is_corrupt || lacks_data) {
        if (!failure->message[0])
            return image_refuse(fault, "truncated_image", "the file ends before its %s",
                                jpeg->info.arith_code ? "end mark" : "last scan");
        return failed(failure, fault);
    }
    return OK;
}

static void close_jpeg(void *state)
{
    struct jpeg *jpeg = state;
    if (!jpeg)
        return;
    if (!setjmp(jpeg->failure.jump))
        jpeg_destroy_decompress(&jpeg->info);
    free(jpeg->inks);
    free(jpeg);
}

const struct image_codec image_codec_jpeg = {
    .open = open_jpeg, .rows = jpeg_rows, .finish = finish_jpeg, .close = close_jpeg};

/* ---- encoding ---- */

struct encoder {
    struct jpeg_compress_struct info;
    struct failure failure;
    struct jpeg_destination_mgr target;
    struct bytes *out;
};

static void begin_target(j_compress_ptr info)
{
    struct encoder *encoder = (struct encoder *)(void *)info;
    struct bytes *out = encoder->out;
    if (!bytes_reserve(out, 1 << 16))
        ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    encoder->target.next_output_byte = out->data + out->size;
    encoder->target.free_in_buffer = out->capacity - out->size;
}

static boolean grow_target(j_compress_ptr info)
{
    struct encoder *encoder = (struct encoder *)(void *)info;
    encoder->out->size = encoder->out->capacity; /* libjpeg filled all of it */
    begin_target(info);
    return TRUE;
}

static void end_target(j_compress_ptr info)
{
    struct encoder *encoder = (struct encoder *)(void *)info;
    encoder->out->size = encoder->out->capacity - encoder->target.free_in_buffer;
}

static void compress(struct encoder *encoder, const unsigned char *pixels, uint32_t width,
                     uint32_t height, int quality)
{
    struct jpeg_compress_struct *info = &encoder->info;
    jpeg_create_compress(info);
    encoder->target.init_destination = begin_target;
    encoder->target.empty_output_buffer = grow_target;
    encoder->target.term_destination = end_target;
    info->dest = &encoder->target;
    info->image_width = width;
    info->image_height = height;
    info->input_components = 3;
    info->in_color_space = JCS_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < height) {
        /* libjpeg reads through it, though its type does not say so. */
        union {
            const unsigned char *given;
            JSAMPROW taken;
        } line = {pixels + (size_t)info->next_scanline * width * 3};
        (void)jpeg_write_scanlines(info, &line.taken, 1);
    }
    jpeg_finish_compress(info);
}

static struct encoder *create_encoder(struct bytes *out)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->out = out;
    encoder->info.err = watch(&encoder->failure);
    return encoder;
}

/* False: libjpeg gave up. */
static bool try_compress(struct encoder *encoder, const unsigned char *pixels,
                         uint32_t width, uint32_t height, int quality)
{
    if (setjmp(encoder->failure.jump))
        return false;
    compress(encoder, pixels, width, height, quality);
    return true;
}

static void destroy_encoder(struct encoder *encoder)
{
    if (!setjmp(encoder->failure.jump))
        jpeg_destroy_compress(&encoder->info);
    free(encoder);
}

enum error_code image_encode_jpeg(const unsigned char *pixels, uint32_t width,
                                  uint32_t height, int quality, struct bytes *out,
                                  struct error *error)
{
    bytes_reset(out);
    struct encoder *encoder = create_encoder(out);
    if (!encoder)
        return error_set(error, ERROR_MEMORY, "no memory to encode a picture");
    enum error_code code = OK;
    if (!try_compress(encoder, pixels, width, height, quality))
        code =
            encoder->failure.is_memory
                ? error_set(error, ERROR_MEMORY, "no memory to encode a picture")
                : error_set(error, ERROR_RECORD, "cannot encode a JPEG of %u by %u: %s",
                            (unsigned)width, (unsigned)height, encoder->failure.message);
    destroy_encoder(encoder);
    return code;
}
