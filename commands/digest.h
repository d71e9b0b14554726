/* digest.h - millrace digest JOB: one number for all results of a job */
#ifndef COMMANDS_DIGEST_H
#define COMMANDS_DIGEST_H

/* `millrace digest JOB [--phase NAME]`; argv[0] is "digest". Prints 32 hex digits and a
 * newline. Returns the exit status: 0; 1 when the job cannot be read; 2 for a wrong
 * command line. */
int command_digest(int argc, char **argv);

#endif
