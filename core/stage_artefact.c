/* stage_artefact.c - the files of a fit: published all at once, and checked later */
#include "core/stage_artefact.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/hash.h"
#include "core/pipeline.h"
#include "core/stage.h"

enum { PATH_SIZE = 4096, NAME_SIZE = 256, HEX_DIGITS = 32 };

static enum error_code make_folder(const char *path, struct error *error)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_IO, errno, "cannot make the folder \"%s\"",
                               path);
    return OK;
}

static enum error_code join(const char *folder, const char *name, char *path,
                            struct error *error)
{
    int length = snprintf(path, PATH_SIZE, "%s/%s", folder, name);
    if (length > 0 && length < PATH_SIZE)
        return OK;
    return error_set(error, ERROR_IO, "the path of artefact \"%s\" is too long", name);
}

static enum error_code hash_open_file(int fd, struct hash_stream *stream, uint64_t *size,
                                      const char *path, struct error *error)
{
    unsigned char piece[1 << 14];
    *size = 0;
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
        if (got == 0)
            return OK;
        hash_stream_update(stream, piece, (size_t)got);
        *size += (uint64_t)got;
    }
}

/* Size and checksum of a file, which is made durable too where that is asked for. */
static enum error_code measure(const char *path, bool is_synced, uint64_t *size,
                               char checksum[HEX_DIGITS + 1], struct error *error)
{
    enum error_code code = OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    struct hash_stream *stream = hash_stream_create();
    if (!stream)
        code = error_set(error, ERROR_MEMORY, "no memory to hash \"%s\"", path);
    else
        code = hash_open_file(fd, stream, size, path, error);
    if (code == OK)
        hash128_format(hash_stream_value(stream), checksum);
    if (code == OK && is_synced && fsync(fd) != 0)
        code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    hash_stream_destroy(stream);
    (void)close(fd);
    return code;
}

static enum error_code sync_folder(const char *folder, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", folder);
    int failed = fsync(fd), number = errno;
    (void)close(fd);
    return failed ? error_set_errno(error, ERROR_IO, number, "cannot sync \"%s\"", folder)
                  : OK;
}

/* All files are written, and each is listed, before the first is published. */
static enum error_code list_files(const char *const *names, const char *draft,
                                  struct bytes *list, struct error *error)
{
    enum error_code code = OK;
    for (; code == OK && *names; names++) {
        char path[PATH_SIZE], line[PATH_SIZE], checksum[HEX_DIGITS + 1];
        uint64_t size;
        code = join(draft, *names, path, error);
        if (code == OK)
            code = measure(path, true, &size, checksum, error);
        if (code != OK)
            return code;
        int length =
            snprintf(line, sizeof line, "%s %" PRIu64 " %s\n", checksum, size, *names);
        bytes_put(list, line, (size_t)length);
    }
    if (list->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a list of artefacts");
    return code;
}

static enum error_code move_files(const char *const *names, const char *draft,
                                  const char *folder, struct error *error)
{
    enum error_code code = OK;
    for (; code == OK && *names; names++) {
        char from[PATH_SIZE], to[PATH_SIZE];
        code = join(draft, *names, from, error);
        if (code == OK)
            code = join(folder, *names, to, error);
        if (code == OK && rename(from, to) != 0)
            code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", to);
    }
    return code == OK ? sync_folder(folder, error) : code;
}

static void remove_draft(const char *const *names, const char *draft)
{
    char path[PATH_SIZE];
    for (; *names; names++)
        if (join(draft, *names, path, NULL) == OK)
            (void)unlink(path);
    (void)rmdir(draft);
}

enum error_code stage_artefact_publish(struct stage *stage, const char *job_folder,
                                       const char *fit_name, const char *draft,
                                       struct bytes *list, struct error *error)
{
    char folder[PATH_SIZE], hidden[NAME_SIZE], path[PATH_SIZE];
    const char *const *names = stage->type->fit->files(stage->options);
    (void)snprintf(hidden, sizeof hidden, ".%s", draft);
    if (!pipeline_artefact_folder(job_folder, fit_name, folder, sizeof folder))
        return error_set(error, ERROR_IO, "the path of the job directory is too long");
    enum error_code code = join(folder, hidden, path, error);
    if (code == OK)
        code = make_folder(folder, error);
    if (code != OK)
        return code;
    remove_draft(names, path); /* of an attempt before */
    code = make_folder(path, error);
    if (code == OK && stage->type->fit->finish(stage, path, error) != OK) {
        code = error ? error->code : ERROR_FATAL;
        (void)error_wrap(error, "stage %s", stage->type->name);
    }
    if (code == OK)
        code = list_files(names, path, list, error);
    if (code == OK)
        code = move_files(names, path, folder, error);
    remove_draft(names, path);
    return code;
}

/* "CHECKSUM SIZE NAME"; the parts are cut out of the line. False: it is none. */
static bool read_line(char *line, uint64_t *size, const char **name)
{
    char *at = line + HEX_DIGITS;
    if (strspn(line, "0123456789abcdef") != HEX_DIGITS || *at != ' ')
        return false;
    *at++ = 0;
    if (*at < '0' || *at > '9')
        return false;
    errno = 0;
    *size = strtoull(at, &at, 10);
    *name = at + 1;
    return errno == 0 && *at == ' ' && at[1] && !strchr(at + 1, '/') &&
           strlen(at + 1) < NAME_SIZE;
}

static enum error_code check_line(const char *folder, char *line, struct error *error)
{
    char path[PATH_SIZE], found[HEX_DIGITS + 1] = "";
    const char *name;
    uint64_t size = 0, wanted;
    struct error unreadable = {0};
    if (!read_line(line, &wanted, &name))
        return error_set(error, ERROR_DAMAGED, "\"%.100s\" names no artefact", line);
    enum error_code code = join(folder, name, path, error);
    if (code != OK)
        return code;
    code = measure(path, false, &size, found, &unreadable);
    if (code == ERROR_MEMORY)
        return error_set(error, code, "no memory to check \"%s\"", path);
    if (code != OK)
        return error_set(error, ERROR_DAMAGED, "%s", unreadable.text);
    if (size != wanted || strcmp(found, line) != 0)
        return error_set(error, ERROR_DAMAGED, "artefact \"%s\" is not as it was made",
                         path);
    return OK;
}

enum error_code stage_artefact_check(const char *job_folder, const char *fit_name,
                                     const char *list, size_t size, struct error *error)
{
    char folder[PATH_SIZE], line[PATH_SIZE];
    if (!pipeline_artefact_folder(job_folder, fit_name, folder, sizeof folder))
        return error_set(error, ERROR_IO, "the path of the job directory is too long");
    enum error_code code = OK;
    for (size_t at = 0; code == OK && at < size;) {
        const char *end = memchr(list + at, '\n', size - at);
        size_t length = end ? (size_t)(end - list) - at : size - at;
        if (length >= sizeof line)
            return error_set(error, ERROR_DAMAGED, "a list of artefacts is none");
        memcpy(line, list + at, length);
        line[length] = 0;
        code = check_line(folder, line, error);
        at += length + 1;
    }
    return code;
}
