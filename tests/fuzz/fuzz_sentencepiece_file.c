/* fuzz_sentencepiece_file.c - any bytes as a SentencePiece model: read or refused */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/sentencepiece_file.h"
#include "stages/kernels/tokenizer_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Nothing may point into the file, and every number must hold. */
static void check_spec(const struct tokenizer_spec *spec)
{
    const struct model_spec *model = &spec->model;
    unsigned sum = 0;
    require(model->token_count > 0 && model->unknown < model->token_count);
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        require(token->id == i && token->text.size > 0);
        for (size_t b = 0; b < token->text.size; b++)
            sum += token->text.bytes[b];
    }
    for (size_t n = 0; n < spec->normalizer_count; n++) {
        for (size_t b = 0; b < spec->normalizers[n].content.size; b++)
            sum += spec->normalizers[n].content.bytes[b];
        for (size_t b = 0; b < spec->normalizers[n].pattern.size; b++)
            sum += spec->normalizers[n].pattern.bytes[b];
    }
    require(sum > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    struct error error;
    struct tokenizer_spec spec;
    struct arena *arena = arena_create(1 << 16, 0);
    unsigned char *copy = malloc(size ? size : 1);
    require(arena && copy);
    memcpy(copy, data, size);
    enum error_code code = sentencepiece_read(copy, size, arena, &spec, &error);
    free(copy);
    require(code == OK || code == ERROR_CONFIG);
    if (code == OK)
        check_spec(&spec);
    arena_destroy(arena);
    return 0;
}
