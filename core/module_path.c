/* module_path.c - where files lie that are opened at run time */
#include "core/module_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/platform.h"

#ifndef MILLRACE_LIBDIR /* set by a build that installs elsewhere */
#define MILLRACE_LIBDIR "/usr/local/lib"
#endif

const char *module_path_installed(void)
{
    return MILLRACE_LIBDIR "/millrace";
}

/* "FOLDER/MIDDLE/NAME" into `path`; is there such a file? */
static bool is_there(const char *folder, const char *middle, const char *name, char *path)
{
    int size = snprintf(path, MODULE_PATH_SIZE, "%s/%s%s%s", folder, middle,
                        *middle ? "/" : "", name);
    return size > 0 && size < MODULE_PATH_SIZE && access(path, R_OK) == 0;
}

enum error_code module_path_find(const char *name, const char *folder,
                                 char path[MODULE_PATH_SIZE], bool *is_found,
                                 struct error *error)
{
    char own[MODULE_PATH_SIZE];
    enum error_code code = platform_executable(own, sizeof own, error);
    if (code != OK)
        return code;
    char *slash = strrchr(own, '/');
    if (slash)
        *slash = 0;
    *is_found = is_there(own, "", name, path) ||
                (folder && is_there(own, folder, name, path)) ||
                is_there(own, "../lib/millrace", name, path) ||
                is_there(module_path_installed(), "", name, path);
    return OK;
}
