/* process.c - start another program, talk to it through pipes, and end it */
#include "core/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/platform.h"

extern char **environ;

enum { READ_SIZE = 64 << 10, PATH_SIZE = 4096, NOT_RUNNABLE = 126, NOT_FOUND = 127 };
/* How often a wait with a time limit looks; numbers of open files that are looked at. */
enum { LOOK_MS = 1, DESCRIPTORS_SEEN = 4096 };

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        (void)close(*descriptor);
    *descriptor = -1;
}

/* A pipe whose ends are closed on exec; ends[ours] does not block. */
static bool open_pipe(int ends[2], int ours)
{
    if (pipe(ends) != 0) {
        ends[0] = ends[1] = -1;
        return false;
    }
    return fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[ours], F_SETFL, O_NONBLOCK) == 0;
}

static void set_handler(int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal, &action, NULL);
}

/* Every signal at its default and none blocked, in a group of its own if asked. */
static int set_attributes(const struct process_settings *settings,
                          posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (settings->is_group || settings->is_guarded)
        flags |= POSIX_SPAWN_SETPGROUP;
    int fault = posix_spawnattr_setsigdefault(attributes, &all);
    fault = fault ? fault : posix_spawnattr_setsigmask(attributes, &none);
    fault = fault ? fault : posix_spawnattr_setpgroup(attributes, 0);
    return fault ? fault : posix_spawnattr_setflags(attributes, flags);
}

/* `input`, `output`: the program's ends of its pipes, or -1. */
static int set_actions(const struct process_settings *settings, int input, int output,
                       posix_spawn_file_actions_t *actions)
{
    int fault = 0;
    if (input >= 0)
        fault = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);
    if (!fault && output >= 0)
        fault = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    for (size_t i = 0; !fault && i < settings->descriptor_count; i++)
        fault = posix_spawn_file_actions_adddup2(actions, settings->descriptors[i].ours,
                                                 settings->descriptors[i].theirs);
    return fault;
}

/* posix_spawnp() with all that belongs to it; an errno value. */
static int spawn(const struct process_settings *settings, char *const *argv, int input,
                 int output, int *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int fault = posix_spawn_file_actions_init(&actions);
    if (fault)
        return fault;
    fault = posix_spawnattr_init(&attributes);
    if (fault) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return fault;
    }
    fault = set_actions(settings, input, output, &actions);
    fault = fault ? fault : set_attributes(settings, &attributes);
    pid_t made = 0;
    fault = fault ? fault
                  : posix_spawnp(&made, argv[0], &actions, &attributes, argv,
                                 settings->environment ? settings->environment : environ);
    *pid = (int)made;
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return fault;
}

/* Can the program be found the way execvp() does? */
static bool is_runnable(const char *program)
{
    if (strchr(program, '/'))
        return access(program, X_OK) == 0;
    const char *folders = getenv("PATH");
    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        char path[PATH_SIZE];
        int size = snprintf(path, sizeof path, "%.*s/%s", (int)length,
                            length ? folders : ".", program);
        if (size > 0 && (size_t)size < sizeof path && access(path, X_OK) == 0)
            return true;
        folders += length;
        folders += *folders == ':';
    }
    return false;
}

/* Spawn `settings->argv` behind our own executable, which ties it to this process. */
static int spawn_guarded(const struct process_settings *settings, char *self, int input,
                         int output, int *pid)
{
    char word[] = PROCESS_CHILD_WORD, orders[24 + 12 * PROCESS_DESCRIPTORS_MAX];
    int used = snprintf(orders, sizeof orders, "%ld", (long)getpid());
    for (size_t i = 0; i < settings->descriptor_count; i++)
        used += snprintf(orders + used, sizeof orders - (size_t)used, ":%d",
                         settings->descriptors[i].theirs);
    size_t count = 0;
    while (settings->argv[count])
        count++;
    struct bytes argv = {0};
    char *const head[] = {self, word, orders};
    bytes_put(&argv, head, sizeof head);
    bytes_put(&argv, settings->argv, (count + 1) * sizeof *settings->argv);
    int fault = ENOMEM;
    if (!argv.is_bad)
        fault = spawn(settings, (void *)argv.data, input, output, pid);
    bytes_clear(&argv);
    return fault;
}

enum error_code process_start(const struct process_settings *settings,
                              struct process *process, struct error *error)
{
    const char *program = settings->argv[0];
    int input[2] = {-1, -1}, output[2] = {-1, -1};
    struct process made = {.input = -1,
                           .output = -1,
                           .is_group = settings->is_group || settings->is_guarded};
    char self[PATH_SIZE];
    int fault = 0;
    if (settings->is_guarded && settings->descriptor_count > PROCESS_DESCRIPTORS_MAX)
        return error_set(error, ERROR_FATAL, "too many open files for a guarded program");
    if (!is_runnable(program))
        return error_set(error, ERROR_CONFIG, "there is no program \"%s\"", program);
    if (settings->is_guarded && platform_executable(self, sizeof self, error) != OK)
        return error_wrap(error, "cannot start \"%s\"", program);
    set_handler(SIGPIPE, SIG_IGN);
    if ((settings->has_input && !open_pipe(input, 1)) ||
        (settings->has_output && !open_pipe(output, 0)))
        fault = errno;
    else if (settings->is_guarded)
        fault = spawn_guarded(settings, self, input[0], output[1], &made.pid);
    else
        fault = spawn(settings, settings->argv, input[0], output[1], &made.pid);
    close_descriptor(&input[0]);
    close_descriptor(&output[1]);
    if (fault) {
        close_descriptor(&input[1]);
        close_descriptor(&output[0]);
        return error_set_errno(error, ERROR_TRANSIENT, fault, "cannot start \"%s\"",
                               program);
    }
    made.input = input[1];
    made.output = output[0];
    *process = made;
    return OK;
}

/* An exchange under way. */
struct exchange {
    struct process *process;
    const unsigned char *data;
    size_t left; /* of data */
    size_t lines, lines_wanted;
    size_t output_max, received;
    struct bytes *out;
};

static enum error_code read_some(struct exchange *exchange, struct error *error)
{
    unsigned char *room = bytes_reserve(exchange->out, READ_SIZE);
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for what a program writes");
    ssize_t size = read(exchange->process->output, room, READ_SIZE);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return OK;
    if (size <= 0)
        return error_set(error, ERROR_CLOSED, "it closed its output");
    for (ssize_t i = 0; i < size; i++)
        exchange->lines += room[i] == '\n';
    exchange->out->size += (size_t)size;
    exchange->received += (size_t)size;
    bool is_ended = room[size - 1] == '\n';
    if (exchange->lines > exchange->lines_wanted ||
        (exchange->lines == exchange->lines_wanted && !is_ended))
        return error_set(error, ERROR_DAMAGED, "it wrote more than %zu lines",
                         exchange->lines_wanted);
    if (exchange->received > exchange->output_max)
        return error_set(error, ERROR_DAMAGED, "it wrote more than %zu bytes",
                         exchange->output_max);
    return OK;
}

static enum error_code write_some(struct exchange *exchange, struct error *error)
{
    ssize_t size = write(exchange->process->input, exchange->data, exchange->left);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return OK;
    if (size < 0)
        return error_set(error, ERROR_CLOSED, "it closed its input");
    exchange->data += size;
    exchange->left -= (size_t)size;
    return OK;
}

/* Wait until a pipe is ready, and use it. */
static enum error_code step(struct exchange *exchange, int timeout_ms,
                            struct error *error)
{
    struct pollfd ready[2] = {
        {.fd = exchange->process->output, .events = POLLIN},
        {.fd = exchange->left > 0 ? exchange->process->input : -1, .events = POLLOUT}};
    int count = poll(ready, 2, timeout_ms);
    if (count < 0 && errno != EINTR)
        return error_set_errno(error, ERROR_TRANSIENT, errno,
                               "cannot wait for a program");
    enum error_code code = OK;
    if (count > 0 && ready[0].revents)
        code = read_some(exchange, error);
    if (code == OK && count > 0 && ready[1].revents)
        code = write_some(exchange, error);
    return code;
}

enum error_code process_exchange(struct process *process, const void *data, size_t size,
                                 size_t lines, size_t output_max, struct bytes *out,
                                 struct error *error)
{
    struct exchange exchange = {.process = process, .output_max = output_max, .out = out};
    /* What stands in the pipe now, no one asked for. */
    enum error_code code = step(&exchange, 0, error);
    if (code == ERROR_DAMAGED)
        code = error_set(error, ERROR_DAMAGED, "it wrote before it was asked");
    exchange.data = data;
    exchange.left = size;
    exchange.lines_wanted = lines;
    while (code == OK && (exchange.left > 0 || exchange.lines < lines))
        code = step(&exchange, -1, error);
    return code;
}

bool process_wait(struct process *process, int64_t timeout_ms, struct process_end *end)
{
    int64_t limit = timeout_ms < 0 ? 0 : clock_now_ms() + timeout_ms;
    int status = 0;
    for (;;) {
        pid_t ended = waitpid((pid_t)process->pid, &status, timeout_ms < 0 ? 0 : WNOHANG);
        if (ended > 0)
            break;
        if (ended < 0 && errno != EINTR)
            break; /* no child of ours (any more): it is gone */
        if (timeout_ms >= 0 && clock_now_ms() >= limit)
            return false;
        if (timeout_ms >= 0)
            clock_sleep_ms(LOOK_MS);
    }
    *end = (struct process_end){.is_signal = WIFSIGNALED(status)};
    end->number = end->is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    process->pid = 0;
    return true;
}

struct process_end process_stop(struct process *process, int64_t grace_ms)
{
    struct process_end end = {0};
    int pid = process->pid;
    if (pid <= 0)
        return end;
    close_descriptor(&process->input);
    close_descriptor(&process->output);
    bool has_ended = process_wait(process, grace_ms, &end);
    /* Whatever the program left behind in its group goes, too. */
    if (process->is_group)
        (void)kill((pid_t)-pid, SIGKILL);
    else if (!has_ended)
        (void)kill((pid_t)pid, SIGKILL);
    if (!has_ended)
        (void)process_wait(process, -1, &end);
    return end;
}

void process_signal_name(int number, char *text, size_t size)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},
                 {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
                 {SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"},   {SIGHUP, "SIGHUP"},
                 {SIGQUIT, "SIGQUIT"}, {SIGPIPE, "SIGPIPE"}, {SIGXCPU, "SIGXCPU"},
                 {SIGTRAP, "SIGTRAP"}, {SIGSYS, "SIGSYS"},   {SIGALRM, "SIGALRM"},
                 {SIGXFSZ, "SIGXFSZ"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number) {
            (void)snprintf(text, size, "%s", names[i].name);
            return;
        }
    (void)snprintf(text, size, "SIG%d", number);
}

void process_end_format(const struct process_end *end, char *text, size_t size)
{
    if (end->is_signal)
        process_signal_name(end->number, text, size);
    else
        (void)snprintf(text, size, "exit status %d", end->number);
}

/* Close what the parent left open by chance: a program that holds the other end of a pipe
 * hides from others that its owner has died. `kept`: ":9:12", or nothing. */
static bool close_others(const char *kept)
{
    int keep[PROCESS_DESCRIPTORS_MAX], count = 0;
    while (*kept == ':' && count < PROCESS_DESCRIPTORS_MAX) {
        char *rest = NULL;
        keep[count++] = (int)strtol(kept + 1, &rest, 10);
        kept = rest;
    }
    if (*kept)
        return false;
    long most = sysconf(_SC_OPEN_MAX);
    int end = most > 0 && most < DESCRIPTORS_SEEN ? (int)most : DESCRIPTORS_SEEN;
    for (int descriptor = STDERR_FILENO + 1; descriptor < end; descriptor++) {
        bool is_kept = false;
        for (int i = 0; i < count; i++)
            is_kept = is_kept || keep[i] == descriptor;
        if (!is_kept)
            (void)close(descriptor);
    }
    return true;
}

/* Ends this process and all others of its group. */
static void end_group(int signal)
{
    (void)signal;
    (void)kill(0, SIGKILL);
}

/* In the guard, once the program runs: let go of its pipes, wait for it, end as it did. */
static int end_like(pid_t program)
{
    for (int descriptor = 0; descriptor < DESCRIPTORS_SEEN; descriptor++)
        if (descriptor != STDERR_FILENO)
            (void)close(descriptor);
    int status = 0;
    pid_t ended;
    do
        ended = waitpid(program, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    const struct rlimit no_core = {0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    set_handler(WTERMSIG(status), SIG_DFL);
    (void)raise(WTERMSIG(status));
    return NOT_RUNNABLE;
}

int process_child_main(int argc, char **argv)
{
    if (argc < 3)
        return NOT_RUNNABLE;
    char *rest = NULL;
    long parent = strtol(argv[1], &rest, 10);
    if (parent <= 0 || getpgrp() != getpid() || !close_others(rest))
        return NOT_RUNNABLE;
    set_handler(SIGTERM, end_group);
    platform_die_with_parent(SIGTERM, (int)parent);
    pid_t guard = getpid();
    pid_t program = fork(); /* nothing runs in this process that a fork could upset */
    if (program < 0)
        return NOT_RUNNABLE;
    if (program > 0)
        return end_like(program);
    set_handler(SIGTERM, SIG_DFL);
    platform_die_with_parent(SIGKILL, (int)guard);
    (void)execvp(argv[2], argv + 2);
    return errno == ENOENT ? NOT_FOUND : NOT_RUNNABLE;
}
