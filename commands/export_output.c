/* export_output.c - files or a folder that appear under their names when all is written */
#include "commands/export_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/export_tree.h"
#include "core/platform.h"

enum { NAMES_MAX = 8, STRANGE_SIZE = 256 };
static const char lock_name[] = EXPORT_LOCK_NAME;

struct export_output {
    char *path;       /* owned: as it will be, without slashes at the end */
    char *parent;     /* owned: the folder it stands in, with a slash, or "" */
    const char *base; /* in `path`: what stands behind the last slash */
    const char *const *names;
    enum export_shape shape;
    bool is_stream, is_forced;
    bool is_begun; /* what stands under temporary names is ours */
    bool is_dropped[NAMES_MAX];
    int files[NAMES_MAX]; /* open; of a folder the first is its lock */
};

static enum error_code too_long(const struct export_output *output, struct error *error)
{
    return error_set(error, ERROR_IO, "path too long: \"%s\"", output->path);
}

static bool is_cut(int length)
{
    return length < 0 || length >= PATH_MAX;
}

/* A folder: PARENT/.BASE.tmp/NAME, without a name the folder itself; a file:
 * PARENT/.BASENAME.tmp. */
static bool temporary_path(const struct export_output *output, const char *name,
                           char path[PATH_MAX])
{
    const char *parent = output->parent, *base = output->base;
    if (output->shape != EXPORT_FILES)
        return !is_cut(snprintf(path, PATH_MAX, "%s.%s.tmp%s%s", parent, base,
                                *name ? "/" : "", name));
    return !is_cut(snprintf(path, PATH_MAX, "%s.%s%s.tmp", parent, base, name));
}

static bool final_path(const struct export_output *output, const char *name,
                       char path[PATH_MAX])
{
    return !is_cut(snprintf(path, PATH_MAX, "%s%s", output->path, name));
}

/* ---- opening ---- */

static struct export_output *output_create(const char *path)
{
    struct export_output *made = calloc(1, sizeof *made);
    size_t size = strlen(path);
    if (!made)
        return NULL;
    for (size_t i = 0; i < NAMES_MAX; i++)
        made->files[i] = -1;
    made->path = malloc(size + 1);
    made->parent = malloc(size + 1);
    if (!made->path || !made->parent) {
        free(made->path);
        free(made->parent);
        free(made);
        return NULL;
    }
    while (size > 1 && path[size - 1] == '/')
        size--;
    memcpy(made->path, path, size);
    made->path[size] = 0;
    const char *slash = strrchr(made->path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - made->path) : 0;
    memcpy(made->parent, made->path, folder);
    made->parent[folder] = 0;
    made->base = made->path + folder;
    return made;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* May the folder be replaced? Never what holds something that we did not write. */
static enum error_code check_folder(const struct export_output *output,
                                    struct error *error)
{
    char strange[STRANGE_SIZE];
    bool is_empty;
    enum error_code code =
        export_tree_check(output->path, output->names, output->shape == EXPORT_TREE,
                          &is_empty, strange, sizeof strange, error);
    if (code != OK || is_empty)
        return code;
    if (!output->is_forced)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" is there already and not empty; --force replaces it",
                         output->path);
    return *strange ? error_set(error, ERROR_CONFIG,
                                "\"%s\" is not replaced: it holds \"%s\", which is none "
                                "of this format's files",
                                output->path, strange)
                    : OK;
}

static enum error_code check_files(const struct export_output *output,
                                   struct error *error)
{
    char path[PATH_MAX];
    struct stat facts;
    for (size_t i = 0; output->names[i]; i++) {
        if (!final_path(output, output->names[i], path))
            return too_long(output, error);
        if (stat(path, &facts) != 0)
            continue;
        if (S_ISDIR(facts.st_mode))
            return error_set(error, ERROR_CONFIG, "\"%s\" is a folder", path);
        if (!output->is_forced)
            return error_set(error, ERROR_CONFIG,
                             "\"%s\" is there already; --force replaces it", path);
    }
    return OK;
}

/* Open, ours alone as long as it is open. */
static enum error_code open_locked(const char *path, int *file, struct error *error)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat opened, there;
    *file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    bool is_ours =
        fcntl(*file, F_SETLK, &lock) == 0 || (errno != EACCES && errno != EAGAIN);
    /* Not every file system knows locks. And between the two calls the other may have
     * put the file in place. */
    if (is_ours && fstat(*file, &opened) == 0 && stat(path, &there) == 0 &&
        opened.st_ino == there.st_ino && opened.st_dev == there.st_dev)
        return OK;
    (void)close(*file);
    *file = -1;
    return error_set(error, ERROR_IO, "another export is writing \"%s\"", path);
}

/* Of a tree nothing is removed but files of the format, and folders that are empty. */
static void empty_folder(const struct export_output *output, const char *path,
                         const char *kept)
{
    bool is_tree = output->shape == EXPORT_TREE;
    export_tree_empty(path, is_tree ? output->names : NULL, is_tree, kept);
}

static enum error_code begin_folder(struct export_output *output, struct error *error)
{
    char path[PATH_MAX], lock[PATH_MAX];
    if (!temporary_path(output, "", path) || !temporary_path(output, lock_name, lock))
        return too_long(output, error);
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    enum error_code code = open_locked(lock, &output->files[0], error);
    if (code != OK)
        return code;
    output->is_begun = true;
    empty_folder(output, path, lock_name);
    if (output->shape != EXPORT_TREE)
        return OK;
    char strange[STRANGE_SIZE];
    bool is_empty;
    code = export_tree_check(path, output->names, true, &is_empty, strange,
                             sizeof strange, error);
    if (code == OK && *strange) {
        output->is_begun = false;
        code =
            error_set(error, ERROR_CONFIG,
                      "\"%s\" holds \"%s\", which no export left there", path, strange);
    }
    return code;
}

static enum error_code begin_files(struct export_output *output, struct error *error)
{
    char path[PATH_MAX];
    enum error_code code = OK;
    for (size_t i = 0; code == OK && output->names[i]; i++) {
        if (!temporary_path(output, output->names[i], path))
            return too_long(output, error);
        code = open_locked(path, &output->files[i], error);
        if (code != OK)
            break;
        output->is_begun = true;
        if (ftruncate(output->files[i], 0) != 0)
            code = error_set_errno(error, ERROR_IO, errno, "cannot write \"%s\"", path);
    }
    return code;
}

enum error_code export_output_open(const char *path, const char *const *names,
                                   enum export_shape shape, bool is_stream,
                                   bool is_forced, struct export_output **output,
                                   struct error *error)
{
    enum error_code code;
    bool is_standard = strcmp(path, "-") == 0;
    if (is_standard && !is_stream)
        return error_set(error, ERROR_CONFIG,
                         "this format cannot be written to standard output");
    struct export_output *made = output_create(path);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory to open \"%s\"", path);
    made->names = names;
    made->shape = shape;
    made->is_stream = is_standard;
    made->is_forced = is_forced;
    if (made->is_stream) {
        *output = made;
        return OK;
    }
    code = shape != EXPORT_FILES ? check_folder(made, error) : check_files(made, error);
    if (code == OK)
        code =
            shape != EXPORT_FILES ? begin_folder(made, error) : begin_files(made, error);
    if (code == OK)
        *output = made;
    else
        export_output_close(made);
    return code;
}

bool export_output_is_stream(const struct export_output *output)
{
    return output->is_stream;
}

static void remove_temporary(const struct export_output *output)
{
    char path[PATH_MAX];
    if (output->shape != EXPORT_FILES && temporary_path(output, "", path)) {
        empty_folder(output, path, NULL);
        (void)rmdir(path);
    }
    for (size_t i = 0; output->shape == EXPORT_FILES && output->names[i]; i++)
        if (output->files[i] >= 0 && temporary_path(output, output->names[i], path))
            (void)unlink(path);
}

void export_output_close(struct export_output *output)
{
    if (!output)
        return;
    if (output->is_begun)
        remove_temporary(output);
    for (size_t i = 0; i < NAMES_MAX; i++)
        if (output->files[i] >= 0)
            (void)close(output->files[i]);
    free(output->path);
    free(output->parent);
    free(output);
}

/* ---- writing ---- */

static size_t name_index(const struct export_output *output, const char *name)
{
    size_t i = 0;
    while (output->names[i] && strcmp(output->names[i], name) != 0)
        i++;
    return i;
}

/* Files of a folder are opened for each piece: there may be thousands of them, and pieces
 * are large. */
static enum error_code get_file(struct export_output *output, const char *name,
                                char path[PATH_MAX], int *file, struct error *error)
{
    if (!temporary_path(output, name, path))
        return too_long(output, error);
    *file = output->shape != EXPORT_FILES ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)
                                          : output->files[name_index(output, name)];
    if (*file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    return OK;
}

static int write_at(int file, uint64_t offset, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = pwrite(file, data, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : ENOSPC;
        data += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return 0;
}

enum error_code export_output_write(struct export_output *output, const char *name,
                                    uint64_t offset, const void *data, size_t size,
                                    struct error *error)
{
    char path[PATH_MAX];
    int file = -1;
    enum error_code code = get_file(output, name, path, &file, error);
    if (code != OK)
        return code;
    int number = write_at(file, offset, data, size);
    if (number == 0)
        platform_begin_writeback(file, offset, size);
    if (output->shape != EXPORT_FILES && close(file) != 0 && number == 0)
        number = errno;
    return number == 0
               ? OK
               : error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
}

enum error_code export_output_add(struct export_output *output, const char *name,
                                  const void *data, size_t size, struct error *error)
{
    char path[PATH_MAX], folder[PATH_MAX];
    if (!temporary_path(output, name, path) || !temporary_path(output, "", folder))
        return too_long(output, error);
    int file = -1, number = export_tree_create(path, strlen(folder), &file);
    if (number == EEXIST)
        return error_set(error, ERROR_RECORD, "there is \"%s\" already", name);
    if (number == 0)
        number = write_at(file, 0, data, size);
    if (file >= 0 && close(file) != 0 && number == 0)
        number = errno;
    return number == 0
               ? OK
               : error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
}

enum error_code export_output_append(struct export_output *output, const void *data,
                                     size_t size, struct error *error)
{
    (void)output;
    if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0)
        return OK;
    if (errno == EPIPE)
        return error_set(error, ERROR_CLOSED, "the reader has gone");
    return error_set_errno(error, ERROR_IO, errno, "cannot write standard output");
}

enum error_code export_output_read(struct export_output *output, const char *name,
                                   uint64_t offset, void *data, size_t size,
                                   struct error *error)
{
    char path[PATH_MAX];
    int file = -1, number = 0;
    unsigned char *at = data;
    enum error_code code = get_file(output, name, path, &file, error);
    if (code != OK)
        return code;
    while (size > 0 && number == 0) {
        ssize_t got = pread(file, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            number = got < 0 ? errno : EIO;
        else {
            at += got;
            offset += (uint64_t)got;
            size -= (size_t)got;
        }
    }
    if (output->shape != EXPORT_FILES)
        (void)close(file);
    return number == 0
               ? OK
               : error_set_errno(error, ERROR_IO, number, "cannot read \"%s\"", path);
}

void export_output_drop(struct export_output *output, const char *name)
{
    output->is_dropped[name_index(output, name)] = true;
}

/* ---- publishing ---- */

static enum error_code sync_path(const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int number = file < 0 || fsync(file) != 0 ? errno : 0;
    if (file >= 0)
        (void)close(file);
    if (number == 0 || number == EINVAL) /* folders of some file systems */
        return OK;
    return error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
}

static enum error_code sync_parent(const struct export_output *output,
                                   struct error *error)
{
    return sync_path(*output->parent ? output->parent : ".", error);
}

static enum error_code sync_folder(const struct export_output *output,
                                   struct error *error)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    enum error_code code = OK;
    if (!temporary_path(output, "", path))
        return too_long(output, error);
    if (output->shape == EXPORT_TREE) { /* a sync a file would take most of the time */
        int number = platform_sync_file_system(output->files[0]);
        return number == 0 ? OK
                           : error_set_errno(error, ERROR_IO, number,
                                             "cannot write \"%s\"", path);
    }
    DIR *folder = opendir(path);
    if (!folder)
        return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
    while (code == OK && (entry = readdir(folder)) != NULL) {
        if (is_dots(entry->d_name) || strcmp(entry->d_name, lock_name) == 0)
            continue; /* closing a file gives up all locks on it */
        code = temporary_path(output, entry->d_name, path) ? sync_path(path, error)
                                                           : too_long(output, error);
    }
    (void)closedir(folder);
    if (code == OK && temporary_path(output, "", path))
        code = sync_path(path, error);
    return code;
}

static enum error_code cannot_rename(const char *path, struct error *error)
{
    return error_set_errno(error, ERROR_IO, errno, "cannot put \"%s\" in place", path);
}

static enum error_code commit_folder(struct export_output *output, struct error *error)
{
    char from[PATH_MAX], old[PATH_MAX];
    enum error_code code = sync_folder(output, error);
    if (code != OK)
        return code;
    if (!temporary_path(output, "", from) ||
        is_cut(snprintf(old, sizeof old, "%s.%s.old", output->parent, output->base)))
        return too_long(output, error);
    if (rename(from, output->path) != 0) {
        if (!output->is_forced || (errno != ENOTEMPTY && errno != EEXIST))
            return cannot_rename(output->path, error);
        empty_folder(output, old, NULL); /* of a replacement that was interrupted */
        (void)rmdir(old);
        if (rename(output->path, old) != 0)
            return cannot_rename(output->path, error);
        if (rename(from, output->path) != 0) {
            code = cannot_rename(output->path, error);
            (void)rename(old, output->path);
            return code;
        }
        empty_folder(output, old, NULL);
        (void)rmdir(old);
    }
    output->is_begun = false;
    /* Not before: without it another export could take the folder for its own. */
    if (!is_cut(snprintf(from, sizeof from, "%s/%s", output->path, lock_name)))
        (void)unlink(from);
    return sync_parent(output, error);
}

static enum error_code commit_files(struct export_output *output, struct error *error)
{
    char from[PATH_MAX], to[PATH_MAX];
    size_t count = 0;
    for (; output->names[count]; count++)
        if (fsync(output->files[count]) != 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot write \"%s%s\"",
                                   output->path, output->names[count]);
    /* What tells readers that all is there must never stand beside another's files. */
    if (output->is_forced && final_path(output, output->names[count - 1], to) &&
        count > 1)
        (void)unlink(to);
    for (size_t i = 0; output->names[i]; i++) {
        if (!temporary_path(output, output->names[i], from) ||
            !final_path(output, output->names[i], to))
            return too_long(output, error);
        if (output->is_dropped[i]) {
            (void)unlink(from);
            (void)unlink(to);
        } else if (rename(from, to) != 0) {
            enum error_code code = cannot_rename(to, error);
            for (size_t k = 0; k < i && !output->is_forced; k++)
                if (final_path(output, output->names[k], to))
                    (void)unlink(to);
            return code;
        }
    }
    output->is_begun = false;
    return sync_parent(output, error);
}

enum error_code export_output_commit(struct export_output *output, struct error *error)
{
    if (output->is_stream)
        return OK;
    return output->shape != EXPORT_FILES ? commit_folder(output, error)
                                         : commit_files(output, error);
}
