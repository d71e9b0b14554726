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

#include "core/platform.h"

enum { PATH_SIZE = 4096 };

static const char prefix[] = "millrace-scratch-";

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

/* Names are PREFIX PID "-" START "-" random: PID and START tell whether the maker lives. */
static bool is_left_behind(const char *name)
{
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *at = name + sizeof prefix - 1;
    long pid = strtol(at, &end, 10);
    if (end == at || *end != '-' || pid <= 0 || pid > INT_MAX)
        return false;
    at = end + 1;
    unsigned long long start = strtoull(at, &end, 10);
    return end > at && *end == '-' && platform_process_start((int)pid) != start;
}

static void sweep(const char *base)
{
    DIR *directory = opendir(base);
    if (!directory)
        return;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_SIZE];
        struct stat info;
        if (!is_left_behind(entry->d_name))
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
    sweep(base);
    int pid = (int)getpid();
    int length = snprintf(path, size, "%s/%s%d-%llu-XXXXXX", base, prefix, pid,
                          (unsigned long long)platform_process_start(pid));
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
