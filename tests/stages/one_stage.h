/* one_stage.h - what the tests of stages share: one stage, run on texts */
#ifndef TESTS_STAGES_ONE_STAGE_H
#define TESTS_STAGES_ONE_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/pipeline.h"
#include "core/stage.h"
#include "core/yaml.h"
#include "worker/chain.h"

/* A stage with its options, ready to run. */
struct one_stage {
    struct arena *arena;
    struct stage_spec spec;
    struct phase_spec phase;
    struct chain *chain;
    struct error error;
    struct chain_outcome outcome;
};

/* Parse `yaml` ("{form: NFC}") for the stage and plan it over `fields`. */
static inline enum error_code one_stage_plan(struct one_stage *one,
                                             const struct stage_type *type,
                                             const char *yaml,
                                             const struct schema_field *fields,
                                             size_t field_count)
{
    *one = (struct one_stage){.arena = arena_create(1 << 16, 0)};
    struct diagnostics found = {.arena = one->arena};
    const struct yaml_node *mapping =
        yaml_parse(yaml, strlen(yaml), "test.yaml", one->arena, &found);
    void *options = arena_alloc(one->arena, 1, type->options_size, 64);
    struct source_position where = {"test.yaml", 1, 1};
    if (!mapping || !options_parse(type->options, mapping, options, type->name, where,
                                   "/", one->arena, &found)) {
        return error_set(&one->error, ERROR_CONFIG, "%s",
                         found.count ? found.items[0].text : "not YAML");
    }
    one->spec = (struct stage_spec){
        .type = type,
        .options = options,
        .place = {.stage = where, .mapping = mapping, .is_shard_fixed = true}};
    one->phase = (struct phase_spec){.stages = &one->spec, .stage_count = 1};
    for (size_t i = 0; i < field_count; i++)
        one->phase.input_schema.fields[i] = fields[i];
    one->phase.input_schema.count = field_count;
    one->phase.output_schema = one->phase.input_schema;
    if (!type->plan)
        return OK;
    return type->plan(options, &one->phase.output_schema, &one->spec.place, &one->error);
}

static inline void one_stage_open(struct one_stage *one, const struct stage_type *type,
                                  const char *yaml, const struct schema_field *fields,
                                  size_t field_count)
{
    enum error_code code = one_stage_plan(one, type, yaml, fields, field_count);
    if (code == OK)
        code = chain_open(&one->phase, NULL, NULL, &one->chain, &one->error);
    if (code != OK)
        print_message("cannot open: %s\n", one->error.text);
    assert_int_equal(code, OK);
}

static inline void one_stage_close(struct one_stage *one)
{
    chain_close(one->chain);
    arena_destroy(one->arena);
}

/* The schema {key: utf8, text: utf8}. */
static const struct schema_field text_fields[] = {{"key", COLUMN_UTF8, 0},
                                                  {"text", COLUMN_UTF8, 0}};

static inline const struct column *text_column(struct arena *arena, const char *name,
                                               const char *const *texts, uint32_t count)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++)
        offsets[i + 1] = offsets[i] + (texts[i] ? strlen(texts[i]) : 0);
    char *data = ARENA_NEW(arena, char, (size_t)offsets[count] + 1);
    unsigned char *validity = ARENA_NEW(arena, unsigned char, count / 8 + 1);
    bool has_null = false;
    for (uint32_t i = 0; i < count; i++) {
        has_null = has_null || !texts[i];
        if (!texts[i])
            continue;
        memcpy(data + offsets[i], texts[i], strlen(texts[i]));
        validity[i / 8] |= (unsigned char)(1u << i % 8);
    }
    *column = (struct column){.name = name,
                              .type = COLUMN_UTF8,
                              .validity = has_null ? validity : NULL,
                              .offsets = offsets,
                              .data = data};
    return column;
}

/* Records of `columns` (column_count), whose keys "k0", "k1", ... are put in front. The
 * source of each has 10 bytes. */
static inline struct batch *make_batch(struct arena *arena,
                                       const struct column *const *columns,
                                       uint32_t column_count, uint32_t count)
{
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    struct origin *origins = ARENA_NEW(arena, struct origin, count);
    const char **keys = ARENA_NEW(arena, const char *, count);
    const struct column **all = ARENA_NEW(arena, const struct column *, column_count + 1);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        int size = snprintf(key, sizeof key, "k%u", (unsigned)i);
        keys[i] = arena_copy_text(arena, key, (size_t)size);
        origins[i] = (struct origin){.ordinal = i, .offset = i * 10u, .size = 10};
    }
    all[0] = text_column(arena, "key", keys, count);
    for (uint32_t i = 0; i < column_count; i++)
        all[i + 1] = columns[i];
    *batch = (struct batch){.count = count,
                            .column_count = column_count + 1,
                            .origins = origins,
                            .columns = all};
    return batch;
}

static inline struct batch *text_batch(struct arena *arena, const char *const *texts,
                                       uint32_t count)
{
    const struct column *column = text_column(arena, "text", texts, count);
    return make_batch(arena, &column, 1, count);
}

/* Run a batch; the law must hold. */
static inline void one_stage_run(struct one_stage *one, const struct batch *batch)
{
    enum error_code code =
        chain_run(one->chain, batch, one->arena, &one->outcome, &one->error);
    if (code != OK)
        print_message("cannot run: %s\n", one->error.text);
    assert_int_equal(code, OK);
    assert_true(account_holds(&one->outcome.account));
}

/* Row `row` of the only batch that came out. */
static inline const char *text_of(struct one_stage *one, const char *column, uint32_t row)
{
    assert_int_equal(one->outcome.batch_count, 1);
    const struct column *found = batch_column(one->outcome.batches[0], column);
    assert_non_null(found);
    assert_true(row < one->outcome.batches[0]->count);
    if (!column_is_valid(found, row))
        return NULL;
    return arena_copy_text(one->arena, column_row(found, row),
                           (size_t)column_row_length(found, row));
}

#endif
