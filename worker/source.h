/* source.h - the records of a shard, whatever it is cut from */
#ifndef WORKER_SOURCE_H
#define WORKER_SOURCE_H

#include <stdint.h>

#include "core/codec.h"
#include "core/error.h"
#include "core/pipeline.h"
#include "core/protocol.h"
#include "core/reader.h"

struct arena;
struct source; /* heap object: one phase's input, with its buffers and open volumes */

/* `pipeline` is borrowed for the source's life. ERROR_DAMAGED, ERROR_IO, ERROR_MEMORY. */
enum error_code source_create(const struct pipeline *pipeline, uint32_t phase,
                              const char *job_folder, struct source **source,
                              struct error *error);
void source_destroy(struct source *source);

/* Begin a shard of a lease. The message is borrowed until the shard is read. */
enum error_code source_open_shard(struct source *source,
                                  const struct message_lease *message,
                                  const struct lease *lease, shard_id shard,
                                  struct error *error);
/* Begin a shard of a stream, whose bytes are in memory. `file` names it; both are
 * borrowed until the shard is read. */
enum error_code source_open_slot(struct source *source, const struct message_file *file,
                                 const struct extent *extent, struct error *error);

struct source_result {
    const struct batch *batch; /* NULL: the shard is read */
    struct file_names files;   /* what origins' file numbers mean */
    const struct bad_record *bad;
    size_t bad_count;
    uint64_t separator_bytes;
};
/* The next records, in `arena`. */
enum error_code source_next(struct source *source, struct arena *arena,
                            struct source_result *result, struct error *error);

#endif
