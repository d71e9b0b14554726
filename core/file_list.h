/* file_list.h - expand the patterns of an input to files */
#ifndef CORE_FILE_LIST_H
#define CORE_FILE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;

struct listed_file {
    const char *path; /* absolute */
    const char *name; /* the end of path below the fixed folder of its pattern */
    size_t number;    /* its place in the list */
    uint64_t size;    /* bytes */
};

struct file_list {
    struct listed_file *items; /* owned */
    size_t count, capacity;
    struct arena *arena; /* borrowed: where the paths go */
};

void file_list_clear(struct file_list *list);

/* Append the regular files of one pattern as manifest.h describes it; the paths live in
 * list->arena. `folder` is what a relative pattern is relative to. ERROR_CONFIG: it
 * matches nothing, or names something that cannot be read, without a position. */
enum error_code file_list_expand(struct file_list *list, const char *pattern,
                                 const char *folder, struct error *error);

#endif
