/* file_list.c - expand the patterns of an input to files */
#include "core/file_list.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { PATH_ROOM = 4096, DEPTH_MAX = 64 };

/* A walk from the fixed folder of a pattern downwards. */
struct walk {
    struct file_list *list;
    char path[PATH_ROOM]; /* where the walk stands */
    size_t size;
    size_t fixed; /* names begin here in the path */
    struct error *error;
};

void file_list_clear(struct file_list *list)
{
    free(list->items);
    *list = (struct file_list){.arena = list->arena};
}

static enum error_code add_file(struct file_list *list, const char *path, size_t size,
                                size_t fixed, const struct stat *status,
                                struct error *error)
{
    struct listed_file *items =
        array_grow(list->items, &list->capacity, list->count + 1, sizeof *items);
    if (!items)
        return error_set(error, ERROR_MEMORY, "no memory for the list of files");
    list->items = items;
    const char *copy = arena_copy_text(list->arena, path, size);
    if (!copy)
        return error_set(error, ERROR_MEMORY, "no memory for the list of files");
    list->items[list->count] = (struct listed_file){.path = copy,
                                                    .name = copy + fixed,
                                                    .number = list->count,
                                                    .size = (uint64_t)status->st_size};
    list->count++;
    return OK;
}

/* Append "/name", or the name alone behind a slash. */
static enum error_code step_down(struct walk *walk, const char *name, size_t name_size)
{
    bool has_slash = walk->size > 0 && walk->path[walk->size - 1] == '/';
    if (name_size >= PATH_ROOM - walk->size - 2)
        return error_set(walk->error, ERROR_CONFIG,
                         "the path below \"%.300s\" is too long", walk->path);
    if (!has_slash)
        walk->path[walk->size++] = '/';
    memcpy(walk->path + walk->size, name, name_size);
    walk->size += name_size;
    walk->path[walk->size] = 0;
    return OK;
}

static void step_up(struct walk *walk, size_t size)
{
    walk->size = size;
    walk->path[size] = 0;
}

/* Call `visit` for each entry of the folder that is not hidden; the walk stands on the
 * entry. */
typedef enum error_code visit_entry(struct walk *walk, const char *name,
                                    const char *pattern, unsigned depth);

static enum error_code each_entry(struct walk *walk, const char *pattern, unsigned depth,
                                  visit_entry *visit)
{
    size_t size = walk->size;
    enum error_code code = OK;
    if (depth > DEPTH_MAX)
        return error_set(walk->error, ERROR_CONFIG,
                         "\"%.300s\" is nested too deeply: does a link lead back?",
                         walk->path);
    DIR *folder = opendir(walk->path);
    if (!folder)
        return error_set_errno(walk->error, ERROR_CONFIG, errno,
                               "cannot read folder \"%.300s\"", walk->path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        if (entry->d_name[0] == '.')
            continue;
        code = step_down(walk, entry->d_name, strlen(entry->d_name));
        if (code == OK)
            code = visit(walk, entry->d_name, pattern, depth);
        step_up(walk, size);
        if (code != OK)
            break;
    }
    if (code == OK && errno != 0)
        code = error_set_errno(walk->error, ERROR_CONFIG, errno,
                               "cannot read folder \"%.300s\"", walk->path);
    (void)closedir(folder);
    return code;
}

static enum error_code find_out(struct walk *walk, struct stat *status)
{
    if (stat(walk->path, status) == 0)
        return OK;
    return error_set_errno(walk->error, ERROR_CONFIG, errno, "cannot read \"%.300s\"",
                           walk->path);
}

/* All regular files at and below the entry. */
static enum error_code visit_all(struct walk *walk, const char *name, const char *pattern,
                                 unsigned depth)
{
    struct stat status;
    (void)name;
    enum error_code code = find_out(walk, &status);
    if (code != OK)
        return code;
    if (S_ISDIR(status.st_mode))
        return each_entry(walk, pattern, depth + 1, visit_all);
    if (!S_ISREG(status.st_mode))
        return OK;
    return add_file(walk->list, walk->path, walk->size, walk->fixed, &status,
                    walk->error);
}

static const char *next_part(const char *pattern, size_t *size)
{
    const char *slash = strchr(pattern, '/');
    *size = slash ? (size_t)(slash - pattern) : strlen(pattern);
    return slash ? slash + 1 : NULL;
}

static enum error_code match_below(struct walk *walk, const char *pattern,
                                   unsigned depth);

/* Does the entry match the first part of the pattern? Then go on with the rest. */
static enum error_code visit_match(struct walk *walk, const char *name,
                                   const char *pattern, unsigned depth)
{
    char part[PATH_ROOM];
    size_t size;
    const char *rest = next_part(pattern, &size);
    struct stat status;
    bool is_deep = size == 2 && memcmp(pattern, "**", 2) == 0;
    memcpy(part, pattern, size);
    part[size] = 0;
    if (!is_deep && fnmatch(part, name, 0) != 0)
        return OK;
    if (!rest)
        return visit_all(walk, name, pattern, depth);
    enum error_code code = find_out(walk, &status);
    if (code != OK || !S_ISDIR(status.st_mode))
        return code;
    return match_below(walk, is_deep ? pattern : rest, depth + 1);
}

/* Match the pattern against what stands in the folder. "**" stands for any number of
 * folders, none included. */
static enum error_code match_below(struct walk *walk, const char *pattern, unsigned depth)
{
    size_t size;
    const char *rest = next_part(pattern, &size);
    if (size == 2 && memcmp(pattern, "**", 2) == 0 && rest) {
        enum error_code code = match_below(walk, rest, depth);
        if (code != OK)
            return code;
    }
    return each_entry(walk, pattern, depth, visit_match);
}

/* folder + "/" + path without "//", "/./" and a slash at the end. */
static enum error_code make_absolute(const char *path, size_t path_size,
                                     const char *folder, char *out, size_t *size,
                                     struct error *error)
{
    char joined[2 * PATH_ROOM];
    const char *base = path_size > 0 && path[0] == '/' ? "" : folder;
    int length = snprintf(joined, sizeof joined, "%s/%.*s", base,
                          path_size < PATH_ROOM ? (int)path_size : PATH_ROOM, path);
    if (length < 0 || length >= PATH_ROOM - 1)
        return error_set(error, ERROR_CONFIG, "the path \"%.300s\" is too long", path);
    size_t written = 0;
    for (const char *at = joined; *at;) {
        size_t part;
        const char *rest = next_part(at, &part);
        if (part > 0 && !(part == 1 && at[0] == '.')) {
            out[written++] = '/';
            memcpy(out + written, at, part);
            written += part;
        }
        if (!rest)
            break;
        at = rest;
    }
    if (written == 0)
        out[written++] = '/';
    out[written] = 0;
    *size = written;
    return OK;
}

static size_t folder_size(const char *path, size_t size)
{
    while (size > 0 && path[size - 1] != '/')
        size--;
    return size; /* with the slash */
}

/* A pattern with wildcards: from the folder that its first parts without any name. */
static enum error_code expand_glob(struct walk *walk, size_t folder)
{
    size_t wild = folder + strcspn(walk->path + folder, "*?[");
    size_t fixed = folder_size(walk->path, wild);
    char pattern[PATH_ROOM];
    memcpy(pattern, walk->path + fixed, walk->size - fixed + 1);
    walk->fixed = fixed;
    step_up(walk, fixed > 1 ? fixed - 1 : fixed);
    return match_below(walk, pattern, 0);
}

/* The folder that all absolute lines of a list have in common; SIZE_MAX: none seen. */
static size_t common_folder(const char *first, const char *other, size_t fixed)
{
    size_t same = 0;
    while (same < fixed && first[same] == other[same])
        same++;
    return folder_size(first, same);
}

/* `folder` ends in a slash and is in normal form. */
static enum error_code add_line(struct file_list *list, const char *line, size_t size,
                                const char *folder, struct error *error)
{
    char path[PATH_ROOM];
    size_t path_size = 0;
    struct stat status;
    enum error_code code = make_absolute(line, size, folder, path, &path_size, error);
    if (code != OK)
        return code;
    if (stat(path, &status) != 0)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot read \"%.300s\"",
                               path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_CONFIG, "\"%.300s\" is not a file", path);
    size_t fixed = line[0] == '/' ? 0 : strlen(folder);
    return add_file(list, path, path_size, fixed, &status, error);
}

/* Names of files that a list gives by absolute paths: below what these have in common. */
static void name_absolute(struct file_list *list, size_t from)
{
    const char *first = NULL;
    size_t fixed = 0;
    for (size_t i = from; i < list->count; i++) {
        const struct listed_file *item = &list->items[i];
        if (item->name != item->path)
            continue;
        fixed = first ? common_folder(first, item->path, fixed)
                      : folder_size(item->path, strlen(item->path));
        first = item->path;
    }
    for (size_t i = from; i < list->count; i++)
        if (list->items[i].name == list->items[i].path)
            list->items[i].name += fixed;
}

static enum error_code read_list(struct file_list *list, FILE *file, const char *path,
                                 const char *folder, struct error *error)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    enum error_code code = OK;
    while (code == OK) {
        errno = 0;
        ssize_t got = getline(&line, &room, file);
        if (got < 0)
            break;
        number++;
        size_t size = (size_t)got;
        while (size > 0 && strchr("\r\n", line[size - 1]))
            line[--size] = 0;
        if (size == 0 || line[0] == '#')
            continue;
        if (strlen(line) != size)
            code = error_set(error, ERROR_CONFIG, "it has a zero byte");
        else
            code = add_line(list, line, size, folder, error);
        if (code != OK)
            (void)error_wrap(error, "list \"%.200s\", line %zu", path, number);
    }
    if (code == OK && ferror(file))
        code =
            error_set_errno(error, ERROR_CONFIG, errno, "cannot read \"%.300s\"", path);
    free(line);
    return code;
}

static enum error_code expand_list(struct file_list *list, const char *path, size_t size,
                                   struct error *error)
{
    char folder[PATH_ROOM];
    size_t before = list->count;
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set_errno(error, ERROR_CONFIG, errno, "cannot open list \"%.300s\"",
                               path);
    size_t length = folder_size(path, size);
    memcpy(folder, path, length);
    folder[length] = 0;
    enum error_code code = read_list(list, file, path, folder, error);
    (void)fclose(file);
    if (code == OK && list->count == before)
        code = error_set(error, ERROR_CONFIG, "list \"%.300s\" names no file", path);
    name_absolute(list, before);
    return code;
}

enum error_code file_list_expand(struct file_list *list, const char *pattern,
                                 const char *folder, struct error *error)
{
    struct walk walk = {.list = list, .error = error};
    struct stat status;
    size_t before = list->count;
    bool is_list = pattern[0] == '@';
    enum error_code code = make_absolute(pattern + is_list, strlen(pattern + is_list),
                                         folder, walk.path, &walk.size, error);
    if (code != OK)
        return code;
    if (is_list)
        return expand_list(list, walk.path, walk.size, error);
    if (pattern[0] != 0 && stat(walk.path, &status) == 0) {
        walk.fixed = folder_size(walk.path, walk.size);
        if (S_ISREG(status.st_mode))
            return add_file(list, walk.path, walk.size, walk.fixed, &status, error);
        if (!S_ISDIR(status.st_mode))
            return error_set(error, ERROR_CONFIG, "\"%.300s\" is not a file or folder",
                             pattern);
        walk.fixed = walk.size + (walk.size > 1);
        code = each_entry(&walk, NULL, 0, visit_all);
    } else if (strpbrk(pattern, "*?[")) {
        char base[PATH_ROOM];
        size_t base_size = 0; /* wildcards in the pipeline's folder are none */
        if (pattern[0] != '/')
            code = make_absolute("", 0, folder, base, &base_size, error);
        if (code == OK)
            code = expand_glob(&walk, base_size);
    } else {
        return error_set_errno(error, ERROR_CONFIG, pattern[0] ? errno : ENOENT,
                               "cannot read \"%.300s\"", pattern);
    }
    if (code == OK && list->count == before)
        code = error_set(error, ERROR_CONFIG, "no file matches \"%.300s\"", pattern);
    return code;
}
