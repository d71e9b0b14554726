/* main.c - the command table: the only file that sees both coordinator and worker */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/check.h"
#include "commands/digest.h"
#include "commands/eval.h"
#include "commands/export.h"
#include "commands/keys.h"
#include "commands/run.h"
#include "commands/show.h"
#include "commands/stages.h"
#include "commands/status.h"
#include "commands/verify.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/clock.h"
#include "core/diagnostics.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/process.h"
#include "core/stop_signal.h"
#include "core/transport.h"
#include "core/version.h"
#include "worker/endpoint_file.h"
#include "worker/executor.h"
#include "worker/worker_loop.h"

enum {
    EXIT_WRONG = 2,
    FRAME_MAX = 64 << 20,
    ARENA_BLOCK = 16 << 10,
    ENDPOINT_SIZE = 512,
    ENDPOINT_MS = 200
};

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "millrace: %s\n", error->text);
    return error->code == ERROR_CONFIG ? EXIT_WRONG : 1;
}

/* A rank other than 0 under MPI. */
static int run_rank(int argc, char **argv, const struct run_world *world)
{
    struct error error = {0};
    unsigned executors = run_executors(argc, argv, &world->world);
    struct worker_settings settings = {
        .transport = world->transport,
        .options = {.endpoint = "", .max_frame_size = FRAME_MAX},
        .executors = executors ? executors : 1,
        .is_rank = true};
    char role[32];
    (void)snprintf(role, sizeof role, "rank %d", world->world.rank);
    log_open(role, LEVEL_WARNING);
    return worker_run(&settings, &error) == OK ? 0 : fail(&error);
}

static int main_run(int argc, char **argv)
{
    if (!transport_mpi_is_launched())
        return command_run(argc, argv, NULL);
    struct run_world world;
    struct error error = {0};
    if (transport_mpi_load(&world.transport, &world.world, &error) != OK)
        return fail(&error);
    if (world.world.size == 1)
        return command_run(argc, argv, NULL);
    return world.world.rank == 0 ? command_run(argc, argv, &world)
                                 : run_rank(argc, argv, &world);
}

static const struct argument_spec worker_specs[] = {
    {"--connect", "ENDPOINT", false, "where the coordinator listens"},
    {"--job", "DIR", false, "job directory that names the endpoint"},
    {"--executors", "N", false, "executors (default: one a core)"},
    {"--keys", "FILE", false, "keys, when the coordinator asks for them"},
    ARGUMENT_END};

static const struct argument_command worker_command = {
    .usage = "millrace worker --connect ENDPOINT | --job DIR [options]",
    .summary = "Join a coordinator and work until it has no more.",
    .specs = worker_specs};

/* Work for whatever coordinator the job has: each one names its endpoint anew. */
static enum error_code work_for_job(const struct worker_settings *settings,
                                    struct error *error)
{
    char endpoint[ENDPOINT_SIZE] = "";
    struct worker_settings named = *settings;
    enum error_code code = ERROR_CLOSED;
    named.options.endpoint = endpoint;
    while (code == ERROR_CLOSED && !stop_signal_count()) {
        if (endpoint_file_read(settings->job, endpoint, sizeof endpoint))
            code = worker_run(&named, error);
        else
            clock_sleep_ms(ENDPOINT_MS);
    }
    return code == ERROR_CLOSED ? OK : code; /* a signal */
}

static int work(const struct arguments *arguments, int parent)
{
    struct error error = {0};
    const char *connect = arguments_value(arguments, "--connect");
    const char *job = arguments_value(arguments, "--job");
    const char *count = arguments_value(arguments, "--executors");
    char *end = NULL;
    unsigned long executors = count ? strtoul(count, &end, 10) : platform_core_count();
    if (!connect == !job || executors < 1 || executors > 4096 || (end && *end)) {
        (void)fprintf(stderr,
                      "millrace: worker needs --connect ENDPOINT or --job DIR, and "
                      "--executors from 1 to 4096\n");
        return EXIT_WRONG;
    }
    struct worker_settings settings = {
        .transport = &transport_zmq,
        .options = {.endpoint = connect,
                    .keys = arguments_value(arguments, "--keys"),
                    .max_frame_size = FRAME_MAX},
        .executors = (uint32_t)executors,
        .is_own = parent > 0,
        .parent = parent,
        .waits_for_ever = parent == 0,
        .job = job};
    log_open("worker", LEVEL_WARNING);
    stop_signal_catch(settings.is_own); /* the terminal tells the coordinator, too */
    enum error_code code =
        job ? work_for_job(&settings, &error) : worker_run(&settings, &error);
    return code == OK ? 0 : fail(&error);
}

static int main_worker(int argc, char **argv)
{
    /* A worker that `run` starts says so with a last pair of words of its own. */
    int parent = 0;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--own") == 0) {
            parent = (int)strtol(argv[i + 1], NULL, 10);
            for (int k = i; k + 2 < argc; k++)
                argv[k] = argv[k + 2];
            argc -= 2;
            break;
        }
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct arguments arguments;
    struct error error = {0};
    int status = 1;
    if (arena &&
        arguments_parse(&worker_command, argc, argv, arena, &arguments, &error) != OK)
        status = fail(&error);
    else if (arena && arguments.is_help) {
        arguments_help(&worker_command, stdout);
        status = 0;
    } else if (arena)
        status = work(&arguments, parent);
    arena_destroy(arena);
    return status;
}

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"run", main_run, "run a pipeline, or go on with a job that was stopped"},
    {"worker", main_worker, "join a coordinator and work until it has no more"},
    {"check", command_check, "check a pipeline and print its plan; run nothing"},
    {"stages", command_stages, "list the stages, or all options of one"},
    {"status", command_status, "how far a job is"},
    {"show", command_show, "print results as JSON lines"},
    {"verify", command_verify, "recompute accounts, checksums and digests"},
    {"digest", command_digest, "32 hex digits that stand for all results"},
    {"export", command_export, "write results in another format"},
    {"eval", command_eval, "score results against a truth"},
    {"retry", command_retry, "try the quarantined records of a job again"},
    {"keys", command_keys, "make a key file for workers on other machines"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *file)
{
    (void)fprintf(file, "usage: millrace COMMAND [options]\n\n"
                        "Batch processing of large corpora and image sets.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(file, "\nmillrace COMMAND --help tells the options of a command.\n"
                        "millrace --version prints the version.\n");
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    const char *nearest = nearest_name(name, names, COMMANDS);
    (void)fprintf(stderr, "millrace: there is no command \"%s\"", name);
    if (nearest)
        (void)fprintf(stderr, "; did you mean \"%s\"?", nearest);
    (void)fprintf(stderr, "\nmillrace --help lists all commands\n");
    return EXIT_WRONG;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_WRONG;
    }
    const char *name = argv[1];
    if (strcmp(name, "--executor") == 0)
        return executor_main(argc - 1, argv + 1);
    if (strcmp(name, PROCESS_CHILD_WORD) == 0)
        return process_child_main(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        (void)printf("millrace %s\n", MILLRACE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(name);
}
