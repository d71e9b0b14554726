/* sentencepiece_fuzz.h - for fuzz targets: a small model and a text out of any bytes */
#ifndef TESTS_SENTENCEPIECE_FUZZ_H
#define TESTS_SENTENCEPIECE_FUZZ_H

#include "tests/sentencepiece_coder.h"
#include "tests/sentencepiece_writer.h"

enum { FUZZ_PIECES = 48, FUZZ_TEXT_MAX = 400 };

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

/* Bytes: flags, number of pieces; for each piece size and kind, score, its bytes; then the
 * text. A letter stands for itself, '_' in a piece or the text for U+2581. */
static inline void fuzz_put(struct bytes *out, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '_')
            bytes_put(out, "\xe2\x96\x81", 3);
        else
            bytes_put_u8(out, data[i]);
    }
}

static inline struct cursor fuzz_model(const uint8_t *data, size_t size, int model_type,
                                       struct bytes *file, bool *is_other)
{
    struct cursor cursor = cursor_over(data, size);
    uint8_t flags = cursor_u8(&cursor);
    size_t pieces = cursor_u8(&cursor) % FUZZ_PIECES;
    write_begin(file);
    for (size_t i = 0; i < pieces && !cursor.is_bad; i++) {
        static const enum piece_type kinds[] = {WRITE_NORMAL, WRITE_NORMAL, WRITE_USER,
                                                WRITE_UNUSED};
        struct bytes text = {0};
        uint8_t head = cursor_u8(&cursor), score = cursor_u8(&cursor);
        size_t length = 1 + (head & 7);
        const unsigned char *bytes = cursor_take(&cursor, length);
        if (bytes) {
            fuzz_put(&text, bytes, length);
            write_piece_bytes(file, text.data, text.size, -(float)score / 7,
                              kinds[head >> 3 & 3]);
        }
        bytes_clear(&text);
    }
    if (flags & 1)
        write_byte_pieces(file);
    write_end(file, model_type, flags & 1);
    *is_other = flags & 2;
    return cursor;
}

/* The model compiles and agrees with the plain reference. `is_other`: of a Unigram model,
 * as Hugging Face computes. */
static inline void fuzz_compare(const uint8_t *data, size_t size, int model_type)
{
    struct bytes file = {0}, text = {0};
    struct coder coder = {.work = arena_create(1 << 16, 0)};
    bool is_other;
    struct cursor rest = fuzz_model(data, size, model_type, &file, &is_other);
    enum error_code code =
        sentencepiece_read(file.data, file.size, coder.work, &coder.spec, &coder.error);
    require(code == OK || code == ERROR_CONFIG);
    fuzz_put(&text, rest.at, cursor_left(&rest));
    if (code == OK && text.size > 0 && text.size <= FUZZ_TEXT_MAX) {
        struct reference reference;
        if (model_type == WRITE_UNIGRAM && is_other)
            coder_take_kinds(&coder);
        bool is_open = coder_open_spec(&coder);
        require(is_open || coder.error.code == ERROR_CONFIG);
        reference_open(&reference, &coder.spec.model);
        require(!is_open || coder_agrees(&coder, &reference, text.data, text.size));
        reference_close(&reference);
    }
    bytes_clear(&file);
    bytes_clear(&text);
    coder_close(&coder);
}

#endif
