/* image_tiff.c - decode the first picture of a TIFF file; doorkeeper of libtiff */
#include "stages/kernels/image_codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

enum { DECODER_BYTES = 1 << 20, MESSAGE_MAX = 150 };

struct tiff {
    const unsigned char *data; /* borrowed */
    size_t size, at;
    TIFF *file;          /* owned */
    TIFFRGBAImage image; /* owned once has_image */
    bool has_image, is_cut;
    unsigned char background[3];
    uint32_t *band; /* owned: (band_rows, width), ABGR */
    uint32_t band_rows, next_row;
    uint32_t band_at, band_end; /* rows that `band` holds */
    char message[MESSAGE_MAX];  /* the first error that libtiff told of */
};

/* ---- the file, in memory ---- */

static tmsize_t read_file(thandle_t handle, void *out, tmsize_t wanted)
{
    struct tiff *tiff = handle;
    size_t left = tiff->at < tiff->size ? tiff->size - tiff->at : 0;
    size_t count = wanted < 0 ? 0 : (size_t)wanted < left ? (size_t)wanted : left;
    if (count > 0)
        memcpy(out, tiff->data + tiff->at, count);
    tiff->at += count;
    return (tmsize_t)count;
}

static tmsize_t write_file(thandle_t handle, void *data, tmsize_t size)
{
    (void)handle;
    (void)data;
    (void)size;
    return -1;
}

static toff_t seek_file(thandle_t handle, toff_t offset, int whence)
{
    struct tiff *tiff = handle;
    toff_t base = whence == SEEK_CUR ? tiff->at : whence == SEEK_END ? tiff->size : 0;
    tiff->at = offset > SIZE_MAX - base ? SIZE_MAX : (size_t)(base + offset);
    return tiff->at;
}

static int close_file(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of_file(thandle_t handle)
{
    const struct tiff *tiff = handle;
    return tiff->size;
}

/* libtiff reads straight from the file where it is mapped; and only then does 4.5.0 take
 * uncompressed tiles whose size is no multiple of 1024. It never writes there: what must be
 * changed is copied. */
static int map_file(thandle_t handle, void **base, toff_t *size)
{
    const struct tiff *tiff = handle;
    union {
        const unsigned char *given;
        void *taken;
    } data = {tiff->data};
    *base = data.taken;
    *size = tiff->size;
    return 1;
}

static void unmap_file(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

static int keep_message(TIFF *file, void *user, const char *module, const char *format,
                        va_list arguments)
{
    struct tiff *tiff = user;
    (void)file;
    (void)module;
    if (!tiff->message[0])
        (void)vsnprintf(tiff->message, sizeof tiff->message, format, arguments);
    return 1; /* nobody else is to be told */
}

static int drop_message(TIFF *file, void *user, const char *module, const char *format,
                        va_list arguments)
{
    (void)file;
    (void)user;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

static enum error_code open_file(struct tiff *tiff, const struct image_task *task)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return ERROR_MEMORY;
    uint64_t memory = task->rules->memory;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, memory < PTRDIFF_MAX ? (tmsize_t)memory
                                                                      : PTRDIFF_MAX);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, tiff);
    TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, NULL);
    tiff->file =
        TIFFClientOpenExt("image", "r", tiff, read_file, write_file, seek_file,
                          close_file, size_of_file, map_file, unmap_file, options);
    TIFFOpenOptionsFree(options);
    return OK;
}

/* ---- the picture ---- */

static enum error_code failed(const struct tiff *tiff, struct image_fault *fault)
{
    return image_refuse(fault, tiff->is_cut ? "truncated_image" : "corrupt_image", "%s",
                        tiff->message[0] ? tiff->message : "it cannot be decoded");
}

/* Only what is common and whose decoder is in every libtiff. */
static bool is_known(uint16_t compression)
{
    static const uint16_t known[] = {COMPRESSION_NONE,          COMPRESSION_CCITTRLE,
                                     COMPRESSION_CCITTFAX3,     COMPRESSION_CCITTFAX4,
                                     COMPRESSION_LZW,           COMPRESSION_JPEG,
                                     COMPRESSION_PACKBITS,      COMPRESSION_DEFLATE,
                                     COMPRESSION_ADOBE_DEFLATE, COMPRESSION_ZSTD};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == compression)
            return TIFFIsCODECConfigured(compression) != 0;
    return false;
}

/* Does a strip or tile reach beyond the file? */
static bool is_cut(const struct tiff *tiff)
{
    uint32_t count = TIFFIsTiled(tiff->file) ? TIFFNumberOfTiles(tiff->file)
                                             : TIFFNumberOfStrips(tiff->file);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t offset = TIFFGetStrileOffset(tiff->file, i);
        uint64_t size = TIFFGetStrileByteCount(tiff->file, i);
        if (offset > tiff->size || size > tiff->size - offset)
            return true;
    }
    return false;
}

/* Rows that are decoded at once, and what their decoded bytes take. */
static uint64_t measure_band(struct tiff *tiff, const struct image_task *task)
{
    uint32_t rows = 0;
    uint16_t planes = 1, samples = 1;
    (void)TIFFGetFieldDefaulted(tiff->file, TIFFTAG_SAMPLESPERPIXEL, &samples);
    (void)TIFFGetFieldDefaulted(tiff->file, TIFFTAG_PLANARCONFIG, &planes);
    uint64_t size;
    if (TIFFIsTiled(tiff->file)) {
        (void)TIFFGetField(tiff->file, TIFFTAG_TILELENGTH, &rows);
        size = TIFFTileSize64(tiff->file);
    } else {
        (void)TIFFGetFieldDefaulted(tiff->file, TIFFTAG_ROWSPERSTRIP, &rows);
        size = TIFFStripSize64(tiff->file);
    }
    tiff->band_rows = rows < 1 ? 1 : rows < task->height ? rows : task->height;
    return planes == PLANARCONFIG_SEPARATE && samples > 1 ? size * samples : size;
}

static enum error_code begin_image(struct tiff *tiff, const struct image_task *task,
                                   struct image_fault *fault)
{
    char message[1024] = "";
    uint16_t compression = 0;
    (void)TIFFGetFieldDefaulted(tiff->file, TIFFTAG_COMPRESSION, &compression);
    if (!is_known(compression))
        return image_refuse(fault, "unsupported_image", "its compression is number %u",
                            compression);
    tiff->is_cut = is_cut(tiff);
    if (tiff->is_cut && !task->rules->keeps_damaged)
        return image_refuse(fault, "truncated_image", "pixels lie behind the file's end");
    if (!TIFFRGBAImageOK(tiff->file, message))
        return image_refuse(fault, "unsupported_image", "%s", message);
    uint64_t decoded = measure_band(tiff, task);
    uint64_t band = 4 * (uint64_t)task->width * tiff->band_rows;
    if (decoded > UINT64_MAX / 4)
        return image_refuse(fault, "corrupt_image", "its strips have no size");
    enum error_code code =
        image_check_memory(task, decoded + band + DECODER_BYTES, "a TIFF", fault);
    if (code != OK)
        return code;
    if (!TIFFRGBAImageBegin(&tiff->image, tiff->file, !task->rules->keeps_damaged,
                            message))
        return image_refuse(fault, "corrupt_image", "%s", message);
    tiff->has_image = true;
    /* As it is stored: turning is not the decoder's matter. */
    tiff->image.req_orientation = tiff->image.orientation;
    return OK;
}

static enum error_code open_tiff(struct image_task *task, void **state,
                                 struct image_fault *fault)
{
    struct tiff *tiff = calloc(1, sizeof *tiff);
    if (!tiff)
        return ERROR_MEMORY;
    *state = tiff;
    tiff->data = task->data;
    tiff->size = task->size;
    memcpy(tiff->background, task->rules->background, sizeof tiff->background);
    enum error_code code = open_file(tiff, task);
    if (code != OK)
        return code;
    if (!tiff->file)
        return failed(tiff, fault);
    uint32_t width = 0, height = 0;
    (void)TIFFGetField(tiff->file, TIFFTAG_IMAGEWIDTH, &width);
    (void)TIFFGetField(tiff->file, TIFFTAG_IMAGELENGTH, &height);
    if (width != task->width || height != task->height)
        return image_refuse(fault, "corrupt_image", "it tells two sizes");
    code = begin_image(tiff, task, fault);
    if (code != OK)
        return code;
    tiff->band = calloc((size_t)tiff->band_rows * width, sizeof *tiff->band);
    return tiff->band ? OK : ERROR_MEMORY;
}

/* Decode the band that begins at the next row. */
static enum error_code decode_band(struct tiff *tiff, struct image_fault *fault)
{
    uint32_t width = tiff->image.width;
    /* The first band ends where a strip or tile does. */
    uint32_t left = tiff->image.height - tiff->next_row;
    uint32_t count = left < tiff->band_rows ? left : tiff->band_rows;
    memset(tiff->band, 0, (size_t)count * width * sizeof *tiff->band);
    tiff->image.row_offset = (int)tiff->next_row;
    tiff->image.col_offset = 0;
    if (!TIFFRGBAImageGet(&tiff->image, tiff->band, width, count))
        return failed(tiff, fault);
    tiff->band_at = tiff->next_row;
    tiff->band_end = tiff->next_row + count;
    return OK;
}

static enum error_code tiff_rows(void *state, unsigned char *rows, size_t stride,
                                 uint32_t count, uint32_t *got, struct image_fault *fault)
{
    struct tiff *tiff = state;
    if (tiff->next_row == tiff->band_end) {
        enum error_code code = decode_band(tiff, fault);
        if (code != OK)
            return code;
    }
    uint32_t width = tiff->image.width, left = tiff->band_end - tiff->next_row;
    *got = count < left ? count : left;
    for (uint32_t i = 0; i < *got; i++, rows += stride) {
        const uint32_t *from =
            tiff->band + (size_t)(tiff->next_row - tiff->band_at) * width;
        for (uint32_t x = 0; x < width; x++) {
            unsigned char pixel[4] = {
                (unsigned char)TIFFGetR(from[x]), (unsigned char)TIFFGetG(from[x]),
                (unsigned char)TIFFGetB(from[x]), (unsigned char)TIFFGetA(from[x])};
            image_lay_over(pixel, 1, tiff->background, true, rows + 3 * (size_t)x);
        }
        tiff->next_row++;
    }
    return OK;
}

static enum error_code finish_tiff(void *state, struct image_fault *fault)
{
    const struct tiff *tiff = state;
    return tiff->message[0] || tiff->is_cut ? failed(tiff, fault) : OK;
}

static void close_tiff(void *state)
{
    struct tiff *tiff = state;
    if (!tiff)
        return;
    if (tiff->has_image)
        TIFFRGBAImageEnd(&tiff->image);
    if (tiff->file)
        TIFFClose(tiff->file);
    free(tiff->band);
    free(tiff);
}

const struct image_codec image_codec_tiff = {
    .open = open_tiff, .rows = tiff_rows, .finish = finish_tiff, .close = close_tiff};
