/* stage_output.c - the engine's side of what a stage makes of a batch */
#include "core/stage_output.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/codec.h"
#include "core/unicode.h"

enum { DETAIL_MAX = 200 };

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for the output of a stage");
}

enum error_code stage_output_begin(struct stage_output *output, const struct batch *in,
                                   struct arena *arena, struct error *error)
{
    uint32_t capacity = in->column_count + SCHEMA_MAX;
    *output = (struct stage_output){
        .in = in, .arena = arena, .column_count = in->column_count, .capacity = capacity};
    output->columns = ARENA_RAW(arena, const struct column *, capacity);
    output->verdicts = ARENA_NEW(arena, struct row_verdict, in->count);
    if (!output->columns || !output->verdicts)
        return no_memory(error);
    if (in->column_count > 0)
        memcpy(output->columns, in->columns, in->column_count * sizeof *in->columns);
    return OK;
}

struct arena *stage_output_arena(struct stage_output *output)
{
    return output->arena;
}

enum error_code stage_output_set(struct stage_output *output, const struct column *column,
                                 struct error *error)
{
    struct column *copy = ARENA_RAW(output->arena, struct column, 1);
    if (!copy)
        return no_memory(error);
    *copy = *column;
    uint32_t at = 0;
    while (at < output->column_count &&
           strcmp(output->columns[at]->name, column->name) != 0)
        at++;
    /* A record's key is its name to the outside; no stage may give it another. */
    assert(at > 0 || output->in->column_count == 0);
    if (at == output->capacity)
        return error_set(error, ERROR_FATAL, "a stage adds too many columns");
    output->columns[at] = copy;
    if (at == output->column_count)
        output->column_count++;
    return OK;
}

static struct row_verdict *verdict_of(struct stage_output *output, uint32_t row)
{
    assert(row < output->in->count);
    return output->verdicts + row;
}

void stage_output_drop(struct stage_output *output, uint32_t row, const char *reason)
{
    struct row_verdict *verdict = verdict_of(output, row);
    if (verdict->reason)
        return;
    verdict->reason = reason;
    output->gone++;
}

static const char *copy_detail(struct arena *arena, const char *detail)
{
    if (!detail)
        return NULL;
    size_t size = unicode_cut(detail, strlen(detail), DETAIL_MAX);
    return arena_copy_text(arena, detail, size);
}

void stage_output_reject(struct stage_output *output, uint32_t row, const char *reason,
                         const char *detail)
{
    struct row_verdict *verdict = verdict_of(output, row);
    if (verdict->reason)
        return;
    *verdict = (struct row_verdict){.reason = reason,
                                    .detail = copy_detail(output->arena, detail),
                                    .is_reject = true};
    output->gone++;
}

static const struct batch *with_columns(const struct stage_output *output)
{
    const struct batch *in = output->in;
    bool is_same =
        output->column_count == in->column_count &&
        memcmp(output->columns, in->columns, in->column_count * sizeof *in->columns) == 0;
    if (is_same)
        return in;
    struct batch *batch = ARENA_RAW(output->arena, struct batch, 1);
    if (batch)
        *batch = (struct batch){.count = in->count,
                                .column_count = output->column_count,
                                .origins = in->origins,
                                .columns = output->columns};
    return batch;
}

/* The rows without a reason. */
static const struct batch *select_rows(const struct batch *batch,
                                       const char *const *reasons, struct arena *arena)
{
    unsigned char *keep = ARENA_NEW(arena, unsigned char, batch->count / 8 + 1);
    for (uint32_t row = 0; keep && row < batch->count; row++)
        if (!reasons[row])
            keep[row / 8] |= (unsigned char)(1u << row % 8);
    return keep ? batch_select(batch, keep, arena) : NULL;
}

static const struct batch *rows_that_stay(struct stage_output *output)
{
    const struct batch *batch = with_columns(output);
    if (!batch || output->gone == 0)
        return batch;
    const char **reasons = ARENA_RAW(output->arena, const char *, batch->count);
    for (uint32_t row = 0; reasons && row < batch->count; row++)
        reasons[row] = output->verdicts[row].reason;
    return reasons ? select_rows(batch, reasons, output->arena) : NULL;
}

static const struct batch *records_that_stay(const struct stage_output *output)
{
    static const struct batch nothing;
    if (!output->made)
        return &nothing;
    for (uint32_t row = 0; row < output->made->count; row++)
        if (output->made_drops[row])
            return select_rows(output->made, output->made_drops, output->arena);
    return output->made;
}

enum error_code stage_output_finish(struct stage_output *output, const struct batch **out,
                                    struct error *error)
{
    const struct batch *batch =
        output->is_used ? records_that_stay(output) : rows_that_stay(output);
    if (!batch)
        return no_memory(error);
    *out = batch;
    return OK;
}

/* ---- records made of others ---- */

/* A copy of a copy keeps the number of the first in its upper bits. */
enum { MADE_NUMBER_BITS = 24, NUMBER_TEXT_MAX = 12 };

void stage_output_use(struct stage_output *output)
{
    output->is_used = true;
}

static enum error_code make_origins(const struct made_record *records, uint32_t count,
                                    struct origin *origins, const char **drops,
                                    struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct made_record *record = &records[i];
        assert(record->number > 0 && record->number <= MADE_NUMBER_MAX);
        origins[i] = record->origin;
        if (origins[i].copy >> (64 - MADE_NUMBER_BITS))
            return error_set(error, ERROR_RECORD,
                             "records are made of made ones too many times over");
        origins[i].copy = origins[i].copy << MADE_NUMBER_BITS | record->number;
        origins[i].size = record->size;
        origins[i].is_made = true;
        drops[i] = record->drop_reason;
    }
    return OK;
}

static const struct column *make_keys(const struct made_record *records, uint32_t count,
                                      struct arena *arena)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        size += records[i].key_size + NUMBER_TEXT_MAX;
    struct column *column = ARENA_RAW(arena, struct column, 1);
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)count + 1);
    char *data = ARENA_RAW(arena, char, size);
    if (!column || !offsets || !data)
        return NULL;
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        char *at = data + offsets[i];
        memcpy(at, records[i].key, records[i].key_size);
        int digits = snprintf(at + records[i].key_size, NUMBER_TEXT_MAX, "/%u",
                              (unsigned)records[i].number);
        offsets[i + 1] = offsets[i] + records[i].key_size + (size_t)digits;
    }
    *column = (struct column){
        .name = "key", .type = COLUMN_UTF8, .offsets = offsets, .data = data};
    return column;
}

enum error_code stage_output_emit(struct stage_output *output,
                                  const struct made_record *records, uint32_t count,
                                  const struct column *columns, uint32_t column_count,
                                  struct error *error)
{
    struct arena *arena = output->arena;
    assert(!output->made);
    output->is_used = true;
    if (count == 0)
        return OK;
    struct batch *made = ARENA_RAW(arena, struct batch, 1);
    struct origin *origins = ARENA_RAW(arena, struct origin, count);
    const char **drops = ARENA_RAW(arena, const char *, count);
    const struct column **list =
        ARENA_RAW(arena, const struct column *, (size_t)column_count + 1);
    struct column *copies = ARENA_RAW(arena, struct column, column_count);
    const struct column *key = make_keys(records, count, arena);
    if (!made || !origins || !drops || !list || !copies || !key)
        return no_memory(error);
    list[0] = key;
    for (uint32_t i = 0; i < column_count; i++) {
        copies[i] = columns[i];
        list[i + 1] = &copies[i];
    }
    *made = (struct batch){.count = count,
                           .column_count = column_count + 1,
                           .origins = origins,
                           .columns = list};
    output->made = made;
    output->made_drops = drops;
    return make_origins(records, count, origins, drops, error);
}

struct hash128 stage_identity(const struct stage *self, const struct origin *origin,
                              uint64_t seed)
{
    const struct file_names *files = self->files;
    bool is_named = files && origin->file < files->count;
    const char *name = is_named ? files->names[origin->file] : "";
    unsigned char numbers[24];
    store_u64(numbers, seed);
    store_u64(numbers + 8, origin->offset);
    store_u64(numbers + 16, origin->copy);
    struct hash128 of_name = hash128(name, strlen(name));
    unsigned char both[40];
    memcpy(both, numbers, sizeof numbers);
    store_u64(both + 24, of_name.low);
    store_u64(both + 32, of_name.high);
    return hash128(both, sizeof both);
}
