/* tokenizer_json.c - read a Hugging Face tokenizer.json */
#include "stages/kernels/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/special_names.h"
#include "stages/kernels/tokenizer_json_parts.h"

static enum error_code read_added_token(const struct json_place *place,
                                        struct arena *arena, struct added_token *token,
                                        struct error *error)
{
    static const char *const fields[] = {"id",     "content",    "single_word", "lstrip",
                                         "rstrip", "normalized", "special",     NULL};
    struct json_place id = place_field(place, "id");
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_id(&id, &token->id, error);
    if (code == OK)
        code = place_text(place, "content", true, arena, &token->text, error);
    if (code == OK)
        code = place_bool(place, "special", false, &token->is_special, error);
    if (code == OK)
        code = place_bool(place, "single_word", false, &token->is_single_word, error);
    if (code == OK)
        code = place_bool(place, "lstrip", false, &token->is_left_stripped, error);
    if (code == OK)
        code = place_bool(place, "rstrip", false, &token->is_right_stripped, error);
    if (code == OK)
        code = place_bool(place, "normalized", !token->is_special, &token->is_normalized,
                          error);
    return code;
}

static enum error_code read_added(const struct json_place *place, struct arena *arena,
                                  struct tokenizer_spec *spec, struct error *error)
{
    size_t count = json_node_count(place->node);
    struct added_token *added = ARENA_NEW(arena, struct added_token, count + 1);
    struct json_members members = json_node_members(place->node);
    struct json_node node;
    if (!added)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    if (json_node_type(place->node) != JSON_ARRAY &&
        json_node_type(place->node) != JSON_ABSENT)
        return place_refuse(place, error, "is not a list");
    for (size_t i = 0; json_members_next(&members, NULL, NULL, &node); i++) {
        struct json_place item = place_item(place, i, node);
        struct added_token *token = &added[spec->added_count];
        enum error_code code = read_added_token(&item, arena, token, error);
        if (code != OK)
            return code;
        if (token->text.size > 0) /* an empty one never matches */
            spec->added_count++;
    }
    spec->added = added;
    return OK;
}

static int compare_tokens(const void *a, const void *b)
{
    const struct added_token *left = *(const struct added_token *const *)a;
    const struct added_token *right = *(const struct added_token *const *)b;
    return left->id < right->id ? -1 : left->id > right->id;
}

/* Two of one id would be one token to whoever decodes, and to Hugging Face two. */
static enum error_code check_added(const struct tokenizer_spec *spec, struct arena *arena,
                                   struct error *error)
{
    const struct added_token **sorted =
        ARENA_RAW(arena, const struct added_token *, spec->added_count + 1);
    if (!sorted)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    for (size_t i = 0; i < spec->added_count; i++)
        sorted[i] = &spec->added[i];
    qsort((void *)sorted, spec->added_count, sizeof(const struct added_token *),
          compare_tokens);
    for (size_t i = 1; i < spec->added_count; i++) {
        struct byte_range a = sorted[i - 1]->text, b = sorted[i]->text;
        if (sorted[i - 1]->id == sorted[i]->id)
            return error_set(error, ERROR_CONFIG,
                             "added_tokens: \"%.*s\" and \"%.*s\" have the same id %u",
                             a.size < 100 ? (int)a.size : 100, (const char *)a.bytes,
                             b.size < 100 ? (int)b.size : 100, (const char *)b.bytes,
                             (unsigned)sorted[i]->id);
    }
    return OK;
}

static enum error_code read_parts(const struct json_place *root, struct arena *arena,
                                  struct tokenizer_spec *spec, struct error *error)
{
    static const char *const fields[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    bool is_byte_level = false;
    struct json_place normalizer = place_field(root, "normalizer");
    struct json_place splitter = place_field(root, "pre_tokenizer");
    struct json_place model = place_field(root, "model");
    struct json_place added = place_field(root, "added_tokens");
    struct json_place processor = place_field(root, "post_processor");
    struct json_place decoder = place_field(root, "decoder");
    enum error_code code = place_check_fields(root, fields, error);
    if (code == OK && json_node_type(model.node) == JSON_ABSENT)
        code = place_refuse(root, error, "it has no \"model\"");
    if (code == OK)
        code = tokenizer_json_normalizer(&normalizer, arena, spec, error);
    if (code == OK)
        code = tokenizer_json_splitter(&splitter, arena, spec, &is_byte_level, error);
    if (code == OK)
        code = read_added(&added, arena, spec, error);
    if (code == OK)
        code = check_added(spec, arena, error);
    if (code == OK)
        code = tokenizer_json_model(&model, is_byte_level, arena, spec, error);
    if (code != OK)
        return code;
    special_names_settle(spec);
    code = tokenizer_json_template(&processor, arena, spec, error);
    if (code == OK)
        code = tokenizer_json_decoder(&decoder, arena, spec, error);
    return code;
}

/* The template's ids are those of tokens. */
static enum error_code check_template(const struct tokenizer_spec *spec,
                                      struct error *error)
{
    for (size_t i = 0; i < spec->single_count; i++) {
        if (!spec->single[i].is_text && spec->single[i].id >= spec->model.id_limit)
            return error_set(error, ERROR_CONFIG,
                             "post_processor: id %u is that of no token",
                             (unsigned)spec->single[i].id);
    }
    return OK;
}

enum error_code tokenizer_json_read(const unsigned char *text, size_t size,
                                    struct arena *arena, struct tokenizer_spec *spec,
                                    struct error *error)
{
    const char *detail = NULL;
    struct json_document *document = json_document_create(text, size, &detail);
    if (!document)
        return error_set(error, ERROR_CONFIG, "it is not JSON: %s", detail);
    struct tokenizer_spec read = {0};
    struct json_place root = {.node = json_document_root(document)};
    enum error_code code = read_parts(&root, arena, &read, error);
    json_document_destroy(document);
    if (code == OK)
        code = check_template(&read, error);
    if (code == OK)
        *spec = read;
    return code;
}
