/* test_fold.c - a shard of a fit leaves one record, and the account holds at every step */
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

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "worker/fold.h"
#include "worker/output.h"

/* A stage whose state is the texts that it merged, with "+" between. */
struct glue {
    char text[64];
};

static enum error_code glue_begin(struct stage *self, struct error *error)
{
    struct glue *glue = self->state;
    (void)error;
    glue->text[0] = 0;
    return OK;
}
static enum error_code glue_merge(struct stage *self, const void *state, size_t size,
                                  struct error *error)
{
    struct glue *glue = self->state;
    size_t used = strlen(glue->text);
    if (size == 0)
        return error_set(error, ERROR_DAMAGED, "an empty state");
    (void)snprintf(glue->text + used, sizeof glue->text - used, "%s%.*s", used ? "+" : "",
                   (int)size, (const char *)state);
    return OK;
}
static enum error_code glue_save(struct stage *self, struct bytes *state,
                                 struct error *error)
{
    const struct glue *glue = self->state;
    (void)error;
    bytes_put(state, glue->text, strlen(glue->text));
    return OK;
}
static enum error_code glue_finish(struct stage *self, const char *folder,
                                   struct error *error)
{
    const struct glue *glue = self->state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/glue", folder);
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set(error, ERROR_IO, "cannot write");
    (void)fputs(glue->text, file);
    return fclose(file) == 0 ? OK : error_set(error, ERROR_IO, "cannot write");
}
static const char *const *glue_files(const void *options)
{
    static const char *const names[] = {"glue", NULL};
    (void)options;
    return names;
}
static const struct stage_fit glue_fit = {.files = glue_files,
                                          .begin = glue_begin,
                                          .save = glue_save,
                                          .merge = glue_merge,
                                          .finish = glue_finish};
static const struct stage_type glue_type = {.name = "glue", .fit = &glue_fit};

struct fixture {
    char job[64];
    struct arena *arena;
    struct phase_spec phase;
    struct glue glue;
    struct stage stage;
    struct fold *fold;
    struct output *output;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char path[128];
    if (!fixture)
        return -1;
    (void)snprintf(fixture->job, sizeof fixture->job, "/tmp/test_fold.XXXXXX");
    if (!mkdtemp(fixture->job))
        return -1;
    (void)snprintf(path, sizeof path, "%s/artefacts", fixture->job);
    if (mkdir(path, 0777) != 0)
        return -1;
    fixture->arena = arena_create(1 << 16, 0);
    fixture->stage = (struct stage){.type = &glue_type, .state = &fixture->glue};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"artefacts/fit/glue", "artefacts/fit",
                                        "artefacts", "volume", ""};
    struct fixture *fixture = *state;
    fold_destroy(fixture->fold);
    output_close(fixture->output);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", fixture->job, names[i]);
        (void)remove(path);
    }
    arena_destroy(fixture->arena);
    free(fixture);
    return 0;
}

static void begin(struct fixture *fixture, enum fit_step step)
{
    char path[128];
    uint64_t count;
    static const struct volume_meta meta = {.phase_name = "fit", .host = "h"};
    fixture->phase = (struct phase_spec){.name = "fit", .fit = step, .fit_name = "fit"};
    struct schema *schema = &fixture->phase.output_schema;
    bool is_last = step == FIT_FINISH;
    assert_int_equal(schema_put(schema, "key", COLUMN_UTF8, 0, NULL), OK);
    assert_int_equal(schema_put(schema, is_last ? "artefacts" : "state",
                                is_last ? COLUMN_UTF8 : COLUMN_BYTES, 0, NULL),
                     OK);
    (void)snprintf(path, sizeof path, "%s/volume", fixture->job);
    assert_int_equal(
        output_open(&fixture->phase, &meta, path, &fixture->output, &count, NULL), OK);
    assert_int_equal(fold_create(&fixture->phase, &fixture->stage, fixture->job, "d",
                                 &fixture->fold, NULL),
                     OK);
    output_begin(fixture->output, 0, 0);
    assert_int_equal(fold_begin(fixture->fold, NULL), OK);
}

/* Three records "a", "b", "c" with states "1", "2", "3", of 10, 20 and 30 bytes. */
static const uint64_t offsets[] = {0, 1, 2, 3};
static const struct column key = {
    .name = "key", .type = COLUMN_UTF8, .offsets = offsets, .data = "abc"};
static const struct column value = {
    .name = "state", .type = COLUMN_BYTES, .offsets = offsets, .data = "123"};
static const struct column *const columns[] = {&key, &value};
static const struct origin origins[] = {{.file = 1, .offset = 5, .size = 10},
                                        {.file = 0, .offset = 0, .size = 20},
                                        {.file = 1, .offset = 90, .size = 30}};
static const struct batch rows = {
    .count = 3, .column_count = 2, .origins = origins, .columns = columns};
static const char *const names[] = {"f0", "f1"};
static const struct file_names files = {.names = names, .count = 2};

static void read_rows(struct fixture *fixture)
{
    output_read(fixture->output, (struct tally){3, 60}, 0);
}

static struct shard_entry end(struct fixture *fixture)
{
    const struct shard_entry *entry;
    struct error error = {0};
    assert_int_equal(fold_end(fixture->fold, fixture->arena, fixture->output, &error),
                     OK);
    assert_int_equal(output_finish(fixture->output, 0, &entry, &error), OK);
    return *entry;
}

static void one_record_is_left_and_the_others_are_accumulated(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, FIT_READ);
    read_rows(fixture);
    assert_int_equal(fold_took(fixture->fold, &rows, &files, fixture->output, NULL), OK);
    read_rows(fixture);
    assert_int_equal(fold_took(fixture->fold, &rows, &files, fixture->output, NULL), OK);
    struct shard_entry entry = end(fixture);
    assert_true(account_holds(&entry.account));
    assert_int_equal(entry.account.emitted.records, 1);
    assert_int_equal(entry.account.emitted.bytes, 10);
    assert_int_equal(entry.account.dropped.records, 5);
    assert_int_equal(entry.account.dropped.bytes, 110);
    assert_int_equal(entry.reason_count, 1);
    assert_string_equal(entry.reasons[0].stage, "glue");
    assert_string_equal(entry.reasons[0].reason, "accumulated");
    assert_int_equal(entry.block_count, 1);
}

static void states_are_merged_in_order(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, FIT_MERGE);
    assert_true(fold_is_of_states(fixture->fold));
    read_rows(fixture);
    assert_int_equal(fold_merge(fixture->fold, &rows, &files, fixture->output, NULL), OK);
    struct shard_entry entry = end(fixture);
    assert_string_equal(fixture->glue.text, "1+2+3");
    assert_int_equal(entry.account.emitted.records, 1);
    assert_int_equal(entry.account.dropped.records, 2);
}

static void a_shard_without_records_leaves_none(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, FIT_MERGE);
    struct shard_entry entry = end(fixture);
    assert_int_equal(entry.account.emitted.records, 0);
    assert_int_equal(entry.block_count, 0);
}

static void the_last_step_publishes_and_tells_of_it(void **state)
{
    struct fixture *fixture = *state;
    begin(fixture, FIT_FINISH);
    read_rows(fixture);
    assert_int_equal(fold_merge(fixture->fold, &rows, &files, fixture->output, NULL), OK);
    struct shard_entry entry = end(fixture);
    assert_int_equal(entry.account.emitted.records, 1);
    char path[128], text[16] = "";
    (void)snprintf(path, sizeof path, "%s/artefacts/fit/glue", fixture->job);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "1+2+3");
}

static void without_any_record_there_is_no_artefact(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    begin(fixture, FIT_FINISH);
    assert_int_equal(fold_end(fixture->fold, fixture->arena, fixture->output, &error),
                     ERROR_CONFIG);
    assert_string_equal(error.text, "no record came to stage glue of phase fit");
}

static void a_state_that_is_refused_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    static const uint64_t nothing[] = {0, 0};
    const struct column empty = {
        .name = "state", .type = COLUMN_BYTES, .offsets = nothing, .data = ""};
    const struct column *const pair[] = {&key, &empty};
    const struct batch one = {
        .count = 1, .column_count = 2, .origins = origins, .columns = pair};
    begin(fixture, FIT_MERGE);
    assert_int_equal(fold_merge(fixture->fold, &one, &files, fixture->output, &error),
                     ERROR_DAMAGED);
    assert_string_equal(error.text, "stage glue: an empty state");
    const struct batch none = {
        .count = 1, .column_count = 1, .origins = origins, .columns = pair};
    assert_int_equal(fold_merge(fixture->fold, &none, &files, fixture->output, &error),
                     ERROR_DAMAGED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(one_record_is_left_and_the_others_are_accumulated),
        CASE(states_are_merged_in_order),
        CASE(a_shard_without_records_leaves_none),
        CASE(the_last_step_publishes_and_tells_of_it),
        CASE(without_any_record_there_is_no_artefact),
        CASE(a_state_that_is_refused_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
