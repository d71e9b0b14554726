/* image_files.h - image files for tests, of every kind, made of pictures that are known */
#ifndef TESTS_IMAGE_FILES_H
#define TESTS_IMAGE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>
#include <tiffio.h>
#include <webp/encode.h>

#include "core/bytes.h"

/* The known picture, smooth so that lossy formats keep it: red grows to the right, green
 * downwards, and a corner differs from each other one. */
static inline void known_pixel(uint32_t x, uint32_t y, uint32_t width, uint32_t height,
                               unsigned char *pixel)
{
    uint32_t across = width > 1 ? x * 255 / (width - 1) : 0;
    uint32_t down = height > 1 ? y * 255 / (height - 1) : 0;
    pixel[0] = (unsigned char)across;
    pixel[1] = (unsigned char)down;
    pixel[2] = (unsigned char)((510 - across - down) / 2);
}

/* Owned by the caller. */
static inline unsigned char *known_picture(uint32_t width, uint32_t height)
{
    unsigned char *pixels = malloc((size_t)width * height * 3);
    if (!pixels)
        abort();
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            known_pixel(x, y, width, height, pixels + ((size_t)y * width + x) * 3);
    return pixels;
}

/* A block of EXIF data, a TIFF file with one tag. */
static inline void put_exif_block(struct bytes *out, unsigned orientation)
{
    bytes_put(out, "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0", 18);
    bytes_put_u32(out, orientation);
    bytes_put_u32(out, 0);
}

struct jpeg_kind {
    uint32_t width, height;
    int quality; /* 0: 95 */
    bool is_gray, is_cmyk, is_ycck, is_progressive, is_arithmetic, is_subsampled;
    bool has_two_scans; /* baseline, its components one after another */
    unsigned orientation;
    unsigned restart; /* rows between restart marks */
};

static inline void set_jpeg_kind(struct jpeg_compress_struct *info,
                                 const struct jpeg_kind *kind)
{
    static const jpeg_scan_info scans[] = {
        {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    info->image_width = kind->width;
    info->image_height = kind->height;
    info->input_components = kind->is_gray ? 1 : kind->is_cmyk || kind->is_ycck ? 4 : 3;
    info->in_color_space = kind->is_gray                    ? JCS_GRAYSCALE
                           : kind->is_cmyk || kind->is_ycck ? JCS_CMYK
                                                            : JCS_RGB;
    jpeg_set_defaults(info);
    if (kind->is_ycck)
        jpeg_set_colorspace(info, JCS_YCCK);
    jpeg_set_quality(info, kind->quality ? kind->quality : 95, TRUE);
    if (!kind->is_subsampled)
        info->comp_info[0].h_samp_factor = info->comp_info[0].v_samp_factor = 1;
    info->arith_code = kind->is_arithmetic;
    info->restart_in_rows = (int)kind->restart;
    if (kind->is_progressive)
        jpeg_simple_progression(info);
    if (kind->has_two_scans) {
        info->scan_info = scans;
        info->num_scans = 3;
    }
}

/* The known picture as a JPEG. CMYK is written as Adobe does, 255 for no ink, with the
 * black that the darkest of the others leaves. */
static inline void put_jpeg_file(struct bytes *out, const struct jpeg_kind *kind)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL, *row = malloc((size_t)kind->width * 4);
    unsigned long size = 0;
    struct bytes exif = {0};
    if (!row)
        abort();
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &data, &size);
    set_jpeg_kind(&info, kind);
    jpeg_start_compress(&info, TRUE);
    if (kind->orientation) {
        bytes_put(&exif, "Exif\0\0", 6);
        put_exif_block(&exif, kind->orientation);
        jpeg_write_marker(&info, JPEG_APP0 + 1, exif.data, (unsigned)exif.size);
    }
    size_t step = (size_t)info.input_components;
    for (uint32_t y = 0; y < kind->height; y++) {
        for (uint32_t x = 0; x < kind->width; x++) {
            unsigned char pixel[4] = {0, 0, 0, 255};
            known_pixel(x, y, kind->width, kind->height, pixel);
            memcpy(row + x * step, pixel, step);
        }
        JSAMPROW line = row;
        (void)jpeg_write_scanlines(&info, &line, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    bytes_put(out, data, size);
    bytes_clear(&exif);
    free(data);
    free(row);
}

struct png_kind {
    uint32_t width, height;
    uint8_t color_type, depth; /* spng_color_type; 0: 8 bits */
    bool is_interlaced, has_trns;
    unsigned orientation;
    uint8_t alpha; /* of every pixel, where the type has one */
};

/* A pixel of the known picture as a file of this kind has it; gray takes red's value,
 * palettes have red in their entries. Returns its bytes. */
static inline size_t png_pixel(const struct png_kind *kind, uint32_t x, uint32_t y,
                               unsigned char *out)
{
    unsigned char pixel[4];
    size_t size = 0;
    known_pixel(x, y, kind->width, kind->height, pixel);
    pixel[3] = kind->alpha;
    bool is_gray = kind->color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                   kind->color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    bool has_alpha = kind->color_type & 4;
    if (kind->color_type == SPNG_COLOR_TYPE_INDEXED) {
        out[0] = pixel[0];
        return 1;
    }
    for (size_t c = 0; c < 4; c++) {
        if ((c == 3 && !has_alpha) || (is_gray && (c == 1 || c == 2)))
            continue;
        if (kind->depth == 16) /* the order of the machine: the high byte is the second */
            out[size++] = 0x55;
        out[size++] = pixel[c];
    }
    return size;
}

static inline void put_png_file(struct bytes *out, const struct png_kind *kind)
{
    struct spng_ihdr header = {.width = kind->width,
                               .height = kind->height,
                               .bit_depth = kind->depth ? kind->depth : 8,
                               .color_type = kind->color_type,
                               .interlace_method = kind->is_interlaced};
    struct bytes exif = {0};
    unsigned char *pixels = calloc(kind->width, (size_t)kind->height * 8);
    size_t size = 0;
    spng_ctx *context = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!pixels || !context)
        abort();
    for (uint32_t y = 0; y < kind->height; y++)
        for (uint32_t x = 0; x < kind->width; x++)
            size += png_pixel(kind, x, y, pixels + size);
    spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
    spng_set_ihdr(context, &header);
    if (kind->color_type == SPNG_COLOR_TYPE_INDEXED) {
        struct spng_plte palette = {.n_entries = 256};
        for (unsigned i = 0; i < 256; i++)
            palette.entries[i] =
                (struct spng_plte_entry){(uint8_t)i, (uint8_t)(255 - i), 7, 0};
        spng_set_plte(context, &palette);
    }
    if (kind->has_trns) {
        struct spng_trns transparent = {.gray = 0, .n_type3_entries = 256};
        for (unsigned i = 0; i < 256; i++)
            transparent.type3_alpha[i] = kind->alpha;
        spng_set_trns(context, &transparent);
    }
    if (kind->orientation) {
        put_exif_block(&exif, kind->orientation);
        struct spng_exif block = {.length = exif.size, .data = (char *)exif.data};
        spng_set_exif(context, &block);
    }
    int status =
        spng_encode_image(context, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    size_t file_size = 0;
    void *file = status ? NULL : spng_get_png_buffer(context, &file_size, &status);
    if (!file)
        abort();
    bytes_put(out, file, file_size);
    free(file);
    free(pixels);
    spng_ctx_free(context);
    bytes_clear(&exif);
}

/* The known picture as WebP; `alpha` below 255: with an alpha plane of that value. */
static inline void put_webp_file(struct bytes *out, uint32_t width, uint32_t height,
                                 bool is_lossless, unsigned char alpha)
{
    unsigned char *rgb = known_picture(width, height), *data = NULL;
    unsigned char *rgba = malloc((size_t)width * height * 4);
    if (!rgba)
        abort();
    for (size_t i = 0; i < (size_t)width * height; i++) {
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = alpha;
    }
    int w = (int)width, h = (int)height;
    size_t size = is_lossless ? WebPEncodeLosslessRGBA(rgba, w, h, w * 4, &data)
                              : WebPEncodeRGBA(rgba, w, h, w * 4, 95, &data);
    if (size == 0)
        abort();
    bytes_put(out, data, size);
    WebPFree(data);
    free(rgb);
    free(rgba);
}

struct tiff_kind {
    uint32_t width, height;
    uint16_t compression; /* 0: none */
    uint16_t bits;        /* 0: 8 */
    bool is_gray, is_tiled, is_separate, is_float, has_alpha;
    uint32_t rows; /* a strip; 0: all */
    unsigned orientation;
    unsigned char alpha; /* not multiplied into the colours */
};

struct tiff_memory {
    struct bytes *out;
    size_t at;
};

static inline tmsize_t tiff_memory_read(thandle_t handle, void *data, tmsize_t size)
{
    struct tiff_memory *memory = handle;
    size_t left = memory->out->size - memory->at, count = (size_t)size;
    if (count > left)
        count = left;
    if (count > 0)
        memcpy(data, memory->out->data + memory->at, count);
    memory->at += count;
    return (tmsize_t)count;
}

static inline tmsize_t tiff_memory_write(thandle_t handle, void *data, tmsize_t size)
{
    struct tiff_memory *memory = handle;
    size_t end = memory->at + (size_t)size;
    while (memory->out->size < end)
        bytes_put_u8(memory->out, 0);
    memcpy(memory->out->data + memory->at, data, (size_t)size);
    memory->at = end;
    return size;
}

static inline toff_t tiff_memory_seek(thandle_t handle, toff_t offset, int whence)
{
    struct tiff_memory *memory = handle;
    size_t base = whence == SEEK_CUR   ? memory->at
                  : whence == SEEK_END ? memory->out->size
                                       : 0;
    memory->at = base + (size_t)offset;
    return memory->at;
}

static inline int tiff_memory_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static inline toff_t tiff_memory_size(thandle_t handle)
{
    return ((struct tiff_memory *)handle)->out->size;
}

static inline size_t tiff_pixel(const struct tiff_kind *kind, uint32_t x, uint32_t y,
                                unsigned char *out)
{
    unsigned char pixel[4];
    size_t size = 0;
    known_pixel(x, y, kind->width, kind->height, pixel);
    pixel[3] = kind->alpha;
    size_t count = kind->is_gray ? 1 : kind->has_alpha ? 4 : 3;
    for (size_t c = 0; c < count; c++)
        for (int i = 0; i < (kind->bits > 8 ? kind->bits : 8) / 8; i++)
            out[size++] = pixel[c];
    return size;
}

static inline void set_tiff_kind(TIFF *file, const struct tiff_kind *kind)
{
    static const uint16_t extra[] = {EXTRASAMPLE_UNASSALPHA};
    TIFFSetField(file, TIFFTAG_IMAGEWIDTH, kind->width);
    TIFFSetField(file, TIFFTAG_IMAGELENGTH, kind->height);
    TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, kind->bits ? kind->bits : 8);
    TIFFSetField(file, TIFFTAG_SAMPLESPERPIXEL,
                 kind->is_gray     ? 1
                 : kind->has_alpha ? 4
                                   : 3);
    TIFFSetField(file, TIFFTAG_PHOTOMETRIC,
                 kind->is_gray ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB);
    TIFFSetField(file, TIFFTAG_PLANARCONFIG,
                 kind->is_separate ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    TIFFSetField(file, TIFFTAG_COMPRESSION,
                 kind->compression ? kind->compression : COMPRESSION_NONE);
    if (kind->has_alpha)
        TIFFSetField(file, TIFFTAG_EXTRASAMPLES, 1, extra);
    if (kind->is_float)
        TIFFSetField(file, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP);
    if (kind->orientation)
        TIFFSetField(file, TIFFTAG_ORIENTATION, kind->orientation);
    if (kind->is_tiled) {
        TIFFSetField(file, TIFFTAG_TILEWIDTH, 16);
        TIFFSetField(file, TIFFTAG_TILELENGTH, 16);
    } else {
        TIFFSetField(file, TIFFTAG_ROWSPERSTRIP, kind->rows ? kind->rows : kind->height);
    }
}

static inline void put_tiff_tiles(TIFF *file, const struct tiff_kind *kind)
{
    unsigned char tile[16 * 16 * 8];
    for (uint32_t top = 0; top < kind->height; top += 16)
        for (uint32_t left = 0; left < kind->width; left += 16) {
            size_t size = 0;
            for (uint32_t i = 0; i < 256; i++)
                size += tiff_pixel(kind, left + i % 16, top + i / 16, tile + size);
            (void)TIFFWriteTile(file, tile, left, top, 0, 0);
        }
}

static inline void put_tiff_file(struct bytes *out, const struct tiff_kind *kind)
{
    struct tiff_memory memory = {.out = out};
    unsigned char *row = malloc((size_t)kind->width * 16), plane[4096];
    TIFF *file =
        TIFFClientOpen("test", "w", &memory, tiff_memory_read, tiff_memory_write,
                       tiff_memory_seek, tiff_memory_close, tiff_memory_size, NULL, NULL);
    if (!file || !row)
        abort();
    set_tiff_kind(file, kind);
    if (kind->is_tiled)
        put_tiff_tiles(file, kind);
    for (uint16_t sample = 0; !kind->is_tiled && sample < (kind->is_separate ? 3 : 1);
         sample++)
        for (uint32_t y = 0; y < kind->height; y++) {
            size_t size = 0;
            for (uint32_t x = 0; x < kind->width; x++)
                size += tiff_pixel(kind, x, y, row + size);
            for (uint32_t x = 0; kind->is_separate && x < kind->width; x++)
                plane[x] = row[3 * x + sample];
            (void)TIFFWriteScanline(file, kind->is_separate ? plane : row, y, sample);
        }
    TIFFClose(file);
    free(row);
}

#endif
