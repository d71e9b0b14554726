/* bench_store.c - times of volumes and ledger:   bench_store FOLDER [TEXT-FILE [IDS-FILE]]
 *
 * FOLDER gets scratch and published files; TEXT-FILE is plain text, IDS-FILE raw uint32_t
 * token ids. CPU time of the process and wall time, the best of five. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/codec.h"
#include "core/ledger.h"
#include "core/volume.h"

enum {
    ROUNDS = 5,
    BLOCK_SIZE = 64 << 10,
    ROWS_MAX = 4096,
    TINY_SHARDS = 50000,
    TINY_GROUP = 100,
    LEDGER_SHARDS_COUNT = 200000,
    LEDGER_GROUP = 1000,
    TOTAL_SIZE = 64 << 20
};
static const struct volume_meta meta = {.phase_name = "main", .host = "bench"};
static const char *const file_name = "bench.jsonl";
static const struct file_names files = {.names = &file_name, .count = 1};

static void must(enum error_code code, const struct error *error)
{
    if (code == OK)
        return;
    (void)fprintf(stderr, "bench_store: %s\n", error->text);
    exit(1);
}

struct timing {
    int64_t cpu_us, wall_us;
};

static struct timing now(void)
{
    return (struct timing){.cpu_us = clock_process_us(), .wall_us = clock_now_us()};
}

static void keep_best(struct timing *best, struct timing begin)
{
    struct timing end = now();
    int64_t cpu = end.cpu_us - begin.cpu_us;
    int64_t wall = end.wall_us - begin.wall_us;
    if (best->cpu_us == 0 || cpu < best->cpu_us)
        best->cpu_us = cpu;
    if (best->wall_us == 0 || wall < best->wall_us)
        best->wall_us = wall;
}

/* Rows of some `row_size` bytes of a column, from `data` on. */
static struct batch *make_batch(const unsigned char *data, size_t size, size_t row_size,
                                enum column_type type, struct arena *arena)
{
    size_t element = column_element_size(type);
    uint32_t count = (uint32_t)(size / row_size);
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    struct origin *origins = ARENA_NEW(arena, struct origin, count);
    struct column *columns = ARENA_NEW(arena, struct column, 2);
    const struct column **list = ARENA_NEW(arena, const struct column *, 2);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    uint64_t *key_offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    char *keys = arena_alloc(arena, (size_t)count * 24 + 1, 1, 1);
    for (uint32_t i = 0; i < count; i++) {
        origins[i] = (struct origin){.offset = (uint64_t)i * row_size, .size = row_size};
        offsets[i + 1] = offsets[i] + row_size / element;
        int length = snprintf(keys + key_offsets[i], 24, "doc-%08x",
                              (unsigned)hash64(&offsets[i], 8, (uintptr_t)data));
        key_offsets[i + 1] = key_offsets[i] + (uint64_t)length;
    }
    columns[0] = (struct column){
        .name = "key", .type = COLUMN_UTF8, .offsets = key_offsets, .data = keys};
    columns[1] =
        (struct column){.name = "value", .type = type, .offsets = offsets, .data = data};
    list[0] = &columns[0];
    list[1] = &columns[1];
    *batch = (struct batch){
        .count = count, .column_count = 2, .origins = origins, .columns = list};
    return batch;
}

/* One batch: digests, block, keys. Returns the raw bytes of its columns. */
static uint64_t put_batch(struct volume_writer *writer, struct block_encoder *encoder,
                          const struct batch *batch, shard_id shard, uint32_t *position,
                          struct bytes *block)
{
    struct error error;
    struct bytes scratch = {0};
    struct hash128 sum = {0};
    uint64_t number;
    bytes_reset(block);
    must(block_encode(encoder, batch, &files, NULL, batch->count, block, &error), &error);
    must(volume_put_block(writer, block->data, block->size, &number, &error), &error);
    uint64_t raw = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct column *key = batch->columns[0];
        sum = hash128_add(sum, record_digest(batch, i, file_name, &scratch));
        must(volume_put_key(writer, column_row(key, i), (size_t)column_row_length(key, i),
                            shard, (*position)++, &error),
             &error);
        raw +=
            column_row_length(key, i) + column_row_length(batch->columns[1], i) *
                                            column_element_size(batch->columns[1]->type);
    }
    bytes_clear(&scratch);
    return raw;
}

/* A volume of TOTAL_SIZE raw bytes in shards of 16 MiB, from encoding to the rename. */
static void bench_volume(const char *folder, const char *what, const struct bytes *source,
                         size_t row_size, enum column_type type)
{
    char path[4200];
    struct error error;
    struct timing put = {0};
    struct timing all = {0};
    struct volume_info info = {0};
    uint64_t raw = 0;
    int64_t fsync_best = INT64_MAX;
    struct arena *arena = arena_create(1 << 20, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct bytes block = {0};
    size_t blocks = source->size / BLOCK_SIZE;
    assert(blocks > 0);
    struct batch **batches = ARENA_NEW(arena, struct batch *, blocks);
    for (size_t i = 0; i < blocks; i++)
        batches[i] =
            make_batch(source->data + i * BLOCK_SIZE, BLOCK_SIZE, row_size, type, arena);
    (void)snprintf(path, sizeof path, "%s/scratch", folder);
    for (int round = 0; round < ROUNDS; round++) {
        struct volume_writer *writer;
        uint64_t count;
        uint32_t position = 0;
        must(volume_create(path, &meta, &writer, &count, &error), &error);
        struct timing begin = now();
        raw = 0;
        for (size_t i = 0; raw < TOTAL_SIZE; i++) {
            raw += put_batch(writer, encoder, batches[i % blocks], i / 256, &position,
                             &block);
            if (i % 256 == 255)
                must(volume_commit(writer, &error), &error);
        }
        struct shard_entry entry = {.shard = 1};
        must(volume_put_shard(writer, &entry, &error), &error);
        must(volume_commit(writer, &error), &error);
        keep_best(&put, begin);
        must(volume_seal(writer, folder, "bench.lmdb", &info, &error), &error);
        keep_best(&all, begin);
        if (info.fsync_us < fsync_best)
            fsync_best = info.fsync_us;
    }
    (void)printf(
        "volume of %-12s %5.0f MB/s CPU to commit, %5.0f to the rename, %5.0f wall "
        "(fsync %.1f ms in %u); %.2f times smaller\n",
        what, (double)raw / (double)put.cpu_us, (double)raw / (double)all.cpu_us,
        (double)raw / (double)all.wall_us, (double)fsync_best / 1e3,
        (unsigned)info.fsync_count, (double)raw / (double)info.size);
    bytes_clear(&block);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

/* Shards of one record, committed in groups, sealed at the end. */
static void bench_tiny(const char *folder)
{
    static const unsigned char text[64] =
        "a record of a shard that is as small as can be";
    char path[4200];
    struct error error;
    struct timing best = {0};
    struct timing put = {0};
    struct volume_info info = {0};
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct bytes block = {0};
    struct batch *batch = make_batch(text, sizeof text, sizeof text, COLUMN_UTF8, arena);
    (void)snprintf(path, sizeof path, "%s/scratch", folder);
    for (int round = 0; round < ROUNDS; round++) {
        struct volume_writer *writer;
        uint64_t count;
        must(volume_create(path, &meta, &writer, &count, &error), &error);
        struct timing begin = now();
        for (uint32_t i = 0; i < TINY_SHARDS; i++) {
            uint32_t position = 0;
            struct shard_entry entry = {.shard = i, .first_block = i, .block_count = 1};
            (void)put_batch(writer, encoder, batch, i, &position, &block);
            must(volume_put_shard(writer, &entry, &error), &error);
            if (i % TINY_GROUP == TINY_GROUP - 1)
                must(volume_commit(writer, &error), &error);
        }
        keep_best(&put, begin);
        must(volume_seal(writer, folder, "bench.lmdb", &info, &error), &error);
        keep_best(&best, begin);
    }
    (void)printf(
        "tiny shards, commit each %d: %.2f us CPU a shard to commit, %.2f to the "
        "rename, %.2f wall; %u fsyncs of %.1f ms in all; %.0f bytes a shard\n",
        TINY_GROUP, (double)put.cpu_us / TINY_SHARDS, (double)best.cpu_us / TINY_SHARDS,
        (double)best.wall_us / TINY_SHARDS, (unsigned)info.fsync_count,
        (double)info.fsync_us / 1e3, (double)info.size / TINY_SHARDS);
    bytes_clear(&block);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

static void bench_ledger(const char *folder)
{
    char path[4200], index[4200];
    struct error error;
    struct timing best = {0};
    struct timing publish = {0};
    (void)snprintf(path, sizeof path, "%s/ledger", folder);
    (void)snprintf(index, sizeof index, "%s/index.lmdb", folder);
    for (int round = 0; round < ROUNDS; round++) {
        struct ledger *ledger;
        struct bytes bytes = {0};
        (void)remove(path);
        must(ledger_open(path, NULL, &ledger, &error), &error);
        struct timing begin = now();
        for (uint32_t i = 0; i < LEDGER_SHARDS_COUNT; i++) {
            bool is_new;
            struct shard_entry entry = {
                .shard = SHARD_ID(i % 7, i / 7),
                .first_block = i,
                .block_count = 1,
                .stored_bytes = 5000,
                .account = {.read = {100, 16384}, .emitted = {100, 16384}},
                .digest = {i, i}};
            bytes_reset(&bytes);
            shard_entry_write(&entry, &bytes);
            must(ledger_put_shard(ledger, 1, &entry, bytes.data, bytes.size, &is_new,
                                  &error),
                 &error);
            if (i % LEDGER_GROUP == LEDGER_GROUP - 1)
                must(ledger_commit(ledger, &error), &error);
        }
        keep_best(&best, begin);
        begin = now();
        must(ledger_publish(ledger, index, &error), &error);
        keep_best(&publish, begin);
        ledger_close(ledger);
        bytes_clear(&bytes);
    }
    (void)printf("ledger, commit each %d: %.2f us CPU a shard, %.2f wall; index of %d "
                 "shards published in %.1f ms CPU, %.1f wall\n",
                 LEDGER_GROUP, (double)best.cpu_us / LEDGER_SHARDS_COUNT,
                 (double)best.wall_us / LEDGER_SHARDS_COUNT, LEDGER_SHARDS_COUNT,
                 (double)publish.cpu_us / 1e3, (double)publish.wall_us / 1e3);
}

static bool load(const char *path, struct bytes *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    unsigned char *room = bytes_reserve(bytes, TOTAL_SIZE);
    bytes->size = room ? fread(room, 1, TOTAL_SIZE, file) : 0;
    (void)fclose(file);
    return bytes->size >= BLOCK_SIZE;
}

int main(int argc, char **argv)
{
    struct bytes text = {0};
    struct bytes ids = {0};
    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench_store FOLDER [TEXT-FILE [IDS-FILE]]\n");
        return 2;
    }
    if (argc > 2 && load(argv[2], &text)) {
        bench_volume(argv[1], "text", &text, 2048, COLUMN_UTF8);
        bench_volume(argv[1], "short text", &text, 128, COLUMN_UTF8);
    }
    if (argc > 3 && load(argv[3], &ids))
        bench_volume(argv[1], "tokens", &ids, 2048, COLUMN_LIST_U32);
    bench_tiny(argv[1]);
    bench_ledger(argv[1]);
    bytes_clear(&text);
    bytes_clear(&ids);
    return 0;
}
