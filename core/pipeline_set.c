/* pipeline_set.c - change a pipeline's tree by PATH=VALUE texts */
#include "core/pipeline_set.h"

#include <string.h>

#include "core/arena.h"

enum { NAMES_MAX = 32 };

struct change {
    const char *names[NAMES_MAX]; /* of the path */
    struct source_position places[NAMES_MAX];
    size_t count;
    const struct yaml_node *value;
    struct arena *arena;
    struct diagnostics *diagnostics;
};

static struct source_position place_in_set(const char *set, const char *at)
{
    return (struct source_position){
        .file = "--set", .line = 1, .column = (uint32_t)(at - set) + 1};
}

static bool split_path(struct change *change, const char *set, const char *end)
{
    for (const char *at = set; at <= end;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        const char *stop = dot ? dot : end;
        struct source_position where = place_in_set(set, at);
        if (stop == at || change->count == NAMES_MAX) {
            diagnostics_add(change->diagnostics, where, "%s in the path \"%.*s\"",
                            stop == at ? "an empty name" : "too many names",
                            (int)(end - set > 200 ? 200 : end - set), set);
            return false;
        }
        change->names[change->count] =
            arena_copy_text(change->arena, at, (size_t)(stop - at));
        change->places[change->count] = where;
        if (!change->names[change->count])
            return false;
        change->count++;
        at = stop + 1;
    }
    return true;
}

static struct yaml_node *new_node(struct change *change, struct yaml_node value)
{
    struct yaml_node *node = ARENA_NEW(change->arena, struct yaml_node, 1);
    if (node)
        *node = value;
    return node;
}

/* A copy of a list or map (its children shared) with room for one more. */
static bool copy_children(struct change *change, const struct yaml_node *node,
                          const struct yaml_node ***keys, const struct yaml_node ***items)
{
    *keys = ARENA_NEW(change->arena, const struct yaml_node *, node->count + 1);
    *items = ARENA_NEW(change->arena, const struct yaml_node *, node->count + 1);
    if (!*keys || !*items)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        (*keys)[i] = node->keys ? node->keys[i] : NULL;
        (*items)[i] = node->items[i];
    }
    return true;
}

static const struct yaml_node *rebuild(struct change *change,
                                       const struct yaml_node *node, size_t depth);

static const struct yaml_node *rebuild_map(struct change *change,
                                           const struct yaml_node *map, size_t depth)
{
    const struct yaml_node **keys, **items;
    size_t at = 0;
    if (!copy_children(change, map, &keys, &items))
        return NULL;
    while (at < map->count && strcmp(map->keys[at]->text, change->names[depth]) != 0)
        at++;
    bool is_new = at == map->count;
    if (is_new) {
        keys[at] = new_node(change, (struct yaml_node){.kind = YAML_SCALAR,
                                                       .where = change->places[depth],
                                                       .text = change->names[depth]});
        if (!keys[at])
            return NULL;
    }
    items[at] = rebuild(change, is_new ? NULL : items[at], depth + 1);
    if (!items[at])
        return NULL;
    return new_node(change, (struct yaml_node){.kind = YAML_MAP,
                                               .where = map->where,
                                               .count = map->count + is_new,
                                               .keys = keys,
                                               .items = items});
}

static bool parse_index(const char *text, size_t *index)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 6 || text[length])
        return false;
    *index = 0;
    for (size_t i = 0; i < length; i++)
        *index = *index * 10 + (size_t)(text[i] - '0');
    return true;
}

/* Item of a `stages` list, as a map of the stage's name to its options. NULL: it is
 * another stage than the path says. */
static const struct yaml_node *stage_item(struct change *change,
                                          const struct yaml_node *item, size_t depth)
{
    bool is_stage = depth > 0 && strcmp(change->names[depth - 1], "stages") == 0;
    if (!is_stage || depth + 1 >= change->count || item->kind == YAML_LIST)
        return item;
    const char *wanted = change->names[depth + 1];
    const char *found = item->kind == YAML_SCALAR ? item->text
                        : item->count == 1        ? item->keys[0]->text
                                                  : wanted;
    if (strcmp(found, wanted) != 0) {
        diagnostics_add(change->diagnostics, change->places[depth + 1],
                        "stage %s is \"%.100s\", not \"%.100s\"", change->names[depth],
                        found, wanted);
        return NULL;
    }
    if (item->kind == YAML_MAP)
        return item;
    return new_node(change, (struct yaml_node){.kind = YAML_MAP, .where = item->where});
}

static const struct yaml_node *rebuild_list(struct change *change,
                                            const struct yaml_node *list, size_t depth)
{
    const struct yaml_node **keys, **items;
    const char *name = depth > 0 ? change->names[depth - 1] : "";
    size_t index = 0;
    if (!parse_index(change->names[depth], &index)) {
        diagnostics_add(change->diagnostics, change->places[depth],
                        "\"%.100s\" is a list; its items go by number, not \"%.100s\"",
                        name, change->names[depth]);
        return NULL;
    }
    if (index >= list->count) {
        diagnostics_add(change->diagnostics, change->places[depth],
                        "\"%.100s\" has no item %s; it has %zu, from 0 on", name,
                        change->names[depth], list->count);
        return NULL;
    }
    if (!copy_children(change, list, &keys, &items))
        return NULL;
    const struct yaml_node *item = stage_item(change, items[index], depth);
    items[index] = item ? rebuild(change, item, depth + 1) : NULL;
    if (!items[index])
        return NULL;
    return new_node(change, (struct yaml_node){.kind = YAML_LIST,
                                               .where = list->where,
                                               .count = list->count,
                                               .items = items});
}

/* `node` with the rest of the path applied; NULL stands for what is not there yet. */
static const struct yaml_node *rebuild(struct change *change,
                                       const struct yaml_node *node, size_t depth)
{
    if (depth == change->count)
        return change->value;
    if (!node || yaml_is_empty(node)) {
        size_t index;
        const struct yaml_node empty = {.kind = YAML_MAP, .where = change->places[depth]};
        if (parse_index(change->names[depth], &index)) {
            diagnostics_add(change->diagnostics, change->places[depth],
                            "there is no list \"%.100s\" to take item %s of",
                            depth > 0 ? change->names[depth - 1] : "",
                            change->names[depth]);
            return NULL;
        }
        return rebuild_map(change, &empty, depth);
    }
    if (node->kind == YAML_MAP)
        return rebuild_map(change, node, depth);
    if (node->kind == YAML_LIST)
        return rebuild_list(change, node, depth);
    diagnostics_add(change->diagnostics, change->places[depth],
                    "\"%.100s\" is a text and has no key \"%.100s\"",
                    depth > 0 ? change->names[depth - 1] : "", change->names[depth]);
    return NULL;
}

const struct yaml_node *pipeline_set(const struct yaml_node *root, const char *set,
                                     struct arena *arena, struct diagnostics *diagnostics)
{
    struct change change = {.arena = arena, .diagnostics = diagnostics};
    size_t known = diagnostics->count;
    const struct yaml_node *changed = NULL;
    const char *equals = strchr(set, '=');
    if (!equals) {
        diagnostics_add(diagnostics, place_in_set(set, set),
                        "\"%.200s\" has no \"=\"; write PATH=VALUE", set);
        return NULL;
    }
    if (split_path(&change, set, equals))
        change.value =
            yaml_parse_value(equals + 1, strlen(equals + 1),
                             place_in_set(set, equals + 1), arena, diagnostics);
    if (change.value)
        changed = rebuild(&change, root, 0);
    if (!changed && diagnostics->count == known)
        diagnostics_add(diagnostics, place_in_set(set, set), "no memory for this change");
    return changed;
}
