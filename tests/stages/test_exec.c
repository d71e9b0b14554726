/* test_exec.c - a program as a filter: answers, faults of the program, lost ones found */
#include "tests/stages/one_stage.h"

#include <stdlib.h>

#include "core/platform.h"
#include "core/process.h"

extern const struct stage_type stage_exec;

/* The program under test: this executable again. It does what a word in a line says. */
static void answer(const char *line, size_t size, unsigned long number)
{
    if (strstr(line, "die"))
        exit(3);
    if (strstr(line, "crash"))
        abort();
    if (strstr(line, "third") && number == 3)
        exit(0);
    if (strstr(line, "twice"))
        (void)printf("{}\n{}\n");
    else if (strstr(line, "drop"))
        (void)printf("{\"_drop\": \"Too Silly\"}\n");
    else if (strstr(line, "err"))
        (void)printf("{\"_error\": \"cannot say\", \"label\": \"x\"}\n");
    else if (strstr(line, "junk"))
        (void)printf("Traceback (most recent call last)\n");
    else if (strstr(line, "stranger"))
        (void)printf("{\"key\": \"zzz\"}\n");
    else if (strstr(line, "wrong"))
        (void)printf("{\"label\": 5}\n");
    else if (strstr(line, "absent"))
        (void)printf("{\"other\": [1, {}]}\n");
    else if (strstr(line, "long"))
        (void)printf("{\"label\": \"%0200000d\"}\n", 7);
    else if (strstr(line, "mute"))
        (void)fclose(stdin), (void)fclose(stdout), exit(0);
    else
        (void)printf("{\"label\": \"n%lu\", \"score\": %zu}\n", number, size);
    (void)fflush(stdout);
}

static int program_main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned long number = 0;
    for (ssize_t size; (size = getline(&line, &capacity, stdin)) > 0;)
        answer(line, (size_t)size, ++number);
    free(line);
    return 0;
}

static void open_exec_stage(struct one_stage *one, const char *mode, const char *adds)
{
    char path[1024], yaml[2048];
    assert_int_equal(platform_executable(path, sizeof path, NULL), OK);
    (void)snprintf(yaml, sizeof yaml, "{command: [\"%s\", \"%s\"], adds: [%s]}", path,
                   mode, adds);
    one_stage_open(one, &stage_exec, yaml, text_fields, 2);
}

static const struct reject *reject_of(const struct one_stage *one, const char *key)
{
    for (size_t i = 0; i < one->outcome.reject_count; i++)
        if (strcmp(one->outcome.rejects[i].reject.key, key) == 0)
            return &one->outcome.rejects[i].reject;
    fail_msg("%s was not rejected", key);
    return NULL;
}

static void answers_become_columns(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"a", "b\"\n", ""};
    open_exec_stage(&one, "--program", "utf8 label, f64 score");
    one_stage_run(&one, text_batch(one.arena, texts, 3));
    assert_string_equal(text_of(&one, "label", 0), "n1");
    assert_string_equal(text_of(&one, "label", 2), "n3");
    const struct column *score = batch_column(one.outcome.batches[0], "score");
    assert_true(*(const double *)column_row(score, 0) ==
                (double)strlen("{\"key\": \"k0\", \"text\": \"a\"}\n"));
    one_stage_run(&one, text_batch(one.arena, texts, 3)); /* the same program */
    assert_string_equal(text_of(&one, "label", 0), "n4");
    one_stage_close(&one);
}

static void a_field_left_out_has_no_value(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"a", "absent"};
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, 2));
    assert_null(text_of(&one, "label", 1));
    assert_string_equal(text_of(&one, "text", 1), "absent");
    one_stage_close(&one);
}

static void a_field_left_out_keeps_the_older_column(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"same", NULL};
    open_exec_stage(&one, "--program", "utf8 text");
    one_stage_run(&one, text_batch(one.arena, texts, 2));
    assert_string_equal(text_of(&one, "text", 0), "same");
    assert_null(text_of(&one, "text", 1));
    one_stage_close(&one);
}

static void the_program_drops_and_quarantines(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"a", "drop", "err", "b"};
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, 4));
    assert_int_equal(one.outcome.account.emitted.records, 2);
    assert_string_equal(one.outcome.reasons[0].reason, "too_silly");
    assert_string_equal(reject_of(&one, "k2")->reason, "program_error");
    assert_string_equal(reject_of(&one, "k2")->detail, "cannot say");
    assert_string_equal(text_of(&one, "label", 1), "n4");
    one_stage_close(&one);
}

static void answers_that_do_not_fit_cost_their_records_alone(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"junk", "a", "stranger", "wrong", "b"};
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, 5));
    assert_int_equal(one.outcome.account.quarantined.records, 3);
    assert_string_equal(reject_of(&one, "k0")->reason, "bad_answer");
    assert_string_equal(reject_of(&one, "k2")->detail, "answer has another record's key");
    assert_string_equal(reject_of(&one, "k3")->detail, "field \"label\" is not a string");
    assert_string_equal(text_of(&one, "label", 1), "n5");
    one_stage_close(&one);
}

static void a_record_that_ends_the_program_is_found(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"a", "die", "b", "crash", "c", "twice", "d"};
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, 7));
    assert_int_equal(one.outcome.account.emitted.records, 4);
    assert_string_equal(reject_of(&one, "k1")->reason, "program_failed");
    assert_string_equal(reject_of(&one, "k1")->detail, "program ended: exit status 3");
    assert_string_equal(reject_of(&one, "k3")->detail, "program ended: SIGABRT");
    assert_non_null(strstr(reject_of(&one, "k5")->detail, "more than 1 lines"));
    for (uint32_t row = 0; row < 4; row++)
        assert_non_null(text_of(&one, "label", row));
    static const char *const more[] = {"e"};
    one_stage_run(&one, text_batch(one.arena, more, 1));
    assert_int_equal(one.outcome.account.emitted.records, 1);
    one_stage_close(&one);
}

static void a_program_that_ends_now_and_then_loses_nothing(void **state)
{
    (void)state;
    struct one_stage one;
    static const char *const texts[] = {"third", "third", "third", "third", "third"};
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, 2));
    assert_int_equal(one.outcome.account.emitted.records, 2);
    one_stage_run(&one,
                  text_batch(one.arena, texts, 1)); /* its third: ends, tried again */
    assert_int_equal(one.outcome.account.emitted.records, 1);
    one_stage_close(&one);
}

static void full_pipes_block_nobody(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    struct one_stage one;
    static char text[100001] = "long";
    memset(text + 4, 'x', sizeof text - 5);
    const char *texts[COUNT];
    for (int i = 0; i < COUNT; i++)
        texts[i] = text;
    open_exec_stage(&one, "--program", "utf8 label");
    one_stage_run(&one, text_batch(one.arena, texts, COUNT));
    assert_int_equal(one.outcome.account.emitted.records, COUNT);
    assert_int_equal(strlen(text_of(&one, "label", COUNT - 1)), 200000);
    one_stage_close(&one);
}

static void a_program_that_never_answers_is_an_error_of_the_pipeline(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct one_stage one;
    const char *texts[COUNT];
    for (int i = 0; i < COUNT; i++)
        texts[i] = "mute";
    open_exec_stage(&one, "--program", "");
    assert_int_equal(chain_run(one.chain, text_batch(one.arena, texts, COUNT), one.arena,
                               &one.outcome, &one.error),
                     ERROR_CONFIG);
    assert_non_null(strstr(one.error.text, "never gave an answer"));
    one_stage_close(&one);
}

static void a_program_that_is_not_there_is_told_at_open(void **state)
{
    (void)state;
    struct one_stage one;
    assert_int_equal(one_stage_plan(&one, &stage_exec,
                                    "{command: [/nowhere/no-such-program]}", text_fields,
                                    2),
                     OK);
    assert_int_equal(chain_open(&one.phase, NULL, NULL, &one.chain, &one.error),
                     ERROR_CONFIG);
    assert_non_null(strstr(one.error.text, "/nowhere/no-such-program"));
    one_stage_close(&one);
}

static void refuse(const char *yaml, const char *text)
{
    struct one_stage one;
    assert_int_equal(one_stage_plan(&one, &stage_exec, yaml, text_fields, 2),
                     ERROR_CONFIG);
    if (!strstr(one.error.text, text))
        print_message("%s: %s\n", yaml, one.error.text);
    assert_non_null(strstr(one.error.text, text));
    one_stage_close(&one);
}

static void plan_refuses_what_cannot_be(void **state)
{
    (void)state;
    refuse("{}", "command");
    refuse("{command: []}", "needs a program");
    refuse("{command: [cat], adds: [label]}", "TYPE NAME");
    refuse("{command: [cat], adds: [label=utf8]}", "TYPE NAME");
    refuse("{command: [cat], adds: [text label]}", "TYPE NAME");
    refuse("{command: [cat], adds: [image<u8> label]}", "TYPE NAME");
    refuse("{command: [cat], adds: [\"utf8 \"]}", "TYPE NAME");
    refuse("{command: [cat], adds: [utf8 key]}", "cannot add column \"key\"");
    refuse("{command: [cat], adds: [utf8 _drop]}", "cannot add");
    refuse("{command: [cat], adds: [utf8 a, f64 a]}", "twice");
}

static void plan_puts_the_columns_into_the_schema(void **state)
{
    (void)state;
    struct one_stage one;
    assert_int_equal(
        one_stage_plan(&one, &stage_exec,
                       "{command: [cat], adds: [\"vector<f32, 8> v\", f64  text]}",
                       text_fields, 2),
        OK);
    const struct schema_field *field = schema_find(&one.phase.output_schema, "v");
    assert_int_equal(field->type, COLUMN_VECTOR_F32);
    assert_int_equal(field->dimension, 8);
    assert_int_equal(schema_find(&one.phase.output_schema, "text")->type, COLUMN_F64);
    one_stage_close(&one);
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error;
    assert_int_equal(stage_type_check(&stage_exec, &error), OK);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], PROCESS_CHILD_WORD) == 0)
        return process_child_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--program") == 0)
        return program_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_columns),
        cmocka_unit_test(a_field_left_out_has_no_value),
        cmocka_unit_test(a_field_left_out_keeps_the_older_column),
        cmocka_unit_test(the_program_drops_and_quarantines),
        cmocka_unit_test(answers_that_do_not_fit_cost_their_records_alone),
        cmocka_unit_test(a_record_that_ends_the_program_is_found),
        cmocka_unit_test(a_program_that_ends_now_and_then_loses_nothing),
        cmocka_unit_test(full_pipes_block_nobody),
        cmocka_unit_test(a_program_that_never_answers_is_an_error_of_the_pipeline),
        cmocka_unit_test(a_program_that_is_not_there_is_told_at_open),
        cmocka_unit_test(plan_refuses_what_cannot_be),
        cmocka_unit_test(plan_puts_the_columns_into_the_schema),
        cmocka_unit_test(the_descriptor_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
