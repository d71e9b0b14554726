/* account.h - what became of the records of a shard, and the shard's entry */
#ifndef CORE_ACCOUNT_H
#define CORE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/manifest.h"

struct arena;
struct bytes;
struct cursor;

struct tally {
    uint64_t records, bytes; /* bytes: of source, separators included */
};

/* Records that stages make of others: made = merged + emitted + dropped + quarantined, in
 * records and in the source bytes that they stand for. Merged are those that a later stage
 * made others of. */
struct made_account {
    struct tally made, merged, emitted, dropped, quarantined;
};

/* The law: read = emitted + dropped + quarantined, in records; and in bytes with
 * separator_bytes (blank lines) on the right. */
struct account {
    struct tally read, emitted, dropped, quarantined;
    uint64_t separator_bytes;
    struct tally used; /* of emitted: not themselves, but in records made of them */
    struct made_account made;
};

void account_add(struct account *sum, const struct account *more);
/* Both laws. */
bool account_holds(const struct account *account);
/* What is stored: emitted less used, and what was made and emitted. */
struct tally account_stored(const struct account *account);

/* Why records were dropped or quarantined, each with its tally. */
struct reason {
    const char *stage;  /* stage name; "input" for the reader */
    const char *reason; /* snake_case code */
    bool is_quarantine;
    struct tally tally;
};
enum { REASONS_MAX = 256 };

/* What a volume, DONE and the index say of one finished shard. */
struct shard_entry {
    shard_id shard;
    uint32_t phase;
    uint32_t generation; /* 0; one more each time `retry` runs the shard again */
    uint64_t first_block, block_count, reject_count; /* blocks are numbered per volume */
    uint64_t stored_bytes;                           /* of its blocks, compressed */
    struct account account;
    struct hash128 digest; /* sum over its records and rejects */
    const struct reason *reasons;
    size_t reason_count;
    const uint64_t *bucket_blocks; /* exchange phases: (bucket_count + 1) block numbers,
                                      bucket b is in blocks [b], ... [b + 1] - 1; or NULL */
    uint32_t bucket_count;
    uint64_t cpu_us; /* spent by the executor: not part of any digest */
};

/* The entry as bytes (docs/formats.md), and back. Decoded texts and arrays live in the
 * arena. ERROR_DAMAGED: not an entry. */
void shard_entry_write(const struct shard_entry *entry, struct bytes *out);
enum error_code shard_entry_read(const void *data, size_t size, struct arena *arena,
                                 struct shard_entry *entry, struct error *error);

/* Sum reasons over shards: find or append (stage, reason, is_quarantine), add the tally.
 * Texts are copied into the arena when appended. Beyond REASONS_MAX kinds the rest is
 * summed under reason "other". */
struct reason_table {
    struct arena *arena; /* borrowed */
    struct reason items[REASONS_MAX];
    size_t count;
};
void reason_table_add(struct reason_table *table, const struct reason *reason);

#endif
