/* module_path.h - where files lie that are opened at run time */
#ifndef CORE_MODULE_PATH_H
#define CORE_MODULE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

enum { MODULE_PATH_SIZE = 4096 };

/* Look for `name` beside the executable, in `folder` beside it (NULL: there is no such
 * place), and where installed ones are: ../lib/millrace from the executable, and
 * PREFIX/lib/millrace. *is_found says whether `path` was written. */
enum error_code module_path_find(const char *name, const char *folder,
                                 char path[MODULE_PATH_SIZE], bool *is_found,
                                 struct error *error);

/* For messages: PREFIX/lib/millrace. */
const char *module_path_installed(void);

#endif
