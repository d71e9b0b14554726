/* option.h - typed options: one table to parse, check and document them */
#ifndef CORE_OPTION_H
#define CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

struct arena;
struct diagnostics;
struct yaml_node;

enum option_type {
    OPTION_BOOL,       /* bool */
    OPTION_INT,        /* int64_t */
    OPTION_SIZE,       /* uint64_t bytes: 4096, 64KiB, 2MB */
    OPTION_DURATION,   /* int64_t ms: 250ms, 90s, 15m, 4h */
    OPTION_REAL,       /* double */
    OPTION_TEXT,       /* const char *; NULL when left out and not required */
    OPTION_PATH,       /* const char *, made absolute against the pipeline's folder; must
                         exist, unless it is an artefact (phase:NAME/FILE) */
    OPTION_CHOICE,     /* int: index into choices */
    OPTION_TEXT_LIST,  /* struct text_list */
    OPTION_REAL_LIST,  /* struct real_list */
    OPTION_REAL_PAIRS, /* struct real_list of twice as many: [[0, 90], [75, 0]] */
    OPTION_GROUP,      /* the struct that `group` describes, in place at offset */
    OPTION_NODE        /* const struct yaml_node *: a section that the pipeline reads by
                         itself; NULL when left out. Not for stages */
};

struct text_list {
    const char *const *items;
    size_t count;
};

struct real_list {
    const double *items;
    size_t count;
};

struct option_spec {
    const char *name;
    enum option_type type;
    size_t offset; /* of the field in the options struct */
    const char
        *initial;    /* as a user would write it; NULL: required; "" for TEXT, PATH and
                            lists: may be left out */
    double min, max; /* inclusive; both 0: unbounded */
    const char *const *choices;      /* NULL-terminated, OPTION_CHOICE only */
    const struct option_spec *group; /* OPTION_GROUP only */
    const char *help;                /* one sentence, no full stop */
};

#define OPTION_END   \
    {                \
        .name = NULL \
    }

/* Fill `target` from a YAML mapping (NULL: all defaults). Every key must be in `specs`:
 * an unknown, repeated, ill-typed, out-of-range or missing one is reported to
 * `diagnostics` at its own position, with the nearest known name suggested. All of them
 * are reported, not the first alone. Texts are copied into `arena`. `owner` names the
 * mapping in messages ("stage tokenize"); `where` stands in for a missing option;
 * `folder` is what paths are relative to. False: something was reported. */
bool options_parse(const struct option_spec *specs, const struct yaml_node *mapping,
                   void *target, const char *owner, struct source_position where,
                   const char *folder, struct arena *arena,
                   struct diagnostics *diagnostics);

/* The names of a table, for suggestions; those past `capacity` are left out. */
size_t option_names(const struct option_spec *specs, const char **names, size_t capacity);

/* The same table as help text (80 columns), man(7) source or a JSON array. */
enum option_print { OPTION_PRINT_TEXT, OPTION_PRINT_MAN, OPTION_PRINT_JSON };
void options_print(FILE *file, const struct option_spec *specs, enum option_print how);

#endif
