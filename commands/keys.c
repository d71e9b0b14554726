/* keys.c - millrace keys FILE: make the keys of a coordinator and its workers */
#include "commands/keys.h"

#include <stdio.h>

#include "core/arena.h"
#include "core/arguments.h"
#include "core/error.h"
#include "core/transport.h"

static const struct argument_command command = {
    .usage = "millrace keys FILE",
    .summary = "Write a new key file, which the coordinator and its workers on other "
               "machines share.",
    .min = 1,
    .max = 1};

int command_keys(int argc, char **argv)
{
    struct error error = {0};
    struct arguments arguments = {0};
    struct arena *arena = arena_create(1 << 12, 0);
    enum error_code code =
        arena ? arguments_parse(&command, argc, argv, arena, &arguments, &error)
              : error_set(&error, ERROR_MEMORY, "no memory for the command line");
    if (code == OK && arguments.is_help)
        arguments_help(&command, stdout);
    else if (code == OK)
        code = zmq_keys_write(arguments_text(&arguments, 0), &error);
    arena_destroy(arena);
    if (code == OK)
        return 0;
    (void)fprintf(stderr, "millrace: %s\n", error.text);
    return code == ERROR_CONFIG ? 2 : 1;
}
