/* stages.h - millrace stages: what stages there are, and their options */
#ifndef COMMANDS_STAGES_H
#define COMMANDS_STAGES_H

/* `millrace stages [NAME] [--json | --man]`; argv[0] is "stages". Returns the exit
 * status: 0; 1 when the output cannot be written; 2 for a wrong command line. */
int command_stages(int argc, char **argv);

#endif
