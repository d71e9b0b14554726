/* export_run.c - walk all records of a phase with several threads, into a format */
#include "commands/export_run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "commands/block_reader.h"
#include "core/bytes.h"
#include "core/stop_signal.h"

enum {
    UNIT_BLOCKS = 16,     /* some MB of columns */
    PART_SIZE = 2 << 20,  /* a part this large is handed over before its unit ends */
    MAPPED_ALL = 16 << 20 /* bytes of volumes mapped, by all threads together */
};

struct extent { /* blocks that stand together in the order */
    uint32_t volume_id;
    shard_id shard;
    uint64_t first_block, block_count;
    const char *first, *last; /* names of files; NULL: all */
};

/* Some blocks of one extent: what a thread takes at a time. */
struct unit {
    uint64_t number; /* in the order of the input */
    struct extent extent;
};

struct crew {
    struct job_view *view;
    const struct export_format *format;
    struct export_job *job;
    struct bytes extents; /* owned: struct extent */
    pthread_mutex_t view_lock, lock;
    pthread_cond_t moved; /* turn or failed has changed */
    /* Guarded by `lock`: */
    size_t extent; /* the next unit begins at this block of this extent */
    uint64_t block;
    uint64_t handed, turn; /* numbers of units */
    uint64_t failed;       /* the earliest that failed; UINT64_MAX: none */
    enum error_code code;  /* and why */
    struct error error;
};

struct worker {
    struct crew *crew;
    struct block_reader *reader; /* owned */
    struct export_part part;     /* owned */
    bool has_turn;               /* place() is ours */
    bool is_started;
    pthread_t thread;
};

/* ---- the order of the input ---- */

static enum error_code note_extent(const struct job_shard *shard, const char *first,
                                   const char *last, void *user, struct error *error)
{
    struct crew *crew = user;
    struct extent extent = {.volume_id = shard->volume_id,
                            .shard = shard->shard,
                            .first_block = shard->first_block,
                            .block_count = shard->block_count,
                            .first = first,
                            .last = last};
    if (shard->block_count > 0)
        bytes_put(&crew->extents, &extent, sizeof extent);
    return crew->extents.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for the order of the records")
               : OK;
}

static bool is_inside(const struct extent *extent, const char *file)
{
    return !extent->first ||
           (strcmp(file, extent->first) >= 0 && strcmp(file, extent->last) <= 0);
}

/* False: nothing is left, or an earlier unit has failed. */
static bool take_unit(struct crew *crew, struct unit *unit)
{
    size_t count = crew->extents.size / sizeof(struct extent);
    const struct extent *extents = (const void *)crew->extents.data;
    (void)pthread_mutex_lock(&crew->lock);
    if (crew->failed == UINT64_MAX && stop_signal_count() > 0) {
        crew->failed = crew->handed;
        crew->code = error_set(&crew->error, ERROR_CLOSED, "stopped by a signal");
        (void)pthread_cond_broadcast(&crew->moved);
    }
    bool is_taken = crew->failed == UINT64_MAX && crew->extent < count;
    if (is_taken) {
        const struct extent *extent = &extents[crew->extent];
        uint64_t left = extent->block_count - crew->block;
        *unit = (struct unit){.number = crew->handed++, .extent = *extent};
        unit->extent.first_block += crew->block;
        unit->extent.block_count = left < UNIT_BLOCKS ? left : UNIT_BLOCKS;
        crew->block += unit->extent.block_count;
        if (crew->block == extent->block_count) {
            crew->extent++;
            crew->block = 0;
        }
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return is_taken;
}

/* Until all earlier units are placed. False: one of them has failed. */
static bool wait_for_turn(struct worker *worker, const struct unit *unit)
{
    struct crew *crew = worker->crew;
    (void)pthread_mutex_lock(&crew->lock);
    while (crew->turn != unit->number && crew->failed > unit->number)
        (void)pthread_cond_wait(&crew->moved, &crew->lock);
    bool is_ours = crew->turn == unit->number && crew->failed > unit->number;
    (void)pthread_mutex_unlock(&crew->lock);
    worker->has_turn = is_ours;
    return is_ours;
}

static void pass_turn(struct worker *worker)
{
    struct crew *crew = worker->crew;
    (void)pthread_mutex_lock(&crew->lock);
    crew->turn++;
    (void)pthread_cond_broadcast(&crew->moved);
    (void)pthread_mutex_unlock(&crew->lock);
    worker->has_turn = false;
}

static void fail_unit(struct crew *crew, uint64_t number, enum error_code code,
                      const struct error *error)
{
    (void)pthread_mutex_lock(&crew->lock);
    if (number < crew->failed) {
        crew->failed = number;
        crew->code = code;
        crew->error = *error;
    }
    (void)pthread_cond_broadcast(&crew->moved);
    (void)pthread_mutex_unlock(&crew->lock);
}

/* ---- records ---- */

static void reset_part(struct export_part *part)
{
    bytes_reset(&part->data);
    bytes_reset(&part->side);
    bytes_reset(&part->rows);
    bytes_reset(&part->spans);
    part->carried = 0;
}

/* Place and write what the part holds; the unit goes on unless is_last. The turn is passed
 * on as soon as the place is known. */
static enum error_code hand_over(struct worker *worker, const struct unit *unit,
                                 bool is_last, struct error *error)
{
    struct crew *crew = worker->crew;
    struct export_part *part = &worker->part;
    if (!worker->has_turn && !wait_for_turn(worker, unit))
        return error_set(error, ERROR_CLOSED, "an earlier record failed");
    enum error_code code = crew->format->place(crew->job, part, error);
    if (code == OK && is_last)
        pass_turn(worker);
    /* write() also gives back what a failed place() left with the part. */
    if (crew->format->write && (code == OK || part->carried)) {
        struct error later = {0};
        enum error_code written = crew->format->write(crew->job, part, &later);
        if (code == OK && written != OK) {
            code = written;
            *error = later;
        }
    }
    reset_part(part);
    return code;
}

static enum error_code encode_block(struct worker *worker, const struct unit *unit,
                                    const struct batch *batch,
                                    const struct file_names *files, struct error *error)
{
    struct crew *crew = worker->crew;
    struct export_part *part = &worker->part;
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < batch->count; i++) {
        struct export_row row = {0};
        struct job_record record = {.batch = batch,
                                    .row = i,
                                    .file = files->names[batch->origins[i].file],
                                    .shard = unit->extent.shard};
        if (!is_inside(&unit->extent, record.file))
            continue;
        code = crew->format->encode(crew->job, &record, part, &row, error);
        bytes_put(&part->rows, &row, sizeof row);
        if (code == OK && (part->data.is_bad || part->side.is_bad || part->rows.is_bad))
            code = error_set(error, ERROR_MEMORY, "no memory for a record");
        if (code == OK && part->data.size + part->side.size > PART_SIZE)
            code = hand_over(worker, unit, false, error);
    }
    return code;
}

static enum error_code do_unit(struct worker *worker, const struct unit *unit,
                               struct error *error)
{
    enum error_code code = OK;
    const struct extent *extent = &unit->extent;
    for (uint64_t i = 0; code == OK && i < extent->block_count; i++) {
        struct batch *batch;
        struct file_names files;
        code = block_reader_get(worker->reader, extent->volume_id,
                                extent->first_block + i, &batch, &files, error);
        if (code == OK)
            code = encode_block(worker, unit, batch, &files, error);
    }
    if (code == OK)
        code = hand_over(worker, unit, true, error);
    reset_part(&worker->part);
    worker->has_turn = false;
    return code;
}

static void *work(void *user)
{
    struct worker *worker = user;
    struct unit unit;
    while (take_unit(worker->crew, &unit)) {
        struct error error = {0};
        enum error_code code = do_unit(worker, &unit, &error);
        if (code != OK)
            fail_unit(worker->crew, unit.number, code, &error);
    }
    return NULL;
}

/* ---- all of it ---- */

static void worker_clear(struct worker *worker)
{
    block_reader_destroy(worker->reader);
    bytes_clear(&worker->part.data);
    bytes_clear(&worker->part.side);
    bytes_clear(&worker->part.rows);
    bytes_clear(&worker->part.spans);
}

/* The first block that there is, for its columns. */
static enum error_code open_format(struct crew *crew, struct block_reader *reader,
                                   struct error *error)
{
    struct batch *batch = NULL;
    struct file_names files;
    const struct extent *extents = (const void *)crew->extents.data;
    enum error_code code = OK;
    if (crew->extents.size > 0)
        code = block_reader_get(reader, extents[0].volume_id, extents[0].first_block,
                                &batch, &files, error);
    return code == OK ? crew->format->open(crew->job, batch, error) : code;
}

/* Workers beyond the first that cannot be started are done without. */
static enum error_code run_workers(struct crew *crew, struct worker *workers,
                                   uint32_t count, struct error *error)
{
    for (uint32_t i = 1; i < count; i++)
        workers[i].is_started =
            pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
    (void)work(&workers[0]);
    for (uint32_t i = 1; i < count; i++)
        if (workers[i].is_started)
            (void)pthread_join(workers[i].thread, NULL);
    if (crew->failed == UINT64_MAX)
        return OK;
    *error = crew->error;
    return crew->code;
}

static enum error_code run_passes(struct crew *crew, struct worker *workers,
                                  uint32_t count, struct error *error)
{
    enum error_code code = OK;
    for (bool is_wanted = true; code == OK && is_wanted; crew->job->pass++) {
        is_wanted = false;
        crew->extent = 0;
        crew->block = crew->handed = crew->turn = 0;
        code = run_workers(crew, workers, count, error);
        if (code == OK && crew->format->next_pass)
            code = crew->format->next_pass(crew->job, &is_wanted, error);
    }
    return code;
}

static struct worker *workers_create(struct crew *crew, uint32_t count)
{
    struct worker *workers = calloc(count, sizeof *workers);
    for (uint32_t i = 0; workers && i < count; i++) {
        workers[i].crew = crew;
        workers[i].reader =
            block_reader_create(crew->view, &crew->view_lock, MAPPED_ALL / count);
        if (!workers[i].reader) {
            for (uint32_t k = 0; k < i; k++)
                worker_clear(&workers[k]);
            free(workers);
            return NULL;
        }
    }
    return workers;
}

enum error_code export_run(struct job_view *view, const struct phase_record *phase,
                           const struct export_format *format, struct export_job *job,
                           struct error *error)
{
    struct crew crew = {.view = view,
                        .format = format,
                        .job = job,
                        .view_lock = PTHREAD_MUTEX_INITIALIZER,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .moved = PTHREAD_COND_INITIALIZER,
                        .failed = UINT64_MAX};
    struct job_visitor visitor = {.shard = note_extent, .user = &crew};
    uint32_t count = job->options->threads ? job->options->threads : 1;
    struct worker *workers = NULL;
    job->view = view;
    job->phase = phase;
    job->pass = 0;
    enum error_code code = job_walk(view, phase, &visitor, error);
    if (code == OK) {
        workers = workers_create(&crew, count);
        if (!workers)
            code = error_set(error, ERROR_MEMORY, "no memory for %u threads", count);
    }
    if (code == OK && workers) {
        code = open_format(&crew, workers[0].reader, error);
        if (code == OK)
            code = run_passes(&crew, workers, count, error);
        if (code == OK && format->finish)
            code = format->finish(job, error);
        if (format->close)
            format->close(job);
    }
    for (uint32_t i = 0; workers && i < count; i++)
        worker_clear(&workers[i]);
    free(workers);
    bytes_clear(&crew.extents);
    return code;
}
