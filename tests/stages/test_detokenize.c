/* test_detokenize.c - the detokenize stage: tokens back to text, and what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/stage.h"
#include "core/stage_output.h"
#include "tests/json_vocabulary.h"
#include "tests/text_goldens.h"

extern const struct stage_type stage_detokenize;

enum { SPECIAL_TEXT, SPECIAL_OMIT };

struct bench { /* a stage ready to run on a small vocabulary */
    char folder[64], vocabulary[96], prepared[96];
    unsigned char options[256];
    struct arena *run, *scratch, *shard;
    struct stage stage;
    struct error error;
};

static void *option_at(struct bench *bench, const char *name)
{
    for (const struct option_spec *spec = stage_detokenize.options; spec->name; spec++) {
        if (strcmp(spec->name, name) == 0)
            return bench->options + spec->offset;
    }
    fail_msg("no option %s", name);
    return NULL;
}

static void bench_begin(struct bench *bench)
{
    *bench = (struct bench){.folder = "/tmp/test_detokenize.XXXXXX"};
    assert_true(stage_detokenize.options_size <= sizeof bench->options);
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->vocabulary, sizeof bench->vocabulary, "%s/tokenizer.json",
                   bench->folder);
    (void)snprintf(bench->prepared, sizeof bench->prepared, "%s/prepared", bench->folder);
    struct bytes json = json_vocabulary();
    FILE *file = fopen(bench->vocabulary, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(json.data, 1, json.size, file), json.size);
    assert_int_equal(fclose(file), 0);
    bytes_clear(&json);
    const char *path = bench->vocabulary;
    memcpy(option_at(bench, "vocabulary"), &path, sizeof path);
    bench->run = arena_create(1 << 20, 0);
    bench->scratch = arena_create(1 << 16, 0);
    bench->shard = arena_create(1 << 16, 0);
}

static void bench_open(struct bench *bench)
{
    assert_int_equal(
        stage_detokenize.prepare(bench->options, bench->prepared, &bench->error), OK);
    struct bytes file = load_file(bench->prepared);
    void *aligned = arena_alloc_raw(bench->run, file.size, 1, 64);
    assert_non_null(aligned);
    memcpy(aligned, file.data, file.size);
    bench->stage = (struct stage){
        .type = &stage_detokenize,
        .options = bench->options,
        .state = arena_alloc(bench->run, 1, stage_detokenize.state_size, 64),
        .prepared = aligned,
        .prepared_size = file.size,
        .run = bench->run,
        .scratch = bench->scratch};
    bytes_clear(&file);
    assert_int_equal(stage_detokenize.open(&bench->stage, &bench->error), OK);
}

static void bench_end(struct bench *bench)
{
    if (bench->stage.type)
        stage_detokenize.close(&bench->stage);
    (void)unlink(bench->vocabulary);
    (void)unlink(bench->prepared);
    (void)rmdir(bench->folder);
    arena_destroy(bench->run);
    arena_destroy(bench->scratch);
    arena_destroy(bench->shard);
}

/* Rows of tokens: row i is ids[ends[i - 1] ... ends[i]), the last one is missing. */
static const struct batch *process(struct bench *bench, const uint32_t *ids,
                                   const uint64_t *ends, uint32_t count,
                                   struct stage_output *output)
{
    struct arena *arena = bench->shard;
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, count + 1);
    unsigned char *validity = ARENA_NEW(arena, unsigned char, 1);
    for (uint32_t i = 0; i < count; i++)
        offsets[i + 1] = ends[i];
    *validity = (unsigned char)((1u << (count - 1)) - 1);
    struct column *columns = ARENA_NEW(arena, struct column, 2);
    columns[0] = (struct column){.name = "key",
                                 .type = COLUMN_UTF8,
                                 .offsets = ARENA_NEW(arena, uint64_t, count + 1),
                                 .data = ids};
    columns[1] = (struct column){.name = "tokens",
                                 .type = COLUMN_LIST_U32,
                                 .validity = validity,
                                 .offsets = offsets,
                                 .data = ids};
    const struct column **list = ARENA_NEW(arena, const struct column *, 2);
    list[0] = columns;
    list[1] = columns + 1;
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    *batch = (struct batch){.count = count,
                            .column_count = 2,
                            .origins = ARENA_NEW(arena, struct origin, count),
                            .columns = list};
    const struct batch *out = NULL;
    assert_int_equal(stage_output_begin(output, batch, bench->shard, &bench->error), OK);
    assert_int_equal(
        stage_detokenize.process(&bench->stage, batch, output, &bench->error), OK);
    assert_int_equal(stage_output_finish(output, &out, &bench->error), OK);
    return out;
}

static void check_text(const struct batch *batch, uint32_t row, const char *wanted)
{
    const struct column *text = batch_column(batch, "text");
    assert_non_null(text);
    assert_int_equal(text->type, COLUMN_UTF8);
    assert_int_equal(column_is_valid(text, row), wanted != NULL);
    if (!wanted)
        return;
    assert_int_equal(column_row_length(text, row), strlen(wanted));
    assert_memory_equal(column_row(text, row), wanted, strlen(wanted));
}

/* U+2581 "ab", U+2581, "b", the two bytes of U+00E9, <s>. */
static const uint32_t ids[] = {262, 258, 260, 2 + 0xC3, 2 + 0xA9, 1};

static void tokens_become_text(void **state)
{
    (void)state;
    static const uint64_t ends[] = {3, 6, 6, 6};
    for (int special = SPECIAL_TEXT; special <= SPECIAL_OMIT; special++) {
        struct bench bench;
        struct stage_output output;
        bench_begin(&bench);
        memcpy(option_at(&bench, "special"), &special, sizeof special);
        bench_open(&bench);
        const struct batch *out = process(&bench, ids, ends, 4, &output);
        assert_int_equal(out->count, 4);
        check_text(out, 0, "ab b");
        check_text(out, 1, special == SPECIAL_TEXT ? "\xc3\xa9<s>" : "\xc3\xa9");
        check_text(out, 2, "");
        check_text(out, 3, NULL);
        bench_end(&bench);
    }
}

static void what_is_no_text_is_rejected(void **state)
{
    (void)state;
    static const uint32_t bad[] = {262, 263, 262, 2 + 0xC3, 259, 259};
    static const uint64_t ends[] = {2, 5, 6, 6};
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    bench_open(&bench);
    const struct batch *out = process(&bench, bad, ends, 4, &output);
    assert_int_equal(out->count, 2);
    check_text(out, 0, "a");
    assert_string_equal(output.verdicts[0].reason, "unknown_token");
    assert_string_equal(output.verdicts[0].detail, "263 is no token");
    assert_string_equal(output.verdicts[1].reason, "not_utf8");
    assert_string_equal(output.verdicts[1].detail, "byte 2 of the text is not UTF-8");
    bench_end(&bench);
}

static void plan_needs_tokens(void **state)
{
    (void)state;
    const struct stage_place place = {
        .stage = {.file = "p.yaml", .line = 7, .column = 5}};
    struct bench bench;
    struct schema schema = {0};
    bench_begin(&bench);
    assert_int_equal(stage_detokenize.plan(bench.options, &schema, &place, &bench.error),
                     ERROR_CONFIG);
    assert_int_equal(bench.error.where.line, 7);
    assert_int_equal(schema_put(&schema, "tokens", COLUMN_UTF8, 0, NULL), OK);
    assert_int_equal(stage_detokenize.plan(bench.options, &schema, &place, &bench.error),
                     ERROR_CONFIG);
    assert_int_equal(schema_put(&schema, "tokens", COLUMN_LIST_U32, 0, NULL), OK);
    assert_int_equal(stage_detokenize.plan(bench.options, &schema, &place, &bench.error),
                     OK);
    assert_non_null(schema_find(&schema, "text"));
    bench_end(&bench);
}

static void plan_refuses_what_is_no_vocabulary(void **state)
{
    (void)state;
    const struct stage_place place = {
        .stage = {.file = "p.yaml", .line = 7, .column = 5}};
    struct bench bench;
    struct schema schema = {0};
    bench_begin(&bench);
    const char *path = bench.folder;
    memcpy(option_at(&bench, "vocabulary"), &path, sizeof path);
    assert_int_equal(unlink(bench.vocabulary), 0);
    assert_int_equal(schema_put(&schema, "tokens", COLUMN_LIST_U32, 0, NULL), OK);
    assert_int_equal(stage_detokenize.plan(bench.options, &schema, &place, &bench.error),
                     ERROR_CONFIG);
    bench_end(&bench);
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(stage_type_check(&stage_detokenize, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_become_text),
        cmocka_unit_test(what_is_no_text_is_rejected),
        cmocka_unit_test(plan_needs_tokens),
        cmocka_unit_test(plan_refuses_what_is_no_vocabulary),
        cmocka_unit_test(the_descriptor_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
