/* check.h - millrace check: is a pipeline right, and what would it do */
#ifndef COMMANDS_CHECK_H
#define COMMANDS_CHECK_H

/* `millrace check PIPELINE.yaml [--set PATH=VALUE]...`; argv[0] is "check". Prints the
 * plan. Returns the exit status: 0; 2 when the pipeline, its input or the command line
 * is wrong (all errors on standard error); 1 when the output cannot be written. */
int command_check(int argc, char **argv);

#endif
