/* run.c - `millrace run` and `millrace retry` */
#include "commands/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/input_check.h"
#include "commands/run_session.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/diagnostics.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/stop_signal.h"
#include "stages/registry.h"

enum { PATH_SIZE = 4096, ARENA_BLOCK = 64 << 10, EXIT_WRONG = 2, COUNT_MAX = 4096 };

static const struct argument_spec run_specs[] = {
    {"--job", "DIR", false, "job directory (default: NAME.job in the working directory)"},
    {"--workers", "N", false, "workers to start on this machine (default: 1)"},
    {"--executors", "N", false, "executors of each worker (default: one a core)"},
    {"--set", "PATH=VALUE", true,
     "change a value of the pipeline, as in shard.bytes=1MiB"},
    {"--bind", "ENDPOINT", false, "let workers join, as in tcp://127.0.0.1:5555"},
    {"--keys", "FILE", false, "keys that workers must have (see millrace keys)"},
    {"--insecure", NULL, false, "bind to more than loopback without keys"},
    {"--extend", NULL, false, "take in files added to the input since the job began"},
    {"--mixed", NULL, false, "take workers that compute with other libraries or CPUs"},
    {"--strict", NULL, false, "exit 3 when records were quarantined"},
    {"--quiet", NULL, false, "no progress, no summary"},
    ARGUMENT_END};

static const struct argument_command run_command = {
    .usage = "millrace run PIPELINE.yaml [options]",
    .summary = "Run a pipeline, or go on with a job that was stopped",
    .min = 1,
    .max = 1,
    .specs = run_specs};

static const struct argument_spec retry_specs[] = {
    {"--workers", "N", false, "workers to start on this machine (default: 1)"},
    {"--executors", "N", false, "executors of each worker (default: one a core)"},
    {"--mixed", NULL, false, "take workers that compute with other libraries or CPUs"},
    {"--strict", NULL, false, "exit 3 when records are still quarantined"},
    {"--quiet", NULL, false, "no progress, no summary"},
    ARGUMENT_END};

static const struct argument_command retry_command = {
    .usage = "millrace retry JOB [options]",
    .summary = "Try the quarantined records of a job again",
    .min = 1,
    .max = 1,
    .specs = retry_specs};

static int complain(const struct error *error)
{
    (void)fprintf(stderr, "millrace: ");
    if (error->where.file && error->where.line)
        (void)fprintf(stderr, "%s:%u:%u: ", error->where.file, error->where.line,
                      error->where.column);
    (void)fprintf(stderr, "%s\n", error->text);
    return error->code == ERROR_CONFIG ? EXIT_WRONG : 1;
}

/* A count of a command line; false: not one within the bounds. */
static bool read_count(const char *text, uint32_t initial, uint32_t min, uint32_t *count)
{
    *count = initial;
    if (!text)
        return true;
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < min || value > COUNT_MAX)
        return false;
    *count = (uint32_t)value;
    return true;
}

static bool parse_count(const struct arguments *arguments, const char *name,
                        uint32_t initial, uint32_t min, uint32_t *count)
{
    const char *text = arguments_value(arguments, name);
    bool is_good = read_count(text, initial, min, count);
    if (!is_good)
        (void)fprintf(stderr, "millrace: %s: \"%s\" is no number from %u to %d\n", name,
                      text, min, COUNT_MAX);
    return is_good;
}

/* Does the endpoint listen to this machine alone? */
static bool is_local(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) == 0 ||
           strncmp(endpoint, "tcp://127.", 10) == 0 ||
           strncmp(endpoint, "tcp://localhost:", 16) == 0 ||
           strncmp(endpoint, "tcp://[::1]:", 12) == 0;
}

static bool check_bind(const struct arguments *arguments)
{
    const char *bind = arguments_value(arguments, "--bind");
    if (!bind)
        return true;
    if (strncmp(bind, "tcp://", 6) != 0 && strncmp(bind, "ipc://", 6) != 0) {
        (void)fprintf(stderr,
                      "millrace: --bind: \"%s\" is no endpoint; give tcp://ADDRESS:PORT "
                      "or ipc://PATH\n",
                      bind);
        return false;
    }
    if (is_local(bind) || arguments_value(arguments, "--keys") ||
        arguments_flag(arguments, "--insecure"))
        return true;
    (void)fprintf(
        stderr,
        "millrace: --bind %s would let anybody on the network join without a "
        "key; make a key file with `millrace keys FILE` and give --keys FILE to "
        "run and to the workers, or say --insecure\n",
        bind);
    return false;
}

static bool absolute_path(const char *path, char *absolute, size_t size)
{
    char folder[PATH_SIZE];
    int length;
    if (path[0] == '/' || !getcwd(folder, sizeof folder))
        length = snprintf(absolute, size, "%s", path);
    else
        length = snprintf(absolute, size, "%s/%s", folder, path);
    while (length > 1 && (size_t)length < size && absolute[length - 1] == '/')
        absolute[--length] = 0;
    return length > 0 && (size_t)length < size;
}

/* Tell every input pattern that is wrong, as `check` does. False: none is. */
static bool tell_inputs(const struct pipeline *pipeline, struct arena *arena)
{
    struct diagnostics diagnostics = {.arena = arena};
    for (size_t i = 0; i < pipeline->phase_count; i++) {
        struct manifest unused;
        if (pipeline->phases[i].input.format != FORMAT_PHASE)
            (void)input_check_build(pipeline, &pipeline->phases[i], arena, &unused,
                                    &diagnostics);
    }
    diagnostics_sort(&diagnostics);
    diagnostics_print(&diagnostics, stderr);
    return diagnostics.count > 0;
}

/* Read the pipeline, look at its input and at the job directory. 0: go on. */
static int prepare(const char *path, const struct text_list *sets, const char *job,
                   bool is_extended, struct run_request *request, enum job_state *state,
                   struct arena *arena)
{
    struct diagnostics diagnostics = {.arena = arena};
    const char *text;
    size_t size;
    const struct pipeline *pipeline =
        pipeline_read(path, sets, stage_types, arena, &text, &size, &diagnostics);
    if (!pipeline) {
        diagnostics_sort(&diagnostics);
        diagnostics_print(&diagnostics, stderr);
        return EXIT_WRONG;
    }
    char folder[PATH_SIZE], named[PATH_SIZE];
    (void)snprintf(named, sizeof named, "%s.job", pipeline->name);
    struct error error = {0};
    struct job_plan *plan = ARENA_NEW(arena, struct job_plan, 1);
    if (!absolute_path(job ? job : named, folder, sizeof folder)) {
        (void)fprintf(stderr, "millrace: the path of the job directory is too long\n");
        return EXIT_WRONG;
    }
    request->folder = arena_copy_text(arena, folder, strlen(folder));
    request->plan = plan;
    if (!plan || !request->folder) {
        (void)error_set(&error, ERROR_MEMORY, "no memory for the job");
        return complain(&error);
    }
    enum error_code code = job_plan_make(pipeline, arena, plan, &error);
    if (code == ERROR_CONFIG && tell_inputs(pipeline, arena))
        return EXIT_WRONG;
    if (code == OK)
        code = job_examine(request->folder, plan, is_extended, arena, state, &error);
    return code == OK ? 0 : complain(&error);
}

static int parse(const struct argument_command *command, int argc, char **argv,
                 struct arena *arena, struct arguments *arguments)
{
    struct error error = {0};
    if (arguments_parse(command, argc, argv, arena, arguments, &error) != OK) {
        (void)complain(&error);
        return EXIT_WRONG;
    }
    return 0;
}

/* *is_told: the session told the other ranks to leave, or its failure did. */
static int run_parsed(const struct arguments *arguments, const struct run_world *world,
                      struct arena *arena, bool *is_told)
{
    struct run_request request = {.world = world,
                                  .bind = arguments_value(arguments, "--bind"),
                                  .keys = arguments_value(arguments, "--keys"),
                                  .is_quiet = arguments_flag(arguments, "--quiet"),
                                  .is_mixed = arguments_flag(arguments, "--mixed"),
                                  .is_strict = arguments_flag(arguments, "--strict")};
    if (!check_bind(arguments) ||
        !parse_count(arguments, "--workers", 1, 0, &request.workers) ||
        !parse_count(arguments, "--executors", platform_core_count(), 1,
                     &request.executors))
        return EXIT_WRONG;
    if (request.workers == 0 && !request.bind && !world) {
        (void)fprintf(stderr, "millrace: --workers 0 needs --bind, for others to join\n");
        return EXIT_WRONG;
    }
    struct text_list sets = arguments_values(arguments, "--set");
    enum job_state state;
    int status =
        prepare(arguments->texts.items[0], &sets, arguments_value(arguments, "--job"),
                arguments_flag(arguments, "--extend"), &request, &state, arena);
    if (status != 0)
        return status;
    if (state == JOB_FINISHED)
        return run_summarize(&request, arena);
    *is_told = true;
    return run_session(&request, arena);
}

int command_run(int argc, char **argv, const struct run_world *world)
{
    stop_signal_catch(false);
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct arguments arguments;
    bool is_told = world == NULL; /* nobody to tell */
    int status = arena ? parse(&run_command, argc, argv, arena, &arguments) : 1;
    if (status == 0 && arguments.is_help)
        arguments_help(&run_command, stdout);
    else if (status == 0)
        status = run_parsed(&arguments, world, arena, &is_told);
    if (!is_told)
        run_dismiss_ranks(world);
    arena_destroy(arena);
    return status;
}

static int retry_parsed(const struct arguments *arguments, struct arena *arena)
{
    char path[PATH_SIZE];
    const char *job = arguments->texts.items[0];
    (void)snprintf(path, sizeof path, "%s/pipeline.yaml", job);
    if (access(path, R_OK) != 0) {
        (void)fprintf(stderr, "millrace: \"%s\" is no job directory\n", job);
        return EXIT_WRONG;
    }
    struct run_request request = {.is_quiet = arguments_flag(arguments, "--quiet"),
                                  .is_mixed = arguments_flag(arguments, "--mixed"),
                                  .is_strict = arguments_flag(arguments, "--strict"),
                                  .is_retry = true};
    if (!parse_count(arguments, "--workers", 1, 1, &request.workers) ||
        !parse_count(arguments, "--executors", platform_core_count(), 1,
                     &request.executors))
        return EXIT_WRONG;
    enum job_state state;
    struct text_list sets = {0};
    int status = prepare(path, &sets, job, false, &request, &state, arena);
    return status == 0 ? run_session(&request, arena) : status;
}

int command_retry(int argc, char **argv)
{
    stop_signal_catch(false);
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct arguments arguments;
    int status = arena ? parse(&retry_command, argc, argv, arena, &arguments) : 1;
    if (status == 0 && arguments.is_help)
        arguments_help(&retry_command, stdout);
    else if (status == 0)
        status = retry_parsed(&arguments, arena);
    arena_destroy(arena);
    return status;
}

unsigned run_executors(int argc, char **argv, const struct mpi_world *world)
{
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct arguments arguments;
    uint32_t count = 0;
    bool has_coordinator = world->local_size == world->size;
    uint32_t sharers = (uint32_t)world->local_size - (has_coordinator ? 1 : 0);
    uint32_t share = platform_core_count() / (sharers ? sharers : 1);
    if (arena &&
        arguments_parse(&run_command, argc, argv, arena, &arguments, NULL) == OK &&
        !read_count(arguments_value(&arguments, "--executors"), share ? share : 1, 1,
                    &count))
        count = 1; /* rank 0 says what is wrong */
    arena_destroy(arena);
    return count;
}
