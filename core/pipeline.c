/* pipeline.c - a pipeline file, read, checked and resolved */
#include "core/pipeline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/diagnostics.h"
#include "core/pipeline_parts.h"
#include "core/pipeline_set.h"

enum { FILE_SIZE_MAX = (1 << 20) + 1 };

struct phase_fields {
    const char *name;
    const struct yaml_node *input, *shard, *stages, *output, *exchange;
};
static const struct option_spec phase_specs[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct phase_fields, name),
     .help = "what other phases and folders call it"},
    {.name = "input",
     .type = OPTION_NODE,
     .offset = offsetof(struct phase_fields, input),
     .help = "what it reads"},
    {.name = "shard",
     .type = OPTION_NODE,
     .initial = "",
     .offset = offsetof(struct phase_fields, shard),
     .help = "how its input is cut"},
    {.name = "stages",
     .type = OPTION_NODE,
     .initial = "",
     .offset = offsetof(struct phase_fields, stages),
     .help = "what is done to the records"},
    {.name = "output",
     .type = OPTION_NODE,
     .initial = "",
     .offset = offsetof(struct phase_fields, output),
     .help = "what is published"},
    {.name = "exchange",
     .type = OPTION_NODE,
     .initial = "",
     .offset = offsetof(struct phase_fields, exchange),
     .help = "how its records reach the next phase"},
    OPTION_END};

struct file_fields {
    const char *name;
    const struct yaml_node *input, *shard, *stages, *output, *store, *limits, *phases;
};
#define SECTION(field)                                                \
    {                                                                 \
        .name = #field, .type = OPTION_NODE,                          \
        .offset = offsetof(struct file_fields, field), .initial = "", \
        .help = "a section"                                           \
    }
static const struct option_spec file_specs[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct file_fields, name),
     .help = "names the job directory"},
    SECTION(input),
    SECTION(shard),
    SECTION(stages),
    SECTION(output),
    SECTION(store),
    SECTION(limits),
    SECTION(phases),
    OPTION_END};

struct shard_fields {
    uint64_t bytes;
};
static const struct option_spec shard_specs[] = {
    {.name = "bytes",
     .type = OPTION_SIZE,
     .initial = "16MiB",
     .min = 1,
     .max = 1073741824,
     .offset = offsetof(struct shard_fields, bytes),
     .help = "decompressed input in a shard"},
    OPTION_END};

static const struct option_spec store_specs[] = {
    {.name = "volume",
     .type = OPTION_SIZE,
     .initial = "64MiB",
     .min = 1,
     .max = 68719476736.0,
     .offset = offsetof(struct store_spec, volume),
     .help = "a volume is published at this size"},
    {.name = "seal",
     .type = OPTION_DURATION,
     .initial = "10s",
     .min = 0,
     .max = 86400000,
     .offset = offsetof(struct store_spec, seal_ms),
     .help = "or at this age"},
    OPTION_END};

static const struct option_spec limit_specs[] = {
    {.name = "record_time",
     .type = OPTION_DURATION,
     .initial = "60s",
     .min = 1,
     .max = 86400000,
     .offset = offsetof(struct limit_spec, record_ms),
     .help = "CPU time that a record may take"},
    {.name = "memory",
     .type = OPTION_SIZE,
     .initial = "0",
     .offset = offsetof(struct limit_spec, memory),
     .help = "data memory of an executor"},
    {.name = "silence",
     .type = OPTION_DURATION,
     .initial = "2s",
     .min = 100,
     .max = 3600000,
     .offset = offsetof(struct limit_spec, silence_ms),
     .help = "a worker silent for so long loses its leases"},
    {.name = "attempts",
     .type = OPTION_INT,
     .initial = "4",
     .min = 1,
     .max = 1000,
     .offset = offsetof(struct limit_spec, attempts),
     .help = "failures of one shard before the run fails"},
    {.name = "speculate",
     .type = OPTION_REAL,
     .initial = "4.0",
     .min = 0,
     .max = 1e6,
     .offset = offsetof(struct limit_spec, speculate),
     .help = "times the median after which a shard is run twice"},
    OPTION_END};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Names become folders. */
static bool check_name(const struct pipeline_reading *reading,
                       struct source_position where, const char *name)
{
    bool is_good = is_name_character(name[0]);
    for (const char *at = name; is_good && *at; at++)
        is_good = is_name_character(*at) || *at == '.' || *at == '_' || *at == '-';
    if (!is_good)
        diagnostics_add(reading->diagnostics, where,
                        "\"name\" must be letters, digits, \".\", \"_\" and \"-\" with a "
                        "letter or digit in front, not \"%.100s\"",
                        name);
    else if (strlen(name) > NAME_LENGTH_MAX)
        diagnostics_add(reading->diagnostics, where,
                        "\"name\" is longer than %d characters", (int)NAME_LENGTH_MAX);
    return is_good && strlen(name) <= NAME_LENGTH_MAX;
}

/* All sections of a phase but its name. */
static bool take_sections(const struct pipeline_reading *reading,
                          const struct phase_fields *fields, struct phase_spec *phase,
                          bool *is_open)
{
    struct phase_columns columns = {.is_open = true};
    struct shard_fields shard = {0};
    struct source_position nowhere = {0};
    bool is_good = options_parse(shard_specs, fields->shard, &shard, "the section shard",
                                 fields->shard ? fields->shard->where : nowhere,
                                 reading->folder, reading->arena, reading->diagnostics);
    phase->shard_bytes = shard.bytes;
    if (fields->input)
        is_good = pipeline_take_input(reading, fields->input, &phase->input, &columns) &&
                  is_good;
    else
        is_good = false;
    phase->input_schema = columns.schema;
    is_good = pipeline_take_stages(reading, fields->stages, phase, &columns) && is_good;
    is_good =
        pipeline_take_fit(reading, fields->output, fields->exchange, phase) && is_good;
    if (phase->fit != FIT_NONE) {
        *is_open = columns.is_open || !is_good;
        return is_good;
    }
    is_good = pipeline_take_output(reading, fields->output, phase, &columns) && is_good;
    columns.schema = phase->output_schema;
    columns.is_open = columns.is_open || !is_good;
    is_good =
        pipeline_take_exchange(reading, fields->exchange, phase, &columns) && is_good;
    *is_open = columns.is_open;
    return is_good;
}

static bool check_names(const struct pipeline_reading *reading,
                        const struct yaml_node *list)
{
    bool is_good = true;
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *name = yaml_get(list->items[i], "name");
        for (size_t k = 0; name && reading->phase_names[i][0] && k < i; k++) {
            if (strcmp(reading->phase_names[i], reading->phase_names[k]) != 0)
                continue;
            struct source_position first = yaml_get(list->items[k], "name")->where;
            diagnostics_add(reading->diagnostics, name->where,
                            "phase \"%.100s\" has the name of another at %u:%u",
                            name->text, (unsigned)first.line, (unsigned)first.column);
            is_good = false;
            break;
        }
    }
    return is_good;
}

static bool take_phase(const struct pipeline_reading *reading,
                       const struct yaml_node *node, struct phase_spec *phase,
                       bool *is_open)
{
    struct phase_fields fields = {0};
    char owner[NAME_LENGTH_MAX + 10] = "this phase";
    const char *name = reading->phase_names[reading->phase_index];
    if (name[0])
        (void)snprintf(owner, sizeof owner, "phase %.*s", (int)NAME_LENGTH_MAX, name);
    *is_open = true;
    bool is_good = options_parse(phase_specs, node, &fields, owner, node->where,
                                 reading->folder, reading->arena, reading->diagnostics);
    if (node->kind != YAML_MAP)
        return false;
    if (fields.name)
        is_good =
            check_name(reading, yaml_get(node, "name")->where, fields.name) && is_good;
    phase->name = fields.name;
    return take_sections(reading, &fields, phase, is_open) && is_good;
}

/* The records of an exchange go to a later phase, or it was written in vain. */
static bool check_exchanges(const struct pipeline_reading *reading,
                            const struct yaml_node *list)
{
    bool is_good = true;
    for (size_t i = 0; i < list->count; i++) {
        bool is_read = false;
        if (reading->phases[i].exchange.kind == EXCHANGE_NONE)
            continue;
        for (size_t k = i + 1; k < list->count; k++)
            is_read = is_read || (reading->phases[k].input.format == FORMAT_PHASE &&
                                  reading->phases[k].input.phase_index == i);
        if (is_read)
            continue;
        diagnostics_add(reading->diagnostics, key_position(list->items[i], "exchange"),
                        "no later phase reads phase \"%.100s\", so its exchange does "
                        "nothing",
                        reading->phase_names[i]);
        is_good = false;
    }
    return is_good;
}

static bool take_phases(struct pipeline_reading *reading, const struct yaml_node *list,
                        struct pipeline *pipeline)
{
    bool is_good = true;
    if (list->kind != YAML_LIST || list->count == 0) {
        diagnostics_add(reading->diagnostics, list->where,
                        list->kind == YAML_LIST ? "\"phases\" names no phase"
                                                : "\"phases\" must be a list of phases");
        return false;
    }
    if (list->count > PHASES_MAX) {
        diagnostics_add(reading->diagnostics, list->items[PHASES_MAX]->where,
                        "this phase is one too many; a pipeline can have %d",
                        (int)PHASES_MAX);
        return false;
    }
    struct phase_spec *phases = ARENA_NEW(reading->arena, struct phase_spec, list->count);
    bool *is_open = ARENA_NEW(reading->arena, bool, list->count);
    const char **names = ARENA_NEW(reading->arena, const char *, list->count);
    if (!phases || !is_open || !names)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *name = yaml_get(list->items[i], "name");
        names[i] = name && name->kind == YAML_SCALAR ? name->text : "";
    }
    reading->phases = phases;
    reading->is_open = is_open;
    reading->phase_names = names;
    reading->phase_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        reading->phase_index = i;
        is_good = take_phase(reading, list->items[i], &phases[i], &is_open[i]) && is_good;
    }
    is_good = check_names(reading, list) && is_good;
    is_good = is_good && check_exchanges(reading, list);
    pipeline->phases = phases;
    pipeline->phase_count = list->count;
    return is_good;
}

/* A file without `phases` is one phase, called "main". */
static bool take_only_phase(struct pipeline_reading *reading,
                            const struct yaml_node *root,
                            const struct file_fields *fields, struct pipeline *pipeline)
{
    static const char *const names[] = {"main"};
    const struct phase_fields sections = {.input = fields->input,
                                          .shard = fields->shard,
                                          .stages = fields->stages,
                                          .output = fields->output};
    bool is_open = false;
    struct phase_spec *phase = ARENA_NEW(reading->arena, struct phase_spec, 1);
    if (!phase)
        return false;
    if (!fields->input)
        diagnostics_add(reading->diagnostics, root->where,
                        "missing key \"input\" in the pipeline");
    phase->name = names[0];
    reading->phase_names = names;
    pipeline->phases = phase;
    pipeline->phase_count = 1;
    return take_sections(reading, &sections, phase, &is_open);
}

static bool check_exclusive(const struct pipeline_reading *reading,
                            const struct yaml_node *root)
{
    static const char *const keys[] = {"input", "shard", "stages", "output"};
    bool is_good = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!yaml_get(root, keys[i]))
            continue;
        diagnostics_add(reading->diagnostics, key_position(root, keys[i]),
                        "\"%s\" cannot stand beside \"phases\"; put it into a phase",
                        keys[i]);
        is_good = false;
    }
    return is_good;
}

static bool take_limits(const struct pipeline_reading *reading,
                        const struct file_fields *fields, struct pipeline *pipeline)
{
    enum { MEMORY_MIN = 16 << 20 };
    struct source_position nowhere = {0};
    bool is_good =
        options_parse(store_specs, fields->store, &pipeline->store, "the section store",
                      nowhere, reading->folder, reading->arena, reading->diagnostics);
    if (!options_parse(limit_specs, fields->limits, &pipeline->limits,
                       "the section limits", nowhere, reading->folder, reading->arena,
                       reading->diagnostics))
        return false;
    if (pipeline->limits.memory != 0 && pipeline->limits.memory < MEMORY_MIN) {
        diagnostics_add(reading->diagnostics, yaml_get(fields->limits, "memory")->where,
                        "\"memory\" must be at least 16MiB, or 0 for a share of the "
                        "machine's, not %.100s",
                        yaml_get(fields->limits, "memory")->text);
        return false;
    }
    return is_good;
}

static bool take_file(struct pipeline_reading *reading, const struct yaml_node *root,
                      struct pipeline *pipeline)
{
    struct file_fields fields = {0};
    bool is_good = options_parse(file_specs, root, &fields, "the pipeline", root->where,
                                 reading->folder, reading->arena, reading->diagnostics);
    if (root->kind != YAML_MAP)
        return false;
    if (fields.name)
        is_good =
            check_name(reading, yaml_get(root, "name")->where, fields.name) && is_good;
    pipeline->name = fields.name;
    is_good = take_limits(reading, &fields, pipeline) && is_good;
    if (!fields.phases)
        return take_only_phase(reading, root, &fields, pipeline) && is_good;
    is_good = check_exclusive(reading, root) && is_good;
    return take_phases(reading, fields.phases, pipeline) && is_good;
}

static const struct pipeline *parse_text(struct pipeline_reading reading,
                                         const char *text, size_t size, const char *file,
                                         const struct text_list *sets)
{
    struct arena *arena = reading.arena;
    struct diagnostics *diagnostics = reading.diagnostics;
    struct pipeline *pipeline = ARENA_NEW(arena, struct pipeline, 1);
    size_t known = diagnostics->count;
    const struct yaml_node *root = NULL;
    bool is_good = pipeline != NULL;
    if (pipeline)
        root = yaml_parse(text, size, file, arena, diagnostics);
    for (size_t i = 0; root && sets && i < sets->count; i++) {
        const struct yaml_node *changed =
            pipeline_set(root, sets->items[i], arena, diagnostics);
        is_good = is_good && changed;
        root = changed ? changed : root;
    }
    if (root) {
        pipeline->file = file;
        pipeline->folder = reading.folder;
        is_good = take_file(&reading, root, pipeline) && is_good;
    }
    is_good = is_good && root && diagnostics->count == known;
    is_good = is_good && pipeline_expand_fits(pipeline, arena);
    if (!is_good && diagnostics->count == known)
        diagnostics_add(diagnostics, (struct source_position){.file = file},
                        "no memory for this pipeline");
    diagnostics_sort(diagnostics);
    return is_good ? pipeline : NULL;
}

const struct pipeline *pipeline_parse(const char *text, size_t size, const char *file,
                                      const char *folder, const struct text_list *sets,
                                      const struct stage_type *const *types,
                                      struct arena *arena,
                                      struct diagnostics *diagnostics)
{
    struct pipeline_reading reading = {
        .folder = folder, .types = types, .arena = arena, .diagnostics = diagnostics};
    return parse_text(reading, text, size, file, sets);
}

const struct pipeline *pipeline_parse_checked(const char *text, size_t size,
                                              const char *file, const char *folder,
                                              const struct stage_type *const *types,
                                              struct arena *arena,
                                              struct diagnostics *diagnostics)
{
    struct pipeline_reading reading = {.folder = folder,
                                       .types = types,
                                       .arena = arena,
                                       .diagnostics = diagnostics,
                                       .is_checked = true};
    return parse_text(reading, text, size, file, NULL);
}

static const char *read_file(const char *path, struct arena *arena, size_t *size,
                             struct diagnostics *diagnostics)
{
    char *text = NULL;
    FILE *file = fopen(path, "rb");
    int failure = file ? 0 : errno;
    if (file) {
        text = arena_alloc_raw(arena, FILE_SIZE_MAX, 1, 1);
        *size = text ? fread(text, 1, FILE_SIZE_MAX, file) : 0;
        failure = !text ? ENOMEM : ferror(file) ? errno : 0;
        (void)fclose(file);
    }
    if (failure) {
        diagnostics_add(diagnostics, (struct source_position){.file = path},
                        "cannot read it: %s", strerror(failure));
        return NULL;
    }
    arena_trim(arena, text, *size);
    return text;
}

/* Absolute, without a slash at the end (but for "/" itself). NULL: see errno. */
static const char *folder_of(const char *path, struct arena *arena)
{
    char here[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (path[0] == '/')
        return arena_copy_text(arena, path, size);
    if (!getcwd(here, sizeof here))
        return NULL;
    size_t room = strlen(here) + size + 2;
    char *folder = ARENA_NEW(arena, char, room);
    if (folder)
        (void)snprintf(folder, room, "%s%s%.*s", here, size ? "/" : "", (int)size, path);
    return folder;
}

const struct pipeline *pipeline_read(const char *path, const struct text_list *sets,
                                     const struct stage_type *const *types,
                                     struct arena *arena, const char **text,
                                     size_t *text_size, struct diagnostics *diagnostics)
{
    size_t size = 0;
    const char *read = read_file(path, arena, &size, diagnostics);
    if (!read)
        return NULL;
    const char *folder = folder_of(path, arena);
    if (!folder) {
        diagnostics_add(diagnostics, (struct source_position){.file = path},
                        "cannot find its folder: %s", strerror(errno));
        return NULL;
    }
    const struct pipeline *pipeline =
        pipeline_parse(read, size, path, folder, sets, types, arena, diagnostics);
    if (pipeline) {
        *text = read;
        *text_size = size;
    }
    return pipeline;
}
