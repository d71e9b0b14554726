/* status.h - millrace status JOB */
#ifndef COMMANDS_STATUS_H
#define COMMANDS_STATUS_H

/* argv[0] is "status". Prints how the job stands to standard output. Returns the exit
 * status: 0 whatever the job's state, 1 when its status cannot be read, 2 when the command
 * line is wrong or there is no such job. */
int command_status(int argc, char **argv);

#endif
