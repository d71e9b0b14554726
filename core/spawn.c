/* spawn.c - start this executable again as a child process */
#include "core/spawn.h"

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "core/platform.h"

extern char **environ;

enum { PATH_SIZE = 4096, ARENA_BLOCK = 16 << 10 };

static const char *const single_threads[] = {"OPENBLAS_NUM_THREADS=1",
                                             "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1",
                                             "GOTO_NUM_THREADS=1"};
enum { SINGLE_THREADS = sizeof single_threads / sizeof *single_threads };

static bool is_left_out(const char *variable)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_", "PMI_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (size_t i = 0; i < SINGLE_THREADS; i++) {
        size_t name = strcspn(single_threads[i], "=") + 1;
        if (strncmp(variable, single_threads[i], name) == 0)
            return true;
    }
    return false;
}

enum error_code spawn_self(char *const argv[], pid_t *pid, struct error *error)
{
    char path[PATH_SIZE];
    enum error_code code = platform_executable(path, sizeof path, error);
    if (code != OK)
        return code;
    size_t count = 0;
    while (environ[count])
        count++;
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    char **environment =
        arena ? ARENA_NEW(arena, char *, count + SINGLE_THREADS + 1) : NULL;
    if (!environment) {
        arena_destroy(arena);
        return error_set(error, ERROR_MEMORY, "no memory for an environment");
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_left_out(environ[i]))
            environment[used++] = environ[i];
    char copies[SINGLE_THREADS][32];
    for (size_t i = 0; i < SINGLE_THREADS; i++) {
        memcpy(copies[i], single_threads[i], strlen(single_threads[i]) + 1);
        environment[used++] = copies[i];
    }
    int number = posix_spawn(pid, path, NULL, NULL, argv, environment);
    arena_destroy(arena);
    if (number != 0)
        return error_set_errno(error, ERROR_IO, number, "cannot start \"%s\"", path);
    return OK;
}
