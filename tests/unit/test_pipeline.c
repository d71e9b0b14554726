/* test_pipeline.c - tests of pipelines that are right, of --set, and of the fingerprint */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "tests/unit/fake_stages.h"

struct fixture {
    struct arena *arena;
    struct diagnostics found;
    char folder[64]; /* with a file `v` in it */
};

static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const struct fixture *fixture, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, name);
    (void)unlink(path);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_pipeline.XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    write_file(fixture, "v", "vocabulary");
    fixture->arena = arena_create(1 << 16, 0);
    fixture->found.arena = fixture->arena;
    *state = fixture;
    return fixture->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    remove_file(fixture, "v");
    remove_file(fixture, "w");
    remove_file(fixture, "p.yaml");
    (void)rmdir(fixture->folder);
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static const struct pipeline *parse_set(struct fixture *fixture, const char *text,
                                        const char *const *sets, size_t count)
{
    struct text_list list = {.items = sets, .count = count};
    fixture->found.count = 0;
    return pipeline_parse(text, strlen(text), "p.yaml", fixture->folder, &list,
                          fake_stages, fixture->arena, &fixture->found);
}

static const struct pipeline *parse(struct fixture *fixture, const char *text)
{
    const struct pipeline *pipeline = parse_set(fixture, text, NULL, 0);
    diagnostics_print(&fixture->found, stderr);
    return pipeline;
}

static void assert_schema(const struct schema *schema, const char *wanted)
{
    char text[512] = "", type[32];
    for (size_t i = 0; i < schema->count; i++) {
        size_t used = strlen(text);
        column_type_format(schema->fields[i].type, schema->fields[i].dimension, type,
                           sizeof type);
        (void)snprintf(text + used, sizeof text - used, "%s%s %s", i ? ", " : "",
                       schema->fields[i].name, type);
    }
    assert_string_equal(text, wanted);
}

static const char simple[] = "name: corpus\n"
                             "input:\n"
                             "  paths: [a/*.jsonl, '@b.list', /c]\n"
                             "  format: jsonl\n"
                             "  text: body\n"
                             "  columns: {lang: utf8, v: 'vector<f32, 4>'}\n"
                             "stages:\n"
                             "  - clean\n"
                             "  - split: {vocabulary: v, special: [a, 'b c']}\n"
                             "  - embed: {dimension: 16, inner: {deep: true}}\n"
                             "  - count\n"
                             "output: {columns: [embedding, key, lang]}\n";

static const char phased[] =
    "name: two\n"
    "phases:\n"
    "  - name: one\n"
    "    input: {paths: [a], format: lines}\n"
    "    stages: [clean]\n"
    "    exchange: {by: hash(text), buckets: 8}\n"
    "  - name: two\n"
    "    input: {phase: one}\n"
    "    shard: {bytes: 1MB}\n"
    "    stages:\n"
    "      - split: {vocabulary: v}\n"
    "    exchange: {by: random(18446744073709551615), buckets: 65536}\n"
    "  - name: three\n"
    "    input: {phase: two}\n"
    "store: {volume: 1MiB, seal: 250ms}\n"
    "limits: {record_time: 1s, memory: 1GiB, silence: 3s, attempts: 9, speculate: 0}\n";

static void defaults_are_filled_in(void **state)
{
    const struct pipeline *pipeline =
        parse(*state, "name: x\ninput: {paths: [a], format: text}\n");
    assert_non_null(pipeline);
    assert_int_equal(pipeline->phase_count, 1);
    const struct phase_spec *phase = &pipeline->phases[0];
    assert_string_equal(phase->name, "main");
    assert_int_equal(phase->shard_bytes, 16 << 20);
    assert_int_equal(phase->input.max_record, 256 << 20);
    assert_string_equal(phase->input.text, "text");
    assert_null(phase->input.key);
    assert_int_equal(phase->exchange.kind, EXCHANGE_NONE);
    assert_int_equal(pipeline->store.volume, 64 << 20);
    assert_int_equal(pipeline->store.seal_ms, 10000);
    assert_int_equal(pipeline->limits.record_ms, 60000);
    assert_int_equal(pipeline->limits.memory, 0);
    assert_int_equal(pipeline->limits.silence_ms, 2000);
    assert_int_equal(pipeline->limits.attempts, 4);
    assert_true(pipeline->limits.speculate > 3.9 && pipeline->limits.speculate < 4.1);
    assert_schema(&phase->output_schema, "key utf8, text utf8");
}

static void columns_flow_from_the_input_through_every_stage(void **state)
{
    const struct pipeline *pipeline = parse(*state, simple);
    assert_non_null(pipeline);
    const struct phase_spec *phase = &pipeline->phases[0];
    assert_schema(&phase->input_schema,
                  "key utf8, text utf8, lang utf8, v vector<f32, 4>");
    assert_schema(&phase->output_schema,
                  "key utf8, embedding vector<f32, 16>, lang utf8");
    const struct fake_embed *embed = phase->stages[2].options;
    assert_int_equal(embed->dimension, 16);
    assert_true(embed->inner.is_deep);
    assert_int_equal(phase->stages[2].place.stage.line, 10);
    assert_int_equal(phase->stages[2].place.stage.column, 5);
    assert_int_equal(stage_option_position(&phase->stages[2].place, "inner").column, 35);
    assert_int_equal(stage_option_position(&phase->stages[2].place, "scale").column, 5);
    assert_int_equal(stage_option_position(&phase->stages[3].place, "x").line, 11);
}

static void a_jsonl_input_may_carry_columns_alone(void **state)
{
    const struct pipeline *pipeline =
        parse(*state, "name: x\ninput: {paths: [a], format: jsonl,"
                      " columns: {boxes: list<box>}}\n");
    assert_non_null(pipeline);
    assert_schema(&pipeline->phases[0].output_schema, "key utf8, boxes list<box>");
}

static void a_phase_reads_the_output_of_an_earlier_one(void **state)
{
    const struct pipeline *pipeline = parse(*state, phased);
    assert_non_null(pipeline);
    assert_int_equal(pipeline->phase_count, 3);
    const struct phase_spec *phases = pipeline->phases;
    assert_int_equal(phases[0].exchange.kind, EXCHANGE_HASH);
    assert_string_equal(phases[0].exchange.column, "text");
    assert_int_equal(phases[0].exchange.buckets, 8);
    assert_int_equal(phases[1].input.format, FORMAT_PHASE);
    assert_int_equal(phases[1].input.phase_index, 0);
    assert_int_equal(phases[1].exchange.kind, EXCHANGE_RANDOM);
    assert_true(phases[1].exchange.seed == UINT64_MAX);
    assert_schema(&phases[2].output_schema, "key utf8, text utf8, tokens list<u32>");
    const struct fake_split *split = phases[1].stages[0].options;
    assert_non_null(split->vocabulary);
}

static void what_is_written_parses_to_itself(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        simple, phased, "name: x\ninput: {paths: ['a b', \"c\\n\"], format: text}\n",
        "name: x\ninput: {paths: [a], format: jsonl, key: 'k: #', columns:"
        " {'true': bool, 'a, b': i64, \"\\x01\": f64, 'ä': bytes}}\n"
        "stages: []\nlimits: {speculate: 0.1}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bytes once = {0}, again = {0};
        const struct pipeline *first = parse(fixture, texts[i]);
        assert_non_null(first);
        pipeline_write(first, &once);
        bytes_put_u8(&once, 0);
        const struct pipeline *second = parse(fixture, (const char *)once.data);
        assert_non_null(second);
        pipeline_write(second, &again);
        bytes_put_u8(&again, 0);
        assert_string_equal((const char *)once.data, (const char *)again.data);
        struct hash128 a = {0}, b = {0};
        assert_int_equal(pipeline_fingerprint(first, &a, NULL), OK);
        assert_int_equal(pipeline_fingerprint(second, &b, NULL), OK);
        assert_true(hash128_is_equal(a, b));
        bytes_clear(&once);
        bytes_clear(&again);
    }
}

static void paths_are_written_absolute(void **state)
{
    struct fixture *fixture = *state;
    struct bytes yaml = {0};
    char wanted[256];
    pipeline_write(parse(fixture, simple), &yaml);
    bytes_put_u8(&yaml, 0);
    (void)snprintf(wanted, sizeof wanted,
                   "  paths: [\"%s/a/*.jsonl\", \"@%s/b.list\", /c]\n", fixture->folder,
                   fixture->folder);
    assert_non_null(strstr((const char *)yaml.data, wanted));
    (void)snprintf(wanted, sizeof wanted, "vocabulary: %s/v\n", fixture->folder);
    assert_non_null(strstr((const char *)yaml.data, wanted));
    bytes_clear(&yaml);
}

/* A folder whose name would be a pattern. */
static void the_folder_of_a_pattern_is_taken_literally(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "name: x\ninput: {paths: [a*, '@l'], format: text}\n";
    const struct pipeline *pipeline =
        pipeline_parse(text, strlen(text), "p.yaml", "/d[1]", NULL, fake_stages,
                       fixture->arena, &fixture->found);
    struct bytes yaml = {0};
    assert_non_null(pipeline);
    pipeline_write(pipeline, &yaml);
    bytes_put_u8(&yaml, 0);
    assert_non_null(
        strstr((const char *)yaml.data, "paths: [\"/d[[]1]/a*\", \"@/d[1]/l\"]\n"));
    bytes_clear(&yaml);
}

static struct hash128 fingerprint(struct fixture *fixture, const char *text,
                                  const char *set)
{
    struct hash128 value = {0};
    const struct pipeline *pipeline = parse_set(fixture, text, &set, set ? 1 : 0);
    diagnostics_print(&fixture->found, stderr);
    assert_non_null(pipeline);
    assert_int_equal(pipeline_fingerprint(pipeline, &value, NULL), OK);
    return value;
}

static void what_decides_the_results_changes_the_fingerprint(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sets[] = {"stages.0.clean.form=NFKC",
                                       "stages.2.embed.dimension=18",
                                       "stages.2.embed.inner.deep=false",
                                       "input.text=title",
                                       "input.key=id",
                                       "input.max_record=1MiB",
                                       "input.columns.lang=bytes",
                                       "shard.bytes=1MiB",
                                       "output.columns=[key, embedding]",
                                       "stages.1.split.special=[]"};
    struct hash128 before = fingerprint(fixture, simple, NULL);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        assert_false(hash128_is_equal(before, fingerprint(fixture, simple, sets[i])));
    assert_true(hash128_is_equal(before, fingerprint(fixture, simple, NULL)));
}

static void how_it_is_run_does_not_change_the_fingerprint(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sets[] = {"store.seal=1s", "store.volume=1MiB",
                                       "limits.attempts=9", "limits.speculate=0",
                                       "input.paths=[elsewhere]"};
    struct hash128 before = fingerprint(fixture, simple, NULL);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        assert_true(hash128_is_equal(before, fingerprint(fixture, simple, sets[i])));
}

static void files_count_by_content_and_not_by_name(void **state)
{
    struct fixture *fixture = *state;
    struct hash128 before = fingerprint(fixture, simple, NULL);
    write_file(fixture, "w", "vocabulary");
    assert_true(hash128_is_equal(
        before, fingerprint(fixture, simple, "stages.1.split.vocabulary=w")));
    write_file(fixture, "w", "vocabularz");
    assert_false(hash128_is_equal(
        before, fingerprint(fixture, simple, "stages.1.split.vocabulary=w")));
}

static void a_file_gone_since_fails_the_fingerprint(void **state)
{
    struct fixture *fixture = *state;
    struct hash128 value;
    struct error error;
    const struct pipeline *pipeline = parse(fixture, simple);
    remove_file(fixture, "v");
    assert_int_equal(pipeline_fingerprint(pipeline, &value, &error), ERROR_IO);
    assert_non_null(strstr(error.text, "cannot open"));
}

static void the_description_names_every_choice(void **state)
{
    struct fixture *fixture = *state;
    struct bytes lines = {0};
    assert_int_equal(pipeline_describe(parse(fixture, simple), &lines, NULL), OK);
    bytes_put_u8(&lines, 0);
    const char *text = (const char *)lines.data;
    assert_non_null(strstr(text, "phases.0.stages.2.embed.inner.deep: true\n"));
    assert_non_null(strstr(text, "phases.0.stages.1.split.vocabulary: content "));
    assert_non_null(strstr(text, "phases.0.stages.3: count\n"));
    assert_non_null(strstr(text, "phases.0.input.columns.1.v: \"vector<f32, 4>\"\n"));
    assert_null(strstr(text, fixture->folder));
    bytes_clear(&lines);
}

static void set_changes_the_tree_before_it_is_checked(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sets[] = {"shard.bytes=1MiB",
                                       "stages.0.clean.form=NFKC",
                                       "stages.1.split={vocabulary: v}",
                                       "stages.2.embed.inner.form=NFKC",
                                       "limits.attempts=7",
                                       "limits.silence=5s",
                                       "input.paths.1=other",
                                       "limits.attempts=8"};
    const struct pipeline *pipeline =
        parse_set(fixture, simple, sets, sizeof sets / sizeof *sets);
    assert_non_null(pipeline);
    const struct phase_spec *phase = &pipeline->phases[0];
    assert_int_equal(phase->shard_bytes, 1 << 20);
    assert_int_equal(((const struct fake_clean *)phase->stages[0].options)->form, 1);
    assert_int_equal(((const struct fake_split *)phase->stages[1].options)->special.count,
                     0);
    const struct fake_embed *embed = phase->stages[2].options;
    assert_int_equal(embed->inner.form, 1);
    assert_true(embed->inner.is_deep);
    assert_int_equal(pipeline->limits.attempts, 8);
    assert_int_equal(pipeline->limits.silence_ms, 5000);
    assert_string_equal(phase->input.paths.items[1], "other");
}

static void a_wrong_set_is_told_with_its_column(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *set;
        uint32_t column;
        const char *text;
    } cases[] = {
        {"shard.byte=1", 7,
         "unknown key \"byte\" in the section shard; did you mean \"bytes\"?"},
        {"shards.bytes=1", 1,
         "unknown key \"shards\" in the pipeline; did you mean \"shard\"?"},
        {"shard.bytes=many", 13,
         "\"bytes\" must be a size such as 4096, 64KiB or 2MB, not \"many\""},
        {"shard.bytes=", 13,
         "\"bytes\" has no value; it must be a size such as 4096, 64KiB or 2MB"},
        {"shard.bytes", 1, "\"shard.bytes\" has no \"=\"; write PATH=VALUE"},
        {"=1", 1, "an empty name in the path \"\""},
        {"shard..bytes=1", 7, "an empty name in the path \"shard..bytes\""},
        {"name.of=1", 6, "\"name\" is a text and has no key \"of\""},
        {"stages.4.clean.form=NFC", 8, "\"stages\" has no item 4; it has 4, from 0 on"},
        {"stages.clean.form=NFC", 8,
         "\"stages\" is a list; its items go by number, not \"clean\""},
        {"stages.0.split.form=NFC", 10, "stage 0 is \"clean\", not \"split\""},
        {"stages.0.clean.from=NFC", 16,
         "unknown key \"from\" in stage clean; did you mean \"form\"?"},
        {"store.0=1", 7, "there is no list \"store\" to take item 0 of"},
        {"input.text=[", 13, "a value is missing before this"},
        {"input.text=&a b", 12,
         "anchors (\"&a\") are not allowed; write the value out where it is needed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(parse_set(fixture, simple, &cases[i].set, 1));
        assert_int_equal(fixture->found.count, 1);
        assert_string_equal(fixture->found.items[0].text, cases[i].text);
        assert_string_equal(fixture->found.items[0].where.file, "--set");
        assert_int_equal(fixture->found.items[0].where.column, cases[i].column);
    }
}

static void errors_of_plan_stand_at_the_option_or_the_stage(void **state)
{
    struct fixture *fixture = *state;
    const char *odd = "stages.2.embed.dimension=7", *early = "stages.1=clean";
    assert_null(parse_set(fixture, simple, &odd, 1));
    assert_string_equal(fixture->found.items[0].text, "dimension 7 is odd");
    assert_string_equal(fixture->found.items[0].where.file, "--set");
    assert_null(parse_set(fixture, simple, &early, 1));
    assert_int_equal(fixture->found.count, 1);
    assert_string_equal(fixture->found.items[0].text, "no tokens to embed");
    assert_int_equal(fixture->found.items[0].where.line, 10);
}

static void a_pipeline_is_read_from_its_folder(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    const char *text = NULL;
    size_t size = 0;
    write_file(fixture, "p.yaml", simple);
    (void)snprintf(path, sizeof path, "%s/p.yaml", fixture->folder);
    const struct pipeline *pipeline = pipeline_read(
        path, NULL, fake_stages, fixture->arena, &text, &size, &fixture->found);
    assert_non_null(pipeline);
    assert_int_equal(size, strlen(simple));
    assert_memory_equal(text, simple, size);
    assert_string_equal(pipeline->folder, fixture->folder);
    assert_string_equal(pipeline->file, path);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct fixture *fixture = *state;
    const char *text;
    size_t size;
    assert_null(pipeline_read("/nowhere/p.yaml", NULL, fake_stages, fixture->arena, &text,
                              &size, &fixture->found));
    assert_null(pipeline_read("/tmp", NULL, fake_stages, fixture->arena, &text, &size,
                              &fixture->found));
    assert_int_equal(fixture->found.count, 2);
    assert_string_equal(fixture->found.items[0].where.file, "/nowhere/p.yaml");
    assert_string_equal(fixture->found.items[0].text,
                        "cannot read it: No such file or directory");
    assert_string_equal(fixture->found.items[1].text, "cannot read it: Is a directory");
}

static void no_memory_is_an_error_and_no_crash(void **state)
{
    struct fixture *fixture = *state;
    size_t complete = 0;
    for (size_t limit = 64; limit < 200000; limit += limit / 16) {
        struct arena *arena = arena_create(4096, limit);
        struct diagnostics found = {.arena = arena};
        complete += pipeline_parse(phased, strlen(phased), "p.yaml", fixture->folder,
                                   NULL, fake_stages, arena, &found) != NULL;
        arena_destroy(arena);
    }
    assert_true(complete > 0);
}

/* Work that grows with the square of the file would take minutes. */
static void a_mebibyte_of_mistakes_is_refused_at_once(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *head, *item, *tail;
    } shapes[] = {
        {"name: x\ninput: {paths: [a], format: text}\noutput: {columns: [", "a,",
         "a]}\n"},
        {"name: x\ninput: {paths: [a], format: text}\nstages: [", "claen,", "a]\n"},
        {"name: x\ninput: {paths: [a], format: text}\nstages:\n", "- clean: {fomr: b}\n",
         ""},
        {"name: x\ninput:\n  paths: [", "'',", "a]\n"},
        {"name: x\nphases: [", "{name: a},", "a]\n"},
        {"name: x\ninput: {paths: [a], format: ", "x", "}\n"},
        {"name: ", "x", "\n"},
        {"name: x\ninput: ", "{a: ", ""},
        {"name: x\ninput: ", "- ", ""},
        {"name: x\ninput: ", "? ", ""},
        {"name: x\ninput: ", "'' ", ""},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct bytes text = {0};
        bytes_put(&text, shapes[i].head, strlen(shapes[i].head));
        while (text.size < (1 << 20) - 64)
            bytes_put(&text, shapes[i].item, strlen(shapes[i].item));
        bytes_put(&text, shapes[i].tail, strlen(shapes[i].tail));
        bytes_put_u8(&text, 0);
        assert_null(parse_set(fixture, (const char *)text.data, NULL, 0));
        assert_true(fixture->found.count > 0);
        arena_reset(fixture->arena);
        fixture->found = (struct diagnostics){.arena = fixture->arena};
        bytes_clear(&text);
    }
}

static void the_fake_stages_are_sound_and_broken_ones_are_not(void **state)
{
    (void)state;
    struct error error;
    for (size_t i = 0; fake_stages[i]; i++)
        assert_int_equal(stage_type_check(fake_stages[i], &error), OK);
    struct stage_type broken = fake_clean;
    broken.name = "Clean";
    assert_int_equal(stage_type_check(&broken, &error), ERROR_FATAL);
    broken = fake_clean;
    broken.summary = "Clean text.";
    assert_int_equal(stage_type_check(&broken, &error), ERROR_FATAL);
    broken = fake_clean;
    broken.process = NULL;
    assert_int_equal(stage_type_check(&broken, &error), ERROR_FATAL);
    broken = fake_clean;
    broken.options_size = 2;
    assert_int_equal(stage_type_check(&broken, &error), ERROR_FATAL);
    struct option_spec wrong[] = {fake_clean_specs[0], OPTION_END};
    wrong[0].initial = "NFX";
    broken = fake_clean;
    broken.options = wrong;
    assert_int_equal(stage_type_check(&broken, &error), ERROR_FATAL);
    assert_non_null(strstr(error.text, "the default of \"form\" is wrong"));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(defaults_are_filled_in),
        CASE(columns_flow_from_the_input_through_every_stage),
        CASE(a_jsonl_input_may_carry_columns_alone),
        CASE(a_phase_reads_the_output_of_an_earlier_one),
        CASE(what_is_written_parses_to_itself),
        CASE(paths_are_written_absolute),
        CASE(the_folder_of_a_pattern_is_taken_literally),
        CASE(what_decides_the_results_changes_the_fingerprint),
        CASE(how_it_is_run_does_not_change_the_fingerprint),
        CASE(files_count_by_content_and_not_by_name),
        CASE(a_file_gone_since_fails_the_fingerprint),
        CASE(the_description_names_every_choice),
        CASE(set_changes_the_tree_before_it_is_checked),
        CASE(a_wrong_set_is_told_with_its_column),
        CASE(errors_of_plan_stand_at_the_option_or_the_stage),
        CASE(a_pipeline_is_read_from_its_folder),
        CASE(a_file_that_cannot_be_read_is_named),
        CASE(no_memory_is_an_error_and_no_crash),
        CASE(a_mebibyte_of_mistakes_is_refused_at_once),
        cmocka_unit_test(the_fake_stages_are_sound_and_broken_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
