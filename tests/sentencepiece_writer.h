/* sentencepiece_writer.h - for tests: SentencePiece model files, field by field */
#ifndef TESTS_SENTENCEPIECE_WRITER_H
#define TESTS_SENTENCEPIECE_WRITER_H

#include <stdint.h>
#include <string.h>

#include "core/bytes.h"

enum piece_type { /* as in the file */
                  WRITE_NORMAL = 1,
                  WRITE_UNKNOWN,
                  WRITE_CONTROL,
                  WRITE_USER,
                  WRITE_UNUSED,
                  WRITE_BYTE
};
enum { WRITE_UNIGRAM = 1, WRITE_BPE, WRITE_WORD, WRITE_CHAR };

static inline void write_number(struct bytes *out, uint32_t field, uint64_t value)
{
    bytes_put_varint(out, field << 3);
    bytes_put_varint(out, value);
}

static inline void write_text(struct bytes *out, uint32_t field, const void *text,
                              size_t size)
{
    bytes_put_varint(out, field << 3 | 2);
    bytes_put_text(out, text, size);
}

static inline void write_float(struct bytes *out, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes_put_varint(out, field << 3 | 5);
    bytes_put_u32(out, bits);
}

static inline void write_piece_bytes(struct bytes *out, const void *text, size_t size,
                                     float score, enum piece_type type)
{
    struct bytes piece = {0};
    write_text(&piece, 1, text, size);
    write_float(&piece, 2, score);
    if (type != WRITE_NORMAL)
        write_number(&piece, 3, type);
    write_text(out, 1, piece.data, piece.size);
    bytes_clear(&piece);
}

static inline void write_piece(struct bytes *out, const char *text, float score,
                               enum piece_type type)
{
    write_piece_bytes(out, text, strlen(text), score, type);
}

/* The unknown piece and two control pieces, as SentencePiece begins its files. */
static inline void write_begin(struct bytes *out)
{
    write_piece(out, "<unk>", 0, WRITE_UNKNOWN);
    write_piece(out, "<s>", 0, WRITE_CONTROL);
    write_piece(out, "</s>", 0, WRITE_CONTROL);
}

static inline void write_byte_pieces(struct bytes *out)
{
    for (unsigned i = 0; i < 256; i++) {
        static const char digits[] = "0123456789ABCDEF";
        char text[] = "<0x00>";
        text[3] = digits[i / 16];
        text[4] = digits[i % 16];
        write_piece(out, text, 0, WRITE_BYTE);
    }
}

/* Trainer and normalizer: the latter does nothing but escape spaces. */
static inline void write_end(struct bytes *out, int model_type, int byte_fallback)
{
    struct bytes trainer = {0}, normalizer = {0};
    write_number(&trainer, 3, (uint64_t)model_type);
    if (byte_fallback)
        write_number(&trainer, 35, 1);
    write_text(out, 2, trainer.data, trainer.size);
    write_text(&normalizer, 1, "identity", 8);
    write_number(&normalizer, 3, 0);
    write_number(&normalizer, 4, 0);
    write_text(out, 3, normalizer.data, normalizer.size);
    bytes_clear(&trainer);
    bytes_clear(&normalizer);
}

#endif
