/* digest.c - millrace digest JOB: one number for all results of a job */
#include "commands/digest.h"

#include <stdio.h>

#include "commands/command_line.h"
#include "commands/job_view.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/hash.h"

enum { ARENA_BLOCK = 1 << 12 };

static const struct argument_spec specs[] = {
    {.name = "--phase", .value = "NAME", .help = "of this phase (default: the last)"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace digest JOB [options]",
    .summary =
        "Print the digest of a job's results: 32 hex digits, the same however it ran.",
    .min = 1,
    .max = 1,
    .specs = specs};

struct sum {
    struct hash128 value;
    struct arena *arena; /* of the visited entries */
};

static enum error_code add_shard(const struct shard_entry *entry, uint32_t volume_id,
                                 void *user, struct error *error)
{
    struct sum *sum = user;
    (void)volume_id;
    (void)error;
    sum->value = hash128_add(sum->value, entry->digest);
    arena_reset(sum->arena);
    return OK;
}

static enum error_code print_digest(const struct arguments *arguments, int *status,
                                    struct error *error)
{
    (void)status;
    char text[33];
    struct job_view *job = NULL;
    const struct phase_record *phase;
    struct sum sum = {.arena = arena_create(ARENA_BLOCK, 0)};
    enum error_code code = sum.arena
                               ? job_open(arguments->texts.items[0], &job, error)
                               : error_set(error, ERROR_MEMORY, "no memory for a digest");
    if (code == OK)
        code = job_get_phase(job, arguments_value(arguments, "--phase"), &phase, error);
    if (code == OK)
        code = index_each_shard(job_index(job), phase->phase, sum.arena, add_shard, &sum,
                                error);
    if (code == OK) {
        if (!job_is_finished(job))
            (void)fprintf(stderr,
                          "millrace: the job is not finished (%s): this is the "
                          "digest of what is published\n",
                          job_state(job));
        hash128_format(sum.value, text);
        if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
            code = error_set(error, ERROR_IO, "cannot write standard output");
    }
    job_close(job);
    arena_destroy(sum.arena);
    return code;
}

int command_digest(int argc, char **argv)
{
    return command_line_run(&command, argc, argv, print_digest);
}
