/* test_formats.c - reads a job with the Python of docs/formats.md; run in the root of the
 * tree */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "commands/export.h"
#include "tests/unit/job_fixture.h"

enum { EXIT_SKIP = 77 };

static void the_reader_of_the_document_reads_a_job(void **state)
{
    (void)state;
    char job[256] = "";
    char shown[300], digest[33];
    char python[] = "/usr/bin/python3", script[] = "tests/tools/read_volume.py";
    char document[] = "docs/formats.md";
    char words[][300] = {"export", "", "--format", "jsonl", "--out", ""};
    if (access("docs/formats.md", R_OK) != 0 || access("/usr/bin/python3", X_OK) != 0) {
        print_message("skipped: no docs/formats.md or no /usr/bin/python3 here\n");
        skip();
    }
    fixture_folder(job, sizeof job);
    hash128_format(fixture_job(job, 3), digest);
    (void)snprintf(shown, sizeof shown, "%s/shown", job);
    (void)snprintf(words[1], sizeof words[1], "%s", job);
    (void)snprintf(words[5], sizeof words[5], "%s", shown);
    char *arguments[] = {words[0], words[1], words[2], words[3],
                         words[4], words[5], NULL};
    assert_int_equal(command_export(6, arguments), 0);
    char *reader[] = {python, script, document, job, shown, digest, NULL};
    int status = fixture_run(reader);
    fixture_remove(job);
    if (status == EXIT_SKIP)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_of_the_document_reads_a_job),
    };
    return cmocka_run_group_tests_name("formats", tests, NULL, NULL);
}
