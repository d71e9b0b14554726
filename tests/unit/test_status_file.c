/* test_status_file.c - status.json comes back as it was written */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/bytes.h"

static const struct reason reasons[] = {
    {"filter", "too_short", false, {UINT64_MAX, 1}},
    {"input", "invalid_utf8", true, {2, UINT64_MAX - 1}},
};
static const struct status_phase phases[] = {
    {"count", {.state = STATUS_FINISHED, .shards_total = 3, .shards_done = 3}},
    {"tokens", {.state = STATUS_RUNNING, .account.read = {7, 8}}},
};

static struct status example(void)
{
    return (struct status){
        .name = "corpus \"tokens\" \\ \t \xC3\xA9 \xF0\x9F\x98\x80",
        .part = {.state = STATUS_FAILED,
                 .seconds = 12.345,
                 .shards_total = UINT64_MAX,
                 .shards_done = UINT64_C(9007199254740993),
                 .is_total_exact = true,
                 .account = {.read = {1, 2},
                             .emitted = {3, 4},
                             .dropped = {5, 6},
                             .quarantined = {7, 8},
                             .separator_bytes = 9,
                             .used = {.records = 2},
                             .made = {.made = {.records = 10},
                                      .merged = {.records = 1},
                                      .emitted = {.records = 2},
                                      .dropped = {.records = 3},
                                      .quarantined = {.records = 4}}},
                 .stored_bytes = 10},
        .session = 11,
        .host = "node7",
        .boot = "b-o-o-t",
        .pid = UINT32_MAX,
        .process_start = UINT64_MAX,
        .started_ms = 1769903999123,
        .updated_ms = -1,
        .workers = 12,
        .executors = 13,
        .retried = 14,
        .speculated = 15,
        .changed_worker = 16,
        .fsync_count = 17,
        .fsync_us = 18,
        .phases = phases,
        .phase_count = 2,
        .reasons = reasons,
        .reason_count = 2,
        .message = "disk full",
    };
}

static void assert_same(const struct status *a, const struct status *b)
{
    struct bytes x = {0}, y = {0};
    status_write(a, &x);
    status_write(b, &y);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    bytes_clear(&x);
    bytes_clear(&y);
}

static void every_field_comes_back(void **state)
{
    (void)state;
    const struct status status = example();
    struct status read;
    struct error error;
    struct bytes text = {0};
    struct arena *arena = arena_create(4096, 0);
    status_write(&status, &text);
    assert_int_equal(
        status_read((const char *)text.data, text.size, arena, &read, &error), OK);
    assert_same(&status, &read);
    assert_string_equal(read.name, status.name);
    assert_true(read.part.shards_total == UINT64_MAX);
    assert_true(read.part.shards_done == UINT64_C(9007199254740993));
    assert_int_equal(read.part.state, STATUS_FAILED);
    assert_int_equal(read.updated_ms, -1);
    assert_int_equal(read.phases[0].part.state, STATUS_FINISHED);
    assert_int_equal(read.phases[1].part.account.read.bytes, 8);
    assert_true(read.reasons[1].is_quarantine);
    assert_true(read.reasons[0].tally.records == UINT64_MAX);
    arena_destroy(arena);
    bytes_clear(&text);
}

static void bytes_that_are_not_utf8_become_the_replacement_character(void **state)
{
    (void)state;
    struct status status = {.name = "a\xFF\xC0\x80\xED\xA0\x80z", .host = "\xE2\x82"};
    struct status read;
    struct error error;
    struct bytes text = {0};
    struct arena *arena = arena_create(4096, 0);
    status_write(&status, &text);
    assert_int_equal(
        status_read((const char *)text.data, text.size, arena, &read, &error), OK);
#define R "\xEF\xBF\xBD"
    assert_string_equal(read.name, "a" R R R R R R "z");
    assert_string_equal(read.host, R R);
    assert_null(read.message);
    assert_int_equal(read.phase_count, 0);
    arena_destroy(arena);
    bytes_clear(&text);
}

static void every_cut_of_the_text_is_damaged(void **state)
{
    (void)state;
    const struct status status = example();
    struct status read;
    struct bytes text = {0};
    struct arena *arena = arena_create(4096, 0);
    status_write(&status, &text);
    for (size_t size = 0; size < text.size; size++) {
        char *cut = malloc(size + 1); /* so that a sanitizer sees a read behind it */
        assert_non_null(cut);
        memcpy(cut, text.data, size);
        assert_int_equal(status_read(cut, size, arena, &read, NULL), ERROR_DAMAGED);
        free(cut);
    }
    arena_destroy(arena);
    bytes_clear(&text);
}

static void wrong_values_are_damaged_and_unknown_keys_are_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error_code code;
    } cases[] = {
        {"{\"name\":\"a\",\"host\":\"b\"}", OK},
        {" { \"name\" : \"a\\u00e9\\ud83d\\ude00\" , \"host\":\"b\" } \n", OK},
        {"{\"name\":\"a\",\"host\":\"b\",\"new\":{\"x\":[1,2.5e3,{}],\"y\":null}}", OK},
        {"{\"name\":\"a\",\"host\":\"b\",\"records\":{\"read\":1,\"made\":[]}}", OK},
        {"{\"name\":\"a\",\"host\":\"b\"} x", ERROR_DAMAGED},
        {"{\"name\":\"a\"}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"pid\":4294967296}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"session\":18446744073709551616}",
         ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"session\":-1}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"session\":1.5}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"session\":\"1\"}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"state\":\"asleep\"}", ERROR_DAMAGED},
        {"{\"name\":\"a\\ud83d\",\"host\":\"b\"}", ERROR_DAMAGED},
        {"{\"name\":\"a\\q\",\"host\":\"b\"}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"phases\":[1]}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"phases\":[{}]}", ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"reasons\":[{\"stage\":\"x\"}]}",
         ERROR_DAMAGED},
        {"{\"name\":\"a\",\"host\":\"b\",\"seconds\":1e999}", ERROR_DAMAGED},
        {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}", ERROR_DAMAGED},
    };
    struct arena *arena = arena_create(4096, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct status read;
        enum error_code code =
            status_read(cases[i].text, strlen(cases[i].text), arena, &read, NULL);
        if (code != cases[i].code)
            print_error("%s\n", cases[i].text);
        assert_int_equal(code, cases[i].code);
    }
    arena_destroy(arena);
}

static void saved_status_is_loaded_and_nothing_else_is_left(void **state)
{
    (void)state;
    char job[] = "/tmp/test_status_file.XXXXXX", path[64];
    assert_non_null(mkdtemp(job));
    const struct status status = example();
    struct status read;
    struct error error;
    struct arena *arena = arena_create(4096, 0);
    assert_int_equal(status_load(job, arena, &read, &error), ERROR_CLOSED);
    assert_int_equal(status_save(job, &status, &error), OK);
    assert_int_equal(status_save(job, &status, &error), OK);
    assert_int_equal(status_load(job, arena, &read, &error), OK);
    assert_same(&status, &read);
    (void)snprintf(path, sizeof path, "%s/status.json", job);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(job), 0);
    assert_int_equal(status_save(job, &status, &error), ERROR_IO);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(bytes_that_are_not_utf8_become_the_replacement_character),
        cmocka_unit_test(every_cut_of_the_text_is_damaged),
        cmocka_unit_test(wrong_values_are_damaged_and_unknown_keys_are_not),
        cmocka_unit_test(saved_status_is_loaded_and_nothing_else_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
