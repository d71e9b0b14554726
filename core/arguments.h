/* arguments.h - options and texts of a command line, from one table */
#ifndef CORE_ARGUMENTS_H
#define CORE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"
#include "core/option.h"

struct arena;

struct argument_spec {
    const char *name;  /* "--set" */
    const char *value; /* NULL: a flag; else what stands for its value in the help */
    bool is_repeatable;
    const char *help; /* one sentence, no full stop */
};

#define ARGUMENT_END \
    {                \
        .name = NULL \
    }

struct argument_command {
    const char *usage;                 /* "millrace check PIPELINE.yaml [options]" */
    const char *summary;               /* one line for the help */
    size_t min, max;                   /* positional texts wanted */
    const struct argument_spec *specs; /* ends with ARGUMENT_END; NULL: none */
};

struct arguments {          /* the texts are argv's; the lists lie in the arena */
    struct text_list texts; /* positional, in order */
    bool is_help;           /* --help or -h: print the help and exit 0 */
    const struct argument_spec *specs; /* borrowed from the command */
    const struct text_list *values;    /* one list a spec; a flag given: one NULL item */
};

/* argv[0] is the command's own name and is passed over. Options may stand anywhere, as
 * "--name VALUE" or "--name=VALUE"; "--" ends them. ERROR_CONFIG, with a suggestion, for
 * an unknown or repeated option, a value missing or too many, and too few or too many
 * positional texts (not looked at when --help is given). ERROR_MEMORY. */
enum error_code arguments_parse(const struct argument_command *command, int argc,
                                char *const *argv, struct arena *arena,
                                struct arguments *arguments, struct error *error);

/* Lookups by the name in the table ("--set"). */
bool arguments_flag(const struct arguments *arguments, const char *name);
/* The value, or NULL when the option was not given. */
const char *arguments_value(const struct arguments *arguments, const char *name);
/* All values of a repeatable option, in order. */
struct text_list arguments_values(const struct arguments *arguments, const char *name);

/* Usage, summary and every option, in at most 80 columns. */
void arguments_help(const struct argument_command *command, FILE *file);

#endif
