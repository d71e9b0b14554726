/* tokenizer_build.c - compile the specification of a tokenizer into its image */
#include "stages/kernels/tokenizer.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/bert_encoder.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/split_spelling.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_parts.h"

enum { NFC_GROWTH = 3 }; /* bytes of UTF-8, at most: Unicode's FAQ on normalization */

static const unsigned char word_mark[] = {0xE2, 0x96, 0x81};

const struct model_type *tokenizer_model_type(enum model_kind kind)
{
    static const struct model_type *const types[] = {
        [MODEL_BPE_RANKS] = &model_bpe_ranks,   [MODEL_BPE_MERGES] = &model_bpe_merges,
        [MODEL_BPE_SCORES] = &model_bpe_scores, [MODEL_UNIGRAM] = &model_unigram,
        [MODEL_WORDPIECE] = &model_wordpiece,
    };
    return (unsigned)kind < sizeof types / sizeof *types ? types[kind] : NULL;
}

static enum error_code out_of_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to compile a tokenizer");
}

/* ---- what the specification lets be done ---- */

static uint32_t template_size(const struct tokenizer_spec *spec)
{
    uint32_t count = 0;
    for (size_t i = 0; i < spec->single_count; i++)
        count += !spec->single[i].is_text;
    return count;
}

static bool has_token(const struct model_spec *model, uint32_t id)
{
    for (uint32_t i = 0; i < model->token_count; i++) {
        if (model->tokens[i].id == id)
            return true;
    }
    return false;
}

enum error_code tokenizer_check(const struct tokenizer_spec *spec,
                                const struct encode_options *options, struct error *error)
{
    uint32_t around = options->add_special ? template_size(spec) : 0;
    if (options->add_special && around == 0)
        return error_set(error, ERROR_CONFIG,
                         "it has no template that says which special tokens to add");
    if (options->max_length > 0 && options->max_length < around)
        return error_set(error, ERROR_CONFIG,
                         "%u tokens are too few for the %u that its template adds",
                         (unsigned)options->max_length, (unsigned)around);
    for (size_t i = 0; spec->model.kind == MODEL_BPE_RANKS &&
                       options->specials == SPECIALS_AS_TOKENS && i < spec->added_count;
         i++) {
        if (has_token(&spec->model, spec->added[i].id))
            return error_set(error, ERROR_CONFIG,
                             "its rank %u is the id of the special token \"%.*s\"",
                             (unsigned)spec->added[i].id, (int)spec->added[i].text.size,
                             (const char *)spec->added[i].text.bytes);
    }
    return OK;
}

enum error_code tokenizer_check_decoder(const struct tokenizer_spec *spec,
                                        struct error *error)
{
    if (spec->decoder == DECODER_NONE)
        return error_set(error, ERROR_CONFIG, "its decoder is not supported");
    return OK;
}

static bool is_text(const struct byte_range *range, const void *text, size_t size)
{
    return range->size == size && memcmp(range->bytes, text, size) == 0;
}

/* Does the normalizer no more than write spaces as U+2581? */
static bool writes_marks(const struct normalizer_spec *normalizer)
{
    switch (normalizer->kind) {
    case NORMALIZER_PREPEND:
        return is_text(&normalizer->content, word_mark, sizeof word_mark);
    case NORMALIZER_REPLACE:
        return !normalizer->is_regex && is_text(&normalizer->pattern, " ", 1) &&
               is_text(&normalizer->content, word_mark, sizeof word_mark);
    case NORMALIZER_SENTENCEPIECE:
        return normalizer->content.size == 0 && !normalizer->remove_extra_whitespaces &&
               normalizer->escape_whitespaces;
    default:
        return false;
    }
}

static bool is_splitter_lossless(const struct splitter_spec *splitter, bool has_marks)
{
    switch (splitter->kind) {
    case SPLITTER_PATTERN:
    case SPLITTER_PUNCTUATION:
        return splitter->behavior != BEHAVIOR_REMOVED;
    case SPLITTER_GPT2:
    case SPLITTER_DIGITS:
    case SPLITTER_BYTE_CHARS:
        return true;
    case SPLITTER_METASPACE:
        return has_marks && splitter->prepend != PREPEND_ALWAYS;
    default:
        return false;
    }
}

bool tokenizer_is_lossless(const struct tokenizer_spec *spec)
{
    bool has_marks = spec->decoder == DECODER_METASPACE && spec->model.byte_fallback;
    bool has_bytes = spec->decoder == DECODER_BYTES && spec->model.is_byte_level;
    if (!has_marks && !(has_bytes && spec->normalizer_count == 0))
        return false;
    for (size_t i = 0; i < spec->normalizer_count; i++) {
        if (!writes_marks(spec->normalizers + i))
            return false;
    }
    for (size_t i = 0; i < spec->splitter_count; i++) {
        if (!is_splitter_lossless(spec->splitters + i, has_marks))
            return false;
    }
    return true;
}

/* ---- the fast ways ---- */

static bool find_pattern(const struct tokenizer_spec *spec, enum split_pattern *pattern)
{
    const struct splitter_spec *splitter = spec->splitters;
    if (spec->splitter_count != 1)
        return false;
    if (splitter->kind == SPLITTER_GPT2) {
        *pattern = SPLIT_R50K;
        return true;
    }
    bool is_isolated = splitter->behavior == BEHAVIOR_ISOLATED ||
                       (splitter->behavior == BEHAVIOR_REMOVED && splitter->is_inverted);
    if (splitter->kind != SPLITTER_PATTERN || !splitter->is_regex || !is_isolated)
        return false;
    return split_recognise(splitter->pattern.bytes, splitter->pattern.size, pattern);
}

static enum direct_way choose_direct(const struct tokenizer_spec *spec,
                                     enum split_pattern *pattern, uint32_t *growth)
{
    bool is_bytes =
        (spec->model.kind == MODEL_BPE_RANKS || spec->model.kind == MODEL_BPE_MERGES) &&
        spec->model.is_byte_level;
    bool is_nfc =
        spec->normalizer_count == 1 && spec->normalizers[0].kind == NORMALIZER_NFC;
    *pattern = SPLIT_R50K;
    *growth = is_nfc ? NFC_GROWTH : 1;
    if (bert_encoder_fits(spec))
        return DIRECT_BERT;
    if (is_bytes && (is_nfc || spec->normalizer_count == 0) &&
        find_pattern(spec, pattern))
        return DIRECT_SPLIT;
    return DIRECT_NONE;
}

/* ---- sections ---- */

struct image { /* under construction */
    struct bytes *bytes;
    size_t begin;
    struct {
        uint64_t offset, size;
    } sections[TOKENIZER_SECTIONS];
};

static void pad(struct image *image)
{
    while ((image->bytes->size - image->begin) % TOKENIZER_ALIGN != 0 &&
           !image->bytes->is_bad)
        bytes_put_u8(image->bytes, 0);
}

static void begin_section(struct image *image, enum tokenizer_section section)
{
    pad(image);
    image->sections[section].offset = image->bytes->size - image->begin;
}

static void end_section(struct image *image, enum tokenizer_section section)
{
    image->sections[section].size =
        image->bytes->size - image->begin - image->sections[section].offset;
}

/* The added tokens of one kind, special ones first: of two with the same text the first
 * counts. Texts of normalized ones go through the normalizers, as the text does. */
static enum error_code collect_added(const struct tokenizer_spec *spec,
                                     bool is_normalized,
                                     const struct normalizer *normalizer,
                                     struct arena *work, struct added_token *added,
                                     size_t *count, struct error *error)
{
    *count = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < spec->added_count; i++) {
            struct added_token token = spec->added[i];
            struct normalized text;
            if (token.is_normalized != is_normalized || token.is_special != (turn == 0))
                continue;
            if (is_normalized && normalizer && token.text.size > 0) {
                enum error_code code =
                    normalizer_run(normalizer, token.text.bytes, token.text.size, true,
                                   false, work, &text, error);
                if (code != OK)
                    return code;
                token.text = (struct byte_range){text.text, text.size};
            }
            added[(*count)++] = token;
        }
    }
    return OK;
}

static enum error_code put_added(const struct tokenizer_spec *spec, struct image *image,
                                 struct arena *work, struct error *error)
{
    struct normalizer *normalizer = NULL;
    enum error_code code = OK;
    struct added_token *added =
        ARENA_NEW(work, struct added_token, spec->added_count + 1);
    size_t count;
    if (!added)
        return out_of_memory(error);
    if (spec->normalizer_count > 0) {
        size_t size = (size_t)image->sections[TOKENIZER_NORMALIZER].size;
        void *copy = arena_alloc_raw(work, size + 1, 1, TOKENIZER_ALIGN);
        if (!copy)
            return out_of_memory(error);
        memcpy(copy,
               image->bytes->data + image->begin +
                   image->sections[TOKENIZER_NORMALIZER].offset,
               size);
        code = normalizer_open(copy, size, work, &normalizer, error);
    }
    for (int i = 0; code == OK && i < 2; i++) {
        enum tokenizer_section section =
            i == 0 ? TOKENIZER_ADDED_RAW : TOKENIZER_ADDED_NORMALIZED;
        begin_section(image, section);
        code = collect_added(spec, i == 1, normalizer, work, added, &count, error);
        if (code == OK)
            code = added_tokens_build(added, count, work, image->bytes, error);
        end_section(image, section);
    }
    return code;
}

/* ---- what ids are decoded to ---- */

struct texts {
    struct byte_range *texts; /* (id_limit) */
    unsigned char *kinds;
    unsigned char *bytes; /* (256): each byte */
};

static bool byte_of_name(const struct byte_range *text, unsigned *byte)
{
    static const char digits[] = "0123456789ABCDEF";
    if (text->size != 6 || memcmp(text->bytes, "<0x", 3) != 0 || text->bytes[5] != '>')
        return false;
    const char *high = memchr(digits, text->bytes[3], 16);
    const char *low = memchr(digits, text->bytes[4], 16);
    if (!high || !low)
        return false;
    *byte = (unsigned)(high - digits) << 4 | (unsigned)(low - digits);
    return true;
}

static void set_text(struct texts *texts, const struct tokenizer_spec *spec,
                     const struct spec_token *token)
{
    static const char unknown_surface[] = " \xe2\x81\x87 "; /* SentencePiece's */
    const struct byte_range *prefix = &spec->model.continuing;
    struct byte_range text = token->text;
    unsigned kind = ID_EXISTS, byte;
    if ((token->kind == TOKEN_BYTE || spec->model.byte_fallback) &&
        byte_of_name(&text, &byte)) {
        text = (struct byte_range){texts->bytes + byte, 1};
        kind |= ID_BYTES;
    } else if (token->kind == TOKEN_CONTROL) {
        kind |= ID_SPECIAL;
    } else if (token->kind == TOKEN_UNKNOWN) {
        text = (struct byte_range){(const unsigned char *)unknown_surface,
                                   sizeof unknown_surface - 1};
        kind |= ID_BYTES;
    } else if (spec->decoder == DECODER_WORDPIECE && prefix->size > 0 &&
               text.size >= prefix->size &&
               memcmp(text.bytes, prefix->bytes, prefix->size) == 0) {
        kind |= ID_PART;
    }
    texts->texts[token->id] = text;
    texts->kinds[token->id] = (unsigned char)kind;
}

static enum error_code put_texts(const struct tokenizer_spec *spec, uint32_t id_limit,
                                 struct image *image, struct arena *work,
                                 struct error *error)
{
    struct texts texts = {.texts = ARENA_NEW(work, struct byte_range, id_limit),
                          .kinds = ARENA_NEW(work, unsigned char, id_limit),
                          .bytes = ARENA_RAW(work, unsigned char, 256)};
    uint64_t used = 0;
    if (!texts.texts || !texts.kinds || !texts.bytes)
        return out_of_memory(error);
    for (unsigned byte = 0; byte < 256; byte++)
        texts.bytes[byte] = (unsigned char)byte;
    for (uint32_t i = 0; i < spec->model.token_count; i++) {
        if (spec->model.tokens[i].id < id_limit)
            set_text(&texts, spec, spec->model.tokens + i);
    }
    for (size_t i = 0; i < spec->added_count; i++) {
        const struct added_token *added = spec->added + i;
        bool is_there = texts.kinds[added->id] & ID_EXISTS;
        if (is_there && spec->model.kind == MODEL_BPE_RANKS)
            continue;
        texts.texts[added->id] = added->text;
        texts.kinds[added->id] =
            (unsigned char)(ID_EXISTS | (added->is_special ? ID_SPECIAL : 0));
    }
    begin_section(image, TOKENIZER_STARTS);
    for (uint32_t id = 0; id < id_limit; id++) {
        bytes_put_u32(image->bytes, (uint32_t)used);
        used += texts.texts[id].size;
    }
    bytes_put_u32(image->bytes, (uint32_t)used);
    end_section(image, TOKENIZER_STARTS);
    if (used > UINT32_MAX)
        return error_set(error, ERROR_CONFIG, "the vocabulary is too large");
    begin_section(image, TOKENIZER_TEXTS);
    for (uint32_t id = 0; id < id_limit; id++)
        bytes_put(image->bytes, texts.texts[id].bytes, texts.texts[id].size);
    end_section(image, TOKENIZER_TEXTS);
    begin_section(image, TOKENIZER_KINDS);
    bytes_put(image->bytes, texts.kinds, id_limit);
    end_section(image, TOKENIZER_KINDS);
    return OK;
}

/* ---- the image ---- */

/* How SentencePiece spells tokens, and what it gives as their places. */
static unsigned sentencepiece_flags(const struct normalizer_spec *normalizer)
{
    bool is_each = normalizer->remove_extra_whitespaces;
    if (!normalizer->add_dummy_prefix && !is_each)
        return FLAG_REACHING;
    if (normalizer->treat_whitespace_as_suffix)
        return FLAG_REACHING | FLAG_DROP_LAST;
    return FLAG_REACHING | FLAG_DROP_MARK | (is_each ? FLAG_DROP_MARKS : 0u);
}

static unsigned decoder_flags(const struct tokenizer_spec *spec)
{
    unsigned flags =
        (spec->is_cleaned ? FLAG_CLEANED : 0u) | (spec->is_trimmed ? FLAG_TRIMMED : 0u);
    for (size_t i = 0; i < spec->normalizer_count; i++) {
        if (spec->normalizers[i].kind == NORMALIZER_SENTENCEPIECE)
            return flags | sentencepiece_flags(spec->normalizers + i);
    }
    return flags | (spec->is_first_kept ? 0u : FLAG_DROP_FIRST);
}

static enum error_code put_machines(const struct tokenizer_spec *spec,
                                    enum direct_way direct, struct image *image,
                                    struct arena *work, struct error *error)
{
    const struct model_type *type = tokenizer_model_type(spec->model.kind);
    if (!type)
        return error_set(error, ERROR_CONFIG, "there is no such model");
    begin_section(image, TOKENIZER_MODEL);
    enum error_code code = type->build(spec, work, image->bytes, error);
    end_section(image, TOKENIZER_MODEL);
    begin_section(image, TOKENIZER_NORMALIZER);
    if (code == OK && spec->normalizer_count > 0)
        code = normalizer_build(spec->normalizers, spec->normalizer_count, work,
                                image->bytes, error);
    end_section(image, TOKENIZER_NORMALIZER);
    begin_section(image, TOKENIZER_SPLITTER);
    if (code == OK && spec->splitter_count > 0)
        code = splitter_build(spec->splitters, spec->splitter_count, image->bytes, error);
    end_section(image, TOKENIZER_SPLITTER);
    begin_section(image, TOKENIZER_BERT);
    if (code == OK && direct == DIRECT_BERT)
        code = bert_encoder_build(spec, work, image->bytes, error);
    end_section(image, TOKENIZER_BERT);
    return code;
}

static void put_template(const struct tokenizer_spec *spec, struct image *image,
                         uint32_t *before, uint32_t *behind)
{
    bool is_behind = false;
    begin_section(image, TOKENIZER_TEMPLATE);
    for (size_t i = 0; i < spec->single_count; i++) {
        is_behind = is_behind || spec->single[i].is_text;
        if (spec->single[i].is_text)
            continue;
        bytes_put_u32(image->bytes, spec->single[i].id);
        *(is_behind ? behind : before) += 1;
    }
    end_section(image, TOKENIZER_TEMPLATE);
}

static uint32_t find_id_limit(const struct tokenizer_spec *spec)
{
    uint32_t limit = spec->model.id_limit;
    for (uint32_t i = 0; i < spec->model.token_count; i++)
        limit = spec->model.tokens[i].id >= limit ? spec->model.tokens[i].id + 1 : limit;
    for (size_t i = 0; i < spec->added_count; i++)
        limit = spec->added[i].id >= limit ? spec->added[i].id + 1 : limit;
    return limit;
}

enum error_code tokenizer_build(const struct tokenizer_spec *spec, struct arena *work,
                                struct bytes *image, struct error *error)
{
    static const unsigned char nothing[TOKENIZER_HEAD];
    struct image made = {.bytes = image, .begin = image->size};
    enum split_pattern pattern;
    uint32_t words[TOKENIZER_WORDS] = {0};
    enum direct_way direct = choose_direct(spec, &pattern, &words[WORD_GROWTH]);
    words[WORD_MODEL_KIND] = (uint32_t)spec->model.kind;
    words[WORD_DIRECT] = (uint32_t)direct;
    words[WORD_PATTERN] = (uint32_t)pattern;
    words[WORD_DECODER] = (uint32_t)spec->decoder;
    words[WORD_FLAGS] = decoder_flags(spec);
    words[WORD_PREFIX] = (uint32_t)spec->model.continuing.size;
    words[WORD_ID_LIMIT] = find_id_limit(spec);
    bytes_put(image, nothing, sizeof nothing);
    enum error_code code = put_machines(spec, direct, &made, work, error);
    if (code == OK)
        code = put_added(spec, &made, work, error);
    if (code == OK) {
        put_template(spec, &made, &words[WORD_BEFORE], &words[WORD_BEHIND]);
        code = put_texts(spec, words[WORD_ID_LIMIT], &made, work, error);
    }
    pad(&made);
    if (code != OK)
        return code;
    if (image->is_bad)
        return out_of_memory(error);
    unsigned char *head = image->data + made.begin;
    const uint64_t magic = TOKENIZER_MAGIC;
    memcpy(head, &magic, sizeof magic);
    for (size_t i = 0; i < TOKENIZER_WORDS; i++)
        store_u32(head + 8 + 4 * i, words[i]);
    for (size_t i = 0; i < TOKENIZER_SECTIONS; i++) {
        unsigned char *at = head + 8 + (size_t)4 * TOKENIZER_WORDS + 16 * i;
        store_u64(at, made.sections[i].offset);
        store_u64(at + 8, made.sections[i].size);
    }
    return OK;
}
