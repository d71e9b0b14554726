/* export.h - millrace export JOB: all records of a phase in another format */
#ifndef COMMANDS_EXPORT_H
#define COMMANDS_EXPORT_H

/* `millrace export JOB --format FORMAT --out PATH [--phase NAME]`; argv[0] is "export".
 * PATH "-" is standard output; a file appears when it is whole. Returns the exit status:
 * 0; 1 when the job cannot be read or the file not be written; 2 for a wrong command
 * line. */
int command_export(int argc, char **argv);

#endif
