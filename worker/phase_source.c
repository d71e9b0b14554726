/* phase_source.c - the results of an earlier phase as the input of a later one */
#include "worker/phase_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/account.h"
#include "core/arena.h"
#include "core/batch_collect.h"
#include "core/bytes.h"
#include "core/ledger.h"
#include "core/manifest_tree.h"
#include "core/volume.h"
#include "worker/bucket.h"

enum { OPEN_VOLUMES = 64, PATH_SIZE = 4096, ARENA_BLOCK = 1 << 20 };

struct open_volume {
    uint32_t id; /* 0: empty */
    struct volume *volume;
};

/* A row of a bucket with what it is sorted by. */
struct sorted_row {
    uint64_t order;
    const char *name;
    uint64_t offset, copy;
    struct row_reference at;
};

struct phase_source {
    const struct phase_spec *earlier;
    uint32_t earlier_number;
    const char *job_folder; /* borrowed */
    struct index *index;    /* owned */
    struct arena *scratch;  /* owned */
    struct open_volume volumes[OPEN_VOLUMES];
    uint32_t next_victim;
    struct bytes buffer; /* owned */

    enum run_kind kind;
    uint32_t next_ordinal;
    struct volume *volume; /* all but RUN_BUCKET: where the shard's blocks are */
    uint64_t next_block, end_block;

    struct manifest manifest; /* RUN_MERGE, RUN_FINISH: of the earlier phase, in `run` */
    struct arena *run;        /* owned; NULL: not read yet */
    uint64_t next_shard, end_shard; /* by their place in the input */

    uint32_t bucket; /* RUN_BUCKET: */
    struct arena *arena;
    struct name_table names;
    struct sorted_row *rows;
    size_t row_count, row_capacity, next_row;
};

enum error_code phase_source_create(const struct pipeline *pipeline, uint32_t phase,
                                    const char *job_folder, struct phase_source **source,
                                    struct error *error)
{
    struct phase_source *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a source");
    made->earlier_number = (uint32_t)pipeline->phases[phase].input.phase_index;
    made->earlier = &pipeline->phases[made->earlier_number];
    made->job_folder = job_folder;
    made->scratch = arena_create(ARENA_BLOCK, 0);
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/index.lmdb", job_folder);
    enum error_code code = made->scratch
                               ? index_open(path, &made->index, error)
                               : error_set(error, ERROR_MEMORY, "no memory for a source");
    if (code != OK)
        phase_source_destroy(made);
    else
        *source = made;
    return code;
}

void phase_source_destroy(struct phase_source *source)
{
    if (!source)
        return;
    for (size_t i = 0; i < OPEN_VOLUMES; i++)
        if (source->volumes[i].id)
            volume_close(source->volumes[i].volume);
    if (source->index)
        index_close(source->index);
    arena_destroy(source->scratch);
    arena_destroy(source->run);
    bytes_clear(&source->buffer);
    free(source);
}

static enum error_code find_volume(struct phase_source *source, uint32_t id,
                                   struct volume **volume, struct error *error)
{
    for (size_t i = 0; i < OPEN_VOLUMES; i++)
        if (source->volumes[i].id == id) {
            *volume = source->volumes[i].volume;
            return OK;
        }
    struct volume_record record;
    enum error_code code =
        index_get_volume(source->index, id, source->scratch, &record, error);
    if (code != OK)
        return code;
    struct open_volume *place = &source->volumes[source->next_victim];
    source->next_victim = (source->next_victim + 1) % OPEN_VOLUMES;
    if (place->id)
        volume_close(place->volume);
    place->id = 0;
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/volumes/%s/%s", source->job_folder,
                   source->earlier->name, record.name);
    code = volume_open(path, &place->volume, error);
    if (code == OK) {
        place->id = id;
        *volume = place->volume;
    }
    return code;
}

static enum error_code read_block(struct phase_source *source, struct volume *volume,
                                  uint64_t number, struct arena *arena,
                                  struct batch **batch, struct file_names *files,
                                  struct error *error)
{
    const void *data;
    size_t size;
    enum error_code code = volume_get_block(volume, number, &data, &size, error);
    if (code == OK)
        code = block_decode(data, size, arena, batch, files, error);
    if (code != OK)
        (void)error_wrap(error, "phase \"%s\"", source->earlier->name);
    return code;
}

static enum error_code open_phase_shard(struct phase_source *source, shard_id shard,
                                        struct error *error)
{
    struct shard_entry entry;
    uint32_t volume_id;
    enum error_code code = index_get_shard(source->index, source->earlier_number, shard,
                                           source->scratch, &entry, &volume_id, error);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_DAMAGED, "shard %llx of phase \"%s\" is not there",
                         (unsigned long long)shard, source->earlier->name);
    if (code == OK)
        code = find_volume(source, volume_id, &source->volume, error);
    if (code != OK)
        return code;
    source->next_block = entry.first_block;
    source->end_block = entry.first_block + entry.block_count;
    return OK;
}

/* The shards whose states come together. */
static enum error_code open_group(struct phase_source *source, shard_id shard,
                                  struct error *error)
{
    struct phase_record record;
    if (!source->run) {
        source->run = arena_create(ARENA_BLOCK, 0);
        if (!source->run)
            return error_set(error, ERROR_MEMORY, "no memory for a source");
        enum error_code code = index_get_phase(source->index, source->earlier_number,
                                               source->run, &record, error);
        if (code != OK)
            return code;
        source->manifest = record.manifest;
    }
    uint64_t count = manifest_shard_count(&source->manifest);
    source->next_shard = 0;
    source->end_shard = count;
    if (source->kind == RUN_MERGE)
        manifest_tree_group(count, SHARD_INDEX(shard), &source->next_shard,
                            &source->end_shard);
    source->next_block = source->end_block = 0;
    return OK;
}

/* To the next shard of the group that left a state. */
static enum error_code seek_state(struct phase_source *source, struct error *error)
{
    enum error_code code = OK;
    while (code == OK && source->next_block == source->end_block &&
           source->next_shard < source->end_shard) {
        arena_reset(source->scratch);
        code = open_phase_shard(
            source, manifest_nth_shard(&source->manifest, source->next_shard), error);
        source->next_shard++;
    }
    return code;
}

static enum error_code add_rows(struct phase_source *source, const struct batch *batch,
                                struct error *error)
{
    if (source->row_count + batch->count > source->row_capacity) {
        size_t capacity = (source->row_count + batch->count) * 2;
        struct sorted_row *grown = ARENA_RAW(source->arena, struct sorted_row, capacity);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for bucket %u",
                             source->bucket);
        if (source->row_count)
            memcpy(grown, source->rows, source->row_count * sizeof *grown);
        source->rows = grown;
        source->row_capacity = capacity;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const char *name = source->names.names[batch->origins[i].file];
        const struct origin *origin = &batch->origins[i];
        source->rows[source->row_count++] = (struct sorted_row){
            .order = bucket_order(&source->earlier->exchange, name, origin->offset,
                                  origin->copy, &source->buffer),
            .name = name,
            .offset = origin->offset,
            .copy = origin->copy,
            .at = {.batch = batch, .row = i}};
    }
    return OK;
}

/* index_each_shard(): take the shard's blocks of our bucket. */
static enum error_code gather_shard(const struct shard_entry *entry, uint32_t volume_id,
                                    void *user, struct error *error)
{
    struct phase_source *source = user;
    if (source->bucket >= entry->bucket_count)
        return error_set(
            error, ERROR_DAMAGED, "shard %llx of phase \"%s\" has no bucket %u",
            (unsigned long long)entry->shard, source->earlier->name, source->bucket);
    uint64_t begin = entry->bucket_blocks[source->bucket];
    uint64_t end = entry->bucket_blocks[source->bucket + 1];
    struct volume *volume = NULL;
    enum error_code code = OK;
    if (begin < end)
        code = find_volume(source, volume_id, &volume, error);
    for (uint64_t number = begin; code == OK && number < end; number++) {
        struct batch *batch;
        struct file_names files;
        code = read_block(source, volume, number, source->arena, &batch, &files, error);
        const struct batch *named =
            code == OK ? name_table_rename(&source->names, batch, &files, source->arena)
                       : NULL;
        if (code == OK && !named)
            code =
                error_set(error, ERROR_MEMORY, "no memory for bucket %u", source->bucket);
        if (code == OK && named)
            code = add_rows(source, named, error);
    }
    return code;
}

static int compare_rows(const void *a, const void *b)
{
    const struct sorted_row *left = a, *right = b;
    if (left->order != right->order)
        return left->order < right->order ? -1 : 1;
    int names = left->name == right->name ? 0 : strcmp(left->name, right->name);
    if (names != 0)
        return names;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return left->copy < right->copy ? -1 : left->copy > right->copy;
}

enum error_code phase_source_open(struct phase_source *source, enum run_kind kind,
                                  shard_id shard, struct arena *arena,
                                  struct error *error)
{
    arena_reset(source->scratch);
    source->kind = kind;
    source->next_ordinal = 0;
    if (kind == RUN_PHASE)
        return open_phase_shard(source, shard, error);
    if (kind == RUN_MERGE || kind == RUN_FINISH)
        return open_group(source, shard, error);
    source->bucket = SHARD_INDEX(shard);
    source->arena = arena;
    source->rows = NULL;
    source->row_count = source->row_capacity = source->next_row = 0;
    name_table_init(&source->names, arena);
    enum error_code code = index_each_shard(source->index, source->earlier_number,
                                            source->scratch, gather_shard, source, error);
    if (code == OK && source->row_count)
        qsort(source->rows, source->row_count, sizeof *source->rows, compare_rows);
    return code;
}

/* A copy of the origins in which ordinals count on. */
static enum error_code number_records(struct phase_source *source, struct batch *batch,
                                      struct arena *arena, struct error *error)
{
    struct origin *origins = ARENA_RAW(arena, struct origin, batch->count);
    if (!origins)
        return error_set(error, ERROR_MEMORY, "no memory for a batch");
    for (uint32_t i = 0; i < batch->count; i++) {
        origins[i] = batch->origins[i];
        origins[i].ordinal = source->next_ordinal++;
    }
    batch->origins = origins;
    return OK;
}

static enum error_code next_of_bucket(struct phase_source *source, uint32_t max_records,
                                      struct arena *arena, struct batch **batch,
                                      struct error *error)
{
    size_t left = source->row_count - source->next_row;
    uint32_t count = left < max_records ? (uint32_t)left : max_records;
    struct row_reference *rows = ARENA_RAW(arena, struct row_reference, count);
    for (uint32_t i = 0; rows && i < count; i++)
        rows[i] = source->rows[source->next_row + i].at;
    *batch = rows ? batch_collect(rows, count, arena) : NULL;
    if (!*batch)
        return error_set(error, ERROR_MEMORY, "no memory for a batch");
    source->next_row += count;
    return OK;
}

enum error_code phase_source_next(struct phase_source *source, uint32_t max_records,
                                  struct arena *arena, const struct batch **batch,
                                  struct file_names *files, struct error *error)
{
    struct batch *read = NULL;
    enum error_code code = OK;
    *batch = NULL;
    if (source->kind != RUN_BUCKET) {
        if (source->kind != RUN_PHASE)
            code = seek_state(source, error);
        if (code != OK)
            return code;
        if (source->next_block == source->end_block)
            return OK;
        code = read_block(source, source->volume, source->next_block++, arena, &read,
                          files, error);
    } else {
        if (source->next_row == source->row_count)
            return OK;
        code = next_of_bucket(source, max_records, arena, &read, error);
        *files = name_table_files(&source->names);
    }
    if (code == OK && read)
        code = number_records(source, read, arena, error);
    if (code == OK)
        *batch = read;
    return code;
}
