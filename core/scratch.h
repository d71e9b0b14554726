/* scratch.h - private folders on node-local scratch */
#ifndef CORE_SCRATCH_H
#define CORE_SCRATCH_H

#include <stddef.h>

#include "core/error.h"

/* Make a folder of mode 0700 for this process below $MILLRACE_SCRATCH, $SLURM_TMPDIR,
 * $TMPDIR or /tmp, whichever is set first. Folders that dead processes of this user, on
 * this host, left there are removed on the way. ERROR_CONFIG, ERROR_FULL. */
enum error_code scratch_make(char *path, size_t size, struct error *error);
/* Remove the folder and the files in it; an empty path is allowed. */
void scratch_remove(const char *path);

#endif
