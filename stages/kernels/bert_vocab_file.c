/* bert_vocab_file.c - read vocab.txt, the vocabulary of BERT: a token a line */
#include "stages/kernels/bert_vocab_file.h"

#include <string.h>

#include "core/arena.h"
#include "core/unicode.h"
#include "stages/kernels/special_names.h"
#include "stages/kernels/spec_builder.h"
#include "stages/kernels/text_lines.h"
#include "stages/kernels/tiktoken_file.h"

enum special { PAD, UNK, CLS, SEP, MASK, SPECIAL_COUNT };
static const char *const special_texts[SPECIAL_COUNT] = {"[PAD]", "[UNK]", "[CLS]",
                                                         "[SEP]", "[MASK]"};

/* Without white space at the end. */
static struct byte_range trim_end(struct byte_range line)
{
    while (line.size > 0) {
        size_t last = line.size - 1;
        uint32_t c;
        while (last > 0 && (line.bytes[last] & 0xC0) == 0x80)
            last--;
        if (unicode_decode(line.bytes + last, line.size - last, &c) != line.size - last ||
            !unicode_is_white_space(c))
            break;
        line.size = last;
    }
    return line;
}

static bool has_capital(struct byte_range token)
{
    unsigned char first = token.bytes[0], last = token.bytes[token.size - 1];
    if ((first == '[' && last == ']') || (first == '<' && last == '>'))
        return false;
    for (size_t i = 0; i < token.size; i++) {
        if (token.bytes[i] >= 'A' && token.bytes[i] <= 'Z')
            return true;
    }
    return false;
}

static enum error_code read_tokens(const unsigned char *text, size_t size,
                                   struct spec_builder *builder, bool *is_cased,
                                   struct error *error)
{
    struct text_lines lines = text_lines_over(text, size);
    struct byte_range line;
    *is_cased = false;
    while (text_lines_next(&lines, &line)) {
        struct byte_range token = trim_end(line);
        if (token.size == 0)
            continue;
        if (lines.number >= TOKEN_ID_LIMIT)
            return error_set(error, ERROR_CONFIG, "more than %d tokens", TOKEN_ID_LIMIT);
        enum error_code code =
            spec_builder_add_token(builder, token, (uint32_t)lines.number - 1, 0, error);
        if (code != OK)
            return code == ERROR_CONFIG ? error_wrap(error, "line %zu", lines.number)
                                        : code;
        *is_cased = *is_cased || has_capital(token);
    }
    return OK;
}

static enum error_code fill_specials(const struct spec_builder *builder,
                                     struct arena *arena, struct tokenizer_spec *spec,
                                     struct error *error)
{
    struct added_token *added = ARENA_NEW(arena, struct added_token, SPECIAL_COUNT);
    struct template_item *single = ARENA_NEW(arena, struct template_item, 3);
    if (!added || !single)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    uint32_t ids[SPECIAL_COUNT];
    for (size_t i = 0; i < SPECIAL_COUNT; i++) {
        struct byte_range text = {(const unsigned char *)special_texts[i],
                                  strlen(special_texts[i])};
        ids[i] = spec_builder_find(builder, text);
        if (ids[i] != UINT32_MAX)
            added[spec->added_count++] =
                (struct added_token){.text = text, .id = ids[i], .is_special = true};
    }
    bool has_both = ids[CLS] != UINT32_MAX && ids[SEP] != UINT32_MAX;
    if (ids[UNK] == UINT32_MAX)
        return error_set(error, ERROR_CONFIG, "there is no token \"[UNK]\"");
    if (has_both)
        single[spec->single_count++].id = ids[CLS];
    single[spec->single_count++].is_text = true;
    if (has_both)
        single[spec->single_count++].id = ids[SEP];
    spec->added = added;
    spec->single = single;
    spec->model.unknown = ids[UNK];
    return OK;
}

static enum error_code fill_parts(bool is_cased, struct arena *arena,
                                  struct tokenizer_spec *spec, struct error *error)
{
    struct normalizer_spec *normalizer = ARENA_NEW(arena, struct normalizer_spec, 1);
    struct splitter_spec *splitter = ARENA_NEW(arena, struct splitter_spec, 1);
    if (!normalizer || !splitter)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    *normalizer = (struct normalizer_spec){.kind = NORMALIZER_BERT,
                                           .clean_text = true,
                                           .handle_chinese = true,
                                           .strip_accents = !is_cased,
                                           .lowercase = !is_cased};
    splitter->kind = SPLITTER_BERT;
    spec->normalizers = normalizer;
    spec->normalizer_count = 1;
    spec->splitters = splitter;
    spec->splitter_count = 1;
    spec->model.kind = MODEL_WORDPIECE;
    spec->model.continuing = (struct byte_range){(const unsigned char *)"##", 2};
    spec->model.word_max = 100;
    spec->decoder = DECODER_WORDPIECE;
    spec->is_cleaned = true;
    special_names_settle(spec);
    return OK;
}

enum error_code bert_vocab_read(const unsigned char *text, size_t size,
                                enum bert_case casing, struct arena *arena,
                                struct tokenizer_spec *spec, struct error *error)
{
    struct tokenizer_spec read = {0};
    struct spec_builder builder = {0};
    struct text_lines lines = text_lines_over(text, size);
    bool is_cased = false;
    enum error_code code =
        spec_builder_init(&builder, arena, text_lines_count(&lines), 0, error);
    if (code == OK)
        code = read_tokens(text, size, &builder, &is_cased, error);
    if (casing != BERT_CASE_AUTO)
        is_cased = casing == BERT_CASED;
    if (code == OK)
        code = fill_specials(&builder, arena, &read, error);
    if (code == OK)
        code = spec_builder_finish(&builder, false, &read.model, error);
    if (code == OK)
        code = fill_parts(is_cased, arena, &read, error);
    if (code == OK)
        *spec = read;
    return code;
}
