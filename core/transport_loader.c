/* transport_loader.c - find and open the MPI transport at run time */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/module_path.h"
#include "core/transport.h"
#include "core/transport_mpi.h"

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

static enum error_code find_module(char path[MODULE_PATH_SIZE], struct error *error)
{
    const char *wanted = getenv("MILLRACE_MPI_MODULE");
    if (wanted && *wanted) {
        int size = snprintf(path, MODULE_PATH_SIZE, "%s", wanted);
        return size < MODULE_PATH_SIZE
                   ? OK
                   : error_set(error, ERROR_IO, "MILLRACE_MPI_MODULE is too long");
    }
    bool is_found;
    enum error_code code = module_path_find(module_name, NULL, path, &is_found, error);
    if (code != OK || is_found)
        return code;
    return error_set(error, ERROR_IO,
                     "there is no %s beside the executable nor in %s: "
                     "build it with \"make\" where MPI is installed, or name it in "
                     "MILLRACE_MPI_MODULE",
                     module_name, module_path_installed());
}

/* The module stays open to the end of the process: MPI cannot be unloaded. RTLD_GLOBAL,
 * because components of Open MPI look for its symbols there. */
enum error_code transport_mpi_load(const struct transport_type **type,
                                   struct mpi_world *world, struct error *error)
{
    char path[MODULE_PATH_SIZE];
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
