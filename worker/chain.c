/* chain.c - drive batches through the stages of a phase and account for every record */
#include "worker/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/stage.h"
#include "core/stage_output.h"
#include "core/unicode.h"

enum { EXCERPT_MAX = 200, RUN_BLOCK = 64 << 10, SCRATCH_BLOCK = 1 << 20, STRIKES = 2 };

struct chain {
    const struct phase_spec *phase;
    struct chain_hooks hooks;
    const struct chain_isolation *isolation;
    struct arena *run, *scratch;     /* owned */
    struct stage *stages;            /* (stage_count), in `run` */
    struct chain_stage_stats *stats; /* (stage_count), in `run` */
    size_t opened;                   /* stages whose open() was called */
};

/* An outcome while it grows: arrays in the arena, doubled when full. */
struct gathering {
    struct chain *chain;
    struct arena *arena;
    const struct batch **batches;
    size_t batch_count, batch_capacity;
    struct chain_reject *rejects;
    size_t reject_count, reject_capacity;
    struct reason *reasons;
    size_t reason_count, reason_capacity;
    struct account account;
};

static enum error_code open_stage(struct chain *chain, size_t index,
                                  const struct chain_prepared *prepared,
                                  struct error *error)
{
    const struct stage_spec *spec = chain->phase->stages + index;
    struct stage *stage = chain->stages + index;
    *stage = (struct stage){.type = spec->type,
                            .options = spec->options,
                            .run = chain->run,
                            .scratch = chain->scratch};
    if (prepared) {
        stage->prepared = prepared[index].data;
        stage->prepared_size = prepared[index].size;
    }
    stage->state = arena_alloc(chain->run, 1, spec->type->state_size, 64);
    if (!stage->state)
        return error_set(error, ERROR_MEMORY, "no memory for stage %s", spec->type->name);
    chain->opened = index + 1;
    if (spec->type->open && spec->type->open(stage, error) != OK)
        return error_wrap(error, "stage %s", spec->type->name);
    return OK;
}

enum error_code chain_open(const struct phase_spec *phase,
                           const struct chain_prepared *prepared,
                           const struct chain_hooks *hooks, struct chain **chain,
                           struct error *error)
{
    enum error_code code = OK;
    struct chain *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for the stages");
    made->phase = phase;
    if (hooks)
        made->hooks = *hooks;
    made->run = arena_create(RUN_BLOCK, 0);
    made->scratch = arena_create(SCRATCH_BLOCK, 0);
    if (made->run && made->scratch) {
        made->stages = ARENA_NEW(made->run, struct stage, phase->stage_count);
        made->stats = ARENA_NEW(made->run, struct chain_stage_stats, phase->stage_count);
    }
    if (!made->stages || !made->stats) {
        code = error_set(error, ERROR_MEMORY, "no memory for the stages");
        goto done;
    }
    for (size_t i = 0; i < phase->stage_count && code == OK; i++)
        code = open_stage(made, i, prepared, error);
done:
    if (code == OK)
        *chain = made;
    else
        chain_close(made);
    return code;
}

void chain_close(struct chain *chain)
{
    if (!chain)
        return;
    for (size_t i = chain->opened; i-- > 0;)
        if (chain->stages[i].type->close)
            chain->stages[i].type->close(chain->stages + i);
    arena_destroy(chain->scratch);
    arena_destroy(chain->run);
    free(chain);
}

void chain_isolate(struct chain *chain, const struct chain_isolation *isolation)
{
    chain->isolation = isolation;
}

const struct chain_stage_stats *chain_stats(const struct chain *chain)
{
    return chain->stats;
}

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

static uint64_t source_bytes(const struct batch *batch)
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
    count_row(is_quarantine ? &all->account.quarantined : &all->account.dropped, origin);
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

static enum error_code add_reject(struct gathering *all, const struct batch *batch,
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
                                  .reject = {.offset = origin->offset,
                                             .size = origin->size,
                                             .stage = stage,
                                             .reason = reason,
                                             .detail = detail}};
    all->reject_count++;
    return describe(batch, row, all->arena, &room->reject, error);
}

static enum error_code add_verdicts(struct gathering *all, const struct batch *batch,
                                    const struct row_verdict *verdicts, const char *stage,
                                    struct error *error)
{
    enum error_code code = OK;
    for (uint32_t row = 0; row < batch->count && code == OK; row++) {
        const struct row_verdict *verdict = verdicts + row;
        if (verdict->reason && verdict->is_reject)
            code = add_reject(all, batch, row, stage, verdict->reason, verdict->detail,
                              error);
        else if (verdict->reason)
            code = add_reason(all, stage, verdict->reason, false, batch->origins + row,
                              error);
    }
    return code;
}

/* One process() call. *out: what is left. ERROR_RECORD from the stage is passed on as it
 * is, everything noted of it forgotten. */
static enum error_code run_stage(struct gathering *all, uint32_t index,
                                 const struct batch *in, const struct batch **out,
                                 struct error *error)
{
    struct chain *chain = all->chain;
    struct stage *stage = chain->stages + index;
    struct stage_output output;
    enum error_code code = stage_output_begin(&output, in, all->arena, error);
    if (code != OK)
        return code;
    int64_t began = clock_process_us();
    if (chain->hooks.before)
        chain->hooks.before(chain->hooks.user, index, in->origins[0].ordinal,
                            in->origins[in->count - 1].ordinal);
    code = stage->type->process(stage, in, &output, error);
    if (chain->hooks.after && (code == OK || code == ERROR_RECORD))
        chain->hooks.after(chain->hooks.user, index);
    arena_reset(chain->scratch);
    struct chain_stage_stats *stats = chain->stats + index;
    stats->cpu_us += clock_process_us() - began;
    if (code != OK)
        return code;
    code = add_verdicts(all, in, output.verdicts, stage->type->name, error);
    if (code == OK)
        code = stage_output_finish(&output, out, error);
    if (code == OK) {
        stats->records_in += in->count;
        stats->records_out += in->count - output.gone;
        stats->bytes += source_bytes(in);
    }
    return code;
}

static const struct lease_suspect *suspect_of(const struct chain *chain, uint32_t ordinal)
{
    const struct chain_isolation *isolation = chain->isolation;
    for (uint32_t i = 0; isolation && i < isolation->suspect_count; i++)
        if (isolation->suspects[i].ordinal == ordinal)
            return isolation->suspects + i;
    return NULL;
}

/* The suspicion for which the only record of `batch` must not enter the stage, or NULL.
 * One that names no stage of the phase is held against the first. */
static const struct lease_suspect *condemned_at(const struct chain *chain, uint32_t index,
                                                const struct batch *batch)
{
    if (batch->count != 1 || !chain->isolation)
        return NULL;
    const struct lease_suspect *suspect = suspect_of(chain, batch->origins[0].ordinal);
    if (!suspect || suspect->strikes < STRIKES)
        return NULL;
    uint32_t stage = suspect->stage < chain->phase->stage_count ? suspect->stage : 0;
    return stage == index ? suspect : NULL;
}

static enum error_code add_batch(struct gathering *all, const struct batch *batch,
                                 struct error *error)
{
    for (uint32_t row = 0; row < batch->count; row++)
        count_row(&all->account.emitted, batch->origins + row);
    const struct batch **room = grow(all->arena, all->batches, all->batch_count,
                                     &all->batch_capacity, sizeof(const struct batch *));
    if (!room)
        return no_memory(error);
    all->batches = room;
    room[all->batch_count++] = batch;
    return OK;
}

static enum error_code run_from(struct gathering *all, uint32_t index,
                                const struct batch *batch, struct error *error);

/* The stage said ERROR_RECORD, *error holds why: halve the batch until the bad record
 * stands alone. The halves go on through the later stages each on its own. */
static enum error_code run_halves(struct gathering *all, uint32_t index,
                                  const struct batch *batch, struct error *error)
{
    const struct stage_type *type = all->chain->stages[index].type;
    if (!(type->traits & STAGE_STATELESS)) {
        error->code = ERROR_TRANSIENT;
        return error_wrap(error, "stage %s", type->name);
    }
    if (batch->count == 1) {
        const char *detail =
            arena_copy_text(all->arena, error->text, strlen(error->text));
        return add_reject(all, batch, 0, type->name, "stage_error", detail, error);
    }
    uint32_t middle = batch->count / 2;
    const struct batch *first = batch_slice(batch, 0, middle, all->arena);
    const struct batch *second = batch_slice(batch, middle, batch->count, all->arena);
    if (!first || !second)
        return no_memory(error);
    enum error_code code = run_from(all, index, first, error);
    return code == OK ? run_from(all, index, second, error) : code;
}

/* Run the batch through the stages from `index` on. Recursion goes log2(count) deep. */
static enum error_code run_from(struct gathering *all, uint32_t index,
                                const struct batch *batch, struct error *error)
{
    const struct phase_spec *phase = all->chain->phase;
    for (; index < phase->stage_count && batch->count > 0; index++) {
        const char *name = phase->stages[index].type->name;
        const struct lease_suspect *suspect = condemned_at(all->chain, index, batch);
        if (suspect)
            return add_reject(all, batch, 0, name, suspect->reason, NULL, error);
        enum error_code code = run_stage(all, index, batch, &batch, error);
        if (code == ERROR_RECORD)
            return run_halves(all, index, batch, error);
        if (code != OK) {
            error->code = code;
            return error_wrap(error, "stage %s", name);
        }
    }
    return batch->count > 0 ? add_batch(all, batch, error) : OK;
}

static bool runs_alone(const struct chain *chain, uint32_t ordinal)
{
    const struct chain_isolation *isolation = chain->isolation;
    return (ordinal >= isolation->begin && ordinal < isolation->end) ||
           suspect_of(chain, ordinal) != NULL;
}

/* The end of the rows from `begin` on that may run together. */
static uint32_t segment_end(const struct chain *chain, const struct batch *batch,
                            uint32_t begin)
{
    if (!chain->isolation)
        return batch->count;
    if (runs_alone(chain, batch->origins[begin].ordinal))
        return begin + 1;
    uint32_t end = begin + 1;
    while (end < batch->count && !runs_alone(chain, batch->origins[end].ordinal))
        end++;
    return end;
}

enum error_code chain_run(struct chain *chain, const struct batch *in,
                          struct arena *arena, struct chain_outcome *outcome,
                          struct error *error)
{
    struct error own = {0};
    error = error ? error : &own; /* its text is needed for rejects */
    *error = own;
    struct gathering all = {.chain = chain, .arena = arena};
    all.account.read = (struct tally){in->count, source_bytes(in)};
    enum error_code code = OK;
    for (uint32_t begin = 0; begin < in->count && code == OK;) {
        uint32_t end = segment_end(chain, in, begin);
        const struct batch *segment =
            end - begin == in->count ? in : batch_slice(in, begin, end, arena);
        code = segment ? run_from(&all, 0, segment, error) : no_memory(error);
        begin = end;
    }
    if (code != OK)
        return code;
    *outcome = (struct chain_outcome){.batches = all.batches,
                                      .batch_count = all.batch_count,
                                      .rejects = all.rejects,
                                      .reject_count = all.reject_count,
                                      .reasons = all.reasons,
                                      .reason_count = all.reason_count,
                                      .account = all.account};
    return OK;
}

enum error_code chain_project(const struct chain *chain, const struct batch *batch,
                              struct arena *arena, const struct batch **out,
                              struct error *error)
{
    const struct schema *schema = &chain->phase->output_schema;
    const struct column **columns =
        ARENA_RAW(arena, const struct column *, schema->count);
    struct batch *made = ARENA_RAW(arena, struct batch, 1);
    if (!columns || !made)
        return no_memory(error);
    for (size_t i = 0; i < schema->count; i++) {
        columns[i] = batch_column(batch, schema->fields[i].name);
        if (!columns[i])
            return error_set(error, ERROR_FATAL, "no stage made column \"%s\"",
                             schema->fields[i].name);
    }
    *made = (struct batch){.count = batch->count,
                           .column_count = (uint32_t)schema->count,
                           .origins = batch->origins,
                           .columns = columns};
    *out = made;
    return OK;
}
