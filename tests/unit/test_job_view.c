/* test_job_view.c - tests commands/job_view.c and the commands that read a job */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "commands/digest.h"
#include "commands/export.h"
#include "commands/job_view.h"
#include "commands/show.h"
#include "commands/verify.h"
#include "tests/unit/job_fixture.h"

enum {
    RECORDS = FIXTURE_FILES * FIXTURE_SHARDS_A_FILE * FIXTURE_ROWS,
    ARGUMENTS_MAX = 8
};

struct place {
    char job[256];
    char output[300];
    struct hash128 digest;
    struct bytes text; /* what the latest command printed, and a zero */
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    fixture_folder(place->job, sizeof place->job);
    (void)snprintf(place->output, sizeof place->output, "%s/output", place->job);
    place->digest = fixture_job(place->job, 2);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    fixture_remove(place->job);
    bytes_clear(&place->text);
    free(place);
    return 0;
}

/* Runs the command with its output in place->text; returns its exit status. */
static int run(struct place *place, int (*command)(int, char **), ...)
{
    char *arguments[ARGUMENTS_MAX] = {0};
    char copies[ARGUMENTS_MAX][300] = {{0}};
    int count = 0;
    va_list list;
    va_start(list, command);
    for (const char *text = va_arg(list, const char *); text;
         text = va_arg(list, const char *)) {
        (void)snprintf(copies[count], sizeof copies[count], "%s", text);
        arguments[count] = copies[count];
        count++;
    }
    va_end(list);
    (void)fflush(stdout);
    (void)fflush(stderr);
    int saved_output = dup(STDOUT_FILENO);
    int saved_error = dup(STDERR_FILENO);
    int file = open(place->output, O_RDWR | O_CREAT | O_TRUNC, 0600);
    int nowhere = open("/dev/null", O_WRONLY);
    if (dup2(file, STDOUT_FILENO) < 0 || dup2(nowhere, STDERR_FILENO) < 0)
        abort();
    int status = command(count, arguments);
    (void)fflush(stdout);
    if (dup2(saved_output, STDOUT_FILENO) < 0 || dup2(saved_error, STDERR_FILENO) < 0)
        abort();
    off_t size = lseek(file, 0, SEEK_END);
    bytes_reset(&place->text);
    unsigned char *room = bytes_reserve(&place->text, (size_t)size + 1);
    if (!room || pread(file, room, (size_t)size, 0) != size)
        abort();
    room[size] = 0;
    place->text.size = (size_t)size;
    (void)close(file);
    (void)close(nowhere);
    (void)close(saved_output);
    (void)close(saved_error);
    return status;
}

static const char *text_of(const struct place *place)
{
    return (const char *)place->text.data;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* Does line `number` begin so? */
static void assert_line(const struct place *place, size_t number, const char *start)
{
    const char *at = text_of(place);
    for (; number > 0; number--) {
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    if (strncmp(at, start, strlen(start)) != 0)
        fail_msg("line begins %.60s, not %s", at, start);
}

static void assert_key_line(const struct place *place, size_t line, unsigned shard,
                            unsigned row)
{
    char start[64];
    (void)snprintf(start, sizeof start, "{\"key\": \"key-%u-%u\", ", shard, row);
    assert_line(place, line, start);
}

static void show_prints_all_records_in_input_order(void **state)
{
    struct place *place = *state;
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 0);
    assert_int_equal(count_lines(text_of(place)), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        assert_key_line(place, i, i / FIXTURE_ROWS, i % FIXTURE_ROWS);
    assert_non_null(strstr(text_of(place), "\"boxes\": ["));
    assert_null(strstr(text_of(place), "\"image\""));
}

static void show_finds_keys(void **state)
{
    struct place *place = *state;
    assert_int_equal(
        run(place, command_show, "show", place->job, "key-4-19", "key-0-3", NULL), 0);
    assert_int_equal(count_lines(text_of(place)), 2);
    assert_key_line(place, 0, 4, 19);
    assert_key_line(place, 1, 0, 3);
    assert_int_equal(
        run(place, command_show, "show", place->job, "key-9-9", "key-5-0", NULL), 1);
    assert_int_equal(count_lines(text_of(place)), 1);
    assert_key_line(place, 0, 5, 0);
}

static void show_limits_and_samples(void **state)
{
    struct place *place = *state;
    assert_int_equal(run(place, command_show, "show", place->job, "--limit", "3", NULL),
                     0);
    assert_int_equal(count_lines(text_of(place)), 3);
    assert_key_line(place, 2, 0, 2);
    assert_int_equal(run(place, command_show, "show", place->job, "--limit", "0", NULL),
                     0);
    assert_int_equal(place->text.size, 0);
    assert_int_equal(run(place, command_show, "show", place->job, "--sample", "7", NULL),
                     0);
    assert_int_equal(count_lines(text_of(place)), 7);
    for (unsigned i = 0; i < 7; i++)
        assert_key_line(place, i, i * RECORDS / 7 / FIXTURE_ROWS,
                        i * RECORDS / 7 % FIXTURE_ROWS);
    assert_int_equal(
        run(place, command_show, "show", place->job, "--sample", "1000", NULL), 0);
    assert_int_equal(count_lines(text_of(place)), RECORDS);
}

static void show_prints_quarantined_records(void **state)
{
    struct place *place = *state;
    assert_int_equal(run(place, command_show, "show", place->job, "--rejects", NULL), 0);
    assert_int_equal(count_lines(text_of(place)), FIXTURE_FILES * FIXTURE_SHARDS_A_FILE);
    assert_line(
        place, 0,
        "{\"file\": \"a.jsonl\", \"offset\": 200, \"key\": null, \"stage\": \"input\", "
        "\"reason\": \"bad_json\", \"detail\": null, \"excerpt\": \"{\\\"cut");
    assert_line(place, 5, "{\"file\": \"c.jsonl\"");
}

static void wrong_command_lines_exit_2(void **state)
{
    struct place *place = *state;
    assert_int_equal(run(place, command_show, "show", NULL), 2);
    assert_int_equal(run(place, command_show, "show", place->job, "--wrong", NULL), 2);
    assert_int_equal(run(place, command_show, "show", place->job, "--limit", "-1", NULL),
                     2);
    assert_int_equal(
        run(place, command_show, "show", place->job, "--limit", "12345678901", NULL), 2);
    assert_int_equal(
        run(place, command_show, "show", place->job, "--phase", "none", NULL), 2);
    assert_int_equal(
        run(place, command_show, "show", place->job, "key-0-0", "--rejects", NULL), 2);
    assert_int_equal(run(place, command_digest, "digest", place->job, "more", NULL), 2);
    assert_int_equal(run(place, command_export, "export", place->job, "--out", "-", NULL),
                     2);
    assert_int_equal(
        run(place, command_export, "export", place->job, "--format", "jsonl", NULL), 2);
    assert_int_equal(run(place, command_export, "export", place->job, "--format", "csv",
                         "--out", "-", NULL),
                     2);
    assert_int_equal(run(place, command_verify, "verify", NULL), 2);
}

static void jobs_that_are_none_exit_1(void **state)
{
    struct place *place = *state;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/volumes", place->job);
    assert_int_equal(run(place, command_show, "show", path, NULL), 1);
    assert_int_equal(run(place, command_digest, "digest", place->output, NULL), 1);
    assert_int_equal(run(place, command_verify, "verify", "/nowhere", NULL), 1);
    assert_int_equal(run(place, command_export, "export", "/nowhere", "--format", "jsonl",
                         "--out", "-", NULL),
                     1);
}

static void digest_does_not_depend_on_the_volumes(void **state)
{
    struct place *place = *state;
    char wanted[40];
    hash128_format(place->digest, wanted);
    wanted[32] = '\n';
    wanted[33] = 0;
    for (uint32_t volumes = 1; volumes <= 6; volumes += 5) {
        assert_int_equal(
            run(place, command_digest, "digest", place->job, "--phase", "main", NULL), 0);
        assert_string_equal(text_of(place), wanted);
        char job[300];
        (void)snprintf(job, sizeof job, "%s/again-%u", place->job, (unsigned)volumes);
        assert_int_equal(mkdir(job, 0700), 0);
        (void)fixture_job(job, volumes);
        assert_int_equal(run(place, command_digest, "digest", job, NULL), 0);
        assert_string_equal(text_of(place), wanted);
    }
}

static void export_writes_what_show_prints(void **state)
{
    struct place *place = *state;
    char path[300], temporary[300];
    struct bytes shown = {0};
    (void)snprintf(path, sizeof path, "%s/all.jsonl", place->job);
    (void)snprintf(temporary, sizeof temporary, "%s/.all.jsonl.tmp", place->job);
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 0);
    bytes_put(&shown, place->text.data, place->text.size + 1);
    assert_int_equal(run(place, command_export, "export", place->job, "--format", "jsonl",
                         "--out", "-", NULL),
                     0);
    assert_string_equal(text_of(place), shown.data);
    assert_int_equal(run(place, command_export, "export", place->job, "--format", "jsonl",
                         "--out", path, NULL),
                     0);
    assert_int_equal(place->text.size, 0);
    assert_int_equal(access(temporary, F_OK), -1);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *room = bytes_reserve(&place->text, shown.size);
    assert_int_equal(fread(room, 1, shown.size, file), shown.size - 1);
    assert_memory_equal(room, shown.data, shown.size - 1);
    (void)fclose(file);
    bytes_clear(&shown);
    assert_int_equal(run(place, command_export, "export", place->job, "--format", "jsonl",
                         "--out", "/nowhere/at/all", NULL),
                     1);
}

/* A volume in which shard 0.0 holds files 0 and 2 of the fixture's names, 1.0 file 1. */
static void make_group_volume(const struct place *place, struct shard_entry entries[2],
                              struct volume_info *info)
{
    static const struct origin origins[] = {
        {.file = 0}, {.file = 0, .offset = 9}, {.file = 2}, {.file = 2, .offset = 9}};
    char path[320];
    struct volume_meta meta = {.phase_name = "main", .host = "here"};
    struct volume_writer *writer;
    uint64_t number;
    struct bytes block = {0};
    struct arena *arena = arena_create(1 << 12, 0);
    struct block_encoder *encoder = block_encoder_create();
    struct batch *batch = fixture_batch(arena, 4, 0, 7);
    batch->origins = origins;
    (void)snprintf(path, sizeof path, "%s/scratch", place->job);
    assert_int_equal(volume_create(path, &meta, &writer, &number, NULL), OK);
    assert_int_equal(block_encode(encoder, batch, &fixture_files, NULL, 4, &block, NULL),
                     OK);
    assert_int_equal(volume_put_block(writer, block.data, block.size, &number, NULL), OK);
    entries[0] =
        (struct shard_entry){.shard = 0, .first_block = number, .block_count = 1};
    assert_int_equal(volume_put_shard(writer, &entries[0], NULL), OK);
    entries[1] = fixture_put_shard(writer, SHARD_ID(1, 0), 3, 8);
    (void)snprintf(path, sizeof path, "%s/volumes/main", place->job);
    assert_int_equal(volume_seal(writer, path, "group.lmdb", info, NULL), OK);
    bytes_clear(&block);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

static void publish_group(const struct place *place, const struct phase_record *phase,
                          const struct shard_entry entries[2],
                          const struct volume_info *info)
{
    char path[320];
    struct ledger *ledger;
    struct bytes bytes = {0};
    struct volume_record record = {
        .id = 1, .name = "group.lmdb", .size = info->size, .checksum = info->checksum};
    (void)snprintf(path, sizeof path, "%s/other-ledger", place->job);
    assert_int_equal(ledger_open(path, NULL, &ledger, NULL), OK);
    assert_int_equal(ledger_put_phase(ledger, phase, NULL), OK);
    assert_int_equal(ledger_put_volume(ledger, &record, NULL), OK);
    for (size_t i = 0; i < 2; i++) {
        bool is_new;
        bytes_reset(&bytes);
        shard_entry_write(&entries[i], &bytes);
        assert_int_equal(ledger_put_shard(ledger, 1, &entries[i], bytes.data, bytes.size,
                                          &is_new, NULL),
                         OK);
    }
    (void)snprintf(path, sizeof path, "%s/index.lmdb", place->job);
    assert_int_equal(ledger_publish(ledger, path, NULL), OK);
    ledger_close(ledger);
    bytes_clear(&bytes);
}

/* Files added later have runs of their own, and stand between those of the first input by
 * name; several small files share the shard of a group. */
static void input_order_is_that_of_names(void **state)
{
    struct place *place = *state;
    static const unsigned wanted[][2] = {{7, 0}, {7, 1}, {8, 0}, {8, 1},
                                         {8, 2}, {7, 2}, {7, 3}};
    struct input_file files[] = {{.path = "/a", .name = "a.jsonl"},
                                 {.path = "/c", .name = "c.jsonl"},
                                 {.path = "/b", .name = "b.jsonl"}};
    struct run runs[] = {
        {.kind = RUN_GROUP, .first_file = 0, .file_count = 2, .count = 1},
        {.kind = RUN_PLAIN, .first_file = 2, .file_count = 1, .count = 1}};
    struct phase_record phase = {
        .name = "main",
        .manifest = {.files = files, .file_count = 3, .runs = runs, .run_count = 2}};
    struct shard_entry entries[2];
    struct volume_info info;
    make_group_volume(place, entries, &info);
    publish_group(place, &phase, entries, &info);
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 0);
    assert_int_equal(count_lines(text_of(place)), 7);
    for (size_t i = 0; i < 7; i++)
        assert_key_line(place, i, wanted[i][0], wanted[i][1]);
}

/* Publishes one shard whose entry, in volume and index alike, was changed by `lie`, with
 * all checksums right; the manifest has `shards` shards. */
static void publish_lie(const struct place *place, void (*lie)(struct shard_entry *entry),
                        uint32_t shards)
{
    char path[320];
    uint64_t count;
    struct volume_writer *writer;
    struct volume_info info;
    struct shard_entry entries[2];
    struct volume_meta meta = {.phase_name = "main", .host = "here"};
    struct input_file file = {.path = "/a", .name = "a.jsonl"};
    struct run lone = {.kind = RUN_PLAIN, .file_count = 1, .count = shards};
    struct phase_record phase = {
        .name = "main",
        .manifest = {.files = &file, .file_count = 1, .runs = &lone, .run_count = 1}};
    (void)snprintf(path, sizeof path, "%s/scratch", place->job);
    assert_int_equal(volume_create(path, &meta, &writer, &count, NULL), OK);
    entries[0] = fixture_put_shard(writer, SHARD_ID(0, 0), 5, 1);
    lie(&entries[0]);
    entries[1] = entries[0];
    assert_int_equal(volume_put_shard(writer, &entries[0], NULL), OK);
    (void)snprintf(path, sizeof path, "%s/volumes/main", place->job);
    assert_int_equal(volume_seal(writer, path, "group.lmdb", &info, NULL), OK);
    (void)snprintf(path, sizeof path, "%s/other-ledger", place->job);
    (void)remove(path);
    publish_group(place, &phase, entries, &info);
}

static void buckets_are_shown_shard_by_shard(void **state)
{
    struct place *place = *state;
    static const unsigned wanted[][2] = {{7, 0}, {7, 1}, {7, 2}, {7, 3},
                                         {8, 0}, {8, 1}, {8, 2}};
    struct run runs[] = {{.kind = RUN_BUCKET, .count = 1},
                         {.kind = RUN_BUCKET, .count = 1}};
    struct phase_record phase = {.name = "main",
                                 .manifest = {.runs = runs, .run_count = 2}};
    struct shard_entry entries[2];
    struct volume_info info;
    make_group_volume(place, entries, &info);
    publish_group(place, &phase, entries, &info);
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 0);
    assert_int_equal(count_lines(text_of(place)), 7);
    for (size_t i = 0; i < 7; i++)
        assert_key_line(place, i, wanted[i][0], wanted[i][1]);
}

static void the_last_phase_is_shown_unless_another_is_named(void **state)
{
    struct place *place = *state;
    char path[300];
    struct ledger *ledger;
    struct phase_record phase = {.phase = 1, .name = "second"};
    (void)snprintf(path, sizeof path, "%s/ledger", place->job);
    assert_int_equal(ledger_open(path, NULL, &ledger, NULL), OK);
    assert_int_equal(ledger_put_phase(ledger, &phase, NULL), OK);
    (void)snprintf(path, sizeof path, "%s/index.lmdb", place->job);
    assert_int_equal(ledger_publish(ledger, path, NULL), OK);
    ledger_close(ledger);
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 0);
    assert_int_equal(count_lines(text_of(place)), 0);
    assert_int_equal(
        run(place, command_show, "show", place->job, "--phase", "main", NULL), 0);
    assert_int_equal(count_lines(text_of(place)), RECORDS);
    assert_int_equal(run(place, command_digest, "digest", place->job, NULL), 0);
    assert_string_equal(text_of(place), "00000000000000000000000000000000\n");
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 0);
}

/* ---- verify ---- */

static void verify_holds_for_a_whole_job(void **state)
{
    struct place *place = *state;
    char path[300], digest[33];
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 0);
    hash128_format(place->digest, digest);
    assert_non_null(strstr(text_of(place), digest));
    assert_non_null(strstr(text_of(place),
                           "126 records read = 120 emitted + 0 dropped + 6 quarantined"));
    (void)snprintf(path, sizeof path, "%s/volumes/main", place->job);
    fixture_write_text(path, "stranger.lmdb", "left behind");
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 0);
    assert_non_null(strstr(text_of(place), "stranger.lmdb\" is not in the index"));
}

static void copy_file(const char *from, const char *to)
{
    char data[4096];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t size = 1; size > 0;) {
        size = fread(data, 1, sizeof data, in);
        assert_int_equal(fwrite(data, 1, size, out), size);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void damage(const char *path, int kind, uint32_t *seed)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    off_t at = (off_t)(fixture_random(seed) % (uint64_t)facts.st_size);
    unsigned char bytes[8];
    int file = open(path, O_RDWR);
    switch (kind) {
    case 0:
        assert_int_equal(unlink(path), 0);
        break;
    case 1:
        assert_int_equal(ftruncate(file, at), 0);
        break;
    case 2:
        assert_int_equal(ftruncate(file, facts.st_size + 1 + at), 0);
        break;
    default:
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)fixture_random(seed);
        size_t size = kind % 2 ? 1 : sizeof bytes;
        unsigned char before[8] = {0};
        (void)!pread(file, before, size, at);
        if (memcmp(before, bytes, size) == 0)
            bytes[0] ^= 1;
        assert_int_equal(pwrite(file, bytes, size, at), size);
    }
    (void)close(file);
}

static void verify_sees_any_damage_and_never_crashes(void **state)
{
    struct place *place = *state;
    char paths[3][300] = {{0}}, copies[3][300] = {{0}};
    uint32_t seed = 11;
    (void)snprintf(paths[0], 300, "%s/index.lmdb", place->job);
    (void)snprintf(paths[1], 300, "%s/volumes/main/s1-1.lmdb", place->job);
    (void)snprintf(paths[2], 300, "%s/volumes/main/s1-2.lmdb", place->job);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(copies[i], 300, "%s/copy-%d", place->job, i);
        copy_file(paths[i], copies[i]);
    }
    for (int i = 0; i < 300; i++) {
        int which = i % 3;
        damage(paths[which], i / 3 % 8, &seed);
        assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 1);
        /* Nor do the others crash. */
        (void)run(place, command_show, "show", place->job, NULL);
        (void)run(place, command_show, "show", place->job, "key-1-1", "key-0-0", NULL);
        (void)run(place, command_digest, "digest", place->job, NULL);
        copy_file(copies[which], paths[which]);
    }
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 0);
}

/* Volumes that are whole, but not what the index says. */
static void verify_sees_volumes_changed_for_others(void **state)
{
    struct place *place = *state;
    char first[300], second[300];
    (void)snprintf(first, sizeof first, "%s/volumes/main/s1-1.lmdb", place->job);
    (void)snprintf(second, sizeof second, "%s/volumes/main/s1-2.lmdb", place->job);
    copy_file(first, second);
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 1);
    assert_non_null(strstr(text_of(place), "not the volume that was indexed"));
    assert_int_equal(run(place, command_show, "show", place->job, NULL), 1);
}

static void lie_not(struct shard_entry *entry)
{
    (void)entry;
}

static void lie_digest(struct shard_entry *entry)
{
    entry->digest.high ^= 1;
}

static void lie_records(struct shard_entry *entry)
{
    entry->account.emitted.records--;
    entry->account.read.records--;
}

static void lie_bytes(struct shard_entry *entry)
{
    entry->account.emitted.bytes++;
    entry->account.read.bytes++;
}

static void lie_law(struct shard_entry *entry)
{
    entry->account.read.records++;
}

static void lie_reasons(struct shard_entry *entry)
{
    entry->reason_count = 0;
}

static void lie_rejects(struct shard_entry *entry)
{
    entry->reject_count = 0;
}

static void verify_sees_entries_that_lie(void **state)
{
    struct place *place = *state;
    static const struct {
        void (*lie)(struct shard_entry *entry);
        uint32_t shards;
        int status;
        const char *text;
    } cases[] = {{lie_not, 1, 0, "all holds"},
                 {lie_digest, 1, 1, "0.0: the digest differs"},
                 {lie_records, 1, 1, "0.0: the records are not those of its account"},
                 {lie_bytes, 1, 1, "0.0: the records are not those of its account"},
                 {lie_law, 1, 1, "0.0: read is not emitted"},
                 {lie_reasons, 1, 1, "0.0: the reasons do not add up"},
                 {lie_rejects, 1, 1, "0.0: the quarantined records are not those"},
                 {lie_not, 2, 1, "0.1: it is missing"},
                 {lie_not, SHARDS_UNKNOWN, 1, "run 0 was not read to its end"},
                 {lie_not, 0, 1, "0.0: the input has no such shard"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        publish_lie(place, cases[i].lie, cases[i].shards);
        assert_int_equal(run(place, command_verify, "verify", place->job, NULL),
                         cases[i].status);
        assert_non_null(strstr(text_of(place), cases[i].text));
    }
}

static void an_unfinished_job_holds_with_shards_missing(void **state)
{
    struct place *place = *state;
    publish_lie(place, lie_not, 3);
    fixture_write_text(place->job, "status.json",
                       "{\"state\": \"stopped\", \"shards\": {}}");
    assert_int_equal(run(place, command_verify, "verify", place->job, NULL), 0);
    assert_non_null(strstr(text_of(place), "2 shards are not done; the job is stopped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(show_prints_all_records_in_input_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(show_finds_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(show_limits_and_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(show_prints_quarantined_records, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(wrong_command_lines_exit_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_that_are_none_exit_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(digest_does_not_depend_on_the_volumes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(export_writes_what_show_prints, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(input_order_is_that_of_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(buckets_are_shown_shard_by_shard, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_last_phase_is_shown_unless_another_is_named,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unfinished_job_holds_with_shards_missing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(verify_holds_for_a_whole_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verify_sees_any_damage_and_never_crashes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(verify_sees_volumes_changed_for_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(verify_sees_entries_that_lie, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("job_view", tests, NULL, NULL);
}
