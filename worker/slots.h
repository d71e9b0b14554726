/* slots.h - memory files in which a stream's shards lie for all executors of a worker */
#ifndef WORKER_SLOTS_H
#define WORKER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/reader.h"

struct slots; /* heap object: an executor's view of them */

/* `fds` (count) are inherited descriptors, owned from now on. ERROR_MEMORY. */
enum error_code slots_create(const uint32_t *fds, uint32_t count, struct slots **slots,
                             struct error *error);
void slots_destroy(struct slots *slots);

/* For writing a shard into; slot->grow makes it larger. Borrowed. */
enum error_code slots_for_writing(struct slots *slots, uint32_t number,
                                  struct slot **slot, struct error *error);
/* `capacity` bytes for reading. Borrowed until the next call for the same slot. */
enum error_code slots_for_reading(struct slots *slots, uint32_t number, size_t capacity,
                                  const unsigned char **data, struct error *error);

#endif
