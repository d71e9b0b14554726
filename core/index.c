/* index.c - reading a ledger, and its copy in the job directory */
#include "core/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/ledger_layout.h"
#include "core/lmdb_store.h"
#include "core/sealed_file.h"
#include "core/volume.h"

enum { ARENA_BLOCK = 4096, ENTRY_SIZE = 16 };

struct index {
    struct store *store;
    bool is_owner;       /* of the store */
    struct arena *arena; /* owned: values handed out */
};

enum error_code index_create_view(struct store *store, struct index **index,
                                  struct error *error)
{
    struct index *made = calloc(1, sizeof *made);
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    if (!made || !arena) {
        free(made);
        arena_destroy(arena);
        return error_set(error, ERROR_MEMORY, "no memory for an index");
    }
    made->store = store;
    made->arena = arena;
    *index = made;
    return OK;
}

enum error_code index_open(const char *path, struct index **index, struct error *error)
{
    struct volume_info info;
    struct store *store = NULL;
    enum error_code code = sealed_file_check(path, &info, error);
    if (code == OK)
        code = store_open(path, STORE_READ, ledger_tables, LEDGER_TABLES, &store, error);
    if (code != OK)
        return code;
    code = index_create_view(store, index, error);
    if (code == OK)
        (*index)->is_owner = true;
    else
        store_close(store);
    return code;
}

void index_close(struct index *index)
{
    if (!index)
        return;
    if (index->is_owner)
        store_close(index->store);
    arena_destroy(index->arena);
    free(index);
}

/* ---- single records ---- */

static enum error_code get(struct index *index, size_t table, struct ledger_key key,
                           struct store_value *value, struct error *error)
{
    return store_get(index->store, table, key.data, key.size, value, error);
}

enum error_code index_get_meta(struct index *index, const char *name, const void **data,
                               size_t *size, struct error *error)
{
    struct store_value value;
    enum error_code code =
        store_get(index->store, LEDGER_META, name, strlen(name), &value, error);
    if (code != OK)
        return code;
    const char *copy =
        arena_copy_text(index->arena, (const char *)value.data, value.size);
    if (!copy)
        return error_set(error, ERROR_MEMORY, "no memory for \"%s\"", name);
    *data = copy;
    *size = value.size;
    return OK;
}

enum error_code index_get_phase(struct index *index, uint32_t phase, struct arena *arena,
                                struct phase_record *record, struct error *error)
{
    struct store_value value;
    struct phase_record read;
    enum error_code code = get(index, LEDGER_PHASES, ledger_key_1(phase), &value, error);
    if (code == OK)
        code = phase_record_read(value.data, value.size, arena, &read, error);
    for (uint32_t i = 0; code == OK && i < read.manifest.run_count; i++) {
        if (read.manifest.runs[i].kind != RUN_STREAM)
            continue;
        code = get(index, LEDGER_STREAMS, ledger_key_2(phase, i), &value, error);
        if (code == OK && value.size == sizeof(uint32_t))
            read.manifest.runs[i].count = load_u32(value.data);
        else if (code == ERROR_CLOSED)
            code = OK;
    }
    if (code == OK)
        *record = read;
    return code;
}

uint32_t index_phase_count(struct index *index)
{
    uint64_t count;
    if (store_count(index->store, LEDGER_PHASES, &count, NULL) != OK)
        return 0;
    return (uint32_t)count;
}

enum error_code index_get_volume(struct index *index, uint32_t id, struct arena *arena,
                                 struct volume_record *volume, struct error *error)
{
    struct store_value value;
    enum error_code code = get(index, LEDGER_VOLUMES, ledger_key_1(id), &value, error);
    if (code != OK)
        return code;
    return volume_record_read(value.data, value.size, arena, volume, error);
}

static enum error_code read_shard(const struct store_value *value, struct arena *arena,
                                  struct shard_entry *entry, uint32_t *volume_id,
                                  struct error *error)
{
    if (value->size < LEDGER_SHARD_HEAD)
        return error_set(error, ERROR_DAMAGED, "damaged: not a shard's record");
    *volume_id = load_u32(value->data);
    return shard_entry_read(value->data + LEDGER_SHARD_HEAD,
                            value->size - LEDGER_SHARD_HEAD, arena, entry, error);
}

enum error_code index_get_shard(struct index *index, uint32_t phase, shard_id shard,
                                struct arena *arena, struct shard_entry *entry,
                                uint32_t *volume_id, struct error *error)
{
    struct store_value value;
    enum error_code code =
        get(index, LEDGER_SHARDS, ledger_key_shard(phase, shard), &value, error);
    if (code != OK)
        return code;
    return read_shard(&value, arena, entry, volume_id, error);
}

enum error_code index_get_entry(struct index *index_file, uint32_t phase, uint32_t run,
                                uint32_t index, uint64_t *compressed,
                                uint64_t *decompressed, struct error *error)
{
    struct store_cursor *cursor;
    struct store_value key, value;
    struct ledger_key prefix = ledger_key_2(phase, run);
    struct ledger_key behind = ledger_key_3(phase, run, index);
    /* One byte more: the first key that is greater than the wanted one itself. */
    behind.data[behind.size++] = 0;
    enum error_code code =
        store_cursor_open(index_file->store, LEDGER_ENTRIES, &cursor, error);
    if (code != OK)
        return code;
    code =
        store_cursor_seek_before(cursor, behind.data, behind.size, &key, &value, error);
    if (code == OK &&
        (key.size < prefix.size || memcmp(key.data, prefix.data, prefix.size) != 0))
        code =
            error_set(error, ERROR_CLOSED, "the stream has no entry before this shard");
    if (code == OK && value.size != ENTRY_SIZE)
        code = error_set(error, ERROR_DAMAGED, "damaged: not a stream's entry");
    if (code == OK) {
        *compressed = load_u64(value.data);
        *decompressed = load_u64(value.data + 8);
    }
    store_cursor_close(cursor);
    return code;
}

/* ---- all records of a kind ---- */

typedef enum error_code (*visit_value)(const struct store_value *value,
                                       struct arena *arena, void *context,
                                       struct error *error);

/* Every value whose key begins with `prefix`, in order. */
static enum error_code each(struct index *index, size_t table, struct ledger_key prefix,
                            struct arena *arena, visit_value visit, void *context,
                            struct error *error)
{
    static const unsigned char first[1] = {0};
    struct store_cursor *cursor;
    struct store_value key, value;
    enum error_code code = store_cursor_open(index->store, table, &cursor, error);
    if (code != OK)
        return code;
    code = prefix.size > 0
               ? store_cursor_seek(cursor, prefix.data, prefix.size, &key, &value, error)
               : store_cursor_seek(cursor, first, sizeof first, &key, &value, error);
    bool is_end = code == ERROR_CLOSED;
    while (code == OK) {
        is_end =
            key.size < prefix.size || memcmp(key.data, prefix.data, prefix.size) != 0;
        if (is_end)
            break;
        code = visit(&value, arena, context, error);
        if (code != OK)
            break;
        code = store_cursor_next(cursor, &key, &value, error);
        is_end = code == ERROR_CLOSED;
    }
    store_cursor_close(cursor);
    return is_end ? OK : code;
}

struct shard_visit {
    enum error_code (*visit)(const struct shard_entry *entry, uint32_t volume_id,
                             void *user, struct error *error);
    void *user;
};

static enum error_code visit_shard(const struct store_value *value, struct arena *arena,
                                   void *context, struct error *error)
{
    const struct shard_visit *shards = context;
    struct shard_entry entry;
    uint32_t volume_id = 0;
    enum error_code code = read_shard(value, arena, &entry, &volume_id, error);
    return code == OK ? shards->visit(&entry, volume_id, shards->user, error) : code;
}

enum error_code index_each_shard(struct index *index, uint32_t phase, struct arena *arena,
                                 enum error_code (*visit)(const struct shard_entry *entry,
                                                          uint32_t volume_id, void *user,
                                                          struct error *error),
                                 void *user, struct error *error)
{
    struct shard_visit shards = {.visit = visit, .user = user};
    return each(index, LEDGER_SHARDS, ledger_key_1(phase), arena, visit_shard, &shards,
                error);
}

struct volume_visit {
    enum error_code (*visit)(const struct volume_record *volume, void *user,
                             struct error *error);
    void *user;
};

static enum error_code visit_volume(const struct store_value *value, struct arena *arena,
                                    void *context, struct error *error)
{
    const struct volume_visit *volumes = context;
    struct volume_record volume;
    enum error_code code =
        volume_record_read(value->data, value->size, arena, &volume, error);
    return code == OK ? volumes->visit(&volume, volumes->user, error) : code;
}

enum error_code index_each_volume(
    struct index *index, struct arena *arena,
    enum error_code (*visit)(const struct volume_record *volume, void *user,
                             struct error *error),
    void *user, struct error *error)
{
    struct volume_visit volumes = {.visit = visit, .user = user};
    return each(index, LEDGER_VOLUMES, (struct ledger_key){.size = 0}, arena,
                visit_volume, &volumes, error);
}

struct suspect_visit {
    enum error_code (*visit)(const struct suspect *suspect, void *user,
                             struct error *error);
    void *user;
};

static enum error_code visit_suspect(const struct store_value *value, struct arena *arena,
                                     void *context, struct error *error)
{
    const struct suspect_visit *suspects = context;
    struct suspect suspect;
    enum error_code code = suspect_read(value->data, value->size, arena, &suspect, error);
    return code == OK ? suspects->visit(&suspect, suspects->user, error) : code;
}

enum error_code index_each_suspect(struct index *index, struct arena *arena,
                                   enum error_code (*visit)(const struct suspect *suspect,
                                                            void *user,
                                                            struct error *error),
                                   void *user, struct error *error)
{
    struct suspect_visit suspects = {.visit = visit, .user = user};
    return each(index, LEDGER_SUSPECTS, (struct ledger_key){.size = 0}, arena,
                visit_suspect, &suspects, error);
}
