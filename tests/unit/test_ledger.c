/* test_ledger.c - tests core/ledger.c, core/index.c and core/ledger_layout.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "core/ledger.h"
#include "tests/unit/job_fixture.h"

struct place {
    char folder[256], ledger[300], index[320];
    struct arena *arena;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    fixture_folder(place->folder, sizeof place->folder);
    (void)snprintf(place->ledger, sizeof place->ledger, "%s/ledger", place->folder);
    (void)snprintf(place->index, sizeof place->index, "%s/job/index.lmdb", place->folder);
    place->arena = arena_create(1 << 12, 0);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    fixture_remove(place->folder);
    arena_destroy(place->arena);
    free(place);
    return 0;
}

static struct ledger *open_ledger(const struct place *place, const char *from)
{
    struct ledger *ledger = NULL;
    assert_int_equal(ledger_open(place->ledger, from, &ledger, NULL), OK);
    return ledger;
}

static bool put_shard(struct ledger *ledger, shard_id shard, uint32_t generation,
                      uint32_t volume)
{
    struct shard_entry entry = {.shard = shard, .phase = 1, .generation = generation};
    struct bytes bytes = {0};
    bool is_new = false;
    shard_entry_write(&entry, &bytes);
    assert_int_equal(
        ledger_put_shard(ledger, volume, &entry, bytes.data, bytes.size, &is_new, NULL),
        OK);
    bytes_clear(&bytes);
    return is_new;
}

static uint32_t volume_of(struct index *index, shard_id shard, struct arena *arena)
{
    struct shard_entry entry;
    uint32_t volume;
    enum error_code code = index_get_shard(index, 1, shard, arena, &entry, &volume, NULL);
    assert_true(code == OK || code == ERROR_CLOSED);
    assert_true(code == ERROR_CLOSED || entry.shard == shard);
    return code == OK ? volume : 0;
}

static void the_first_entry_of_a_shard_stays(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    assert_true(put_shard(ledger, 7, 0, 1));
    assert_false(put_shard(ledger, 7, 0, 2));
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_false(put_shard(ledger, 7, 0, 3));
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    assert_int_equal(volume_of(index, 7, place->arena), 1);
    assert_true(put_shard(ledger, 7, 1, 4));
    assert_int_equal(volume_of(index, 7, place->arena), 1);
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_int_equal(volume_of(index, 7, place->arena), 4);
    assert_int_equal(volume_of(index, 8, place->arena), 0);
    index_close(index);
    ledger_close(ledger);
}

struct seen {
    uint64_t count;
    shard_id last;
};

static enum error_code see_shard(const struct shard_entry *entry, uint32_t volume_id,
                                 void *user, struct error *error)
{
    struct seen *seen = user;
    (void)error;
    assert_true(seen->count == 0 || seen->last < entry->shard);
    assert_int_equal(volume_id, 9);
    seen->last = entry->shard;
    return ++seen->count == 300 ? ERROR_CLOSED : OK;
}

static enum error_code see_suspect(const struct suspect *suspect, void *user,
                                   struct error *error)
{
    struct seen *seen = user;
    (void)error;
    seen->count++;
    seen->last = suspect->shard;
    assert_string_equal(suspect->reason, "SIGSEGV");
    return OK;
}

static enum error_code see_volume(const struct volume_record *volume, void *user,
                                  struct error *error)
{
    struct seen *seen = user;
    (void)error;
    assert_int_equal(volume->id, ++seen->count);
    return OK;
}

static void a_published_index_holds_all_records(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    struct seen seen = {0};
    struct volume_record volume;
    for (uint32_t i = 0; i < 1000; i++)
        (void)put_shard(ledger, SHARD_ID(i % 2, 1000 - i), 0, 9);
    for (uint32_t i = 1; i <= 3; i++) {
        struct volume_record record = {
            .id = i, .phase = 1, .name = "s1-1.lmdb", .size = i, .checksum = {i, 4}};
        assert_int_equal(ledger_put_volume(ledger, &record, NULL), OK);
    }
    assert_int_equal(ledger_put_meta(ledger, "state", "done", 4, NULL), OK);
    assert_int_equal(ledger_publish(ledger, place->index, NULL), OK);
    ledger_close(ledger);
    assert_int_equal(index_open(place->index, &index, NULL), OK);
    assert_int_equal(index_each_shard(index, 1, place->arena, see_shard, &seen, NULL),
                     ERROR_CLOSED);
    assert_int_equal(seen.count, 300);
    seen = (struct seen){0};
    assert_int_equal(index_each_shard(index, 2, place->arena, see_shard, &seen, NULL),
                     OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(index_each_volume(index, place->arena, see_volume, &seen, NULL), OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(index_get_volume(index, 2, place->arena, &volume, NULL), OK);
    assert_string_equal(volume.name, "s1-1.lmdb");
    assert_int_equal(volume.checksum.low, 2);
    assert_int_equal(index_get_volume(index, 4, place->arena, &volume, NULL),
                     ERROR_CLOSED);
    const void *data;
    size_t size;
    assert_int_equal(index_get_meta(index, "state", &data, &size, NULL), OK);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "done", 4);
    assert_int_equal(index_get_meta(index, "none", &data, &size, NULL), ERROR_CLOSED);
    index_close(index);
}

static void phases_come_back_with_the_length_of_streams(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    struct phase_record read;
    struct input_file files[2] = {
        {.path = "/x/a", .name = "a", .size = 5, .compression = COMPRESSION_GZIP},
        {.path = "/x/b", .name = "b", .size = 6}};
    struct run runs[2] = {
        {.kind = RUN_STREAM, .first_file = 0, .file_count = 1, .count = SHARDS_UNKNOWN},
        {.kind = RUN_PLAIN, .first_file = 1, .file_count = 1, .count = 3}};
    struct phase_record phase = {.phase = 4,
                                 .name = "main",
                                 .shard_bytes = 100,
                                 .manifest = {.files = files,
                                              .file_count = 2,
                                              .runs = runs,
                                              .run_count = 2,
                                              .bytes = 11,
                                              .shard_bytes = 100}};
    assert_int_equal(ledger_put_phase(ledger, &phase, NULL), OK);
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    assert_int_equal(index_phase_count(index), 1);
    assert_int_equal(index_get_phase(index, 4, place->arena, &read, NULL), OK);
    assert_int_equal(read.manifest.runs[0].count, SHARDS_UNKNOWN);
    assert_int_equal(ledger_put_stream(ledger, 4, 0, 17, NULL), OK);
    assert_int_equal(ledger_put_stream(ledger, 4, 1, 99, NULL), OK);
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_int_equal(index_get_phase(index, 4, place->arena, &read, NULL), OK);
    assert_int_equal(read.manifest.runs[0].count, 17);
    assert_int_equal(read.manifest.runs[1].count, 3);
    assert_string_equal(read.manifest.files[1].name, "b");
    assert_int_equal(read.manifest.files[0].compression, COMPRESSION_GZIP);
    assert_int_equal(index_get_phase(index, 3, place->arena, &read, NULL), ERROR_CLOSED);
    index_close(index);
    ledger_close(ledger);
}

static void a_stream_is_entered_at_or_before_a_shard(void **state)
{
    const struct place *place = *state;
    static const struct {
        uint32_t run, index;
        uint64_t wanted;
    } cases[] = {{1, 0, 0},           {1, 2, 0}, {1, 3, 30}, {1, 4, 30}, {1, 7, 70},
                 {1, UINT32_MAX, 70}, {2, 5, 0}, {0, 5, 0},  {3, 1, 10}};
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    assert_int_equal(ledger_put_entry(ledger, 0, 1, 3, 30, 300, NULL), OK);
    assert_int_equal(ledger_put_entry(ledger, 0, 1, 7, 70, 700, NULL), OK);
    assert_int_equal(ledger_put_entry(ledger, 0, 3, 1, 10, 100, NULL), OK);
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t compressed = 0;
        uint64_t decompressed = 0;
        enum error_code code = index_get_entry(index, 0, cases[i].run, cases[i].index,
                                               &compressed, &decompressed, NULL);
        assert_int_equal(code, cases[i].wanted ? OK : ERROR_CLOSED);
        assert_int_equal(compressed, cases[i].wanted);
        assert_int_equal(decompressed, cases[i].wanted * 10);
    }
    index_close(index);
    ledger_close(ledger);
}

static void suspects_are_dropped_with_their_shard(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    struct seen seen = {0};
    for (uint32_t i = 0; i < 6; i++) {
        struct suspect suspect = {
            .phase = 1, .shard = i / 2, .ordinal = i, .strikes = 1, .reason = "SIGSEGV"};
        assert_int_equal(ledger_put_suspect(ledger, &suspect, NULL), OK);
    }
    assert_int_equal(ledger_drop_suspects(ledger, 1, 1, NULL), OK);
    assert_int_equal(ledger_drop_suspects(ledger, 0, 0, NULL), OK);
    assert_int_equal(ledger_drop_suspects(ledger, 1, 2, NULL), OK);
    assert_int_equal(ledger_commit(ledger, NULL), OK);
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    assert_int_equal(index_each_suspect(index, place->arena, see_suspect, &seen, NULL),
                     OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last, 0);
    index_close(index);
    ledger_close(ledger);
}

static void a_ledger_goes_on_from_an_index(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    (void)put_shard(ledger, 1, 0, 1);
    assert_int_equal(ledger_publish(ledger, place->index, NULL), OK);
    (void)put_shard(ledger, 2, 0, 1);
    ledger_close(ledger);
    ledger = open_ledger(place, place->index);
    (void)put_shard(ledger, 3, 0, 5);
    assert_int_equal(ledger_publish(ledger, place->index, NULL), OK);
    ledger_close(ledger);
    assert_int_equal(index_open(place->index, &index, NULL), OK);
    assert_int_equal(volume_of(index, 1, place->arena), 1);
    assert_int_equal(volume_of(index, 2, place->arena), 0);
    assert_int_equal(volume_of(index, 3, place->arena), 5);
    index_close(index);
}

static void a_ledger_left_on_scratch_is_taken_up(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    (void)put_shard(ledger, 1, 0, 1);
    ledger_close(ledger);
    ledger = open_ledger(place, NULL);
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    assert_int_equal(volume_of(index, 1, place->arena), 1);
    index_close(index);
    ledger_close(ledger);
    fixture_write_text(place->folder, "ledger", "no LMDB file at all");
    ledger_close(open_ledger(place, NULL));
}

static void a_damaged_index_is_refused(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    (void)put_shard(ledger, 1, 0, 1);
    assert_int_equal(index_open(place->index, &index, NULL), ERROR_IO);
    assert_int_equal(ledger_publish(ledger, place->index, NULL), OK);
    ledger_close(ledger);
    FILE *file = fopen(place->index, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 5000, SEEK_SET), 0);
    assert_int_equal(fputc('!', file), '!');
    assert_int_equal(fclose(file), 0);
    assert_int_equal(index_open(place->index, &index, NULL), ERROR_DAMAGED);
    assert_int_equal(ledger_open(place->ledger, place->index, &ledger, NULL),
                     ERROR_DAMAGED);
    assert_int_equal(truncate(place->index, 4096), 0);
    assert_int_equal(index_open(place->index, &index, NULL), ERROR_DAMAGED);
}

/* Many commits with a view open: LMDB uses pages again, the view must not see that. */
static void a_live_view_follows_the_commits(void **state)
{
    const struct place *place = *state;
    struct ledger *ledger = open_ledger(place, NULL);
    struct index *index;
    assert_int_equal(ledger_index(ledger, &index, NULL), OK);
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < 20; i++)
            (void)put_shard(ledger, SHARD_ID(i, round), 0, round + 1);
        assert_int_equal(ledger_commit(ledger, NULL), OK);
        assert_int_equal(volume_of(index, SHARD_ID(round % 20, round), place->arena),
                         round + 1);
        assert_int_equal(volume_of(index, SHARD_ID(3, round / 2), place->arena),
                         round / 2 + 1);
    }
    index_close(index);
    ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_entry_of_a_shard_stays, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_published_index_holds_all_records, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(phases_come_back_with_the_length_of_streams,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_is_entered_at_or_before_a_shard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(suspects_are_dropped_with_their_shard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ledger_goes_on_from_an_index, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ledger_left_on_scratch_is_taken_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_index_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_live_view_follows_the_commits, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
