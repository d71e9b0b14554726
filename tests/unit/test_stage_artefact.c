/* test_stage_artefact.c - artefacts appear whole, and damage to them is found */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/pipeline.h"
#include "core/stage.h"
#include "core/stage_artefact.h"

/* A stage that writes what its options say. */
struct writer {
    const char *first, *second; /* second NULL: it fails behind the first */
};

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum error_code writer_finish(struct stage *self, const char *folder,
                                     struct error *error)
{
    const struct writer *writer = self->options;
    put_file(folder, "one.txt", writer->first);
    if (!writer->second)
        return error_set(error, ERROR_CONFIG, "nothing to write");
    put_file(folder, "two.txt", writer->second);
    return OK;
}

static const char *const *writer_files(const void *options)
{
    static const char *const names[] = {"one.txt", "two.txt", NULL};
    (void)options;
    return names;
}

static const struct stage_fit writer_fit = {.files = writer_files,
                                            .finish = writer_finish};
static const struct stage_type writer_type = {.name = "writer", .fit = &writer_fit};

struct fixture {
    char job[64];
    struct bytes list;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char path[128];
    if (!fixture)
        return -1;
    (void)snprintf(fixture->job, sizeof fixture->job, "/tmp/test_artefact.XXXXXX");
    if (!mkdtemp(fixture->job))
        return -1;
    (void)snprintf(path, sizeof path, "%s/artefacts", fixture->job);
    *state = fixture;
    return mkdir(path, 0777);
}

static int teardown(void **state)
{
    static const char *const names[] = {"artefacts/fit/one.txt", "artefacts/fit/two.txt",
                                        "artefacts/fit", "artefacts", ""};
    struct fixture *fixture = *state;
    bool is_clean = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", fixture->job, names[i]);
        is_clean = (remove(path) == 0 || i < 2) && is_clean;
    }
    bytes_clear(&fixture->list);
    free(fixture);
    return is_clean ? 0 : -1; /* a hidden folder that stayed would stop rmdir */
}

static enum error_code publish(struct fixture *fixture, const char *first,
                               const char *second, struct error *error)
{
    struct writer writer = {first, second};
    struct stage stage = {.type = &writer_type, .options = &writer};
    bytes_reset(&fixture->list);
    return stage_artefact_publish(&stage, fixture->job, "fit", "000001-1", &fixture->list,
                                  error);
}

static enum error_code check(const struct fixture *fixture, struct error *error)
{
    return stage_artefact_check(fixture->job, "fit", (const char *)fixture->list.data,
                                fixture->list.size, error);
}

static void what_is_published_is_listed_and_holds(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    assert_int_equal(publish(fixture, "hello", "", &error), OK);
    /* XXH3-128 of "hello" and of nothing. */
    static const char wanted[] = "b5e9c1ad071b3e7fc779cfaa5e523818 5 one.txt\n"
                                 "99aa06d3014798d86001c324468d497f 0 two.txt\n";
    assert_int_equal(fixture->list.size, strlen(wanted));
    assert_memory_equal(fixture->list.data, wanted, strlen(wanted));
    assert_int_equal(check(fixture, &error), OK);
}

static void a_second_time_replaces_the_first(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    assert_int_equal(publish(fixture, "hello", "", &error), OK);
    assert_int_equal(publish(fixture, "goodbye", "x", &error), OK);
    assert_int_equal(check(fixture, &error), OK);
    assert_non_null(strstr((const char *)fixture->list.data, " 7 one.txt\n"));
}

static void a_stage_that_fails_leaves_what_was_there(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    assert_int_equal(publish(fixture, "hello", "x", &error), OK);
    struct bytes before = {0};
    bytes_put(&before, fixture->list.data, fixture->list.size);
    assert_int_equal(publish(fixture, "new", NULL, &error), ERROR_CONFIG);
    assert_string_equal(error.text, "stage writer: nothing to write");
    assert_int_equal(stage_artefact_check(fixture->job, "fit", (const char *)before.data,
                                          before.size, &error),
                     OK);
    bytes_clear(&before);
}

static void damage_is_found(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    char folder[128];
    assert_true(pipeline_artefact_folder(fixture->job, "fit", folder, sizeof folder));
    assert_int_equal(publish(fixture, "hello", "x", &error), OK);
    put_file(folder, "two.txt", "y"); /* of the same size */
    assert_int_equal(check(fixture, &error), ERROR_DAMAGED);
    assert_non_null(strstr(error.text, "/artefacts/fit/two.txt\" is not as it was made"));
    put_file(folder, "two.txt", "x");
    assert_int_equal(check(fixture, &error), OK);
    put_file(folder, "one.txt", "hell");
    assert_int_equal(check(fixture, &error), ERROR_DAMAGED);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/one.txt", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(check(fixture, &error), ERROR_DAMAGED);
    assert_non_null(strstr(error.text, "cannot open"));
}

static void a_list_that_is_none_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    char huge[5000];
    memset(huge, 'a', sizeof huge);
    static const char *const lists[] = {
        "x",
        "\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818 5\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818 5 ../../nonce\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818 -5 one.txt\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818 99999999999999999999 one.txt\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818  5 one.txt\n",
        "b5e9c1ad071b3e7fc779cfaa5e5238180 5 one.txt\n",
        "b5e9c1ad071b3e7fc779cfaa5e523818 5 \n",
        "B5E9C1AD071B3E7FC779CFAA5E523818 5 one.txt\n"};
    assert_int_equal(publish(fixture, "hello", "x", &error), OK);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_int_equal(
            stage_artefact_check(fixture->job, "fit", lists[i], strlen(lists[i]), &error),
            ERROR_DAMAGED);
    assert_int_equal(stage_artefact_check(fixture->job, "fit", huge, sizeof huge, &error),
                     ERROR_DAMAGED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_is_published_is_listed_and_holds),
        CASE(a_second_time_replaces_the_first),
        CASE(a_stage_that_fails_leaves_what_was_there),
        CASE(damage_is_found),
        CASE(a_list_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
