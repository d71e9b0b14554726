/* result_file.c - where a command's results go: standard output, or a file that appears
 * under its name when it is whole */
#include "commands/result_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name_of(const struct result_file *file)
{
    return file->path ? file->path : "standard output";
}

static enum error_code fail(const struct result_file *file, struct error *error)
{
    if (errno == EPIPE)
        return error_set(error, ERROR_CLOSED, "the reader has gone");
    return error_set_errno(error, ERROR_IO, errno, "cannot write %s", name_of(file));
}

/* FOLDER/.NAME.tmp for FOLDER/NAME. */
static char *temporary_create(const char *path)
{
    static const char tail[] = ".tmp";
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
    size_t size = strlen(path) + sizeof tail + 1;
    char *text = malloc(size);
    if (text)
        (void)snprintf(text, size, "%.*s.%s%s", (int)folder, path, path + folder, tail);
    return text;
}

enum error_code result_file_open(const char *path, struct result_file *file,
                                 struct error *error)
{
    *file = (struct result_file){.stream = stdout};
    if (strcmp(path, "-") == 0)
        return OK;
    size_t size = strlen(path) + 1;
    file->path = malloc(size);
    file->temporary = temporary_create(path);
    if (!file->path || !file->temporary) {
        file->stream = NULL;
        return error_set(error, ERROR_MEMORY, "no memory to open \"%s\"", path);
    }
    memcpy(file->path, path, size);
    file->stream = fopen(file->temporary, "wb");
    if (!file->stream)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"",
                               file->temporary);
    return OK;
}

enum error_code result_file_write(struct result_file *file, const void *data, size_t size,
                                  struct error *error)
{
    return fwrite(data, 1, size, file->stream) == size ? OK : fail(file, error);
}

enum error_code result_file_commit(struct result_file *file, struct error *error)
{
    if (fflush(file->stream) != 0)
        return fail(file, error);
    if (!file->path)
        return OK;
    if (fsync(fileno(file->stream)) != 0)
        return fail(file, error);
    int status = fclose(file->stream);
    file->stream = NULL;
    if (status != 0 || rename(file->temporary, file->path) != 0)
        return fail(file, error);
    free(file->temporary);
    file->temporary = NULL;
    return OK;
}

void result_file_close(struct result_file *file)
{
    if (file->path && file->stream)
        (void)fclose(file->stream);
    if (file->temporary)
        (void)unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct result_file){0};
}
