/* class_names.h - what classes are called: a file with a name a line, the first of class 0 */
#ifndef STAGES_KERNELS_CLASS_NAMES_H
#define STAGES_KERNELS_CLASS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct class_names; /* heap object */

/* `path` NULL: classes are called by their numbers. ERROR_IO, ERROR_MEMORY. */
enum error_code class_names_open(const char *path, struct class_names **names,
                                 struct error *error);
void class_names_close(struct class_names *names); /* NULL is allowed */

enum { CLASS_NAME_MAX = 128 };
/* Write the name of a class, cut to what fits; its number where it has none. Returns its
 * size. */
size_t class_names_put(const struct class_names *names, uint32_t class,
                       char text[CLASS_NAME_MAX]);

#endif
