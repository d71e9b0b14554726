/* test_wrong_pipelines.c - every file of tests/data/wrong is refused as it says itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "commands/input_check.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "stages/registry.h"

/* The expectations stand in the file itself, in lines "# expect: LINE:COLUMN: text", or
 * beside it in FILE.expect where it can hold no comment. Messages are compared whole. */
#define FOLDER "tests/data/wrong"
static const char mark[] = "# expect: ";

enum { FILES_MAX = 1000, FILES_WANTED = 200, PATH_SIZE = 512 };

static int compare_names(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static size_t list_files(struct arena *arena, const char **names)
{
    size_t count = 0;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length < 5 || strcmp(entry->d_name + length - 5, ".yaml") != 0)
            continue;
        assert_true(count < FILES_MAX);
        names[count] = arena_copy_text(arena, entry->d_name, length);
        count++;
    }
    (void)closedir(folder);
    qsort(names, count, sizeof *names, compare_names);
    return count;
}

/* Lines of the file that begin with the mark, without it. */
static void read_expected(const char *path, struct bytes *lines)
{
    char line[8192];
    FILE *file = fopen(path, "rb");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, mark, strlen(mark)) == 0)
            bytes_put(lines, line + strlen(mark), strlen(line) - strlen(mark));
    if (file)
        (void)fclose(file);
}

/* The text with the absolute folder of the pipelines replaced by FOLDER. */
static void put_portable(const char *text, const char *folder, struct bytes *lines)
{
    size_t length = strlen(folder);
    while (*text) {
        if (strncmp(text, folder, length) == 0) {
            bytes_put(lines, "FOLDER", 6);
            text += length;
        } else {
            bytes_put(lines, text, 1);
            text++;
        }
    }
}

static void put_found(const struct diagnostics *found, const char *folder,
                      struct bytes *lines)
{
    char place[64];
    for (size_t i = 0; i < found->count; i++) {
        const struct source_position *where = &found->items[i].where;
        (void)snprintf(place, sizeof place, "%u:%u: ", (unsigned)where->line,
                       (unsigned)where->column);
        bytes_put(lines, place, strlen(place));
        put_portable(found->items[i].text, folder, lines);
        bytes_put(lines, "\n", 1);
    }
}

/* What `millrace check` does. */
static void read_pipeline(const char *path, struct arena *arena,
                          struct diagnostics *found)
{
    const char *text;
    size_t size;
    const struct pipeline *pipeline =
        pipeline_read(path, NULL, stage_types, arena, &text, &size, found);
    for (size_t i = 0; pipeline && i < pipeline->phase_count; i++) {
        const struct phase_spec *phase = &pipeline->phases[i];
        struct manifest manifest;
        if (phase->input.format != FORMAT_PHASE)
            (void)input_check_build(pipeline, phase, arena, &manifest, found);
    }
    diagnostics_sort(found);
}

static bool check_file(const char *name, const char *folder)
{
    char path[PATH_SIZE], beside[PATH_SIZE + 8];
    struct bytes expected = {0}, lines = {0};
    struct arena *arena = arena_create(1 << 16, 0);
    struct diagnostics found = {.arena = arena};
    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    (void)snprintf(beside, sizeof beside, "%s.expect", path);
    read_expected(path, &expected);
    read_expected(beside, &expected);
    read_pipeline(path, arena, &found);
    put_found(&found, folder, &lines);
    bool is_same = expected.size > 0 && expected.size == lines.size &&
                   memcmp(expected.data, lines.data, lines.size) == 0;
    if (!is_same)
        (void)fprintf(stderr, "%s\n expected\n%.*s said\n%.*s", path, (int)expected.size,
                      expected.size ? (const char *)expected.data : "", (int)lines.size,
                      lines.size ? (const char *)lines.data : "");
    bytes_clear(&expected);
    bytes_clear(&lines);
    arena_destroy(arena);
    return is_same;
}

/* The folder as the pipeline reader resolves it. */
static void find_folder(char *folder, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct diagnostics found = {.arena = arena};
    const char path[] = FOLDER "/data/right.yaml";
    const char *text;
    size_t text_size;
    const struct pipeline *pipeline =
        pipeline_read(path, NULL, stage_types, arena, &text, &text_size, &found);
    assert_non_null(pipeline);
    size_t length = strlen(pipeline->folder) - strlen("/data");
    (void)snprintf(folder, size, "%.*s", (int)length, pipeline->folder);
    arena_destroy(arena);
}

static void every_wrong_pipeline_is_told_what_is_wrong(void **state)
{
    (void)state;
    char folder[4096];
    struct arena *arena = arena_create(1 << 16, 0);
    const char **names = ARENA_NEW(arena, const char *, FILES_MAX);
    assert_non_null(names);
    size_t count = list_files(arena, names), bad = 0;
    find_folder(folder, sizeof folder);
    for (size_t i = 0; i < count; i++)
        bad += !check_file(names[i], folder);
    arena_destroy(arena);
    assert_int_equal(bad, 0);
    assert_true(count >= FILES_WANTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_pipeline_is_told_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
