/* show.c - millrace show JOB: published records as JSON lines */
#include "commands/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/command_line.h"
#include "commands/job_view.h"
#include "commands/result_file.h"
#include "core/arguments.h"
#include "core/bytes.h"
#include "core/json_write.h"

enum { COUNT_DIGITS_MAX = 9 };

static const struct argument_spec specs[] = {
    {.name = "--limit", .value = "N", .help = "print no more than so many"},
    {.name = "--sample",
     .value = "N",
     .help = "print so many, spread evenly over the job"},
    {.name = "--rejects", .help = "print quarantined records, with stage and reason"},
    {.name = "--phase", .value = "NAME", .help = "of this phase (default: the last)"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace show JOB [KEY...] [options]",
    .summary = "Print records of a job as JSON lines, in the order of the input.",
    .min = 1,
    .max = SIZE_MAX,
    .specs = specs};

struct show {
    struct result_file output;
    struct bytes line; /* owned */
    uint64_t limit;    /* UINT64_MAX: none */
    uint64_t printed;
    bool is_over; /* all that was asked for is printed, or nobody reads on */
    /* A sample is the records of these numbers: k * total / sample for k = 0, 1, ... */
    uint64_t sample, total;
    uint64_t next;          /* k of the next record to print */
    uint64_t shard_begin;   /* number of the current shard's first record, */
    uint64_t following;     /* of the next shard's, */
    uint64_t record_number; /* and of the next record */
};

static enum error_code parse_count(const struct arguments *arguments, const char *name,
                                   uint64_t *count, struct error *error)
{
    const char *text = arguments_value(arguments, name);
    if (!text)
        return OK;
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > COUNT_DIGITS_MAX || text[digits] != 0)
        return error_set(error, ERROR_CONFIG,
                         "%s wants a number of at most %d digits, not \"%s\"", name,
                         COUNT_DIGITS_MAX, text);
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    *count = value;
    return OK;
}

/* ERROR_CLOSED when that was the last that was asked for. */
static enum error_code print_line(struct show *show, struct error *error)
{
    bytes_put_u8(&show->line, '\n');
    if (show->line.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a record as text");
    enum error_code code =
        result_file_write(&show->output, show->line.data, show->line.size, error);
    if (code == OK && ++show->printed >= show->limit)
        code = error_set(error, ERROR_CLOSED, "that was all");
    show->is_over = code == ERROR_CLOSED;
    return code;
}

/* ---- records ---- */

/* Number of the record that is k-th in the sample. Fits: k and sample are below 10^9. */
static uint64_t sample_number(const struct show *show, uint64_t k)
{
    uint64_t whole = show->total / show->sample;
    uint64_t rest = show->total % show->sample;
    return k * whole + k * rest / show->sample;
}

static bool wants_shard(const struct job_shard *shard, void *user)
{
    struct show *show = user;
    show->shard_begin = show->following;
    show->record_number = show->shard_begin;
    show->following += shard->stored;
    return show->sample == 0 || (show->next < show->sample &&
                                 sample_number(show, show->next) < show->following);
}

static enum error_code print_record(const struct job_record *record, void *user,
                                    struct error *error)
{
    struct show *show = user;
    if (show->sample > 0) {
        uint64_t number = show->record_number++;
        if (show->next >= show->sample || number < sample_number(show, show->next))
            return OK;
        show->next++;
    }
    bytes_reset(&show->line);
    json_put_record(record->batch, record->row, &show->line);
    return print_line(show, error);
}

/* ---- quarantined records ---- */

static void put_text(const char *name, const char *text, struct bytes *line)
{
    bytes_put(line, name, strlen(name));
    if (text)
        json_put_text(text, strlen(text), line);
    else
        bytes_put(line, "null", 4);
}

static enum error_code print_reject(const struct reject *reject, void *user,
                                    struct error *error)
{
    struct show *show = user;
    struct bytes *line = &show->line;
    char offset[80];
    int length =
        reject->copy > 0
            ? snprintf(offset, sizeof offset,
                       ", \"offset\": %" PRIu64 ", \"copy\": %" PRIu64, reject->offset,
                       reject->copy)
            : snprintf(offset, sizeof offset, ", \"offset\": %" PRIu64, reject->offset);
    bytes_reset(line);
    put_text("{\"file\": ", reject->file, line);
    bytes_put(line, offset, (size_t)length);
    put_text(", \"key\": ", reject->key, line);
    put_text(", \"stage\": ", reject->stage, line);
    put_text(", \"reason\": ", reject->reason, line);
    put_text(", \"detail\": ", reject->detail, line);
    bytes_put(line, ", \"excerpt\": ", 13);
    json_put_text((const char *)reject->excerpt, reject->excerpt_size, line);
    bytes_put_u8(line, '}');
    return print_line(show, error);
}

/* ---- the command ---- */

/* ERROR_RECORD: some key was not there; the others were printed. */
static enum error_code show_keys(struct show *show, struct job_view *job,
                                 const struct phase_record *phase,
                                 const struct text_list *texts, struct error *error)
{
    struct job_visitor visitor = {.record = print_record, .user = show};
    enum error_code result = OK;
    for (size_t i = 1; i < texts->count && show->printed < show->limit; i++) {
        uint64_t found;
        enum error_code code =
            job_find_key(job, phase, texts->items[i], &visitor, &found, error);
        if (code != OK)
            return code;
        if (found == 0)
            result = error_set(error, ERROR_RECORD, "there is no record with key \"%s\"",
                               texts->items[i]);
    }
    return result;
}

static enum error_code show_all(struct show *show, struct job_view *job,
                                const struct phase_record *phase, bool is_rejects,
                                struct error *error)
{
    struct job_visitor visitor = {
        .record = print_record, .wants_shard = wants_shard, .user = show};
    if (is_rejects)
        visitor = (struct job_visitor){.reject = print_reject, .user = show};
    enum error_code code = OK;
    if (show->sample > 0)
        code = job_count_records(job, phase, &show->total, error);
    if (show->sample > show->total)
        show->sample = show->total;
    if (code == OK)
        code = job_walk(job, phase, &visitor, error);
    return code;
}

static enum error_code show_job(const struct arguments *arguments, int *status,
                                struct error *error)
{
    (void)status;
    struct show show = {.limit = UINT64_MAX};
    struct job_view *job = NULL;
    const struct phase_record *phase;
    bool is_rejects = arguments_flag(arguments, "--rejects");
    enum error_code code = parse_count(arguments, "--limit", &show.limit, error);
    if (code == OK)
        code = parse_count(arguments, "--sample", &show.sample, error);
    if (code == OK && (is_rejects || show.sample > 0) && arguments->texts.count > 1)
        code = error_set(error, ERROR_CONFIG, "--rejects and --sample go without keys");
    if (code == OK && is_rejects && show.sample > 0)
        code = error_set(error, ERROR_CONFIG, "--rejects goes without --sample");
    if (code == OK)
        code = job_open(arguments->texts.items[0], &job, error);
    if (code == OK)
        code = job_get_phase(job, arguments_value(arguments, "--phase"), &phase, error);
    if (code == OK)
        code = result_file_open("-", &show.output, error);
    if (code == OK && show.limit > 0)
        code = arguments->texts.count > 1
                   ? show_keys(&show, job, phase, &arguments->texts, error)
                   : show_all(&show, job, phase, is_rejects, error);
    if (code == ERROR_CLOSED && show.is_over)
        code = OK;
    if (code == OK || code == ERROR_RECORD) {
        enum error_code written =
            result_file_commit(&show.output, code == OK ? error : NULL);
        code = code == OK && written != ERROR_CLOSED ? written : code;
    }
    result_file_close(&show.output);
    job_close(job);
    bytes_clear(&show.line);
    return code;
}

int command_show(int argc, char **argv)
{
    return command_line_run(&command, argc, argv, show_job);
}
