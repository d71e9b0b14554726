/* export_options.h - the options of `millrace export`: one table parses and documents */
#ifndef COMMANDS_EXPORT_OPTIONS_H
#define COMMANDS_EXPORT_OPTIONS_H

#include "commands/export_format.h"
#include "core/arguments.h"

enum { EXPORT_SPECS_MAX = 32, EXPORT_HELP_SIZE = 1200 };

/* The table for arguments_parse(), put together from the options of the command and those
 * of all formats. */
struct export_specs {
    struct argument_spec items[EXPORT_SPECS_MAX];
    char helps[EXPORT_SPECS_MAX][EXPORT_HELP_SIZE];
};
void export_specs_init(struct export_specs *specs);

/* What stands behind --format. ERROR_CONFIG: there is no such format. */
enum error_code export_format_find(const char *name, const struct export_format **format,
                                   struct error *error);
/* Read the options for a format, its initial values filled in. ERROR_CONFIG: a value is
 * wrong, or the format does not take the option. Texts are those of `arguments`. */
enum error_code export_options_read(const struct arguments *arguments,
                                    const struct export_format *format,
                                    struct export_options *options, struct error *error);

#endif
