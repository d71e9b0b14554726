/* codec.h - batches as blocks of bytes, and the canonical form that digests are made of;
 * doorkeeper of zstd for blocks */
#ifndef CORE_CODEC_H
#define CORE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"
#include "core/hash.h"

struct arena;
struct bytes;

/* Names of the files that origins point to. */
struct file_names {
    const char *const *names; /* by file number; borrowed */
    uint32_t count;
};

struct block_encoder; /* heap object: compression state and buffers */
struct block_encoder *block_encoder_create(void); /* NULL: no memory */
void block_encoder_destroy(struct block_encoder *encoder);

/* Rows `rows` (count; NULL: 0 ... count - 1) of a batch as one block, appended to `out`.
 * Compressed when that pays: tried on a sample, skipped where it saves under an eighth.
 * ERROR_MEMORY. */
enum error_code block_encode(struct block_encoder *encoder, const struct batch *batch,
                             const struct file_names *files, const uint32_t *rows,
                             uint32_t count, struct bytes *out, struct error *error);

/* Back to a batch in `arena`; origins' file numbers point into *files (in the arena too).
 * Ordinals are not stored: they are 0. ERROR_DAMAGED for anything that is not a block:
 * never reads outside `data`, never allocates more than the header's stated size, which
 * is bounded by 1 GiB and by what the columns need. */
enum error_code block_decode(const void *data, size_t size, struct arena *arena,
                             struct batch **batch, struct file_names *files,
                             struct error *error);

/* XXH3-128 of one record in canonical form: file name, offset, copy, key, then every
 * column by name, type, dimension and shape, and its little-endian bytes. `scratch` is
 * reset. */
struct hash128 record_digest(const struct batch *batch, uint32_t row,
                             const char *file_name, struct bytes *scratch);
/* The same for a reject: file name, offset, copy, stage, reason. */
struct hash128 reject_digest(const char *file_name, uint64_t offset, uint64_t copy,
                             const char *stage, const char *reason,
                             struct bytes *scratch);

#endif
