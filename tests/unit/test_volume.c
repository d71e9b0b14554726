/* test_volume.c - tests core/volume.c, core/volume_read.c, core/volume_keys.c and
 * core/sealed_file.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/volume.h"
#include "core/volume_keys.h"
#include "tests/unit/job_fixture.h"

enum { ROWS = 25 };
static const struct volume_meta meta = {
    .fingerprint = {.low = 1, .high = 2}, .phase_name = "main", .host = "here"};

struct place {
    char folder[256], scratch[300], published[300], volume[320];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    fixture_folder(place->folder, sizeof place->folder);
    (void)snprintf(place->scratch, sizeof place->scratch, "%s/scratch", place->folder);
    (void)snprintf(place->published, sizeof place->published, "%s/a/b", place->folder);
    (void)snprintf(place->volume, sizeof place->volume, "%s/v.lmdb", place->published);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    fixture_remove(place->folder);
    free(place);
    return 0;
}

static struct volume_writer *create(const struct place *place, uint64_t wanted_shards)
{
    struct volume_writer *writer = NULL;
    uint64_t count;
    assert_int_equal(volume_create(place->scratch, &meta, &writer, &count, NULL), OK);
    assert_int_equal(count, wanted_shards);
    return writer;
}

static void seal(const struct place *place, struct volume_writer *writer,
                 struct volume_info *info)
{
    assert_int_equal(volume_seal(writer, place->published, "v.lmdb", info, NULL), OK);
}

struct seen {
    uint64_t count;
    shard_id shard;
    uint32_t position;
};

static enum error_code see_shard(const struct shard_entry *entry, void *user,
                                 struct error *error)
{
    struct seen *seen = user;
    (void)error;
    assert_true(seen->count == 0 || seen->shard < entry->shard);
    seen->shard = entry->shard;
    seen->count++;
    return OK;
}

static enum error_code see_key(shard_id shard, uint32_t position, void *user,
                               struct error *error)
{
    struct seen *seen = user;
    (void)error;
    seen->count++;
    seen->shard = shard;
    seen->position = position;
    return OK;
}

static enum error_code see_reject(const struct reject *reject, void *user,
                                  struct error *error)
{
    struct seen *seen = user;
    (void)error;
    assert_true(seen->count == 0 || seen->position <= reject->offset);
    seen->count++;
    seen->position = (uint32_t)reject->offset;
    return OK;
}

static void assert_key(struct volume *volume, const char *key, uint64_t count,
                       shard_id shard, uint32_t position)
{
    struct seen seen = {0};
    assert_int_equal(volume_each_key(volume, key, strlen(key), see_key, &seen, NULL), OK);
    assert_int_equal(seen.count, count);
    if (count > 0) {
        assert_true(seen.shard == shard);
        assert_int_equal(seen.position, position);
    }
}

/* Is the shard there, with blocks that decode and the digest that it says? */
static void assert_shard(struct volume *volume, shard_id shard, uint32_t rows)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes scratch = {0};
    struct shard_entry entry;
    struct seen seen = {0};
    struct hash128 sum;
    uint32_t count = 0;
    assert_int_equal(volume_get_shard(volume, shard, arena, &entry, NULL), OK);
    assert_int_equal(volume_each_reject(volume, shard, arena, see_reject, &seen, NULL),
                     OK);
    assert_int_equal(seen.count, 1);
    sum = reject_digest(fixture_names[SHARD_RUN(shard)], seen.position, 0, "input",
                        "bad_json", &scratch);
    for (uint64_t i = 0; i < entry.block_count; i++) {
        const void *data;
        size_t size;
        struct batch *batch;
        struct file_names files;
        assert_int_equal(
            volume_get_block(volume, entry.first_block + i, &data, &size, NULL), OK);
        assert_int_equal(block_decode(data, size, arena, &batch, &files, NULL), OK);
        for (uint32_t k = 0; k < batch->count; k++)
            sum = hash128_add(sum, record_digest(batch, k, files.names[0], &scratch));
        count += batch->count;
    }
    assert_int_equal(count, rows);
    assert_true(hash128_is_equal(sum, entry.digest));
    bytes_clear(&scratch);
    arena_destroy(arena);
}

static void a_sealed_volume_holds_what_was_put(void **state)
{
    const struct place *place = *state;
    struct arena *arena = arena_create(1 << 12, 0);
    struct volume_writer *writer = create(place, 0);
    struct volume_info info, checked, footer;
    struct volume *volume;
    struct volume_meta read;
    struct seen seen = {0};
    struct shard_entry entry;
    for (uint32_t i = 0; i < 9; i++)
        (void)fixture_put_shard(writer, SHARD_ID(i % 3, 8 - i), ROWS, i);
    seal(place, writer, &info);
    assert_int_equal(access(place->scratch, F_OK), -1);
    assert_true(info.fsync_count >= 2);
    assert_int_equal(volume_check(place->volume, &checked, NULL), OK);
    assert_int_equal(volume_read_footer(place->volume, &footer, NULL), OK);
    assert_true(hash128_is_equal(info.checksum, checked.checksum));
    assert_true(hash128_is_equal(info.checksum, footer.checksum));
    assert_int_equal(info.size, checked.size);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_int_equal(volume_read_meta(volume, arena, &read, NULL), OK);
    assert_string_equal(read.phase_name, "main");
    assert_true(hash128_is_equal(read.fingerprint, meta.fingerprint));
    assert_int_equal(volume_each_shard(volume, arena, see_shard, &seen, NULL), OK);
    assert_int_equal(seen.count, 9);
    for (uint32_t i = 0; i < 9; i++)
        assert_shard(volume, SHARD_ID(i % 3, 8 - i), ROWS);
    assert_int_equal(volume_get_shard(volume, SHARD_ID(9, 9), arena, &entry, NULL),
                     ERROR_CLOSED);
    assert_key(volume, "key-4-7", 1, SHARD_ID(1, 4), 7);
    assert_key(volume, "key-4-25", 0, 0, 0);
    volume_close(volume);
    arena_destroy(arena);
}

static void what_was_not_committed_is_forgotten(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    struct seen seen = {0};
    struct arena *arena = arena_create(1 << 12, 0);
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    assert_int_equal(volume_commit(writer, NULL), OK);
    (void)fixture_put_shard(writer, SHARD_ID(1, 0), ROWS, 1);
    volume_rollback(writer);
    (void)fixture_put_shard(writer, SHARD_ID(2, 0), ROWS, 2);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_int_equal(volume_each_shard(volume, arena, see_shard, &seen, NULL), OK);
    assert_int_equal(seen.count, 2);
    assert_shard(volume, SHARD_ID(0, 0), ROWS);
    assert_shard(volume, SHARD_ID(2, 0), ROWS);
    assert_key(volume, "key-1-0", 0, 0, 0);
    assert_key(volume, "key-2-0", 1, SHARD_ID(2, 0), 0);
    volume_close(volume);
    arena_destroy(arena);
}

static void a_file_left_behind_is_taken_over(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    uint64_t number;
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    (void)fixture_put_shard(writer, SHARD_ID(0, 1), ROWS, 1);
    /* A block of a shard that never came to its end. */
    assert_int_equal(volume_put_block(writer, "x", 1, &number, NULL), OK);
    assert_int_equal(volume_commit(writer, NULL), OK);
    (void)fixture_put_shard(writer, SHARD_ID(1, 0), ROWS, 2);
    volume_abandon(writer);
    writer = create(place, 2);
    assert_int_equal(volume_next_block(writer), number + 1);
    (void)fixture_put_shard(writer, SHARD_ID(2, 0), ROWS, 3);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_shard(volume, SHARD_ID(0, 1), ROWS);
    assert_shard(volume, SHARD_ID(2, 0), ROWS);
    assert_key(volume, "key-1-24", 1, SHARD_ID(0, 1), 24);
    assert_key(volume, "key-3-24", 1, SHARD_ID(2, 0), 24);
    assert_key(volume, "key-2-0", 0, 0, 0);
    volume_close(volume);
}

static void a_file_that_is_none_is_begun_anew(void **state)
{
    const struct place *place = *state;
    struct volume_meta other = meta;
    struct volume_writer *writer;
    uint64_t count;
    fixture_write_text(place->folder, "scratch", "this is not an LMDB file");
    writer = create(place, 0);
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    assert_int_equal(volume_commit(writer, NULL), OK);
    volume_abandon(writer);
    other.fingerprint.low++;
    assert_int_equal(volume_create(place->scratch, &other, &writer, &count, NULL), OK);
    assert_int_equal(count, 0);
    volume_abandon(writer);
}

static void a_seal_that_fails_may_be_tried_again(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    struct error error;
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    fixture_write_text(place->folder, "a", "a file where the folder should be");
    assert_int_equal(volume_seal(writer, place->published, "v.lmdb", &info, &error),
                     ERROR_IO);
    (void)fixture_put_shard(writer, SHARD_ID(1, 0), ROWS, 1);
    (void)fixture_put_shard(writer, SHARD_ID(1, 1), ROWS, 0);
    fixture_remove(place->published);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/a", place->folder);
    assert_int_equal(unlink(path), 0);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_shard(volume, SHARD_ID(0, 0), ROWS);
    assert_shard(volume, SHARD_ID(1, 0), ROWS);
    assert_key(volume, "key-0-3", 2, SHARD_ID(1, 1), 3);
    volume_close(volume);
}

/* Files of this process may not grow past `size`; as a full disk, but without one. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_write_that_fails_takes_its_transaction_alone(void **state)
{
    const struct place *place = *state;
    static unsigned char junk[200000];
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    struct arena *arena = arena_create(1 << 12, 0);
    struct seen seen = {0};
    uint64_t number, next;
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    assert_int_equal(volume_commit(writer, NULL), OK);
    next = volume_next_block(writer);
    limit_files(150000);
    for (int i = 0; i < 3; i++) {
        (void)fixture_put_shard(writer, SHARD_ID(1, 0), ROWS, 1);
        assert_int_equal(volume_put_block(writer, junk, sizeof junk, &number, NULL), OK);
        assert_int_not_equal(volume_commit(writer, NULL), OK);
        assert_int_equal(volume_next_block(writer), next);
    }
    limit_files(RLIM_INFINITY);
    (void)fixture_put_shard(writer, SHARD_ID(2, 0), ROWS, 2);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_int_equal(volume_each_shard(volume, arena, see_shard, &seen, NULL), OK);
    assert_int_equal(seen.count, 2);
    assert_shard(volume, SHARD_ID(0, 0), ROWS);
    assert_shard(volume, SHARD_ID(2, 0), ROWS);
    assert_key(volume, "key-1-0", 0, 0, 0);
    volume_close(volume);
    arena_destroy(arena);
}

static void a_seal_that_runs_out_of_space_leaves_nothing(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    char temporary[340];
    (void)snprintf(temporary, sizeof temporary, "%s/.v.lmdb.tmp", place->published);
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    assert_int_equal(volume_commit(writer, NULL), OK);
    limit_files(4096);
    assert_int_not_equal(volume_seal(writer, place->published, "v.lmdb", &info, NULL),
                         OK);
    assert_int_equal(access(place->volume, F_OK), -1);
    assert_int_equal(access(temporary, F_OK), -1);
    limit_files(RLIM_INFINITY);
    seal(place, writer, &info);
    assert_int_equal(volume_check(place->volume, &info, NULL), OK);
}

/* Memory is another file system than the test's folder, on most machines. */
static void a_volume_is_copied_to_another_file_system(void **state)
{
    const struct place *place = *state;
    char path[] = "/dev/shm/millrace-test-XXXXXX";
    struct volume_writer *writer;
    struct volume_info info, checked;
    struct volume *volume;
    uint64_t count;
    int file = mkstemp(path);
    if (file < 0)
        skip();
    (void)close(file);
    assert_int_equal(volume_create(path, &meta, &writer, &count, NULL), OK);
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    seal(place, writer, &info);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(volume_check(place->volume, &checked, NULL), OK);
    assert_true(hash128_is_equal(info.checksum, checked.checksum));
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_shard(volume, SHARD_ID(0, 0), ROWS);
    volume_close(volume);
}

static void rejects_come_by_file_and_offset(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    struct arena *arena = arena_create(1 << 12, 0);
    struct seen seen = {0};
    char name[1000];
    struct shard_entry entry = {.shard = 5, .reject_count = 4};
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    for (uint64_t i = 0; i < 4; i++) {
        struct reject reject = {.file = name,
                                .offset = i * 7 % 4,
                                .size = 1,
                                .key = "k",
                                .stage = "s",
                                .reason = "r",
                                .detail = "d"};
        assert_int_equal(volume_put_reject(writer, 5, &reject, NULL), OK);
    }
    assert_int_equal(volume_put_shard(writer, &entry, NULL), OK);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_int_equal(volume_each_reject(volume, 5, arena, see_reject, &seen, NULL), OK);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.position, 3);
    volume_close(volume);
    arena_destroy(arena);
}

static void keys_of_any_length_and_number_are_found(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    char key[600];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(volume_put_key(writer, "", 0, 1, i, NULL), OK);
    assert_int_equal(volume_put_key(writer, key, strlen(key), 1, 5000, NULL), OK);
    assert_int_equal(volume_put_key(writer, key, strlen(key), 1, 5000, NULL), OK);
    seal(place, writer, &info);
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    assert_key(volume, "", 5000, 1, 4999);
    assert_key(volume, key, 1, 1, 5000);
    volume_close(volume);
}

static void flip(const char *path, long at, unsigned char mask)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ mask, file), byte ^ mask);
    assert_int_equal(fclose(file), 0);
}

static void every_kind_of_damage_is_seen(void **state)
{
    const struct place *place = *state;
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    uint32_t seed = 1;
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    seal(place, writer, &info);
    for (int i = 0; i < 400; i++) {
        /* The footer's bytes are few: they are flipped more often. */
        long at = i < 200 ? (long)(fixture_random(&seed) % info.size)
                          : (long)(info.size - 4096 + fixture_random(&seed) % 60);
        struct volume_info checked;
        flip(place->volume, at, 0x10);
        assert_int_equal(volume_check(place->volume, &checked, NULL), ERROR_DAMAGED);
        flip(place->volume, at, 0x10);
        assert_int_equal(volume_check(place->volume, &checked, NULL), OK);
    }
    for (uint64_t size = info.size + 4096; size > 0; size = size * 3 / 4) {
        assert_int_equal(truncate(place->volume, (off_t)size), 0);
        assert_int_equal(volume_check(place->volume, &info, NULL), ERROR_DAMAGED);
    }
    assert_int_equal(truncate(place->volume, 0), 0);
    assert_int_equal(volume_check(place->volume, &info, NULL), ERROR_DAMAGED);
    assert_int_equal(unlink(place->volume), 0);
    assert_int_equal(volume_check(place->volume, &info, NULL), ERROR_IO);
}

static void first_pages_that_make_no_sense_are_refused(void **state)
{
    const struct place *place = *state;
    /* Magic, version, page size and last page, of both first pages. */
    static const long places[] = {16, 20, 40, 41, 141, 4112, 4116, 4136, 4137, 4237};
    struct volume_writer *writer = create(place, 0);
    struct volume_info info;
    struct volume *volume;
    (void)fixture_put_shard(writer, SHARD_ID(0, 0), ROWS, 0);
    seal(place, writer, &info);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        flip(place->volume, places[i], 0xff);
        assert_int_equal(volume_open(place->volume, &volume, NULL), ERROR_DAMAGED);
        flip(place->volume, places[i], 0xff);
    }
    assert_int_equal(volume_open(place->volume, &volume, NULL), OK);
    volume_close(volume);
}

static void key_lists_sort_hashes_of_any_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct key_list list = {0};
        uint32_t seed = 5;
        for (uint32_t i = 0; i < 20000; i++) {
            struct key_place place = {.shard = i % 7, .position = i / 2};
            place.hash.high = kind == 0   ? hash64(&i, sizeof i, 0)
                              : kind == 1 ? 1
                                          : UINT64_MAX - i % 3;
            place.hash.low = fixture_random(&seed) % 3;
            assert_int_equal(key_list_add(&list, &place, NULL), OK);
            assert_int_equal(key_list_add(&list, &place, NULL), OK);
        }
        assert_int_equal(key_list_sort(&list, NULL), OK);
        assert_int_equal(key_list_count(&list), 20000);
        const struct key_place *items = key_list_items(&list);
        for (size_t i = 1; i < 20000; i++)
            assert_true(items[i - 1].hash.high < items[i].hash.high ||
                        (items[i - 1].hash.high == items[i].hash.high &&
                         items[i - 1].hash.low <= items[i].hash.low));
        key_list_clear(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sealed_volume_holds_what_was_put, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_committed_is_forgotten, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_left_behind_is_taken_over, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_begun_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_seal_that_fails_may_be_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_fails_takes_its_transaction_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_seal_that_runs_out_of_space_leaves_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_volume_is_copied_to_another_file_system, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rejects_come_by_file_and_offset, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_of_any_length_and_number_are_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_kind_of_damage_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(first_pages_that_make_no_sense_are_refused,
                                        set_up, tear_down),
        cmocka_unit_test(key_lists_sort_hashes_of_any_kind),
    };
    return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
