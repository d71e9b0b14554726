/* eval.h - millrace eval KIND: scores of results against a truth */
#ifndef COMMANDS_EVAL_H
#define COMMANDS_EVAL_H

#include "commands/command_line.h"

/* A kind of evaluation: a file of its own, and a line in the table of eval.c. */
struct eval_kind {
    const char *name;                       /* what is typed behind `eval` */
    const struct argument_command *command; /* its options; argv[0] is the kind */
    command_body run;
};
extern const struct eval_kind eval_coco;

/* argv[0] is "eval". Returns the exit status: 2 when the command line is wrong, 1 when a
 * file cannot be read or does not hold what it should. */
int command_eval(int argc, char **argv);

#endif
