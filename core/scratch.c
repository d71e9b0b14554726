/* scratch.c - private folders on node-local scratch */
#include "core/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/platform.h"

enum { PATH_SIZE = 4096 };

static const char prefix[] = "millrace-"; /* ipc endpoints in it must stay short */

static const char *base_folder(void)
{
    static const char *const names[] = {"MILLRACE_SCRATCH", "SLURM_TMPDIR", "TMPDIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return "/tmp";
}

void scratch_remove(const char *path)
{
    DIR *directory = *path ? opendir(path) : NULL;
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char file[PATH_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        (void)unlink(file);
    }
    (void)closedir(directory);
    (void)rmdir(path);
}

/* Where process numbers mean what they mean here: on this host and, in containers that
 * share a folder, in this name space. */
static unsigned process_space(void)
{
    char text[512] = "";
    platform_host_name(text, 256);
    size_t used = strlen(text);
    ssize_t n = readlink("/proc/self/ns/pid", text + used, sizeof text - used);
    return (unsigned)hash64(text, used + (n > 0 ? (size_t)n : 0), 0);
}

/* Names are PREFIX SPACE "-" PID "-" START "-" random. In a space of our own PID and START
 * tell whether the maker lives; of others, on a folder shared by several machines, we
 * know nothing. */
static bool is_left_behind(const char *name, unsigned own_space)
{
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *at = name + sizeof prefix - 1;
    unsigned long space = strtoul(at, &end, 16);
    if (end == at || *end != '-' || space != own_space)
        return false;
    at = end + 1;
    long pid = strtol(at, &end, 10);
    if (end == at || *end != '-' || pid <= 0 || pid > INT_MAX)
        return false;
    at = end + 1;
    unsigned long long start = strtoull(at, &end, 10);
    return end > at && *end == '-' && platform_process_start((int)pid) != start;
}

static void sweep(const char *base, unsigned own_space)
{
    DIR *directory = opendir(base);
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_SIZE];
        struct stat info;
        if (!is_left_behind(entry->d_name, own_space))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid())
            scratch_remove(path);
    }
    (void)closedir(directory);
}

enum error_code scratch_make(char *path, size_t size, struct error *error)
{
    const char *base = base_folder();
    unsigned space = process_space();
    sweep(base, space);
    int pid = (int)getpid();
    int length = snprintf(path, size, "%s/%s%08x-%d-%llu-XXXXXX", base, prefix, space,
                          pid, (unsigned long long)platform_process_start(pid));
    if (length < 0 || (size_t)length >= size) {
        path[0] = 0;
        return error_set(error, ERROR_CONFIG,
                         "the scratch folder's path \"%s\" is too long", base);
    }
    if (!mkdtemp(path)) {
        path[0] = 0;
        return error_set_errno(error, ERROR_CONFIG, errno,
                               "cannot make a scratch folder in \"%s\"", base);
    }
    return OK;
}
