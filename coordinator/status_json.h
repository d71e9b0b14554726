/* status_json.h - structs to JSON objects and back, by tables of their fields */
#ifndef COORDINATOR_STATUS_JSON_H
#define COORDINATOR_STATUS_JSON_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct bytes;

enum json_type {
    JSON_U64,
    JSON_U32,
    JSON_I64,
    JSON_F64,
    JSON_BOOL,
    JSON_TEXT,     /* const char *; NULL is left out */
    JSON_TIME,     /* int64_t wall time in ms, written as text, never read */
    JSON_NAME,     /* an enumeration (its size is an int's), by its names */
    JSON_FLAG_NAME /* a bool, by the names of false and true */
};

struct json_field {
    const char *group; /* the object in the object that it stands in, or NULL; fields of
                          a group stand together in the table */
    const char *name;  /* NULL ends a table */
    enum json_type type;
    size_t offset;            /* in the struct */
    const char *const *names; /* ends with NULL */
};

/* The members without the braces. */
void json_write_fields(const struct json_field *fields, const void *base,
                       struct bytes *out);

struct json_reader {
    const char *at, *end; /* borrowed */
    struct arena *arena;  /* texts and lists are put there */
    int depth;
};

struct json_target { /* a list of them ends with {NULL, NULL} */
    const struct json_field *fields;
    void *base;
};

struct json_list { /* an array of objects; a list of lists ends with name NULL */
    const char *name;
    size_t size, align; /* of an item */
    bool (*read)(struct json_reader *reader, void *item);
    void **items; /* out: in the arena */
    size_t *count;
};

/* An object into the fields of all targets, and its arrays into `lists` (NULL: none).
 * Members of other names are passed over. False: this is not JSON, or a value does not fit
 * its field, or there is no memory. */
bool json_read_object(struct json_reader *reader, const struct json_target *targets,
                      const struct json_list *lists);
bool json_is_at_end(struct json_reader *reader);

#endif
