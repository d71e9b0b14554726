/* bench_parts.c - CPU time of a job's parts, each alone, or of all of them in one process
 *
 *     bench_parts parts|whole PIPELINE FILE FOLDER
 *
 * FILE is read as the input of the pipeline's first phase, plain or compressed; FOLDER gets
 * scratch and volumes. `parts` takes one shard after another and gives each part all the
 * batches of the shard in one go; `whole` drives the modules of an executor without worker
 * and coordinator. Prints one line of JSON, times in us of this process. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/codec.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "core/protocol.h"
#include "core/reader.h"
#include "core/volume.h"
#include "stages/registry.h"
#include "worker/chain.h"
#include "worker/shard_run.h"

enum {
    ROOM = 1 << 20,
    BATCH_RECORDS = 512,
    BATCH_BYTES = 256 << 10,
    BLOCK_BYTES = 48 << 10,
    BATCHES_MAX = 1 << 16,
    STAGES = 16,
    PATH_SIZE = 4096
};

enum part { PREPARE, DECOMPRESS, PARSE, PROCESS, DIGEST, ENCODE, STORE, PART_COUNT };
static const char *const part_names[PART_COUNT] = {
    "prepare", "decompress", "parse", "process", "digest", "encode", "store"};

struct bench {
    const struct pipeline *pipeline;
    const struct phase_spec *phase;
    struct chain *chain;
    const char *folder;
    struct extent extent; /* the file; then the shard at hand */
    enum compression compression;
    uint64_t size, shard;
    struct cutter *cutter; /* compressed files */
    struct slot slot;
    bool is_cut;
    uint64_t records, bytes, seals;
    uint64_t stored_bytes;
    int64_t us[PART_COUNT], total_us, fsync_us, store_wall_us;
};

static void must(enum error_code code, const struct error *error)
{
    if (code == OK)
        return;
    (void)fprintf(stderr, "bench_parts: %s\n", error->text);
    exit(1);
}

static void *must_have(void *memory)
{
    if (memory)
        return memory;
    (void)fprintf(stderr, "bench_parts: no memory\n");
    exit(1);
}

static bool grow_slot(struct slot *slot, size_t size)
{
    slot->data = must_have(realloc(slot->data, size * 2));
    slot->capacity = size * 2;
    return true;
}

static void examine_file(struct bench *bench, const char *path)
{
    unsigned char magic[2] = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fread(magic, 1, 2, file) != 2 || fseeko(file, 0, SEEK_END) != 0) {
        (void)fprintf(stderr, "bench_parts: cannot read \"%s\"\n", path);
        exit(1);
    }
    bench->size = (uint64_t)ftello(file);
    (void)fclose(file);
    bench->compression = magic[0] == 0x1f   ? COMPRESSION_GZIP
                         : magic[0] == 0x28 ? COMPRESSION_ZSTD
                                            : COMPRESSION_NONE;
    bench->extent = (struct extent){.path = path, .name = "bench"};
}

/* What prepare() wrote, in memory. An executor maps it: reading it costs no part any
 * time. */
static struct chain_prepared load_prepared(const char *path)
{
    struct bytes content = {0};
    FILE *file = must_have(fopen(path, "rb"));
    size_t got;
    do {
        unsigned char *room = must_have(bytes_reserve(&content, ROOM));
        got = fread(room, 1, ROOM, file);
        content.size += got;
    } while (got);
    (void)fclose(file);
    return (struct chain_prepared){.data = content.data, .size = content.size};
}

/* The stages as an executor opens them; what they prepared lives as long as we do. */
static void open_stages(struct bench *bench)
{
    struct error error;
    struct chain_prepared prepared[STAGES] = {{0}};
    for (size_t i = 0; i < bench->phase->stage_count && i < STAGES; i++) {
        const struct stage_spec *stage = &bench->phase->stages[i];
        char path[PATH_SIZE];
        if (!stage->type->prepare)
            continue;
        (void)snprintf(path, sizeof path, "%s/stage-%zu.prepared", bench->folder, i);
        int64_t begin_us = clock_process_us();
        must(stage->type->prepare(stage->options, path, &error), &error);
        bench->us[PREPARE] += clock_process_us() - begin_us;
        prepared[i] = load_prepared(path);
    }
    must(chain_open(bench->phase, prepared, NULL, &bench->chain, &error), &error);
}

/* The next shard of the file in bench->extent; false: there is none. */
static bool next_shard(struct bench *bench)
{
    struct error error;
    struct extent *extent = &bench->extent;
    uint64_t step = bench->phase->shard_bytes;
    if (bench->compression == COMPRESSION_NONE) {
        if (bench->shard * step >= bench->size)
            return false;
        extent->begin = bench->shard++ * step;
        extent->end =
            extent->begin + step < bench->size ? extent->begin + step : bench->size;
        return true;
    }
    if (!bench->cutter)
        must(cutter_open(extent->path, bench->compression, step,
                         bench->phase->input.max_record, 0, NULL,
                         bench->phase->input.format, &bench->cutter, &error),
             &error);
    struct cut cut;
    if (bench->is_cut)
        return false;
    bench->slot.grow = grow_slot;
    must(cutter_next(bench->cutter, &bench->slot, &cut, &error), &error);
    bench->is_cut = cut.end != STREAM_MORE;
    bench->shard++;
    extent->begin = cut.data_offset;
    extent->end = cut.data_offset + cut.data_size;
    extent->data = bench->slot.data;
    extent->data_offset = cut.data_offset;
    extent->data_size = cut.data_size;
    return cut.has_data;
}

/* ---- the parts, each alone ---- */

struct parts {
    struct bench *bench;
    struct reader *reader;
    struct block_encoder *encoder;
    struct volume_writer *writer;
    struct arena *read, *made; /* of one shard */
    struct bytes blocks, canonical;
    size_t *block_ends; /* (BATCHES_MAX) in `blocks` */
    size_t block_count;
    const struct batch **batches; /* (BATCHES_MAX) */
    size_t batch_count;
};

static const char *const bench_name = "bench";
static const struct file_names names = {.names = &bench_name, .count = 1};

static void count(struct parts *parts, enum part part, int64_t begin_us)
{
    parts->bench->us[part] += clock_process_us() - begin_us;
}

static void decompress_alone(struct bench *bench)
{
    static unsigned char room[ROOM];
    struct error error;
    struct stream *stream;
    enum stream_end end;
    size_t size = 1;
    if (bench->compression == COMPRESSION_NONE)
        return;
    int64_t begin_us = clock_process_us();
    must(stream_open(bench->extent.path, bench->compression, NULL, &stream, &error),
         &error);
    while (size)
        must(stream_read(stream, room, sizeof room, &size, &end, &error), &error);
    stream_close(stream);
    bench->us[DECOMPRESS] += clock_process_us() - begin_us;
}

static void parse_shard(struct parts *parts)
{
    struct error error;
    struct bench *bench = parts->bench;
    int64_t begin_us = clock_process_us();
    must(reader_open(parts->reader, &bench->extent, 0, &error), &error);
    for (;;) {
        struct reader_result result;
        must(reader_next(parts->reader, BATCH_RECORDS, BATCH_BYTES, parts->read, &result,
                         &error),
             &error);
        if (!result.batch || parts->batch_count == BATCHES_MAX)
            break;
        bench->records += result.batch->count;
        if (result.batch->count)
            parts->batches[parts->batch_count++] = result.batch;
    }
    count(parts, PARSE, begin_us);
}

static void process_shard(struct parts *parts)
{
    struct error error;
    struct bench *bench = parts->bench;
    size_t kept = 0;
    int64_t begin_us = clock_process_us();
    for (size_t i = 0; i < parts->batch_count; i++) {
        struct chain_outcome outcome;
        must(chain_run(bench->chain, parts->batches[i], parts->made, &outcome, &error),
             &error);
        if (outcome.batch_count)
            must(chain_project(bench->chain, outcome.batches[0], parts->made,
                               &parts->batches[kept++], &error),
                 &error);
    }
    parts->batch_count = kept;
    count(parts, PROCESS, begin_us);
}

static struct hash128 digest_shard(struct parts *parts)
{
    struct hash128 sum = {0};
    int64_t begin_us = clock_process_us();
    for (size_t i = 0; i < parts->batch_count; i++)
        for (uint32_t row = 0; row < parts->batches[i]->count; row++)
            sum = hash128_add(sum, record_digest(parts->batches[i], row, bench_name,
                                                 &parts->canonical));
    count(parts, DIGEST, begin_us);
    return sum;
}

static void encode_rows(struct parts *parts, const struct batch *batch,
                        const uint32_t *rows, uint32_t row_count)
{
    struct error error;
    must(block_encode(parts->encoder, batch, &names, rows, row_count, &parts->blocks,
                      &error),
         &error);
    if (parts->block_count < BATCHES_MAX)
        parts->block_ends[parts->block_count++] = parts->blocks.size;
}

static void encode_shard(struct parts *parts)
{
    static uint32_t rows[BATCH_RECORDS];
    int64_t begin_us = clock_process_us();
    for (size_t i = 0; i < parts->batch_count; i++) {
        const struct batch *batch = parts->batches[i];
        uint64_t bytes = 0;
        uint32_t begin = 0;
        for (uint32_t row = 0; row < batch->count && row < BATCH_RECORDS; row++) {
            uint64_t size = 32;
            for (uint32_t c = 0; c < batch->column_count; c++)
                size += column_row_length(batch->columns[c], row) *
                        column_element_size(batch->columns[c]->type);
            if (row > begin && bytes + size > BLOCK_BYTES) {
                encode_rows(parts, batch, rows + begin, row - begin);
                begin = row;
                bytes = 0;
            }
            rows[row] = row;
            bytes += size;
        }
        encode_rows(parts, batch, rows + begin, batch->count - begin);
    }
    count(parts, ENCODE, begin_us);
}

static void open_writer(struct parts *parts)
{
    struct error error;
    char path[PATH_SIZE];
    uint64_t shards;
    static const struct volume_meta meta = {.phase_name = "main", .host = "bench"};
    (void)snprintf(path, sizeof path, "%s/scratch.lmdb", parts->bench->folder);
    must(volume_create(path, &meta, &parts->writer, &shards, &error), &error);
}

static void seal(struct parts *parts)
{
    struct error error;
    struct volume_info info;
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64 ".lmdb", parts->bench->seals++);
    must(volume_seal(parts->writer, parts->bench->folder, name, &info, &error), &error);
    parts->bench->fsync_us += info.fsync_us;
    parts->bench->stored_bytes += info.size;
    parts->writer = NULL;
}

static void store_shard(struct parts *parts, struct hash128 digest)
{
    struct error error;
    struct bench *bench = parts->bench;
    uint32_t position = 0;
    size_t at = 0;
    int64_t begin_us = clock_process_us(), wall_us = clock_now_us();
    if (!parts->writer)
        open_writer(parts);
    struct shard_entry entry = {.shard = bench->shard,
                                .first_block = volume_next_block(parts->writer),
                                .block_count = (uint32_t)parts->block_count,
                                .digest = digest};
    for (size_t i = 0; i < parts->block_count; i++) {
        uint64_t number;
        must(volume_put_block(parts->writer, parts->blocks.data + at,
                              parts->block_ends[i] - at, &number, &error),
             &error);
        at = parts->block_ends[i];
    }
    for (size_t i = 0; i < parts->batch_count; i++) {
        const struct column *key = parts->batches[i]->columns[0];
        for (uint32_t row = 0; row < parts->batches[i]->count; row++)
            must(volume_put_key(parts->writer, column_row(key, row),
                                (size_t)column_row_length(key, row), bench->shard,
                                position++, &error),
                 &error);
    }
    must(volume_put_shard(parts->writer, &entry, &error), &error);
    must(volume_commit(parts->writer, &error), &error);
    if (volume_bytes(parts->writer) >= bench->pipeline->store.volume)
        seal(parts);
    count(parts, STORE, begin_us);
    bench->store_wall_us += clock_now_us() - wall_us;
}

static void run_parts(struct bench *bench)
{
    struct error error;
    struct parts parts = {.bench = bench,
                          .encoder = must_have(block_encoder_create()),
                          .read = must_have(arena_create(ROOM, 0)),
                          .made = must_have(arena_create(ROOM, 0)),
                          .block_ends = must_have(calloc(BATCHES_MAX, sizeof(size_t))),
                          .batches =
                              must_have(calloc(BATCHES_MAX, sizeof(struct batch *)))};
    decompress_alone(bench);
    must(reader_create(&bench->phase->input, &parts.reader, &error), &error);
    while (next_shard(bench)) {
        parts.batch_count = parts.block_count = 0;
        bytes_reset(&parts.blocks);
        arena_reset(parts.read);
        arena_reset(parts.made);
        parse_shard(&parts);
        process_shard(&parts);
        struct hash128 digest = digest_shard(&parts);
        encode_shard(&parts);
        store_shard(&parts, digest);
    }
    int64_t begin_us = clock_process_us(), wall_us = clock_now_us();
    if (parts.writer)
        seal(&parts);
    count(&parts, STORE, begin_us);
    bench->store_wall_us += clock_now_us() - wall_us;
    reader_destroy(parts.reader);
    block_encoder_destroy(parts.encoder);
    arena_destroy(parts.read);
    arena_destroy(parts.made);
    bytes_clear(&parts.blocks);
    bytes_clear(&parts.canonical);
    free(parts.block_ends);
    free(parts.batches);
}

/* ---- all of them, as an executor does it ---- */

static void open_output(struct bench *bench, struct output **output)
{
    struct error error;
    char path[PATH_SIZE];
    uint64_t shards;
    struct volume_meta meta = {.phase_name = bench->phase->name, .host = "bench"};
    (void)snprintf(path, sizeof path, "%s/scratch.lmdb", bench->folder);
    must(output_open(bench->phase, &meta, path, output, &shards, &error), &error);
}

static void seal_output(struct bench *bench, struct output *output)
{
    struct error error;
    struct volume_info info;
    char name[32];
    (void)snprintf(name, sizeof name, "%" PRIu64 ".lmdb", bench->seals++);
    must(output_seal(output, bench->folder, name, &info, &error), &error);
    bench->fsync_us += info.fsync_us;
    output_close(output);
}

static void run_whole(struct bench *bench)
{
    struct error error;
    static struct flight flight;
    static const struct chain_isolation isolation;
    const struct message_file file = {.name = bench_name};
    struct shard_run run = {.chain = bench->chain,
                            .flight = &flight,
                            .arena = must_have(arena_create(ROOM, 0))};
    must(source_create(bench->pipeline, 0, bench->folder, &run.source, &error), &error);
    while (next_shard(bench)) {
        const struct shard_entry *entry;
        if (!run.output)
            open_output(bench, &run.output);
        must(source_open_slot(run.source, &file, &bench->extent, &error), &error);
        must(shard_run(&run, bench->shard, 0, &isolation, &entry, &error), &error);
        must(output_commit(run.output, &error), &error);
        bench->records += entry->account.read.records;
        if (output_bytes(run.output) >= bench->pipeline->store.volume) {
            seal_output(bench, run.output);
            run.output = NULL;
        }
    }
    if (run.output)
        seal_output(bench, run.output);
    source_destroy(run.source);
    arena_destroy(run.arena);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *text;
    size_t size;
    struct arena *arena = must_have(arena_create(ROOM, 0));
    struct diagnostics diagnostics = {.arena = arena};
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench_parts parts|whole PIPELINE FILE FOLDER\n");
        return 2;
    }
    bench.pipeline =
        pipeline_read(argv[2], NULL, stage_types, arena, &text, &size, &diagnostics);
    if (!bench.pipeline) {
        diagnostics_print(&diagnostics, stderr);
        return 2;
    }
    bench.phase = &bench.pipeline->phases[0];
    bench.folder = argv[4];
    examine_file(&bench, argv[3]);
    open_stages(&bench);
    int64_t begin_us = clock_process_us();
    if (strcmp(argv[1], "whole") == 0)
        run_whole(&bench);
    else
        run_parts(&bench);
    bench.total_us = clock_process_us() - begin_us + bench.us[PREPARE];
    (void)printf("{\"records\": %" PRIu64 ", \"seals\": %" PRIu64
                 ", \"fsync_us\": %" PRId64 ", \"stored\": %" PRIu64
                 ", \"store_wall\": %" PRId64 ", \"total\": %" PRId64,
                 bench.records, bench.seals, bench.fsync_us, bench.stored_bytes,
                 bench.store_wall_us, bench.total_us);
    for (int part = 0; part < PART_COUNT; part++)
        (void)printf(", \"%s\": %" PRId64, part_names[part], bench.us[part]);
    (void)printf("}\n");
    cutter_close(bench.cutter);
    free(bench.slot.data);
    chain_close(bench.chain);
    arena_destroy(arena);
    return 0;
}
