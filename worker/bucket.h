/* bucket.h - which bucket of an exchange a record goes to, and its place there */
#ifndef WORKER_BUCKET_H
#define WORKER_BUCKET_H

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/codec.h"
#include "core/pipeline.h"

struct arena;
struct bytes;

/* The bucket of a record: by the XXH3 of the column's canonical bytes, or of seed, file
 * name, offset and copy. `scratch` is reset. */
uint32_t bucket_of_row(const struct exchange_spec *exchange, const struct batch *batch,
                       uint32_t row, const char *file_name, struct bytes *scratch);
/* Sort key within the bucket of a random exchange; 0 for a hash exchange, whose records
 * stay in input order. Ties are broken by file name, offset and copy. */
uint64_t bucket_order(const struct exchange_spec *exchange, const char *file_name,
                      uint64_t offset, uint64_t copy, struct bytes *scratch);

/* Gives numbers to file names, so that batches from several blocks can share a table. */
struct name_table {
    struct arena *arena; /* borrowed */
    const char **names;
    uint32_t count, capacity;
    uint32_t *slots; /* (slot_count) open addressing over names */
    uint32_t slot_count;
};
void name_table_init(struct name_table *table, struct arena *arena);
/* The same batch with origins that point into the table. NULL: no memory. */
const struct batch *name_table_rename(struct name_table *table, const struct batch *batch,
                                      const struct file_names *files,
                                      struct arena *arena);
struct file_names name_table_files(const struct name_table *table);

#endif
