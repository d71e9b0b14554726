/* fuzz_tokenizer_files.c - any bytes as vocab.json and merges.txt, vocab.txt, .tiktoken
 *
 * The first byte chooses the format; GPT-2's two files are apart by a zero byte. */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/bert_vocab_file.h"
#include "stages/kernels/gpt2_files.h"
#include "stages/kernels/tiktoken_spec.h"
#include "stages/kernels/tokenizer_spec.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct tokenizer_spec *spec)
{
    const struct model_spec *model = &spec->model;
    for (uint32_t i = 0; i < model->token_count; i++) {
        unsigned sum = 0;
        for (size_t k = 0; k < model->tokens[i].text.size; k++)
            sum += model->tokens[i].text.bytes[k];
        require(sum <= 255 * model->tokens[i].text.size);
        require(model->tokens[i].id < model->id_limit);
    }
    for (uint32_t i = 0; i < model->merge_count; i++)
        require(model->merges[i].left < model->id_limit &&
                model->merges[i].right < model->id_limit &&
                model->merges[i].merged < model->id_limit);
    for (size_t i = 0; i < spec->added_count; i++)
        require(spec->added[i].id < model->id_limit);
    for (size_t i = 0; i < spec->single_count; i++)
        require(spec->single[i].is_text || spec->single[i].id < model->id_limit);
    require(spec->splitter_count == 1);
}

static enum error_code read_pair(const unsigned char *text, size_t size,
                                 struct arena *arena, struct tokenizer_spec *spec,
                                 struct error *error)
{
    const unsigned char *cut = memchr(text, 0, size);
    size_t first = cut ? (size_t)(cut - text) : size;
    size_t second = cut ? first + 1 : size;
    (void)gpt2_files_is_vocabulary(text, first);
    return gpt2_files_read(text, first, text + second, size - second, arena, spec, error);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena *arena = arena_create(1 << 16, 0);
    unsigned char *text = malloc(size - 1); /* of exactly its size */
    struct tokenizer_spec spec;
    struct error error = {0};
    enum error_code code;
    require(arena && text);
    memcpy(text, data + 1, size - 1);
    if (data[0] % 3 == 0)
        code = read_pair(text, size - 1, arena, &spec, &error);
    else if (data[0] % 3 == 1)
        code = bert_vocab_read(text, size - 1, (enum bert_case)(data[0] / 3 % 3), arena,
                               &spec, &error);
    else
        code = tiktoken_spec_read(text, size - 1, data[0] & 64 ? "llama3" : "r50k", arena,
                                  &spec, &error);
    require(code == OK || (code == ERROR_CONFIG && error.text[0] != 0));
    if (code == OK)
        check(&spec);
    free(text);
    arena_destroy(arena);
    return 0;
}
