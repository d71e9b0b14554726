/* keys.h - millrace keys FILE */
#ifndef COMMANDS_KEYS_H
#define COMMANDS_KEYS_H

/* argv[0] is "keys", argv[1] the new file. Returns the exit status: 1 when the disk
 * failed, 2 when the command line is wrong or the file is there already. */
int command_keys(int argc, char **argv);

#endif
