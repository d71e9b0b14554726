/* tokenizer_json_template.c - the post-processors of a tokenizer.json */
#include "core/arena.h"
#include "stages/kernels/tokenizer_json_parts.h"

enum processor_name {
    NAME_SEQUENCE,
    NAME_BYTE_LEVEL,
    NAME_TEMPLATE,
    NAME_BERT,
    NAME_ROBERTA
};

static const char *const names[] = {"Sequence",           "ByteLevel",
                                    "TemplateProcessing", "BertProcessing",
                                    "RobertaProcessing",  NULL};

struct template_list {
    struct arena *arena;
    struct tokenizer_spec *spec;
    struct template_item *items; /* (count) */
    size_t count, capacity;
};

static enum error_code push(struct template_list *list, struct template_item item,
                            struct error *error)
{
    list->items = arena_list_grow(list->arena, list->items, list->count, &list->capacity,
                                  sizeof item);
    if (!list->items)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    list->items[list->count++] = item;
    return OK;
}

/* The text's place: what the processors before make of it. */
static enum error_code push_text(struct template_list *list,
                                 const struct template_list *inner, struct error *error)
{
    enum error_code code = OK;
    if (inner->count == 0)
        return push(list, (struct template_item){.is_text = true}, error);
    for (size_t i = 0; code == OK && i < inner->count; i++)
        code = push(list, inner->items[i], error);
    return code;
}

/* A special token of the template: its ids are listed beside it. */
static enum error_code push_special(const struct json_place *place,
                                    const struct json_place *item,
                                    struct template_list *list, struct error *error)
{
    struct byte_range name = {0};
    enum error_code code = place_text(item, "id", true, list->arena, &name, error);
    if (code != OK)
        return code;
    struct json_place specials = place_field(place, "special_tokens");
    struct json_place special = place_field(&specials, (const char *)name.bytes);
    struct json_place ids = place_field(&special, "ids");
    struct json_members members = json_node_members(ids.node);
    struct json_node node;
    if (json_node_count(ids.node) == 0)
        return place_refuse(item, error, "special token \"%.*s\" has no ids",
                            name.size < 100 ? (int)name.size : 100,
                            (const char *)name.bytes);
    for (size_t i = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         i++) {
        struct template_item token = {0};
        struct json_place place_of_id = place_item(&ids, i, node);
        code = place_id(&place_of_id, &token.id, error);
        if (code == OK)
            code = push(list, token, error);
    }
    return code;
}

static enum error_code read_items(const struct json_place *place,
                                  const struct template_list *inner,
                                  struct template_list *list, struct error *error)
{
    static const char *const fields[] = {"SpecialToken", "Sequence", NULL};
    struct json_place single = place_field(place, "single");
    struct json_members members = json_node_members(single.node);
    struct json_node node;
    size_t texts = 0;
    if (json_node_type(single.node) != JSON_ARRAY)
        return place_refuse(place, error, "\"single\" is not a list");
    for (size_t i = 0; json_members_next(&members, NULL, NULL, &node); i++) {
        struct json_place item = place_item(&single, i, node);
        struct json_place special = place_field(&item, "SpecialToken");
        struct json_place sequence = place_field(&item, "Sequence");
        struct byte_range id = {0};
        enum error_code code = place_check_fields(&item, fields, error);
        if (code == OK && json_node_type(special.node) == JSON_OBJECT) {
            code = push_special(place, &special, list, error);
        } else if (code == OK) {
            code = place_text(&sequence, "id", true, list->arena, &id, error);
            if (code == OK && !range_equals(id, "A"))
                return place_refuse(&sequence, error, "is not the text, \"A\"");
            if (code == OK)
                code = push_text(list, inner, error);
            texts++;
        }
        if (code != OK)
            return code;
    }
    return texts == 1 ? OK : place_refuse(&single, error, "has the text not once");
}

static enum error_code read_template(const struct json_place *place,
                                     struct template_list *list, struct error *error)
{
    static const char *const fields[] = {"type", "single", "pair", "special_tokens",
                                         NULL};
    struct template_list outer = {.arena = list->arena, .spec = list->spec};
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = read_items(place, list, &outer, error);
    if (code == OK)
        *list = outer;
    return code;
}

/* ["[SEP]", 102] in field `name`. */
static enum error_code read_named_id(const struct json_place *outer, const char *name,
                                     uint32_t *id, struct error *error)
{
    struct json_place place = place_field(outer, name);
    struct json_members members = json_node_members(place.node);
    struct json_node node;
    if (json_node_type(place.node) != JSON_ARRAY || json_node_count(place.node) != 2)
        return place_refuse(outer, error, "\"%s\" is not a token and its id", name);
    (void)json_members_next(&members, NULL, NULL, &node);
    (void)json_members_next(&members, NULL, NULL, &node);
    struct json_place item = place_item(&place, 1, node);
    return place_id(&item, id, error);
}

static enum error_code read_cls_sep(const struct json_place *place,
                                    struct template_list *list, struct error *error)
{
    static const char *const fields[] = {
        "type", "sep", "cls", "trim_offsets", "add_prefix_space", NULL};
    struct template_list outer = {.arena = list->arena, .spec = list->spec};
    uint32_t cls = 0, sep = 0;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = read_named_id(place, "cls", &cls, error);
    if (code == OK)
        code = read_named_id(place, "sep", &sep, error);
    if (code == OK)
        code = push(&outer, (struct template_item){.id = cls}, error);
    if (code == OK)
        code = push_text(&outer, list, error);
    if (code == OK)
        code = push(&outer, (struct template_item){.id = sep}, error);
    if (code != OK)
        return code;
    *list = outer;
    list->spec->cls = cls;
    list->spec->sep = sep;
    return OK;
}

static enum error_code read_byte_level(const struct json_place *place,
                                       struct tokenizer_spec *spec, struct error *error)
{
    static const char *const fields[] = {"type", "add_prefix_space", "trim_offsets",
                                         "use_regex", NULL};
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK) /* all else is about the pre-tokenizer of the same name */
        code = place_bool(place, "trim_offsets", true, &spec->is_trimmed, error);
    return code;
}

static enum error_code read_processor(const struct json_place *place,
                                      struct template_list *list, struct error *error);

static enum error_code read_sequence(const struct json_place *place,
                                     struct template_list *list, struct error *error)
{
    static const char *const fields[] = {"type", "processors", NULL};
    enum error_code code = place_check_fields(place, fields, error);
    struct json_place items = place_field(place, "processors");
    if (code == OK && json_node_type(items.node) != JSON_ARRAY)
        return place_refuse(place, error, "\"processors\" is not a list");
    struct json_members members = json_node_members(items.node);
    struct json_node node;
    for (size_t i = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         i++) {
        struct json_place item = place_item(&items, i, node);
        code = read_processor(&item, list, error);
    }
    return code;
}

static enum error_code read_processor(const struct json_place *place,
                                      struct template_list *list, struct error *error)
{
    size_t name = 0;
    enum error_code code = place_choice(place, "type", names, &name, error);
    if (code != OK)
        return code;
    switch ((enum processor_name)name) {
    case NAME_SEQUENCE:
        return read_sequence(place, list, error);
    case NAME_BYTE_LEVEL:
        return read_byte_level(place, list->spec, error);
    case NAME_TEMPLATE:
        return read_template(place, list, error);
    case NAME_ROBERTA:
        code = place_bool(place, "trim_offsets", true, &list->spec->is_trimmed, error);
        break;
    case NAME_BERT:
        break;
    }
    return code == OK ? read_cls_sep(place, list, error) : code;
}

enum error_code tokenizer_json_template(const struct json_place *place,
                                        struct arena *arena, struct tokenizer_spec *spec,
                                        struct error *error)
{
    struct template_list list = {.arena = arena, .spec = spec};
    enum error_code code = OK;
    if (json_node_type(place->node) != JSON_ABSENT)
        code = read_processor(place, &list, error);
    if (code == OK && list.count == 0)
        code = push(&list, (struct template_item){.is_text = true}, error);
    if (code != OK)
        return code;
    spec->single = list.items;
    spec->single_count = list.count;
    return OK;
}
