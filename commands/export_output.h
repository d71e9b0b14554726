/* export_output.h - files or a folder that appear under their names when all is written */
#ifndef COMMANDS_EXPORT_OUTPUT_H
#define COMMANDS_EXPORT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct export_output; /* heap object */

/* Files side by side; a folder of files; a folder with folders in it. */
enum export_shape { EXPORT_FILES, EXPORT_FOLDER, EXPORT_TREE };

/* Begin under temporary names beside `path`, which a later export takes over when this one
 * is killed. `names` (NULL-terminated): of folders the endings of their files, of files what
 * is appended to `path`. "-" is standard output (is_stream: it is allowed). ERROR_CONFIG:
 * what would be written is there already and is_forced is false, or it is not what such an
 * export leaves. ERROR_IO, ERROR_FULL: also when another export writes there. */
enum error_code export_output_open(const char *path, const char *const *names,
                                   enum export_shape shape, bool is_stream,
                                   bool is_forced, struct export_output **output,
                                   struct error *error);
/* Takes away what was not committed. */
void export_output_close(struct export_output *output);
bool export_output_is_stream(const struct export_output *output);

/* Any thread, each to places of its own. `name`: one of `names`, or of a file in the
 * folder. */
enum error_code export_output_write(struct export_output *output, const char *name,
                                    uint64_t offset, const void *data, size_t size,
                                    struct error *error);
/* Any thread, of a tree: a new file with its folders, of names with slashes between them.
 * ERROR_RECORD: there is one already. */
enum error_code export_output_add(struct export_output *output, const char *name,
                                  const void *data, size_t size, struct error *error);
/* Standard output. ERROR_CLOSED: its reader has gone. */
enum error_code export_output_append(struct export_output *output, const void *data,
                                     size_t size, struct error *error);
/* What was written before. */
enum error_code export_output_read(struct export_output *output, const char *name,
                                   uint64_t offset, void *data, size_t size,
                                   struct error *error);
/* That file is not wanted after all, nor one that an earlier export left. Not of folders. */
void export_output_drop(struct export_output *output, const char *name);
/* Sync and rename. ERROR_FULL, ERROR_IO: nothing appears. */
enum error_code export_output_commit(struct export_output *output, struct error *error);

#endif
