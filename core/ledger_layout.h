/* ledger_layout.h - the tables of a ledger and its copy, the index, and what their keys
 * and values look like (docs/formats.md); for core/ledger.c and core/index.c */
#ifndef CORE_LEDGER_LAYOUT_H
#define CORE_LEDGER_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/lmdb_store.h"
#include "core/manifest.h"

struct arena;
struct bytes;
struct index;
struct phase_record;
struct suspect;
struct volume_record;

enum {
    LEDGER_META,
    LEDGER_PHASES,
    LEDGER_STREAMS,
    LEDGER_ENTRIES,
    LEDGER_VOLUMES,
    LEDGER_SHARDS,
    LEDGER_SUSPECTS,
    LEDGER_TABLES
};
extern const struct store_table ledger_tables[LEDGER_TABLES];

/* Keys are up to four 32-bit numbers, big-endian, so that LMDB keeps them in order. */
enum { LEDGER_KEY_MAX = 16 };
struct ledger_key {
    unsigned char data[LEDGER_KEY_MAX];
    size_t size;
};
struct ledger_key ledger_key_1(uint32_t a);
struct ledger_key ledger_key_2(uint32_t a, uint32_t b);
struct ledger_key ledger_key_3(uint32_t a, uint32_t b, uint32_t c);
struct ledger_key ledger_key_shard(uint32_t phase, shard_id shard);
struct ledger_key ledger_key_suspect(uint32_t phase, shard_id shard, uint32_t ordinal);

/* In front of the bytes of a shard's entry: volume and generation, u32 each. */
enum { LEDGER_SHARD_HEAD = 8 };

void phase_record_write(const struct phase_record *phase, struct bytes *out);
void volume_record_write(const struct volume_record *volume, struct bytes *out);
void suspect_write(const struct suspect *suspect, struct bytes *out);

/* Texts and arrays live in the arena. ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code phase_record_read(const void *data, size_t size, struct arena *arena,
                                  struct phase_record *phase, struct error *error);
enum error_code volume_record_read(const void *data, size_t size, struct arena *arena,
                                   struct volume_record *volume, struct error *error);
enum error_code suspect_read(const void *data, size_t size, struct arena *arena,
                             struct suspect *suspect, struct error *error);

/* A view of a store that the caller keeps open as long. ERROR_MEMORY. */
enum error_code index_create_view(struct store *store, struct index **index,
                                  struct error *error);

#endif
