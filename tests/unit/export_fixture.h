/* export_fixture.h - job directories with records of one's own, for tests of exports;
 * everything is inline, so that a test remains one file */
#ifndef TESTS_UNIT_EXPORT_FIXTURE_H
#define TESTS_UNIT_EXPORT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/job_fixture.h"

enum { EXPORT_COLUMNS = 4, EXPORT_BLOCKS_MAX = 64 };

/* Columns key, number (i64), tokens (list<u32>) and words (utf8). */
struct export_record {
    const char *key, *words;
    int64_t number;
    const uint32_t *tokens; /* NULL: null */
    size_t count;
};

static inline struct column *export_texts(struct arena *arena, const char *name,
                                          const char *const *texts, uint32_t count)
{
    struct bytes data = {0};
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++) {
        bytes_put(&data, texts[i], strlen(texts[i]));
        offsets[i + 1] = data.size;
    }
    bytes_put_u8(&data, 0);
    *column = (struct column){
        .name = name,
        .type = COLUMN_UTF8,
        .offsets = offsets,
        .data = arena_copy_text(arena, (const char *)data.data, data.size)};
    bytes_clear(&data);
    return column;
}

static inline struct column *export_tokens(struct arena *arena,
                                           const struct export_record *records,
                                           uint32_t count)
{
    uint64_t total = 0;
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    unsigned char *validity = arena_alloc(arena, (size_t)count / 8 + 1, 1, 1);
    for (uint32_t i = 0; i < count; i++)
        total += records[i].count;
    uint32_t *ids = ARENA_NEW(arena, uint32_t, (size_t)total + 1);
    for (uint32_t i = 0; i < count; i++) {
        size_t length = records[i].tokens ? records[i].count : 0;
        if (records[i].tokens)
            validity[i / 8] |= (unsigned char)(1U << (i % 8));
        if (length)
            memcpy(ids + offsets[i], records[i].tokens, length * sizeof *ids);
        offsets[i + 1] = offsets[i] + length;
    }
    *column = (struct column){.name = "tokens",
                              .type = COLUMN_LIST_U32,
                              .validity = validity,
                              .offsets = offsets,
                              .data = ids};
    return column;
}

static inline struct batch *export_batch(struct arena *arena,
                                         const struct export_record *records,
                                         uint32_t count, uint64_t first)
{
    const char **keys = ARENA_NEW(arena, const char *, count);
    const char **words = ARENA_NEW(arena, const char *, count);
    int64_t *numbers = ARENA_NEW(arena, int64_t, count);
    struct origin *origins = ARENA_NEW(arena, struct origin, count);
    struct column *number = ARENA_NEW(arena, struct column, 1);
    const struct column **list = ARENA_NEW(arena, const struct column *, EXPORT_COLUMNS);
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = records[i].key;
        words[i] = records[i].words ? records[i].words : "";
        numbers[i] = records[i].number;
        origins[i] = (struct origin){.offset = (first + i) * 10, .size = 10};
    }
    *number = (struct column){.name = "number", .type = COLUMN_I64, .data = numbers};
    list[0] = export_texts(arena, "key", keys, count);
    list[1] = number;
    list[2] = export_tokens(arena, records, count);
    list[3] = export_texts(arena, "words", words, count);
    *batch = (struct batch){.count = count,
                            .column_count = EXPORT_COLUMNS,
                            .origins = origins,
                            .columns = list};
    return batch;
}

static inline struct shard_entry export_put_shard(struct volume_writer *writer,
                                                  shard_id shard,
                                                  const struct export_record *records,
                                                  uint32_t count, uint64_t first,
                                                  uint32_t rows_a_block)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct shard_entry entry = {.shard = shard, .first_block = volume_next_block(writer)};
    entry.account.emitted.records = entry.account.read.records = count;
    for (uint32_t at = 0; at < count; at += rows_a_block) {
        uint64_t number;
        struct bytes block = {0};
        uint32_t rows = count - at < rows_a_block ? count - at : rows_a_block;
        struct batch *batch = export_batch(arena, records + at, rows, first + at);
        if (block_encode(encoder, batch, &fixture_files, NULL, rows, &block, NULL) !=
                OK ||
            volume_put_block(writer, block.data, block.size, &number, NULL) != OK)
            abort();
        entry.block_count++;
        bytes_clear(&block);
    }
    if (volume_put_shard(writer, &entry, NULL) != OK)
        abort();
    block_encoder_destroy(encoder);
    arena_destroy(arena);
    return entry;
}

/* `folder` becomes a finished job of one file whose records are cut into `shards` shards,
 * which lie in turn in two volumes. */
static inline void export_job_make(const char *folder,
                                   const struct export_record *records, uint32_t count,
                                   uint32_t shards, uint32_t rows_a_block)
{
    char path[4200], name[32];
    struct ledger *ledger;
    struct volume_meta meta = {.phase_name = "main", .host = "here"};
    struct input_file file = {.path = "/nowhere", .name = fixture_names[0]};
    struct run lone = {.kind = RUN_PLAIN, .file_count = 1, .count = shards};
    struct phase_record phase = {
        .name = "main",
        .manifest = {.files = &file, .file_count = 1, .runs = &lone, .run_count = 1}};
    (void)snprintf(path, sizeof path, "%s/ledger", folder);
    if (ledger_open(path, NULL, &ledger, NULL) != OK ||
        ledger_put_phase(ledger, &phase, NULL) != OK)
        abort();
    for (uint32_t id = 1; id <= 2; id++) {
        uint64_t held;
        size_t entry_count = 0;
        struct volume_writer *writer;
        struct volume_info info;
        struct shard_entry entries[EXPORT_BLOCKS_MAX];
        (void)snprintf(path, sizeof path, "%s/scratch", folder);
        if (volume_create(path, &meta, &writer, &held, NULL) != OK)
            abort();
        for (uint32_t i = id - 1; i < shards; i += 2) {
            uint32_t begin = (uint32_t)((uint64_t)count * i / shards);
            uint32_t end = (uint32_t)((uint64_t)count * (i + 1) / shards);
            entries[entry_count++] =
                export_put_shard(writer, SHARD_ID(0, i), records + begin, end - begin,
                                 begin, rows_a_block);
        }
        (void)snprintf(name, sizeof name, "s1-%u.lmdb", (unsigned)id);
        (void)snprintf(path, sizeof path, "%s/volumes/main", folder);
        if (volume_seal(writer, path, name, &info, NULL) != OK)
            abort();
        struct volume_record record = {
            .id = id, .name = name, .size = info.size, .checksum = info.checksum};
        if (ledger_put_volume(ledger, &record, NULL) != OK)
            abort();
        for (size_t i = 0; i < entry_count; i++) {
            bool is_new;
            struct bytes bytes = {0};
            shard_entry_write(&entries[i], &bytes);
            if (ledger_put_shard(ledger, id, &entries[i], bytes.data, bytes.size, &is_new,
                                 NULL) != OK)
                abort();
            bytes_clear(&bytes);
        }
    }
    (void)snprintf(path, sizeof path, "%s/index.lmdb", folder);
    if (ledger_publish(ledger, path, NULL) != OK)
        abort();
    ledger_close(ledger);
    fixture_write_text(folder, "status.json", "{\"state\": \"finished\"}\n");
    fixture_write_text(folder, "pipeline.yaml",
                       "name: fixture\ninput: {paths: [a.jsonl], format: jsonl, text: "
                       "text}\nstages:\n  - normalize: {form: NFC}\n");
}

#endif
