/* trainer_file.c - write a trained vocabulary as a file that other programs load */
#include "stages/kernels/trainer_file.h"

#include <string.h>

#include "core/bytes.h"
#include "core/json_write.h"
#include "stages/kernels/byte_alphabet.h"
#include "stages/kernels/trainer.h"
#include "stages/kernels/trainer_words.h"

static void put(struct bytes *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

static void put_json(struct bytes *out, struct byte_range text)
{
    json_put_text((const char *)text.bytes, text.size, out);
}

/* ---- tokenizer.json ---- */

/* A token's text as the file has it, in `text`. */
static void token_text(const struct trained *trained, uint32_t id,
                       const uint16_t *letters, struct bytes *text)
{
    const struct spec_token *token = trained->tokens + id;
    bytes_reset(text);
    if (trained->kind != TRAINER_BPE_BYTES || token->kind != TOKEN_NORMAL) {
        bytes_put(text, token->text.bytes, token->text.size);
        return;
    }
    for (size_t i = 0; i < token->text.size; i++) {
        unsigned char utf8[4];
        bytes_put(text, utf8, trainer_put_code(letters[token->text.bytes[i]], utf8));
    }
}

static void put_added(const struct trained *trained, struct bytes *out)
{
    put(out,
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    for (uint32_t i = 0; i < trained->special_count; i++) {
        put(out, i ? ",\n{\"id\":" : "\n{\"id\":");
        json_put_i64(i, out);
        put(out, ",\"content\":");
        put_json(out, trained->tokens[i].text);
        put(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                 "\"normalized\":false,\"special\":true}");
    }
    put(out, "],\n");
}

static void put_vocabulary(const struct trained *trained, const uint16_t *letters,
                           struct bytes *text, struct bytes *out)
{
    put(out, "\"vocab\":{");
    for (uint32_t i = 0; i < trained->token_count; i++) {
        put(out, i ? ",\n" : "\n");
        token_text(trained, i, letters, text);
        json_put_text((const char *)text->data, text->size, out);
        put(out, ":");
        json_put_i64(i, out);
    }
    put(out, "}");
}

static void put_bpe(const struct trained *trained, struct bytes *text, struct bytes *out)
{
    struct byte_alphabet alphabet;
    byte_alphabet_fill(&alphabet);
    const uint16_t *letters = alphabet.chars;
    put(out, "\"normalizer\":null,\n\"pre_tokenizer\":");
    if (trained->pattern == SPLIT_R50K || trained->pattern == SPLIT_P50K) {
        put(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                 "\"trim_offsets\":true,\"use_regex\":true},\n");
    } else {
        const char *expression = split_expression(trained->pattern);
        put(out, "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                 "\"pattern\":{\"Regex\":");
        json_put_text(expression, strlen(expression), out);
        put(out, "},\"behavior\":\"Isolated\",\"invert\":false},"
                 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                 "\"trim_offsets\":true,\"use_regex\":false}]},\n");
    }
    put(out, "\"post_processor\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
             "\"trim_offsets\":false,\"use_regex\":true},\n"
             "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
             "\"trim_offsets\":true,\"use_regex\":true},\n"
             "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
             "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
             "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,");
    put_vocabulary(trained, letters, text, out);
    put(out, ",\"merges\":[");
    for (uint32_t i = 0; i < trained->merge_count; i++) {
        struct bytes pair = {0};
        token_text(trained, trained->merges[i].left, letters, &pair);
        bytes_put_u8(&pair, ' ');
        token_text(trained, trained->merges[i].right, letters, text);
        bytes_put(&pair, text->data, text->size);
        put(out, i ? ",\n" : "\n");
        json_put_text((const char *)pair.data, pair.size, out);
        out->is_bad = out->is_bad || pair.is_bad;
        bytes_clear(&pair);
    }
    put(out, "]}}\n");
}

/* The special token of that name, or UINT32_MAX. */
static uint32_t find_special(const struct trained *trained, const char *name)
{
    for (uint32_t i = 0; i < trained->special_count; i++) {
        struct byte_range text = trained->tokens[i].text;
        if (text.size == strlen(name) && memcmp(text.bytes, name, text.size) == 0)
            return i;
    }
    return UINT32_MAX;
}

static void put_template(uint32_t cls, uint32_t sep, struct bytes *out)
{
    put(out, "{\"type\":\"TemplateProcessing\",\"single\":["
             "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
             "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
             "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}],\"pair\":["
             "{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
             "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
             "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},"
             "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},"
             "{\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":1}}],"
             "\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[");
    json_put_i64(cls, out);
    put(out, "],\"tokens\":[\"[CLS]\"]},\"[SEP]\":{\"id\":\"[SEP]\",\"ids\":[");
    json_put_i64(sep, out);
    put(out, "],\"tokens\":[\"[SEP]\"]}}}");
}

static void put_wordpiece(const struct trained *trained, struct bytes *text,
                          struct bytes *out)
{
    uint32_t cls = find_special(trained, "[CLS]"), sep = find_special(trained, "[SEP]");
    put(out, "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
             "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":");
    put(out, trained->lowercase ? "true" : "false");
    put(out,
        "},\n\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\n\"post_processor\":");
    if (cls == UINT32_MAX || sep == UINT32_MAX)
        put(out, "null");
    else
        put_template(cls, sep, out);
    put(out,
        ",\n\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\n"
        "\"model\":{\"type\":\"WordPiece\",\"unk_token\":");
    put_json(out, trained->tokens[trained->unknown].text);
    put(out, ",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,");
    put_vocabulary(trained, NULL, text, out);
    put(out, "}}\n");
}

static void put_tokenizer_json(const struct trained *trained, struct bytes *out)
{
    struct bytes text = {0};
    put_added(trained, out);
    if (trained->kind == TRAINER_BPE_BYTES)
        put_bpe(trained, &text, out);
    else
        put_wordpiece(trained, &text, out);
    out->is_bad = out->is_bad || text.is_bad;
    bytes_clear(&text);
}

/* ---- lines ---- */

static void put_tiktoken(const struct trained *trained, struct bytes *out)
{
    struct bytes quoted = {0};
    for (uint32_t i = trained->special_count; i < trained->token_count; i++) {
        bytes_reset(&quoted);
        json_put_base64(trained->tokens[i].text.bytes, trained->tokens[i].text.size,
                        &quoted);
        if (!quoted.is_bad)
            bytes_put(out, quoted.data + 1, quoted.size - 2);
        put(out, " ");
        json_put_i64(i - trained->special_count, out);
        put(out, "\n");
    }
    out->is_bad = out->is_bad || quoted.is_bad;
    bytes_clear(&quoted);
}

static enum error_code put_vocab_txt(const struct trained *trained, struct bytes *out,
                                     struct error *error)
{
    for (uint32_t i = 0; i < trained->token_count; i++) {
        struct byte_range text = trained->tokens[i].text;
        if (memchr(text.bytes, '\n', text.size) || memchr(text.bytes, '\r', text.size))
            return error_set(error, ERROR_CONFIG,
                             "a token with a line break does not fit into a vocab.txt");
        bytes_put(out, text.bytes, text.size);
        put(out, "\n");
    }
    return OK;
}

/* ---- SentencePiece: protocol buffers ---- */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void put_number(struct bytes *out, uint32_t field, uint64_t value)
{
    bytes_put_varint(out, field << 3 | WIRE_VARINT);
    bytes_put_varint(out, value);
}

static void put_float(struct bytes *out, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes_put_varint(out, field << 3 | WIRE_FIXED32);
    bytes_put_u32(out, bits);
}

static void put_string(struct bytes *out, uint32_t field, const void *text, size_t size)
{
    bytes_put_varint(out, field << 3 | WIRE_BYTES);
    bytes_put_text(out, text, size);
}

/* sentencepiece_model.proto: ModelProto.SentencePiece is {1: piece, 2: score, 3: type}. */
static void put_piece(const struct spec_token *token, struct bytes *message,
                      struct bytes *out)
{
    static const unsigned types[] = {
        [TOKEN_NORMAL] = 1,       [TOKEN_UNKNOWN] = 2, [TOKEN_CONTROL] = 3,
        [TOKEN_USER_DEFINED] = 4, [TOKEN_UNUSED] = 5,  [TOKEN_BYTE] = 6};
    bytes_reset(message);
    put_string(message, 1, token->text.bytes, token->text.size);
    put_float(message, 2, (float)token->score);
    if (token->kind != TOKEN_NORMAL)
        put_number(message, 3, types[token->kind]);
    put_string(out, 1, message->data, message->size);
}

static void put_trainer_spec(const struct trained *trained, struct bytes *message)
{
    put_number(message, 3, trained->kind == TRAINER_UNIGRAM ? 1 : 2); /* model_type */
    put_number(message, 4, trained->token_count);                     /* vocab_size */
    for (uint32_t i = 3; i < trained->token_count; i++) {
        const struct spec_token *token = trained->tokens + i;
        if (token->kind != TOKEN_CONTROL)
            break;
        put_string(message, 30, token->text.bytes,
                   token->text.size); /* control_symbols */
    }
    put_number(message, 35, trained->byte_fallback);
    put_number(message, 40, 0);          /* unk_id */
    put_number(message, 41, 1);          /* bos_id */
    put_number(message, 42, 2);          /* eos_id */
    put_number(message, 43, UINT64_MAX); /* pad_id: -1 */
}

/* ModelProto is {1: pieces, 2: trainer_spec, 3: normalizer_spec}. */
static void put_sentencepiece(const struct trained *trained, struct bytes *out)
{
    struct bytes message = {0};
    for (uint32_t i = 0; i < trained->token_count; i++)
        put_piece(trained->tokens + i, &message, out);
    bytes_reset(&message);
    put_trainer_spec(trained, &message);
    put_string(out, 2, message.data, message.size);
    bytes_reset(&message);
    put_string(&message, 1, "identity", 8);
    put_number(&message, 3, 1); /* add_dummy_prefix */
    put_number(&message, 4, 1); /* remove_extra_whitespaces */
    put_number(&message, 5, 1); /* escape_whitespaces */
    put_string(out, 3, message.data, message.size);
    out->is_bad = out->is_bad || message.is_bad;
    bytes_clear(&message);
}

static bool has_format(enum trainer_kind kind, enum trainer_format format)
{
    switch (format) {
    case TRAINER_TOKENIZER_JSON:
        return kind == TRAINER_BPE_BYTES || kind == TRAINER_WORDPIECE;
    case TRAINER_SENTENCEPIECE:
        return kind == TRAINER_BPE_CHARACTERS || kind == TRAINER_UNIGRAM;
    case TRAINER_VOCAB_TXT:
        return kind == TRAINER_WORDPIECE;
    case TRAINER_TIKTOKEN:
        return kind == TRAINER_BPE_BYTES;
    }
    return false;
}

enum error_code trainer_file_write(const struct trained *trained,
                                   enum trainer_format format, struct bytes *out,
                                   struct error *error)
{
    enum error_code code = OK;
    if (!has_format(trained->kind, format))
        return error_set(error, ERROR_CONFIG,
                         "this kind of vocabulary cannot be written in that format");
    switch (format) {
    case TRAINER_TOKENIZER_JSON:
        put_tokenizer_json(trained, out);
        break;
    case TRAINER_SENTENCEPIECE:
        put_sentencepiece(trained, out);
        break;
    case TRAINER_VOCAB_TXT:
        code = put_vocab_txt(trained, out, error);
        break;
    case TRAINER_TIKTOKEN:
        put_tiktoken(trained, out);
        break;
    }
    if (code == OK && out->is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory to write a vocabulary");
    return code;
}
