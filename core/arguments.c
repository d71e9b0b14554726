/* arguments.c - options and texts of a command line, from one table */
#include "core/arguments.h"

#include <assert.h>
#include <string.h>

#include "core/arena.h"
#include "core/diagnostics.h"
#include "core/print.h"

enum { NAMES_MAX = 64, HELP_INDENT_MAX = 28 };

static size_t count_specs(const struct argument_spec *specs)
{
    size_t count = 0;
    while (specs && specs[count].name)
        count++;
    return count;
}

/* What parsing fills, before it is handed out as const. */
struct collection {
    const struct argument_command *command;
    const char **texts;
    size_t text_count, spec_count;
    const char ***values; /* (spec_count) lists, each with room for argc items */
    size_t *value_counts;
    bool is_help;
};

static enum error_code collection_init(struct collection *all, int argc,
                                       struct arena *arena, struct error *error)
{
    size_t room = (size_t)argc + 1;
    all->spec_count = count_specs(all->command->specs);
    all->texts = ARENA_NEW(arena, const char *, room);
    all->values = ARENA_NEW(arena, const char **, all->spec_count);
    all->value_counts = ARENA_NEW(arena, size_t, all->spec_count);
    bool is_complete = all->texts && all->values && all->value_counts;
    for (size_t i = 0; is_complete && i < all->spec_count; i++) {
        all->values[i] = ARENA_NEW(arena, const char *, room);
        is_complete = all->values[i] != NULL;
    }
    if (!is_complete)
        return error_set(error, ERROR_MEMORY, "no memory for the command line");
    return OK;
}

static enum error_code unknown_option(const struct collection *all, const char *option,
                                      size_t length, struct error *error)
{
    const char *names[NAMES_MAX];
    char wrong[NAMES_MAX], hint[600];
    size_t count = 0;
    for (size_t i = 0; i < all->spec_count && count + 1 < NAMES_MAX; i++)
        names[count++] = all->command->specs[i].name;
    names[count++] = "--help";
    int shown = length > 200 ? 200 : (int)length;
    (void)snprintf(wrong, sizeof wrong, "%.*s", shown, option);
    return error_set(error, ERROR_CONFIG, "unknown option \"%.*s\"%s", shown, option,
                     suggest_name(wrong, names, count, hint, sizeof hint));
}

static enum error_code take_option(struct collection *all, int argc, char *const *argv,
                                   int *at, struct error *error)
{
    const char *option = argv[*at], *equals = strchr(option, '=');
    size_t length = equals ? (size_t)(equals - option) : strlen(option);
    size_t which = 0;
    while (which < all->spec_count &&
           (strlen(all->command->specs[which].name) != length ||
            strncmp(all->command->specs[which].name, option, length) != 0))
        which++;
    if (which == all->spec_count)
        return unknown_option(all, option, length, error);
    const struct argument_spec *spec = &all->command->specs[which];
    const char *value = equals ? equals + 1 : NULL;
    if (!spec->value && equals)
        return error_set(error, ERROR_CONFIG, "%s takes no value", spec->name);
    if (spec->value && !equals) {
        if (*at + 1 >= argc)
            return error_set(error, ERROR_CONFIG, "%s needs a value: %s %s", spec->name,
                             spec->name, spec->value);
        (*at)++;
        value = argv[*at];
    }
    if (all->value_counts[which] > 0 && !spec->is_repeatable)
        return error_set(error, ERROR_CONFIG, "%s is given twice", spec->name);
    all->values[which][all->value_counts[which]++] = value;
    return OK;
}

static enum error_code take_all(struct collection *all, int argc, char *const *argv,
                                struct error *error)
{
    bool is_ended = false;
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        if (is_ended || text[0] != '-' || text[1] == 0) {
            all->texts[all->text_count++] = text;
        } else if (strcmp(text, "--") == 0) {
            is_ended = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            all->is_help = true;
        } else {
            enum error_code code = take_option(all, argc, argv, &at, error);
            if (code)
                return code;
        }
    }
    if (!all->is_help && all->text_count < all->command->min)
        return error_set(error, ERROR_CONFIG, "something is missing; usage: %s",
                         all->command->usage);
    if (!all->is_help && all->text_count > all->command->max)
        return error_set(error, ERROR_CONFIG, "\"%.200s\" is one too many; usage: %s",
                         all->texts[all->command->max], all->command->usage);
    return OK;
}

enum error_code arguments_parse(const struct argument_command *command, int argc,
                                char *const *argv, struct arena *arena,
                                struct arguments *arguments, struct error *error)
{
    struct collection all = {.command = command};
    enum error_code code = collection_init(&all, argc, arena, error);
    if (code)
        return code;
    code = take_all(&all, argc, argv, error);
    if (code)
        return code;
    struct text_list *lists = ARENA_NEW(arena, struct text_list, all.spec_count);
    if (!lists)
        return error_set(error, ERROR_MEMORY, "no memory for the command line");
    for (size_t i = 0; i < all.spec_count; i++)
        lists[i] =
            (struct text_list){.items = all.values[i], .count = all.value_counts[i]};
    *arguments = (struct arguments){
        .texts = {.items = all.texts, .count = all.text_count},
        .is_help = all.is_help,
        .specs = command->specs,
        .values = lists,
    };
    return OK;
}

struct text_list arguments_values(const struct arguments *arguments, const char *name)
{
    size_t i = 0, count = count_specs(arguments->specs);
    while (i < count && strcmp(arguments->specs[i].name, name) != 0)
        i++;
    assert(i < count); /* callers ask for options of their own table only */
    return i < count ? arguments->values[i] : (struct text_list){0};
}

bool arguments_flag(const struct arguments *arguments, const char *name)
{
    return arguments_values(arguments, name).count > 0;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
    struct text_list values = arguments_values(arguments, name);
    return values.count > 0 ? values.items[0] : NULL;
}

static size_t label_width(const struct argument_spec *spec)
{
    return 2 + strlen(spec->name) + (spec->value ? 1 + strlen(spec->value) : 0);
}

static void print_option(FILE *file, const struct argument_spec *spec, size_t indent)
{
    size_t width = label_width(spec);
    (void)fprintf(file, "  %s%s%s", spec->name, spec->value ? " " : "",
                  spec->value ? spec->value : "");
    if (width + 2 > indent) {
        (void)fputc('\n', file);
        width = 0;
    }
    (void)fprintf(file, "%*s", (int)(indent - width), "");
    print_wrapped(file, spec->help, indent, indent);
}

void arguments_help(const struct argument_command *command, FILE *file)
{
    static const struct argument_spec help = {.name = "--help", .help = "show this text"};
    size_t indent = label_width(&help) + 2;
    for (const struct argument_spec *spec = command->specs; spec && spec->name; spec++) {
        size_t width = label_width(spec) + 2;
        if (width > indent && width <= HELP_INDENT_MAX)
            indent = width;
    }
    (void)fputs("usage: ", file);
    print_wrapped(file, command->usage, 7, 7);
    (void)fputc('\n', file);
    print_wrapped(file, command->summary, 0, 0);
    (void)fputc('\n', file);
    for (const struct argument_spec *spec = command->specs; spec && spec->name; spec++)
        print_option(file, spec, indent);
    print_option(file, &help, indent);
}
