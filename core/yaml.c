/* yaml.c - YAML text as a tree with positions; doorkeeper of libyaml */
#include "core/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "core/arena.h"

enum { LEVELS_MAX = 64, TEXT_SIZE_MAX = 1 << 20 };

struct builder {
    yaml_parser_t parser;
    const char *text; /* after the byte order mark */
    size_t size;
    struct source_position start;
    struct arena *arena;
    struct diagnostics *diagnostics;
    bool is_broken; /* nothing more can be read */
};

static struct source_position place(const struct builder *builder, yaml_mark_t mark)
{
    struct source_position where = builder->start;
    where.line += (uint32_t)mark.line;
    where.column = (uint32_t)mark.column + (mark.line == 0 ? builder->start.column : 1);
    return where;
}

/* Size of the character at `at`, or 0 when it is not UTF-8. */
static size_t character_size(const unsigned char *at, size_t left, uint32_t *value)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xC0 ? 0
                  : at[0] < 0xE0 ? 2
                  : at[0] < 0xF0 ? 3
                                 : 4;
    if (size == 0 || at[0] > 0xF4 || size > left)
        return 0;
    uint32_t code = size == 1 ? at[0] : at[0] & (0x7FU >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3F);
    }
    if (code < least[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *value = code;
    return size;
}

static bool is_character_allowed(uint32_t code)
{
    if (code < 0x20)
        return code == '\t' || code == '\n' || code == '\r';
    return code != 0x7F && (code < 0x80 || code >= 0xA0 || code == 0x85) &&
           code != 0xFEFF && code != 0xFFFE && code != 0xFFFF;
}

/* libyaml tells bad characters by byte offset only; they are looked for beforehand. */
static bool check_characters(const struct builder *builder)
{
    const unsigned char *text = (const unsigned char *)builder->text;
    struct source_position where = builder->start;
    for (size_t at = 0; at < builder->size;) {
        uint32_t code = 0;
        size_t size = character_size(text + at, builder->size - at, &code);
        if (size == 0) {
            diagnostics_add(builder->diagnostics, where, "byte 0x%02X is not UTF-8 text",
                            (unsigned)text[at]);
            return false;
        }
        if (!is_character_allowed(code)) {
            diagnostics_add(builder->diagnostics, where,
                            "character U+%04X is not allowed here%s", (unsigned)code,
                            code == 0 ? "; is this a binary file?" : "");
            return false;
        }
        where.column++;
        if (code == '\n' ||
            (code == '\r' && at + 1 < builder->size && text[at + 1] != '\n')) {
            where.line++;
            where.column = 1;
        }
        at += size;
    }
    return true;
}

/* The byte at a mark, whose index counts characters; 0 at the end. */
static char character_at(const struct builder *builder, yaml_mark_t mark)
{
    size_t index = 0;
    for (size_t at = 0; at < builder->size; at++) {
        if (((unsigned char)builder->text[at] & 0xC0) == 0x80)
            continue;
        if (index == mark.index)
            return builder->text[at];
        index++;
    }
    return 0;
}

/* What libyaml says, in words that name the remedy. */
struct translation {
    const char *problem;
    const char *before, *after; /* around the place where the construct began */
    bool has_place;
};
static const struct translation translations[] = {
    {"mapping values are not allowed in this context",
     "a \":\" cannot stand here; does a text with \": \" lack its quotes, or is a line "
     "indented wrongly?",
     "", false},
    {"could not find expected ':'", "expected a \":\" behind the key that begins at ", "",
     true},
    {"did not find expected ',' or ']'",
     "expected \",\" or \"]\" in the list that begins at ", "", true},
    {"did not find expected ',' or '}'",
     "expected \",\" or \"}\" in the map that begins at ", "", true},
    {"did not find expected key", "expected a key of the map that begins at ",
     "; are all of its keys indented alike?", true},
    {"did not find expected '-' indicator", "expected \"- \" of the list that begins at ",
     "; are all of its items indented alike?", true},
    {"found unexpected end of stream", "the quote opened at ", " is not closed", true},
    {"found unexpected document indicator", "the quote opened at ", " is not closed",
     true},
    {"found unknown escape character",
     "unknown escape in a double-quoted text; write \\\\ for a backslash, or use single "
     "quotes",
     "", false},
    {"block sequence entries are not allowed in this context",
     "a list item (\"- \") cannot begin here", "", false},
    {"did not find expected <document start>",
     "the document has ended before this; is a line indented wrongly?", "", false},
    {"found a tab character that violates indentation",
     "a tab cannot indent a line; use spaces", "", false},
    {"did not find expected node content", "a value is missing before this", "", false},
    {"did not find expected comment or line break",
     "only a comment can stand behind \"|\" or \">\"", "", false},
    {"found an indentation indicator equal to 0",
     "the indentation behind \"|\" or \">\" must be from 1 to 9", "", false},
    {"found incompatible YAML document",
     "this is YAML of a version that cannot be read; write %YAML 1.2 or nothing", "",
     false},
    {"found duplicate %YAML directive", "%YAML stands twice", "", false},
    {"found undefined tag handle",
     "tags are not allowed, and this one has an unknown handle", "", false},
    {"did not find expected hexdecimal number", "an escape lacks its hexadecimal digits",
     "", false},
    {"found invalid Unicode character escape code",
     "an escape names no Unicode character", "", false},
};

static void report_token(const struct builder *builder, struct source_position where,
                         char character)
{
    if (character == '\t')
        diagnostics_add(builder->diagnostics, where,
                        "a tab cannot indent a line; use spaces");
    else
        diagnostics_add(builder->diagnostics, where,
                        "a text cannot begin with \"%c\"; put it in quotes", character);
}

/* Where libyaml stopped. It ends a text without a last newline one line too far down. */
static struct source_position problem_place(const struct builder *builder)
{
    struct source_position where = place(builder, builder->parser.problem_mark);
    struct source_position end = builder->start;
    for (size_t i = 0; i < builder->size; i++) {
        bool is_newline = builder->text[i] == '\n';
        end.line += is_newline;
        end.column =
            is_newline ? 1
                       : end.column + (((unsigned char)builder->text[i] & 0xC0) != 0x80);
    }
    return where.line > end.line ? end : where;
}

static void report_problem(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    struct source_position where = problem_place(builder);
    struct source_position began = place(builder, parser->context_mark);
    const char *problem = parser->problem ? parser->problem : "broken YAML";
    builder->is_broken = true;
    if (parser->error == YAML_MEMORY_ERROR) {
        diagnostics_add(builder->diagnostics, where, "no memory to read it");
        return;
    }
    if (strcmp(problem, "found character that cannot start any token") == 0) {
        report_token(builder, where, character_at(builder, parser->problem_mark));
        return;
    }
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++) {
        const struct translation *known = &translations[i];
        if (strcmp(known->problem, problem) != 0)
            continue;
        char begin[32] = "";
        if (known->has_place)
            (void)snprintf(begin, sizeof begin, "%u:%u", (unsigned)began.line,
                           (unsigned)began.column);
        diagnostics_add(builder->diagnostics, where, "%s%s%s", known->before, begin,
                        known->after);
        return;
    }
    diagnostics_add(builder->diagnostics, where, "%s%s%s", problem,
                    parser->context ? " " : "", parser->context ? parser->context : "");
}

static bool next_event(struct builder *builder, yaml_event_t *event)
{
    if (builder->is_broken)
        return false;
    if (yaml_parser_parse(&builder->parser, event))
        return true;
    report_problem(builder);
    return false;
}

static void report_memory(struct builder *builder)
{
    diagnostics_add(builder->diagnostics, builder->start, "no memory to read it");
    builder->is_broken = true;
}

/* Children while they are read; the arrays double in the arena. */
struct children {
    const struct yaml_node **keys, **items;
    size_t count, capacity;
};

static bool children_add(struct builder *builder, struct children *children,
                         const struct yaml_node *key, const struct yaml_node *item)
{
    if (children->count == children->capacity) {
        size_t capacity = children->capacity ? children->capacity * 2 : 4;
        const struct yaml_node **keys =
            ARENA_NEW(builder->arena, const struct yaml_node *, capacity);
        const struct yaml_node **items =
            ARENA_NEW(builder->arena, const struct yaml_node *, capacity);
        if (!keys || !items) {
            report_memory(builder);
            return false;
        }
        if (children->count) {
            memcpy(keys, children->keys, children->count * sizeof *keys);
            memcpy(items, children->items, children->count * sizeof *items);
        }
        children->keys = keys;
        children->items = items;
        children->capacity = capacity;
    }
    children->keys[children->count] = key;
    children->items[children->count] = item;
    children->count++;
    return true;
}

static int compare_keys(const void *left, const void *right)
{
    const struct yaml_node *const *a = left, *const *b = right;
    int order = strcmp((*a)->text, (*b)->text);
    if (order != 0)
        return order;
    if ((*a)->where.line != (*b)->where.line)
        return (*a)->where.line < (*b)->where.line ? -1 : 1;
    return (*a)->where.column < (*b)->where.column ? -1 : 1;
}

/* By sorting: a map may have a hundred thousand keys. */
static void check_repeated_keys(struct builder *builder, const struct children *children)
{
    if (children->count < 2)
        return;
    const struct yaml_node **sorted =
        ARENA_NEW(builder->arena, const struct yaml_node *, children->count);
    if (!sorted) {
        report_memory(builder);
        return;
    }
    memcpy(sorted, children->keys, children->count * sizeof *sorted);
    qsort(sorted, children->count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < children->count; i++) {
        const struct yaml_node *first = sorted[i - 1], *again = sorted[i];
        if (strcmp(first->text, again->text) == 0)
            diagnostics_add(builder->diagnostics, again->where,
                            "key \"%.100s\" is repeated; it stands at %u:%u already",
                            again->text, (unsigned)first->where.line,
                            (unsigned)first->where.column);
    }
}

/* Anchors and tags: the reader of a pipeline should need no second place to look at. */
static void check_properties(struct builder *builder, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    struct source_position where = place(builder, event->start_mark);
    if (anchor)
        diagnostics_add(builder->diagnostics, where,
                        "anchors (\"&%.100s\") are not allowed; write the value out "
                        "where it is needed",
                        (const char *)anchor);
    if (tag)
        diagnostics_add(builder->diagnostics, where,
                        "tags (\"%.100s\") are not allowed; the key decides the type",
                        (const char *)tag);
}

static void build_scalar(struct builder *builder, const yaml_event_t *event,
                         struct yaml_node *node)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    node->kind = YAML_SCALAR;
    node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_copy_text(builder->arena, value, length);
    if (!node->text) {
        report_memory(builder);
        return;
    }
    if (memchr(value, 0, length))
        diagnostics_add(builder->diagnostics, node->where,
                        "a text cannot hold the character U+0000");
}

static const struct yaml_node *build_node(struct builder *builder,
                                          const yaml_event_t *event, unsigned level);

static const struct yaml_node *next_node(struct builder *builder, unsigned level,
                                         bool *is_end)
{
    yaml_event_t event;
    const struct yaml_node *node = NULL;
    *is_end = false;
    if (!next_event(builder, &event))
        return NULL;
    if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
        *is_end = true;
    else
        node = build_node(builder, &event, level);
    yaml_event_delete(&event);
    return node;
}

static void check_key(struct builder *builder, const struct yaml_node *key)
{
    if (key->kind == YAML_SCALAR)
        return;
    diagnostics_add(builder->diagnostics, key->where, "a key must be a text, not %s",
                    yaml_kind_name(key->kind));
    /* Keys are compared as texts, and something comes after a bad one. */
    builder->is_broken = true;
}

static void build_children(struct builder *builder, struct yaml_node *node,
                           unsigned level)
{
    struct children children = {0};
    bool is_end = false, is_map = node->kind == YAML_MAP;
    if (level >= LEVELS_MAX) {
        diagnostics_add(builder->diagnostics, node->where, "more than %d levels deep",
                        (int)LEVELS_MAX);
        builder->is_broken = true;
        return;
    }
    while (!builder->is_broken) {
        const struct yaml_node *key = NULL, *item;
        if (is_map) {
            key = next_node(builder, level + 1, &is_end);
            if (!key)
                break;
            check_key(builder, key);
        }
        item = next_node(builder, level + 1, &is_end);
        if (!item || !children_add(builder, &children, key, item))
            break;
    }
    if (builder->is_broken)
        return;
    if (is_map) {
        check_repeated_keys(builder, &children);
        node->keys = children.keys;
    }
    node->items = children.items;
    node->count = children.count;
}

/* NULL: broken. */
static const struct yaml_node *build_node(struct builder *builder,
                                          const yaml_event_t *event, unsigned level)
{
    struct yaml_node *node = ARENA_NEW(builder->arena, struct yaml_node, 1);
    if (!node) {
        report_memory(builder);
        return NULL;
    }
    node->where = place(builder, event->start_mark);
    check_properties(builder, event);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        build_scalar(builder, event, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = YAML_LIST;
        build_children(builder, node, level);
        break;
    case YAML_MAPPING_START_EVENT:
        node->kind = YAML_MAP;
        build_children(builder, node, level);
        break;
    default:
        diagnostics_add(builder->diagnostics, node->where,
                        "aliases (\"*%.100s\") are not allowed; write the value out",
                        event->type == YAML_ALIAS_EVENT
                            ? (const char *)event->data.alias.anchor
                            : "");
        node->text = "";
        break;
    }
    return builder->is_broken ? NULL : node;
}

/* The one document of the stream. */
static const struct yaml_node *build_document(struct builder *builder)
{
    const struct yaml_node *root = NULL;
    bool is_done = false;
    while (!is_done && !builder->is_broken) {
        yaml_event_t event;
        if (!next_event(builder, &event))
            break;
        if (event.type == YAML_STREAM_END_EVENT) {
            is_done = true;
        } else if (event.type == YAML_DOCUMENT_START_EVENT && root) {
            diagnostics_add(builder->diagnostics, place(builder, event.start_mark),
                            "a second document begins here; there must be one");
            is_done = true;
        } else if (event.type != YAML_STREAM_START_EVENT &&
                   event.type != YAML_DOCUMENT_START_EVENT &&
                   event.type != YAML_DOCUMENT_END_EVENT) {
            root = build_node(builder, &event, 0);
        }
        yaml_event_delete(&event);
    }
    return builder->is_broken ? NULL : root;
}

static bool check_size(struct builder *builder)
{
    const unsigned char *text = (const unsigned char *)builder->text;
    if (builder->size > TEXT_SIZE_MAX) {
        diagnostics_add(builder->diagnostics, builder->start, "more than 1 MiB of text");
        return false;
    }
    if (builder->size >= 2 &&
        ((text[0] == 0xFF && text[1] == 0xFE) || (text[0] == 0xFE && text[1] == 0xFF))) {
        diagnostics_add(builder->diagnostics, builder->start,
                        "this is UTF-16 text; save it as UTF-8");
        return false;
    }
    if (builder->size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        builder->text += 3;
        builder->size -= 3;
    }
    return true;
}

const struct yaml_node *yaml_parse_value(const char *text, size_t size,
                                         struct source_position start,
                                         struct arena *arena,
                                         struct diagnostics *diagnostics)
{
    struct builder builder = {.text = text,
                              .size = size,
                              .start = start,
                              .arena = arena,
                              .diagnostics = diagnostics};
    size_t known = diagnostics->count;
    if (!check_size(&builder) || !check_characters(&builder))
        return NULL;
    if (!yaml_parser_initialize(&builder.parser)) {
        report_memory(&builder);
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)builder.text,
                                 builder.size);
    const struct yaml_node *root = build_document(&builder);
    yaml_parser_delete(&builder.parser);
    if (builder.is_broken || diagnostics->count > known)
        return NULL;
    if (root)
        return root;
    struct yaml_node *empty = ARENA_NEW(arena, struct yaml_node, 1);
    if (!empty) {
        report_memory(&builder);
        return NULL;
    }
    *empty = (struct yaml_node){.kind = YAML_SCALAR, .where = start, .text = ""};
    return empty;
}

const struct yaml_node *yaml_parse(const char *text, size_t size, const char *file,
                                   struct arena *arena, struct diagnostics *diagnostics)
{
    struct source_position start = {.file = file, .line = 1, .column = 1};
    const struct yaml_node *root =
        yaml_parse_value(text, size, start, arena, diagnostics);
    if (root && yaml_is_empty(root)) {
        diagnostics_add(diagnostics, start, "there is nothing in this file");
        return NULL;
    }
    return root;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    return kind == YAML_LIST ? "a list" : kind == YAML_MAP ? "a map" : "a text";
}

bool yaml_is_empty(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->is_quoted && node->text[0] == 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}
