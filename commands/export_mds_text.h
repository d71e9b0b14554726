/* export_mds_text.h - what MDS says of itself in JSON, as Python's json.dumps(obj,
 * sort_keys=True) writes it */
#ifndef COMMANDS_EXPORT_MDS_TEXT_H
#define COMMANDS_EXPORT_MDS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "commands/export_columns.h"
#include "commands/export_format.h"

struct mds_shard_facts {
    uint64_t samples, size, packed; /* packed: size of the compressed file */
};

/* Bytes of a value; 0: it differs from row to row. */
size_t mds_fixed_size(const struct export_columns *columns, size_t i);
/* Is it the column of token ids, which are written in the dtype of the job? */
bool mds_is_tokens(const struct export_job *job, const struct export_columns *columns,
                   size_t i);
void mds_format_name(uint32_t number, bool is_packed, char *name, size_t size);

/* What stands in each shard, and index.json. */
void mds_put_config(const struct export_job *job, const struct export_columns *columns,
                    struct bytes *out);
void mds_put_index(const struct export_job *job, const struct export_columns *columns,
                   const struct mds_shard_facts *facts, size_t count, struct bytes *out);

#endif
