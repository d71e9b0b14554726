/* ledger_layout.c - the tables of a ledger and its copy, the index, and what their keys
 * and values look like */
#include "core/ledger_layout.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/ledger.h"

enum { RECORD_VERSION = 1, FILE_SIZE_MIN = 4, RUN_SIZE_MIN = 4 };

const struct store_table ledger_tables[LEDGER_TABLES] = {
    [LEDGER_META] = {.name = "meta"},         [LEDGER_PHASES] = {.name = "phases"},
    [LEDGER_STREAMS] = {.name = "streams"},   [LEDGER_ENTRIES] = {.name = "entries"},
    [LEDGER_VOLUMES] = {.name = "volumes"},   [LEDGER_SHARDS] = {.name = "shards"},
    [LEDGER_SUSPECTS] = {.name = "suspects"},
};

static void add_number(struct ledger_key *key, uint32_t number)
{
    store_u32_big(key->data + key->size, number);
    key->size += sizeof number;
}

struct ledger_key ledger_key_1(uint32_t a)
{
    struct ledger_key key = {.size = 0};
    add_number(&key, a);
    return key;
}

struct ledger_key ledger_key_2(uint32_t a, uint32_t b)
{
    struct ledger_key key = ledger_key_1(a);
    add_number(&key, b);
    return key;
}

struct ledger_key ledger_key_3(uint32_t a, uint32_t b, uint32_t c)
{
    struct ledger_key key = ledger_key_2(a, b);
    add_number(&key, c);
    return key;
}

struct ledger_key ledger_key_shard(uint32_t phase, shard_id shard)
{
    return ledger_key_3(phase, SHARD_RUN(shard), SHARD_INDEX(shard));
}

struct ledger_key ledger_key_suspect(uint32_t phase, shard_id shard, uint32_t ordinal)
{
    struct ledger_key key = ledger_key_shard(phase, shard);
    add_number(&key, ordinal);
    return key;
}

/* ---- writing ---- */

static void put_text(struct bytes *out, const char *text)
{
    bytes_put_text(out, text, strlen(text));
}

void phase_record_write(const struct phase_record *phase, struct bytes *out)
{
    const struct manifest *manifest = &phase->manifest;
    bytes_put_u8(out, RECORD_VERSION);
    bytes_put_varint(out, phase->phase);
    put_text(out, phase->name);
    bytes_put_varint(out, phase->shard_bytes);
    bytes_put_u8(out, phase->is_complete);
    bytes_put_varint(out, manifest->bytes);
    bytes_put_varint(out, manifest->shard_bytes);
    bytes_put_varint(out, manifest->file_count);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct input_file *file = &manifest->files[i];
        put_text(out, file->path);
        put_text(out, file->name);
        bytes_put_varint(out, file->size);
        bytes_put_u8(out, (uint8_t)file->compression);
    }
    bytes_put_varint(out, manifest->run_count);
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        const struct run *run = &manifest->runs[i];
        bytes_put_u8(out, (uint8_t)run->kind);
        bytes_put_varint(out, run->first_file);
        bytes_put_varint(out, run->file_count);
        bytes_put_varint(out, run->count);
    }
}

void volume_record_write(const struct volume_record *volume, struct bytes *out)
{
    bytes_put_u8(out, RECORD_VERSION);
    bytes_put_varint(out, volume->id);
    bytes_put_varint(out, volume->phase);
    put_text(out, volume->name);
    bytes_put_varint(out, volume->size);
    bytes_put_u64(out, volume->checksum.low);
    bytes_put_u64(out, volume->checksum.high);
}

void suspect_write(const struct suspect *suspect, struct bytes *out)
{
    bytes_put_u8(out, RECORD_VERSION);
    bytes_put_varint(out, suspect->phase);
    bytes_put_varint(out, SHARD_RUN(suspect->shard));
    bytes_put_varint(out, SHARD_INDEX(suspect->shard));
    bytes_put_varint(out, suspect->ordinal);
    bytes_put_varint(out, suspect->strikes);
    bytes_put_varint(out, suspect->stage);
    put_text(out, suspect->reason);
}

/* ---- reading ---- */

struct record_reader {
    struct cursor cursor;
    struct arena *arena;
    bool is_short; /* out of memory */
};

static struct record_reader reader_over(const void *data, size_t size,
                                        struct arena *arena)
{
    struct record_reader reader = {.cursor = cursor_over(data, size), .arena = arena};
    if (cursor_u8(&reader.cursor) != RECORD_VERSION)
        reader.cursor.is_bad = true;
    return reader;
}

static uint32_t read_u32(struct record_reader *reader)
{
    uint64_t value = cursor_varint(&reader->cursor);
    if (value > UINT32_MAX)
        reader->cursor.is_bad = true;
    return (uint32_t)value;
}

static uint32_t read_below(struct record_reader *reader, uint8_t limit)
{
    uint8_t value = cursor_u8(&reader->cursor);
    if (value >= limit) {
        reader->cursor.is_bad = true;
        return 0;
    }
    return value;
}

static const char *read_text(struct record_reader *reader)
{
    size_t size;
    const char *text = cursor_text(&reader->cursor, &size);
    if (!text || memchr(text, 0, size)) {
        reader->cursor.is_bad = true;
        return "";
    }
    const char *copy = arena_copy_text(reader->arena, text, size);
    reader->is_short |= !copy;
    return copy;
}

/* How many items follow that take at least `size_min` bytes each. */
static uint32_t read_count(struct record_reader *reader, size_t size_min)
{
    uint32_t count = read_u32(reader);
    if (count > cursor_left(&reader->cursor) / size_min)
        reader->cursor.is_bad = true;
    return reader->cursor.is_bad ? 0 : count;
}

static enum error_code finish(const struct record_reader *reader, const char *what,
                              struct error *error)
{
    if (reader->is_short)
        return error_set(error, ERROR_MEMORY, "no memory for %s", what);
    if (reader->cursor.is_bad || cursor_left(&reader->cursor) > 0)
        return error_set(error, ERROR_DAMAGED, "damaged: not %s", what);
    return OK;
}

static bool is_going(const struct record_reader *reader)
{
    return !reader->cursor.is_bad && !reader->is_short;
}

static void read_files(struct record_reader *reader, struct manifest *manifest)
{
    manifest->file_count = read_count(reader, FILE_SIZE_MIN);
    struct input_file *files =
        ARENA_NEW(reader->arena, struct input_file, manifest->file_count);
    reader->is_short |= !files;
    for (uint32_t i = 0; is_going(reader) && i < manifest->file_count; i++) {
        files[i].path = read_text(reader);
        files[i].name = read_text(reader);
        files[i].size = cursor_varint(&reader->cursor);
        files[i].compression = (enum compression)read_below(reader, COMPRESSION_ZSTD + 1);
    }
    manifest->files = files;
}

static void read_runs(struct record_reader *reader, struct manifest *manifest)
{
    manifest->run_count = read_count(reader, RUN_SIZE_MIN);
    struct run *runs = ARENA_NEW(reader->arena, struct run, manifest->run_count);
    reader->is_short |= !runs;
    for (uint32_t i = 0; is_going(reader) && i < manifest->run_count; i++) {
        runs[i].kind = (enum run_kind)read_below(reader, RUN_FINISH + 1);
        runs[i].first_file = read_u32(reader);
        runs[i].file_count = read_u32(reader);
        runs[i].count = read_u32(reader);
        if ((uint64_t)runs[i].first_file + runs[i].file_count > manifest->file_count)
            reader->cursor.is_bad = true;
    }
    manifest->runs = runs;
}

enum error_code phase_record_read(const void *data, size_t size, struct arena *arena,
                                  struct phase_record *phase, struct error *error)
{
    struct record_reader reader = reader_over(data, size, arena);
    struct phase_record read = {0};
    read.phase = read_u32(&reader);
    read.name = read_text(&reader);
    read.shard_bytes = cursor_varint(&reader.cursor);
    read.is_complete = read_below(&reader, 2) == 1;
    read.manifest.bytes = cursor_varint(&reader.cursor);
    read.manifest.shard_bytes = cursor_varint(&reader.cursor);
    if (is_going(&reader))
        read_files(&reader, &read.manifest);
    if (is_going(&reader))
        read_runs(&reader, &read.manifest);
    enum error_code code = finish(&reader, "a phase", error);
    if (code == OK)
        *phase = read;
    return code;
}

enum error_code volume_record_read(const void *data, size_t size, struct arena *arena,
                                   struct volume_record *volume, struct error *error)
{
    struct record_reader reader = reader_over(data, size, arena);
    struct volume_record read = {0};
    read.id = read_u32(&reader);
    read.phase = read_u32(&reader);
    read.name = read_text(&reader);
    read.size = cursor_varint(&reader.cursor);
    read.checksum.low = cursor_u64(&reader.cursor);
    read.checksum.high = cursor_u64(&reader.cursor);
    enum error_code code = finish(&reader, "a volume's record", error);
    if (code == OK)
        *volume = read;
    return code;
}

enum error_code suspect_read(const void *data, size_t size, struct arena *arena,
                             struct suspect *suspect, struct error *error)
{
    struct record_reader reader = reader_over(data, size, arena);
    struct suspect read = {0};
    read.phase = read_u32(&reader);
    uint32_t run = read_u32(&reader);
    read.shard = SHARD_ID(run, read_u32(&reader));
    read.ordinal = read_u32(&reader);
    read.strikes = read_u32(&reader);
    read.stage = read_u32(&reader);
    read.reason = read_text(&reader);
    enum error_code code = finish(&reader, "a suspect", error);
    if (code == OK)
        *suspect = read;
    return code;
}
