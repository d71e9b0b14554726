/* stage_artefact.h - the files of a fit: published all at once, and checked later */
#ifndef CORE_STAGE_ARTEFACT_H
#define CORE_STAGE_ARTEFACT_H

#include <stddef.h>

#include "core/error.h"

struct bytes;
struct stage;

/* Let the fit stage write its files in a hidden folder `draft` of JOB/artefacts/NAME, make
 * them durable, and rename each into JOB/artefacts/NAME: a file there is always whole. What
 * was there under its name is replaced, by the same bytes if the fit is the same. Appends to
 * `list` a line a file, in the order of its names: XXH3-128 as 32 hex digits, a blank, the
 * size in bytes, a blank, the name. */
enum error_code stage_artefact_publish(struct stage *stage, const char *job_folder,
                                       const char *fit_name, const char *draft,
                                       struct bytes *list, struct error *error);

/* Are the files of such a list there, and as it says? ERROR_DAMAGED names the first that is
 * not; so is a list that is none. */
enum error_code stage_artefact_check(const char *job_folder, const char *fit_name,
                                     const char *list, size_t size, struct error *error);

#endif
