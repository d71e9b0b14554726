/* unigram_table.c - the compiled form of a Unigram model */
#include "stages/kernels/unigram_table.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/memory_image.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/word_cache.h"

enum { IMAGE_KIND = 0x554E4931, BYTE_PIECE_SIZE = 6 };
static const double unknown_penalty = 10.0;
#define SCORE_MAX 1e20 /* sums of it stay far below the largest float */

enum section {
    UNIGRAM_HEADER,
    UNIGRAM_SCORES,
    UNIGRAM_BYTE_IDS,
    UNIGRAM_TRIE,
    UNIGRAM_CUT,
    UNIGRAM_SECTIONS
};

struct header {
    uint32_t is_float, byte_fallback, id_limit, unknown;
    double unknown_score;
};

struct builder {
    const struct model_spec *model;
    struct arena *work;
    struct error *error;
    struct header header;
    struct trie_piece *pieces; /* (count): what can stand in a text */
    size_t count;
    struct image_section sections[UNIGRAM_SECTIONS];
};

static enum error_code fail_memory(const struct builder *builder)
{
    return error_set(builder->error, ERROR_MEMORY, "no memory to compile a vocabulary");
}

/* Hugging Face knows no kinds: every token can stand in a text. */
static bool is_in_text(const struct builder *builder, const struct spec_token *token)
{
    bool is_kind = !builder->model->is_sentencepiece || token->kind == TOKEN_NORMAL ||
                   token->kind == TOKEN_USER_DEFINED;
    return is_kind && token->text.size > 0 &&
           word_is_text(token->text.bytes, token->text.size);
}

static enum error_code take_pieces(struct builder *builder)
{
    const struct model_spec *model = builder->model;
    builder->pieces = ARENA_RAW(builder->work, struct trie_piece, model->token_count);
    if (!builder->pieces)
        return fail_memory(builder);
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        if (token->id >= model->id_limit)
            return error_set(builder->error, ERROR_CONFIG, "id %u is out of range",
                             token->id);
        if (!(fabs(token->score) <= SCORE_MAX))
            return error_set(builder->error, ERROR_CONFIG,
                             "the score of token %u is out of range", token->id);
        if (is_in_text(builder, token))
            builder->pieces[builder->count++] =
                (struct trie_piece){token->text.bytes, token->text.size, token->id};
    }
    return OK;
}

static enum error_code make_scores(struct builder *builder)
{
    const struct model_spec *model = builder->model;
    double *scores = ARENA_NEW(builder->work, double, model->id_limit);
    double lowest = INFINITY;
    float lowest_normal = FLT_MAX, highest_normal = FLT_MIN;
    if (!scores)
        return fail_memory(builder);
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        float score = (float)token->score;
        lowest = token->score < lowest ? token->score : lowest;
        scores[token->id] = token->score;
        if (token->kind == TOKEN_NORMAL && score < lowest_normal)
            lowest_normal = score;
        if (token->kind == TOKEN_NORMAL && score > highest_normal)
            highest_normal = score;
    }
    for (uint32_t i = 0; model->is_sentencepiece && i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        if (token->kind == TOKEN_USER_DEFINED)
            scores[token->id] = (double)((float)token->text.size * highest_normal) - 0.1;
    }
    if (model->is_sentencepiece && lowest_normal == FLT_MAX)
        return error_set(builder->error, ERROR_CONFIG,
                         "the vocabulary has no normal piece");
    builder->header.unknown_score = lowest - unknown_penalty;
    if (model->is_sentencepiece) {
        builder->header.unknown_score = (double)(lowest_normal - (float)unknown_penalty);
        scores[model->unknown] = builder->header.unknown_score;
    }
    builder->sections[UNIGRAM_SCORES] =
        (struct image_section){scores, model->id_limit * sizeof *scores};
    return OK;
}

static int hex_digit(unsigned char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* Hugging Face falls back to bytes where there is a token for each of them. */
static enum error_code make_bytes(struct builder *builder)
{
    const struct model_spec *model = builder->model;
    uint32_t *ids = ARENA_RAW(builder->work, uint32_t, 256);
    if (!ids)
        return fail_memory(builder);
    for (size_t i = 0; i < 256; i++)
        ids[i] = UINT32_MAX;
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        const unsigned char *at = token->text.bytes;
        bool is_byte = token->kind == TOKEN_BYTE || !model->is_sentencepiece;
        if (!is_byte || token->text.size != BYTE_PIECE_SIZE ||
            memcmp(at, "<0x", 3) != 0 || at[5] != '>')
            continue;
        int high = hex_digit(at[3]), low = hex_digit(at[4]);
        if (high >= 0 && low >= 0)
            ids[high * 16 + low] = token->id;
    }
    builder->sections[UNIGRAM_BYTE_IDS] = (struct image_section){ids, 256 * sizeof *ids};
    return OK;
}

static enum error_code make_cut(struct builder *builder)
{
    struct cut_piece *pieces = ARENA_RAW(builder->work, struct cut_piece, builder->count);
    if (!pieces)
        return fail_memory(builder);
    for (size_t i = 0; i < builder->count; i++)
        pieces[i] = (struct cut_piece){builder->pieces[i].bytes, builder->pieces[i].size};
    return word_cut_build(pieces, builder->count, builder->work,
                          &builder->sections[UNIGRAM_CUT], builder->error);
}

static enum error_code make_trie(struct builder *builder)
{
    const uint64_t *cells;
    size_t count;
    enum error_code code = piece_trie_build(
        builder->pieces, builder->count, builder->work, &cells, &count, builder->error);
    if (code == OK)
        builder->sections[UNIGRAM_TRIE] =
            (struct image_section){cells, count * sizeof *cells};
    return code;
}

enum error_code unigram_table_build(const struct tokenizer_spec *spec, struct arena *work,
                                    struct bytes *image, struct error *error)
{
    const struct model_spec *model = &spec->model;
    struct builder builder = {.model = model, .work = work, .error = error};
    bool has_unknown = model->unknown < model->id_limit;
    if (model->id_limit > WORD_ID_MAX)
        return error_set(error, ERROR_CONFIG, "the vocabulary has too many pieces");
    if (!has_unknown && (model->is_sentencepiece || model->unknown != UINT32_MAX))
        return error_set(error, ERROR_CONFIG, "the vocabulary has no unknown piece");
    static enum error_code (*const steps[])(struct builder *) = {
        take_pieces, make_scores, make_bytes, make_cut, make_trie};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum error_code code = steps[i](&builder);
        if (code != OK)
            return code;
    }
    builder.header.is_float = model->is_sentencepiece;
    builder.header.byte_fallback = model->byte_fallback;
    builder.header.id_limit = model->id_limit;
    builder.header.unknown = model->unknown;
    builder.sections[UNIGRAM_HEADER] =
        (struct image_section){&builder.header, sizeof builder.header};
    return memory_image_write(IMAGE_KIND, builder.sections, UNIGRAM_SECTIONS, image,
                              error);
}

enum error_code unigram_table_open(const void *image, size_t size,
                                   struct unigram_table *table, struct error *error)
{
    struct image_section sections[UNIGRAM_SECTIONS];
    enum error_code code =
        memory_image_open(image, size, IMAGE_KIND, UNIGRAM_SECTIONS, sections, error);
    if (code != OK)
        return code;
    const struct header *header = sections[UNIGRAM_HEADER].data;
    if (sections[UNIGRAM_HEADER].size != sizeof *header)
        return error_set(error, ERROR_DAMAGED, "a compiled vocabulary is damaged");
    *table = (struct unigram_table){
        .is_float = header->is_float != 0,
        .byte_fallback = header->byte_fallback != 0,
        .id_limit = header->id_limit,
        .unknown = header->unknown,
        .unknown_score = header->unknown_score,
        .scores = sections[UNIGRAM_SCORES].data,
        .byte_ids = sections[UNIGRAM_BYTE_IDS].data,
    };
    if (sections[UNIGRAM_SCORES].size != header->id_limit * sizeof(double) ||
        sections[UNIGRAM_BYTE_IDS].size != 256 * sizeof(uint32_t) ||
        !piece_trie_open(sections[UNIGRAM_TRIE].data, sections[UNIGRAM_TRIE].size,
                         &table->trie) ||
        !word_cut_open(&sections[UNIGRAM_CUT], &table->cut))
        return error_set(error, ERROR_DAMAGED, "a compiled vocabulary is damaged");
    return OK;
}
