/* lmdb_store.c - tables of bytes in one LMDB file; the only doorkeeper of lmdb */
#include "core/lmdb_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "core/bytes.h"
#include "core/platform.h"

enum { TABLES_MAX = 8, PAGE_SIZE_MIN = 512, PAGE_SIZE_MAX = 65536 };

/* Address space, not memory. Grown between transactions; a single one cannot be larger
 * than half of it. */
static const size_t MAP_SIZE_FIRST = (size_t)16 << 30;
static const uint64_t FREE_BYTES_LOW = 4 << 20;

struct store {
    MDB_env *env;    /* owned */
    MDB_txn *writer; /* owned; NULL: nothing to commit */
    MDB_txn *reader; /* owned; NULL before the first read */
    bool is_reader_stale;
    size_t cursors; /* open on the reader */
    size_t map_size;
    enum store_mode mode;
    MDB_dbi tables[TABLES_MAX];
    size_t table_count;
    char *path; /* owned */
};

struct store_cursor {
    MDB_cursor *cursor; /* owned */
    struct store *store;
};

/* LMDB turns a short write into EIO: only the file system knows that it is full. */
static bool is_disk_full(const char *path)
{
    struct statvfs facts;
    if (statvfs(path, &facts) != 0)
        return false;
    return (uint64_t)facts.f_bavail * facts.f_frsize < FREE_BYTES_LOW;
}

static enum error_code fail(const char *path, int status, const char *what,
                            struct error *error)
{
    switch (status) {
    case ENOSPC:
    case EDQUOT:
        return error_set(error, ERROR_FULL, "disk full: %s", path);
    case EIO:
        if (is_disk_full(path))
            return error_set(error, ERROR_FULL, "disk full: %s", path);
        break;
    case ENOMEM:
        return error_set(error, ERROR_MEMORY, "%s \"%s\": no memory", what, path);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_NOTFOUND:
    case MDB_INCOMPATIBLE:
        return error_set(error, ERROR_DAMAGED, "%s \"%s\": %s", what, path,
                         mdb_strerror(status));
    case MDB_KEYEXIST:
    case MDB_BAD_VALSIZE:
        return error_set(error, ERROR_FATAL, "%s \"%s\": %s", what, path,
                         mdb_strerror(status));
    default:
        break;
    }
    return error_set(error, ERROR_IO, "%s \"%s\": %s", what, path, mdb_strerror(status));
}

/* ---- opening ---- */

/* Where LMDB 0.9 keeps what we check, on 64-bit machines. */
enum {
    META_MAGIC_AT = 16,
    META_VERSION_AT = 20,
    META_PAGE_SIZE_AT = 40,
    META_LAST_PAGE_AT = 136,
    META_END = 160
};
static const uint32_t META_MAGIC = 0xBEEFC0DE;

static bool is_meta_sane(const unsigned char *page, uint64_t file_size,
                         uint32_t *page_size)
{
    uint32_t size = load_u32(page + META_PAGE_SIZE_AT);
    uint64_t last = load_u64(page + META_LAST_PAGE_AT);
    if (load_u32(page + META_MAGIC_AT) != META_MAGIC ||
        load_u32(page + META_VERSION_AT) != 1 || size < PAGE_SIZE_MIN ||
        size > PAGE_SIZE_MAX || (size & (size - 1)) != 0)
        return false;
    *page_size = size;
    return last < file_size / size;
}

/* Would LMDB divide by a page size of zero, or look behind the end of the file? */
static enum error_code check_file(const char *path, bool may_be_new, uint64_t *size,
                                  struct error *error)
{
    unsigned char page[META_END];
    uint32_t first_size = 0;
    uint32_t second_size = 0;
    struct stat facts;
    bool is_sane = false;
    *size = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT && may_be_new)
        return OK;
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))
        goto done;
    *size = (uint64_t)facts.st_size;
    is_sane = *size == 0 && may_be_new;
    if (is_sane || pread(file, page, sizeof page, 0) != (ssize_t)sizeof page ||
        !is_meta_sane(page, *size, &first_size))
        goto done;
    is_sane = pread(file, page, sizeof page, (off_t)first_size) == (ssize_t)sizeof page &&
              is_meta_sane(page, *size, &second_size) && first_size == second_size;
done:
    (void)close(file);
    if (!is_sane)
        return error_set(error, ERROR_DAMAGED, "damaged: \"%s\" is no LMDB file", path);
    return OK;
}

static int open_tables(struct store *store, const struct store_table *tables)
{
    bool is_writing = store->mode == STORE_WRITE;
    MDB_txn *txn;
    int status = mdb_txn_begin(store->env, NULL, is_writing ? 0 : MDB_RDONLY, &txn);
    if (status != 0)
        return status;
    for (size_t i = 0; status == 0 && i < store->table_count; i++) {
        unsigned flags = is_writing ? MDB_CREATE : 0;
        if (tables[i].has_duplicates)
            flags |= MDB_DUPSORT | MDB_DUPFIXED;
        status = mdb_dbi_open(txn, tables[i].name, flags, &store->tables[i]);
    }
    if (status == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return status;
}

static int open_environment(struct store *store, const char *path)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS;
    flags |= store->mode == STORE_WRITE ? MDB_NOSYNC : MDB_RDONLY;
    int status = mdb_env_create(&store->env);
    if (status == 0)
        status = mdb_env_set_maxdbs(store->env, TABLES_MAX);
    if (status == 0)
        status = mdb_env_set_mapsize(store->env, store->map_size);
    if (status == 0)
        status = mdb_env_open(store->env, path, flags, 0666);
    return status;
}

static struct store *store_create(const char *path, enum store_mode mode,
                                  size_t table_count)
{
    struct store *store = calloc(1, sizeof *store);
    size_t size = strlen(path) + 1;
    if (store)
        store->path = malloc(size);
    if (!store || !store->path) {
        free(store);
        return NULL;
    }
    memcpy(store->path, path, size);
    store->mode = mode;
    store->table_count = table_count;
    return store;
}

enum error_code store_open(const char *path, enum store_mode mode,
                           const struct store_table *tables, size_t table_count,
                           struct store **store, struct error *error)
{
    assert(table_count <= TABLES_MAX);
    uint64_t size;
    enum error_code code = check_file(path, mode == STORE_WRITE, &size, error);
    if (code != OK)
        return code;
    struct store *made = store_create(path, mode, table_count);
    if (!made)
        return error_set(error, ERROR_MEMORY, "cannot open \"%s\": no memory", path);
    made->map_size = (size_t)size;
    while (mode == STORE_WRITE && made->map_size < MAP_SIZE_FIRST + 2 * size)
        made->map_size =
            made->map_size < MAP_SIZE_FIRST ? MAP_SIZE_FIRST : 2 * made->map_size;
    int status = open_environment(made, path);
    if (status == 0)
        status = open_tables(made, tables);
    if (status != 0) {
        store_close(made);
        return fail(path, status, "cannot open", error);
    }
    *store = made;
    return OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_rollback(store);
    mdb_txn_abort(store->reader);
    if (store->env)
        mdb_env_close(store->env);
    free(store->path);
    free(store);
}

/* ---- writing ---- */

uint64_t store_bytes(const struct store *store)
{
    MDB_envinfo info;
    MDB_stat facts;
    if (mdb_env_info(store->env, &info) != 0 || mdb_env_stat(store->env, &facts) != 0)
        return 0;
    return ((uint64_t)info.me_last_pgno + 1) * facts.ms_psize;
}

void store_begin_writeback(const struct store *store, uint64_t offset, uint64_t size)
{
    int file;
    if (mdb_env_get_fd(store->env, &file) == 0)
        platform_begin_writeback(file, offset, size);
}

/* The next read shall see what was committed since, unless a cursor still needs the view. */
static void age_reader(struct store *store)
{
    if (!store->reader || store->is_reader_stale || store->cursors > 0)
        return;
    mdb_txn_reset(store->reader);
    store->is_reader_stale = true;
}

/* The map may only move while nobody reads. */
static void grow_map(struct store *store)
{
    if (store->cursors > 0 || store_bytes(store) < store->map_size / 2)
        return;
    age_reader(store);
    if (mdb_env_set_mapsize(store->env, store->map_size * 2) == 0)
        store->map_size *= 2;
}

static enum error_code begin(struct store *store, struct error *error)
{
    if (store->writer)
        return OK;
    assert(store->mode == STORE_WRITE);
    grow_map(store);
    int status = mdb_txn_begin(store->env, NULL, 0, &store->writer);
    if (status != 0)
        store->writer = NULL;
    return status == 0 ? OK : fail(store->path, status, "cannot write", error);
}

void store_rollback(struct store *store)
{
    if (store->writer)
        mdb_txn_abort(store->writer);
    store->writer = NULL;
}

static enum error_code undo(struct store *store, int status, struct error *error)
{
    store_rollback(store);
    return fail(store->path, status, "cannot write", error);
}

/* LMDB's values are not const, though it does not write through them. */
static MDB_val value_of(const void *data, size_t size)
{
    union {
        const void *in;
        void *out;
    } pointer = {.in = data};
    return (MDB_val){.mv_size = size, .mv_data = pointer.out};
}

enum error_code store_put(struct store *store, size_t table, const void *key,
                          size_t key_size, const void *data, size_t size,
                          enum store_put how, struct error *error)
{
    enum error_code code = begin(store, error);
    if (code != OK)
        return code;
    MDB_val key_value = value_of(key, key_size);
    MDB_val data_value = value_of(data, size);
    int status = mdb_put(store->writer, store->tables[table], &key_value, &data_value,
                         how == STORE_APPEND ? MDB_APPEND : 0);
    return status == 0 ? OK : undo(store, status, error);
}

enum error_code store_delete(struct store *store, size_t table, const void *key,
                             size_t key_size, struct error *error)
{
    enum error_code code = begin(store, error);
    if (code != OK)
        return code;
    MDB_val key_value = value_of(key, key_size);
    int status = mdb_del(store->writer, store->tables[table], &key_value, NULL);
    if (status == MDB_NOTFOUND)
        return error_set(error, ERROR_CLOSED, "no such key");
    return status == 0 ? OK : undo(store, status, error);
}

enum error_code store_clear_table(struct store *store, size_t table, struct error *error)
{
    enum error_code code = begin(store, error);
    if (code != OK)
        return code;
    int status = mdb_drop(store->writer, store->tables[table], 0);
    return status == 0 ? OK : undo(store, status, error);
}

enum error_code store_commit(struct store *store, struct error *error)
{
    if (!store->writer)
        return OK;
    int status = mdb_txn_commit(store->writer);
    store->writer = NULL;
    if (status != 0)
        return fail(store->path, status, "cannot write", error);
    age_reader(store);
    return OK;
}

enum error_code store_copy(struct store *store, int file, struct error *error)
{
    int status = mdb_env_copyfd2(store->env, file, MDB_CP_COMPACT);
    return status == 0 ? OK : fail(store->path, status, "cannot copy", error);
}

/* ---- reading ---- */

static enum error_code begin_read(struct store *store, struct error *error)
{
    int status = 0;
    if (!store->reader) {
        status = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader);
        if (status != 0)
            store->reader = NULL;
    } else if (store->is_reader_stale) {
        status = mdb_txn_renew(store->reader);
    }
    if (status != 0)
        return fail(store->path, status, "cannot read", error);
    store->is_reader_stale = false;
    return OK;
}

static enum error_code look_up(struct store *store, MDB_txn *txn, size_t table,
                               const void *key, size_t key_size,
                               struct store_value *value, struct error *error)
{
    MDB_val key_value = value_of(key, key_size);
    MDB_val data;
    int status = mdb_get(txn, store->tables[table], &key_value, &data);
    if (status == MDB_NOTFOUND)
        return error_set(error, ERROR_CLOSED, "no such key");
    if (status != 0)
        return fail(store->path, status, "cannot read", error);
    *value = (struct store_value){.data = data.mv_data, .size = data.mv_size};
    return OK;
}

enum error_code store_peek(struct store *store, size_t table, const void *key,
                           size_t key_size, struct store_value *value,
                           struct error *error)
{
    enum error_code code = begin(store, error);
    if (code != OK)
        return code;
    return look_up(store, store->writer, table, key, key_size, value, error);
}

enum error_code store_get(struct store *store, size_t table, const void *key,
                          size_t key_size, struct store_value *value, struct error *error)
{
    enum error_code code = begin_read(store, error);
    if (code != OK)
        return code;
    return look_up(store, store->reader, table, key, key_size, value, error);
}

enum error_code store_count(struct store *store, size_t table, uint64_t *count,
                            struct error *error)
{
    enum error_code code = begin_read(store, error);
    if (code != OK)
        return code;
    MDB_stat facts;
    int status = mdb_stat(store->reader, store->tables[table], &facts);
    if (status != 0)
        return fail(store->path, status, "cannot read", error);
    *count = facts.ms_entries;
    return OK;
}

enum error_code store_cursor_open(struct store *store, size_t table,
                                  struct store_cursor **cursor, struct error *error)
{
    enum error_code code = begin_read(store, error);
    if (code != OK)
        return code;
    struct store_cursor *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a cursor");
    int status = mdb_cursor_open(store->reader, store->tables[table], &made->cursor);
    if (status != 0) {
        free(made);
        return fail(store->path, status, "cannot read", error);
    }
    made->store = store;
    store->cursors++;
    *cursor = made;
    return OK;
}

void store_cursor_close(struct store_cursor *cursor)
{
    if (!cursor)
        return;
    mdb_cursor_close(cursor->cursor);
    cursor->store->cursors--;
    if (cursor->store->mode == STORE_WRITE)
        age_reader(cursor->store);
    free(cursor);
}

static enum error_code move(struct store_cursor *cursor, MDB_val *key,
                            MDB_cursor_op operation, struct store_value *found_key,
                            struct store_value *value, struct error *error)
{
    MDB_val data = {0};
    int status = mdb_cursor_get(cursor->cursor, key, &data, operation);
    if (status == MDB_NOTFOUND)
        return error_set(error, ERROR_CLOSED, "no more keys");
    if (status != 0)
        return fail(cursor->store->path, status, "cannot read", error);
    *found_key = (struct store_value){.data = key->mv_data, .size = key->mv_size};
    *value = (struct store_value){.data = data.mv_data, .size = data.mv_size};
    return OK;
}

enum error_code store_cursor_seek(struct store_cursor *cursor, const void *key,
                                  size_t key_size, struct store_value *found_key,
                                  struct store_value *value, struct error *error)
{
    MDB_val key_value = value_of(key, key_size);
    return move(cursor, &key_value, MDB_SET_RANGE, found_key, value, error);
}

enum error_code store_cursor_seek_before(struct store_cursor *cursor, const void *key,
                                         size_t key_size, struct store_value *found_key,
                                         struct store_value *value, struct error *error)
{
    MDB_val key_value = value_of(key, key_size);
    enum error_code code =
        move(cursor, &key_value, MDB_SET_RANGE, found_key, value, error);
    if (code != OK && code != ERROR_CLOSED)
        return code;
    return move(cursor, &key_value, code == OK ? MDB_PREV : MDB_LAST, found_key, value,
                error);
}

enum error_code store_cursor_next(struct store_cursor *cursor,
                                  struct store_value *found_key,
                                  struct store_value *value, struct error *error)
{
    MDB_val key_value = {0};
    return move(cursor, &key_value, MDB_NEXT, found_key, value, error);
}
