/* show.h - millrace show JOB: published records as JSON lines */
#ifndef COMMANDS_SHOW_H
#define COMMANDS_SHOW_H

/* `millrace show JOB [KEY...] [--limit N] [--sample N] [--rejects] [--phase NAME]`;
 * argv[0] is "show". Returns the exit status: 0; 1 when the job cannot be read or a key is
 * not there; 2 for a wrong command line. */
int command_show(int argc, char **argv);

#endif
