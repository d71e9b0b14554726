/* gpt2_files.c - read vocab.json and merges.txt, the two files of GPT-2's tokenizer */
#include "stages/kernels/gpt2_files.h"

#include <string.h>

#include "core/arena.h"
#include "stages/kernels/json_place.h"
#include "stages/kernels/special_names.h"
#include "stages/kernels/spec_builder.h"
#include "stages/kernels/text_lines.h"

static enum error_code read_tokens(const struct json_place *root,
                                   struct spec_builder *builder, struct error *error)
{
    struct json_members members = json_node_members(root->node);
    const unsigned char *text;
    size_t size, index = 0;
    struct json_node node;
    enum error_code code = OK;
    while (code == OK && json_members_next(&members, &text, &size, &node)) {
        uint32_t id = 0;
        struct json_place item = place_item(root, index++, node);
        code = place_id(&item, &id, error);
        if (code == OK)
            code = spec_builder_add_token(builder, (struct byte_range){text, size}, id, 0,
                                          error);
    }
    return code == ERROR_CONFIG ? error_wrap(error, "vocab.json") : code;
}

static enum error_code read_merges(struct text_lines *lines, struct spec_builder *builder,
                                   struct error *error)
{
    static const char version[] = "#version";
    struct byte_range line;
    while (text_lines_next(lines, &line)) {
        const unsigned char *end = line.bytes + line.size;
        const unsigned char *space =
            line.size > 0 ? memchr(line.bytes, ' ', line.size) : NULL;
        if (line.size == 0 || (line.size >= sizeof version - 1 &&
                               memcmp(line.bytes, version, sizeof version - 1) == 0))
            continue;
        if (!space || memchr(space + 1, ' ', (size_t)(end - space - 1)))
            return error_set(error, ERROR_CONFIG,
                             "merges.txt: line %zu is not a pair of tokens",
                             lines->number);
        enum error_code code = spec_builder_add_merge(
            builder, (struct byte_range){line.bytes, (size_t)(space - line.bytes)},
            (struct byte_range){space + 1, (size_t)(end - space - 1)}, 0, error);
        if (code != OK)
            return code == ERROR_CONFIG
                       ? error_wrap(error, "merges.txt: line %zu", lines->number)
                       : code;
    }
    return OK;
}

/* Tokens that are special by their name. */
static enum error_code add_specials(const struct spec_builder *builder,
                                    struct arena *arena, struct tokenizer_spec *spec,
                                    struct error *error)
{
    static const char *const names[] = {"<|endoftext|>", "<s>",   "<pad>",
                                        "</s>",          "<unk>", "<mask>"};
    enum { COUNT = sizeof names / sizeof *names };
    struct added_token *added = ARENA_NEW(arena, struct added_token, COUNT);
    if (!added)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    for (size_t i = 0; i < COUNT; i++) {
        struct byte_range text = {(const unsigned char *)names[i], strlen(names[i])};
        uint32_t id = spec_builder_find(builder, text);
        if (id != UINT32_MAX)
            added[spec->added_count++] =
                (struct added_token){.text = text, .id = id, .is_special = true};
    }
    spec->added = added;
    return OK;
}

static enum error_code read_both(const struct json_place *root, struct text_lines *lines,
                                 struct arena *arena, struct tokenizer_spec *spec,
                                 struct error *error)
{
    struct spec_builder builder = {0};
    struct splitter_spec *splitter = ARENA_NEW(arena, struct splitter_spec, 1);
    struct template_item *text = ARENA_NEW(arena, struct template_item, 1);
    if (!splitter || !text)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    enum error_code code = spec_builder_init(&builder, arena, json_node_count(root->node),
                                             text_lines_count(lines), error);
    if (code == OK)
        code = read_tokens(root, &builder, error);
    if (code == OK)
        code = read_merges(lines, &builder, error);
    if (code == OK)
        code = add_specials(&builder, arena, spec, error);
    if (code == OK)
        code = spec_builder_finish(&builder, true, &spec->model, error);
    if (code != OK)
        return code;
    splitter->kind = SPLITTER_GPT2;
    text->is_text = true;
    spec->splitters = splitter;
    spec->splitter_count = 1;
    spec->single = text;
    spec->single_count = 1;
    spec->decoder = DECODER_BYTES;
    spec->model.kind = MODEL_BPE_MERGES;
    spec->model.unknown = UINT32_MAX;
    special_names_settle(spec);
    return OK;
}

enum error_code gpt2_files_read(const unsigned char *vocabulary, size_t vocabulary_size,
                                const unsigned char *merges, size_t merges_size,
                                struct arena *arena, struct tokenizer_spec *spec,
                                struct error *error)
{
    const char *detail = NULL;
    struct json_document *document =
        json_document_create(vocabulary, vocabulary_size, &detail);
    if (!document)
        return error_set(error, ERROR_CONFIG, "vocab.json is not JSON: %s", detail);
    struct tokenizer_spec read = {0};
    struct json_place root = {.node = json_document_root(document)};
    struct text_lines lines = text_lines_over(merges, merges_size);
    enum error_code code = OK;
    if (json_node_type(root.node) != JSON_OBJECT)
        code = error_set(error, ERROR_CONFIG, "vocab.json is not an object");
    if (code == OK)
        code = read_both(&root, &lines, arena, &read, error);
    json_document_destroy(document);
    if (code == OK)
        *spec = read;
    return code;
}

bool gpt2_files_is_vocabulary(const unsigned char *text, size_t size)
{
    const char *detail;
    struct json_document *document = json_document_create(text, size, &detail);
    struct json_node value;
    int64_t id;
    if (!document)
        return false;
    struct json_node root = json_document_root(document);
    struct json_members members = json_node_members(root);
    bool is_one = json_node_type(root) == JSON_OBJECT &&
                  json_members_next(&members, NULL, NULL, &value) &&
                  json_node_integer(value, &id);
    json_document_destroy(document);
    return is_one;
}
