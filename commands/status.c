/* status.c - millrace status JOB: how a job stands */
#include "commands/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/platform.h"

enum {
    NUMBER_SIZE = 32,
    WIDTH = 79,
    WATCH_MS = 1000,
    SILENT_MS = 30000, /* a coordinator elsewhere that wrote nothing for so long */
    EXIT_FAILED = 1,
    EXIT_USAGE = 2
};

static const struct argument_spec specs[] = {
    {.name = "--json", .help = "print JSON, one line"},
    {.name = "--watch", .help = "print again each second until the job is over"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace status JOB [options]",
    .summary = "Say how a job stands: its state, records, shards and time.",
    .min = 1,
    .max = 1,
    .specs = specs};

/* ---- is it true what the file says? ---- */

/* A coordinator that was killed could not say so. */
static void correct_state(struct status *status)
{
    char host[256], boot[64];
    platform_host_name(host, sizeof host);
    platform_boot_id(boot, sizeof boot);
    bool is_here = strcmp(host, status->host) == 0 && status->boot &&
                   strcmp(boot, status->boot) == 0 && status->pid <= INT32_MAX;
    if (status->part.state != STATUS_RUNNING || !is_here ||
        platform_process_start((int)status->pid) == status->process_start)
        return;
    status->part.state = STATUS_STOPPED;
    status->message = "the coordinator died; the same command resumes the job";
}

/* ---- as text, in 80 columns ---- */

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t value, char text[NUMBER_SIZE])
{
    char *at = &text[NUMBER_SIZE - 1];
    *at = 0;
    for (int digits = 0; digits == 0 || value; value /= 10, digits++) {
        if (digits && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + value % 10);
    }
    return at;
}

static void print_tally(FILE *file, const char *name, uint64_t records, uint64_t bytes)
{
    char a[NUMBER_SIZE], b[NUMBER_SIZE];
    (void)fprintf(file, "  %-12s %20s %26s\n", name, grouped(records, a),
                  grouped(bytes, b));
}

static double percent(const struct status_part *part)
{
    return part->shards_total
               ? 100.0 * (double)part->shards_done / (double)part->shards_total
               : 0;
}

static double rate(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void print_shards(FILE *file, const struct status_part *part)
{
    char a[NUMBER_SIZE], b[NUMBER_SIZE];
    (void)fprintf(file, "%s of %s%s shards", grouped(part->shards_done, a),
                  part->is_total_exact ? "" : "at least ",
                  grouped(part->shards_total, b));
    if (part->is_total_exact)
        (void)fprintf(file, " (%.1f %%)", percent(part));
}

static void print_reasons(FILE *file, const struct status *status)
{
    if (status->reason_count)
        (void)fprintf(file, "\nnot emitted, by stage and reason\n");
    for (size_t i = 0; i < status->reason_count; i++) {
        const struct reason *reason = &status->reasons[i];
        char a[NUMBER_SIZE];
        (void)fprintf(file, "  %-11s %20s  %.20s: %.22s\n",
                      reason->is_quarantine ? "quarantined" : "dropped",
                      grouped(reason->tally.records, a), reason->stage, reason->reason);
    }
}

static void print_phases(FILE *file, const struct status *status)
{
    if (status->phase_count < 2)
        return;
    (void)fprintf(file, "\nphases\n");
    for (size_t i = 0; i < status->phase_count; i++) {
        const struct status_phase *phase = &status->phases[i];
        (void)fprintf(file, "  %-20.20s %-8s ", phase->name,
                      status_state_name(phase->part.state));
        print_shards(file, &phase->part);
        (void)fprintf(file, "\n");
    }
}

/* "1h02m" or "12.3 s". */
static void print_time(FILE *file, double seconds)
{
    uint64_t whole = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;
    if (whole < 120)
        (void)fprintf(file, "%.1f s", seconds);
    else if (whole < 7200)
        (void)fprintf(file, "%" PRIu64 "m%02" PRIu64 "s", whole / 60, whole % 60);
    else
        (void)fprintf(file, "%" PRIu64 "h%02" PRIu64 "m", whole / 3600,
                      whole % 3600 / 60);
}

static void print_speed(FILE *file, const struct status_part *part)
{
    (void)fprintf(file, "  time         ");
    print_time(file, part->seconds);
    (void)fprintf(file, ", %.0f records/s, %.1f MB/s",
                  rate(part->account.read.records, part->seconds),
                  rate(part->account.read.bytes, part->seconds) / 1e6);
    if (part->state == STATUS_RUNNING && part->is_total_exact && part->shards_done) {
        (void)fprintf(file, ", ");
        print_time(file, part->seconds *
                             (double)(part->shards_total - part->shards_done) /
                             (double)part->shards_done);
        (void)fprintf(file, " left");
    }
    (void)fprintf(file, "\n");
}

static void print_machines(FILE *file, const struct status *status)
{
    char a[NUMBER_SIZE];
    (void)fprintf(file, "  workers      %" PRIu32 " with %" PRIu32 " executors",
                  status->workers, status->executors);
    (void)fprintf(file, "; %s leases given out again\n", grouped(status->retried, a));
    (void)fprintf(file, "  stored       %.1f MB",
                  (double)status->part.stored_bytes / 1e6);
    if (status->fsync_count)
        (void)fprintf(file, "; %s fsyncs, %.1f ms each", grouped(status->fsync_count, a),
                      (double)status->fsync_us / (double)status->fsync_count / 1e3);
    (void)fprintf(file, "\n");
}

/* Words in lines of at most WIDTH columns; a longer word stands alone. */
static void print_wrapped(FILE *file, const char *text)
{
    size_t column = 0;
    for (text += strspn(text, " \n"); *text; text += strspn(text, " \n")) {
        size_t size = strcspn(text, " \n");
        bool is_full = column && column + 1 + size > WIDTH;
        if (is_full)
            column = 0;
        column += (size_t)fprintf(file, "%s%.*s",
                                  column    ? " "
                                  : is_full ? "\n  "
                                            : "  ",
                                  (int)size, text);
        text += size;
    }
    if (column)
        (void)fputc('\n', file);
}

/* Nothing where no stage makes records of others. */
static void print_made(FILE *file, const struct account *account)
{
    const struct {
        const char *name;
        uint64_t records;
    } lines[] = {{"used", account->used.records},
                 {"made of them", account->made.made.records},
                 {"  merged", account->made.merged.records},
                 {"  emitted", account->made.emitted.records},
                 {"  dropped", account->made.dropped.records},
                 {"  quarantined", account->made.quarantined.records}};
    char number[NUMBER_SIZE];
    for (size_t i = 0; account->used.records && i < sizeof lines / sizeof *lines; i++)
        (void)fprintf(file, "  %-13s %19s\n", lines[i].name,
                      grouped(lines[i].records, number));
}

static void print_text(FILE *file, const struct status *status)
{
    const struct status_part *part = &status->part;
    const struct account *account = &part->account;
    (void)fprintf(file, "%.60s: %s\n", status->name, status_state_name(part->state));
    if (status->message)
        print_wrapped(file, status->message);
    if (part->state == STATUS_RUNNING) {
        (void)fprintf(file, "  process %" PRIu32 " on %.40s, session %" PRIu64 "\n",
                      status->pid, status->host, status->session);
        if (clock_wall_ms() - status->updated_ms > SILENT_MS)
            (void)fprintf(file, "  not heard of for %" PRId64 " s\n",
                          (clock_wall_ms() - status->updated_ms) / 1000);
    }
    (void)fprintf(file, "  done         ");
    print_shards(file, part);
    (void)fprintf(file, "\n");
    print_speed(file, part);
    print_machines(file, status);
    (void)fprintf(file, "\n  %-12s %20s %26s\n", "", "records", "bytes");
    print_tally(file, "read", account->read.records, account->read.bytes);
    print_tally(file, "emitted", account->emitted.records, account->emitted.bytes);
    print_tally(file, "dropped", account->dropped.records, account->dropped.bytes);
    print_tally(file, "quarantined", account->quarantined.records,
                account->quarantined.bytes);
    if (account->separator_bytes) {
        char b[NUMBER_SIZE];
        (void)fprintf(file, "  %-12s %20s %26s\n", "blank lines", "",
                      grouped(account->separator_bytes, b));
    }
    print_made(file, account);
    print_reasons(file, status);
    print_phases(file, status);
}

/* One line, for a log. */
static void print_line(FILE *file, const struct status *status)
{
    const struct status_part *part = &status->part;
    (void)fprintf(file, "%s ", status_state_name(part->state));
    print_shards(file, part);
    (void)fprintf(file, ", %" PRIu64 " records, %.1f MB/s, %" PRIu64 " quarantined\n",
                  part->account.read.records,
                  rate(part->account.read.bytes, part->seconds) / 1e6,
                  part->account.quarantined.records);
}

static bool print_json(FILE *file, const struct status *status)
{
    struct bytes text = {0};
    status_write(status, &text);
    bytes_put_u8(&text, '\n');
    bool is_good = !text.is_bad && fwrite(text.data, 1, text.size, file) == text.size;
    bytes_clear(&text);
    return is_good;
}

/* ---- the command ---- */

/* From the top of a cleared screen. */
static void print_in_place(const struct status *status)
{
    (void)fputs("\033[H\033[2J", stdout);
    print_text(stdout, status);
}

static enum error_code show(const char *job, bool is_json, bool is_watch, bool *is_over,
                            struct error *error)
{
    struct status status;
    struct arena *arena = arena_create(1 << 16, 0);
    if (!arena)
        return error_set(error, ERROR_MEMORY, "out of memory");
    enum error_code code = status_load(job, arena, &status, error);
    if (code != OK)
        goto done;
    correct_state(&status);
    *is_over = status.part.state != STATUS_RUNNING;
    bool is_good = true;
    if (is_json)
        is_good = print_json(stdout, &status);
    else if (is_watch && isatty(STDOUT_FILENO))
        print_in_place(&status);
    else if (is_watch && !*is_over)
        print_line(stdout, &status);
    else
        print_text(stdout, &status);
    if (fflush(stdout) != 0 || !is_good)
        code = error_set(error, ERROR_IO, "cannot write to standard output");
done:
    arena_destroy(arena);
    return code;
}

static int run(const struct arguments *arguments)
{
    const char *job = arguments->texts.items[0];
    bool is_json = arguments_flag(arguments, "--json");
    bool is_watch = arguments_flag(arguments, "--watch");
    bool is_over = false;
    struct error error;
    for (;;) {
        enum error_code code = show(job, is_json, is_watch, &is_over, &error);
        if (code != OK) {
            (void)fprintf(stderr, "millrace status: %s\n", error.text);
            return code == ERROR_CLOSED ? EXIT_USAGE : EXIT_FAILED;
        }
        if (is_over || !is_watch)
            return 0;
        clock_sleep_ms(WATCH_MS);
    }
}

int command_status(int argc, char **argv)
{
    struct arguments arguments;
    struct error error;
    int status = 0;
    struct arena *arena = arena_create(4096, 0);
    if (!arena)
        return EXIT_FAILED;
    if (arguments_parse(&command, argc, argv, arena, &arguments, &error) != OK) {
        (void)fprintf(stderr, "millrace status: %s\n", error.text);
        status = EXIT_USAGE;
    } else if (arguments.is_help) {
        arguments_help(&command, stdout);
    } else {
        status = run(&arguments);
    }
    arena_destroy(arena);
    return status;
}
