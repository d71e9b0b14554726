/* export_tree.c - folders of an export: what is in them, emptying them, files in new ones */
#include "commands/export_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 128 }; /* each level holds a file open; ours are not so deep */

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool has_end(const char *name, const char *const *ends)
{
    size_t size = strlen(name);
    for (size_t i = 0; ends && ends[i]; i++) {
        size_t tail = strlen(ends[i]);
        if (size >= tail && strcmp(name + size - tail, ends[i]) == 0)
            return true;
    }
    return !ends || strcmp(name, EXPORT_LOCK_NAME) == 0;
}

static DIR *open_inside(int folder, const char *name)
{
    int inside = openat(folder, name,
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    DIR *opened = inside >= 0 ? fdopendir(inside) : NULL;
    if (!opened && inside >= 0)
        (void)close(inside);
    return opened;
}

static bool is_folder_in(int folder, const char *name)
{
    struct stat facts;
    return fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(facts.st_mode);
}

static bool is_file_in(int folder, const char *name)
{
    struct stat facts;
    return fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(facts.st_mode);
}

/* False: something strange was found and named. Takes the open folder. */
static bool look_through(DIR *folder, const char *const *ends, unsigned depth,
                         bool *is_empty, char *strange, size_t size)
{
    const struct dirent *entry;
    bool is_ours = true;
    while (is_ours && (entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (is_dots(name))
            continue;
        *is_empty = false;
        DIR *inside = NULL;
        if (depth > 0 && is_folder_in(dirfd(folder), name))
            inside = open_inside(dirfd(folder), name);
        if (inside)
            is_ours = look_through(inside, ends, depth - 1, is_empty, strange, size);
        else if (!has_end(name, ends) || !is_file_in(dirfd(folder), name)) {
            is_ours = false;
            (void)snprintf(strange, size, "%s", name);
        }
    }
    (void)closedir(folder);
    return is_ours;
}

enum error_code export_tree_check(const char *path, const char *const *ends, bool is_tree,
                                  bool *is_empty, char *strange, size_t size,
                                  struct error *error)
{
    DIR *folder = opendir(path);
    *is_empty = true;
    *strange = 0;
    if (!folder && errno == ENOENT)
        return OK;
    if (!folder && errno == ENOTDIR)
        return error_set(error, ERROR_CONFIG, "\"%s\" is a file, not a folder", path);
    if (!folder)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    (void)look_through(folder, ends, is_tree ? DEPTH_MAX : 0, is_empty, strange, size);
    return OK;
}

static void empty(DIR *folder, const char *const *ends, unsigned depth, const char *kept)
{
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (is_dots(name) || (kept && strcmp(name, kept) == 0))
            continue;
        DIR *inside = NULL;
        if (depth > 0 && is_folder_in(dirfd(folder), name))
            inside = open_inside(dirfd(folder), name);
        if (inside) {
            empty(inside, ends, depth - 1, NULL);
            (void)unlinkat(dirfd(folder), name, AT_REMOVEDIR);
        } else if (has_end(name, ends)) {
            (void)unlinkat(dirfd(folder), name, 0);
        }
    }
    (void)closedir(folder);
}

void export_tree_empty(const char *path, const char *const *ends, bool is_tree,
                       const char *kept)
{
    DIR *folder = opendir(path);
    if (folder)
        empty(folder, ends, is_tree ? DEPTH_MAX : 0, kept);
}

static int create(const char *path, int *file)
{
    *file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return *file >= 0 ? 0 : errno == ENOTDIR ? EEXIST : errno;
}

int export_tree_create(char *path, size_t base, int *file)
{
    int number = create(path, file); /* mostly the folder is there */
    if (number != ENOENT)
        return number;
    for (char *slash = strchr(path + base + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int failed = mkdir(path, 0777) != 0 ? errno : 0;
        *slash = '/';
        if (failed == ENOTDIR)
            return EEXIST;
        if (failed != 0 && failed != EEXIST)
            return failed;
    }
    return create(path, file);
}
