/* compress.c - bytes into one zstd frame, piece by piece; a doorkeeper of zstd */
#include "core/compress.h"

#include <stdlib.h>

#include <zstd.h>

#include "core/bytes.h"

struct compressor {
    ZSTD_CCtx *context; /* owned */
};

void compressor_levels(int *lowest, int *highest)
{
    *lowest = 1;
    *highest = ZSTD_maxCLevel();
}

struct compressor *compressor_create(int level)
{
    struct compressor *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->context = ZSTD_createCCtx();
    if (!made->context || ZSTD_isError(ZSTD_CCtx_setParameter(
                              made->context, ZSTD_c_compressionLevel, level))) {
        compressor_destroy(made);
        return NULL;
    }
    return made;
}

void compressor_destroy(struct compressor *compressor)
{
    if (!compressor)
        return;
    (void)ZSTD_freeCCtx(compressor->context);
    free(compressor);
}

enum error_code compressor_begin(struct compressor *compressor, uint64_t size,
                                 struct error *error)
{
    size_t status = ZSTD_CCtx_reset(compressor->context, ZSTD_reset_session_only);
    if (!ZSTD_isError(status))
        status = ZSTD_CCtx_setPledgedSrcSize(compressor->context, size);
    if (ZSTD_isError(status))
        return error_set(error, ERROR_FATAL, "cannot compress: %s",
                         ZSTD_getErrorName(status));
    return OK;
}

enum error_code compressor_put(struct compressor *compressor, const void *data,
                               size_t size, bool is_end, struct bytes *out,
                               struct error *error)
{
    ZSTD_inBuffer in = {.src = data, .size = size};
    size_t left = 1;
    while (in.pos < in.size || (is_end && left > 0)) {
        size_t room = ZSTD_CStreamOutSize();
        unsigned char *at = bytes_reserve(out, room);
        if (!at)
            return error_set(error, ERROR_MEMORY, "no memory to compress");
        ZSTD_outBuffer piece = {.dst = at, .size = room};
        left = ZSTD_compressStream2(compressor->context, &piece, &in,
                                    is_end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return error_set(error, ERROR_MEMORY, "cannot compress: %s",
                             ZSTD_getErrorName(left));
        out->size += piece.pos;
    }
    return OK;
}
