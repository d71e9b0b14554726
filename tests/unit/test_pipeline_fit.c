/* test_pipeline_fit.c - phases that fit: their steps, their artefacts, what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "tests/unit/fake_stages.h"

struct fixture {
    struct arena *arena;
    struct diagnostics found;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    fixture->arena = arena_create(1 << 16, 0);
    fixture->found.arena = fixture->arena;
    *state = fixture;
    return fixture->arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static const struct pipeline *parse(struct fixture *fixture, const char *text)
{
    fixture->found.count = 0;
    return pipeline_parse(text, strlen(text), "p.yaml", "/folder", NULL, fake_stages,
                          fixture->arena, &fixture->found);
}

#define CLEANED                                \
    "name: x\n"                                \
    "phases:\n"                                \
    "  - name: clean\n"                        \
    "    input: {paths: [a], format: lines}\n" \
    "    stages: [clean]\n"
#define LEARNT                    \
    "  - name: learn\n"           \
    "    input: {phase: clean}\n" \
    "    shard: {bytes: 1MiB}\n"  \
    "    stages: [clean, learn: {form: two}]\n"
#define SPLIT                     \
    "  - name: split\n"           \
    "    input: {phase: clean}\n" \
    "    stages:\n"               \
    "      - split: {vocabulary: 'phase:learn/w'}\n"

static void a_fit_phase_becomes_three_steps(void **state)
{
    const struct pipeline *pipeline = parse(*state, CLEANED LEARNT SPLIT);
    assert_non_null(pipeline);
    assert_int_equal(pipeline->phase_count, 5);
    static const char *const names[] = {"clean", "learn+read", "learn+merge", "learn",
                                        "split"};
    static const enum fit_step steps[] = {FIT_NONE, FIT_READ, FIT_MERGE, FIT_FINISH,
                                          FIT_NONE};
    static const size_t inputs[] = {0, 0, 1, 2, 0};
    static const size_t stages[] = {1, 2, 1, 1, 1};
    for (size_t i = 0; i < 5; i++) {
        const struct phase_spec *phase = &pipeline->phases[i];
        assert_string_equal(phase->name, names[i]);
        assert_int_equal(phase->fit, steps[i]);
        assert_int_equal(phase->stage_count, stages[i]);
        assert_int_equal(phase->input.format, i ? FORMAT_PHASE : FORMAT_LINES);
        assert_int_equal(phase->input.phase_index, inputs[i]);
        if (steps[i] == FIT_NONE)
            continue;
        assert_string_equal(phase->fit_name, "learn");
        assert_int_equal(phase->shard_bytes, 1 << 20);
        assert_ptr_equal(phase->stages[stages[i] - 1].type, &fake_learn);
        assert_int_equal(phase->output_schema.count, 2);
        assert_string_equal(phase->output_schema.fields[1].name,
                            steps[i] == FIT_FINISH ? "artefacts" : "state");
    }
}

static void a_pipeline_of_one_phase_may_fit(void **state)
{
    const struct pipeline *pipeline =
        parse(*state, "name: x\ninput: {paths: [a], format: lines}\nstages: [learn]\n");
    assert_non_null(pipeline);
    assert_int_equal(pipeline->phase_count, 3);
    assert_string_equal(pipeline->phases[0].name, "main+read");
    assert_string_equal(pipeline->phases[2].name, "main");
}

static void what_is_written_has_the_phases_as_they_were_given(void **state)
{
    static const char *const texts[] = {
        CLEANED LEARNT SPLIT, CLEANED LEARNT,
        "name: x\ninput: {paths: [a], format: lines}\nstages: [learn]\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct bytes once = {0}, again = {0}, lines = {0}, same = {0};
        const struct pipeline *first = parse(*state, texts[i]);
        assert_non_null(first);
        pipeline_write(first, &once);
        bytes_put_u8(&once, 0);
        assert_null(strchr((const char *)once.data, '+'));
        const struct pipeline *second = parse(*state, (const char *)once.data);
        assert_non_null(second);
        pipeline_write(second, &again);
        assert_int_equal(once.size, again.size + 1);
        assert_memory_equal(once.data, again.data, again.size);
        assert_int_equal(pipeline_describe(first, &lines, NULL), OK);
        assert_int_equal(pipeline_describe(second, &same, NULL), OK);
        assert_int_equal(lines.size, same.size);
        assert_memory_equal(lines.data, same.data, same.size);
        bytes_put_u8(&lines, 0);
        assert_null(strchr((const char *)lines.data, '+'));
        assert_non_null(strstr((const char *)lines.data, ".learn.form: "));
        bytes_clear(&once);
        bytes_clear(&again);
        bytes_clear(&lines);
        bytes_clear(&same);
    }
}

static void artefacts_are_found_in_the_job_directory(void **state)
{
    struct fixture *fixture = *state;
    const struct pipeline *pipeline = parse(
        fixture, CLEANED LEARNT SPLIT "  - name: more\n"
                                      "    input: {phase: clean}\n"
                                      "    stages: [learn: {from: phase:learn/v}]\n");
    assert_non_null(pipeline);
    const struct pipeline *resolved =
        pipeline_resolve_artefacts(pipeline, "/j/x.job", fixture->arena);
    assert_non_null(resolved);
    const struct fake_split *split = resolved->phases[4].stages[0].options;
    assert_string_equal(split->vocabulary, "/j/x.job/artefacts/learn/w");
    for (size_t i = 5; i < 8; i++) {
        const struct phase_spec *phase = &resolved->phases[i];
        const struct fake_learn *learn = phase->stages[0].options;
        assert_string_equal(learn->from, "/j/x.job/artefacts/learn/v");
    }
    const struct fake_split *before = pipeline->phases[4].stages[0].options;
    assert_string_equal(before->vocabulary, "phase:learn/w");
    const struct fake_learn *without = resolved->phases[1].stages[1].options;
    assert_null(without->from);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {CLEANED LEARNT "  - {name: m, input: {phase: learn}}\n",
         "10:30: phase \"learn\" makes an artefact, and no records that could be read"},
        {CLEANED LEARNT "  - {name: m, input: {phase: clean}, stages: [split: "
                        "{vocabulary: phase:learn/x}]}\n",
         "phase \"learn\" makes no file \"x\""},
        {CLEANED LEARNT "  - {name: m, input: {phase: clean}, stages: [split: "
                        "{vocabulary: phase:clean/v}]}\n",
         "phase \"clean\" makes no artefact: it does not end in a stage that fits, such "
         "as "
         "train_bpe"},
        {CLEANED LEARNT "    output: {columns: [key]}\n",
         "10:13: \"output\" cannot stand in a phase that ends in stage learn: it makes "
         "an "
         "artefact, and no records are left"},
        {CLEANED LEARNT "    exchange: {by: random(1), buckets: 2}\n",
         "10:15: \"exchange\" cannot stand in a phase that ends in stage learn: it makes "
         "an artefact, and no records are left"},
        {"name: x\ninput: {paths: [a], format: lines}\nstages: [learn, clean]\n",
         "3:10: stage learn must be the last of its phase: it makes an artefact of all "
         "records and passes none on"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char told[1024];
        assert_null(parse(fixture, cases[i].text));
        assert_int_equal(fixture->found.count, 1);
        const struct diagnostic *found = &fixture->found.items[0];
        (void)snprintf(told, sizeof told, "%u:%u: %s", (unsigned)found->where.line,
                       (unsigned)found->where.column, found->text);
        if (!strstr(told, cases[i].message))
            fail_msg("got \"%s\", wanted \"%s\"", told, cases[i].message);
    }
}

static void no_memory_is_an_error_and_no_crash(void **state)
{
    size_t complete = 0;
    (void)state;
    for (size_t limit = 64; limit < 200000; limit += limit / 16) {
        static const char text[] = CLEANED LEARNT SPLIT;
        struct arena *arena = arena_create(4096, limit);
        struct diagnostics found = {.arena = arena};
        const struct pipeline *pipeline = pipeline_parse(
            text, strlen(text), "p.yaml", "/folder", NULL, fake_stages, arena, &found);
        complete += pipeline && pipeline_resolve_artefacts(pipeline, "/j", arena);
        arena_destroy(arena);
    }
    assert_true(complete > 0);
}

static void a_fit_stage_must_be_complete(void **state)
{
    (void)state;
    struct error error = {0};
    struct stage_type type = fake_learn;
    struct stage_fit fit = fake_learn_fit;
    type.fit = &fit;
    assert_int_equal(stage_type_check(&type, &error), OK);
    fit.merge = NULL;
    assert_int_equal(stage_type_check(&type, &error), ERROR_FATAL);
    assert_string_equal(error.text, "stage learn lacks a part of a fit stage");
    fit = fake_learn_fit;
    type.traits |= STAGE_STATELESS;
    assert_int_equal(stage_type_check(&type, &error), ERROR_FATAL);
    type = fake_count;
    type.fit = &fit;
    assert_int_equal(stage_type_check(&type, &error), ERROR_FATAL);
    assert_string_equal(error.text, "stage count is a fit stage and passes no column on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fit_phase_becomes_three_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pipeline_of_one_phase_may_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_written_has_the_phases_as_they_were_given,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(artefacts_are_found_in_the_job_directory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, setup, teardown),
        cmocka_unit_test(no_memory_is_an_error_and_no_crash),
        cmocka_unit_test(a_fit_stage_must_be_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
