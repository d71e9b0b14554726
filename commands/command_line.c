/* command_line.c - what every command does before and after its work */
#include "commands/command_line.h"

#include <stdio.h>

#include "core/arena.h"
#include "core/arguments.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, ARENA_BLOCK = 1 << 12 };

int command_line_run(const struct argument_command *command, int argc, char **argv,
                     command_body body)
{
    struct error error = {0};
    struct arguments arguments = {0};
    int status = 0;
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    if (!arena) {
        (void)fputs("millrace: no memory for the command line\n", stderr);
        return EXIT_FAILED;
    }
    enum error_code code =
        arguments_parse(command, argc, argv, arena, &arguments, &error);
    if (code == OK && arguments.is_help)
        arguments_help(command, stdout);
    else if (code == OK)
        code = body(&arguments, &status, &error);
    arena_destroy(arena);
    if (code == OK)
        return status;
    (void)fprintf(stderr, "millrace: %s\n", error.text);
    return code == ERROR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}
