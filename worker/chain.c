/* chain.c - drive batches through the stages of a phase and account for every record */
#include "worker/chain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/stage.h"
#include "core/stage_output.h"
#include "worker/gathering.h"

enum { RUN_BLOCK = 64 << 10, SCRATCH_BLOCK = 1 << 20, STRIKES = 2 };

struct chain {
    const struct phase_spec *phase;
    struct chain_hooks hooks;
    const struct chain_isolation *isolation;
    struct arena *run, *shard, *scratch; /* owned */
    struct stage *stages;                /* (stage_count), in `run` */
    struct chain_stage_stats *stats;     /* (stage_count), in `run` */
    size_t opened;                       /* stages whose open() was called */
    size_t flushing;                     /* the stage that chain_flush() asks next */
    struct file_names files;
};

static enum error_code open_stage(struct chain *chain, size_t index,
                                  const struct chain_prepared *prepared,
                                  struct error *error)
{
    const struct stage_spec *spec = chain->phase->stages + index;
    struct stage *stage = chain->stages + index;
    *stage = (struct stage){.type = spec->type,
                            .options = spec->options,
                            .files = &chain->files,
                            .run = chain->run,
                            .shard = chain->shard,
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
    made->shard = arena_create(RUN_BLOCK, 0);
    made->scratch = arena_create(SCRATCH_BLOCK, 0);
    if (made->run && made->shard && made->scratch) {
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
    arena_destroy(chain->shard);
    arena_destroy(chain->run);
    free(chain);
}

struct stage *chain_stage(struct chain *chain, size_t index)
{
    return &chain->stages[index];
}

void chain_begin(struct chain *chain, const struct chain_isolation *isolation)
{
    chain->isolation = isolation;
    chain->flushing = 0;
    arena_reset(chain->shard);
    for (size_t i = 0; i < chain->opened; i++)
        if (chain->stages[i].type->begin)
            chain->stages[i].type->begin(chain->stages + i);
}

void chain_name_files(struct chain *chain, const struct file_names *files)
{
    chain->files = *files;
}

const struct chain_stage_stats *chain_stats(const struct chain *chain)
{
    return chain->stats;
}

/* A batch on its way through the stages, and what became of its records. */
struct running {
    struct chain *chain;
    struct gathering all;
};

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for the results of a batch");
}

/* What the stage at `index` made of its batch goes into the account; *out: what goes on. */
static enum error_code take_output(struct running *running, uint32_t index,
                                   struct stage_output *output, const struct batch **out,
                                   struct error *error)
{
    struct chain *chain = running->chain;
    const struct batch *in = output->in;
    enum error_code code = gathering_add_output(&running->all, output,
                                                chain->stages[index].type->name, error);
    if (code == OK)
        code = stage_output_finish(output, out, error);
    if (code == OK) {
        struct chain_stage_stats *stats = chain->stats + index;
        stats->records_in += in->count;
        stats->records_out += (*out)->count;
        stats->bytes += batch_source_bytes(in);
    }
    return code;
}

/* One process() call. *out: what goes on. ERROR_RECORD from the stage is passed on as it
 * is, everything noted of it forgotten. */
static enum error_code run_stage(struct running *running, uint32_t index,
                                 const struct batch *in, const struct batch **out,
                                 struct error *error)
{
    struct chain *chain = running->chain;
    struct stage *stage = chain->stages + index;
    struct stage_output output;
    enum error_code code = stage_output_begin(&output, in, running->all.arena, error);
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
    chain->stats[index].cpu_us += clock_process_us() - began;
    return code == OK ? take_output(running, index, &output, out, error) : code;
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

static enum error_code run_from(struct running *running, uint32_t index,
                                const struct batch *batch, struct error *error);

/* The stage said ERROR_RECORD, *error holds why: halve the batch until the bad record
 * stands alone. The halves go on through the later stages each on its own. */
static enum error_code run_halves(struct running *running, uint32_t index,
                                  const struct batch *batch, struct error *error)
{
    const struct stage_type *type = running->chain->stages[index].type;
    if (!(type->traits & STAGE_STATELESS)) {
        error->code = ERROR_TRANSIENT;
        return error_wrap(error, "stage %s", type->name);
    }
    if (batch->count == 1) {
        const char *detail =
            arena_copy_text(running->all.arena, error->text, strlen(error->text));
        return gathering_reject(&running->all, batch, 0, type->name, "stage_error",
                                detail, error);
    }
    uint32_t middle = batch->count / 2;
    const struct batch *first = batch_slice(batch, 0, middle, running->all.arena);
    const struct batch *second =
        batch_slice(batch, middle, batch->count, running->all.arena);
    if (!first || !second)
        return no_memory(error);
    enum error_code code = run_from(running, index, first, error);
    return code == OK ? run_from(running, index, second, error) : code;
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

/* Run the batch through the stages from `index` on, in as many pieces as isolation asks. */
static enum error_code run_segments(struct running *running, uint32_t index,
                                    const struct batch *batch, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t begin = 0; begin < batch->count && code == OK;) {
        uint32_t end = segment_end(running->chain, batch, begin);
        const struct batch *segment =
            end - begin == batch->count
                ? batch
                : batch_slice(batch, begin, end, running->all.arena);
        code = segment ? run_from(running, index, segment, error) : no_memory(error);
        begin = end;
    }
    return code;
}

/* Run the batch through the stages from `index` on. Recursion goes log2(count) deep, and
 * once more for each stage that makes other records. */
static enum error_code run_from(struct running *running, uint32_t index,
                                const struct batch *batch, struct error *error)
{
    const struct phase_spec *phase = running->chain->phase;
    for (; index < phase->stage_count && batch->count > 0; index++) {
        const char *name = phase->stages[index].type->name;
        const struct lease_suspect *suspect = condemned_at(running->chain, index, batch);
        if (suspect)
            return gathering_reject(&running->all, batch, 0, name, suspect->reason, NULL,
                                    error);
        const struct batch *out = batch;
        enum error_code code = run_stage(running, index, batch, &out, error);
        if (code == ERROR_RECORD)
            return run_halves(running, index, batch, error);
        if (code != OK) {
            error->code = code;
            return error_wrap(error, "stage %s", name);
        }
        /* Several records may be made of a suspect: each stands alone from here on. */
        if (running->chain->isolation && out->count > 1)
            return run_segments(running, index + 1, out, error);
        batch = out;
    }
    return batch->count > 0 ? gathering_add_batch(&running->all, batch, error) : OK;
}

/* Errors need a place for their text, which becomes the detail of rejects. */
static struct error *place_for(struct error *error, struct error *own)
{
    error = error ? error : own;
    *error = (struct error){0};
    return error;
}

enum error_code chain_run(struct chain *chain, const struct batch *in,
                          struct arena *arena, struct chain_outcome *outcome,
                          struct error *error)
{
    struct error own;
    error = place_for(error, &own);
    struct running running = {.chain = chain, .all = {.arena = arena}};
    running.all.account.read = (struct tally){in->count, batch_source_bytes(in)};
    enum error_code code = run_segments(&running, 0, in, error);
    if (code == OK)
        *outcome = gathering_outcome(&running.all);
    return code;
}

/* One flush() call. *out NULL: the stage holds nothing more. The hooks are not called: no
 * record is to blame for what happens here. */
static enum error_code flush_stage(struct running *running, uint32_t index,
                                   const struct batch **out, struct error *error)
{
    static const struct batch nothing;
    struct chain *chain = running->chain;
    struct stage *stage = chain->stages + index;
    struct stage_output output;
    *out = NULL;
    if (!stage->type->flush)
        return OK;
    enum error_code code =
        stage_output_begin(&output, &nothing, running->all.arena, error);
    if (code != OK)
        return code;
    int64_t began = clock_process_us();
    code = stage->type->flush(stage, &output, error);
    arena_reset(chain->scratch);
    chain->stats[index].cpu_us += clock_process_us() - began;
    if (code != OK) {
        error->code = code == ERROR_RECORD ? ERROR_TRANSIENT : code;
        return error_wrap(error, "stage %s", stage->type->name);
    }
    return output.made ? take_output(running, index, &output, out, error) : OK;
}

enum error_code chain_flush(struct chain *chain, struct arena *arena,
                            struct chain_outcome *outcome, bool *is_done,
                            struct error *error)
{
    struct error own;
    error = place_for(error, &own);
    struct running running = {.chain = chain, .all = {.arena = arena}};
    const struct batch *made = NULL;
    enum error_code code = OK;
    while (code == OK && chain->flushing < chain->phase->stage_count && !made) {
        uint32_t index = (uint32_t)chain->flushing;
        code = flush_stage(&running, index, &made, error);
        if (code == OK && made)
            code = run_segments(&running, index + 1, made, error);
        else
            chain->flushing++;
    }
    if (code != OK)
        return code;
    *outcome = gathering_outcome(&running.all);
    *is_done = chain->flushing == chain->phase->stage_count;
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
