/* volume_layout.h - the tables of a volume and what their keys and values look like
 * (docs/formats.md); for core/volume.c and core/volume_read.c */
#ifndef CORE_VOLUME_LAYOUT_H
#define CORE_VOLUME_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/lmdb_store.h"
#include "core/manifest.h"

struct arena;
struct bytes;
struct reject;
struct volume_meta;

enum {
    VOLUME_BLOCKS,
    VOLUME_SHARDS,
    VOLUME_KEYS,
    VOLUME_REJECTS,
    VOLUME_META,
    VOLUME_TABLES
};
extern const struct store_table volume_tables[VOLUME_TABLES];

enum { BLOCK_KEY_SIZE = 8, SHARD_KEY_SIZE = 12, REJECT_KEY_SIZE = 12 };

/* Big-endian, so that LMDB keeps them in order. */
void volume_shard_key(uint32_t phase, shard_id shard, unsigned char key[SHARD_KEY_SIZE]);
void volume_reject_key(shard_id shard, uint32_t number,
                       unsigned char key[REJECT_KEY_SIZE]);

void volume_meta_write(const struct volume_meta *meta, struct bytes *out);
/* ERROR_DAMAGED, ERROR_MEMORY. Texts are copied into the arena. */
enum error_code volume_meta_read(const void *data, size_t size, struct arena *arena,
                                 struct volume_meta *meta, struct error *error);
void volume_reject_write(const struct reject *reject, struct bytes *out);
enum error_code volume_reject_read(const void *data, size_t size, struct arena *arena,
                                   struct reject *reject, struct error *error);

#endif
