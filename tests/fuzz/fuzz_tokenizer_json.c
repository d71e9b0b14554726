/* fuzz_tokenizer_json.c - any bytes as a tokenizer.json: what is read holds together */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/tokenizer_json.h"
#include "stages/kernels/tokenizer_spec.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Reads every byte, so that the sanitizers see them. */
static void touch(struct byte_range range)
{
    unsigned sum = 0;
    for (size_t i = 0; i < range.size; i++)
        sum += range.bytes[i];
    require(sum <= 255 * range.size);
}

static void check(const struct tokenizer_spec *spec)
{
    const struct model_spec *model = &spec->model;
    for (uint32_t i = 0; i < model->token_count; i++) {
        touch(model->tokens[i].text);
        require(model->tokens[i].id < model->id_limit);
    }
    for (uint32_t i = 0; i < model->merge_count; i++) {
        require(model->merges[i].left < model->id_limit);
        require(model->merges[i].right < model->id_limit);
        require(model->merges[i].merged < model->id_limit);
    }
    require(model->unknown == UINT32_MAX || model->unknown < model->id_limit);
    for (size_t i = 0; i < spec->added_count; i++) {
        touch(spec->added[i].text);
        require(spec->added[i].text.size > 0 && spec->added[i].id < model->id_limit);
    }
    size_t texts = 0;
    for (size_t i = 0; i < spec->single_count; i++) {
        texts += spec->single[i].is_text;
        require(spec->single[i].is_text || spec->single[i].id < model->id_limit);
    }
    require(texts == 1);
    for (size_t i = 0; i < spec->normalizer_count; i++) {
        touch(spec->normalizers[i].pattern);
        touch(spec->normalizers[i].content);
    }
    for (size_t i = 0; i < spec->splitter_count; i++)
        touch(spec->splitters[i].pattern);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 0);
    unsigned char *text = malloc(size ? size : 1); /* of exactly its size */
    struct tokenizer_spec spec;
    struct error error = {0};
    require(arena && text);
    if (size > 0)
        memcpy(text, data, size);
    enum error_code code = tokenizer_json_read(text, size, arena, &spec, &error);
    require(code == OK || code == ERROR_CONFIG);
    require(code == OK || error.text[0] != 0);
    if (code == OK)
        check(&spec);
    free(text);
    arena_destroy(arena);
    return 0;
}
