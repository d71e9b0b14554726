/* yaml.h - YAML text as a tree with positions; doorkeeper of libyaml */
#ifndef CORE_YAML_H
#define CORE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/diagnostics.h"
#include "core/error.h"

struct arena;

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    struct source_position where;
    const char *text; /* scalar: its text, zero-terminated */
    bool is_quoted;   /* scalar: 'x' or "x": never a number or a boolean */
    size_t count;     /* list: items; map: pairs */
    const struct yaml_node *const *keys;  /* map only: scalars */
    const struct yaml_node *const *items; /* list items, or map values */
};

/* Parse one document. Refuses anchors, aliases, tags, several documents, repeated keys,
 * keys that are no scalars, NUL bytes, more than 64 levels and 1 MiB of text, each at its
 * place. NULL: reported to `diagnostics`. `file` is borrowed for as long as the tree. */
const struct yaml_node *yaml_parse(const char *text, size_t size, const char *file,
                                   struct arena *arena, struct diagnostics *diagnostics);

/* The same for a value that stands inside other text (--set, a default), with `start` as
 * the place of its first byte. Empty text is an empty scalar. */
const struct yaml_node *yaml_parse_value(const char *text, size_t size,
                                         struct source_position start,
                                         struct arena *arena,
                                         struct diagnostics *diagnostics);

/* "a list", "a map" or "a text", for messages. */
const char *yaml_kind_name(enum yaml_kind kind);
/* Is it a key or list item with nothing behind it? */
bool yaml_is_empty(const struct yaml_node *node);

/* The value of a key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

#endif
