/* command_line.h - what every command does before and after its work */
#ifndef COMMANDS_COMMAND_LINE_H
#define COMMANDS_COMMAND_LINE_H

#include "core/error.h"

struct argument_command;
struct arguments;

/* The work of a command. `*status` is the exit status when it returns OK; 0 unless set. */
typedef enum error_code (*command_body)(const struct arguments *arguments, int *status,
                                        struct error *error);

/* Read the command line, print the help or do the work, report an error on standard error.
 * Returns the exit status: that of the body, 2 for ERROR_CONFIG, 1 for any other error. */
int command_line_run(const struct argument_command *command, int argc, char **argv,
                     command_body body);

#endif
