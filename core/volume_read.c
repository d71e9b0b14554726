/* volume_read.c - an LMDB file with the results of some shards: reading */
#include "core/volume.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/lmdb_store.h"
#include "core/sealed_file.h"
#include "core/volume_keys.h"
#include "core/volume_layout.h"

enum { ARENA_BLOCK = 4096 };
static const char META_KEY[] = "volume";

struct volume {
    struct store *store; /* owned */
    uint32_t phase;
};

enum error_code volume_check(const char *path, struct volume_info *info,
                             struct error *error)
{
    return sealed_file_check(path, info, error);
}

enum error_code volume_read_footer(const char *path, struct volume_info *info,
                                   struct error *error)
{
    return sealed_file_read_footer(path, info, error);
}

enum error_code volume_read_meta(struct volume *volume, struct arena *arena,
                                 struct volume_meta *meta, struct error *error)
{
    struct store_value value;
    enum error_code code = store_get(volume->store, VOLUME_META, META_KEY,
                                     sizeof META_KEY - 1, &value, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED, "a volume without meta");
    if (code != OK)
        return code;
    return volume_meta_read(value.data, value.size, arena, meta, error);
}

enum error_code volume_open(const char *path, struct volume **volume, struct error *error)
{
    struct volume_meta meta = {0};
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct volume *made = calloc(1, sizeof *made);
    enum error_code code = OK;
    if (!made || !arena) {
        code = error_set(error, ERROR_MEMORY, "no memory to open \"%s\"", path);
        goto done;
    }
    code =
        store_open(path, STORE_READ, volume_tables, VOLUME_TABLES, &made->store, error);
    if (code == OK)
        code = volume_read_meta(made, arena, &meta, error);
    if (code != OK)
        goto done;
    made->phase = meta.phase;
    *volume = made;
    made = NULL;
done:
    arena_destroy(arena);
    volume_close(made);
    return code;
}

void volume_close(struct volume *volume)
{
    if (!volume)
        return;
    store_close(volume->store);
    free(volume);
}

enum error_code volume_get_block(struct volume *volume, uint64_t number,
                                 const void **data, size_t *size, struct error *error)
{
    unsigned char key[BLOCK_KEY_SIZE];
    struct store_value value;
    store_u64_big(key, number);
    enum error_code code =
        store_get(volume->store, VOLUME_BLOCKS, key, sizeof key, &value, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED, "block %llu is missing",
                         (unsigned long long)number);
    if (code != OK)
        return code;
    *data = value.data;
    *size = value.size;
    return OK;
}

enum error_code volume_get_shard(struct volume *volume, shard_id shard,
                                 struct arena *arena, struct shard_entry *entry,
                                 struct error *error)
{
    unsigned char key[SHARD_KEY_SIZE];
    struct store_value value;
    volume_shard_key(volume->phase, shard, key);
    enum error_code code =
        store_get(volume->store, VOLUME_SHARDS, key, sizeof key, &value, error);
    if (code != OK)
        return code;
    return shard_entry_read(value.data, value.size, arena, entry, error);
}

enum error_code volume_each_shard(
    struct volume *volume, struct arena *arena,
    enum error_code (*visit)(const struct shard_entry *entry, void *user,
                             struct error *error),
    void *user, struct error *error)
{
    struct store_cursor *cursor;
    struct store_value key, value;
    struct shard_entry entry;
    enum error_code code =
        store_cursor_open(volume->store, VOLUME_SHARDS, &cursor, error);
    if (code != OK)
        return code;
    code = store_cursor_seek(cursor, "", 1, &key, &value, error);
    bool is_end = code == ERROR_CLOSED;
    while (code == OK) {
        code = shard_entry_read(value.data, value.size, arena, &entry, error);
        if (code == OK)
            code = visit(&entry, user, error);
        if (code != OK)
            break;
        code = store_cursor_next(cursor, &key, &value, error);
        is_end = code == ERROR_CLOSED;
    }
    store_cursor_close(cursor);
    return is_end ? OK : code;
}

static int compare_rejects(const void *a, const void *b)
{
    const struct reject *left = a;
    const struct reject *right = b;
    int order = strcmp(left->file, right->file);
    if (order != 0)
        return order;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return (left->copy > right->copy) - (left->copy < right->copy);
}

/* They were stored as they came up: those of the reader before those of the stages. */
static enum error_code load_rejects(struct volume *volume, shard_id shard, uint64_t count,
                                    struct arena *arena, struct reject *rejects,
                                    struct error *error)
{
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < count; i++) {
        unsigned char key[REJECT_KEY_SIZE];
        struct store_value value;
        volume_reject_key(shard, i, key);
        code = store_get(volume->store, VOLUME_REJECTS, key, sizeof key, &value, error);
        if (code == ERROR_CLOSED)
            code = error_set(error, ERROR_DAMAGED, "a quarantined record is missing");
        else if (code == OK)
            code = volume_reject_read(value.data, value.size, arena, &rejects[i], error);
    }
    return code;
}

enum error_code volume_each_reject(struct volume *volume, shard_id shard,
                                   struct arena *arena,
                                   enum error_code (*visit)(const struct reject *reject,
                                                            void *user,
                                                            struct error *error),
                                   void *user, struct error *error)
{
    struct shard_entry entry;
    uint64_t stored = 0;
    enum error_code code = volume_get_shard(volume, shard, arena, &entry, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED, "the shard is not in this volume");
    if (code == OK)
        code = store_count(volume->store, VOLUME_REJECTS, &stored, error);
    if (code != OK)
        return code;
    if (entry.reject_count > stored || entry.reject_count > UINT32_MAX)
        return error_set(error, ERROR_DAMAGED, "quarantined records are missing");
    size_t count = (size_t)entry.reject_count;
    struct reject *rejects = ARENA_NEW(arena, struct reject, count);
    if (!rejects)
        return error_set(error, ERROR_MEMORY, "no memory for quarantined records");
    code = load_rejects(volume, shard, count, arena, rejects, error);
    if (code != OK)
        return code;
    qsort(rejects, count, sizeof *rejects, compare_rejects);
    for (size_t i = 0; code == OK && i < count; i++)
        code = visit(&rejects[i], user, error);
    return code;
}

enum error_code volume_each_key(struct volume *volume, const void *key, size_t key_size,
                                enum error_code (*visit)(shard_id shard,
                                                         uint32_t position, void *user,
                                                         struct error *error),
                                void *user, struct error *error)
{
    unsigned char hash[KEY_HASH_SIZE];
    struct store_cursor *cursor;
    struct store_value found, value;
    key_hash_write(hash128(key, key_size), hash);
    enum error_code code = store_cursor_open(volume->store, VOLUME_KEYS, &cursor, error);
    if (code != OK)
        return code;
    code = store_cursor_seek(cursor, hash, sizeof hash, &found, &value, error);
    bool is_end = code == ERROR_CLOSED;
    while (code == OK) {
        is_end = found.size != sizeof hash || memcmp(found.data, hash, sizeof hash) != 0;
        if (is_end)
            break;
        code = value.size == KEY_PLACE_SIZE
                   ? visit(load_u64_big(value.data), load_u32_big(value.data + 8), user,
                           error)
                   : error_set(error, ERROR_DAMAGED, "damaged place of a key");
        if (code != OK)
            break;
        code = store_cursor_next(cursor, &found, &value, error);
        is_end = code == ERROR_CLOSED;
    }
    store_cursor_close(cursor);
    return is_end ? OK : code;
}
