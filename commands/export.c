/* export.c - millrace export JOB: all records of a phase in another format */
#include "commands/export.h"

#include <stdio.h>
#include <string.h>

#include "commands/command_line.h"
#include "commands/job_view.h"
#include "commands/result_file.h"
#include "core/arguments.h"
#include "core/bytes.h"
#include "core/json_write.h"

/* A format writes the whole phase to `path`, which may be "-". */
struct export_format {
    const char *name;
    enum error_code (*write)(struct job_view *job, const struct phase_record *phase,
                             const char *path, struct error *error);
};

struct lines {
    struct result_file output;
    struct bytes line; /* owned */
};

static enum error_code write_line(const struct job_record *record, void *user,
                                  struct error *error)
{
    struct lines *lines = user;
    bytes_reset(&lines->line);
    json_put_record(record->batch, record->row, &lines->line);
    bytes_put_u8(&lines->line, '\n');
    if (lines->line.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a record as text");
    return result_file_write(&lines->output, lines->line.data, lines->line.size, error);
}

static enum error_code write_jsonl(struct job_view *job, const struct phase_record *phase,
                                   const char *path, struct error *error)
{
    struct lines lines = {.line = {0}};
    struct job_visitor visitor = {.record = write_line, .user = &lines};
    enum error_code code = result_file_open(path, &lines.output, error);
    if (code == OK)
        code = job_walk(job, phase, &visitor, error);
    if (code == OK)
        code = result_file_commit(&lines.output, error);
    result_file_close(&lines.output);
    bytes_clear(&lines.line);
    return code;
}

static const struct export_format formats[] = {
    {.name = "jsonl", .write = write_jsonl},
};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

static const struct argument_spec specs[] = {
    {.name = "--format", .value = "FORMAT", .help = "jsonl: a record a line"},
    {.name = "--out", .value = "PATH", .help = "the new file; \"-\" is standard output"},
    {.name = "--phase", .value = "NAME", .help = "of this phase (default: the last)"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace export JOB --format FORMAT --out PATH [options]",
    .summary = "Write all records of a job in another format, in the order of the input.",
    .min = 1,
    .max = 1,
    .specs = specs};

/* NULL: there is none of that name, and `error` says which there are. */
static const struct export_format *find_format(const char *name, struct error *error)
{
    char names[200] = "";
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (name && strcmp(formats[i].name, name) == 0)
            return &formats[i];
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, " %s", formats[i].name);
    }
    if (name)
        (void)error_set(error, ERROR_CONFIG, "unknown format \"%s\"; formats:%s", name,
                        names);
    else
        (void)error_set(error, ERROR_CONFIG, "--format is missing; formats:%s", names);
    return NULL;
}

static enum error_code export_job(const struct arguments *arguments, int *status,
                                  struct error *error)
{
    (void)status;
    struct job_view *job = NULL;
    const struct phase_record *phase;
    const char *path = arguments_value(arguments, "--out");
    const struct export_format *format =
        find_format(arguments_value(arguments, "--format"), error);
    if (!format)
        return ERROR_CONFIG;
    if (!path || !*path)
        return error_set(error, ERROR_CONFIG, "--out is missing");
    enum error_code code = job_open(arguments->texts.items[0], &job, error);
    if (code == OK)
        code = job_get_phase(job, arguments_value(arguments, "--phase"), &phase, error);
    if (code == OK && !job_is_finished(job))
        (void)fprintf(stderr,
                      "millrace: the job is not finished (%s): only what is published is "
                      "written\n",
                      job_state(job));
    if (code == OK)
        code = format->write(job, phase, path, error);
    job_close(job);
    return code;
}

int command_export(int argc, char **argv)
{
    return command_line_run(&command, argc, argv, export_job);
}
