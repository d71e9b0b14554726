/* option.c - typed options: one table to parse, check and document them */
#include "core/option.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/diagnostics.h"
#include "core/option_value.h"
#include "core/yaml.h"

enum { OWNER_MAX = 120, NAMES_MAX = 128, HINT_MAX = 600, LONGEST_SHOWN = 100 };

/* Who asks, and where the findings go. */
struct context {
    const char *owner;
    struct source_position where;
    const char *folder;
    struct arena *arena;
    struct diagnostics *diagnostics;
};

size_t option_names(const struct option_spec *specs, const char **names, size_t capacity)
{
    size_t count = 0;
    for (; specs && specs->name && count < capacity; specs++)
        names[count++] = specs->name;
    return count;
}

static void list_choices(const char *const *choices, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; choices[i]; i++) {
        const char *joint = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int written = snprintf(text + used, size - used, "%s%s", joint, choices[i]);
        if (written < 0 || (size_t)written >= size - used)
            return;
        used += (size_t)written;
    }
}

static void describe_wanted(const struct option_spec *spec, char *text, size_t size)
{
    static const char *const wanted[] = {
        [OPTION_BOOL] = "true or false",
        [OPTION_INT] = "a whole number",
        [OPTION_SIZE] = "a size such as 4096, 64KiB or 2MB",
        [OPTION_DURATION] = "a duration such as 250ms, 90s, 15m or 4h",
        [OPTION_REAL] = "a number",
        [OPTION_TEXT] = "a text",
        [OPTION_PATH] = "the path of a file",
        [OPTION_CHOICE] = "",
        [OPTION_TEXT_LIST] = "a list such as [a, b]",
        [OPTION_REAL_LIST] = "a list of numbers such as [1, 0.5]",
        [OPTION_REAL_PAIRS] = "a list of pairs such as [[0, 90], [75, 0]]",
        [OPTION_GROUP] = "a map",
        [OPTION_NODE] = "",
    };
    if (spec->type == OPTION_CHOICE)
        list_choices(spec->choices, text, size);
    else
        (void)snprintf(text, size, "%s", wanted[spec->type]);
}

/* `"bytes" must be a size such as 4096, 64KiB or 2MB, not "many"` */
static bool report_type(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *node)
{
    char wanted[HINT_MAX];
    describe_wanted(spec, wanted, sizeof wanted);
    if (yaml_is_empty(node))
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" has no value; it must be %s", spec->name, wanted);
    else if (node->kind != YAML_SCALAR)
        diagnostics_add(context->diagnostics, node->where, "\"%s\" must be %s, not %s",
                        spec->name, wanted, yaml_kind_name(node->kind));
    else
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" must be %s, not %s\"%.*s\"", spec->name, wanted,
                        node->is_quoted ? "the quoted text " : "", (int)LONGEST_SHOWN,
                        node->text);
    return false;
}

static void report_unit(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *node)
{
    const char *const *units;
    char hint[HINT_MAX];
    size_t count = spec->type == OPTION_SIZE ? value_size_units(&units)
                                             : value_duration_units(&units);
    const char *unit = value_unit(node->text);
    diagnostics_add(context->diagnostics, node->where,
                    "\"%s\" has the unknown unit \"%.20s\"%s", spec->name, unit,
                    suggest_name(unit, units, count, hint, sizeof hint));
}

static bool report_fault(const struct context *context, const struct option_spec *spec,
                         const struct yaml_node *node, enum value_fault fault)
{
    switch (fault) {
    case VALUE_TOO_LARGE:
        diagnostics_add(context->diagnostics, node->where, "\"%s\" is too large: %.*s",
                        spec->name, (int)LONGEST_SHOWN, node->text);
        return false;
    case VALUE_NO_UNIT:
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" needs a unit: %.20sms, %.20ss, %.20sm or %.20sh",
                        spec->name, node->text, node->text, node->text, node->text);
        return false;
    case VALUE_UNKNOWN_UNIT:
        report_unit(context, spec, node);
        return false;
    case VALUE_FRACTION:
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" must be a whole number of %s, not %.*s", spec->name,
                        spec->type == OPTION_SIZE ? "bytes" : "milliseconds",
                        (int)LONGEST_SHOWN, node->text);
        return false;
    default:
        return report_type(context, spec, node);
    }
}

/* Bounds of 1e18 and more stand for none. */
static bool check_range(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *node, double value)
{
    char min[40], max[40];
    if (spec->min == 0 && spec->max == 0)
        return true;
    if (value >= spec->min && value <= spec->max)
        return true;
    option_format_bound(spec, spec->min, min, sizeof min);
    if (spec->max >= 1e18) {
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" must be at least %s, not %.*s", spec->name, min,
                        (int)LONGEST_SHOWN, node->text);
        return false;
    }
    option_format_bound(spec, spec->max, max, sizeof max);
    diagnostics_add(context->diagnostics, node->where,
                    "\"%s\" must be from %s to %s, not %.*s", spec->name, min, max,
                    (int)LONGEST_SHOWN, node->text);
    return false;
}

static bool take_number(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *node, void *field)
{
    int64_t whole = 0;
    uint64_t size = 0;
    double real = 0;
    enum value_fault fault = VALUE_MALFORMED;
    if (node->kind != YAML_SCALAR || node->is_quoted)
        return report_type(context, spec, node);
    if (spec->type == OPTION_INT)
        fault = value_parse_int(node->text, &whole);
    else if (spec->type == OPTION_DURATION)
        fault = value_parse_duration(node->text, &whole);
    else if (spec->type == OPTION_SIZE)
        fault = value_parse_size(node->text, &size);
    else
        fault = value_parse_real(node->text, &real);
    if (fault)
        return report_fault(context, spec, node, fault);
    double value = spec->type == OPTION_SIZE   ? (double)size
                   : spec->type == OPTION_REAL ? real
                                               : (double)whole;
    if (!check_range(context, spec, node, value))
        return false;
    if (spec->type == OPTION_SIZE)
        *(uint64_t *)field = size;
    else if (spec->type == OPTION_REAL)
        *(double *)field = real;
    else
        *(int64_t *)field = whole;
    return true;
}

static bool take_bool(const struct context *context, const struct option_spec *spec,
                      const struct yaml_node *node, bool *field)
{
    if (node->kind == YAML_SCALAR && !node->is_quoted &&
        (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)) {
        *field = node->text[0] == 't';
        return true;
    }
    return report_type(context, spec, node);
}

static bool take_choice(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *node, int *field)
{
    size_t count = 0;
    if (node->kind != YAML_SCALAR || yaml_is_empty(node))
        return report_type(context, spec, node);
    for (; spec->choices[count]; count++) {
        if (strcmp(spec->choices[count], node->text) == 0) {
            *field = (int)count;
            return true;
        }
    }
    char wanted[HINT_MAX];
    const char *nearest = nearest_name(node->text, spec->choices, count);
    describe_wanted(spec, wanted, sizeof wanted);
    diagnostics_add(context->diagnostics, node->where,
                    "\"%s\" must be %s, not \"%.*s\"%s%s%s", spec->name, wanted,
                    (int)LONGEST_SHOWN, node->text, nearest ? "; did you mean \"" : "",
                    nearest ? nearest : "", nearest ? "\"?" : "");
    return false;
}

static const char *copy_text(const struct context *context, const struct yaml_node *node)
{
    const char *copy = arena_copy_text(context->arena, node->text, strlen(node->text));
    if (!copy)
        diagnostics_add(context->diagnostics, node->where, "no memory for this text");
    return copy;
}

static bool take_text(const struct context *context, const struct option_spec *spec,
                      const struct yaml_node *node, const char **field)
{
    if (node->kind != YAML_SCALAR || yaml_is_empty(node))
        return report_type(context, spec, node);
    *field = copy_text(context, node);
    return *field != NULL;
}

static bool check_artefact(const struct context *context, const struct option_spec *spec,
                           const struct yaml_node *node)
{
    const char *name = node->text + strlen("phase:"), *slash = strchr(name, '/');
    if (slash && slash > name && slash[1])
        return true;
    diagnostics_add(context->diagnostics, node->where,
                    "\"%s\" must name an artefact as phase:NAME/FILE, not \"%.*s\"",
                    spec->name, (int)LONGEST_SHOWN, node->text);
    return false;
}

static bool take_path(const struct context *context, const struct option_spec *spec,
                      const struct yaml_node *node, const char **field)
{
    const char *text = node->text;
    if (node->kind != YAML_SCALAR || text[0] == 0)
        return report_type(context, spec, node);
    if (strncmp(text, "phase:", 6) == 0) {
        *field = check_artefact(context, spec, node) ? copy_text(context, node) : NULL;
        return *field != NULL;
    }
    const char *folder = text[0] == '/' ? "" : context->folder;
    const char *slash = text[0] == '/' || strcmp(folder, "/") == 0 ? "" : "/";
    size_t room = strlen(folder) + strlen(text) + 2;
    char *path = ARENA_NEW(context->arena, char, room);
    if (!path) {
        diagnostics_add(context->diagnostics, node->where, "no memory for this path");
        return false;
    }
    (void)snprintf(path, room, "%s%s%s", folder, slash, text);
    struct stat status;
    bool is_there = stat(path, &status) == 0;
    if (!is_there || access(path, R_OK) != 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR;
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" names the file \"%.*s\", which %s%s", spec->name,
                        (int)LONGEST_SHOWN * 2, text,
                        is_absent ? "does not exist" : "cannot be read: ",
                        is_absent ? "" : strerror(errno));
        return false;
    }
    /* A device or a pipe could be read for ever. */
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        diagnostics_add(context->diagnostics, node->where,
                        "\"%s\" names \"%.*s\", which is neither a file nor a folder",
                        spec->name, (int)LONGEST_SHOWN * 2, text);
        return false;
    }
    *field = path;
    return true;
}

static bool report_item(const struct context *context, const struct option_spec *spec,
                        const struct yaml_node *item, const char *wanted)
{
    if (yaml_is_empty(item))
        diagnostics_add(context->diagnostics, item->where,
                        "an item of \"%s\" is empty; it must be %s", spec->name, wanted);
    else if (item->kind != YAML_SCALAR)
        diagnostics_add(context->diagnostics, item->where,
                        "an item of \"%s\" must be %s, not %s", spec->name, wanted,
                        yaml_kind_name(item->kind));
    else
        diagnostics_add(context->diagnostics, item->where,
                        "an item of \"%s\" must be %s, not \"%.*s\"", spec->name, wanted,
                        (int)LONGEST_SHOWN, item->text);
    return false;
}

static bool take_text_list(const struct context *context, const struct option_spec *spec,
                           const struct yaml_node *node, struct text_list *field)
{
    if (node->kind != YAML_LIST)
        return report_type(context, spec, node);
    const char **items = ARENA_NEW(context->arena, const char *, node->count);
    bool is_good = items != NULL;
    for (size_t i = 0; items && i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_SCALAR || yaml_is_empty(item)) {
            is_good = report_item(context, spec, item, "a text");
            continue;
        }
        items[i] = copy_text(context, item);
        is_good = is_good && items[i];
    }
    if (!items)
        diagnostics_add(context->diagnostics, node->where, "no memory for this list");
    if (is_good)
        *field = (struct text_list){.items = items, .count = node->count};
    return is_good;
}

/* The numbers of a list, to `items` (node->count). */
static bool take_reals(const struct context *context, const struct option_spec *spec,
                       const struct yaml_node *node, double *items)
{
    bool is_good = true;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_SCALAR || item->is_quoted ||
            value_parse_real(item->text, &items[i]))
            is_good = report_item(context, spec, item, "a number");
        else if (!check_range(context, spec, item, items[i]))
            is_good = false;
    }
    return is_good;
}

/* A list of numbers, or of lists of two of them. */
static bool take_real_list(const struct context *context, const struct option_spec *spec,
                           const struct yaml_node *node, struct real_list *field)
{
    size_t each = spec->type == OPTION_REAL_PAIRS ? 2 : 1;
    if (node->kind != YAML_LIST)
        return report_type(context, spec, node);
    double *items = ARENA_NEW(context->arena, double, each * node->count);
    if (!items) {
        diagnostics_add(context->diagnostics, node->where, "no memory for this list");
        return false;
    }
    bool is_good = each == 2 || take_reals(context, spec, node, items);
    for (size_t i = 0; each == 2 && i < node->count; i++) {
        const struct yaml_node *pair = node->items[i];
        if (pair->kind != YAML_LIST || pair->count != each)
            is_good = report_item(context, spec, pair, "a pair such as [0, 90]");
        else
            is_good = take_reals(context, spec, pair, items + each * i) && is_good;
    }
    if (is_good)
        *field = (struct real_list){.items = items, .count = each * node->count};
    return is_good;
}

static bool take_group(const struct context *context, const struct option_spec *spec,
                       const struct yaml_node *node, void *field)
{
    char owner[OWNER_MAX];
    if (node && node->kind != YAML_MAP)
        return report_type(context, spec, node);
    (void)snprintf(owner, sizeof owner, "\"%s\" of %s", spec->name, context->owner);
    return options_parse(spec->group, node, field, owner,
                         node ? node->where : context->where, context->folder,
                         context->arena, context->diagnostics);
}

static bool take_value(const struct context *context, const struct option_spec *spec,
                       const struct yaml_node *node, void *target)
{
    void *field = (unsigned char *)target + spec->offset;
    switch (spec->type) {
    case OPTION_BOOL:
        return take_bool(context, spec, node, field);
    case OPTION_TEXT:
        return take_text(context, spec, node, field);
    case OPTION_PATH:
        return take_path(context, spec, node, field);
    case OPTION_CHOICE:
        return take_choice(context, spec, node, field);
    case OPTION_TEXT_LIST:
        return take_text_list(context, spec, node, field);
    case OPTION_REAL_LIST:
    case OPTION_REAL_PAIRS:
        return take_real_list(context, spec, node, field);
    case OPTION_GROUP:
        return take_group(context, spec, node, field);
    case OPTION_NODE:
        *(const struct yaml_node **)field = node;
        return true;
    default:
        return take_number(context, spec, node, field);
    }
}

/* Is a key that is missing there under a wrong name? Then it has been told already. */
static bool is_misspelt(const struct option_spec *specs, const struct option_spec *spec,
                        const struct yaml_node *mapping)
{
    const char *names[NAMES_MAX];
    size_t count = option_names(specs, names, NAMES_MAX);
    for (size_t i = 0; mapping && i < mapping->count; i++) {
        const char *nearest = nearest_name(mapping->keys[i]->text, names, count);
        if (nearest == spec->name && strcmp(mapping->keys[i]->text, nearest) != 0)
            return true;
    }
    return false;
}

/* The field as it is when the user says nothing. `spec` has a default. */
static bool take_initial(const struct context *context, const struct option_spec *spec,
                         void *target)
{
    void *field = (unsigned char *)target + spec->offset;
    bool is_text = spec->type == OPTION_TEXT || spec->type == OPTION_PATH;
    if (spec->type == OPTION_GROUP)
        return take_group(context, spec, NULL, field);
    if (spec->type == OPTION_NODE || (is_text && spec->initial[0] == 0)) {
        if (spec->type == OPTION_NODE)
            *(const struct yaml_node **)field = NULL;
        else
            *(const char **)field = NULL;
        return true;
    }
    bool is_list = spec->type == OPTION_TEXT_LIST || spec->type == OPTION_REAL_LIST ||
                   spec->type == OPTION_REAL_PAIRS;
    struct yaml_node scalar = {
        .kind = YAML_SCALAR, .where = context->where, .text = spec->initial};
    const char *flow = spec->initial[0] ? spec->initial : "[]";
    const struct yaml_node *node =
        is_list ? yaml_parse_value(flow, strlen(flow), context->where, context->arena,
                                   context->diagnostics)
                : &scalar;
    return node && take_value(context, spec, node, target);
}

static const struct option_spec *find_spec(const struct option_spec *specs,
                                           const char *name)
{
    for (; specs && specs->name; specs++)
        if (strcmp(specs->name, name) == 0)
            return specs;
    return NULL;
}

static bool check_keys(const struct context *context, const struct option_spec *specs,
                       const struct yaml_node *mapping)
{
    const char *names[NAMES_MAX];
    char hint[HINT_MAX];
    size_t count = option_names(specs, names, NAMES_MAX);
    bool is_good = true;
    for (size_t i = 0; i < mapping->count; i++) {
        const struct yaml_node *key = mapping->keys[i];
        if (find_spec(specs, key->text))
            continue;
        is_good = false;
        diagnostics_add(context->diagnostics, key->where, "unknown key \"%.*s\" in %s%s",
                        (int)LONGEST_SHOWN, key->text, context->owner,
                        suggest_name(key->text, names, count, hint, sizeof hint));
    }
    return is_good;
}

bool options_parse(const struct option_spec *specs, const struct yaml_node *mapping,
                   void *target, const char *owner, struct source_position where,
                   const char *folder, struct arena *arena,
                   struct diagnostics *diagnostics)
{
    struct context context = {.owner = owner,
                              .where = where,
                              .folder = folder,
                              .arena = arena,
                              .diagnostics = diagnostics};
    bool is_good = true;
    if (mapping && mapping->kind != YAML_MAP) {
        diagnostics_add(diagnostics, mapping->where, "%s %s", owner,
                        yaml_is_empty(mapping)       ? "has no value; it must be a map"
                        : mapping->kind == YAML_LIST ? "must be a map, not a list"
                                                     : "must be a map, not a text");
        return false;
    }
    if (mapping)
        is_good = check_keys(&context, specs, mapping);
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        const struct yaml_node *node = yaml_get(mapping, spec->name);
        bool is_taken = false;
        if (node)
            is_taken = take_value(&context, spec, node, target);
        else if (spec->initial)
            is_taken = take_initial(&context, spec, target);
        else if (!is_misspelt(specs, spec, mapping))
            diagnostics_add(diagnostics, where, "missing key \"%s\" in %s", spec->name,
                            owner);
        is_good = is_good && is_taken;
    }
    return is_good;
}
