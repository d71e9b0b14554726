/* stage_output.c - the engine's side of what a stage makes of a batch */
#include "core/stage_output.h"

#include <assert.h>
#include <string.h>

#include "core/arena.h"
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

enum error_code stage_output_finish(struct stage_output *output, const struct batch **out,
                                    struct error *error)
{
    const struct batch *batch = with_columns(output);
    if (batch && output->gone > 0) {
        uint32_t count = batch->count;
        unsigned char *keep = ARENA_NEW(output->arena, unsigned char, count / 8 + 1);
        for (uint32_t row = 0; keep && row < count; row++)
            if (!output->verdicts[row].reason)
                keep[row / 8] |= (unsigned char)(1u << row % 8);
        batch = keep ? batch_select(batch, keep, output->arena) : NULL;
    }
    if (!batch)
        return no_memory(error);
    *out = batch;
    return OK;
}
