/* export.c - millrace export JOB: all records of a phase in another format */
#include "commands/export.h"

#include <stdio.h>

#include "commands/command_line.h"
#include "commands/export_options.h"
#include "commands/export_run.h"
#include "commands/vocabulary_size.h"
#include "core/arena.h"
#include "core/stop_signal.h"

enum { EXIT_FAILED = 1, EXIT_STOPPED = 75, ARENA_BLOCK = 1 << 12, STATE_ALIGN = 16 };

/* ---- the type of token ids ---- */

static void set_dtype(struct export_job *job, enum export_dtype dtype)
{
    job->dtype = dtype;
    job->id_limit = export_dtype_limit(dtype);
}

/* What is known decides; a dtype that was guessed is tried, and given up for the wide one
 * when an id does not fit. */
static enum error_code settle_dtype(const struct export_format *format,
                                    const char *folder, struct export_job *job,
                                    struct error *error)
{
    const struct export_options *options = job->options;
    uint64_t entries = options->vocabulary;
    set_dtype(job, options->dtype == DTYPE_AUTO ? format->wide : options->dtype);
    if (format->narrow_max == 0)
        return OK;
    if (options->dtype == DTYPE_AUTO && entries == 0) {
        enum error_code code = vocabulary_size_find(folder, &entries, error);
        if (code != OK) /* it is no reason to fail: the ids themselves tell */
            (void)fprintf(stderr,
                          "millrace: %s; the type of ids is chosen by the largest\n",
                          error->text);
    }
    if (options->dtype == DTYPE_AUTO && entries > 0 && entries <= format->narrow_max)
        set_dtype(job, DTYPE_UINT16);
    if (options->dtype == DTYPE_AUTO && entries == 0 &&
        (!options->has_eod || options->eod < format->narrow_max)) {
        set_dtype(job, DTYPE_UINT16);
        job->id_limit = format->narrow_max;
        job->is_guess = true;
    }
    if (options->has_eod && options->eod >= job->id_limit)
        return error_set(error, ERROR_CONFIG, "--append-eod %u does not fit into %s",
                         (unsigned)options->eod, export_dtype_name(job->dtype));
    return OK;
}

/* ---- writing ---- */

static enum error_code run_once(struct job_view *view, const struct phase_record *phase,
                                const struct export_format *format, const char *path,
                                struct export_job *job, struct error *error)
{
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    job->state = arena ? arena_alloc(arena, 1, format->state_size, STATE_ALIGN) : NULL;
    if (!job->state) {
        arena_destroy(arena);
        return error_set(error, ERROR_MEMORY, "no memory to export");
    }
    enum error_code code =
        export_output_open(path, format->names, format->shape, format->is_text,
                           job->options->is_forced, &job->output, error);
    if (code == OK)
        code = export_run(view, phase, format, job, error);
    if (code == OK)
        code = export_output_commit(job->output, error);
    export_output_close(job->output);
    job->output = NULL;
    arena_destroy(arena);
    return code;
}

static enum error_code run_format(struct job_view *view, const struct phase_record *phase,
                                  const struct export_format *format, const char *path,
                                  const struct export_options *options,
                                  struct error *error)
{
    struct export_job job = {.options = options};
    atomic_init(&job.is_too_narrow, false);
    enum error_code code = settle_dtype(format, job_folder(view), &job, error);
    if (code != OK)
        return code;
    code = run_once(view, phase, format, path, &job, error);
    if (code != ERROR_TRANSIENT || !atomic_load(&job.is_too_narrow))
        return code;
    job.is_guess = false;
    set_dtype(&job, format->wide);
    return run_once(view, phase, format, path, &job, error);
}

static enum error_code export_job(const struct arguments *arguments, int *status,
                                  struct error *error)
{
    struct job_view *job = NULL;
    const struct phase_record *phase;
    const struct export_format *format;
    struct export_options options;
    const char *path = arguments_value(arguments, "--out");
    enum error_code code =
        export_format_find(arguments_value(arguments, "--format"), &format, error);
    if (code == OK)
        code = export_options_read(arguments, format, &options, error);
    if (code != OK)
        return code;
    if (!path || !*path)
        return error_set(error, ERROR_CONFIG, "--out is missing");
    stop_signal_catch(false);
    code = job_open(arguments->texts.items[0], &job, error);
    if (code == OK)
        code = job_get_phase(job, arguments_value(arguments, "--phase"), &phase, error);
    if (code == OK && !job_is_finished(job))
        (void)fprintf(stderr,
                      "millrace: the job is not finished (%s): only what is published is "
                      "written\n",
                      job_state(job));
    if (code == OK)
        code = run_format(job, phase, format, path, &options, error);
    job_close(job);
    if (code == ERROR_CLOSED && stop_signal_count() > 0) {
        (void)fprintf(stderr, "millrace: stopped by a signal; nothing is written\n");
        *status = EXIT_STOPPED;
        return OK;
    }
    if (code == ERROR_CLOSED) { /* whoever read it has gone, and knows */
        *status = EXIT_FAILED;
        return OK;
    }
    return code;
}

int command_export(int argc, char **argv)
{
    struct export_specs specs;
    export_specs_init(&specs);
    struct argument_command command = {
        .usage = "millrace export JOB --format FORMAT --out PATH [options]",
        .summary =
            "Write all records of a job in another format, in the order of the input.",
        .min = 1,
        .max = 1,
        .specs = specs.items};
    return command_line_run(&command, argc, argv, export_job);
}
