/* report.c - progress for people, status.json for programs */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/coordinator_state.h"
#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/platform.h"

enum { LINE_MS = 200, LOG_MS = 10000, LINE_SIZE = 256 };

/* Records and source bytes that have gone through the executors in this session. */
static void sum_peers(const struct coordinator *coordinator, uint64_t *records,
                      uint64_t *bytes, uint32_t *workers, uint32_t *executors)
{
    *records = *bytes = 0;
    *workers = *executors = 0;
    for (size_t i = 0; i < coordinator->peer_count; i++) {
        const struct peer *peer = &coordinator->peers[i];
        *records += peer->records;
        *bytes += peer->bytes;
        if (peer->is_joined) {
            ++*workers;
            *executors += peer->executors;
        }
    }
}

void report_begin_phase(struct coordinator *coordinator)
{
    uint32_t workers, executors;
    sum_peers(coordinator, &coordinator->records_before, &coordinator->bytes_before,
              &workers, &executors);
}

static void format_left(char *text, size_t size, double seconds)
{
    if (seconds < 0 || seconds > 359999)
        (void)snprintf(text, size, "--:--");
    else if (seconds >= 3600)
        (void)snprintf(text, size, "%d:%02d h", (int)(seconds / 3600),
                       (int)(seconds / 60) % 60);
    else
        (void)snprintf(text, size, "%d:%02d", (int)(seconds / 60), (int)seconds % 60);
}

/* How much of the phase is done, 0 to 1: what the executors have read where that can be
 * compared with the input, since shards count only once they are published. */
static double done_share(const struct coordinator *coordinator,
                         const struct schedule_counts *counts, uint64_t bytes)
{
    const struct manifest *manifest = &coordinator->manifest;
    uint64_t total = 0;
    bool is_known = true;
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        total += manifest->files[i].size;
        is_known = is_known && manifest->files[i].compression == COMPRESSION_NONE;
    }
    if (counts->total == 0)
        return 1;
    double shards = (double)counts->done / (double)counts->total;
    double before = (double)coordinator->shards_done / (double)counts->total;
    double read = is_known && total ? before + (double)bytes / (double)total : 0;
    if (read > 0.99)
        read = 0.99; /* it is not published yet, and some of it may be read again */
    return read > shards ? read : shards;
}

static void format_line(const struct coordinator *coordinator, int64_t now_ms, char *line,
                        size_t size)
{
    uint64_t records, bytes;
    uint32_t workers, executors;
    struct schedule_counts counts;
    schedule_count(coordinator->schedule, &counts);
    sum_peers(coordinator, &records, &bytes, &workers, &executors);
    records -=
        records > coordinator->records_before ? coordinator->records_before : records;
    bytes -= bytes > coordinator->bytes_before ? coordinator->bytes_before : bytes;
    const struct account *account =
        &books_totals(coordinator->settings->books, coordinator->phase)->account;
    double seconds = (double)(now_ms - coordinator->phase_ms) / 1000;
    double share = done_share(coordinator, &counts, bytes);
    double before =
        counts.total ? (double)coordinator->shards_done / (double)counts.total : 0;
    char left[32], percent[16] = "  ?%";
    double remaining = share > before ? seconds * (1 - share) / (share - before) : -1;
    format_left(left, sizeof left, counts.is_total_exact ? remaining : -1);
    if (counts.is_total_exact)
        (void)snprintf(percent, sizeof percent, "%3.0f%%", 100 * share);
    if (seconds <= 0)
        seconds = 0.001;
    bool is_one = coordinator->pipeline->phase_count == 1; /* its name says nothing */
    (void)snprintf(line, size,
                   "%.12s%s%s  %.0f rec/s  %.1f MB/s  %s left  %u worker%s  %" PRIu64
                   " dropped  %" PRIu64 " quarantined",
                   is_one ? "" : coordinator->pipeline->phases[coordinator->phase].name,
                   is_one ? "" : " ", percent, (double)records / seconds,
                   (double)bytes / 1e6 / seconds, left, workers, workers == 1 ? "" : "s",
                   account->dropped.records, account->quarantined.records);
}

void report_progress(struct coordinator *coordinator, int64_t now_ms)
{
    if (coordinator->settings->is_quiet || !coordinator->schedule)
        return;
    bool is_terminal = isatty(STDERR_FILENO);
    if (!is_terminal && coordinator->progress_ms == 0)
        coordinator->progress_ms = now_ms; /* nothing to tell yet */
    if (now_ms - coordinator->progress_ms < (is_terminal ? LINE_MS : LOG_MS))
        return;
    coordinator->progress_ms = now_ms;
    char line[LINE_SIZE];
    format_line(coordinator, now_ms, line, sizeof line);
    if (!is_terminal) {
        log_write(LEVEL_INFO, "%s", line);
        return;
    }
    line[79] = 0; /* one line, whatever it holds */
    (void)fprintf(stderr, "\r%-*s", (int)coordinator->progress_width, line);
    (void)fflush(stderr);
    coordinator->progress_width = strlen(line);
}

void report_clear(struct coordinator *coordinator)
{
    if (coordinator->progress_width)
        (void)fprintf(stderr, "\r%*s\r", (int)coordinator->progress_width, "");
    coordinator->progress_width = 0;
}

static bool is_read_by_another(const struct pipeline *pipeline, uint32_t phase)
{
    for (size_t i = 0; i < pipeline->phase_count; i++)
        if (pipeline->phases[i].input.format == FORMAT_PHASE &&
            pipeline->phases[i].input.phase_index == phase)
            return true;
    return false;
}

/* A stage makes records of all that reaches it, or of none: what is behind it has made ones
 * alone. */
static bool reads_made(const struct coordinator *coordinator, uint32_t phase)
{
    const struct pipeline *pipeline = coordinator->pipeline;
    while (pipeline->phases[phase].input.format == FORMAT_PHASE) {
        phase = (uint32_t)pipeline->phases[phase].input.phase_index;
        const struct phase_totals *totals =
            books_totals(coordinator->settings->books, phase);
        if (totals->account.made.made.records > 0 || totals->account.used.records > 0)
            return true;
    }
    return false;
}

/* A phase whose input are made records: to the job they are made ones of this phase, too. */
static struct account as_made(const struct account *account)
{
    struct account made = {.made = account->made};
    const struct account read = {.made = {.merged = account->used,
                                          .emitted = account->emitted,
                                          .dropped = account->dropped,
                                          .quarantined = account->quarantined}};
    account_add(&made, &read);
    made.made.emitted.records -= account->used.records;
    made.made.emitted.bytes -= account->used.bytes;
    return made;
}

/* The job as a whole: what its files gave and what its last phases kept. */
static struct account job_account(const struct coordinator *coordinator)
{
    const struct pipeline *pipeline = coordinator->pipeline;
    struct account sum = {0};
    for (uint32_t p = 0; p < pipeline->phase_count; p++) {
        struct account account = books_totals(coordinator->settings->books, p)->account;
        if (pipeline->phases[p].input.format == FORMAT_PHASE) {
            account.read = (struct tally){0};
            account.separator_bytes = 0;
        }
        if (reads_made(coordinator, p))
            account = as_made(&account);
        if (is_read_by_another(pipeline, p)) { /* there, the rest is accounted for */
            account.emitted = account.used;
            account.made.emitted = (struct tally){0};
        }
        account_add(&sum, &account);
    }
    return sum;
}

static void fill_phases(const struct coordinator *coordinator, enum status_state state,
                        struct status_phase *phases, struct status *status,
                        struct reason_table *reasons)
{
    for (uint32_t p = 0; p < coordinator->pipeline->phase_count; p++) {
        const struct phase_totals *totals = books_totals(coordinator->settings->books, p);
        struct status_part *part = &phases[p].part;
        phases[p].name = coordinator->pipeline->phases[p].name;
        *part = (struct status_part){.state = STATUS_FINISHED,
                                     .shards_total = totals->shards,
                                     .shards_done = totals->shards,
                                     .is_total_exact = true,
                                     .account = totals->account,
                                     .stored_bytes = totals->stored_bytes};
        if (coordinator->schedule && p == coordinator->phase) {
            struct schedule_counts counts;
            schedule_count(coordinator->schedule, &counts);
            part->shards_total = counts.total;
            part->shards_done = counts.done;
            part->is_total_exact = counts.is_total_exact;
            part->state = counts.done == counts.total && counts.is_total_exact
                              ? STATUS_FINISHED
                              : state;
            part->seconds = (double)(clock_now_ms() - coordinator->phase_ms) / 1000;
            status->retried = counts.retried;
            status->speculated = counts.speculated;
            status->changed_worker = counts.changed_worker;
        } else if (p >= coordinator->phase) { /* the phase itself is about to begin */
            part->state = state;
            part->is_total_exact = false;
        }
        status->part.shards_total += part->shards_total;
        status->part.shards_done += part->shards_done;
        status->part.is_total_exact = status->part.is_total_exact && part->is_total_exact;
        status->part.stored_bytes += part->stored_bytes;
        for (size_t i = 0; i < totals->reasons.count; i++)
            reason_table_add(reasons, &totals->reasons.items[i]);
    }
}

enum error_code report_status(struct coordinator *coordinator, const char *message,
                              int state, struct error *error)
{
    struct arena *arena = coordinator->message_arena;
    arena_reset(arena);
    size_t count = coordinator->pipeline->phase_count;
    struct status_phase *phases = ARENA_NEW(arena, struct status_phase, count);
    struct reason_table *reasons = ARENA_NEW(arena, struct reason_table, 1);
    if (!phases || !reasons)
        return error_set(error, ERROR_MEMORY, "no memory for the status");
    reasons->arena = arena;
    char host[256], boot[64];
    platform_host_name(host, sizeof host);
    platform_boot_id(boot, sizeof boot);
    int64_t now_ms = clock_now_ms();
    struct status status = {
        .name = coordinator->pipeline->name,
        .part = {.state = (enum status_state)state,
                 .seconds = (double)(now_ms - coordinator->started_ms) / 1000,
                 .is_total_exact = true,
                 .account = job_account(coordinator)},
        .session = lock_session(coordinator->settings->lock),
        .host = host,
        .boot = boot,
        .pid = (uint32_t)getpid(),
        .process_start = platform_process_start((int)getpid()),
        .started_ms = clock_wall_ms() - (now_ms - coordinator->started_ms),
        .updated_ms = clock_wall_ms(),
        .fsync_count = coordinator->fsync_count,
        .fsync_us = (uint64_t)coordinator->fsync_us,
        .phases = phases,
        .phase_count = count,
        .message = message};
    uint64_t records, bytes;
    sum_peers(coordinator, &records, &bytes, &status.workers, &status.executors);
    fill_phases(coordinator, (enum status_state)state, phases, &status, reasons);
    status.reasons = reasons->items;
    status.reason_count = reasons->count;
    return status_save(coordinator->settings->folder, &status, error);
}
