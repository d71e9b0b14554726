/* shard_run.c - one shard from its source through the stages into the volume */
#include "worker/shard_run.h"

#include <assert.h>

#include "core/arena.h"
#include "core/clock.h"
#include "worker/fold.h"

static enum error_code put_bad(const struct shard_run *run,
                               const struct source_result *read, struct tally *tally,
                               struct error *error)
{
    for (size_t i = 0; i < read->bad_count; i++) {
        const struct bad_record *bad = &read->bad[i];
        const char *key = NULL;
        if (bad->key) {
            key = arena_copy_text(run->arena, bad->key, bad->key_size);
            if (!key)
                return error_set(error, ERROR_MEMORY, "no memory for a bad record");
        }
        struct reject reject = {.file = read->files.names[bad->origin.file],
                                .offset = bad->origin.offset,
                                .size = bad->origin.size,
                                .key = key,
                                .stage = "input",
                                .reason = bad->reason,
                                .detail = bad->detail,
                                .excerpt = bad->excerpt,
                                .excerpt_size = bad->excerpt_size};
        enum error_code code = output_reject(run->output, &reject, false, error);
        if (code != OK)
            return code;
        tally->records++;
        tally->bytes += bad->origin.size;
    }
    return OK;
}

static enum error_code put_outcome(const struct shard_run *run,
                                   const struct chain_outcome *outcome,
                                   const struct file_names *files, struct error *error)
{
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < outcome->batch_count; i++)
        code = run->fold
                   ? fold_took(run->fold, outcome->batches[i], files, run->output, error)
                   : output_batch(run->output, outcome->batches[i], files, error);
    for (size_t i = 0; code == OK && i < outcome->reject_count; i++) {
        assert(files->names); /* of the batch that it was in */
        struct reject reject = outcome->rejects[i].reject;
        reject.file = files->names[outcome->rejects[i].file];
        code = output_reject(run->output, &reject, outcome->rejects[i].is_made, error);
    }
    for (size_t i = 0; code == OK && i < outcome->reason_count; i++) {
        const struct reason *reason = &outcome->reasons[i];
        if (!reason->is_quarantine) /* the others were counted with their rejects */
            output_drop(run->output, reason->stage, reason->reason, reason->tally);
    }
    if (code == OK)
        output_account(run->output, &outcome->account);
    return code;
}

static enum error_code run_batch(const struct shard_run *run,
                                 const struct source_result *read, struct error *error)
{
    struct tally tally = {0};
    enum error_code code = put_bad(run, read, &tally, error);
    if (code != OK)
        return code;
    for (uint32_t i = 0; i < read->batch->count; i++)
        tally.bytes += read->batch->origins[i].size;
    tally.records += read->batch->count;
    output_read(run->output, tally, read->separator_bytes);
    if (read->batch->count && run->fold && fold_is_of_states(run->fold)) {
        code = fold_merge(run->fold, read->batch, &read->files, run->output, error);
    } else if (read->batch->count) {
        struct chain_outcome outcome;
        chain_name_files(run->chain, &read->files);
        code = chain_run(run->chain, read->batch, run->arena, &outcome, error);
        if (code == OK)
            code = put_outcome(run, &outcome, &read->files, error);
    }
    atomic_fetch_add_explicit(&run->flight->records, tally.records, memory_order_relaxed);
    atomic_fetch_add_explicit(&run->flight->bytes, tally.bytes + read->separator_bytes,
                              memory_order_relaxed);
    return code;
}

/* What stages still hold. Its records have the file numbers of the shard's last batch: only
 * shards with one table of files have such stages. */
static enum error_code run_rest(const struct shard_run *run,
                                const struct file_names *files, struct error *error)
{
    enum error_code code = OK;
    bool is_done = false;
    chain_name_files(run->chain, files);
    while (code == OK && !is_done) {
        struct chain_outcome outcome;
        arena_reset(run->arena);
        code = chain_flush(run->chain, run->arena, &outcome, &is_done, error);
        if (code == OK)
            code = put_outcome(run, &outcome, files, error);
    }
    return code;
}

enum error_code shard_run(const struct shard_run *run, shard_id shard,
                          uint32_t generation, const struct chain_isolation *isolation,
                          const struct shard_entry **entry, struct error *error)
{
    int64_t began_us = clock_process_us();
    atomic_store(&run->flight->shard, shard);
    output_begin(run->output, shard, generation);
    chain_begin(run->chain, isolation);
    struct file_names files = {0};
    enum error_code code = run->fold ? fold_begin(run->fold, error) : OK;
    while (code == OK) {
        struct source_result read;
        arena_reset(run->arena);
        code = source_next(run->source, run->arena, &read, error);
        if (code != OK || !read.batch)
            break;
        files = read.files;
        code = run_batch(run, &read, error);
    }
    if (code == OK)
        code = run_rest(run, &files, error);
    arena_reset(run->arena);
    if (code == OK && run->fold)
        code = fold_end(run->fold, run->arena, run->output, error);
    if (code == OK)
        code = output_finish(run->output, (uint64_t)(clock_process_us() - began_us),
                             entry, error);
    return code;
}
