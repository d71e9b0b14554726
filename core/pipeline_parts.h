/* pipeline_parts.h - the sections of a pipeline file, between the files that read them */
#ifndef CORE_PIPELINE_PARTS_H
#define CORE_PIPELINE_PARTS_H

#include "core/pipeline.h"

enum { PHASES_MAX = 64, STAGES_MAX = 100, HINT_MAX = 600, NAME_LENGTH_MAX = 100 };

/* What every section is read with. */
struct pipeline_reading {
    const char *folder;
    const struct stage_type *const *types;
    struct arena *arena;
    struct diagnostics *diagnostics;
    bool is_checked;                 /* see pipeline_parse_checked() */
    const char *const *phase_names;  /* of the whole file, "" for a phase without one */
    const struct phase_spec *phases; /* those already read stand before `phase_index` */
    const bool *is_open;             /* of those phases: see struct phase_columns */
    size_t phase_count, phase_index;
};

/* The columns at one place of a phase while its sections are read. */
struct phase_columns {
    struct schema schema;
    /* Something before this place was wrong: columns may be missing from the schema, and
     * nothing is said about them any more, lest one mistake be told twice. */
    bool is_open;
};

/* Section `input`. False: something was reported. */
bool pipeline_take_input(const struct pipeline_reading *reading,
                         const struct yaml_node *node, struct input_spec *input,
                         struct phase_columns *columns);

/* Section `stages`, from column to column. False: something was reported. */
bool pipeline_take_stages(const struct pipeline_reading *reading,
                          const struct yaml_node *node, struct phase_spec *phase,
                          struct phase_columns *columns);

/* Sections `output` and `exchange` (NULL: not given). */
bool pipeline_take_output(const struct pipeline_reading *reading,
                          const struct yaml_node *node, struct phase_spec *phase,
                          const struct phase_columns *columns);
bool pipeline_take_exchange(const struct pipeline_reading *reading,
                            const struct yaml_node *node, struct phase_spec *phase,
                            const struct phase_columns *columns);

/* Behind the stages: does the phase end in a fit stage, and is all as it must be then? The
 * sections are NULL where they were not given. False: something was reported. */
bool pipeline_take_fit(const struct pipeline_reading *reading,
                       const struct yaml_node *output, const struct yaml_node *exchange,
                       struct phase_spec *phase);
/* Does an earlier phase make that artefact? False: reported. */
bool pipeline_check_artefact(const struct pipeline_reading *reading,
                             struct source_position where, size_t index,
                             const char *file);
/* Put the steps of fits in the place of their phases. False: no memory. */
bool pipeline_expand_fits(struct pipeline *pipeline, struct arena *arena);

/* Index of an earlier phase; SIZE_MAX: reported. */
size_t pipeline_find_phase(const struct pipeline_reading *reading,
                           struct source_position where, const char *name);

/* The place of a key of a map; the map's own when it is not there. */
struct source_position key_position(const struct yaml_node *map, const char *key);

/* "hash(lang)" or "random(7)", quoted as YAML needs it. */
void exchange_put_rule(const struct exchange_spec *exchange, struct bytes *yaml);

/* The names under which formats stand in a file, in the order of enum input_format. */
extern const char *const input_format_names[];

#endif
