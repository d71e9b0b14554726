/* verify.h - millrace verify JOB: is everything there that the job says it published */
#ifndef COMMANDS_VERIFY_H
#define COMMANDS_VERIFY_H

/* `millrace verify JOB`; argv[0] is "verify". Checksums, accounts and digests are
 * computed anew; a line a problem, and a summary, to standard output. Returns the exit
 * status: 0 when all holds; 1 when something does not; 2 for a wrong command line. */
int command_verify(int argc, char **argv);

#endif
