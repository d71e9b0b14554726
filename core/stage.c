/* stage.c - schemas, and the check that a stage's descriptor is sound */
#include "core/stage.h"

#include <string.h>

#include "core/arena.h"
#include "core/diagnostics.h"
#include "core/yaml.h"

const struct schema_field *schema_find(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    return NULL;
}

enum error_code schema_put(struct schema *schema, const char *name, enum column_type type,
                           uint32_t dimension, struct error *error)
{
    struct schema_field field = {.name = name, .type = type, .dimension = dimension};
    for (size_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->fields[i].name, name) == 0) {
            schema->fields[i] = field;
            return OK;
        }
    }
    if (schema->count == SCHEMA_MAX)
        return error_set(error, ERROR_CONFIG, "column \"%.100s\" is one more than %d",
                         name, (int)SCHEMA_MAX);
    schema->fields[schema->count] = field;
    schema->count++;
    return OK;
}

struct source_position stage_option_position(const struct stage_place *place,
                                             const char *option)
{
    const struct yaml_node *value = yaml_get(place->mapping, option);
    return value ? value->where : place->stage;
}

static bool is_snake_case(const char *text)
{
    return text && *text >= 'a' && *text <= 'z' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

static bool is_sentence(const char *text)
{
    return text && *text && text[strlen(text) - 1] != '.';
}

static size_t field_size(enum option_type type)
{
    static const size_t sizes[] = {
        [OPTION_BOOL] = sizeof(bool),
        [OPTION_INT] = sizeof(int64_t),
        [OPTION_SIZE] = sizeof(uint64_t),
        [OPTION_DURATION] = sizeof(int64_t),
        [OPTION_REAL] = sizeof(double),
        [OPTION_TEXT] = sizeof(const char *),
        [OPTION_PATH] = sizeof(const char *),
        [OPTION_CHOICE] = sizeof(int),
        [OPTION_TEXT_LIST] = sizeof(struct text_list),
        [OPTION_REAL_LIST] = sizeof(struct real_list),
        [OPTION_REAL_PAIRS] = sizeof(struct real_list),
        [OPTION_GROUP] = 1, /* its members are checked one by one */
        [OPTION_NODE] = 0,
    };
    return sizes[type];
}

struct check {
    const struct stage_type *type;
    struct arena *arena;
    unsigned char *options; /* options_size bytes to parse defaults into */
};

static enum error_code check_default(const struct check *check,
                                     const struct option_spec *spec, size_t base,
                                     struct error *error)
{
    struct option_spec alone[2] = {*spec, OPTION_END};
    struct diagnostics found = {.arena = check->arena};
    struct source_position nowhere = {0};
    if (!spec->initial)
        return OK;
    if (options_parse(alone, NULL, check->options + base, check->type->name, nowhere, "/",
                      check->arena, &found))
        return OK;
    return error_set(error, ERROR_FATAL, "stage %s: the default of \"%s\" is wrong: %s",
                     check->type->name, spec->name,
                     found.count ? found.items[0].text : "no memory");
}

static enum error_code check_options(const struct check *check,
                                     const struct option_spec *specs, size_t base,
                                     struct error *error)
{
    const char *stage = check->type->name;
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        if (!is_snake_case(spec->name))
            return error_set(error, ERROR_FATAL, "stage %s: \"%s\" is no option name",
                             stage, spec->name);
        for (const struct option_spec *before = specs; before < spec; before++)
            if (strcmp(before->name, spec->name) == 0)
                return error_set(error, ERROR_FATAL, "stage %s: \"%s\" stands twice",
                                 stage, spec->name);
        if (!is_sentence(spec->help))
            return error_set(error, ERROR_FATAL,
                             "stage %s: \"%s\" needs a help text without full stop",
                             stage, spec->name);
        if (spec->type == OPTION_NODE ||
            (spec->type == OPTION_CHOICE && !spec->choices) ||
            (spec->type == OPTION_GROUP && !spec->group) || spec->min > spec->max)
            return error_set(error, ERROR_FATAL, "stage %s: \"%s\" is incomplete", stage,
                             spec->name);
        if (base + spec->offset + field_size(spec->type) > check->type->options_size)
            return error_set(error, ERROR_FATAL,
                             "stage %s: \"%s\" lies outside of the options", stage,
                             spec->name);
        enum error_code code = check_default(check, spec, base, error);
        if (!code && spec->type == OPTION_GROUP)
            code = check_options(check, spec->group, base + spec->offset, error);
        if (code)
            return code;
    }
    return OK;
}

static enum error_code check_columns(const struct stage_type *type, struct error *error)
{
    for (const struct stage_column *column = type->columns; column && column->name;
         column++) {
        bool is_type_known =
            column->type >= COLUMN_UTF8 && column->type <= COLUMN_LIST_BOX;
        if (!column->name[0] || !is_type_known)
            return error_set(error, ERROR_FATAL, "stage %s: column \"%s\" is incomplete",
                             type->name, column->name);
        if (!column->is_input && column->type == COLUMN_VECTOR_F32 && !type->plan)
            return error_set(error, ERROR_FATAL,
                             "stage %s: vector \"%s\" needs plan() to say its dimension",
                             type->name, column->name);
    }
    return OK;
}

static enum error_code check_fit(const struct stage_type *type, struct error *error)
{
    const struct stage_fit *fit = type->fit;
    if (!fit->files || !fit->begin || !fit->save || !fit->merge || !fit->finish)
        return error_set(error, ERROR_FATAL, "stage %s lacks a part of a fit stage",
                         type->name);
    if (type->traits & STAGE_STATELESS)
        return error_set(error, ERROR_FATAL,
                         "stage %s cannot be stateless: a fit stage has a state",
                         type->name);
    for (const struct stage_column *column = type->columns; column && column->name;
         column++)
        if (!column->is_input)
            return error_set(error, ERROR_FATAL,
                             "stage %s is a fit stage and passes no column on",
                             type->name);
    return OK;
}

enum error_code stage_type_check(const struct stage_type *type, struct error *error)
{
    unsigned known = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE;
    if (!is_snake_case(type->name))
        return error_set(error, ERROR_FATAL, "\"%s\" is no stage name",
                         type->name ? type->name : "");
    if (!is_sentence(type->summary))
        return error_set(error, ERROR_FATAL, "stage %s needs a summary without full stop",
                         type->name);
    if (!type->process)
        return error_set(error, ERROR_FATAL, "stage %s cannot process", type->name);
    if ((type->traits & STAGE_STATELESS) && (type->begin || type->flush))
        return error_set(error, ERROR_FATAL, "stage %s holds records and is stateless",
                         type->name);
    if (type->traits & ~known)
        return error_set(error, ERROR_FATAL, "stage %s has unknown traits", type->name);
    if (!type->options != !type->options_size)
        return error_set(error, ERROR_FATAL,
                         "stage %s: options and options_size belong together",
                         type->name);
    enum error_code code = check_columns(type, error);
    if (!code && type->fit)
        code = check_fit(type, error);
    if (code)
        return code;
    struct check check = {.type = type, .arena = arena_create(4096, 0)};
    if (check.arena)
        check.options =
            arena_alloc(check.arena, 1, type->options_size, _Alignof(max_align_t));
    if (check.options)
        code = check_options(&check, type->options, 0, error);
    else
        code = error_set(error, ERROR_MEMORY, "no memory to check stage %s", type->name);
    arena_destroy(check.arena);
    return code;
}
