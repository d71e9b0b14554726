/* stage.h - the interface that every stage implements */
#ifndef CORE_STAGE_H
#define CORE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/option.h"

struct arena;
struct file_names;
struct bytes;

enum stage_trait {
    /* process() depends on nothing but its batch and the options: the executor may cut
     * a batch anywhere to find a bad record. begin and flush must be NULL. */
    STAGE_STATELESS = 1 << 0,
    /* The same input and options give the same bytes on every machine. */
    STAGE_REPRODUCIBLE = 1 << 1,
    /* Neither drops nor adds records (it may reject bad ones). */
    STAGE_ONE_TO_ONE = 1 << 2
};

/* The columns that records have at one place of the pipeline. */
struct schema_field {
    const char *name;
    enum column_type type;
    uint32_t dimension;
};
enum { SCHEMA_MAX = 64 };
struct schema {
    struct schema_field fields[SCHEMA_MAX];
    size_t count;
};
const struct schema_field *schema_find(const struct schema *schema, const char *name);
/* Add, or replace the field of that name. The name is borrowed for as long as the
 * schema. ERROR_CONFIG past SCHEMA_MAX. */
enum error_code schema_put(struct schema *schema, const char *name, enum column_type type,
                           uint32_t dimension, struct error *error);

/* Where a stage stands in the user's file, for errors found by plan(). */
struct stage_place {
    struct source_position stage;
    const void
        *mapping; /* the stage's yaml_node, NULL allowed; read by the function below */
    /* Another process of this machine has checked all that: plan() need not look into
     * the files that options name. */
    bool is_checked;
    /* The shards of this phase are buckets of an exchange: the same records in the same
     * order, whatever shard.bytes says and however the job ran. Only there may a stage
     * keep anything from one record to another. */
    bool is_shard_fixed;
};
/* The position of an option's value; the stage's own where the option was left out. */
struct source_position stage_option_position(const struct stage_place *place,
                                             const char *option);

/* Room for the name of a library, with its version. */
enum { STAGE_LIBRARY_SIZE = 128 };

/* A column a stage reads or adds whatever its options, for documents and the default
 * plan. */
struct stage_column {
    const char *name;
    enum column_type type;
    bool is_input; /* else added (or replaced) */
};

/* A running stage. The engine allocates and frees all of it. */
struct stage {
    const struct stage_type *type;
    const void *options; /* the struct that type->options describes */
    void *state;         /* type->state_size bytes, zeroed before open() */
    const void
        *prepared; /* what prepare() wrote, mapped read-only, page-aligned; or NULL */
    size_t prepared_size;
    const struct file_names
        *files;            /* what origins' file numbers mean; see stage_identity() */
    struct arena *run;     /* until close() */
    struct arena *shard;   /* until the next begin() */
    struct arena *scratch; /* reset after every process(); keep nothing in it */
};

/* What a record is known by, as a number: XXH3-128 of `seed`, its file's name, offset and
 * copy. To seed random choices with, so that they depend on nothing else. */
struct hash128 stage_identity(const struct stage *self, const struct origin *origin,
                              uint64_t seed);

/* What process() makes of a batch. Starts as the input batch, unchanged. */
struct stage_output;
/* The arena of the columns handed to the engine: lives until the batch is encoded. */
struct arena *stage_output_arena(struct stage_output *output);
/* Add a column, or replace the one of that name; rows as in the input batch. `column` is
 * copied, its buffers are taken over and must lie in the arena above (or be buffers of
 * the input batch). ERROR_MEMORY. */
enum error_code stage_output_set(struct stage_output *output, const struct column *column,
                                 struct error *error);
/* Take the row out, counted under (stage, reason). `reason` is a static snake_case text. */
void stage_output_drop(struct stage_output *output, uint32_t row, const char *reason);
/* The row is bad: quarantined with (stage, reason) and a detail for people (copied, cut
 * at 200 bytes, NULL allowed). */
void stage_output_reject(struct stage_output *output, uint32_t row, const char *reason,
                         const char *detail);

/* A record that a stage makes of others. It is known by the first of them, and by which of
 * the records made of that one it is. */
struct made_record {
    struct origin origin; /* of the first one, as its batch has it */
    const char *key;      /* of the first one; the new one's is KEY/NUMBER */
    size_t key_size;
    uint32_t number;         /* 1 ... MADE_NUMBER_MAX, each once for one origin */
    uint64_t size;           /* source bytes that it stands for, for the account */
    const char *drop_reason; /* NULL; else it is dropped at once, so as to be counted */
};
enum { MADE_NUMBER_MAX = (1 << 24) - 1 };
/* The rows that are neither dropped nor rejected go on in made records, of this call or a
 * later one: none of them stays. */
void stage_output_use(struct stage_output *output);
/* Put records out instead of the rows, which are used as by the function above. Columns
 * (column_count, without the key) have a row a record; they are copied, their buffers
 * taken over as by stage_output_set(). Keys are copied. Once a call of process() or
 * flush(). ERROR_MEMORY; ERROR_RECORD: made of made ones too many times over. */
enum error_code stage_output_emit(struct stage_output *output,
                                  const struct made_record *records, uint32_t count,
                                  const struct column *columns, uint32_t column_count,
                                  struct error *error);
/* What makes a stage a fit stage. It is the last of its phase, sees every record, passes none
 * on, and makes artefacts of them: files that a later phase names as phase:NAME/FILE.
 *
 * Of each shard the engine has a state made: begin(), process() for every batch in input
 * order, save(). States of neighbouring shards become one: begin(), merge() for each in
 * input order, save(). The last tree node is finished: begin(), merge() for each, finish().
 * How the input is cut into shards and how the shards are grouped is the engine's matter,
 * and the artefacts must not show it. So a state may depend on nothing but the records in
 * it, in their order, and on the options; and states of records A and of records B, merged,
 * must save as the very bytes that A and B saved as would be, taken in together. Sums that
 * round are out, therefore, and so is any clock, address or random number.
 *
 * process() adds the batch to the state; it must not change the output but for rows it
 * rejects, which it leaves out of the state. It must be able to take in as much as a shard
 * holds. Fits of several rounds will have entries of their own, NULL for those of one. */
enum { FIT_STATE_MAX = 512 << 20 }; /* bytes of one saved state */
struct stage_fit {
    /* The files that finish() writes, by the options alone: names without "/", the last is
     * NULL. Static. Called by every process that reads the pipeline. */
    const char *const *(*files)(const void *options);
    /* A shard begins: forget all records, those of a shard that was left half done too. */
    enum error_code (*begin)(struct stage *self, struct error *error);
    /* Append the state since begin() to `state`, which is empty. It is called once, and
     * then not process() or merge() before the next begin(). */
    enum error_code (*save)(struct stage *self, struct bytes *state, struct error *error);
    /* Add what save() wrote, maybe elsewhere. The records in it come behind those that are
     * there. Bytes that save() cannot have written are ERROR_DAMAGED. */
    enum error_code (*merge)(struct stage *self, const void *state, size_t size,
                             struct error *error);
    /* Write the files into `folder`, which has none yet. The engine makes them durable and
     * publishes them. ERROR_CONFIG, when they cannot be made from these records with these
     * options, ends the run. */
    enum error_code (*finish)(struct stage *self, const char *folder,
                              struct error *error);
};

/* What a stage is. One constant of this type per file in stages/. */
struct stage_type {
    const char *name;                   /* in YAML; equals the file name without .c */
    const char *summary;                /* one line: "Split text into subword tokens" */
    const char *description;            /* paragraphs for the manual; NULL allowed */
    unsigned traits;                    /* enum stage_trait */
    const struct stage_column *columns; /* ends with .name NULL; NULL: none */
    const struct option_spec *options;
    size_t options_size;
    size_t state_size;

    /* Check options together, find the columns needed in `schema` and put those added.
     * Pure: reads no file but those of PATH options, keeps nothing. NULL: `columns` says
     * all. Called by every process that reads the pipeline. ERROR_CONFIG, with
     * error->where from stage_option_position(). */
    enum error_code (*plan)(const void *options, struct schema *schema,
                            const struct stage_place *place, struct error *error);

    /* Once a node and run, before any open(): write a position-independent file at
     * `path` which every executor maps read-only. NULL: nothing to prepare. */
    enum error_code (*prepare)(const void *options, const char *path,
                               struct error *error);

    /* The name of the library that the stage computes floats with, not empty, to `name`: it
     * stands, with the level of the CPU, for the bits of the results. A job takes workers
     * of one name and level alone. Called once per executor, before anything else of the
     * stage that runs there. NULL: none; our own kernels give the same bits everywhere.
     * ERROR_CONFIG: it is not installed. */
    enum error_code (*library)(char name[STAGE_LIBRARY_SIZE], struct error *error);

    /* How many token ids there are: those that the stage makes are below. Reads the files
     * that options name. NULL: it makes none. ERROR_CONFIG, ERROR_IO, ERROR_MEMORY. */
    enum error_code (*count_ids)(const void *options, uint64_t *count,
                                 struct error *error);

    /* Once per executor. If it fails, close() is still called and must cope. */
    enum error_code (*open)(struct stage *self, struct error *error);

    /* Work on one batch. ERROR_RECORD rejects the whole batch; a stateless stage is then
     * called with halves of it until the bad record stands alone. ERROR_MEMORY makes the
     * engine look for the record that needs too much, in fresh executors. */
    enum error_code (*process)(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error);

    /* A shard begins; self->shard is empty, and what was held of another shard, finished
     * or not, must be forgotten. NULL: nothing is held. */
    void (*begin)(struct stage *self);

    /* Behind the last batch of a shard, again and again until it emits nothing. NULL: nothing
     * is held. A stage that needs it can say in plan() that it asks for
     * place->is_shard_fixed. */
    enum error_code (*flush)(struct stage *self, struct stage_output *output,
                             struct error *error);

    /* Release what open() took. Called exactly once. NULL: nothing. */
    void (*close)(struct stage *self);

    /* NULL: not a fit stage. */
    const struct stage_fit *fit;
};

/* Is the descriptor complete and consistent: names, trait rules, defaults that parse?
 * Run on every stage by the tests. */
enum error_code stage_type_check(const struct stage_type *type, struct error *error);

#endif
