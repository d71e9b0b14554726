/* gathering.c - what became of the records of a batch, while its stages run */
#include "worker/gathering.h"

#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "core/stage_output.h"
#include "core/unicode.h"

enum { EXCERPT_MAX = 200 };

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for the results of a batch");
}

/* Room for one more item behind `count`; the array, moved or not, or NULL. */
static void *grow(struct arena *arena, void *items, size_t count, size_t *capacity,
                  size_t size)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc_raw(arena, wanted, size, _Alignof(max_align_t));
    if (!grown)
        return NULL;
    if (count > 0)
        memcpy(grown, items, count * size);
    *capacity = wanted;
    return grown;
}

static void count_row(struct tally *tally, const struct origin *origin)
{
    tally->records++;
    tally->bytes += origin->size;
}

uint64_t batch_source_bytes(const struct batch *batch)
{
    uint64_t bytes = 0;
    for (uint32_t row = 0; row < batch->count; row++)
        bytes += batch->origins[row].size;
    return bytes;
}

static enum error_code add_reason(struct gathering *all, const char *stage,
                                  const char *reason, bool is_quarantine,
                                  const struct origin *origin, struct error *error)
{
    struct account *account = &all->account;
    if (origin->is_made)
        count_row(is_quarantine ? &account->made.quarantined : &account->made.dropped,
                  origin);
    else
        count_row(is_quarantine ? &account->quarantined : &account->dropped, origin);
    size_t i = 0;
    while (i < all->reason_count && (all->reasons[i].is_quarantine != is_quarantine ||
                                     strcmp(all->reasons[i].reason, reason) != 0 ||
                                     strcmp(all->reasons[i].stage, stage) != 0))
        i++;
    if (i == all->reason_count) {
        struct reason *room = grow(all->arena, all->reasons, all->reason_count,
                                   &all->reason_capacity, sizeof *room);
        if (!room)
            return no_memory(error);
        all->reasons = room;
        room[i] = (struct reason){
            .stage = stage, .reason = reason, .is_quarantine = is_quarantine};
        all->reason_count++;
    }
    count_row(&all->reasons[i].tally, origin);
    return OK;
}

/* The column that shows people what the record is: "text", else the first other one with
 * bytes in it. */
static const struct column *excerpt_column(const struct batch *batch)
{
    const struct column *column = batch_column(batch, "text");
    if (column && column->type == COLUMN_UTF8)
        return column;
    for (uint32_t i = 1; i < batch->column_count; i++)
        if (batch->columns[i]->type == COLUMN_UTF8)
            return batch->columns[i];
    return NULL;
}

static enum error_code describe(const struct batch *batch, uint32_t row,
                                struct arena *arena, struct reject *reject,
                                struct error *error)
{
    const struct column *key = batch->column_count > 0 ? batch->columns[0] : NULL;
    if (key && key->type == COLUMN_UTF8 && column_is_valid(key, row)) {
        reject->key = arena_copy_text(arena, column_row(key, row),
                                      (size_t)column_row_length(key, row));
        if (!reject->key)
            return no_memory(error);
    }
    const struct column *column = excerpt_column(batch);
    if (!column || !column_is_valid(column, row))
        return OK;
    const unsigned char *text = column_row(column, row);
    uint64_t length = column_row_length(column, row);
    size_t size = unicode_cut(text, (size_t)length, EXCERPT_MAX);
    reject->excerpt = (const void *)arena_copy_text(arena, (const char *)text, size);
    reject->excerpt_size = size;
    return reject->excerpt ? OK : no_memory(error);
}

enum error_code gathering_reject(struct gathering *all, const struct batch *batch,
                                 uint32_t row, const char *stage, const char *reason,
                                 const char *detail, struct error *error)
{
    const struct origin *origin = batch->origins + row;
    enum error_code code = add_reason(all, stage, reason, true, origin, error);
    if (code != OK)
        return code;
    struct chain_reject *room = grow(all->arena, all->rejects, all->reject_count,
                                     &all->reject_capacity, sizeof *room);
    if (!room)
        return no_memory(error);
    all->rejects = room;
    room += all->reject_count;
    *room = (struct chain_reject){.file = origin->file,
                                  .is_made = origin->is_made,
                                  .reject = {.offset = origin->offset,
                                             .size = origin->size,
                                             .copy = origin->copy,
                                             .stage = stage,
                                             .reason = reason,
                                             .detail = detail}};
    all->reject_count++;
    return describe(batch, row, all->arena, &room->reject, error);
}

/* A row goes on in records made of it. */
static void count_used(struct account *account, const struct origin *origin)
{
    if (origin->is_made) {
        count_row(&account->made.merged, origin);
        return;
    }
    count_row(&account->emitted, origin);
    count_row(&account->used, origin);
}

static enum error_code add_rows(struct gathering *all, const struct stage_output *output,
                                const char *stage, struct error *error)
{
    const struct batch *batch = output->in;
    enum error_code code = OK;
    for (uint32_t row = 0; row < batch->count && code == OK; row++) {
        const struct row_verdict *verdict = output->verdicts + row;
        if (verdict->reason && verdict->is_reject)
            code = gathering_reject(all, batch, row, stage, verdict->reason,
                                    verdict->detail, error);
        else if (verdict->reason)
            code = add_reason(all, stage, verdict->reason, false, batch->origins + row,
                              error);
        else if (output->is_used)
            count_used(&all->account, batch->origins + row);
    }
    return code;
}

enum error_code gathering_add_output(struct gathering *all,
                                     const struct stage_output *output, const char *stage,
                                     struct error *error)
{
    const struct batch *made = output->made;
    enum error_code code = add_rows(all, output, stage, error);
    for (uint32_t row = 0; made && row < made->count && code == OK; row++) {
        count_row(&all->account.made.made, made->origins + row);
        if (output->made_drops[row])
            code = add_reason(all, stage, output->made_drops[row], false,
                              made->origins + row, error);
    }
    return code;
}

enum error_code gathering_add_batch(struct gathering *all, const struct batch *batch,
                                    struct error *error)
{
    struct account *account = &all->account;
    for (uint32_t row = 0; row < batch->count; row++)
        count_row(batch->origins[row].is_made ? &account->made.emitted
                                              : &account->emitted,
                  batch->origins + row);
    const struct batch **room = grow(all->arena, all->batches, all->batch_count,
                                     &all->batch_capacity, sizeof(const struct batch *));
    if (!room)
        return no_memory(error);
    all->batches = room;
    room[all->batch_count++] = batch;
    return OK;
}

struct chain_outcome gathering_outcome(const struct gathering *all)
{
    return (struct chain_outcome){.batches = all->batches,
                                  .batch_count = all->batch_count,
                                  .rejects = all->rejects,
                                  .reject_count = all->reject_count,
                                  .reasons = all->reasons,
                                  .reason_count = all->reason_count,
                                  .account = all->account};
}
