/* block_reader.h - blocks of a job's volumes for one thread of several */
#ifndef COMMANDS_BLOCK_READER_H
#define COMMANDS_BLOCK_READER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/codec.h"
#include "core/error.h"

struct block_reader; /* heap object */
struct job_view;

/* `job` and the `lock` that guards it are borrowed; other threads have readers of their
 * own. About `mapped_max` bytes of volumes are kept in memory. NULL: no memory. */
struct block_reader *block_reader_create(struct job_view *job, pthread_mutex_t *lock,
                                         size_t mapped_max);
void block_reader_destroy(struct block_reader *reader);

/* A decoded block; lives until the next call. Takes the lock. ERROR_DAMAGED, ERROR_IO. */
enum error_code block_reader_get(struct block_reader *reader, uint32_t volume_id,
                                 uint64_t number, struct batch **batch,
                                 struct file_names *files, struct error *error);

#endif
