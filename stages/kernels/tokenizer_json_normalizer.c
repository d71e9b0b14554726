/* tokenizer_json_normalizer.c - the normalizers of a tokenizer.json */
#include <string.h>

#include "core/arena.h"
#include "core/base64.h"
#include "stages/kernels/tokenizer_json_parts.h"

enum normalizer_name {
    NAME_SEQUENCE,
    NAME_BERT,
    NAME_NFC,
    NAME_NFD,
    NAME_NFKC,
    NAME_NFKD,
    NAME_LOWERCASE,
    NAME_STRIP_ACCENTS,
    NAME_STRIP,
    NAME_PREPEND,
    NAME_REPLACE,
    NAME_PRECOMPILED
};

static const char *const names[] = {
    "Sequence",  "BertNormalizer", "NFC",   "NFD",     "NFKC",    "NFKD",
    "Lowercase", "StripAccents",   "Strip", "Prepend", "Replace", "Precompiled",
    NULL};

struct normalizer_list {
    struct arena *arena;
    struct normalizer_spec *items; /* (count) */
    size_t count, capacity;
};

static enum error_code push(struct normalizer_list *list,
                            const struct normalizer_spec *item, struct error *error)
{
    list->items = arena_list_grow(list->arena, list->items, list->count, &list->capacity,
                                  sizeof *item);
    if (!list->items)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    list->items[list->count++] = *item;
    return OK;
}

enum error_code tokenizer_json_pattern(const struct json_place *outer,
                                       struct arena *arena, struct byte_range *pattern,
                                       bool *is_regex, struct error *error)
{
    static const char *const fields[] = {"String", "Regex", NULL};
    struct json_place place = place_field(outer, "pattern");
    if (json_node_type(place.node) == JSON_ABSENT)
        return place_refuse(outer, error, "\"pattern\" is missing");
    enum error_code code = place_check_fields(&place, fields, error);
    if (code != OK)
        return code;
    *is_regex = json_node_type(json_node_field(place.node, "Regex")) != JSON_ABSENT;
    return place_text(&place, *is_regex ? "Regex" : "String", true, arena, pattern,
                      error);
}

static enum error_code read_bert(const struct json_place *place,
                                 struct normalizer_spec *item, struct error *error)
{
    static const char *const fields[] = {
        "type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase", NULL};
    item->kind = NORMALIZER_BERT;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_bool(place, "clean_text", true, &item->clean_text, error);
    if (code == OK)
        code =
            place_bool(place, "handle_chinese_chars", true, &item->handle_chinese, error);
    if (code == OK)
        code = place_bool(place, "lowercase", true, &item->lowercase, error);
    if (code == OK) /* null: as lowercase says */
        code = place_bool(place, "strip_accents", item->lowercase, &item->strip_accents,
                          error);
    return code;
}

static enum error_code read_strip(const struct json_place *place,
                                  struct normalizer_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "strip_left", "strip_right", NULL};
    item->kind = NORMALIZER_STRIP;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_bool(place, "strip_left", true, &item->is_left, error);
    if (code == OK)
        code = place_bool(place, "strip_right", true, &item->is_right, error);
    return code;
}

static enum error_code read_prepend(const struct json_place *place, struct arena *arena,
                                    struct normalizer_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "prepend", NULL};
    item->kind = NORMALIZER_PREPEND;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "prepend", true, arena, &item->content, error);
    return code;
}

static enum error_code read_replace(const struct json_place *place, struct arena *arena,
                                    struct normalizer_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "pattern", "content", NULL};
    item->kind = NORMALIZER_REPLACE;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code =
            tokenizer_json_pattern(place, arena, &item->pattern, &item->is_regex, error);
    if (code == OK)
        code = place_text(place, "content", true, arena, &item->content, error);
    return code;
}

static enum error_code read_precompiled(const struct json_place *place,
                                        struct arena *arena, struct normalizer_spec *item,
                                        struct error *error)
{
    static const char *const fields[] = {"type", "precompiled_charsmap", NULL};
    struct byte_range text;
    item->kind = NORMALIZER_PRECOMPILED;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "precompiled_charsmap", true, arena, &text, error);
    if (code != OK)
        return code;
    unsigned char *bytes = ARENA_RAW(arena, unsigned char, text.size + 1);
    if (!bytes)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    size_t size = 0;
    if (!base64_decode(text.bytes, text.size, bytes, &size))
        return place_refuse(place, error, "\"precompiled_charsmap\" is not base64");
    item->content = (struct byte_range){bytes, size};
    return OK;
}

static enum error_code read_plain(const struct json_place *place,
                                  enum normalizer_kind kind, struct normalizer_spec *item,
                                  struct error *error)
{
    static const char *const fields[] = {"type", NULL};
    item->kind = kind;
    return place_check_fields(place, fields, error);
}

static enum error_code read_normalizer(const struct json_place *place,
                                       struct normalizer_list *list, struct error *error);

static enum error_code read_sequence(const struct json_place *place,
                                     struct normalizer_list *list, struct error *error)
{
    static const char *const fields[] = {"type", "normalizers", NULL};
    enum error_code code = place_check_fields(place, fields, error);
    struct json_place items = place_field(place, "normalizers");
    if (code == OK && json_node_type(items.node) != JSON_ARRAY)
        return place_refuse(place, error, "\"normalizers\" is not a list");
    struct json_members members = json_node_members(items.node);
    struct json_node node;
    for (size_t i = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         i++) {
        struct json_place item = place_item(&items, i, node);
        code = read_normalizer(&item, list, error);
    }
    return code;
}

static enum error_code read_normalizer(const struct json_place *place,
                                       struct normalizer_list *list, struct error *error)
{
    struct normalizer_spec item = {0};
    size_t name = 0;
    enum error_code code = place_choice(place, "type", names, &name, error);
    if (code != OK)
        return code;
    switch ((enum normalizer_name)name) {
    case NAME_SEQUENCE:
        return read_sequence(place, list, error);
    case NAME_BERT:
        code = read_bert(place, &item, error);
        break;
    case NAME_STRIP:
        code = read_strip(place, &item, error);
        break;
    case NAME_PREPEND:
        code = read_prepend(place, list->arena, &item, error);
        break;
    case NAME_REPLACE:
        code = read_replace(place, list->arena, &item, error);
        break;
    case NAME_PRECOMPILED:
        code = read_precompiled(place, list->arena, &item, error);
        break;
    case NAME_NFC:
        code = read_plain(place, NORMALIZER_NFC, &item, error);
        break;
    case NAME_NFD:
        code = read_plain(place, NORMALIZER_NFD, &item, error);
        break;
    case NAME_NFKC:
        code = read_plain(place, NORMALIZER_NFKC, &item, error);
        break;
    case NAME_NFKD:
        code = read_plain(place, NORMALIZER_NFKD, &item, error);
        break;
    case NAME_LOWERCASE:
        code = read_plain(place, NORMALIZER_LOWERCASE, &item, error);
        break;
    case NAME_STRIP_ACCENTS:
        code = read_plain(place, NORMALIZER_STRIP_ACCENTS, &item, error);
        break;
    }
    return code == OK ? push(list, &item, error) : code;
}

enum error_code tokenizer_json_normalizer(const struct json_place *place,
                                          struct arena *arena,
                                          struct tokenizer_spec *spec,
                                          struct error *error)
{
    struct normalizer_list list = {.arena = arena};
    enum error_code code = OK;
    if (json_node_type(place->node) != JSON_ABSENT)
        code = read_normalizer(place, &list, error);
    if (code != OK)
        return code;
    spec->normalizers = list.items;
    spec->normalizer_count = list.count;
    return OK;
}
