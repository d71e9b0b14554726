/* volume.c - an LMDB file with the results of some shards: writing and publishing */
#include "core/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/codec.h"
#include "core/lmdb_store.h"
#include "core/sealed_file.h"
#include "core/volume_keys.h"
#include "core/volume_layout.h"

enum {
    ARENA_BLOCK = 1 << 20,
    KEYS_IN_MEMORY_MAX = 1 << 20, /* then they go to their table before the seal */
    KEY_BYTES = 48,               /* about what a key takes in the file */
    EARLY_SIZE = 4 << 20
};
static const char META_KEY[] = "volume";

struct volume_writer {
    struct store *store;  /* owned */
    char *path;           /* owned */
    struct bytes scratch; /* owned */
    struct key_list keys; /* owned: not yet in their table */
    uint32_t phase;
    uint64_t next_block, pending_bytes;
    shard_id reject_shard;
    uint32_t next_reject;
    /* As of the last commit: */
    uint64_t committed_block;
    size_t committed_keys;
    bool is_early;
    uint64_t early_bytes; /* the disk has begun with those before */
};

static void destroy_writer(struct volume_writer *writer)
{
    if (!writer)
        return;
    store_close(writer->store);
    bytes_clear(&writer->scratch);
    key_list_clear(&writer->keys);
    free(writer->path);
    free(writer);
}

/* ---- opening, and taking over what a killed executor left ---- */

struct takeover {
    struct volume_writer *writer; /* borrowed */
    struct arena *arena;          /* borrowed; reset for every block */
};

static enum error_code recover_block(struct takeover *takeover, uint64_t number,
                                     shard_id shard, uint32_t *position,
                                     struct error *error)
{
    unsigned char key[BLOCK_KEY_SIZE];
    struct store_value value;
    struct batch *batch;
    struct file_names files;
    store_u64_big(key, number);
    enum error_code code =
        store_get(takeover->writer->store, VOLUME_BLOCKS, key, sizeof key, &value, error);
    if (code != OK)
        return code;
    arena_reset(takeover->arena);
    code = block_decode(value.data, value.size, takeover->arena, &batch, &files, error);
    for (uint32_t i = 0; code == OK && i < batch->count; i++) {
        const struct column *column = batch->columns[0];
        struct key_place place = {.shard = shard, .position = (*position)++};
        place.hash = hash128(column_row(column, i), (size_t)column_row_length(column, i));
        code = key_list_add(&takeover->writer->keys, &place, error);
    }
    return code;
}

static enum error_code recover_shard(struct takeover *takeover,
                                     const struct store_value *value, struct error *error)
{
    struct shard_entry entry;
    uint32_t position = 0;
    arena_reset(takeover->arena);
    enum error_code code =
        shard_entry_read(value->data, value->size, takeover->arena, &entry, error);
    if (code != OK)
        return code;
    for (uint64_t i = 0; code == OK && i < entry.block_count; i++)
        code =
            recover_block(takeover, entry.first_block + i, entry.shard, &position, error);
    return code;
}

/* Blocks may be there that no shard claims. */
static enum error_code find_next_block(struct volume_writer *writer, struct error *error)
{
    static const unsigned char beyond[BLOCK_KEY_SIZE + 1] = {255, 255, 255, 255, 255,
                                                             255, 255, 255, 255};
    struct store_cursor *cursor;
    struct store_value key, value;
    enum error_code code =
        store_cursor_open(writer->store, VOLUME_BLOCKS, &cursor, error);
    if (code != OK)
        return code;
    code = store_cursor_seek_before(cursor, beyond, sizeof beyond, &key, &value, error);
    if (code == OK && key.size != BLOCK_KEY_SIZE)
        code = error_set(error, ERROR_DAMAGED, "a block without a number");
    if (code == OK)
        writer->next_block = load_u64_big(key.data) + 1;
    store_cursor_close(cursor);
    return code == ERROR_CLOSED ? OK : code;
}

/* Keys were in the memory of the executor that died: they are made anew from the blocks. */
static enum error_code recover(struct volume_writer *writer, struct error *error)
{
    struct store_cursor *cursor = NULL;
    struct store_value key, value;
    struct takeover takeover = {.writer = writer, .arena = arena_create(ARENA_BLOCK, 0)};
    enum error_code code = OK;
    if (!takeover.arena)
        return error_set(error, ERROR_MEMORY, "no memory to take over a volume");
    code = store_cursor_open(writer->store, VOLUME_SHARDS, &cursor, error);
    if (code == OK)
        code = store_cursor_seek(cursor, "", 1, &key, &value, error);
    while (code == OK) {
        code = recover_shard(&takeover, &value, error);
        if (code == ERROR_CLOSED)
            code = error_set(error, ERROR_DAMAGED, "a block is missing");
        if (code == OK)
            code = store_cursor_next(cursor, &key, &value, error);
    }
    store_cursor_close(cursor);
    arena_destroy(takeover.arena);
    if (code != ERROR_CLOSED)
        return code;
    code = find_next_block(writer, error);
    if (code == OK)
        code = store_clear_table(writer->store, VOLUME_KEYS, error);
    return code;
}

static enum error_code open_writer(const char *path, const struct volume_meta *meta,
                                   struct volume_writer *writer, uint64_t *shard_count,
                                   struct error *error)
{
    struct store_value value;
    enum error_code code = store_open(path, STORE_WRITE, volume_tables, VOLUME_TABLES,
                                      &writer->store, error);
    if (code != OK)
        return code;
    volume_meta_write(meta, &writer->scratch);
    if (writer->scratch.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a volume");
    code = store_get(writer->store, VOLUME_META, META_KEY, sizeof META_KEY - 1, &value,
                     error);
    if (code == OK) {
        if (value.size != writer->scratch.size ||
            memcmp(value.data, writer->scratch.data, value.size) != 0)
            return error_set(error, ERROR_DAMAGED, "\"%s\" is of another job", path);
        code = recover(writer, error);
    } else if (code == ERROR_CLOSED) {
        code = store_put(writer->store, VOLUME_META, META_KEY, sizeof META_KEY - 1,
                         writer->scratch.data, writer->scratch.size, STORE_SET, error);
    }
    if (code == OK)
        code = volume_commit(writer, error);
    if (code == OK)
        code = store_count(writer->store, VOLUME_SHARDS, shard_count, error);
    return code;
}

static struct volume_writer *create_writer(const char *path, uint32_t phase)
{
    struct volume_writer *writer = calloc(1, sizeof *writer);
    size_t size = strlen(path) + 1;
    if (writer)
        writer->path = malloc(size);
    if (!writer || !writer->path) {
        free(writer);
        return NULL;
    }
    memcpy(writer->path, path, size);
    writer->phase = phase;
    return writer;
}

enum error_code volume_create(const char *path, const struct volume_meta *meta,
                              struct volume_writer **writer, uint64_t *shard_count,
                              struct error *error)
{
    for (bool is_again = false;; is_again = true) {
        uint64_t count = 0;
        struct volume_writer *made = create_writer(path, meta->phase);
        if (!made)
            return error_set(error, ERROR_MEMORY, "no memory for a volume");
        enum error_code code = open_writer(path, meta, made, &count, error);
        if (code == OK) {
            *writer = made;
            *shard_count = count;
            return OK;
        }
        destroy_writer(made);
        /* Nothing on scratch is worth more than running its shards again. */
        if (code != ERROR_DAMAGED || is_again)
            return code;
        if (unlink(path) != 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot remove \"%s\"", path);
    }
}

void volume_write_early(struct volume_writer *writer, const char *folder)
{
    struct stat file, target;
    writer->is_early = stat(writer->path, &file) == 0 && stat(folder, &target) == 0 &&
                       file.st_dev == target.st_dev;
}

/* What a later commit changes once more is written twice: few pages. */
static void begin_writeback(struct volume_writer *writer)
{
    uint64_t size = store_bytes(writer->store);
    if (!writer->is_early || size < writer->early_bytes + EARLY_SIZE)
        return;
    store_begin_writeback(writer->store, writer->early_bytes, size - writer->early_bytes);
    writer->early_bytes = size;
}

void volume_abandon(struct volume_writer *writer)
{
    destroy_writer(writer);
}

/* ---- writing ---- */

void volume_rollback(struct volume_writer *writer)
{
    store_rollback(writer->store);
    writer->next_block = writer->committed_block;
    writer->pending_bytes = 0;
    writer->next_reject = 0;
    key_list_cut(&writer->keys, writer->committed_keys);
}

static enum error_code put(struct volume_writer *writer, size_t table, const void *key,
                           size_t key_size, const void *data, size_t size,
                           enum store_put how, struct error *error)
{
    enum error_code code =
        store_put(writer->store, table, key, key_size, data, size, how, error);
    if (code != OK)
        volume_rollback(writer);
    else
        writer->pending_bytes += key_size + size;
    return code;
}

enum error_code volume_put_block(struct volume_writer *writer, const void *data,
                                 size_t size, uint64_t *number, struct error *error)
{
    unsigned char key[BLOCK_KEY_SIZE];
    store_u64_big(key, writer->next_block);
    enum error_code code =
        put(writer, VOLUME_BLOCKS, key, sizeof key, data, size, STORE_APPEND, error);
    if (code == OK)
        *number = writer->next_block++;
    return code;
}

enum error_code volume_put_key(struct volume_writer *writer, const void *key,
                               size_t key_size, shard_id shard, uint32_t position,
                               struct error *error)
{
    struct key_place place = {
        .hash = hash128(key, key_size), .shard = shard, .position = position};
    enum error_code code = key_list_add(&writer->keys, &place, error);
    if (code != OK)
        volume_rollback(writer);
    return code;
}

enum error_code volume_put_reject(struct volume_writer *writer, shard_id shard,
                                  const struct reject *reject, struct error *error)
{
    unsigned char key[REJECT_KEY_SIZE];
    if (writer->reject_shard != shard)
        writer->next_reject = 0;
    writer->reject_shard = shard;
    volume_reject_key(shard, writer->next_reject, key);
    bytes_reset(&writer->scratch);
    volume_reject_write(reject, &writer->scratch);
    if (writer->scratch.is_bad) {
        volume_rollback(writer);
        return error_set(error, ERROR_MEMORY, "no memory for a quarantined record");
    }
    enum error_code code =
        put(writer, VOLUME_REJECTS, key, sizeof key, writer->scratch.data,
            writer->scratch.size, STORE_SET, error);
    if (code == OK)
        writer->next_reject++;
    return code;
}

enum error_code volume_put_shard(struct volume_writer *writer,
                                 const struct shard_entry *entry, struct error *error)
{
    unsigned char key[SHARD_KEY_SIZE];
    volume_shard_key(writer->phase, entry->shard, key);
    bytes_reset(&writer->scratch);
    shard_entry_write(entry, &writer->scratch);
    if (writer->scratch.is_bad) {
        volume_rollback(writer);
        return error_set(error, ERROR_MEMORY, "no memory for a shard entry");
    }
    writer->next_reject = 0;
    return put(writer, VOLUME_SHARDS, key, sizeof key, writer->scratch.data,
               writer->scratch.size, STORE_SET, error);
}

/* Sorted and, where the table is empty, appended: a tenth of the cost of inserting them
 * as they come. */
static enum error_code store_keys(struct volume_writer *writer, struct error *error)
{
    uint64_t stored;
    enum error_code code = store_count(writer->store, VOLUME_KEYS, &stored, error);
    if (code == OK)
        code = key_list_sort(&writer->keys, error);
    const struct key_place *items = key_list_items(&writer->keys);
    size_t count = key_list_count(&writer->keys);
    for (size_t i = 0; code == OK && i < count; i++) {
        unsigned char key[KEY_HASH_SIZE];
        unsigned char place[KEY_PLACE_SIZE];
        bool is_repeated = i > 0 && hash128_is_equal(items[i].hash, items[i - 1].hash);
        key_hash_write(items[i].hash, key);
        key_place_write(items[i].shard, items[i].position, place);
        code = store_put(writer->store, VOLUME_KEYS, key, sizeof key, place, sizeof place,
                         stored == 0 && !is_repeated ? STORE_APPEND : STORE_SET, error);
    }
    return code;
}

/* Only when nothing else is to be committed: an error takes back these keys alone. */
static enum error_code flush_keys(struct volume_writer *writer, struct error *error)
{
    enum error_code code = store_keys(writer, error);
    if (code == OK)
        code = store_commit(writer->store, error);
    if (code == OK)
        key_list_cut(&writer->keys, 0);
    else
        store_rollback(writer->store);
    writer->committed_keys = key_list_count(&writer->keys);
    return code;
}

enum error_code volume_commit(struct volume_writer *writer, struct error *error)
{
    enum error_code code = store_commit(writer->store, error);
    if (code != OK) {
        volume_rollback(writer);
        return code;
    }
    writer->committed_block = writer->next_block;
    writer->committed_keys = key_list_count(&writer->keys);
    writer->pending_bytes = 0;
    if (writer->committed_keys > KEYS_IN_MEMORY_MAX)
        (void)flush_keys(writer, NULL); /* the seal tries again */
    begin_writeback(writer);
    return OK;
}

uint64_t volume_bytes(const struct volume_writer *writer)
{
    return store_bytes(writer->store) + writer->pending_bytes +
           (uint64_t)key_list_count(&writer->keys) * KEY_BYTES;
}

uint64_t volume_next_block(const struct volume_writer *writer)
{
    return writer->next_block;
}

/* ---- publishing ---- */

/* No fsync on scratch before: what is copied is read through the same page cache, and
 * only what is published has to outlive the machine. */
enum error_code volume_seal(struct volume_writer *writer, const char *folder,
                            const char *name, struct volume_info *info,
                            struct error *error)
{
    enum error_code code = volume_commit(writer, error);
    if (code == OK && key_list_count(&writer->keys) > 0)
        code = flush_keys(writer, error);
    if (code == OK)
        code = sealed_file_publish(writer->path, store_bytes(writer->store), folder, name,
                                   info, error);
    if (code == OK)
        destroy_writer(writer);
    return code;
}
