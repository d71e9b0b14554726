/* json_document.h - a whole JSON text as a tree that is walked; doorkeeper of simdjson's DOM
 *
 * For files that are read once, such as tokenizers; lines of a corpus are json.h's matter.
 * Numbers must fit into 64 bits or a double; no lone surrogates; nested at most 1024 deep. */
#ifndef CORE_JSON_DOCUMENT_H
#define CORE_JSON_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/json.h"

struct json_document; /* heap object */

/* A value of a document, borrowed until the document is destroyed. {0} is JSON_ABSENT. */
struct json_node {
    const void *document;
    size_t place;
};

/* NULL: *detail says why, a static text. `text` is copied. */
struct json_document *json_document_create(const unsigned char *text, size_t size,
                                           const char **detail);
void json_document_destroy(struct json_document *document);
struct json_node json_document_root(const struct json_document *document);

enum json_type json_node_type(struct json_node node);

/* False: it is of another type (and *value is unchanged). A string is unescaped and
 * borrowed as the node is. */
bool json_node_text(struct json_node node, const unsigned char **text, size_t *size);
bool json_node_bool(struct json_node node, bool *value);
bool json_node_integer(struct json_node node, int64_t *value); /* a whole one, in range */
bool json_node_number(struct json_node node, double *value);

/* The field of an object, the first of this name; JSON_ABSENT: there is none, or it is no
 * object. Time grows with the object. */
struct json_node json_node_field(struct json_node node, const char *name);

/* Elements of an array or fields of an object, one after another:
 *     struct json_members members = json_node_members(node);
 *     while (json_members_next(&members, &name, &name_size, &value)) ...
 * `name` and `name_size` may be NULL; in an array the name is NULL. Other values have no
 * members. */
struct json_members {
    struct json_node at, end;
    bool is_object;
};

struct json_members json_node_members(struct json_node node);
bool json_members_next(struct json_members *members, const unsigned char **name,
                       size_t *name_size, struct json_node *value);
size_t json_node_count(struct json_node node); /* members, each counted */

#endif
