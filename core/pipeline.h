/* pipeline.h - a pipeline file, read, checked and resolved */
#ifndef CORE_PIPELINE_H
#define CORE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"
#include "core/option.h"
#include "core/stage.h"
#include "core/yaml.h"

struct arena;
struct bytes;

/* In the order of input_format_names. */
enum input_format {
    FORMAT_JSONL,
    FORMAT_TEXT,
    FORMAT_LINES,
    FORMAT_WARC,
    FORMAT_TAR,
    FORMAT_IMAGES,
    FORMAT_PHASE
};
/* Are the records pictures: columns data, width, height, format? */
bool input_has_images(enum input_format format);

struct input_column { /* a further JSON field carried as a column */
    const char *name; /* of the field and of the column */
    enum column_type type;
    uint32_t dimension;
};

struct input_spec {
    enum input_format format;
    struct text_list paths;                /* as written: files, folders, globs, @lists */
    struct source_position paths_position; /* of the whole list */
    const struct source_position *path_positions; /* of each of its items */
    const char *phase; /* FORMAT_PHASE: the phase whose records are read; else NULL */
    size_t phase_index;
    const char *text; /* jsonl: field of column "text", NULL: none. text, lines: "text";
                         images: NULL */
    const char *key;  /* jsonl: field of column "key"; NULL: PATH#OFFSET */
    const struct input_column *columns;
    size_t column_count;
    uint64_t max_record; /* bytes */
};

enum exchange_kind { EXCHANGE_NONE, EXCHANGE_HASH, EXCHANGE_RANDOM };
struct exchange_spec {
    enum exchange_kind kind;
    const char *column; /* EXCHANGE_HASH */
    uint64_t seed;      /* EXCHANGE_RANDOM */
    uint32_t buckets;
};

struct stage_spec {
    const struct stage_type *type;
    const void *options; /* type->options_size bytes */
    struct stage_place place;
};

/* A phase that ends in a fit stage is carried out as three, one behind the other. */
enum fit_step {
    FIT_NONE,
    FIT_READ,  /* NAME+read: the phase as written; of each shard a state comes out */
    FIT_MERGE, /* NAME+merge: neighbouring states become one */
    FIT_FINISH /* NAME: the rest becomes one, and its artefacts are written */
};

struct phase_spec {
    const char *name;
    enum fit_step fit;
    const char
        *fit_name; /* FIT_*: NAME as written, the folder of its artefacts; or NULL */
    struct input_spec input;
    uint64_t shard_bytes;
    const struct stage_spec *stages;
    size_t stage_count;
    struct schema input_schema; /* columns of the records as read */
    struct schema
        output_schema; /* columns published, "key" first, as output.columns asks */
    struct exchange_spec exchange;
};

struct store_spec {  /* execution options: not part of the fingerprint */
    uint64_t volume; /* bytes: publish a volume at this size ... */
    int64_t seal_ms; /* ... or this age */
};

struct limit_spec {     /* execution options: section `limits` */
    int64_t record_ms;  /* CPU time that one batch, and alone one record, may take */
    uint64_t memory;    /* RLIMIT_DATA of an executor; 0: a share of the machine's */
    int64_t silence_ms; /* a worker silent for so long loses its leases */
    int64_t attempts;   /* shard budget: failures of one shard before the run fails */
    double speculate;   /* a shard that runs this many times its peers' median is given
                            to a second worker; 0: never */
};

struct pipeline {
    const char *name;
    const char *file;   /* as the user named it */
    const char *folder; /* absolute: what paths are relative to */
    const struct phase_spec *phases;
    size_t phase_count;
    struct store_spec store;
    struct limit_spec limits;
};

/* Parse and check a whole pipeline: YAML, options, columns from stage to stage. Input
 * patterns are not expanded here (manifest.h). `types` is NULL-terminated, `sets` are
 * PATH=VALUE texts of --set ("stages.0.tokenize.pattern=r50k", "shard.bytes=1MiB").
 * NULL: see `diagnostics`. The result lives in `arena`; `file` and `sets` are borrowed
 * as long. */
const struct pipeline *pipeline_parse(const char *text, size_t size, const char *file,
                                      const char *folder, const struct text_list *sets,
                                      const struct stage_type *const *types,
                                      struct arena *arena,
                                      struct diagnostics *diagnostics);

/* The same for a text that another process of this machine has parsed: what stages would
 * look up in the files that their options name is not looked up again. */
const struct pipeline *pipeline_parse_checked(const char *text, size_t size,
                                              const char *file, const char *folder,
                                              const struct stage_type *const *types,
                                              struct arena *arena,
                                              struct diagnostics *diagnostics);

/* The pipeline with artefacts (phase:NAME/FILE) replaced in all options by the paths they
 * have in a job directory. `pipeline` is borrowed for the life of the result. NULL: no
 * memory. */
const struct pipeline *pipeline_resolve_artefacts(const struct pipeline *pipeline,
                                                  const char *job_folder,
                                                  struct arena *arena);
/* The folder of the artefacts of a fit, written to `path`. False: it is too long. */
bool pipeline_artefact_folder(const char *job_folder, const char *fit_name, char *path,
                              size_t size);

/* Read the file and pipeline_parse() it. *text gets the file's bytes (in the arena). */
const struct pipeline *pipeline_read(const char *path, const struct text_list *sets,
                                     const struct stage_type *const *types,
                                     struct arena *arena, const char **text,
                                     size_t *text_size, struct diagnostics *diagnostics);

/* The pipeline with every default filled in, as YAML that parses to the same pipeline
 * (paths absolute). yaml->is_bad without memory. */
void pipeline_write(const struct pipeline *pipeline, struct bytes *yaml);

/* Hash of what decides the results: the resolved pipeline less `store` and `limits`, and
 * the content of every file that a PATH option names (path itself left out, so that the
 * data can be moved). Input files are the manifest's part, `paths` with them. It is the
 * hash of what pipeline_describe() writes. ERROR_IO, ERROR_MEMORY. */
enum error_code pipeline_fingerprint(const struct pipeline *pipeline,
                                     struct hash128 *value, struct error *error);

/* The same as text, a line a thing, so that two can be compared and the difference named:
 *     phases.0.stages.1.tokenize.pattern: cl100k
 *     phases.0.stages.1.tokenize.vocabulary: content 0123456789abcdef0123456789abcdef */
enum error_code pipeline_describe(const struct pipeline *pipeline, struct bytes *lines,
                                  struct error *error);

#endif
