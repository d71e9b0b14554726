/* vocabulary_size.h - how many token ids a job's pipeline can make */
#ifndef COMMANDS_VOCABULARY_SIZE_H
#define COMMANDS_VOCABULARY_SIZE_H

#include <stdint.h>

#include "core/error.h"

/* The most that any stage of JOB/pipeline.yaml knows of; 0: no stage makes ids. An error:
 * the pipeline or a vocabulary cannot be read any more, and *count is 0. */
enum error_code vocabulary_size_find(const char *folder, uint64_t *count,
                                     struct error *error);

#endif
