/* pipeline_stages.c - sections `stages`, `output` and `exchange` of a pipeline file */
#include "core/pipeline_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/diagnostics.h"

enum { TYPES_MAX = 128, OWNER_MAX = 100 };

/* Tells that a name is no column here. */
static void report_column(const struct pipeline_reading *reading,
                          struct source_position where, const struct schema *schema,
                          const char *name, const char *reason)
{
    const char *names[SCHEMA_MAX];
    char hint[HINT_MAX];
    for (size_t i = 0; i < schema->count; i++)
        names[i] = schema->fields[i].name;
    diagnostics_add(reading->diagnostics, where, "column \"%.100s\" %s%s", name, reason,
                    suggest_name(name, names, schema->count, hint, sizeof hint));
}

/* What a stage item says: its name, and its options if any. */
struct stage_item {
    const char *name;
    struct source_position where;
    const struct yaml_node *mapping;
};

static bool read_item(const struct pipeline_reading *reading,
                      const struct yaml_node *node, struct stage_item *item)
{
    *item = (struct stage_item){.where = node->where};
    if (node->kind == YAML_SCALAR && !yaml_is_empty(node)) {
        item->name = node->text;
        return true;
    }
    if (node->kind == YAML_MAP && node->count == 1) {
        item->name = node->keys[0]->text;
        item->where = node->keys[0]->where;
        item->mapping = yaml_is_empty(node->items[0]) ? NULL : node->items[0];
        return true;
    }
    if (node->kind == YAML_MAP && node->count > 1)
        diagnostics_add(reading->diagnostics, node->keys[1]->where,
                        "a stage has one name, but \"%.100s\" stands beside \"%.100s\"; "
                        "indent options deeper, and begin each stage with \"- \"",
                        node->keys[1]->text, node->keys[0]->text);
    else
        diagnostics_add(reading->diagnostics, node->where,
                        "a stage must be written NAME: {OPTIONS}, not %s",
                        node->kind == YAML_SCALAR || node->count == 0
                            ? "left empty"
                            : yaml_kind_name(node->kind));
    return false;
}

static const struct stage_type *find_type(const struct pipeline_reading *reading,
                                          const struct stage_item *item)
{
    const char *names[TYPES_MAX];
    char hint[HINT_MAX];
    size_t count = 0;
    for (; count < TYPES_MAX && reading->types[count]; count++) {
        names[count] = reading->types[count]->name;
        if (strcmp(names[count], item->name) == 0)
            return reading->types[count];
    }
    diagnostics_add(reading->diagnostics, item->where, "unknown stage \"%.100s\"%s",
                    item->name,
                    suggest_name(item->name, names, count, hint, sizeof hint));
    return NULL;
}

/* Artefacts come from phases above. */
static bool check_artefacts(const struct pipeline_reading *reading,
                            const struct option_spec *specs,
                            const struct yaml_node *mapping)
{
    bool is_good = true;
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        const struct yaml_node *node = yaml_get(mapping, spec->name);
        if (node && spec->type == OPTION_GROUP)
            is_good = check_artefacts(reading, spec->group, node) && is_good;
        if (!node || spec->type != OPTION_PATH || strncmp(node->text, "phase:", 6) != 0)
            continue;
        const char *name = node->text + 6;
        size_t length = strcspn(name, "/");
        const char *copy = arena_copy_text(reading->arena, name, length);
        size_t index = copy ? pipeline_find_phase(reading, node->where, copy) : SIZE_MAX;
        if (index == SIZE_MAX ||
            !pipeline_check_artefact(reading, node->where, index, name + length + 1))
            is_good = false;
    }
    return is_good;
}

/* The columns that a stage without plan() reads. */
static bool check_inputs(const struct pipeline_reading *reading,
                         const struct stage_spec *stage,
                         const struct phase_columns *columns)
{
    bool is_good = true;
    const struct stage_column *column = stage->type->columns;
    for (; column && column->name; column++) {
        const struct schema_field *field = schema_find(&columns->schema, column->name);
        char wanted[32], found[32];
        if (!column->is_input || (!field && columns->is_open))
            continue;
        column_type_format(column->type, 0, wanted, sizeof wanted);
        if (!field) {
            diagnostics_add(
                reading->diagnostics, stage->place.stage,
                "stage %s needs column \"%s\" (%s), which is neither read nor "
                "made by an earlier stage",
                stage->type->name, column->name, wanted);
            is_good = false;
        } else if (field->type != column->type) {
            column_type_format(field->type, field->dimension, found, sizeof found);
            diagnostics_add(reading->diagnostics, stage->place.stage,
                            "stage %s needs column \"%s\" as %s, but it is %s",
                            stage->type->name, column->name, wanted, found);
            is_good = false;
        }
    }
    return is_good;
}

static bool put_outputs(const struct pipeline_reading *reading,
                        const struct stage_spec *stage, struct phase_columns *columns)
{
    struct error error;
    const struct stage_column *column = stage->type->columns;
    for (; column && column->name; column++) {
        if (column->is_input ||
            !schema_put(&columns->schema, column->name, column->type, 0, &error))
            continue;
        diagnostics_add(reading->diagnostics, stage->place.stage, "%s", error.text);
        return false;
    }
    return true;
}

/* From the columns before a stage to those behind it. */
static bool plan_stage(const struct pipeline_reading *reading,
                       const struct stage_spec *stage, struct phase_columns *columns)
{
    struct error error = {0};
    if (!stage->type->plan)
        return check_inputs(reading, stage, columns) &&
               put_outputs(reading, stage, columns);
    /* plan() could only complain about columns that are missing for another reason. */
    if (columns->is_open)
        return put_outputs(reading, stage, columns);
    struct schema before = columns->schema;
    if (!stage->type->plan(stage->options, &columns->schema, &stage->place, &error))
        return true;
    columns->schema = before;
    diagnostics_add(reading->diagnostics,
                    error.where.line ? error.where : stage->place.stage, "%s",
                    error.text);
    return false;
}

static bool take_stage(const struct pipeline_reading *reading,
                       const struct yaml_node *node, bool is_shard_fixed,
                       struct stage_spec *stage, struct phase_columns *columns)
{
    struct stage_item item;
    char owner[OWNER_MAX];
    if (!read_item(reading, node, &item))
        return false;
    stage->type = find_type(reading, &item);
    if (!stage->type)
        return false;
    stage->place = (struct stage_place){.stage = item.where,
                                        .mapping = item.mapping,
                                        .is_checked = reading->is_checked,
                                        .is_shard_fixed = is_shard_fixed};
    void *options =
        arena_alloc(reading->arena, 1, stage->type->options_size, _Alignof(max_align_t));
    if (!options) {
        diagnostics_add(reading->diagnostics, item.where, "no memory for this stage");
        return false;
    }
    stage->options = options;
    (void)snprintf(owner, sizeof owner, "stage %s", stage->type->name);
    bool is_good =
        options_parse(stage->type->options, item.mapping, options, owner, item.where,
                      reading->folder, reading->arena, reading->diagnostics);
    is_good = is_good && check_artefacts(reading, stage->type->options, item.mapping);
    if (is_good)
        return plan_stage(reading, stage, columns);
    if (!stage->type->plan)
        (void)check_inputs(reading, stage, columns);
    (void)put_outputs(reading, stage, columns);
    return false;
}

/* Are its shards the buckets of an exchange? */
static bool reads_buckets(const struct pipeline_reading *reading,
                          const struct phase_spec *phase)
{
    return phase->input.format == FORMAT_PHASE &&
           reading->phases[phase->input.phase_index].exchange.kind != EXCHANGE_NONE;
}

bool pipeline_take_stages(const struct pipeline_reading *reading,
                          const struct yaml_node *node, struct phase_spec *phase,
                          struct phase_columns *columns)
{
    bool is_good = true;
    if (!node)
        return true;
    if (node->kind != YAML_LIST || node->count > STAGES_MAX) {
        if (node->kind == YAML_LIST)
            diagnostics_add(reading->diagnostics, node->items[STAGES_MAX]->where,
                            "this stage is one too many; a phase can have %d",
                            (int)STAGES_MAX);
        else
            diagnostics_add(
                reading->diagnostics, node->where,
                "\"stages\" must be a list of stages, each begun with \"- \", "
                "not %s",
                yaml_is_empty(node) ? "nothing" : yaml_kind_name(node->kind));
        columns->is_open = true;
        return false;
    }
    struct stage_spec *stages = ARENA_NEW(reading->arena, struct stage_spec, node->count);
    if (!stages)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        if (take_stage(reading, node->items[i], reads_buckets(reading, phase), &stages[i],
                       columns))
            continue;
        is_good = false;
        columns->is_open = true;
    }
    phase->stages = stages;
    phase->stage_count = node->count;
    return is_good;
}

static bool choose_columns(const struct pipeline_reading *reading,
                           const struct yaml_node *list, const struct text_list *names,
                           const struct schema *from, bool is_open, struct schema *to)
{
    bool is_good = true;
    struct error error;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        struct source_position where = list->items[i]->where;
        const struct schema_field *field = schema_find(from, name);
        bool is_again = false;
        for (size_t k = 0; k < i; k++)
            is_again = is_again || strcmp(names->items[k], name) == 0;
        if (is_again)
            diagnostics_add(reading->diagnostics, where,
                            "column \"%.100s\" is listed twice", name);
        else if (!field && !is_open)
            report_column(reading, where, from, name,
                          "is neither read nor made by a stage");
        is_good = is_good && field && !is_again;
        if (field && !is_again &&
            schema_put(to, name, field->type, field->dimension, &error))
            is_good = false;
    }
    return is_good;
}

struct output_fields {
    struct text_list columns;
};
static const struct option_spec output_specs[] = {
    {.name = "columns",
     .type = OPTION_TEXT_LIST,
     .initial = "",
     .offset = offsetof(struct output_fields, columns),
     .help = "the columns to publish"},
    OPTION_END};

/* All columns, but not the files of images: they lie where they were read, and a copy of
 * them is published only when asked for by name. */
static void put_default_output(struct phase_spec *phase, const struct schema *columns)
{
    phase->output_schema = (struct schema){0};
    bool has_images = input_has_images(phase->input.format);
    for (size_t i = 0; i < columns->count; i++) {
        const struct schema_field *field = &columns->fields[i];
        if (!has_images || strcmp(field->name, "data") != 0 ||
            field->type != COLUMN_BYTES)
            phase->output_schema.fields[phase->output_schema.count++] = *field;
    }
}

bool pipeline_take_output(const struct pipeline_reading *reading,
                          const struct yaml_node *node, struct phase_spec *phase,
                          const struct phase_columns *columns)
{
    struct output_fields fields = {0};
    struct error error;
    put_default_output(phase, &columns->schema);
    if (!node)
        return true;
    if (!options_parse(output_specs, node, &fields, "the output", node->where,
                       reading->folder, reading->arena, reading->diagnostics))
        return false;
    const struct yaml_node *list = yaml_get(node, "columns");
    if (!list)
        return true;
    if (list->count == 0) {
        diagnostics_add(reading->diagnostics, list->where,
                        "\"columns\" names no column; leave it out for all of them, or "
                        "write [key]");
        return false;
    }
    if (list->count > SCHEMA_MAX) {
        diagnostics_add(reading->diagnostics, list->items[SCHEMA_MAX]->where,
                        "this column is one too many; a record can have %d",
                        (int)SCHEMA_MAX);
        return false;
    }
    phase->output_schema = (struct schema){0};
    if (schema_put(&phase->output_schema, "key", COLUMN_UTF8, 0, &error))
        return false;
    return choose_columns(reading, list, &fields.columns, &columns->schema,
                          columns->is_open, &phase->output_schema);
}

struct exchange_fields {
    const char *by;
    int64_t buckets;
};
static const struct option_spec exchange_specs[] = {
    {.name = "by",
     .type = OPTION_TEXT,
     .offset = offsetof(struct exchange_fields, by),
     .help = "hash(COLUMN) or random(SEED)"},
    {.name = "buckets",
     .type = OPTION_INT,
     .min = 1,
     .max = 65536,
     .offset = offsetof(struct exchange_fields, buckets),
     .help = "how many shards the next phase has"},
    OPTION_END};

static bool parse_seed(const char *text, uint64_t *seed)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits])
        return false;
    errno = 0;
    *seed = strtoull(text, NULL, 10);
    return errno == 0;
}

static bool take_rule(const struct pipeline_reading *reading,
                      struct source_position where, const char *by,
                      struct exchange_spec *exchange, const struct phase_columns *columns)
{
    size_t length = strlen(by), head = strcspn(by, "(") + 1;
    bool is_hash = strncmp(by, "hash(", 5) == 0;
    bool is_random = strncmp(by, "random(", 7) == 0;
    if ((!is_hash && !is_random) || by[length - 1] != ')') {
        diagnostics_add(reading->diagnostics, where,
                        "\"by\" must be hash(COLUMN) or random(SEED), not \"%.100s\"",
                        by);
        return false;
    }
    const char *inner = arena_copy_text(reading->arena, by + head, length - head - 1);
    if (!inner)
        return false;
    if (is_random) {
        exchange->kind = EXCHANGE_RANDOM;
        if (parse_seed(inner, &exchange->seed))
            return true;
        diagnostics_add(reading->diagnostics, where,
                        "the seed of random() must be a whole number of at most 64 bits, "
                        "not \"%.100s\"",
                        inner);
        return false;
    }
    exchange->kind = EXCHANGE_HASH;
    exchange->column = inner;
    if (schema_find(&columns->schema, inner) || columns->is_open)
        return true;
    if (inner[0] == 0)
        diagnostics_add(reading->diagnostics, where, "hash() lacks the name of a column");
    else
        report_column(reading, where, &columns->schema, inner,
                      "is not in the output of this phase");
    return false;
}

bool pipeline_take_exchange(const struct pipeline_reading *reading,
                            const struct yaml_node *node, struct phase_spec *phase,
                            const struct phase_columns *columns)
{
    struct exchange_fields fields = {0};
    if (!node)
        return true;
    bool is_good =
        options_parse(exchange_specs, node, &fields, "the exchange", node->where,
                      reading->folder, reading->arena, reading->diagnostics);
    phase->exchange.buckets = (uint32_t)fields.buckets;
    if (!fields.by || !fields.by[0])
        return is_good;
    return take_rule(reading, yaml_get(node, "by")->where, fields.by, &phase->exchange,
                     columns) &&
           is_good;
}
