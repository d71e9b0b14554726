/* option_print.c - an option table as help text, man(7) source or JSON */
#include "core/option.h"

#include <string.h>

#include "core/option_value.h"
#include "core/print.h"

enum { VALUE_MAX = 400, NOTE_MAX = 600 };

/* What stands for a value: "FILE", "r50k | cl100k", "{...}". */
static void describe_value(const struct option_spec *spec, char *text, size_t size)
{
    static const char *const shown[] = {
        [OPTION_BOOL] = "true | false",
        [OPTION_INT] = "NUMBER",
        [OPTION_SIZE] = "SIZE",
        [OPTION_DURATION] = "TIME",
        [OPTION_REAL] = "NUMBER",
        [OPTION_TEXT] = "TEXT",
        [OPTION_PATH] = "FILE",
        [OPTION_CHOICE] = "",
        [OPTION_TEXT_LIST] = "[TEXT, ...]",
        [OPTION_REAL_LIST] = "[NUMBER, ...]",
        [OPTION_REAL_PAIRS] = "[[NUMBER, NUMBER], ...]",
        [OPTION_GROUP] = "{...}",
        [OPTION_NODE] = "...",
    };
    size_t used = 0;
    (void)snprintf(text, size, "%s", shown[spec->type]);
    for (size_t i = 0; spec->type == OPTION_CHOICE && spec->choices[i]; i++) {
        int written =
            snprintf(text + used, size - used, "%s%s", i ? " | " : "", spec->choices[i]);
        if (written < 0 || (size_t)written >= size - used)
            return;
        used += (size_t)written;
    }
}

/* "required", "default 16MiB; from 1 to 1GiB" */
static void describe_rule(const struct option_spec *spec, char *text, size_t size)
{
    char min[40], max[40], range[100] = "";
    if (spec->min != 0 || spec->max != 0) {
        option_format_bound(spec, spec->min, min, sizeof min);
        option_format_bound(spec, spec->max, max, sizeof max);
        if (spec->max >= 1e18)
            (void)snprintf(range, sizeof range, "; at least %s", min);
        else
            (void)snprintf(range, sizeof range, "; from %s to %s", min, max);
    }
    if (!spec->initial)
        (void)snprintf(text, size, "required%s", range);
    else if (!spec->initial[0])
        (void)snprintf(text, size, "may be left out%s", range);
    else
        (void)snprintf(text, size, "default %s%s", spec->initial, range);
}

static void print_words(FILE *file, const char *text, size_t indent)
{
    (void)fprintf(file, "%*s", (int)indent, "");
    print_wrapped(file, text, indent, indent);
}

static void print_text(FILE *file, const struct option_spec *specs, size_t indent)
{
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        char value[VALUE_MAX], rule[VALUE_MAX], note[2 * NOTE_MAX];
        describe_value(spec, value, sizeof value);
        describe_rule(spec, rule, sizeof rule);
        (void)snprintf(note, sizeof note, "%s: %s", spec->name, value);
        print_words(file, note, indent);
        (void)snprintf(note, sizeof note, "%.*s (%s)", (int)NOTE_MAX, spec->help, rule);
        print_words(file, note, indent + 4);
        if (spec->type == OPTION_GROUP)
            print_text(file, spec->group, indent + 4);
    }
}

static void print_man(FILE *file, const struct option_spec *specs)
{
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        char value[VALUE_MAX], rule[VALUE_MAX];
        describe_value(spec, value, sizeof value);
        describe_rule(spec, rule, sizeof rule);
        (void)fprintf(file, ".TP\n\\fB%s:\\fR \\fI", spec->name);
        print_roff(file, value);
        (void)fputs("\\fR\n", file);
        print_roff(file, spec->help);
        (void)fputs(" (", file);
        print_roff(file, rule);
        (void)fputs(").\n", file);
        if (spec->type == OPTION_GROUP) {
            (void)fputs(".RS\n", file);
            print_man(file, spec->group);
            (void)fputs(".RE\n", file);
        }
    }
}

static const char *type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_BOOL] = "bool",
        [OPTION_INT] = "int",
        [OPTION_SIZE] = "size",
        [OPTION_DURATION] = "duration",
        [OPTION_REAL] = "real",
        [OPTION_TEXT] = "text",
        [OPTION_PATH] = "path",
        [OPTION_CHOICE] = "choice",
        [OPTION_TEXT_LIST] = "text_list",
        [OPTION_REAL_LIST] = "real_list",
        [OPTION_REAL_PAIRS] = "real_pairs",
        [OPTION_GROUP] = "group",
        [OPTION_NODE] = "section",
    };
    return names[type];
}

static void print_table(FILE *file, const struct option_spec *specs)
{
    (void)fputc('[', file);
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        (void)fprintf(file, "%s{\"name\": \"%s\", \"type\": \"%s\", \"required\": %s",
                      spec == specs ? "" : ", ", spec->name, type_name(spec->type),
                      spec->initial ? "false" : "true");
        if (spec->initial && spec->initial[0]) {
            (void)fputs(", \"default\": ", file);
            print_json(file, spec->initial);
        }
        if (spec->min != 0 || spec->max != 0)
            (void)fprintf(file, ", \"min\": %.17g", spec->min);
        if (spec->max != 0 && spec->max < 1e18)
            (void)fprintf(file, ", \"max\": %.17g", spec->max);
        if (spec->type == OPTION_CHOICE) {
            (void)fputs(", \"choices\": [", file);
            for (size_t i = 0; spec->choices[i]; i++) {
                (void)fputs(i ? ", " : "", file);
                print_json(file, spec->choices[i]);
            }
            (void)fputc(']', file);
        }
        (void)fputs(", \"help\": ", file);
        print_json(file, spec->help);
        if (spec->type == OPTION_GROUP) {
            (void)fputs(", \"options\": ", file);
            print_table(file, spec->group);
        }
        (void)fputc('}', file);
    }
    (void)fputc(']', file);
}

void options_print(FILE *file, const struct option_spec *specs, enum option_print how)
{
    if (how == OPTION_PRINT_TEXT)
        print_text(file, specs, 2);
    else if (how == OPTION_PRINT_MAN)
        print_man(file, specs);
    else
        print_table(file, specs);
}
