/* volume.h - an LMDB file with the results of some shards; doorkeeper of lmdb together
 * with core/ledger.c */
#ifndef CORE_VOLUME_H
#define CORE_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/error.h"
#include "core/hash.h"

struct arena;

/* A quarantined record, as kept in `rejects`. */
struct reject {
    const char *file; /* name */
    uint64_t offset, size;
    uint64_t copy;   /* as in struct origin */
    const char *key; /* zero-terminated; NULL: not known */
    const char *stage, *reason;
    const char *detail; /* NULL allowed */
    const unsigned char *excerpt;
    size_t excerpt_size;
};

/* What every volume says of its origin, in `meta`. */
struct volume_meta {
    struct hash128 fingerprint;
    uint32_t phase;
    const char *phase_name;
    const char *host;
};

/* ---- writing: in an executor, on node-local scratch ---- */

struct volume_writer; /* heap object */

/* Open `path` for appending, or make it. A file left by a killed executor is taken over
 * with what it had committed; `*shard_count` says how many shards it holds.
 * ERROR_FULL, ERROR_IO. */
enum error_code volume_create(const char *path, const struct volume_meta *meta,
                              struct volume_writer **writer, uint64_t *shard_count,
                              struct error *error);
/* The volume is to be published below `folder`. Where that takes no copy, the disk begins
 * with it at every commit, so that the seal finds less to wait for. */
void volume_write_early(struct volume_writer *writer, const char *folder);
/* Close without publishing; the file stays. */
void volume_abandon(struct volume_writer *writer);

/* Everything between two commits becomes visible at once. Any error leaves the volume as
 * it was at the last commit (the rest is gone) and usable. */
enum error_code volume_put_block(struct volume_writer *writer, const void *data,
                                 size_t size, uint64_t *number, struct error *error);
enum error_code volume_put_key(struct volume_writer *writer, const void *key,
                               size_t key_size, shard_id shard, uint32_t position,
                               struct error *error);
enum error_code volume_put_reject(struct volume_writer *writer, shard_id shard,
                                  const struct reject *reject, struct error *error);
enum error_code volume_put_shard(struct volume_writer *writer,
                                 const struct shard_entry *entry, struct error *error);
enum error_code volume_commit(struct volume_writer *writer, struct error *error);
/* Forget everything since the last commit. */
void volume_rollback(struct volume_writer *writer);
uint64_t volume_bytes(
    const struct volume_writer *writer); /* about what a seal would copy */
uint64_t volume_next_block(const struct volume_writer *writer);

struct volume_info {
    uint64_t size;           /* of the published file, footer included */
    struct hash128 checksum; /* XXH3-128 of everything before the footer */
    int64_t fsync_us;        /* how long the fsyncs took, */
    uint32_t fsync_count;    /* and how many they were */
};

/* Publish as `folder`/`name`: with a footer page that holds size and checksum, fsync,
 * rename, fsync of the folder. From another file system it is copied to
 * `folder`/.`name`.tmp first; the scratch file is gone afterwards. The writer is destroyed
 * on success; after an error it is as before and the seal may be tried again. Makes
 * `folder` when it is not there. */
enum error_code volume_seal(struct volume_writer *writer, const char *folder,
                            const char *name, struct volume_info *info,
                            struct error *error);

/* ---- reading ---- */

struct volume; /* heap object: an open read-only volume */

/* Check size and checksum against the footer, without LMDB. ERROR_DAMAGED, ERROR_IO. */
enum error_code volume_check(const char *path, struct volume_info *info,
                             struct error *error);
/* Read the footer alone (info->fsync_* are 0). */
enum error_code volume_read_footer(const char *path, struct volume_info *info,
                                   struct error *error);
/* MDB_RDONLY | MDB_NOLOCK. ERROR_DAMAGED, ERROR_IO. */
enum error_code volume_open(const char *path, struct volume **volume,
                            struct error *error);
void volume_close(struct volume *volume);
enum error_code volume_read_meta(struct volume *volume, struct arena *arena,
                                 struct volume_meta *meta, struct error *error);
/* Bytes are borrowed until volume_close(). ERROR_DAMAGED: there is no such block. */
enum error_code volume_get_block(struct volume *volume, uint64_t number,
                                 const void **data, size_t *size, struct error *error);
/* ERROR_CLOSED: no such shard. */
enum error_code volume_get_shard(struct volume *volume, shard_id shard,
                                 struct arena *arena, struct shard_entry *entry,
                                 struct error *error);
/* Call `visit` for every shard in order, until it returns other than OK. */
enum error_code volume_each_shard(
    struct volume *volume, struct arena *arena,
    enum error_code (*visit)(const struct shard_entry *entry, void *user,
                             struct error *error),
    void *user, struct error *error);
/* For every reject of a shard, by file and offset. */
enum error_code volume_each_reject(struct volume *volume, shard_id shard,
                                   struct arena *arena,
                                   enum error_code (*visit)(const struct reject *reject,
                                                            void *user,
                                                            struct error *error),
                                   void *user, struct error *error);
/* For every place of a record key: its shard and position (counting from 0 in it). */
enum error_code volume_each_key(struct volume *volume, const void *key, size_t key_size,
                                enum error_code (*visit)(shard_id shard,
                                                         uint32_t position, void *user,
                                                         struct error *error),
                                void *user, struct error *error);

#endif
