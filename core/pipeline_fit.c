/* pipeline_fit.c - phases that end in a fit stage, and the artefacts that they make */
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/diagnostics.h"
#include "core/pipeline_parts.h"

enum { FILES_MAX = 64, STEPS = 3 };

/* ---- reading ---- */

static const struct stage_spec *last_stage(const struct phase_spec *phase)
{
    return phase->stage_count ? &phase->stages[phase->stage_count - 1] : NULL;
}

static bool check_last(const struct pipeline_reading *reading,
                       const struct phase_spec *phase)
{
    bool is_good = true;
    for (size_t i = 0; i + 1 < phase->stage_count; i++) {
        const struct stage_spec *stage = &phase->stages[i];
        if (!stage->type || !stage->type->fit)
            continue;
        diagnostics_add(reading->diagnostics, stage->place.stage,
                        "stage %s must be the last of its phase: it makes an artefact of "
                        "all records and passes none on",
                        stage->type->name);
        is_good = false;
    }
    return is_good;
}

bool pipeline_take_fit(const struct pipeline_reading *reading,
                       const struct yaml_node *output, const struct yaml_node *exchange,
                       struct phase_spec *phase)
{
    const struct stage_spec *last = last_stage(phase);
    bool is_good = check_last(reading, phase);
    if (!last || !last->type || !last->type->fit)
        return is_good;
    const struct yaml_node *sections[] = {output, exchange};
    static const char *const names[] = {"output", "exchange"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!sections[i])
            continue;
        diagnostics_add(reading->diagnostics, sections[i]->where,
                        "\"%s\" cannot stand in a phase that ends in stage %s: it makes "
                        "an artefact, and no records are left",
                        names[i], last->type->name);
        is_good = false;
    }
    phase->fit = FIT_READ;
    phase->fit_name = phase->name;
    return is_good;
}

bool pipeline_check_artefact(const struct pipeline_reading *reading,
                             struct source_position where, size_t index, const char *file)
{
    const struct phase_spec *phase = &reading->phases[index];
    const char *names[FILES_MAX];
    char hint[HINT_MAX];
    size_t count = 0;
    if (phase->fit == FIT_NONE && reading->is_open[index])
        return true; /* what is wrong with that phase has been told */
    if (phase->fit == FIT_NONE) {
        diagnostics_add(reading->diagnostics, where,
                        "phase \"%.100s\" makes no artefact: it does not end in a stage "
                        "that fits, such as train_bpe",
                        reading->phase_names[index]);
        return false;
    }
    const struct stage_spec *stage = last_stage(phase);
    const char *const *files = stage->type->fit->files(stage->options);
    for (; count < FILES_MAX && files[count]; count++) {
        if (strcmp(files[count], file) == 0)
            return true;
        names[count] = files[count];
    }
    diagnostics_add(reading->diagnostics, where,
                    "phase \"%.100s\" makes no file \"%.100s\"%s",
                    reading->phase_names[index], file,
                    suggest_name(file, names, count, hint, sizeof hint));
    return false;
}

/* ---- three phases for one ---- */

static const char *add_suffix(struct arena *arena, const char *name, const char *suffix)
{
    size_t room = strlen(name) + strlen(suffix) + 1;
    char *text = ARENA_NEW(arena, char, room);
    if (text)
        (void)snprintf(text, room, "%s%s", name, suffix);
    return text;
}

static bool set_columns(struct schema *schema, const char *name, enum column_type type)
{
    *schema = (struct schema){0};
    return schema_put(schema, "key", COLUMN_UTF8, 0, NULL) == OK &&
           schema_put(schema, name, type, 0, NULL) == OK;
}

/* `steps` (STEPS) of the phase `from`, whose input is settled; `first` is the index that the
 * first of them will have. A plus cannot stand in the name of a phase that a user wrote. */
static bool make_steps(const struct phase_spec *from, size_t first, struct arena *arena,
                       struct phase_spec *steps)
{
    const char *read = add_suffix(arena, from->name, "+read");
    const char *merge = add_suffix(arena, from->name, "+merge");
    struct schema states, artefacts;
    if (!read || !merge || !set_columns(&states, "state", COLUMN_BYTES) ||
        !set_columns(&artefacts, "artefacts", COLUMN_UTF8))
        return false;
    steps[0] = *from;
    steps[0].name = read;
    steps[0].output_schema = states;
    steps[1] = (struct phase_spec){
        .name = merge,
        .fit = FIT_MERGE,
        .fit_name = from->name,
        .input = {.format = FORMAT_PHASE, .phase = read, .phase_index = first},
        .shard_bytes = from->shard_bytes,
        .stages = last_stage(from),
        .stage_count = 1,
        .input_schema = states,
        .output_schema = states};
    steps[2] = steps[1];
    steps[2].name = from->name;
    steps[2].fit = FIT_FINISH;
    steps[2].input.phase = merge;
    steps[2].input.phase_index = first + 1;
    steps[2].output_schema = artefacts;
    return true;
}

bool pipeline_expand_fits(struct pipeline *pipeline, struct arena *arena)
{
    size_t count = 0, fits = 0;
    for (size_t i = 0; i < pipeline->phase_count; i++)
        fits += pipeline->phases[i].fit != FIT_NONE;
    if (fits == 0)
        return true;
    struct phase_spec *phases =
        ARENA_NEW(arena, struct phase_spec, pipeline->phase_count + fits * (STEPS - 1));
    size_t *moved = ARENA_NEW(arena, size_t, pipeline->phase_count);
    if (!phases || !moved)
        return false;
    for (size_t i = 0; i < pipeline->phase_count; i++) {
        struct phase_spec phase = pipeline->phases[i];
        if (phase.input.format == FORMAT_PHASE)
            phase.input.phase_index = moved[phase.input.phase_index];
        moved[i] = count;
        if (phase.fit == FIT_NONE)
            phases[count++] = phase;
        else if (!make_steps(&phase, count, arena, &phases[count]))
            return false;
        else
            count += STEPS;
    }
    pipeline->phases = phases;
    pipeline->phase_count = count;
    return true;
}

/* ---- where artefacts are ---- */

bool pipeline_artefact_folder(const char *job_folder, const char *fit_name, char *path,
                              size_t size)
{
    int length = snprintf(path, size, "%s/artefacts/%s", job_folder, fit_name);
    return length > 0 && (size_t)length < size;
}

static bool resolve_options(const struct option_spec *specs, unsigned char *target,
                            const char *job_folder, struct arena *arena)
{
    bool is_good = true;
    for (const struct option_spec *spec = specs; spec && spec->name; spec++) {
        const char *path;
        if (spec->type == OPTION_GROUP)
            is_good =
                resolve_options(spec->group, target + spec->offset, job_folder, arena) &&
                is_good;
        if (spec->type != OPTION_PATH)
            continue;
        memcpy(&path, target + spec->offset, sizeof path);
        if (!path || strncmp(path, "phase:", 6) != 0)
            continue;
        size_t room = strlen(job_folder) + strlen(path) + sizeof "/artefacts/";
        char *resolved = ARENA_NEW(arena, char, room);
        if (!resolved)
            return false;
        (void)snprintf(resolved, room, "%s/artefacts/%s", job_folder, path + 6);
        path = resolved;
        memcpy(target + spec->offset, &path, sizeof path);
    }
    return is_good;
}

static bool resolve_stage(struct stage_spec *stage, const char *job_folder,
                          struct arena *arena)
{
    if (!stage->type->options_size)
        return true;
    unsigned char *options =
        arena_alloc_raw(arena, 1, stage->type->options_size, _Alignof(max_align_t));
    if (!options)
        return false;
    memcpy(options, stage->options, stage->type->options_size);
    stage->options = options;
    return resolve_options(stage->type->options, options, job_folder, arena);
}

const struct pipeline *pipeline_resolve_artefacts(const struct pipeline *pipeline,
                                                  const char *job_folder,
                                                  struct arena *arena)
{
    struct pipeline *resolved = ARENA_NEW(arena, struct pipeline, 1);
    struct phase_spec *phases =
        ARENA_NEW(arena, struct phase_spec, pipeline->phase_count);
    if (!resolved || !phases)
        return NULL;
    for (size_t i = 0; i < pipeline->phase_count; i++) {
        phases[i] = pipeline->phases[i];
        struct stage_spec *stages =
            ARENA_NEW(arena, struct stage_spec, phases[i].stage_count);
        if (!stages)
            return NULL;
        for (size_t k = 0; k < phases[i].stage_count; k++) {
            stages[k] = phases[i].stages[k];
            if (!resolve_stage(&stages[k], job_folder, arena))
                return NULL;
        }
        phases[i].stages = stages;
    }
    *resolved = *pipeline;
    resolved->phases = phases;
    return resolved;
}
