/* test_manifest.c - patterns become files, files become runs of shards */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "core/arena.h"
#include "core/manifest.h"
#include "tests/unit/job_fixture.h"
#include "tests/unit/pack_texts.h"

/* A folder with some files, and an arena. */
struct place {
    char folder[80];
    struct arena *arena;
    struct manifest manifest;
    struct error error;
};

static void put_file(const struct place *place, const char *name, size_t size)
{
    char path[300];
    static char content[5000];
    memset(content, 'x', sizeof content);
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, name);
    for (char *slash = path + strlen(place->folder) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = 0;
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    write_file(path, content, size);
}

static void put_text(const struct place *place, const char *name, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, name);
    write_file(path, text, strlen(text));
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    make_folder(place->folder);
    place->arena = arena_create(65536, 0);
    put_file(place, "data/a.txt", 10);
    put_file(place, "data/b.txt", 20);
    put_file(place, "data/sub/c.txt", 30);
    put_file(place, "data/sub/deep/d.log", 40);
    put_file(place, "data/.hidden", 50);
    put_file(place, "data/.folder/e.txt", 50);
    put_file(place, "other/a.txt", 60);
    put_file(place, "other/z[1].txt", 70);
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

static enum error_code build(struct place *place, const char *first, const char *second,
                             enum input_format format, uint64_t shard_bytes)
{
    const char *items[2] = {first, second};
    struct input_spec input = {
        .format = format,
        .paths = {.items = items, .count = second ? 2 : 1},
        .paths_position = {.file = "p.yaml", .line = 3, .column = 11},
        .max_record = 1 << 20};
    return manifest_build(&input, shard_bytes, place->folder, place->arena,
                          &place->manifest, &place->error);
}

/* The names found, joined by blanks. */
static void expect(struct place *place, const char *first, const char *second,
                   const char *expected)
{
    char names[1000] = "";
    size_t used = 0;
    assert_int_equal(build(place, first, second, FORMAT_JSONL, 1 << 20), OK);
    for (uint32_t i = 0; i < place->manifest.file_count; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? " " : "",
                                 place->manifest.files[i].name);
    assert_string_equal(names, expected);
}

static void expect_error(struct place *place, const char *pattern, const char *text)
{
    assert_int_equal(build(place, pattern, NULL, FORMAT_JSONL, 100), ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, text));
    assert_int_equal(place->error.where.line, 3);
    assert_int_equal(place->error.where.column, 11);
}

static void files_are_named_below_the_fixed_folder(void **state)
{
    struct place *place = *state;
    expect(place, "data/a.txt", NULL, "a.txt");
    expect(place, "data", NULL, "a.txt b.txt sub/c.txt sub/deep/d.log");
    expect(place, "./data//./", NULL, "a.txt b.txt sub/c.txt sub/deep/d.log");
    expect(place, "data/*.txt", NULL, "a.txt b.txt");
    expect(place, "data/[b-z].txt", NULL, "b.txt");
    expect(place, "data/s?b/*.txt", NULL, "sub/c.txt");
    expect(place, "d*/sub/*.txt", NULL, "data/sub/c.txt");
    expect(place, "data/**/*.txt", NULL, "a.txt b.txt sub/c.txt");
    expect(place, "data/**", NULL, "a.txt b.txt sub/c.txt sub/deep/d.log");
    expect(place, "**/*.log", NULL, "data/sub/deep/d.log");
    expect(place, "data/s*", NULL, "sub/c.txt sub/deep/d.log");
    expect(place, "data/sub", "data/*.txt", "a.txt b.txt c.txt deep/d.log");
}

static void absolute_patterns_give_the_same_names(void **state)
{
    struct place *place = *state;
    char pattern[200];
    (void)snprintf(pattern, sizeof pattern, "%s/data/*.txt", place->folder);
    expect(place, pattern, NULL, "a.txt b.txt");
    assert_int_equal(place->manifest.files[0].path[0], '/');
    assert_int_equal(place->manifest.bytes, 30);
}

static void wildcards_in_a_name_that_exists_are_none(void **state)
{
    struct place *place = *state;
    expect(place, "other/z[1].txt", NULL, "z[1].txt");
    char folder[64];
    memcpy(folder, place->folder, sizeof folder);
    put_file(place, "x[y]*/in/f.txt", 5);
    (void)snprintf(place->folder, sizeof place->folder, "%s/x[y]*", folder);
    expect(place, "in/*.txt", NULL, "f.txt");
    memcpy(place->folder, folder, sizeof folder);
}

static void a_list_names_its_files(void **state)
{
    struct place *place = *state;
    put_text(place, "other/list", "# some\n\na.txt\r\n./../data/sub/c.txt\nz[1].txt");
    expect(place, "@other/list", NULL, "../data/sub/c.txt a.txt z[1].txt");
    char text[500];
    (void)snprintf(text, sizeof text, "%s/data/sub/c.txt\n%s/data/a.txt\n", place->folder,
                   place->folder);
    put_text(place, "list", text);
    expect(place, "@list", NULL, "a.txt sub/c.txt");
    put_text(place, "list", "data/a.txt\ndata/nowhere.txt\n");
    expect_error(place, "@list", "line 2");
    expect_error(place, "@list", "nowhere.txt");
    put_text(place, "list", "data\n");
    expect_error(place, "@list", "not a file");
    put_text(place, "list", "# nothing\n");
    expect_error(place, "@list", "names no file");
    expect_error(place, "@nowhere", "nowhere");
}

static void a_file_matched_twice_counts_once(void **state)
{
    struct place *place = *state;
    expect(place, "data/sub/*.txt", "data/sub/c.txt", "c.txt");
    expect(place, "data/sub/*.txt", "data", "a.txt b.txt c.txt sub/deep/d.log");
    expect(place, "data", "data/sub/*.txt", "a.txt b.txt sub/c.txt sub/deep/d.log");
    expect(place, "data//sub", "./data/sub/", "c.txt deep/d.log");
}

static void two_files_of_one_name_are_refused(void **state)
{
    struct place *place = *state;
    assert_int_equal(build(place, "data/*.txt", "other/*.txt", FORMAT_JSONL, 100),
                     ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, "data/a.txt"));
    assert_non_null(strstr(place->error.text, "other/a.txt"));
    assert_int_equal(place->error.where.line, 3);
}

static void patterns_that_match_nothing_are_errors(void **state)
{
    struct place *place = *state;
    expect_error(place, "data/*.gz", "no file matches \"data/*.gz\"");
    expect_error(place, "data/none.txt", "data/none.txt");
    expect_error(place, "none/*.txt", "none");
    expect_error(place, "", "cannot read");
    put_file(place, "empty/.x", 1);
    expect_error(place, "empty", "no file matches");
    put_file(place, "\xff/bad\xff", 1);
    expect_error(place, "\xff", "not UTF-8");
}

static void compression_is_found_by_magic(void **state)
{
    struct place *place = *state;
    put_text(place, "data/k.bin", "\x1f\x8b\x08");
    put_text(place, "data/l.bin", "\x28\xb5\x2f\xfd rest");
    put_text(place, "data/m.bin", "\x5a\x2a\x4d\x18 rest");
    put_text(place, "data/n.gz", "text");
    put_text(place, "data/o.bin", "");
    assert_int_equal(build(place, "data/[k-o].*", NULL, FORMAT_JSONL, 2), OK);
    const struct input_file *files = place->manifest.files;
    assert_int_equal(place->manifest.file_count, 5);
    assert_int_equal(files[0].compression, COMPRESSION_GZIP);
    assert_int_equal(files[1].compression, COMPRESSION_ZSTD);
    assert_int_equal(files[2].compression, COMPRESSION_ZSTD);
    assert_int_equal(files[3].compression, COMPRESSION_NONE);
    assert_int_equal(place->manifest.run_count, 4);
    assert_int_equal(place->manifest.runs[0].kind, RUN_STREAM);
    assert_int_equal(place->manifest.runs[0].count, SHARDS_UNKNOWN);
    assert_int_equal(place->manifest.runs[3].kind, RUN_PLAIN);
    assert_int_equal(place->manifest.runs[3].count, 2);
}

static void check_run(const struct manifest *manifest, uint32_t index, enum run_kind kind,
                      uint32_t first, uint32_t files, uint32_t count)
{
    assert_true(index < manifest->run_count);
    const struct run *run = &manifest->runs[index];
    assert_int_equal(run->kind, kind);
    assert_int_equal(run->first_file, first);
    assert_int_equal(run->file_count, files);
    assert_int_equal(run->count, count);
}

static void small_files_share_a_shard_and_large_ones_are_cut(void **state)
{
    struct place *place = *state;
    static const size_t sizes[] = {30, 40, 30, 1, 0, 99, 100, 101, 250, 5};
    for (int i = 0; i < 10; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "cut/%d", i);
        put_file(place, name, sizes[i]);
    }
    assert_int_equal(build(place, "cut", NULL, FORMAT_LINES, 100), OK);
    const struct manifest *manifest = &place->manifest;
    assert_int_equal(manifest->file_count, 10);
    assert_int_equal(manifest->run_count, 7);
    check_run(manifest, 0, RUN_GROUP, 0, 3, 1);
    check_run(manifest, 1, RUN_GROUP, 3, 1, 1);
    check_run(manifest, 2, RUN_GROUP, 5, 1, 1);
    check_run(manifest, 3, RUN_PLAIN, 6, 1, 1);
    check_run(manifest, 4, RUN_PLAIN, 7, 1, 2);
    check_run(manifest, 5, RUN_PLAIN, 8, 1, 3);
    check_run(manifest, 6, RUN_GROUP, 9, 1, 1);
    uint64_t begin, end;
    manifest_plain_range(manifest, SHARD_ID(5, 1), &begin, &end);
    assert_int_equal(begin, 100);
    assert_int_equal(end, 200);
    manifest_plain_range(manifest, SHARD_ID(5, 2), &begin, &end);
    assert_int_equal(begin, 200);
    assert_int_equal(end, 250);
    assert_int_equal(build(place, "cut", NULL, FORMAT_TEXT, 100), OK);
    check_run(manifest, 5, RUN_PLAIN, 8, 1, 1);
    manifest_plain_range(manifest, SHARD_ID(5, 0), &begin, &end);
    assert_int_equal(begin, 0);
    assert_int_equal(end, 250);
}

static void empty_images_are_in_a_shard_and_images_are_never_cut(void **state)
{
    struct place *place = *state;
    put_file(place, "photos/a.jpg", 0);
    put_file(place, "photos/b.jpg", 4000);
    put_file(place, "photos/c.jpg", 0);
    assert_int_equal(build(place, "photos", NULL, FORMAT_IMAGES, 1000), OK);
    const struct manifest *manifest = &place->manifest;
    assert_int_equal(manifest->run_count, 3);
    assert_int_equal(manifest->runs[0].kind, RUN_GROUP);
    assert_int_equal(manifest->runs[0].file_count, 1);
    assert_int_equal(manifest->runs[1].kind, RUN_PLAIN);
    assert_int_equal(manifest->runs[1].count, 1);
    assert_int_equal(manifest->runs[2].kind, RUN_GROUP);
    assert_int_equal(build(place, "photos", NULL, FORMAT_TEXT, 1000), OK);
    assert_int_equal(place->manifest.run_count, 1);
    assert_int_equal(build(place, "photos", NULL, FORMAT_TAR, 10000), OK);
    assert_int_equal(place->manifest.run_count, 1);
    assert_int_equal(place->manifest.runs[0].kind, RUN_STREAM);
    for (int i = 0; i < 1030; i++) {
        char name[40];
        (void)snprintf(name, sizeof name, "many/%04d.jpg", i);
        put_file(place, name, 1);
    }
    assert_int_equal(build(place, "many", NULL, FORMAT_IMAGES, 1 << 20), OK);
    assert_int_equal(place->manifest.run_count, 2);
    assert_int_equal(place->manifest.runs[1].file_count, 6);
}

static void extending_keeps_old_shards_and_appends_new_ones(void **state)
{
    struct place *place = *state;
    struct manifest old, extended;
    put_file(place, "ext/b", 30);
    put_file(place, "ext/d", 250);
    assert_int_equal(build(place, "ext", NULL, FORMAT_LINES, 100), OK);
    old = place->manifest;
    put_file(place, "ext/a", 40);
    put_file(place, "ext/c", 40);
    put_file(place, "ext/e", 300);
    assert_int_equal(build(place, "ext", NULL, FORMAT_LINES, 100), OK);
    assert_int_equal(
        manifest_extend(&old, &place->manifest, place->arena, &extended, &place->error),
        OK);
    assert_int_equal(extended.file_count, 5);
    assert_int_equal(extended.bytes, 660);
    static const char *const names[] = {"b", "d", "a", "c", "e"};
    for (int i = 0; i < 5; i++)
        assert_string_equal(extended.files[i].name, names[i]);
    assert_int_equal(extended.run_count, 4);
    check_run(&extended, 0, RUN_GROUP, 0, 1, 1);
    check_run(&extended, 1, RUN_PLAIN, 1, 1, 3);
    check_run(&extended, 2, RUN_GROUP, 2, 2, 1);
    check_run(&extended, 3, RUN_PLAIN, 4, 1, 3);
    assert_true(hash128_is_equal(manifest_fingerprint(&extended),
                                 manifest_fingerprint(&place->manifest)));
    assert_false(
        hash128_is_equal(manifest_fingerprint(&extended), manifest_fingerprint(&old)));
    /* Once more: old files are no longer sorted by name. */
    struct manifest twice;
    put_file(place, "ext/aa", 1);
    assert_int_equal(build(place, "ext", NULL, FORMAT_LINES, 100), OK);
    assert_int_equal(
        manifest_extend(&extended, &place->manifest, place->arena, &twice, &place->error),
        OK);
    assert_int_equal(twice.file_count, 6);
    assert_string_equal(twice.files[5].name, "aa");
    put_file(place, "ext/d", 251);
    assert_int_equal(build(place, "ext", NULL, FORMAT_LINES, 100), OK);
    assert_int_equal(
        manifest_extend(&old, &place->manifest, place->arena, &extended, &place->error),
        ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, "251"));
    assert_int_equal(build(place, "ext/[abce]*", NULL, FORMAT_LINES, 100), OK);
    assert_int_equal(
        manifest_extend(&old, &place->manifest, place->arena, &extended, &place->error),
        ERROR_CONFIG);
    assert_non_null(strstr(place->error.text, "gone"));
}

static void a_link_that_leads_back_is_an_error_not_a_hang(void **state)
{
    struct place *place = *state;
    char path[200];
    put_file(place, "loop/a", 1);
    (void)snprintf(path, sizeof path, "%s/loop/back", place->folder);
    assert_int_equal(symlink(".", path), 0);
    assert_int_equal(build(place, "loop", NULL, FORMAT_LINES, 100), ERROR_CONFIG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_named_below_the_fixed_folder),
        TEST(absolute_patterns_give_the_same_names),
        TEST(wildcards_in_a_name_that_exists_are_none),
        TEST(a_list_names_its_files),
        TEST(a_file_matched_twice_counts_once),
        TEST(two_files_of_one_name_are_refused),
        TEST(patterns_that_match_nothing_are_errors),
        TEST(compression_is_found_by_magic),
        TEST(small_files_share_a_shard_and_large_ones_are_cut),
        TEST(empty_images_are_in_a_shard_and_images_are_never_cut),
        TEST(extending_keeps_old_shards_and_appends_new_ones),
        TEST(a_link_that_leads_back_is_an_error_not_a_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
