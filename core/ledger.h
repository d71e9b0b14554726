/* ledger.h - the coordinator's record of what is done, and its copy in the job directory,
 * the index, that everybody else reads */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/manifest.h"

struct arena;

/* A published volume. */
struct volume_record {
    uint32_t id; /* from 1, in order of arrival */
    uint32_t phase;
    const char *name; /* of the file below volumes/PHASE/ */
    uint64_t size;
    struct hash128 checksum;
};

/* How a phase's input looked, kept so that a resumed job numbers its shards alike. */
struct phase_record {
    uint32_t phase;
    const char *name;
    uint64_t shard_bytes;
    struct manifest manifest; /* runs' counts as far as known */
    bool is_complete;
};

/* A record known to kill executors, or suspected of it. */
struct suspect {
    uint32_t phase;
    shard_id shard;
    uint32_t ordinal;   /* of the record in its shard */
    uint32_t strikes;   /* failures alone; condemned at 2 */
    uint32_t stage;     /* index in the phase */
    const char *reason; /* "SIGSEGV", "timeout", "out_of_memory", ... */
};

/* ---- the live ledger: one writer, on local scratch ---- */

struct ledger; /* heap object */

/* Open or make the LMDB at `path` (a file). `from` is an index to begin with (copied), or
 * NULL. ERROR_DAMAGED when `from` cannot be used: begin without one. */
enum error_code ledger_open(const char *path, const char *from, struct ledger **ledger,
                            struct error *error);
void ledger_close(struct ledger *ledger); /* commits; the file stays */

/* Writes collect in one transaction until ledger_commit(). */
enum error_code ledger_put_meta(struct ledger *ledger, const char *name, const void *data,
                                size_t size, struct error *error);
enum error_code ledger_put_phase(struct ledger *ledger, const struct phase_record *phase,
                                 struct error *error);
/* How many shards a stream has, once known; and where it can be entered. */
enum error_code ledger_put_stream(struct ledger *ledger, uint32_t phase, uint32_t run,
                                  uint32_t count, struct error *error);
enum error_code ledger_put_entry(struct ledger *ledger, uint32_t phase, uint32_t run,
                                 uint32_t index, uint64_t compressed,
                                 uint64_t decompressed, struct error *error);
enum error_code ledger_put_volume(struct ledger *ledger,
                                  const struct volume_record *volume,
                                  struct error *error);
/* The shard is in this volume. `entry` is the entry's bytes (account.h). An entry of the
 * same or a higher generation that is there already stays; *is_new says which. */
enum error_code ledger_put_shard(struct ledger *ledger, uint32_t volume_id,
                                 const struct shard_entry *decoded, const void *entry,
                                 size_t size, bool *is_new, struct error *error);
enum error_code ledger_put_suspect(struct ledger *ledger, const struct suspect *suspect,
                                   struct error *error);
enum error_code ledger_drop_suspects(struct ledger *ledger, uint32_t phase,
                                     shard_id shard, struct error *error);
enum error_code ledger_commit(struct ledger *ledger, struct error *error);

/* Commit, and put a compact copy in place as `path` (temporary name, fsync, rename). */
enum error_code ledger_publish(struct ledger *ledger, const char *path,
                               struct error *error);

/* ---- reading: the ledger itself through ledger_index(), or an index file ---- */

struct index; /* heap object */

/* ERROR_DAMAGED, ERROR_IO. */
enum error_code index_open(const char *path, struct index **index, struct error *error);
void index_close(struct index *index);
/* A view of the live ledger as of its last commit; closed with index_close(). */
enum error_code ledger_index(struct ledger *ledger, struct index **index,
                             struct error *error);

/* ERROR_CLOSED: there is none. Bytes are borrowed until index_close(). */
enum error_code index_get_meta(struct index *index, const char *name, const void **data,
                               size_t *size, struct error *error);
enum error_code index_get_phase(struct index *index, uint32_t phase, struct arena *arena,
                                struct phase_record *record, struct error *error);
uint32_t index_phase_count(struct index *index);
enum error_code index_get_volume(struct index *index, uint32_t id, struct arena *arena,
                                 struct volume_record *volume, struct error *error);
enum error_code index_get_shard(struct index *index, uint32_t phase, shard_id shard,
                                struct arena *arena, struct shard_entry *entry,
                                uint32_t *volume_id, struct error *error);
/* The place at or before shard `index` where its stream can be entered; ERROR_CLOSED:
 * only at its start. */
enum error_code index_get_entry(struct index *index_file, uint32_t phase, uint32_t run,
                                uint32_t index, uint64_t *compressed,
                                uint64_t *decompressed, struct error *error);
/* Visits in order (shards by number: input order) until one does not return OK. */
enum error_code index_each_shard(struct index *index, uint32_t phase, struct arena *arena,
                                 enum error_code (*visit)(const struct shard_entry *entry,
                                                          uint32_t volume_id, void *user,
                                                          struct error *error),
                                 void *user, struct error *error);
enum error_code index_each_volume(
    struct index *index, struct arena *arena,
    enum error_code (*visit)(const struct volume_record *volume, void *user,
                             struct error *error),
    void *user, struct error *error);
enum error_code index_each_suspect(struct index *index, struct arena *arena,
                                   enum error_code (*visit)(const struct suspect *suspect,
                                                            void *user,
                                                            struct error *error),
                                   void *user, struct error *error);

#endif
