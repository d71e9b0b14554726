/* source.c - the records of a shard, whatever it is cut from */
#include "worker/source.h"

#include <stdlib.h>

#include "core/arena.h"
#include "worker/phase_source.h"

enum { BATCH_RECORDS = 512, BATCH_BYTES = 256 << 10, ARENA_BLOCK = 64 << 10 };

struct source {
    const struct phase_spec *phase;
    struct reader *reader;        /* owned; NULL for phase inputs */
    struct phase_source *earlier; /* owned; NULL for file inputs */
    struct arena *arena;          /* owned: of the shard at hand */
    const struct extent *extents; /* (extent_count), in `arena` or borrowed */
    size_t extent_count, next_extent;
    const char **names; /* (name_count): by extent.file */
    uint32_t name_count;
    uint32_t next_ordinal;
    bool is_reading; /* an extent is open */
};

enum error_code source_create(const struct pipeline *pipeline, uint32_t phase,
                              const char *job_folder, struct source **source,
                              struct error *error)
{
    struct source *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a source");
    made->phase = &pipeline->phases[phase];
    made->arena = arena_create(ARENA_BLOCK, 0);
    enum error_code code = OK;
    if (!made->arena)
        code = error_set(error, ERROR_MEMORY, "no memory for a source");
    else if (made->phase->input.format == FORMAT_PHASE)
        code = phase_source_create(pipeline, phase, job_folder, &made->earlier, error);
    else
        code = reader_create(&made->phase->input, &made->reader, error);
    if (code != OK)
        source_destroy(made);
    else
        *source = made;
    return code;
}

void source_destroy(struct source *source)
{
    if (!source)
        return;
    reader_destroy(source->reader);
    phase_source_destroy(source->earlier);
    arena_destroy(source->arena);
    free(source);
}

static void begin_shard(struct source *source)
{
    arena_reset(source->arena);
    source->extents = NULL;
    source->extent_count = source->next_extent = 0;
    source->next_ordinal = 0;
    source->is_reading = false;
}

static void plain_range(const struct lease *lease, shard_id shard, struct extent *extent)
{
    uint64_t nth = shard - lease->shard;
    extent->begin = lease->begin + nth * lease->step;
    extent->end = extent->begin + lease->step;
    if (extent->end > lease->end || extent->end < extent->begin)
        extent->end = lease->end;
}

enum error_code source_open_shard(struct source *source,
                                  const struct message_lease *message,
                                  const struct lease *lease, shard_id shard,
                                  struct error *error)
{
    begin_shard(source);
    if (source->earlier)
        return phase_source_open(source->earlier, lease->kind, shard, source->arena,
                                 error);
    uint32_t count = lease->file_count;
    struct extent *extents = ARENA_NEW(source->arena, struct extent, count);
    source->names = ARENA_NEW(source->arena, const char *, count);
    if (!extents || !source->names)
        return error_set(error, ERROR_MEMORY, "no memory for a shard");
    for (uint32_t i = 0; i < count; i++) {
        const struct message_file *file = &message->files[lease->first_file + i];
        extents[i] = (struct extent){
            .file = i, .path = file->path, .name = file->name, .end = file->size};
        source->names[i] = file->name;
        if (lease->kind == RUN_PLAIN)
            plain_range(lease, shard, &extents[i]);
    }
    source->extents = extents;
    source->extent_count = count;
    source->name_count = count;
    return OK;
}

enum error_code source_open_slot(struct source *source, const struct message_file *file,
                                 const struct extent *extent, struct error *error)
{
    begin_shard(source);
    source->names = ARENA_NEW(source->arena, const char *, 1);
    if (!source->names)
        return error_set(error, ERROR_MEMORY, "no memory for a shard");
    source->names[0] = file->name;
    source->name_count = 1;
    source->extents = extent;
    source->extent_count = 1;
    return OK;
}

static void note_ordinals(struct source *source, const struct reader_result *read)
{
    uint32_t next = source->next_ordinal;
    if (read->batch && read->batch->count)
        next = read->batch->origins[read->batch->count - 1].ordinal + 1;
    if (read->bad_count && read->bad[read->bad_count - 1].origin.ordinal + 1 > next)
        next = read->bad[read->bad_count - 1].origin.ordinal + 1;
    source->next_ordinal = next;
}

/* The next extent; of images all, as their records share batches. */
static enum error_code open_extent(struct source *source, struct error *error)
{
    const struct extent *extent = &source->extents[source->next_extent];
    bool is_all = input_has_images(source->phase->input.format);
    size_t count = is_all ? source->extent_count - source->next_extent : 1;
    enum error_code code =
        is_all ? reader_open_images(source->reader, extent, count, source->next_ordinal,
                                    error)
               : reader_open(source->reader, extent, source->next_ordinal, error);
    if (code != OK)
        return code;
    source->next_extent += count;
    source->is_reading = true;
    return OK;
}

enum error_code source_next(struct source *source, struct arena *arena,
                            struct source_result *result, struct error *error)
{
    *result = (struct source_result){0};
    if (source->earlier)
        return phase_source_next(source->earlier, BATCH_RECORDS, arena, &result->batch,
                                 &result->files, error);
    for (;;) {
        enum error_code code;
        if (!source->is_reading) {
            if (source->next_extent == source->extent_count)
                return OK;
            code = open_extent(source, error);
            if (code != OK)
                return code;
        }
        struct reader_result read = {0};
        code =
            reader_next(source->reader, BATCH_RECORDS, BATCH_BYTES, arena, &read, error);
        if (code != OK)
            return code;
        note_ordinals(source, &read);
        if (!read.batch)
            source->is_reading = false;
        if (!read.batch && read.bad_count == 0 && read.separator_bytes == 0)
            continue;
        static const struct batch nothing;
        *result = (struct source_result){
            .batch = read.batch ? read.batch : &nothing,
            .files = {.names = source->names, .count = source->name_count},
            .bad = read.bad,
            .bad_count = read.bad_count,
            .separator_bytes = read.separator_bytes};
        return OK;
    }
}
