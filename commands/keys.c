/* keys.c - millrace keys FILE: make the keys of a coordinator and its workers */
#include "commands/keys.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/transport.h"

int command_keys(int argc, char **argv)
{
    struct error error = {0};
    if (argc != 2 || argv[1][0] == 0 || argv[1][0] == '-') {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;
        (void)fputs("usage: millrace keys FILE\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    enum error_code code = zmq_keys_write(argv[1], &error);
    if (code == OK)
        return 0;
    (void)fprintf(stderr, "millrace: %s\n", error.text);
    return code == ERROR_CONFIG ? 2 : 1;
}
