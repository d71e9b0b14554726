/* process.h - start another program, talk to it through pipes, and end it */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct bytes;

struct process { /* {.pid = 0, .input = -1, .output = -1}: none */
    int pid;
    int input;  /* we write, it reads as its standard input; -1: none */
    int output; /* we read what it writes to its standard output; -1: none */
    bool is_group;
};

struct process_descriptor { /* an open file given to the program */
    int ours, theirs;
};

enum { PROCESS_DESCRIPTORS_MAX = 16 };

struct process_settings {
    char *const *argv; /* program (looked for in PATH) and arguments; ends with NULL */
    char *const *environment;   /* NULL: ours */
    bool has_input, has_output; /* pipes; else it shares our own */
    bool is_group;              /* leads a process group of its own */
    bool
        is_guarded; /* its group (it has one, then) dies with this process, even by SIGKILL,
                        and it gets no open file but 0, 1, 2 and `descriptors`: started by
                        our own executable, whose main() hands PROCESS_CHILD_WORD on to
                        process_child_main() */
    const struct process_descriptor *descriptors; /* (descriptor_count) */
    size_t descriptor_count; /* at most PROCESS_DESCRIPTORS_MAX where guarded */
};

/* Start it with every signal at its default. Our ends of the pipes are closed on exec and
 * do not block; SIGPIPE is ignored in this process from now on. When a guarded program
 * cannot be run, it ends with status 127 (not found) or 126. ERROR_CONFIG: no such
 * program; ERROR_TRANSIENT: the system refused. */
enum error_code process_start(const struct process_settings *settings,
                              struct process *process, struct error *error);

/* Write `data` while reading, until as many line feeds as `lines` have come back; appended
 * to `out`. Waits as long as it takes.
 *   ERROR_CLOSED   it went away, or closed a pipe, before that
 *   ERROR_DAMAGED  it wrote more than `lines` lines, more than `output_max` bytes, or
 *                  something before it was asked
 *   ERROR_MEMORY */
enum error_code process_exchange(struct process *process, const void *data, size_t size,
                                 size_t lines, size_t output_max, struct bytes *out,
                                 struct error *error);

struct process_end {
    bool is_signal;
    int number; /* exit status, or signal */
};
/* Wait up to `timeout_ms` (-1: for ever) for the end; false: it still runs. Once true, the
 * process is gone (pid 0), its pipes stay open. */
bool process_wait(struct process *process, int64_t timeout_ms, struct process_end *end);
/* Close the pipes, give it `grace_ms` to end by itself, then kill it (its group, if it has
 * one). {0}, as after an earlier stop, is allowed. */
struct process_end process_stop(struct process *process, int64_t grace_ms);

/* "exit status 3", "SIGSEGV". */
void process_end_format(const struct process_end *end, char *text, size_t size);
/* "SIGSEGV"; "SIG35" where a number has no name. */
void process_signal_name(int number, char *text, size_t size);

/* For main(), as any other command: argv is {PROCESS_CHILD_WORD, "PID:KEPT:...", program,
 * arguments}, with the parent's pid and the open files to pass on. Runs the program, ends as
 * it ends, and takes it along, with all that it started, when the parent dies. */
#define PROCESS_CHILD_WORD "--spawn-child"
int process_child_main(int argc, char **argv);

#endif
