/* export_tree.h - folders of an export: what is in them, emptying them, files in new ones */
#ifndef COMMANDS_EXPORT_TREE_H
#define COMMANDS_EXPORT_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* The file by which an export holds a folder; no format has one of that name. */
#define EXPORT_LOCK_NAME ".lock"

/* Look through a folder: is anything in it, and what is none of ours? Ours are files whose
 * names have one of the endings (NULL-terminated), the lock, and in a tree folders. The
 * first other name goes to `strange`, "" when there is none. A folder that is not there is
 * empty. ERROR_CONFIG: it is a file. ERROR_IO. */
enum error_code export_tree_check(const char *path, const char *const *ends, bool is_tree,
                                  bool *is_empty, char *strange, size_t size,
                                  struct error *error);

/* Remove the files of a folder, all but `kept` (NULL: all) and those without one of the
 * endings (NULL: any), and in a tree its folders, as far as that makes them empty. Links
 * are never followed. What cannot be removed stays. */
void export_tree_empty(const char *path, const char *const *ends, bool is_tree,
                       const char *kept);

/* Create the file `path`, which must not be there yet, and the folders behind its first
 * `base` bytes that it needs. Any thread. Returns 0 or the number of the error; EEXIST: a
 * file or a folder stands in the way. */
int export_tree_create(char *path, size_t base, int *file);

#endif
