/* model_bpe_ranks.c - tiktoken's byte-pair model: the lowest rank first */
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/bpe_vocabulary.h"
#include "stages/kernels/model_bpe.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/vocabulary_build.h"

/* Ids in range, each once, and a token for every byte: then any text has tokens. */
static enum error_code check_tokens(const struct model_spec *model, struct arena *work,
                                    struct error *error)
{
    bool has_byte[256] = {false};
    bool *is_there = ARENA_NEW(work, bool, TOKEN_ID_LIMIT);
    if (!is_there)
        return error_set(error, ERROR_MEMORY, "no memory to check a vocabulary");
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = model->tokens + i;
        if (token->text.size == 0 || token->id >= TOKEN_ID_LIMIT || is_there[token->id])
            return error_set(error, ERROR_CONFIG,
                             "rank %u is too large, has no text or stands there twice",
                             (unsigned)token->id);
        is_there[token->id] = true;
        if (token->text.size == 1)
            has_byte[token->text.bytes[0]] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!has_byte[byte])
            return error_set(error, ERROR_CONFIG, "no token for the byte 0x%02x", byte);
    }
    return OK;
}

static enum error_code make_list(const struct model_spec *model, struct arena *work,
                                 struct token_list *list, struct error *error)
{
    size_t size = 0, used = 0;
    for (uint32_t i = 0; i < model->token_count; i++)
        size += model->tokens[i].text.size;
    unsigned char *bytes = ARENA_RAW(work, unsigned char, size);
    uint32_t *starts = ARENA_RAW(work, uint32_t, (size_t)model->token_count + 1);
    uint32_t *ids = ARENA_RAW(work, uint32_t, model->token_count);
    if (size > UINT32_MAX || !bytes || !starts || !ids)
        return error_set(error, ERROR_MEMORY, "no memory to compile a vocabulary");
    *list = (struct token_list){
        .count = model->token_count, .starts = starts, .ids = ids, .bytes = bytes};
    starts[0] = 0;
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = model->tokens + i;
        memcpy(bytes + used, token->text.bytes, token->text.size);
        used += token->text.size;
        starts[i + 1] = (uint32_t)used;
        ids[i] = token->id;
        if (token->id >= list->id_limit)
            list->id_limit = token->id + 1;
    }
    return OK;
}

static enum error_code build(const struct tokenizer_spec *spec, struct arena *work,
                             struct bytes *image, struct error *error)
{
    struct bytes vocabulary = {0};
    struct token_list list;
    struct model_spec model = spec->model;
    const struct bpe_vocabulary result = {
        .is_equivalent = true, .is_direct = true, .may_cut = true};
    model.is_byte_level = true;
    model.byte_fallback = false;
    enum error_code code = check_tokens(&model, work, error);
    if (code == OK)
        code = make_list(&model, work, &list, error);
    if (code == OK)
        code = vocabulary_build(&list, work, &vocabulary, error);
    if (code == OK)
        code = model_bpe_write(&model, &result, &vocabulary, image, error);
    bytes_clear(&vocabulary);
    return code;
}

const struct model_type model_bpe_ranks = {.name = "BPE by rank",
                                           .state_size = sizeof(struct model_bpe),
                                           .build = build,
                                           .open = model_bpe_open,
                                           .encode = model_bpe_encode,
                                           .ids_per_byte = 1,
                                           .ids_extra = TEXT_ENCODER_SLACK};
