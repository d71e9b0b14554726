/* result_file.h - where a command's results go: standard output, or a file that appears
 * under its name when it is whole */
#ifndef COMMANDS_RESULT_FILE_H
#define COMMANDS_RESULT_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "core/error.h"

struct result_file {
    FILE *stream;
    char *path, *temporary; /* owned; NULL: standard output */
};

/* `path` "-" is standard output. ERROR_IO, ERROR_FULL. */
enum error_code result_file_open(const char *path, struct result_file *file,
                                 struct error *error);
/* ERROR_CLOSED: whoever read it has gone, and there is nothing to complain about. */
enum error_code result_file_write(struct result_file *file, const void *data, size_t size,
                                  struct error *error);
/* All is written: put the file in place. */
enum error_code result_file_commit(struct result_file *file, struct error *error);
/* Takes a file that was not committed away. */
void result_file_close(struct result_file *file);

#endif
