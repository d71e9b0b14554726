/* ledger.c - the coordinator's record of what is done */
#include "core/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/ledger_layout.h"
#include "core/lmdb_store.h"
#include "core/sealed_file.h"
#include "core/volume.h"

enum { LEDGER_FORMAT = 1 };

struct ledger {
    struct store *store;  /* owned */
    char *path;           /* owned */
    struct bytes scratch; /* owned */
    uint64_t suspects;    /* at most so many: dropping what was never there is free */
};

static struct ledger *ledger_create(const char *path)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    size_t size = strlen(path) + 1;
    if (ledger)
        ledger->path = malloc(size);
    if (!ledger || !ledger->path) {
        free(ledger);
        return NULL;
    }
    memcpy(ledger->path, path, size);
    return ledger;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    if (ledger->store)
        (void)store_commit(ledger->store, NULL);
    store_close(ledger->store);
    bytes_clear(&ledger->scratch);
    free(ledger->path);
    free(ledger);
}

/* Without the footer and without free pages. */
static enum error_code copy_store(struct store *store, const char *path, uint64_t *size,
                                  struct error *error)
{
    struct stat facts;
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    enum error_code code = store_copy(store, file, error);
    if (code == OK && fstat(file, &facts) != 0)
        code = error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
    if (close(file) != 0 && code == OK)
        code = error_set_errno(error, ERROR_IO, errno, "cannot close \"%s\"", path);
    if (code == OK)
        *size = (uint64_t)facts.st_size;
    else
        (void)unlink(path);
    return code;
}

static enum error_code copy_index(const char *from, const char *path, struct error *error)
{
    struct volume_info info;
    struct store *store = NULL;
    uint64_t size;
    enum error_code code = sealed_file_check(from, &info, error);
    if (code == OK)
        code = store_open(from, STORE_READ, ledger_tables, LEDGER_TABLES, &store, error);
    if (code == OK)
        code = copy_store(store, path, &size, error);
    store_close(store);
    return code;
}

static enum error_code open_store(const char *path, struct ledger *ledger,
                                  struct error *error)
{
    enum error_code code = store_open(path, STORE_WRITE, ledger_tables, LEDGER_TABLES,
                                      &ledger->store, error);
    if (code != ERROR_DAMAGED)
        return code;
    if (unlink(path) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot remove \"%s\"", path);
    return store_open(path, STORE_WRITE, ledger_tables, LEDGER_TABLES, &ledger->store,
                      error);
}

enum error_code ledger_open(const char *path, const char *from, struct ledger **ledger,
                            struct error *error)
{
    static const unsigned char format[4] = {LEDGER_FORMAT};
    enum error_code code = from ? copy_index(from, path, error) : OK;
    if (code != OK)
        return code;
    struct ledger *made = ledger_create(path);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a ledger");
    code = open_store(path, made, error);
    if (code == OK)
        code = ledger_put_meta(made, "format", format, sizeof format, error);
    if (code == OK)
        code = ledger_commit(made, error);
    if (code == OK)
        code = store_count(made->store, LEDGER_SUSPECTS, &made->suspects, error);
    if (code != OK) {
        ledger_close(made);
        return code;
    }
    *ledger = made;
    return OK;
}

/* The value is what stands in `scratch`. */
static enum error_code put_scratch(struct ledger *ledger, size_t table,
                                   struct ledger_key key, struct error *error)
{
    if (ledger->scratch.is_bad) {
        store_rollback(ledger->store);
        return error_set(error, ERROR_MEMORY, "no memory for the ledger");
    }
    return store_put(ledger->store, table, key.data, key.size, ledger->scratch.data,
                     ledger->scratch.size, STORE_SET, error);
}

enum error_code ledger_put_meta(struct ledger *ledger, const char *name, const void *data,
                                size_t size, struct error *error)
{
    return store_put(ledger->store, LEDGER_META, name, strlen(name), data, size,
                     STORE_SET, error);
}

enum error_code ledger_put_phase(struct ledger *ledger, const struct phase_record *phase,
                                 struct error *error)
{
    bytes_reset(&ledger->scratch);
    phase_record_write(phase, &ledger->scratch);
    return put_scratch(ledger, LEDGER_PHASES, ledger_key_1(phase->phase), error);
}

enum error_code ledger_put_stream(struct ledger *ledger, uint32_t phase, uint32_t run,
                                  uint32_t count, struct error *error)
{
    bytes_reset(&ledger->scratch);
    bytes_put_u32(&ledger->scratch, count);
    return put_scratch(ledger, LEDGER_STREAMS, ledger_key_2(phase, run), error);
}

enum error_code ledger_put_entry(struct ledger *ledger, uint32_t phase, uint32_t run,
                                 uint32_t index, uint64_t compressed,
                                 uint64_t decompressed, struct error *error)
{
    bytes_reset(&ledger->scratch);
    bytes_put_u64(&ledger->scratch, compressed);
    bytes_put_u64(&ledger->scratch, decompressed);
    return put_scratch(ledger, LEDGER_ENTRIES, ledger_key_3(phase, run, index), error);
}

enum error_code ledger_put_volume(struct ledger *ledger,
                                  const struct volume_record *volume, struct error *error)
{
    bytes_reset(&ledger->scratch);
    volume_record_write(volume, &ledger->scratch);
    return put_scratch(ledger, LEDGER_VOLUMES, ledger_key_1(volume->id), error);
}

enum error_code ledger_put_shard(struct ledger *ledger, uint32_t volume_id,
                                 const struct shard_entry *decoded, const void *entry,
                                 size_t size, bool *is_new, struct error *error)
{
    struct ledger_key key = ledger_key_shard(decoded->phase, decoded->shard);
    struct store_value value;
    enum error_code code =
        store_peek(ledger->store, LEDGER_SHARDS, key.data, key.size, &value, error);
    if (code == OK && value.size >= LEDGER_SHARD_HEAD &&
        load_u32(value.data + 4) >= decoded->generation) {
        *is_new = false;
        return OK;
    }
    if (code != OK && code != ERROR_CLOSED)
        return code;
    bytes_reset(&ledger->scratch);
    bytes_put_u32(&ledger->scratch, volume_id);
    bytes_put_u32(&ledger->scratch, decoded->generation);
    bytes_put(&ledger->scratch, entry, size);
    code = put_scratch(ledger, LEDGER_SHARDS, key, error);
    if (code == OK)
        *is_new = true;
    return code;
}

enum error_code ledger_put_suspect(struct ledger *ledger, const struct suspect *suspect,
                                   struct error *error)
{
    bytes_reset(&ledger->scratch);
    suspect_write(suspect, &ledger->scratch);
    ledger->suspects++;
    return put_scratch(
        ledger, LEDGER_SUSPECTS,
        ledger_key_suspect(suspect->phase, suspect->shard, suspect->ordinal), error);
}

/* The keys of the shard's suspects, one behind the other, to `scratch`. */
static enum error_code list_suspects(struct ledger *ledger, struct ledger_key shard,
                                     struct error *error)
{
    struct store_cursor *cursor;
    struct store_value key, value;
    bytes_reset(&ledger->scratch);
    enum error_code code =
        store_cursor_open(ledger->store, LEDGER_SUSPECTS, &cursor, error);
    if (code != OK)
        return code;
    code = store_cursor_seek(cursor, shard.data, shard.size, &key, &value, error);
    while (code == OK && key.size == LEDGER_KEY_MAX &&
           memcmp(key.data, shard.data, shard.size) == 0) {
        bytes_put(&ledger->scratch, key.data, key.size);
        code = store_cursor_next(cursor, &key, &value, error);
    }
    store_cursor_close(cursor);
    return code == ERROR_CLOSED ? OK : code;
}

enum error_code ledger_drop_suspects(struct ledger *ledger, uint32_t phase,
                                     shard_id shard, struct error *error)
{
    if (ledger->suspects == 0)
        return OK;
    enum error_code code = ledger_commit(ledger, error);
    if (code == OK)
        code = list_suspects(ledger, ledger_key_shard(phase, shard), error);
    for (size_t i = 0; code == OK && i < ledger->scratch.size; i += LEDGER_KEY_MAX)
        code = store_delete(ledger->store, LEDGER_SUSPECTS, ledger->scratch.data + i,
                            LEDGER_KEY_MAX, error);
    return code;
}

enum error_code ledger_commit(struct ledger *ledger, struct error *error)
{
    return store_commit(ledger->store, error);
}

enum error_code ledger_publish(struct ledger *ledger, const char *path,
                               struct error *error)
{
    char folder[PATH_MAX], copy[PATH_MAX];
    struct volume_info info;
    uint64_t size = 0;
    const char *slash = strrchr(path, '/');
    int length = slash
                     ? snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path)
                     : snprintf(folder, sizeof folder, ".");
    if (length < 0 || (size_t)length >= sizeof folder)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", path);
    length = snprintf(copy, sizeof copy, "%s.copy", ledger->path);
    if (length < 0 || (size_t)length >= sizeof copy)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", ledger->path);
    enum error_code code = ledger_commit(ledger, error);
    if (code == OK)
        code = copy_store(ledger->store, copy, &size, error);
    if (code != OK)
        return code;
    code =
        sealed_file_publish(copy, size, folder, slash ? slash + 1 : path, &info, error);
    if (code != OK)
        (void)unlink(copy);
    return code;
}

enum error_code ledger_index(struct ledger *ledger, struct index **index,
                             struct error *error)
{
    return index_create_view(ledger->store, index, error);
}
