/* pipeline_input.c - section `input` of a pipeline file */
#include "core/pipeline_parts.h"

#include <string.h>

#include "core/arena.h"
#include "core/diagnostics.h"

/* Those behind "lines" are known names that no reader has yet. */
const char *const input_format_names[] = {"jsonl", "text",   "lines", "warc",
                                          "tar",   "images", NULL};

bool input_has_images(enum input_format format)
{
    return format == FORMAT_IMAGES || format == FORMAT_TAR;
}

struct input_fields {
    struct text_list paths;
    const char *phase, *text, *key;
    int format;
    const struct yaml_node *columns;
    uint64_t max_record;
};

static const struct option_spec file_specs[] = {
    {.name = "paths",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct input_fields, paths),
     .help = "files, folders, globs or @lists"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .choices = input_format_names,
     .offset = offsetof(struct input_fields, format),
     .help = "what the files hold"},
    {.name = "text",
     .type = OPTION_TEXT,
     .initial = "",
     .offset = offsetof(struct input_fields, text),
     .help = "the field that becomes column text"},
    {.name = "key",
     .type = OPTION_TEXT,
     .initial = "",
     .offset = offsetof(struct input_fields, key),
     .help = "the field that becomes column key"},
    {.name = "columns",
     .type = OPTION_NODE,
     .initial = "",
     .offset = offsetof(struct input_fields, columns),
     .help = "further fields and their types"},
    {.name = "max_record",
     .type = OPTION_SIZE,
     .initial = "256MiB",
     .min = 1,
     .max = 2147483648.0,
     .offset = offsetof(struct input_fields, max_record),
     .help = "longer records are quarantined"},
    {.name = "phase",
     .type = OPTION_TEXT,
     .initial = "",
     .offset = offsetof(struct input_fields, phase),
     .help = "the phase whose records are read"},
    OPTION_END};

static const struct option_spec phase_specs[] = {
    {.name = "phase",
     .type = OPTION_TEXT,
     .offset = offsetof(struct input_fields, phase),
     .help = "the phase whose records are read"},
    OPTION_END};

struct source_position key_position(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->keys[i]->where;
    return map->where;
}

size_t pipeline_find_phase(const struct pipeline_reading *reading,
                           struct source_position where, const char *name)
{
    char hint[HINT_MAX];
    for (size_t i = 0; i < reading->phase_count; i++) {
        if (strcmp(reading->phase_names[i], name) != 0)
            continue;
        if (i < reading->phase_index)
            return i;
        diagnostics_add(reading->diagnostics, where,
                        i == reading->phase_index
                            ? "phase \"%.100s\" cannot read itself"
                            : "phase \"%.100s\" stands further down; a phase can read "
                              "only those above it",
                        name);
        return SIZE_MAX;
    }
    if (reading->phase_index == 0)
        diagnostics_add(reading->diagnostics, where,
                        "unknown phase \"%.100s\"; there is none above this one", name);
    else
        diagnostics_add(reading->diagnostics, where, "unknown phase \"%.100s\"%s", name,
                        suggest_name(name, reading->phase_names, reading->phase_index,
                                     hint, sizeof hint));
    return SIZE_MAX;
}

/* An input of a phase has no keys but "phase". */
static bool take_phase(const struct pipeline_reading *reading,
                       const struct yaml_node *node, struct input_spec *input,
                       struct phase_columns *columns)
{
    static const char *const only_name[] = {"phase"};
    const char *names[16];
    char hint[HINT_MAX];
    size_t count = option_names(file_specs, names, sizeof names / sizeof *names);
    bool is_good = true;
    struct input_fields fields = {0};
    struct yaml_node only = {.kind = YAML_MAP, .where = node->where, .count = 1};
    for (size_t i = 0; i < node->count; i++) {
        const char *key = node->keys[i]->text;
        size_t known = 0;
        while (known < count && strcmp(names[known], key) != 0)
            known++;
        if (strcmp(key, "phase") == 0) {
            only.keys = &node->keys[i];
            only.items = &node->items[i];
            continue;
        }
        is_good = false;
        if (known < count)
            diagnostics_add(
                reading->diagnostics, node->keys[i]->where,
                "\"%s\" cannot stand beside \"phase\": the records of a phase "
                "have their columns already",
                key);
        else
            diagnostics_add(reading->diagnostics, node->keys[i]->where,
                            "unknown key \"%.100s\" in the input%s", key,
                            suggest_name(key, only_name, 1, hint, sizeof hint));
    }
    if (!options_parse(phase_specs, &only, &fields, "the input", node->where,
                       reading->folder, reading->arena, reading->diagnostics))
        return false;
    size_t index =
        pipeline_find_phase(reading, yaml_get(node, "phase")->where, fields.phase);
    if (index == SIZE_MAX)
        return false;
    if (reading->phases[index].fit != FIT_NONE) {
        diagnostics_add(reading->diagnostics, yaml_get(node, "phase")->where,
                        "phase \"%.100s\" makes an artefact, and no records that could "
                        "be read",
                        fields.phase);
        return false;
    }
    input->format = FORMAT_PHASE;
    input->phase = fields.phase;
    input->phase_index = index;
    columns->schema = reading->phases[index].output_schema;
    columns->is_open = !is_good || reading->is_open[index];
    return is_good;
}

static bool check_paths(const struct pipeline_reading *reading,
                        const struct yaml_node *node, const struct text_list *paths)
{
    const struct yaml_node *list = yaml_get(node, "paths");
    bool is_good = true;
    if (paths->count == 0) {
        diagnostics_add(reading->diagnostics, list->where, "\"paths\" names no file");
        return false;
    }
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        if (path[0] && strcmp(path, "@") != 0)
            continue;
        diagnostics_add(reading->diagnostics, list->items[i]->where,
                        path[0] ? "\"@\" lacks the path of the list behind it"
                                : "an item of \"paths\" is empty; it must be a text");
        is_good = false;
    }
    return is_good;
}

/* The type of a further column, as a file of the format can have it. */
static bool take_type(const struct pipeline_reading *reading,
                      const struct yaml_node *value, enum input_format format,
                      struct input_column *column)
{
    static const char *const type_names[] = {
        "utf8",     "bytes",     "bool",      "i64",
        "f64",      "list<u32>", "list<f32>", "vector<f32, 256>",
        "list<box>"};
    const char *name = column->name;
    char hint[HINT_MAX];
    bool is_known = column_type_parse(value->text, &column->type, &column->dimension);
    if (strncmp(value->text, "vector", 6) == 0 && !is_known) {
        diagnostics_add(reading->diagnostics, value->where,
                        "column \"%.100s\" has a wrong vector type; write it as "
                        "\"vector<f32, 256>\", in quotes",
                        name);
        return false;
    }
    if (!is_known) {
        diagnostics_add(
            reading->diagnostics, value->where,
            "column \"%.100s\" has the unknown type \"%.100s\"%s", name, value->text,
            suggest_name(value->text, type_names, sizeof type_names / sizeof *type_names,
                         hint, sizeof hint));
        return false;
    }
    bool is_of_tar = column->type == COLUMN_UTF8 || column->type == COLUMN_BYTES ||
                     column->type == COLUMN_I64 || column->type == COLUMN_F64;
    if (format == FORMAT_TAR && !is_of_tar) {
        diagnostics_add(reading->diagnostics, value->where,
                        "column \"%.100s\" must be utf8, bytes, i64 or f64: it is a file "
                        "beside the image",
                        name);
        return false;
    }
    if (column->type == COLUMN_IMAGE_U8) {
        diagnostics_add(reading->diagnostics, value->where,
                        "column \"%.100s\" cannot be image<u8>: JSON holds no images",
                        name);
        return false;
    }
    return true;
}

static bool add_column(const struct pipeline_reading *reading, struct schema *schema,
                       const struct yaml_node *key, const struct yaml_node *value,
                       enum input_format format, struct input_column *column)
{
    const char *name = key->text;
    struct error error;
    if (value->kind != YAML_SCALAR || yaml_is_empty(value)) {
        diagnostics_add(reading->diagnostics, value->where,
                        "column \"%.100s\" must have a type such as utf8, not %s", name,
                        yaml_is_empty(value) ? "nothing" : yaml_kind_name(value->kind));
        return false;
    }
    if (name[0] == 0) {
        diagnostics_add(reading->diagnostics, key->where, "a column's name is empty");
        return false;
    }
    if (strlen(name) > NAME_LENGTH_MAX) {
        diagnostics_add(reading->diagnostics, key->where,
                        "a column's name is longer than %d bytes", (int)NAME_LENGTH_MAX);
        return false;
    }
    *column = (struct input_column){.name = name};
    if (!take_type(reading, value, format, column))
        return false;
    if (schema_find(schema, name)) {
        const char *text =
            format == FORMAT_TAR ? "column \"%s\" is there already, of the image"
            : strcmp(name, "key") == 0
                ? "column \"%s\" is there already; name its field in \"key\""
                : "column \"%s\" is there already, from \"text\"";
        diagnostics_add(reading->diagnostics, key->where, text, name);
        return false;
    }
    return schema_put(schema, name, column->type, column->dimension, &error) == OK;
}

static bool take_columns(const struct pipeline_reading *reading,
                         const struct yaml_node *node, struct input_spec *input,
                         struct schema *schema)
{
    bool is_good = true;
    if (!node)
        return true;
    if (node->kind != YAML_MAP) {
        diagnostics_add(reading->diagnostics, node->where,
                        "\"columns\" must be a map of fields to types such as "
                        "{lang: utf8}, not %s",
                        yaml_is_empty(node) ? "nothing" : yaml_kind_name(node->kind));
        return false;
    }
    struct input_column *columns =
        ARENA_NEW(reading->arena, struct input_column, node->count);
    if (!columns)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        if (schema->count == SCHEMA_MAX) {
            diagnostics_add(reading->diagnostics, node->keys[i]->where,
                            "this column is one too many; a record can have %d",
                            (int)SCHEMA_MAX);
            return false;
        }
        if (!add_column(reading, schema, node->keys[i], node->items[i], input->format,
                        &columns[i]))
            is_good = false;
    }
    input->columns = columns;
    input->column_count = node->count;
    return is_good;
}

static bool check_field(const struct pipeline_reading *reading,
                        const struct yaml_node *node, const char *key, const char *value,
                        const struct input_spec *input)
{
    const struct yaml_node *given = yaml_get(node, key);
    if (!given)
        return true;
    if (input->format != FORMAT_JSONL) {
        diagnostics_add(reading->diagnostics, key_position(node, key),
                        "\"%s\" is for format jsonl only; format %s has no fields", key,
                        input_format_names[input->format]);
        return false;
    }
    if (value && value[0] == 0) {
        diagnostics_add(reading->diagnostics, given->where,
                        "\"%s\" must be the name of a field, not empty", key);
        return false;
    }
    return true;
}

/* The fields of the file by themselves are sound; here they must fit together. */
static bool check_fields(const struct pipeline_reading *reading,
                         const struct yaml_node *node, const struct input_fields *fields,
                         struct input_spec *input)
{
    input->format = (enum input_format)fields->format;
    if (input->format == FORMAT_WARC) {
        diagnostics_add(reading->diagnostics, yaml_get(node, "format")->where,
                        "format %s is not supported yet by this version; it reads jsonl, "
                        "text, lines, tar and images",
                        input_format_names[fields->format]);
        return false;
    }
    bool is_good = check_field(reading, node, "text", fields->text, input);
    is_good = check_field(reading, node, "key", fields->key, input) && is_good;
    return (input->format == FORMAT_TAR ||
            check_field(reading, node, "columns", NULL, input)) &&
           is_good;
}

/* Where the patterns stand, for what is found when they are expanded. */
static bool keep_positions(const struct pipeline_reading *reading,
                           const struct yaml_node *node, struct input_spec *input)
{
    const struct yaml_node *list = yaml_get(node, "paths");
    if (!list || list->kind != YAML_LIST)
        return false;
    struct source_position *positions =
        ARENA_NEW(reading->arena, struct source_position, list->count);
    if (!positions)
        return false;
    for (size_t i = 0; i < list->count; i++)
        positions[i] = list->items[i]->where;
    input->paths_position = list->where;
    input->path_positions = positions;
    return true;
}

static bool put_image_columns(struct schema *schema)
{
    struct error error;
    return !schema_put(schema, "data", COLUMN_BYTES, 0, &error) &&
           !schema_put(schema, "width", COLUMN_I64, 0, &error) &&
           !schema_put(schema, "height", COLUMN_I64, 0, &error) &&
           !schema_put(schema, "format", COLUMN_UTF8, 0, &error);
}

static bool take_files(const struct pipeline_reading *reading,
                       const struct yaml_node *node, struct input_spec *input,
                       struct phase_columns *columns)
{
    struct input_fields fields = {0};
    struct error error;
    bool is_good = options_parse(file_specs, node, &fields, "the input", node->where,
                                 reading->folder, reading->arena, reading->diagnostics);
    columns->is_open = true;
    if (node->kind != YAML_MAP)
        return false;
    bool has_paths = fields.paths.items != NULL;
    if (has_paths && !check_paths(reading, node, &fields.paths))
        is_good = false;
    bool has_format =
        yaml_get(node, "format") && yaml_get(node, "format")->kind == YAML_SCALAR;
    if (is_good || has_format)
        is_good = check_fields(reading, node, &fields, input) && is_good;
    bool is_image = input_has_images(input->format);
    bool has_text = !is_image && (input->format != FORMAT_JSONL || fields.text);
    if (has_text && schema_put(&columns->schema, "text", COLUMN_UTF8, 0, &error))
        return false;
    if (is_image && !put_image_columns(&columns->schema))
        return false;
    if ((input->format == FORMAT_JSONL || input->format == FORMAT_TAR) &&
        !take_columns(reading, fields.columns, input, &columns->schema))
        is_good = false;
    input->paths = fields.paths;
    is_good = keep_positions(reading, node, input) && is_good;
    input->text = input->format == FORMAT_JSONL ? fields.text : is_image ? NULL : "text";
    input->key = fields.key;
    input->max_record = fields.max_record;
    columns->is_open = !is_good;
    return is_good;
}

bool pipeline_take_input(const struct pipeline_reading *reading,
                         const struct yaml_node *node, struct input_spec *input,
                         struct phase_columns *columns)
{
    struct error error;
    *input = (struct input_spec){0};
    *columns = (struct phase_columns){.is_open = true};
    if (schema_put(&columns->schema, "key", COLUMN_UTF8, 0, &error))
        return false;
    if (yaml_get(node, "phase"))
        return take_phase(reading, node, input, columns);
    return take_files(reading, node, input, columns);
}
