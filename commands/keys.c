/* keys.c - millrace keys FILE: make the keys of a coordinator and its workers */
#include "commands/keys.h"

#include "commands/command_line.h"
#include "core/arguments.h"
#include "core/transport.h"

static const struct argument_command command = {
    .usage = "millrace keys FILE",
    .summary = "Write a new key file, which the coordinator and its workers on other "
               "machines share.",
    .min = 1,
    .max = 1};

static enum error_code write_keys(const struct arguments *arguments, int *status,
                                  struct error *error)
{
    (void)status;
    return zmq_keys_write(arguments->texts.items[0], error);
}

int command_keys(int argc, char **argv)
{
    return command_line_run(&command, argc, argv, write_keys);
}
