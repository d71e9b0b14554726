/* stages.c - millrace stages: what stages there are, and their options */
#include "commands/stages.h"

#include <string.h>

#include "core/arena.h"
#include "core/arguments.h"
#include "core/diagnostics.h"
#include "core/print.h"
#include "stages/registry.h"

enum { STAGES_MAX = 128, TYPE_MAX = 32, HINT_MAX = 600 };

static const struct argument_spec specs[] = {
    {.name = "--json", .help = "print JSON"},
    {.name = "--man", .help = "print the source of the manual page millrace-stages(7)"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace stages [NAME] [options]",
    .summary = "List every stage, or show one with all its options.",
    .max = 1,
    .specs = specs};

struct trait_name {
    enum stage_trait trait;
    const char *name;
};
static const struct trait_name trait_names[] = {{STAGE_STATELESS, "stateless"},
                                                {STAGE_REPRODUCIBLE, "reproducible"},
                                                {STAGE_ONE_TO_ONE, "one-to-one"}};
enum { TRAITS = sizeof trait_names / sizeof *trait_names };

static void print_list(FILE *file)
{
    size_t width = 0;
    for (size_t i = 0; stage_types[i]; i++)
        if (strlen(stage_types[i]->name) > width)
            width = strlen(stage_types[i]->name);
    for (size_t i = 0; stage_types[i]; i++) {
        (void)fprintf(file, "%-*s  ", (int)width, stage_types[i]->name);
        print_wrapped(file, stage_types[i]->summary, width + 2, width + 2);
    }
}

/* "text utf8, lang utf8" of the columns read, or of those added. */
static bool print_columns(FILE *file, const struct stage_type *type, bool is_input,
                          const char *before)
{
    char name[TYPE_MAX];
    bool is_first = true;
    const struct stage_column *column = type->columns;
    for (; column && column->name; column++) {
        if (column->is_input != is_input)
            continue;
        column_type_format(column->type, 0, name, sizeof name);
        (void)fprintf(file, "%s%s %s", is_first ? before : ", ", column->name, name);
        is_first = false;
    }
    return !is_first;
}

static const char fit_text[] = "last of its phase, makes an artefact of all its records";

static bool print_traits(FILE *file, const struct stage_type *type, const char *before)
{
    bool is_first = true;
    for (size_t i = 0; i < TRAITS; i++) {
        if (!(type->traits & trait_names[i].trait))
            continue;
        (void)fprintf(file, "%s%s", is_first ? before : ", ", trait_names[i].name);
        is_first = false;
    }
    return !is_first;
}

static void print_text(FILE *file, const struct stage_type *type)
{
    (void)fprintf(file, "%s - ", type->name);
    print_wrapped(file, type->summary, strlen(type->name) + 3, 4);
    (void)fputc('\n', file);
    if (print_columns(file, type, true, "  reads   "))
        (void)fputc('\n', file);
    if (print_columns(file, type, false, "  adds    "))
        (void)fputc('\n', file);
    if (print_traits(file, type, "  traits  "))
        (void)fputc('\n', file);
    if (type->fit)
        (void)fprintf(file, "  fit     %s\n", fit_text);
    if (type->description) {
        (void)fputc('\n', file);
        print_wrapped(file, type->description, 0, 0);
    }
    (void)fputs(type->options ? "\noptions:\n" : "\nno options\n", file);
    options_print(file, type->options, OPTION_PRINT_TEXT);
}

static void print_object(FILE *file, const struct stage_type *type)
{
    char name[TYPE_MAX];
    bool is_first = true;
    (void)fprintf(file, "{\"name\": \"%s\", \"summary\": ", type->name);
    print_json(file, type->summary);
    (void)fputs(", \"description\": ", file);
    print_json(file, type->description ? type->description : "");
    (void)fputs(", \"traits\": [", file);
    for (size_t i = 0; i < TRAITS; i++) {
        if (!(type->traits & trait_names[i].trait))
            continue;
        (void)fputs(is_first ? "" : ", ", file);
        print_json(file, trait_names[i].name);
        is_first = false;
    }
    (void)fprintf(file, "], \"is_fit\": %s, \"columns\": [",
                  type->fit ? "true" : "false");
    const struct stage_column *column = type->columns;
    for (; column && column->name; column++) {
        column_type_format(column->type, 0, name, sizeof name);
        (void)fprintf(file, "%s{\"name\": \"%s\", \"type\": \"%s\", \"is_input\": %s}",
                      column == type->columns ? "" : ", ", column->name, name,
                      column->is_input ? "true" : "false");
    }
    (void)fputs("], \"options\": ", file);
    options_print(file, type->options, OPTION_PRINT_JSON);
    (void)fputc('}', file);
}

static void print_section(FILE *file, const struct stage_type *type)
{
    (void)fprintf(file, ".SH %s\n", type->name);
    print_roff(file, type->summary);
    (void)fputs(".\n", file);
    if (print_columns(file, type, true, ".PP\nReads "))
        (void)fputs(".\n", file);
    if (print_columns(file, type, false, ".PP\nAdds "))
        (void)fputs(".\n", file);
    if (type->fit)
        (void)fprintf(file, ".PP\nA fit stage: the %s.\n", fit_text);
    if (type->description) {
        (void)fputs(".PP\n", file);
        print_roff(file, type->description);
        (void)fputc('\n', file);
    }
    options_print(file, type->options, OPTION_PRINT_MAN);
}

static void print_page(FILE *file)
{
    (void)fputs(".TH MILLRACE-STAGES 7 2026-11-23 \"millrace\" \"Miscellaneous\"\n"
                ".SH NAME\n"
                "millrace\\-stages \\- the stages of millrace and their options\n"
                ".SH DESCRIPTION\n"
                "Every item of\n.B stages\nin a pipeline file is one of these, written\n"
                ".B NAME: {OPTION: VALUE, ...}\n"
                "or, where no option is required, as its bare name. See\n"
                ".BR millrace\\-pipeline (5)\n"
                "for sizes, durations and paths. This page is made by\n"
                ".BR \"millrace stages \\-\\-man\" .\n",
                file);
    for (size_t i = 0; stage_types[i]; i++)
        print_section(file, stage_types[i]);
    (void)fputs(".SH SEE ALSO\n.BR millrace (1),\n.BR millrace\\-pipeline (5)\n", file);
}

static void print_chosen(FILE *file, const struct stage_type *type, bool is_json,
                         bool is_man)
{
    if (is_man && type)
        print_section(file, type);
    else if (is_man)
        print_page(file);
    else if (is_json && type)
        print_object(file, type);
    else if (is_json) {
        (void)fputc('[', file);
        for (size_t i = 0; stage_types[i]; i++) {
            (void)fputs(i ? ",\n " : "", file);
            print_object(file, stage_types[i]);
        }
        (void)fputc(']', file);
    } else if (type)
        print_text(file, type);
    else
        print_list(file);
    if (is_json)
        (void)fputc('\n', file);
}

static int refuse_name(const char *name)
{
    const char *names[STAGES_MAX];
    char hint[HINT_MAX];
    size_t count = 0;
    for (; count < STAGES_MAX && stage_types[count]; count++)
        names[count] = stage_types[count]->name;
    (void)fprintf(stderr, "millrace stages: unknown stage \"%s\"%s\n", name,
                  suggest_name(name, names, count, hint, sizeof hint));
    return 2;
}

static int run(const struct arguments *arguments)
{
    const struct stage_type *type = NULL;
    bool is_json = arguments_flag(arguments, "--json");
    bool is_man = arguments_flag(arguments, "--man");
    if (arguments->is_help) {
        arguments_help(&command, stdout);
        return fflush(stdout) ? 1 : 0;
    }
    if (is_json && is_man) {
        (void)fputs("millrace stages: --json and --man exclude each other\n", stderr);
        return 2;
    }
    if (arguments->texts.count > 0) {
        type = stage_find(arguments->texts.items[0]);
        if (!type)
            return refuse_name(arguments->texts.items[0]);
    }
    print_chosen(stdout, type, is_json, is_man);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

int command_stages(int argc, char **argv)
{
    struct arguments arguments;
    struct error error;
    int status = 2;
    struct arena *arena = arena_create(4096, 0);
    if (!arena) {
        (void)fputs("millrace stages: no memory\n", stderr);
        return 1;
    }
    if (arguments_parse(&command, argc, argv, arena, &arguments, &error))
        (void)fprintf(stderr, "millrace stages: %s\n", error.text);
    else
        status = run(&arguments);
    arena_destroy(arena);
    return status;
}
