/* fold.c - the shards of a fit phase: records to states, states to files */
#include "worker/fold.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "core/stage_artefact.h"
#include "worker/output.h"

struct fold {
    const struct phase_spec *phase;
    struct stage *stage;
    const char *job_folder, *draft;
    bool is_empty;       /* no record so far; else the first one's: */
    struct origin first; /* .file is 0 */
    struct bytes key, file;
    struct bytes value; /* what the shard leaves: a state, or a list of artefacts */
};

enum error_code fold_create(const struct phase_spec *phase, struct stage *stage,
                            const char *job_folder, const char *draft, struct fold **fold,
                            struct error *error)
{
    struct fold *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a fit");
    made->phase = phase;
    made->stage = stage;
    made->job_folder = job_folder;
    made->draft = draft;
    *fold = made;
    return OK;
}

void fold_destroy(struct fold *fold)
{
    if (!fold)
        return;
    bytes_clear(&fold->key);
    bytes_clear(&fold->file);
    bytes_clear(&fold->value);
    free(fold);
}

bool fold_is_of_states(const struct fold *fold)
{
    return fold->phase->fit != FIT_READ;
}

enum error_code fold_begin(struct fold *fold, struct error *error)
{
    fold->is_empty = true;
    bytes_clear(&fold->value); /* not kept: the largest state would stay for ever */
    if (fold->stage->type->fit->begin(fold->stage, error) != OK)
        return error_wrap(error, "stage %s", fold->stage->type->name);
    return OK;
}

static void put_text(struct bytes *bytes, const void *text, size_t size)
{
    bytes_reset(bytes);
    bytes_put(bytes, text, size);
    bytes_put_u8(bytes, 0);
}

enum error_code fold_took(struct fold *fold, const struct batch *batch,
                          const struct file_names *files, struct output *output,
                          struct error *error)
{
    struct account gone = {0};
    for (uint32_t row = 0; row < batch->count; row++) {
        const struct origin *origin = &batch->origins[row];
        if (!fold->is_empty) {
            struct tally *tally = origin->is_made ? &gone.made.dropped : &gone.dropped;
            tally->records++;
            tally->bytes += origin->size;
            continue;
        }
        const struct column *key = batch->columns[0];
        const char *name = files->names[origin->file];
        fold->is_empty = false;
        fold->first = *origin;
        fold->first.file = 0;
        put_text(&fold->key, column_row(key, row), (size_t)column_row_length(key, row));
        put_text(&fold->file, name, strlen(name));
    }
    struct tally all = gone.dropped;
    all.records += gone.made.dropped.records;
    all.bytes += gone.made.dropped.bytes;
    if (all.records) {
        output_drop(output, fold->stage->type->name, "accumulated", all);
        output_account(output, &gone);
    }
    if (fold->key.is_bad || fold->file.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a fit");
    return OK;
}

enum error_code fold_merge(struct fold *fold, const struct batch *batch,
                           const struct file_names *files, struct output *output,
                           struct error *error)
{
    const struct stage_type *type = fold->stage->type;
    const struct column *state = batch_column(batch, "state");
    if (!state || state->type != COLUMN_BYTES)
        return error_set(error, ERROR_DAMAGED, "phase %s: a state is none",
                         fold->phase->name);
    for (uint32_t row = 0; row < batch->count; row++)
        if (type->fit->merge(fold->stage, column_row(state, row),
                             (size_t)column_row_length(state, row), error) != OK)
            return error_wrap(error, "stage %s", type->name);
    return fold_took(fold, batch, files, output, error);
}

static enum error_code save_state(struct fold *fold, struct error *error)
{
    const struct stage_type *type = fold->stage->type;
    if (type->fit->save(fold->stage, &fold->value, error) != OK)
        return error_wrap(error, "stage %s", type->name);
    if (fold->value.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the state of stage %s",
                         type->name);
    if (fold->value.size > FIT_STATE_MAX)
        return error_set(error, ERROR_CONFIG,
                         "the state of stage %s has %zu bytes, and may have %d",
                         type->name, fold->value.size, (int)FIT_STATE_MAX);
    return OK;
}

static enum error_code finish(struct fold *fold, struct error *error)
{
    const struct stage_type *type = fold->stage->type;
    if (fold->is_empty)
        return error_set(error, ERROR_CONFIG, "no record came to stage %s of phase %s",
                         type->name, fold->phase->fit_name);
    put_text(&fold->key, fold->phase->fit_name, strlen(fold->phase->fit_name));
    return stage_artefact_publish(fold->stage, fold->job_folder, fold->phase->fit_name,
                                  fold->draft, &fold->value, error);
}

/* The shard's only record: its key, and what it leaves. */
static const struct batch *make_record(const struct fold *fold, struct arena *arena)
{
    const struct schema_field *field = &fold->phase->output_schema.fields[1];
    const struct bytes *texts[] = {&fold->key, &fold->value};
    size_t sizes[] = {fold->key.size - 1, fold->value.size};
    struct column *columns = ARENA_NEW(arena, struct column, 2);
    const struct column **pointers = ARENA_NEW(arena, const struct column *, 2);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, 4);
    struct origin *origin = ARENA_NEW(arena, struct origin, 1);
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    if (!columns || !pointers || !offsets || !origin || !batch)
        return NULL;
    *origin = fold->first;
    origin->ordinal = 0;
    for (size_t i = 0; i < 2; i++) {
        offsets[2 * i + 1] = sizes[i];
        columns[i] =
            (struct column){.name = i ? field->name : "key",
                            .type = i ? field->type : COLUMN_UTF8,
                            .offsets = offsets + 2 * i,
                            .data = sizes[i] ? (const void *)texts[i]->data : ""};
        pointers[i] = &columns[i];
    }
    *batch = (struct batch){
        .count = 1, .column_count = 2, .origins = origin, .columns = pointers};
    return batch;
}

enum error_code fold_end(struct fold *fold, struct arena *arena, struct output *output,
                         struct error *error)
{
    enum error_code code = OK;
    if (fold->phase->fit == FIT_FINISH)
        code = finish(fold, error);
    else if (!fold->is_empty)
        code = save_state(fold, error);
    if (code != OK || fold->is_empty)
        return code;
    const struct batch *batch = fold->key.is_bad ? NULL : make_record(fold, arena);
    if (!batch)
        return error_set(error, ERROR_MEMORY, "no memory for the record of a fit");
    const char *name = (const char *)fold->file.data;
    struct file_names files = {.names = &name, .count = 1};
    return output_batch(output, batch, &files, error);
}
