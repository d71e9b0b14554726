/* tiktoken_spec.c - a .tiktoken file as the specification of a tokenizer */
#include "stages/kernels/tiktoken_spec.h"

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/special_names.h"
#include "stages/kernels/special_token.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/tokenizer_spec.h"

static const char *const pattern_names[SPLIT_PATTERN_COUNT] = {
    [SPLIT_R50K] = "r50k",   [SPLIT_P50K] = "p50k",     [SPLIT_CL100K] = "cl100k",
    [SPLIT_O200K] = "o200k", [SPLIT_LLAMA3] = "llama3", [SPLIT_QWEN] = "qwen"};

/* Published vocabularies, by token_list_hash(). */
static const struct {
    const char *hash;
    enum split_pattern pattern;
} known_vocabularies[] = {
    {"c4219e0ff0f78c47ffd20bee659702a9", SPLIT_R50K},
    {"7949b96dc607821b62ecbe96859d9784", SPLIT_P50K},
    {"5c921191b422cb41c5543f7c3311bb2b", SPLIT_CL100K},
    {"553d9dedbafaf6873d6f28ed8d9d52b4", SPLIT_O200K},
    {"80ba068671f4968049669eb8aec59d83", SPLIT_LLAMA3},
};

bool tiktoken_recognise(const struct token_list *list, enum split_pattern *pattern)
{
    char hash[33];
    hash128_format(token_list_hash(list), hash);
    for (size_t i = 0; i < sizeof known_vocabularies / sizeof *known_vocabularies; i++) {
        if (strcmp(hash, known_vocabularies[i].hash) == 0) {
            *pattern = known_vocabularies[i].pattern;
            return true;
        }
    }
    return false;
}

static enum error_code settle_pattern(const char *name, const struct token_list *list,
                                      enum split_pattern *pattern, struct error *error)
{
    if (!name || strcmp(name, "auto") == 0) {
        if (tiktoken_recognise(list, pattern))
            return OK;
        return error_set(error, ERROR_CONFIG,
                         "it is not one that is known by its content: say its pattern "
                         "(r50k, p50k, cl100k, o200k, llama3, qwen)");
    }
    for (int i = 0; i < SPLIT_PATTERN_COUNT; i++) {
        if (strcmp(name, pattern_names[i]) == 0) {
            *pattern = (enum split_pattern)i;
            return OK;
        }
    }
    return error_set(error, ERROR_CONFIG, "there is no pattern \"%s\"", name);
}

static enum error_code fill_model(const struct token_list *list, struct arena *arena,
                                  struct model_spec *model, struct error *error)
{
    struct spec_token *tokens = ARENA_NEW(arena, struct spec_token, list->count);
    if (!tokens)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t begin = list->starts[i];
        tokens[i] = (struct spec_token){
            .text = {list->bytes + begin, list->starts[i + 1] - begin},
            .id = list->ids[i]};
    }
    *model = (struct model_spec){.kind = MODEL_BPE_RANKS,
                                 .tokens = tokens,
                                 .token_count = list->count,
                                 .id_limit = list->id_limit,
                                 .is_byte_level = true,
                                 .ignore_merges = true,
                                 .unknown = UINT32_MAX};
    return OK;
}

/* Those whose id is a rank, too, are there: tokenizer_check() refuses them where they are
 * asked for. */
static enum error_code fill_specials(enum split_pattern pattern, struct arena *arena,
                                     struct tokenizer_spec *spec, struct error *error)
{
    struct special_token_text token;
    size_t count = 0;
    while (special_token_list(pattern, count, &token))
        count++;
    struct added_token *added = ARENA_NEW(arena, struct added_token, count + 1);
    if (!added)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    for (size_t i = 0; special_token_list(pattern, i, &token); i++) {
        size_t size = strlen(token.text);
        char *text = arena_copy_text(arena, token.text, size);
        if (!text)
            return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
        added[spec->added_count++] =
            (struct added_token){.text = {(const unsigned char *)text, size},
                                 .id = token.id,
                                 .is_special = true};
        if (token.id >= spec->model.id_limit)
            spec->model.id_limit = token.id + 1;
    }
    spec->added = added;
    return OK;
}

static enum error_code fill_parts(enum split_pattern pattern, struct arena *arena,
                                  struct tokenizer_spec *spec, struct error *error)
{
    struct splitter_spec *splitter = ARENA_NEW(arena, struct splitter_spec, 1);
    struct template_item *text = ARENA_NEW(arena, struct template_item, 1);
    if (!splitter || !text)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    const char *expression = split_expression(pattern);
    *splitter = (struct splitter_spec){
        .kind = SPLITTER_PATTERN,
        .pattern = {(const unsigned char *)expression, strlen(expression)},
        .is_regex = true,
        .behavior = BEHAVIOR_ISOLATED};
    text->is_text = true;
    spec->splitters = splitter;
    spec->splitter_count = 1;
    spec->single = text;
    spec->single_count = 1;
    spec->decoder = DECODER_BYTES;
    special_names_settle(spec);
    return OK;
}

enum error_code tiktoken_spec_read(const unsigned char *text, size_t size,
                                   const char *pattern, struct arena *arena,
                                   struct tokenizer_spec *spec, struct error *error)
{
    struct tokenizer_spec read = {0};
    struct token_list list;
    enum split_pattern settled = SPLIT_R50K;
    enum error_code code = tiktoken_parse(text, size, arena, &list, error);
    if (code == OK)
        code = settle_pattern(pattern, &list, &settled, error);
    if (code == OK)
        code = fill_model(&list, arena, &read.model, error);
    if (code == OK)
        code = fill_specials(settled, arena, &read, error);
    if (code == OK)
        code = fill_parts(settled, arena, &read, error);
    if (code == OK)
        *spec = read;
    return code;
}
