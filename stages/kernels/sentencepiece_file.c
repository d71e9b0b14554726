/* sentencepiece_file.c - read a SentencePiece .model file */
#include "stages/kernels/sentencepiece_file.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/protobuf.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/vocabulary.h"

/* Field numbers of sentencepiece_model.proto. */
enum model_field {
    MODEL_PIECES = 1,
    MODEL_TRAINER = 2,
    MODEL_NORMALIZER = 3,
    MODEL_DENORMALIZER = 5
};
enum piece_field { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum trainer_field {
    TRAINER_MODEL_TYPE = 3,
    TRAINER_SUFFIX = 24,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_BOS_PIECE = 46,
    TRAINER_EOS_PIECE = 47,
    TRAINER_PAD_PIECE = 48
};
enum normalizer_field {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_EXTRA_WHITESPACES = 4,
    NORMALIZER_ESCAPE = 5
};
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2, TYPE_WORD = 3, TYPE_CHAR = 4 };

enum {
    PIECES_MAX = 1 << 20,
    PIECE_SIZE_MAX = 8000, /* as SentencePiece */
    BYTE_PIECE_SIZE = 6    /* "<0x00>" */
};

struct reader {
    struct arena *arena;
    struct error *error;
    struct spec_token *tokens; /* (count), room for `capacity` */
    uint32_t count, capacity;
    uint64_t model_type;
    bool byte_fallback, has_trainer, has_normalizer;
    struct byte_range bos, eos, pad, denormalizer;
    struct normalizer_spec normalizer;
};

static enum error_code fail(struct reader *reader, const char *what)
{
    return error_set(reader->error, ERROR_CONFIG, "SentencePiece model: %s", what);
}

static enum error_code fail_memory(struct reader *reader)
{
    return error_set(reader->error, ERROR_MEMORY,
                     "no memory to read a SentencePiece model");
}

static bool field_is(const struct protobuf_field *field, uint32_t number,
                     enum protobuf_wire wire)
{
    return field->number == number && field->wire == wire;
}

static struct byte_range field_range(const struct protobuf_field *field)
{
    return (struct byte_range){.bytes = field->data, .size = field->size};
}

static struct byte_range text_range(const char *text)
{
    return (struct byte_range){.bytes = (const unsigned char *)text, strlen(text)};
}

/* ---- the messages ---- */

static bool piece_kind(uint64_t type, enum token_kind *kind)
{
    static const enum token_kind kinds[] = {
        TOKEN_NORMAL,       TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL,
        TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE}; /* from 1 */
    if (type < 1 || type >= sizeof kinds / sizeof *kinds)
        return false;
    *kind = kinds[type];
    return true;
}

static enum error_code read_piece(struct reader *reader,
                                  const struct protobuf_field *message)
{
    struct cursor cursor = cursor_over(message->data, message->size);
    struct protobuf_field field;
    struct spec_token *token = &reader->tokens[reader->count];
    uint64_t type = 1;
    assert(reader->tokens);
    *token = (struct spec_token){.id = reader->count};
    while (protobuf_next(&cursor, &field)) {
        if (field_is(&field, PIECE_TEXT, WIRE_BYTES))
            token->text = field_range(&field);
        else if (field_is(&field, PIECE_SCORE, WIRE_FIXED32))
            token->score = (double)protobuf_float(&field);
        else if (field_is(&field, PIECE_TYPE, WIRE_VARINT))
            type = field.value;
    }
    if (cursor.is_bad)
        return fail(reader, "a piece is damaged");
    if (!piece_kind(type, &token->kind))
        return error_set(reader->error, ERROR_CONFIG,
                         "SentencePiece model: piece %u is of a type that is not known",
                         reader->count);
    size_t size = token->text.size;
    if (size == 0 || size > PIECE_SIZE_MAX || memchr(token->text.bytes, 0, size))
        return error_set(reader->error, ERROR_CONFIG,
                         "SentencePiece model: piece %u is empty, too long or holds a "
                         "zero byte",
                         reader->count);
    if (!isfinite(token->score))
        return error_set(reader->error, ERROR_CONFIG,
                         "SentencePiece model: the score of piece %u is no number",
                         reader->count);
    token->text.bytes = (const unsigned char *)arena_copy_text(
        reader->arena, (const char *)token->text.bytes, size);
    if (!token->text.bytes)
        return fail_memory(reader);
    reader->count++;
    return OK;
}

static enum error_code read_trainer(struct reader *reader,
                                    const struct protobuf_field *message)
{
    struct cursor cursor = cursor_over(message->data, message->size);
    struct protobuf_field field;
    reader->has_trainer = true;
    while (protobuf_next(&cursor, &field)) {
        if (field_is(&field, TRAINER_MODEL_TYPE, WIRE_VARINT))
            reader->model_type = field.value;
        else if (field_is(&field, TRAINER_SUFFIX, WIRE_VARINT))
            reader->normalizer.treat_whitespace_as_suffix = field.value != 0;
        else if (field_is(&field, TRAINER_BYTE_FALLBACK, WIRE_VARINT))
            reader->byte_fallback = field.value != 0;
        else if (field_is(&field, TRAINER_BOS_PIECE, WIRE_BYTES) && field.size > 0)
            reader->bos = field_range(&field);
        else if (field_is(&field, TRAINER_EOS_PIECE, WIRE_BYTES) && field.size > 0)
            reader->eos = field_range(&field);
        else if (field_is(&field, TRAINER_PAD_PIECE, WIRE_BYTES) && field.size > 0)
            reader->pad = field_range(&field);
    }
    return cursor.is_bad ? fail(reader, "the trainer's part is damaged") : OK;
}

static enum error_code read_normalizer(struct reader *reader,
                                       const struct protobuf_field *message,
                                       bool is_denormalizer)
{
    struct cursor cursor = cursor_over(message->data, message->size);
    struct normalizer_spec *spec = &reader->normalizer;
    struct protobuf_field field;
    reader->has_normalizer = reader->has_normalizer || !is_denormalizer;
    while (protobuf_next(&cursor, &field)) {
        if (field_is(&field, NORMALIZER_CHARSMAP, WIRE_BYTES)) {
            struct byte_range *charsmap =
                is_denormalizer ? &reader->denormalizer : &spec->content;
            *charsmap = field_range(&field);
        } else if (is_denormalizer) {
            continue;
        } else if (field_is(&field, NORMALIZER_DUMMY_PREFIX, WIRE_VARINT)) {
            spec->add_dummy_prefix = field.value != 0;
        } else if (field_is(&field, NORMALIZER_EXTRA_WHITESPACES, WIRE_VARINT)) {
            spec->remove_extra_whitespaces = field.value != 0;
        } else if (field_is(&field, NORMALIZER_ESCAPE, WIRE_VARINT)) {
            spec->escape_whitespaces = field.value != 0;
        }
    }
    return cursor.is_bad ? fail(reader, "the normalizer's part is damaged") : OK;
}

static enum error_code count_pieces(struct reader *reader, const unsigned char *data,
                                    size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    struct protobuf_field field;
    size_t count = 0;
    while (protobuf_next(&cursor, &field))
        count += field_is(&field, MODEL_PIECES, WIRE_BYTES);
    if (cursor.is_bad)
        return fail(reader, "the file is damaged or is none");
    if (count == 0)
        return fail(reader, "there are no pieces");
    if (count > PIECES_MAX)
        return fail(reader, "there are more than 1048576 pieces");
    reader->capacity = (uint32_t)count;
    reader->tokens = ARENA_NEW(reader->arena, struct spec_token, count);
    return reader->tokens ? OK : fail_memory(reader);
}

static enum error_code read_messages(struct reader *reader, const unsigned char *data,
                                     size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    struct protobuf_field field;
    enum error_code code = count_pieces(reader, data, size);
    while (code == OK && protobuf_next(&cursor, &field)) {
        if (field_is(&field, MODEL_PIECES, WIRE_BYTES))
            code = read_piece(reader, &field);
        else if (field_is(&field, MODEL_TRAINER, WIRE_BYTES))
            code = read_trainer(reader, &field);
        else if (field_is(&field, MODEL_NORMALIZER, WIRE_BYTES))
            code = read_normalizer(reader, &field, false);
        else if (field_is(&field, MODEL_DENORMALIZER, WIRE_BYTES))
            code = read_normalizer(reader, &field, true);
    }
    /* SentencePiece always writes both, behind the pieces. */
    if (code == OK && !(reader->has_trainer && reader->has_normalizer))
        return fail(reader, "the file is cut off");
    return code;
}

/* ---- what SentencePiece checks ---- */

static enum error_code check_type(struct reader *reader)
{
    switch (reader->model_type) {
    case TYPE_UNIGRAM:
    case TYPE_BPE:
        break;
    case TYPE_WORD:
        return fail(reader, "models of type WORD are not supported");
    case TYPE_CHAR:
        return fail(reader, "models of type CHAR are not supported");
    default:
        return fail(reader, "the model's type is not known");
    }
    if (reader->denormalizer.size > 0)
        return fail(reader, "a denormalizer with rules is not supported");
    return OK;
}

static int hex_digit(unsigned char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* The byte that a piece "<0x0A>" stands for, or -1. */
static int piece_byte(struct byte_range text)
{
    const unsigned char *at = text.bytes;
    if (text.size != BYTE_PIECE_SIZE || memcmp(at, "<0x", 3) != 0 || at[5] != '>')
        return -1;
    int high = hex_digit(at[3]), low = hex_digit(at[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static enum error_code check_bytes(struct reader *reader)
{
    bool has_byte[256] = {false};
    size_t found = 0;
    for (uint32_t i = 0; i < reader->count; i++) {
        if (reader->tokens[i].kind != TOKEN_BYTE)
            continue;
        int byte = piece_byte(reader->tokens[i].text);
        if (byte < 0)
            return fail(reader, "a byte piece does not look like <0x00>");
        found += !has_byte[byte];
        has_byte[byte] = true;
    }
    if (found > 0 && !reader->byte_fallback)
        return fail(reader, "there are byte pieces, but byte_fallback is false");
    if (found < 256 && reader->byte_fallback)
        return fail(reader, "byte_fallback is true, but there are not 256 byte pieces");
    return OK;
}

/* Names stand once among the pieces of the text, and once among the others. */
static bool is_in_text(const struct spec_token *token)
{
    return token->kind == TOKEN_NORMAL || token->kind == TOKEN_USER_DEFINED ||
           token->kind == TOKEN_UNUSED;
}

static enum error_code check_names(struct reader *reader)
{
    size_t slots = 16;
    while (slots < 2 * (size_t)reader->count)
        slots *= 2;
    uint32_t *table = ARENA_NEW(reader->arena, uint32_t, slots); /* index + 1 */
    if (!table)
        return fail_memory(reader);
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct spec_token *token = &reader->tokens[i];
        struct byte_range text = token->text;
        size_t slot = (size_t)vocabulary_hash(text.bytes, text.size) & (slots - 1);
        for (; table[slot] != 0; slot = (slot + 1) & (slots - 1)) {
            const struct spec_token *other = &reader->tokens[table[slot] - 1];
            if (other->text.size == text.size &&
                memcmp(other->text.bytes, text.bytes, text.size) == 0 &&
                is_in_text(other) == is_in_text(token))
                return error_set(reader->error, ERROR_CONFIG,
                                 "SentencePiece model: pieces %u and %u are the same",
                                 other->id, token->id);
        }
        table[slot] = i + 1;
    }
    return OK;
}

/* ---- the specification ---- */

static uint32_t find_control(const struct reader *reader, struct byte_range name)
{
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct spec_token *token = &reader->tokens[i];
        if (token->kind == TOKEN_CONTROL && token->text.size == name.size &&
            memcmp(token->text.bytes, name.bytes, name.size) == 0)
            return i;
    }
    return UINT32_MAX;
}

static uint32_t find_either(const struct reader *reader, const char *name,
                            const char *other)
{
    uint32_t id = find_control(reader, text_range(name));
    return id != UINT32_MAX ? id : find_control(reader, text_range(other));
}

static enum error_code take_unknown(struct reader *reader, uint32_t *unknown)
{
    *unknown = UINT32_MAX;
    for (uint32_t i = 0; i < reader->count; i++) {
        if (reader->tokens[i].kind != TOKEN_UNKNOWN)
            continue;
        if (*unknown != UINT32_MAX)
            return fail(reader, "there is more than one unknown piece");
        *unknown = i;
    }
    if (*unknown == UINT32_MAX)
        return fail(reader, "there is no unknown piece");
    return OK;
}

/* What the normalizer needs: copies of the character map and of user-defined pieces. */
static enum error_code take_normalizer(struct reader *reader, struct tokenizer_spec *spec)
{
    struct normalizer_spec *kept = ARENA_NEW(reader->arena, struct normalizer_spec, 1);
    size_t size = 0;
    for (uint32_t i = 0; i < reader->count; i++) {
        if (reader->tokens[i].kind == TOKEN_USER_DEFINED)
            size += reader->tokens[i].text.size + 1;
    }
    unsigned char *names = ARENA_NEW(reader->arena, unsigned char, size);
    unsigned char *content =
        ARENA_NEW(reader->arena, unsigned char, reader->normalizer.content.size);
    if (!kept || !names || !content)
        return fail_memory(reader);
    *kept = reader->normalizer;
    if (kept->content.size > 0)
        memcpy(content, kept->content.bytes, kept->content.size);
    kept->content.bytes = content;
    kept->pattern = (struct byte_range){.bytes = names, .size = size};
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct spec_token *token = &reader->tokens[i];
        if (token->kind != TOKEN_USER_DEFINED)
            continue;
        memcpy(names, token->text.bytes, token->text.size);
        names += token->text.size + 1;
    }
    spec->normalizers = kept;
    spec->normalizer_count = 1;
    return OK;
}

static enum error_code fill_spec(struct reader *reader, struct tokenizer_spec *spec)
{
    uint32_t unknown;
    enum error_code code = take_unknown(reader, &unknown);
    struct template_item *single = ARENA_NEW(reader->arena, struct template_item, 1);
    if (code != OK)
        return code;
    if (!single)
        return fail_memory(reader);
    single->is_text = true;
    *spec = (struct tokenizer_spec){
        .model = {.kind =
                      reader->model_type == TYPE_BPE ? MODEL_BPE_SCORES : MODEL_UNIGRAM,
                  .tokens = reader->tokens,
                  .token_count = reader->count,
                  .id_limit = reader->count,
                  .byte_fallback = reader->byte_fallback,
                  .fuse_unknown = true,
                  .is_sentencepiece = true,
                  .unknown = unknown},
        .single = single,
        .single_count = 1,
        .decoder = DECODER_METASPACE,
        .bos = find_control(reader, reader->bos),
        .eos = find_control(reader, reader->eos),
        .pad = find_control(reader, reader->pad),
        .cls = find_either(reader, "<cls>", "[CLS]"),
        .sep = find_either(reader, "<sep>", "[SEP]"),
        .mask = find_either(reader, "<mask>", "[MASK]"),
    };
    return take_normalizer(reader, spec);
}

enum error_code sentencepiece_read(const unsigned char *data, size_t size,
                                   struct arena *arena, struct tokenizer_spec *spec,
                                   struct error *error)
{
    struct reader reader = {
        .arena = arena,
        .error = error,
        .model_type = TYPE_UNIGRAM,
        .bos = text_range("<s>"),
        .eos = text_range("</s>"),
        .pad = text_range("<pad>"),
        .normalizer = {.kind = NORMALIZER_SENTENCEPIECE,
                       .add_dummy_prefix = true,
                       .remove_extra_whitespaces = true,
                       .escape_whitespaces = true},
    };
    enum error_code code = read_messages(&reader, data, size);
    if (code == OK)
        code = check_type(&reader);
    if (code == OK)
        code = check_bytes(&reader);
    if (code == OK)
        code = check_names(&reader);
    if (code == OK)
        code = fill_spec(&reader, spec);
    return code;
}
