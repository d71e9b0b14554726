/* transport_loader.c - find and open the MPI transport at run time */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/platform.h"
#include "core/transport.h"
#include "core/transport_mpi.h"

#ifndef MILLRACE_LIBDIR /* set by a build that installs elsewhere */
#define MILLRACE_LIBDIR "/usr/local/lib"
#endif

enum { PATH_SIZE = 4096 };
static const char module_name[] = "millrace-mpi.so";

bool transport_mpi_is_launched(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK",
                                            "PMI_RANK"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return true;
    }
    return false;
}

/* "FOLDER/MIDDLE/millrace-mpi.so" into `path`; is there such a file? */
static bool is_there(const char *folder, const char *middle, char *path)
{
    int size = snprintf(path, PATH_SIZE, "%s%s/%s", folder, middle, module_name);
    return size > 0 && size < PATH_SIZE && access(path, R_OK) == 0;
}

static enum error_code find_module(char *path, struct error *error)
{
    char folder[PATH_SIZE];
    const char *wanted = getenv("MILLRACE_MPI_MODULE");
    if (wanted && *wanted) {
        int size = snprintf(path, PATH_SIZE, "%s", wanted);
        return size < PATH_SIZE
                   ? OK
                   : error_set(error, ERROR_IO, "MILLRACE_MPI_MODULE is too long");
    }
    enum error_code code = platform_executable(folder, sizeof folder, error);
    if (code != OK)
        return code;
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    if (is_there(folder, "", path) || is_there(folder, "/../lib/millrace", path) ||
        is_there(MILLRACE_LIBDIR, "/millrace", path))
        return OK;
    return error_set(error, ERROR_IO,
                     "there is no %s beside the executable (%.200s) nor in %s/millrace: "
                     "build it with \"make\" where MPI is installed, or name it in "
                     "MILLRACE_MPI_MODULE",
                     module_name, folder, MILLRACE_LIBDIR);
}

/* The module stays open to the end of the process: MPI cannot be unloaded. RTLD_GLOBAL,
 * because components of Open MPI look for its symbols there. */
enum error_code transport_mpi_load(const struct transport_type **type,
                                   struct mpi_world *world, struct error *error)
{
    char path[PATH_SIZE];
    enum error_code code = find_module(path, error);
    if (code != OK)
        return code;
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
        return error_set(error, ERROR_IO, "cannot open the MPI transport: %s", dlerror());
    const struct transport_mpi_module *module = dlsym(handle, TRANSPORT_MPI_SYMBOL);
    if (!module || module->version != TRANSPORT_MPI_VERSION) {
        (void)dlclose(handle);
        return error_set(error, ERROR_IO,
                         "\"%s\" belongs to another version of millrace: build it anew",
                         path);
    }
    struct mpi_world found;
    code = module->init(&found, error);
    if (code != OK)
        return code;
    *type = module->type;
    *world = found;
    return OK;
}
