/* eval.c - millrace eval KIND: scores of results against a truth */
#include "commands/eval.h"

#include <stdio.h>
#include <string.h>

#include "core/arguments.h"
#include "core/diagnostics.h"
#include "core/print.h"

enum { EXIT_USAGE = 2, HINT_SIZE = 300, NAME_INDENT = 11 };

static const struct eval_kind *const kinds[] = {&eval_coco};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void print_help(FILE *file)
{
    (void)fputs("usage: millrace eval KIND [options]\n\n"
                "Compare results with a truth and print scores.\n\n",
                file);
    for (size_t i = 0; i < KINDS; i++) {
        (void)fprintf(file, "  %-8s ", kinds[i]->name);
        print_wrapped(file, kinds[i]->command->summary, NAME_INDENT, NAME_INDENT);
    }
    (void)fputs("\nmillrace eval KIND --help tells the options of a kind.\n", file);
}

int command_eval(int argc, char **argv)
{
    const char *names[KINDS];
    char hint[HINT_SIZE];
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, argv[1]) == 0)
            return command_line_run(kinds[i]->command, argc - 1, argv + 1, kinds[i]->run);
        names[i] = kinds[i]->name;
    }
    (void)fprintf(stderr,
                  "millrace: unknown kind of evaluation \"%.100s\"%s\n"
                  "millrace eval --help lists all kinds\n",
                  argv[1], suggest_name(argv[1], names, KINDS, hint, sizeof hint));
    return EXIT_USAGE;
}
