/* job_fixture.h - small volumes and job directories made by hand, for tests; everything
 * is inline, so that a test remains one file */
#ifndef TESTS_UNIT_JOB_FIXTURE_H
#define TESTS_UNIT_JOB_FIXTURE_H

#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/account.h"
#include "core/arena.h"
#include "core/batch.h"
#include "core/bytes.h"
#include "core/codec.h"
#include "core/ledger.h"
#include "core/volume.h"

enum { FIXTURE_COLUMNS = 10, FIXTURE_DIMENSION = 3, FIXTURE_RECORD_SIZE = 10 };

static const char *const fixture_names[] = {"a.jsonl", "b.jsonl", "c.jsonl"};
static const struct file_names fixture_files = {.names = fixture_names, .count = 3};

static inline uint32_t fixture_random(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static inline void fixture_bits(unsigned char *bits, uint32_t count, uint32_t *state)
{
    for (uint32_t i = 0; i < count; i++)
        if (fixture_random(state) % 4 != 0)
            bits[i / 8] |= (unsigned char)(1U << (i % 8));
}

/* Rows of 0 to 6 elements; images are 2 high, 1 wide, 0 to 3 deep. */
static inline uint64_t *fixture_offsets(struct arena *arena, uint32_t count,
                                        enum column_type type, uint32_t *state)
{
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = fixture_random(state) % 7;
        if (type == COLUMN_IMAGE_U8)
            length = length / 2 * 2;
        offsets[i + 1] = offsets[i] + length;
    }
    return offsets;
}

static inline void fixture_column(struct arena *arena, uint32_t count,
                                  enum column_type type, uint32_t *state,
                                  struct column *column)
{
    static const char *const names[] = {"",       "text",  "bytes", "bool",
                                        "i64",    "f64",   "list",  "floats",
                                        "vector", "image", "boxes"};
    column->name = names[type];
    column->type = type;
    column->dimension = type == COLUMN_VECTOR_F32 ? FIXTURE_DIMENSION : 0;
    uint64_t elements = (uint64_t)count * (column->dimension ? column->dimension : 1);
    if (column_has_offsets(type)) {
        column->offsets = fixture_offsets(arena, count, type, state);
        elements = column->offsets[count];
    }
    if (type == COLUMN_IMAGE_U8) {
        uint32_t *shapes = ARENA_NEW(arena, uint32_t, (size_t)count * 3);
        for (uint32_t i = 0; i < count; i++) {
            shapes[i * 3] = 2;
            shapes[i * 3 + 1] = 1;
            shapes[i * 3 + 2] =
                (uint32_t)(column->offsets[i + 1] - column->offsets[i]) / 2;
        }
        column->shapes = shapes;
    }
    size_t size = type == COLUMN_BOOL ? ((size_t)count + 7) / 8
                                      : (size_t)elements * column_element_size(type);
    unsigned char *data = arena_alloc(arena, size + 1, 1, 16);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)('a' + fixture_random(state) % 26);
    if (type == COLUMN_BOOL) {
        memset(data, 0, size);
        fixture_bits(data, count, state);
    }
    column->data = data;
    unsigned char *validity = arena_alloc(arena, ((size_t)count + 7) / 8 + 1, 1, 1);
    fixture_bits(validity, count, state);
    column->validity = type == COLUMN_I64 ? NULL : validity;
}

static inline struct column *fixture_key(struct arena *arena, uint32_t count,
                                         uint32_t seed)
{
    struct column *key = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    char *data = arena_alloc(arena, (size_t)count * 32 + 1, 1, 1);
    for (uint32_t i = 0; i < count; i++) {
        int length =
            snprintf(data + offsets[i], 32, "key-%u-%u", (unsigned)seed, (unsigned)i);
        offsets[i + 1] = offsets[i] + (uint64_t)length;
    }
    *key = (struct column){
        .name = "key", .type = COLUMN_UTF8, .offsets = offsets, .data = data};
    return key;
}

/* A batch with a column of every type, some values left out, that depends on nothing but
 * the arguments. All rows are of `file`. */
static inline struct batch *fixture_batch(struct arena *arena, uint32_t count,
                                          uint32_t file, uint32_t seed)
{
    uint32_t state = seed * 2654435761U + 1;
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    struct origin *origins = ARENA_NEW(arena, struct origin, count);
    struct column *columns = ARENA_NEW(arena, struct column, FIXTURE_COLUMNS);
    const struct column **list =
        ARENA_NEW(arena, const struct column *, FIXTURE_COLUMNS + 1);
    for (uint32_t i = 0; i < count; i++)
        origins[i] = (struct origin){.file = file,
                                     .ordinal = i,
                                     .offset = (uint64_t)i * FIXTURE_RECORD_SIZE,
                                     .size = FIXTURE_RECORD_SIZE};
    list[0] = fixture_key(arena, count, seed);
    for (int i = 0; i < FIXTURE_COLUMNS; i++) {
        fixture_column(arena, count, (enum column_type)(i + 1), &state, &columns[i]);
        list[i + 1] = &columns[i];
    }
    *batch = (struct batch){.count = count,
                            .column_count = FIXTURE_COLUMNS + 1,
                            .origins = origins,
                            .columns = list};
    return batch;
}

static inline bool fixture_rows_equal(const struct column *a, uint32_t row_a,
                                      const struct column *b, uint32_t row_b)
{
    struct bytes left = {0};
    struct bytes right = {0};
    column_put_canonical(a, row_a, &left);
    column_put_canonical(b, row_b, &right);
    bool is_equal =
        left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
    bytes_clear(&left);
    bytes_clear(&right);
    return is_equal && a->type == b->type && a->dimension == b->dimension &&
           strcmp(a->name, b->name) == 0;
}

/* A new folder below TMPDIR; fixture_remove() takes it away with all that is in it. */
static inline void fixture_folder(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, size, "%s/millrace-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path))
        abort();
}

/* Run a program to its end; returns its exit status, -1 when it had none. */
static inline int fixture_run(char *const *arguments)
{
    char *const environment[] = {NULL};
    pid_t child;
    int status;
    if (posix_spawn(&child, arguments[0], NULL, NULL, arguments, environment) != 0 ||
        waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static inline void fixture_remove(const char *path)
{
    char program[] = "/bin/rm", flags[] = "-rf", copy[4200];
    char *const arguments[] = {program, flags, copy, NULL};
    (void)snprintf(copy, sizeof copy, "%s", path);
    if (fixture_run(arguments) != 0)
        abort();
}

/* Of all rows of a batch, and one reject behind them. */
static inline struct hash128 fixture_digest(const struct batch *batch, const char *file,
                                            const struct reject *reject)
{
    struct bytes scratch = {0};
    struct hash128 sum = reject_digest(file, reject->offset, reject->copy, reject->stage,
                                       reject->reason, &scratch);
    for (uint32_t i = 0; i < batch->count; i++)
        sum = hash128_add(sum, record_digest(batch, i, file, &scratch));
    bytes_clear(&scratch);
    return sum;
}

/* One shard to a volume, not committed: `count` records in two blocks, and one reject.
 * Its entry's texts are constants. */
static inline struct shard_entry fixture_put_shard(struct volume_writer *writer,
                                                   shard_id shard, uint32_t count,
                                                   uint32_t seed)
{
    static const struct reason reasons[] = {{.stage = "input",
                                             .reason = "bad_json",
                                             .is_quarantine = true,
                                             .tally = {1, FIXTURE_RECORD_SIZE}}};
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct batch *batch = fixture_batch(arena, count, SHARD_RUN(shard), seed);
    struct reject reject = {.file = fixture_names[SHARD_RUN(shard)],
                            .offset = (uint64_t)count * FIXTURE_RECORD_SIZE,
                            .size = FIXTURE_RECORD_SIZE,
                            .stage = "input",
                            .reason = "bad_json",
                            .excerpt = (const unsigned char *)"{\"cut",
                            .excerpt_size = 5};
    uint64_t bytes = (uint64_t)count * FIXTURE_RECORD_SIZE;
    struct shard_entry entry = {
        .shard = shard,
        .first_block = volume_next_block(writer),
        .reject_count = 1,
        .account = {.read = {count + 1, bytes + FIXTURE_RECORD_SIZE},
                    .emitted = {count, bytes},
                    .quarantined = {1, FIXTURE_RECORD_SIZE}},
        .digest = fixture_digest(batch, reject.file, &reject),
        .reasons = reasons,
        .reason_count = 1};
    for (uint32_t begin = 0; begin < count; begin += (count + 1) / 2) {
        uint32_t end = begin + (count + 1) / 2 < count ? begin + (count + 1) / 2 : count;
        struct bytes block = {0};
        uint64_t number;
        struct batch *part = batch_slice(batch, begin, end, arena);
        if (block_encode(encoder, part, &fixture_files, NULL, end - begin, &block,
                         NULL) ||
            volume_put_block(writer, block.data, block.size, &number, NULL))
            abort();
        entry.block_count++;
        entry.stored_bytes += block.size;
        bytes_clear(&block);
    }
    for (uint32_t i = 0; i < count; i++)
        if (volume_put_key(writer, column_row(batch->columns[0], i),
                           (size_t)column_row_length(batch->columns[0], i), shard, i,
                           NULL))
            abort();
    if (volume_put_reject(writer, shard, &reject, NULL) ||
        volume_put_shard(writer, &entry, NULL))
        abort();
    block_encoder_destroy(encoder);
    arena_destroy(arena);
    return entry;
}

static inline void fixture_write_text(const char *folder, const char *name,
                                      const char *text)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

enum { FIXTURE_SHARDS_A_FILE = 2, FIXTURE_ROWS = 20, FIXTURE_FILES = 3 };

static inline void fixture_job_phase(struct ledger *ledger, struct arena *arena)
{
    struct input_file *files = ARENA_NEW(arena, struct input_file, FIXTURE_FILES);
    struct run *runs = ARENA_NEW(arena, struct run, FIXTURE_FILES);
    for (uint32_t i = 0; i < FIXTURE_FILES; i++) {
        files[i] = (struct input_file){
            .path = "/nowhere", .name = fixture_names[i], .size = 420};
        runs[i] = (struct run){.kind = RUN_PLAIN,
                               .first_file = i,
                               .file_count = 1,
                               .count = FIXTURE_SHARDS_A_FILE};
    }
    struct phase_record phase = {.name = "main",
                                 .shard_bytes = 210,
                                 .is_complete = true,
                                 .manifest = {.files = files,
                                              .file_count = FIXTURE_FILES,
                                              .runs = runs,
                                              .run_count = FIXTURE_FILES,
                                              .bytes = 1260,
                                              .shard_bytes = 210}};
    if (ledger_put_phase(ledger, &phase, NULL) != OK)
        abort();
}

static inline void fixture_volume(const char *folder, struct ledger *ledger, uint32_t id,
                                  uint32_t volumes, struct hash128 *sum)
{
    char path[4200], name[32];
    struct volume_meta meta = {.phase_name = "main", .host = "here"};
    struct volume_writer *writer;
    struct volume_info info;
    struct shard_entry entries[FIXTURE_FILES * FIXTURE_SHARDS_A_FILE];
    size_t count = 0;
    uint64_t taken;
    (void)snprintf(path, sizeof path, "%s/scratch-%u", folder, (unsigned)id);
    if (volume_create(path, &meta, &writer, &taken, NULL) != OK)
        abort();
    for (uint32_t i = 0; i < FIXTURE_FILES * FIXTURE_SHARDS_A_FILE; i++)
        if (i % volumes == id - 1) {
            entries[count] = fixture_put_shard(
                writer, SHARD_ID(i / FIXTURE_SHARDS_A_FILE, i % FIXTURE_SHARDS_A_FILE),
                FIXTURE_ROWS, i);
            *sum = hash128_add(*sum, entries[count].digest);
            count++;
        }
    (void)snprintf(name, sizeof name, "s1-%u.lmdb", (unsigned)id);
    (void)snprintf(path, sizeof path, "%s/volumes/main", folder);
    if (volume_seal(writer, path, name, &info, NULL) != OK)
        abort();
    struct volume_record record = {
        .id = id, .name = name, .size = info.size, .checksum = info.checksum};
    if (ledger_put_volume(ledger, &record, NULL) != OK)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct bytes bytes = {0};
        bool is_new;
        shard_entry_write(&entries[i], &bytes);
        if (ledger_put_shard(ledger, id, &entries[i], bytes.data, bytes.size, &is_new,
                             NULL) != OK)
            abort();
        bytes_clear(&bytes);
    }
}

/* A finished job in the folder `path`, which exists: one phase "main", three plain files
 * of two shards each, in `volumes` volumes. Returns the job's digest. */
static inline struct hash128 fixture_job(const char *path, uint32_t volumes)
{
    char name[4200];
    struct hash128 sum = {0};
    struct ledger *ledger;
    struct arena *arena = arena_create(1 << 12, 0);
    (void)snprintf(name, sizeof name, "%s/ledger", path);
    if (ledger_open(name, NULL, &ledger, NULL) != OK)
        abort();
    fixture_job_phase(ledger, arena);
    for (uint32_t id = 1; id <= volumes; id++)
        fixture_volume(path, ledger, id, volumes, &sum);
    (void)snprintf(name, sizeof name, "%s/index.lmdb", path);
    if (ledger_publish(ledger, name, NULL) != OK)
        abort();
    ledger_close(ledger);
    arena_destroy(arena);
    fixture_write_text(path, "status.json", "{\"state\": \"finished\"}\n");
    fixture_write_text(path, "pipeline.yaml", "name: fixture\n");
    return sum;
}

#endif
