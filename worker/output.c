/* output.c - what an executor makes of a shard: blocks, keys, rejects, digest, account */
#include "worker/output.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/batch_collect.h"
#include "core/bytes.h"
#include "worker/bucket.h"

enum { BLOCK_BYTES = 48 << 10, ARENA_BLOCK = 1 << 20 };

struct output {
    const struct phase_spec *phase;
    uint32_t phase_number;
    struct volume_writer *writer;  /* owned; NULL once sealed */
    struct block_encoder *encoder; /* owned */
    struct arena *arena;           /* owned: of the shard at hand */
    struct arena *scratch;         /* owned: of one call */
    struct bytes block, canonical; /* owned: buffers */
    struct bytes keys;        /* owned: varint size and bytes of each key, in order */
    struct bytes bucket_of;   /* owned: u32 bucket of each held row */
    struct shard_entry entry; /* of the shard at hand */
    struct reason_table reasons;
    const struct reject **rejects; /* in `arena` */
    size_t reject_count, reject_capacity;
    struct row_reference *held; /* exchange: rows waiting for the end of the shard */
    size_t held_count, held_capacity;
    struct name_table names; /* exchange: files of the held rows */
};

enum error_code output_open(const struct phase_spec *phase,
                            const struct volume_meta *meta, const char *path,
                            struct output **output, uint64_t *shard_count,
                            struct error *error)
{
    struct output *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for an output");
    made->phase = phase;
    made->phase_number = meta->phase;
    made->encoder = block_encoder_create();
    made->arena = arena_create(ARENA_BLOCK, 0);
    made->scratch = arena_create(ARENA_BLOCK, 0);
    enum error_code code = OK;
    if (!made->encoder || !made->arena || !made->scratch)
        code = error_set(error, ERROR_MEMORY, "no memory for an output");
    else
        code = volume_create(path, meta, &made->writer, shard_count, error);
    if (code != OK)
        output_close(made);
    else
        *output = made;
    return code;
}

void output_write_early(struct output *output, const char *folder)
{
    volume_write_early(output->writer, folder);
}

void output_close(struct output *output)
{
    if (!output)
        return;
    if (output->writer)
        volume_abandon(output->writer);
    block_encoder_destroy(output->encoder);
    arena_destroy(output->arena);
    arena_destroy(output->scratch);
    bytes_clear(&output->block);
    bytes_clear(&output->canonical);
    bytes_clear(&output->keys);
    bytes_clear(&output->bucket_of);
    free(output);
}

void output_begin(struct output *output, shard_id shard, uint32_t generation)
{
    arena_reset(output->arena);
    bytes_reset(&output->keys);
    bytes_reset(&output->bucket_of);
    output->reject_count = output->reject_capacity = 0;
    output->held_count = output->held_capacity = 0;
    output->rejects = NULL;
    output->held = NULL;
    output->reasons.arena = output->arena;
    output->reasons.count = 0;
    name_table_init(&output->names, output->arena);
    output->entry =
        (struct shard_entry){.shard = shard,
                             .phase = output->phase_number,
                             .generation = generation,
                             .first_block = volume_next_block(output->writer)};
}

/* The columns that are published, in their order. */
static struct batch *project(const struct output *output, const struct batch *batch)
{
    const struct schema *schema = &output->phase->output_schema;
    struct batch *view = ARENA_NEW(output->scratch, struct batch, 1);
    const struct column **columns =
        ARENA_NEW(output->scratch, const struct column *, schema->count);
    if (!view || !columns)
        return NULL;
    *view = *batch;
    view->columns = columns;
    view->column_count = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const struct column *column = batch_column(batch, schema->fields[i].name);
        if (column)
            columns[view->column_count++] = column;
    }
    return view;
}

static uint64_t row_bytes(const struct batch *batch, uint32_t row)
{
    uint64_t bytes = 32;
    for (uint32_t c = 0; c < batch->column_count; c++)
        bytes += column_row_length(batch->columns[c], row) *
                 column_element_size(batch->columns[c]->type);
    return bytes;
}

static enum error_code put_block(struct output *output, const struct batch *batch,
                                 const struct file_names *files, const uint32_t *rows,
                                 uint32_t count, struct error *error)
{
    bytes_reset(&output->block);
    enum error_code code =
        block_encode(output->encoder, batch, files, rows, count, &output->block, error);
    uint64_t number = 0;
    if (code == OK)
        code = volume_put_block(output->writer, output->block.data, output->block.size,
                                &number, error);
    if (code == OK) {
        output->entry.block_count++;
        output->entry.stored_bytes += output->block.size;
    }
    return code;
}

/* All rows of a batch as blocks of about BLOCK_BYTES. */
static enum error_code put_blocks(struct output *output, const struct batch *batch,
                                  const struct file_names *files, struct error *error)
{
    uint32_t *rows = ARENA_RAW(output->scratch, uint32_t, batch->count);
    if (!rows)
        return error_set(error, ERROR_MEMORY, "no memory for a block");
    uint32_t begin = 0;
    uint64_t bytes = 0;
    for (uint32_t row = 0; row < batch->count; row++) {
        uint64_t size = row_bytes(batch, row);
        if (row > begin && bytes + size > BLOCK_BYTES) {
            enum error_code code =
                put_block(output, batch, files, rows + begin, row - begin, error);
            if (code != OK)
                return code;
            begin = row;
            bytes = 0;
        }
        rows[row] = row;
        bytes += size;
    }
    return begin < batch->count ? put_block(output, batch, files, rows + begin,
                                            batch->count - begin, error)
                                : OK;
}

static void note_key(struct output *output, const struct batch *batch, uint32_t row)
{
    const struct column *key = batch->columns[0];
    bytes_put_text(&output->keys, column_row(key, row),
                   (size_t)column_row_length(key, row));
}

static enum error_code hold_batch(struct output *output, const struct batch *batch,
                                  const struct file_names *files, struct error *error)
{
    struct row_reference *rows =
        ARENA_RAW(output->scratch, struct row_reference, batch->count);
    for (uint32_t i = 0; rows && i < batch->count; i++)
        rows[i] = (struct row_reference){.batch = batch, .row = i};
    struct batch *copy = rows ? batch_collect(rows, batch->count, output->arena) : NULL;
    const struct batch *named =
        copy ? name_table_rename(&output->names, copy, files, output->arena) : NULL;
    if (output->held_count + batch->count > output->held_capacity) {
        size_t capacity = (output->held_count + batch->count) * 2;
        struct row_reference *grown =
            ARENA_RAW(output->arena, struct row_reference, capacity);
        if (grown && output->held_count)
            memcpy(grown, output->held, output->held_count * sizeof *grown);
        output->held = grown;
        output->held_capacity = capacity;
    }
    if (!named || !output->held)
        return error_set(error, ERROR_MEMORY,
                         "no memory to hold a shard for its exchange");
    for (uint32_t i = 0; i < named->count; i++) {
        output->held[output->held_count++] =
            (struct row_reference){.batch = named, .row = i};
        const char *name = files->names[batch->origins[i].file];
        bytes_put_u32(&output->bucket_of, bucket_of_row(&output->phase->exchange, batch,
                                                        i, name, &output->canonical));
    }
    return OK;
}

static void count_record(struct tally *tally, uint64_t size)
{
    tally->records++;
    tally->bytes += size;
}

enum error_code output_batch(struct output *output, const struct batch *batch,
                             const struct file_names *files, struct error *error)
{
    arena_reset(output->scratch);
    struct batch *view = project(output, batch);
    if (!view)
        return error_set(error, ERROR_MEMORY, "no memory for a batch");
    struct shard_entry *entry = &output->entry;
    for (uint32_t row = 0; row < view->count; row++) {
        struct hash128 digest = record_digest(
            view, row, files->names[view->origins[row].file], &output->canonical);
        entry->digest = hash128_add(entry->digest, digest);
        const struct origin *origin = &view->origins[row];
        count_record(origin->is_made ? &entry->account.made.emitted
                                     : &entry->account.emitted,
                     origin->size);
    }
    if (output->phase->exchange.kind != EXCHANGE_NONE)
        return hold_batch(output, batch, files, error);
    for (uint32_t row = 0; row < view->count; row++)
        note_key(output, view, row);
    return put_blocks(output, view, files, error);
}

enum error_code output_reject(struct output *output, const struct reject *reject,
                              bool is_made, struct error *error)
{
    if (output->reject_count == output->reject_capacity) {
        size_t capacity = output->reject_capacity ? output->reject_capacity * 2 : 16;
        const struct reject **grown =
            ARENA_NEW(output->arena, const struct reject *, capacity);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for a reject");
        if (output->reject_count)
            memcpy(grown, output->rejects, output->reject_count * sizeof *grown);
        output->rejects = grown;
        output->reject_capacity = capacity;
    }
    struct arena *arena = output->arena;
    struct reject *copy = ARENA_NEW(arena, struct reject, 1);
    if (!copy)
        return error_set(error, ERROR_MEMORY, "no memory for a reject");
    *copy = *reject;
    copy->file = arena_copy_text(arena, reject->file, strlen(reject->file));
    copy->stage = arena_copy_text(arena, reject->stage, strlen(reject->stage));
    copy->reason = arena_copy_text(arena, reject->reason, strlen(reject->reason));
    if (reject->key)
        copy->key = arena_copy_text(arena, reject->key, strlen(reject->key));
    if (reject->detail)
        copy->detail = arena_copy_text(arena, reject->detail, strlen(reject->detail));
    copy->excerpt = (const unsigned char *)arena_copy_text(
        arena, reject->excerpt_size ? (const char *)reject->excerpt : "",
        reject->excerpt_size);
    if (!copy->file || !copy->stage || !copy->reason || !copy->excerpt)
        return error_set(error, ERROR_MEMORY, "no memory for a reject");
    output->rejects[output->reject_count++] = copy;

    struct shard_entry *entry = &output->entry;
    struct hash128 digest =
        reject_digest(reject->file, reject->offset, reject->copy, reject->stage,
                      reject->reason, &output->canonical);
    entry->digest = hash128_add(entry->digest, digest);
    struct tally tally = {.records = 1, .bytes = reject->size};
    count_record(is_made ? &entry->account.made.quarantined : &entry->account.quarantined,
                 reject->size);
    entry->reject_count++;
    struct reason reason = {.stage = copy->stage,
                            .reason = copy->reason,
                            .is_quarantine = true,
                            .tally = tally};
    reason_table_add(&output->reasons, &reason);
    return OK;
}

void output_drop(struct output *output, const char *stage, const char *reason,
                 struct tally tally)
{
    struct reason item = {.stage = stage, .reason = reason, .tally = tally};
    reason_table_add(&output->reasons, &item);
}

void output_account(struct output *output, const struct account *account)
{
    struct account rest = {.dropped = account->dropped,
                           .emitted = account->used,
                           .used = account->used,
                           .made = {.made = account->made.made,
                                    .merged = account->made.merged,
                                    .dropped = account->made.dropped}};
    account_add(&output->entry.account, &rest);
}

void output_read(struct output *output, struct tally read, uint64_t separator_bytes)
{
    output->entry.account.read.records += read.records;
    output->entry.account.read.bytes += read.bytes + separator_bytes;
    output->entry.account.separator_bytes += separator_bytes;
}

/* Write the held rows bucket by bucket, in the order in which they were read. */
static enum error_code put_buckets(struct output *output, struct error *error)
{
    uint32_t buckets = output->phase->exchange.buckets;
    uint64_t *blocks = ARENA_NEW(output->arena, uint64_t, (size_t)buckets + 1);
    size_t *starts = ARENA_NEW(output->arena, size_t, (size_t)buckets + 2);
    struct row_reference *sorted =
        ARENA_RAW(output->arena, struct row_reference, output->held_count);
    if (!blocks || !starts || !sorted || output->bucket_of.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for an exchange");
    const unsigned char *bucket_of = output->bucket_of.data;
    for (size_t i = 0; i < output->held_count; i++)
        starts[load_u32(bucket_of + 4 * i) + 2]++;
    for (uint32_t b = 0; b < buckets; b++)
        starts[b + 2] += starts[b + 1];
    for (size_t i = 0; i < output->held_count; i++)
        sorted[starts[load_u32(bucket_of + 4 * i) + 1]++] = output->held[i];
    struct file_names files = name_table_files(&output->names);
    for (uint32_t b = 0; b < buckets; b++) {
        blocks[b] = volume_next_block(output->writer);
        uint32_t count = (uint32_t)(starts[b + 1] - starts[b]);
        if (count == 0)
            continue;
        arena_reset(output->scratch);
        struct batch *batch = batch_collect(sorted + starts[b], count, output->scratch);
        struct batch *view = batch ? project(output, batch) : NULL;
        if (!view)
            return error_set(error, ERROR_MEMORY, "no memory for an exchange");
        for (uint32_t row = 0; row < count; row++)
            note_key(output, view, row);
        enum error_code code = put_blocks(output, view, &files, error);
        if (code != OK)
            return code;
    }
    blocks[buckets] = volume_next_block(output->writer);
    output->entry.bucket_blocks = blocks;
    output->entry.bucket_count = buckets;
    return OK;
}

enum error_code output_finish(struct output *output, uint64_t cpu_us,
                              const struct shard_entry **entry, struct error *error)
{
    enum error_code code = OK;
    if (output->phase->exchange.kind != EXCHANGE_NONE)
        code = put_buckets(output, error);
    if (code == OK && output->keys.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for record keys");
    struct cursor keys = cursor_over(output->keys.data, output->keys.size);
    for (uint32_t position = 0; code == OK && cursor_left(&keys); position++) {
        size_t size;
        const char *key = cursor_text(&keys, &size);
        code = volume_put_key(output->writer, key, size, output->entry.shard, position,
                              error);
    }
    for (size_t i = 0; code == OK && i < output->reject_count; i++)
        code = volume_put_reject(output->writer, output->entry.shard, output->rejects[i],
                                 error);
    if (code != OK)
        return code;
    if (!account_holds(&output->entry.account))
        return error_set(error, ERROR_FATAL, "the account of shard %llx does not hold",
                         (unsigned long long)output->entry.shard);
    output->entry.reasons = output->reasons.items;
    output->entry.reason_count = output->reasons.count;
    output->entry.cpu_us = cpu_us;
    code = volume_put_shard(output->writer, &output->entry, error);
    if (code == OK)
        *entry = &output->entry;
    return code;
}

enum error_code output_commit(struct output *output, struct error *error)
{
    return volume_commit(output->writer, error);
}

uint64_t output_bytes(const struct output *output)
{
    return output->writer ? volume_bytes(output->writer) : 0;
}

enum error_code output_seal(struct output *output, const char *folder, const char *name,
                            struct volume_info *info, struct error *error)
{
    enum error_code code = volume_seal(output->writer, folder, name, info, error);
    if (code == OK)
        output->writer = NULL;
    return code;
}
