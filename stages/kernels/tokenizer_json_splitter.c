/* tokenizer_json_splitter.c - the pre-tokenizers of a tokenizer.json */
#include "core/arena.h"
#include "core/unicode.h"
#include "stages/kernels/regex.h"
#include "stages/kernels/tokenizer_json_parts.h"

enum splitter_name {
    NAME_SEQUENCE,
    NAME_BYTE_LEVEL,
    NAME_SPLIT,
    NAME_DIGITS,
    NAME_METASPACE,
    NAME_WHITESPACE,
    NAME_WHITE_SPLIT,
    NAME_PUNCTUATION,
    NAME_BERT,
    NAME_DELIMITER
};

static const char *const names[] = {"Sequence",
                                    "ByteLevel",
                                    "Split",
                                    "Digits",
                                    "Metaspace",
                                    "Whitespace",
                                    "WhitespaceSplit",
                                    "Punctuation",
                                    "BertPreTokenizer",
                                    "CharDelimiterSplit",
                                    NULL};

/* In the order of enum split_behavior. */
static const char *const behaviors[] = {
    "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", NULL};

struct splitter_list {
    struct arena *arena;
    struct splitter_spec *items; /* (count) */
    size_t count, capacity;
    bool is_byte_level;
};

static enum error_code push(struct splitter_list *list, const struct splitter_spec *item,
                            struct error *error)
{
    list->items = arena_list_grow(list->arena, list->items, list->count, &list->capacity,
                                  sizeof *item);
    if (!list->items)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    list->items[list->count++] = *item;
    return OK;
}

/* ByteLevel: prefix space, the pattern of GPT-2, a character for each byte. */
static enum error_code read_byte_level(const struct json_place *place,
                                       struct splitter_list *list, struct error *error)
{
    static const char *const fields[] = {"type", "add_prefix_space", "trim_offsets",
                                         "use_regex", NULL};
    bool has_prefix = false, has_pattern = false;
    if (list->is_byte_level)
        return place_refuse(place, error, "a second ByteLevel is not supported");
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_bool(place, "add_prefix_space", false, &has_prefix, error);
    if (code == OK)
        code = place_bool(place, "use_regex", true, &has_pattern, error);
    if (code == OK && has_prefix)
        code = push(list, &(struct splitter_spec){.kind = SPLITTER_PREFIX_SPACE}, error);
    if (code == OK && has_pattern)
        code = push(list, &(struct splitter_spec){.kind = SPLITTER_GPT2}, error);
    if (code == OK)
        code = push(list, &(struct splitter_spec){.kind = SPLITTER_BYTE_CHARS}, error);
    list->is_byte_level = true;
    return code;
}

static enum error_code read_split(const struct json_place *place, struct arena *arena,
                                  struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "pattern", "behavior", "invert", NULL};
    struct json_place pattern = place_field(place, "pattern");
    struct error wrong = {0};
    size_t behavior = 0;
    item->kind = SPLITTER_PATTERN;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code =
            tokenizer_json_pattern(place, arena, &item->pattern, &item->is_regex, error);
    if (code == OK && item->is_regex &&
        regex_check(item->pattern.bytes, item->pattern.size, &wrong) != OK)
        return place_refuse(&pattern, error, "%s", wrong.text);
    if (code == OK)
        code = place_choice(place, "behavior", behaviors, &behavior, error);
    if (code == OK)
        code = place_bool(place, "invert", false, &item->is_inverted, error);
    item->behavior = (enum split_behavior)behavior;
    return code;
}

static enum error_code read_digits(const struct json_place *place,
                                   struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "individual_digits", NULL};
    item->kind = SPLITTER_DIGITS;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_bool(place, "individual_digits", false, &item->is_individual, error);
    return code;
}

/* A string of one character in field `name`. */
static enum error_code read_character(const struct json_place *place, const char *name,
                                      struct arena *arena, struct byte_range *text,
                                      struct error *error)
{
    uint32_t point;
    enum error_code code = place_text(place, name, true, arena, text, error);
    if (code == OK && (text->size == 0 ||
                       unicode_decode(text->bytes, text->size, &point) != text->size))
        return place_refuse(place, error, "\"%s\" is not one character", name);
    return code;
}

static enum error_code read_metaspace(const struct json_place *place, struct arena *arena,
                                      struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {
        "type",  "replacement",      "str_rep", "prepend_scheme",
        "split", "add_prefix_space", NULL};
    static const char *const schemes[] = {"never", "first", "always", NULL};
    size_t scheme = PREPEND_ALWAYS;
    bool has_prefix = true;
    item->kind = SPLITTER_METASPACE;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = read_character(place, "replacement", arena, &item->replacement, error);
    if (code == OK &&
        json_node_type(place_field(place, "prepend_scheme").node) != JSON_ABSENT)
        code = place_choice(place, "prepend_scheme", schemes, &scheme, error);
    if (code == OK)
        code = place_bool(place, "split", true, &item->is_split, error);
    if (code == OK)
        code = place_bool(place, "add_prefix_space", true, &has_prefix, error);
    if (code == OK && !has_prefix && scheme != PREPEND_NEVER)
        return place_refuse(place, error,
                            "\"add_prefix_space\" is false, but \"prepend_scheme\" is "
                            "not \"never\"");
    item->prepend = (enum metaspace_prepend)scheme;
    return code;
}

static enum error_code read_punctuation(const struct json_place *place,
                                        struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "behavior", NULL};
    size_t behavior = BEHAVIOR_ISOLATED;
    item->kind = SPLITTER_PUNCTUATION;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK && json_node_type(place_field(place, "behavior").node) != JSON_ABSENT)
        code = place_choice(place, "behavior", behaviors, &behavior, error);
    item->behavior = (enum split_behavior)behavior;
    return code;
}

static enum error_code read_delimiter(const struct json_place *place, struct arena *arena,
                                      struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", "delimiter", NULL};
    item->kind = SPLITTER_PATTERN;
    item->behavior = BEHAVIOR_REMOVED;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = read_character(place, "delimiter", arena, &item->pattern, error);
    return code;
}

static enum error_code read_plain(const struct json_place *place, enum splitter_kind kind,
                                  struct splitter_spec *item, struct error *error)
{
    static const char *const fields[] = {"type", NULL};
    item->kind = kind;
    return place_check_fields(place, fields, error);
}

static enum error_code read_splitter(const struct json_place *place,
                                     struct splitter_list *list, struct error *error);

static enum error_code read_sequence(const struct json_place *place,
                                     struct splitter_list *list, struct error *error)
{
    static const char *const fields[] = {"type", "pretokenizers", NULL};
    enum error_code code = place_check_fields(place, fields, error);
    struct json_place items = place_field(place, "pretokenizers");
    if (code == OK && json_node_type(items.node) != JSON_ARRAY)
        return place_refuse(place, error, "\"pretokenizers\" is not a list");
    struct json_members members = json_node_members(items.node);
    struct json_node node;
    for (size_t i = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         i++) {
        struct json_place item = place_item(&items, i, node);
        code = read_splitter(&item, list, error);
    }
    return code;
}

static enum error_code read_splitter(const struct json_place *place,
                                     struct splitter_list *list, struct error *error)
{
    struct splitter_spec item = {0};
    size_t name = 0;
    enum error_code code = place_choice(place, "type", names, &name, error);
    if (code != OK)
        return code;
    switch ((enum splitter_name)name) {
    case NAME_SEQUENCE:
        return read_sequence(place, list, error);
    case NAME_BYTE_LEVEL:
        return read_byte_level(place, list, error);
    case NAME_SPLIT:
        code = read_split(place, list->arena, &item, error);
        break;
    case NAME_DIGITS:
        code = read_digits(place, &item, error);
        break;
    case NAME_METASPACE:
        if (list->is_byte_level)
            return place_refuse(place, error,
                                "Metaspace after ByteLevel is not supported");
        code = read_metaspace(place, list->arena, &item, error);
        break;
    case NAME_WHITESPACE:
        code = read_plain(place, SPLITTER_WHITESPACE, &item, error);
        break;
    case NAME_WHITE_SPLIT:
        code = read_plain(place, SPLITTER_WHITE_SPLIT, &item, error);
        break;
    case NAME_PUNCTUATION:
        code = read_punctuation(place, &item, error);
        break;
    case NAME_BERT:
        code = read_plain(place, SPLITTER_BERT, &item, error);
        break;
    case NAME_DELIMITER:
        code = read_delimiter(place, list->arena, &item, error);
        break;
    }
    return code == OK ? push(list, &item, error) : code;
}

enum error_code tokenizer_json_splitter(const struct json_place *place,
                                        struct arena *arena, struct tokenizer_spec *spec,
                                        bool *is_byte_level, struct error *error)
{
    struct splitter_list list = {.arena = arena};
    enum error_code code = OK;
    if (json_node_type(place->node) != JSON_ABSENT)
        code = read_splitter(place, &list, error);
    if (code != OK)
        return code;
    /* Characters for bytes matter to what comes after them alone. */
    if (list.count > 0 && list.items[list.count - 1].kind == SPLITTER_BYTE_CHARS)
        list.count--;
    spec->splitters = list.items;
    spec->splitter_count = list.count;
    *is_byte_level = list.is_byte_level;
    return OK;
}
