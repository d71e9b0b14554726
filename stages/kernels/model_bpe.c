/* model_bpe.c - what the byte-pair models by rank and by list have in common */
#include "stages/kernels/model_bpe.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/bpe_vocabulary.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/word_marks.h"

#define MAGIC UINT64_C(0x3165706262696c6d)
#define NONE UINT32_MAX
enum {
    WORD_FLAGS,
    WORD_UNKNOWN,
    WORD_NAMES,
    WORD_SAME,
    WORD_TABLE, /* size of the vocabulary or the pair table */
    WORD_COUNT
};
enum {
    FLAG_VOCABULARY = 1,
    FLAG_BYTE_LEVEL = 2,
    FLAG_DIRECT = 4,
    FLAG_CUT = 8,
    FLAG_WORDS = 16,
    FLAG_FALLBACK = 32,
    FLAG_FUSE = 64
};
enum { IMAGE_ALIGN = 64, BYTE_IDS_AT = 64, HEAD_SIZE = BYTE_IDS_AT + 4 * 256 };
enum { SHORT_PIECE = 64 };

/* Pieces of more bytes are cut where they can be, as in text_encoder.c. */
enum { CUT_ABOVE_ASCII = PIECE_KEY_MAX, CUT_ABOVE_OTHERS = 3 };

/* ---- the image ---- */

static void put_padding(struct bytes *image, size_t begin)
{
    while ((image->size - begin) % IMAGE_ALIGN != 0 && !image->is_bad)
        bytes_put_u8(image, 0);
}

enum error_code model_bpe_write(const struct model_spec *model,
                                const struct bpe_vocabulary *result,
                                const struct bytes *vocabulary, struct bytes *image,
                                struct error *error)
{
    unsigned char head[HEAD_SIZE] = {0};
    const uint64_t magic = MAGIC;
    size_t begin = image->size;
    uint32_t flags = (result->is_equivalent ? FLAG_VOCABULARY : 0u) |
                     (model->is_byte_level ? FLAG_BYTE_LEVEL : 0u) |
                     (result->is_direct ? FLAG_DIRECT : 0u) |
                     (result->may_cut ? FLAG_CUT : 0u) |
                     (result->has_words ? FLAG_WORDS : 0u) |
                     (model->byte_fallback ? FLAG_FALLBACK : 0u) |
                     (model->fuse_unknown ? FLAG_FUSE : 0u);
    memcpy(head, &magic, sizeof magic);
    store_u32(head + 8 + (size_t)4 * WORD_FLAGS, flags);
    store_u32(head + 8 + (size_t)4 * WORD_UNKNOWN, model->unknown);
    store_u32(head + 8 + (size_t)4 * WORD_NAMES, result->name_count);
    store_u32(head + 8 + (size_t)4 * WORD_SAME, result->same_below);
    for (size_t i = 0; i < 256; i++)
        store_u32(head + BYTE_IDS_AT + 4 * i, result->byte_ids[i]);
    bytes_put(image, head, sizeof head);
    enum error_code code = OK;
    if (result->is_equivalent)
        bytes_put(image, vocabulary->data, vocabulary->size);
    else
        code = pair_table_build(model, image, error);
    if (code != OK)
        return code;
    size_t table = image->size - begin - HEAD_SIZE;
    if (table > UINT32_MAX)
        return error_set(error, ERROR_CONFIG, "the vocabulary is too large");
    put_padding(image, begin);
    bytes_put(image, result->names, result->name_count * sizeof *result->names);
    put_padding(image, begin);
    if (image->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the image of a vocabulary");
    store_u32(image->data + begin + 8 + (size_t)4 * WORD_TABLE, (uint32_t)table);
    return OK;
}

static enum error_code read_head(struct model_bpe *model, const unsigned char *image,
                                 size_t size, size_t *table, struct error *error)
{
    uint64_t magic = 0;
    if (size >= HEAD_SIZE)
        memcpy(&magic, image, sizeof magic);
    if (magic != MAGIC)
        return error_set(error, ERROR_DAMAGED, "not the image of a byte-pair model");
    const void *byte_ids = image + BYTE_IDS_AT;
    uint32_t flags = load_u32(image + 8 + (size_t)4 * WORD_FLAGS);
    model->has_vocabulary = (flags & FLAG_VOCABULARY) != 0;
    model->is_byte_level = (flags & FLAG_BYTE_LEVEL) != 0;
    model->is_direct = (flags & FLAG_DIRECT) != 0;
    model->may_cut = (flags & FLAG_CUT) != 0;
    model->has_words = (flags & FLAG_WORDS) != 0;
    model->byte_fallback = (flags & FLAG_FALLBACK) != 0;
    model->fuse_unknown = (flags & FLAG_FUSE) != 0;
    model->unknown = load_u32(image + 8 + (size_t)4 * WORD_UNKNOWN);
    model->name_count = load_u32(image + 8 + (size_t)4 * WORD_NAMES);
    model->same_below = load_u32(image + 8 + (size_t)4 * WORD_SAME);
    model->byte_ids = byte_ids;
    *table = load_u32(image + 8 + (size_t)4 * WORD_TABLE);
    size_t padded = (HEAD_SIZE + *table + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
    if (padded > size || (size - padded) / 4 < model->name_count)
        return error_set(error, ERROR_DAMAGED,
                         "the image of a byte-pair model is cut off");
    const void *names = image + padded;
    model->names = model->name_count > 0 ? names : NULL;
    return OK;
}

/* ---- a piece that is not known yet ---- */

struct written { /* tokens of a piece on their way out */
    uint32_t *ids;
    struct token_span *spans; /* or NULL */
    size_t count;
    bool is_unknown; /* the latest one is */
};

static void put(struct written *out, uint32_t id, size_t begin, size_t end)
{
    out->ids[out->count] = id;
    if (out->spans)
        out->spans[out->count] = (struct token_span){(uint32_t)begin, (uint32_t)end};
    out->count++;
    out->is_unknown = false;
}

/* Characters that are no tokens, piece[begin ... end). */
static void put_unknown(const struct model_bpe *model, const unsigned char *piece,
                        size_t begin, size_t end, struct written *out)
{
    uint32_t point;
    for (size_t next; begin < end; begin = next) {
        size_t step =
            model->is_byte_level ? 1 : unicode_decode(piece + begin, end - begin, &point);
        next = begin + (step ? step : 1);
        if (model->byte_fallback) {
            for (size_t i = begin; i < next; i++)
                put(out, model->byte_ids[piece[i]], i, i + 1);
        } else if (model->unknown == NONE) {
            continue;
        } else if (model->fuse_unknown && out->is_unknown) {
            if (out->spans)
                out->spans[out->count - 1].end = (uint32_t)next;
        } else {
            put(out, model->unknown, begin, next);
            out->is_unknown = true;
        }
    }
}

static uint32_t name_of(const struct model_bpe *model, uint32_t id)
{
    if (id < model->same_below || !model->names)
        return id;
    return id < model->name_count ? model->names[id] : NONE;
}

/* From ids of the vocabulary to those of the model. */
static void put_named(const struct model_bpe *model, const unsigned char *piece,
                      const uint32_t *ids, size_t count, struct written *out)
{
    size_t at = 0;
    for (size_t i = 0; i < count;) {
        size_t begin = at;
        uint32_t name = name_of(model, ids[i]);
        at += vocabulary_token_size(&model->vocabulary, ids[i++]);
        if (name != NONE) {
            put(out, name, begin, at);
            continue;
        }
        while (i < count && name_of(model, ids[i]) == NONE)
            at += vocabulary_token_size(&model->vocabulary, ids[i++]);
        put_unknown(model, piece, begin, at, out);
    }
}

static enum error_code encode_piece(const struct model_bpe *model,
                                    const unsigned char *piece, size_t size,
                                    struct arena *scratch, uint32_t *ids,
                                    struct token_span *spans, size_t *count,
                                    struct error *error)
{
    uint32_t few[SHORT_PIECE];
    if (!model->has_vocabulary)
        return pair_table_merge(&model->pairs, piece, size, scratch, ids, spans, count,
                                error);
    if (!model->names && !spans)
        return merge_piece(&model->vocabulary, piece, size, scratch, ids, count, error);
    uint32_t *found = size <= SHORT_PIECE ? few : ARENA_RAW(scratch, uint32_t, size);
    size_t found_count = 0;
    if (!found)
        return error_set(error, ERROR_MEMORY, "no memory to merge a piece of %zu bytes",
                         size);
    enum error_code code =
        merge_piece(&model->vocabulary, piece, size, scratch, found, &found_count, error);
    struct written out = {.ids = ids, .spans = spans};
    if (code == OK)
        put_named(model, piece, found, found_count, &out);
    *count = out.count;
    return code;
}

static enum error_code encode_new(void *context, const unsigned char *piece, size_t size,
                                  struct arena *scratch, uint32_t *ids, size_t *count,
                                  struct error *error)
{
    return encode_piece(context, piece, size, scratch, ids, NULL, count, error);
}

enum error_code model_bpe_open(void *state, const void *image, size_t size,
                               struct arena *run, struct error *error)
{
    struct model_bpe *model = state;
    size_t table = 0;
    enum error_code code = read_head(model, image, size, &table, error);
    if (code != OK)
        return code;
    const unsigned char *at = (const unsigned char *)image + HEAD_SIZE;
    code = model->has_vocabulary ? vocabulary_open(at, table, &model->vocabulary, error)
                                 : pair_table_open(at, table, &model->pairs, error);
    if (code != OK)
        return code;
    model->run = run;
    model->encoder.encode = encode_new;
    model->encoder.context = model;
    if (!piece_cache_init(&model->encoder.cache, run))
        return error_set(error, ERROR_MEMORY, "no memory for a cache of pieces");
    return OK;
}

/* ---- encoding ---- */

/* Fill the batch from the words [*word, count), the first of which begins at `begin`. */
static size_t fill_batch(struct model_bpe *model, const unsigned char *text, size_t begin,
                         size_t *word, size_t count)
{
    size_t filled = 0;
    while (*word < count && filled < PIECE_BATCH) {
        size_t end = model->words[*word];
        size_t limit = text[end - 1] < 0x80 ? CUT_ABOVE_ASCII : CUT_ABOVE_OTHERS;
        if (model->may_cut && end - begin > limit)
            begin += vocabulary_cut(&model->vocabulary, text + begin, end - begin);
        else
            begin = end;
        model->ends[filled++] = begin;
        *word += begin == end;
    }
    return filled;
}

/* Pieces one by one, with their spans: these are not cached. */
static enum error_code encode_spans(const struct model_bpe *model,
                                    const unsigned char *text, size_t begin,
                                    size_t filled, struct arena *scratch, uint32_t *ids,
                                    struct token_span *spans, size_t *count,
                                    struct error *error)
{
    size_t total = 0;
    for (size_t i = 0; i < filled; i++) {
        size_t written = 0;
        enum error_code code =
            encode_piece(model, text + begin, model->ends[i] - begin, scratch,
                         ids + total, spans + total, &written, error);
        if (code != OK)
            return code;
        for (size_t k = total; k < total + written; k++) {
            spans[k].begin += (uint32_t)begin;
            spans[k].end += (uint32_t)begin;
        }
        total += written;
        begin = model->ends[i];
    }
    *count = total;
    return OK;
}

enum error_code model_bpe_encode(void *state, const unsigned char *text, size_t size,
                                 struct arena *scratch, uint32_t *ids,
                                 struct token_span *spans, size_t *count,
                                 struct error *error)
{
    struct model_bpe *model = state;
    uint32_t *out = ids;
    size_t at = 0, begin = 0;
    while (begin < size) {
        size_t words = 1, word = 0;
        if (model->has_words)
            words = word_marks_cut(text, size, &at, model->words, PIECE_BATCH);
        else
            model->words[0] = size;
        while (word < words) {
            size_t filled = fill_batch(model, text, begin, &word, words), written = 0;
            enum error_code code;
            if (spans) {
                code = encode_spans(model, text, begin, filled, scratch, out,
                                    spans + (out - ids), &written, error);
                out += written;
            } else {
                code = piece_encoder_run(&model->encoder, text, size, begin, model->ends,
                                         filled, scratch, &out, error);
            }
            if (code != OK)
                return code;
            begin = model->ends[filled - 1];
        }
    }
    *count = (size_t)(out - ids);
    return OK;
}

/* ---- whole texts ---- */

enum error_code model_bpe_make_direct(void *state, enum split_pattern pattern,
                                      bool *is_made, struct error *error)
{
    struct model_bpe *model = state;
    *is_made = false;
    if (!model->has_vocabulary || !model->is_direct)
        return OK;
    model->direct = ARENA_NEW(model->run, struct text_encoder, 1);
    if (!model->direct)
        return error_set(error, ERROR_MEMORY, "no memory for a text encoder");
    /* One cache serves both: a model is asked for whole texts or for pieces. */
    model->direct->vocabulary = &model->vocabulary;
    model->direct->pattern = pattern;
    model->direct->cache = model->encoder.cache;
    *is_made = true;
    return OK;
}

static void set_spans(const struct vocabulary *vocabulary, const uint32_t *ids,
                      size_t count, struct token_span *spans, uint32_t at)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t end = at + (uint32_t)vocabulary_token_size(vocabulary, ids[i]);
        spans[i] = (struct token_span){at, end};
        at = end;
    }
}

/* Give ids their names; bytes that have none become the unknown token or nothing. */
static size_t rename_ids(const struct model_bpe *model, uint32_t *ids, size_t count,
                         struct token_span *spans)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = ids[i] > largest ? ids[i] : largest;
    if (largest < model->same_below)
        return count;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t name = name_of(model, ids[i]);
        if (name == NONE)
            name = model->unknown;
        if (spans)
            spans[kept] = spans[i];
        ids[kept] = name;
        kept += name != NONE;
    }
    return kept;
}

enum error_code model_bpe_run_direct(void *state, const unsigned char *text, size_t size,
                                     struct arena *scratch, uint32_t *ids,
                                     struct token_span *spans, uint32_t base,
                                     size_t *count, struct error *error)
{
    struct model_bpe *model = state;
    enum error_code code =
        text_encoder_run(model->direct, text, size, scratch, ids, count, error);
    if (code != OK)
        return code;
    if (spans)
        set_spans(&model->vocabulary, ids, *count, spans, base);
    if (model->names)
        *count = rename_ids(model, ids, *count, spans);
    return OK;
}
