/* test_export_run.c - tests commands/export_run.c, and the formats through the command */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "commands/export.h"
#include "tests/unit/export_fixture.h"

enum { ARGUMENTS_MAX = 24, MANY = 3000 };

struct place {
    char folder[256], job[300], out[300];
    struct bytes said; /* on standard error, and a zero */
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place)
        return -1;
    fixture_folder(place->folder, sizeof place->folder);
    (void)snprintf(place->job, sizeof place->job, "%s/job", place->folder);
    (void)snprintf(place->out, sizeof place->out, "%s/out", place->folder);
    if (mkdir(place->job, 0700) != 0)
        return -1;
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    fixture_remove(place->folder);
    bytes_clear(&place->said);
    free(place);
    return 0;
}

static void read_whole(const char *path, struct bytes *content)
{
    bytes_reset(content);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("there is no %s", path);
    for (size_t got = 1; got > 0; content->size += got)
        got = fread(bytes_reserve(content, 1 << 16), 1, 1 << 16, file);
    (void)fclose(file);
    bytes_put_u8(content, 0);
    content->size--;
}

/* export JOB --format FORMAT --out OUT and more words up to NULL; its exit status. */
static int export_to(struct place *place, const char *format, const char *out, ...)
{
    char copies[ARGUMENTS_MAX][300] = {"export"};
    char *arguments[ARGUMENTS_MAX] = {copies[0]};
    const char *const first[] = {place->job, "--format", format, "--out", out};
    int count = 1;
    va_list list;
    va_start(list, out);
    for (const char *text = first[0]; text;) {
        (void)snprintf(copies[count], sizeof copies[count], "%s", text);
        arguments[count] = copies[count];
        text = count < 5 ? first[count] : va_arg(list, const char *);
        count++;
    }
    va_end(list);
    char said[300];
    (void)snprintf(said, sizeof said, "%s/said", place->folder);
    (void)fflush(stderr);
    int saved = dup(STDERR_FILENO);
    int file = open(said, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (dup2(file, STDERR_FILENO) < 0)
        abort();
    int status = command_export(count, arguments);
    if (dup2(saved, STDERR_FILENO) < 0)
        abort();
    (void)close(file);
    (void)close(saved);
    read_whole(said, &place->said);
    return status;
}

static bool has_said(const struct place *place, const char *text)
{
    return strstr((const char *)place->said.data, text) != NULL;
}

static bool exists(const struct place *place, const char *name)
{
    char path[1000];
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, name);
    return access(path, F_OK) == 0;
}

static void read_from(const struct place *place, const char *name, struct bytes *content)
{
    char path[1000];
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, name);
    read_whole(path, content);
}

/* The file's bytes in hexadecimal digits. */
static void assert_hex(const struct place *place, const char *name, const char *hex)
{
    struct bytes content = {0}, digits = {0};
    read_from(place, name, &content);
    for (size_t i = 0; i < content.size; i++) {
        char pair[3];
        (void)snprintf(pair, sizeof pair, "%02x", content.data[i]);
        bytes_put(&digits, pair, 2);
    }
    bytes_put_u8(&digits, 0);
    assert_string_equal(digits.data, hex);
    bytes_clear(&content);
    bytes_clear(&digits);
}

static void assert_text(const struct place *place, const char *name, const char *text)
{
    struct bytes content = {0};
    read_from(place, name, &content);
    assert_string_equal(content.data, text);
    bytes_clear(&content);
}

/* Nothing but the job and what was said. */
static void assert_nothing_is_left(const struct place *place)
{
    const struct dirent *entry;
    DIR *folder = opendir(place->folder);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, "job") != 0 && strcmp(entry->d_name, "said") != 0 &&
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fail_msg("%s is left", entry->d_name);
    (void)closedir(folder);
}

static const uint32_t golden_ids[] = {1, 2, 3, 4, 5};
static const struct export_record golden[] = {
    {.key = "a", .words = "a", .tokens = golden_ids, .count = 3},
    {.key = "b,\"c\"",
     .words = "bcd",
     .number = 7,
     .tokens = golden_ids + 3,
     .count = 2}};

/* ---- layouts ---- */

static void megatron_writes_the_published_layout(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 1);
    assert_int_equal(export_to(place, "megatron", place->out, NULL), 0);
    assert_hex(place, "out.bin", "01000200030004000500");
    assert_hex(
        place, "out.idx",
        "4d4d494449445800000100000000000000080200000000000000030000000000000003000000"
        "0200000000000000000000000600000000000000000000000000000001000000000000000200"
        "000000000000");
    assert_int_equal(place->said.size, 0);
}

static void datatrove_writes_the_published_layout(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 2, 1);
    assert_int_equal(export_to(place, "datatrove", place->out, "--tokenizer", "gpt2",
                               "--loss", "ones", NULL),
                     0);
    assert_hex(place, "out.ds", "01000200030004000500");
    assert_hex(place, "out.ds.index", "03000000000000000500000000000000");
    assert_hex(place, "out.ds.loss", "0101010101");
    assert_text(place, "out.ds.metadata", "gpt2|2\n5\n5.00 T");
    /* Another one without a mask leaves none of the former. */
    assert_int_equal(export_to(place, "datatrove", place->out, "--force", "--dtype",
                               "uint32", "--append-eod", "9", NULL),
                     0);
    assert_hex(place, "out.ds",
               "01000000020000000300000009000000040000000500000009000000");
    assert_hex(place, "out.ds.index", "04000000000000000700000000000000");
    assert_text(place, "out.ds.metadata", "Unknown Tokenizer|4\n7\n7.00 T");
    assert_false(exists(place, "out.ds.loss"));
}

static void datatrove_takes_the_loss_from_a_column(void **state)
{
    struct place *place = *state;
    static const uint32_t mask[] = {0, 1, 5};
    const struct export_record records[] = {{.key = "a", .tokens = mask, .count = 3}};
    export_job_make(place->job, records, 1, 1, 1);
    assert_int_equal(export_to(place, "datatrove", place->out, "--loss", "tokens",
                               "--append-eod", "0", NULL),
                     0);
    assert_hex(place, "out.ds.loss", "00010101");
    assert_int_equal(
        export_to(place, "datatrove", place->out, "--loss", "words", "--force", NULL), 2);
    assert_true(has_said(place, "column \"words\" is utf8; list<u32> is needed"));
}

static void npy_writes_raw_numbers_and_a_table(void **state)
{
    struct place *place = *state;
    struct bytes content = {0};
    static const char table[] = "0,3,a,a.jsonl,1\r\n3,5,\"b,\"\"c\"\"\",a.jsonl,2\r\n";
    export_job_make(place->job, golden, 2, 1, 2);
    assert_int_equal(export_to(place, "npy", place->out, NULL), 0);
    assert_hex(place, "out/part-0-00000.npy", "01000200030004000500");
    read_from(place, "out/part-0-00000.csv.gz", &content);
    assert_memory_equal(content.data, "\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11);
    assert_int_equal(content.size, 10 + 5 + strlen(table) + 8);
    assert_memory_equal(content.data + 15, table, strlen(table));
    bytes_clear(&content);
}

static void npy_begins_another_file_before_a_document_that_does_not_fit(void **state)
{
    struct place *place = *state;
    static const uint32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const struct export_record records[] = {{.key = "a", .tokens = ids, .count = 2},
                                            {.key = "b", .tokens = ids + 2, .count = 0},
                                            {.key = "c", .tokens = ids + 2, .count = 2},
                                            {.key = "d", .tokens = ids + 4, .count = 5}};
    struct bytes content = {0};
    export_job_make(place->job, records, 4, 2, 1);
    assert_int_equal(
        export_to(place, "npy", place->out, "--max-tokens-per-file", "4", NULL), 0);
    assert_hex(place, "out/part-0-00000.npy", "0100020003000400");
    assert_hex(place, "out/part-0-00001.npy", "05000600070008000900");
    assert_false(exists(place, "out/part-0-00002.npy"));
    read_from(place, "out/part-0-00001.csv.gz", &content);
    assert_memory_equal(content.data + 15, "0,5,d,a.jsonl,4\r\n", 17);
    read_from(place, "out/part-0-00000.csv.gz", &content);
    assert_memory_equal(content.data + 15, "0,2,a,a.jsonl,1\r\n2,4,c,a.jsonl,3\r\n", 34);
    bytes_clear(&content);
}

static void mds_writes_the_published_layout(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 2);
    assert_int_equal(
        export_to(place, "mds", place->out, "--columns", "words,number", NULL), 0);
    assert_hex(
        place, "out/shard.00000.mds",
        "02000000ce000000db000000ea0000007b22636f6c756d6e5f656e636f64696e6773223a205b"
        "22696e74222c2022737472225d2c2022636f6c756d6e5f6e616d6573223a205b226e756d6265"
        "72222c2022776f726473225d2c2022636f6c756d6e5f73697a6573223a205b382c206e756c6c"
        "5d2c2022636f6d7072657373696f6e223a206e756c6c2c2022666f726d6174223a20226d6473"
        "222c2022686173686573223a205b5d2c202273697a655f6c696d6974223a2036373130383836"
        "342c202276657273696f6e223a20327d01000000000000000000000061030000000700000000"
        "000000626364");
    assert_text(
        place, "out/index.json",
        "{\"shards\": [{\"column_encodings\": [\"int\", \"str\"], \"column_names\": "
        "[\"number\", \"words\"], \"column_sizes\": [8, null], \"compression\": null, "
        "\"format\": \"mds\", \"hashes\": [], \"raw_data\": {\"basename\": "
        "\"shard.00000.mds\", \"bytes\": 234, \"hashes\": {}}, \"samples\": 2, "
        "\"size_limit\": 67108864, \"version\": 2, \"zip_data\": null}], \"version\": "
        "2}");
}

static void mds_begins_a_shard_before_it_passes_the_limit(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 2);
    /* 8 bytes, the configuration of 185, and for each sample 4 bytes and its size: 13 and
     * 15. */
    assert_int_equal(export_to(place, "mds", place->out, "--columns", "words,number",
                               "--size-limit", "229", NULL),
                     0);
    assert_false(exists(place, "out/shard.00001.mds"));
    assert_int_equal(export_to(place, "mds", place->out, "--columns", "words,number",
                               "--size-limit", "228", "--force", NULL),
                     0);
    assert_true(exists(place, "out/shard.00001.mds"));
}

/* A number of octal digits. */
static unsigned octal(const unsigned char *digits)
{
    return (unsigned)strtoul((const char *)digits, NULL, 8);
}

static void tar_writes_a_sample_as_files_side_by_side(void **state)
{
    struct place *place = *state;
    struct bytes content = {0};
    export_job_make(place->job, golden, 2, 1, 1);
    assert_int_equal(export_to(place, "tar", place->out, NULL), 0);
    read_from(place, "out/000000.tar", &content);
    const unsigned char *at = content.data;
    /* Three members a record: tokens.npy, words.txt, json. */
    assert_int_equal(content.size, (2 * 6 + 2) * 512);
    assert_string_equal(at, "000000000.tokens.npy");
    assert_int_equal(octal(at + 124), 128 + 6);
    assert_memory_equal(at + 257, "ustar\00000", 8);
    assert_memory_equal(at + 512, "\x93NUMPY\x01\0\x76\0{'descr': '<u2', ", 27);
    assert_memory_equal(at + 512 + 128, "\1\0\2\0\3\0", 6);
    assert_string_equal(at + 1024, "000000000.words.txt");
    assert_string_equal(at + 2048, "000000000.json");
    assert_string_equal(at + 2560, "{\"key\": \"a\", \"number\": 0}");
    assert_string_equal(at + 3072, "000000001.tokens.npy");
    for (size_t member = 0; member < 6; member++) {
        unsigned sum = 0;
        const unsigned char *head = at + member * 1024;
        for (size_t i = 0; i < 512; i++)
            sum += i >= 148 && i < 156 ? ' ' : head[i];
        assert_int_equal(octal(head + 148), sum);
    }
    bytes_clear(&content);
}

static void tar_names_samples_by_a_column(void **state)
{
    struct place *place = *state;
    struct bytes content = {0};
    export_job_make(place->job, golden, 2, 1, 1);
    assert_int_equal(export_to(place, "tar", place->out, "--key-column", "words",
                               "--columns", "number", NULL),
                     0);
    read_from(place, "out/000000.tar", &content);
    assert_string_equal(content.data, "a.json");
    assert_string_equal(content.data + 1024, "bcd.json");
    bytes_clear(&content);
    const struct export_record dotted[] = {{.key = "a.b", .tokens = golden_ids}};
    fixture_remove(place->job);
    assert_int_equal(mkdir(place->job, 0700), 0);
    export_job_make(place->job, dotted, 1, 1, 1);
    assert_int_equal(
        export_to(place, "tar", place->out, "--key-column", "key", "--force", NULL), 1);
    assert_true(has_said(place, "record \"a.b\" (a.jsonl, offset 0)"));
}

static void jobs_without_records_make_empty_exports(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 0, 1, 1);
    assert_int_equal(export_to(place, "megatron", place->out, NULL), 0);
    assert_hex(place, "out.bin", "");
    assert_hex(
        place, "out.idx",
        "4d4d494449445800000100000000000000080000000000000000010000000000000000000000"
        "00000000");
    assert_int_equal(export_to(place, "mds", place->out, NULL), 0);
    assert_text(place, "out/index.json", "{\"shards\": [], \"version\": 2}");
    assert_int_equal(export_to(place, "npy", place->out, "--force", NULL), 2);
    assert_true(has_said(place, "which is none of this format's files"));
    fixture_remove(place->out);
    assert_int_equal(export_to(place, "npy", place->out, NULL), 0);
    assert_hex(place, "out/part-0-00000.npy", "");
    fixture_remove(place->out);
    assert_int_equal(export_to(place, "tar", place->out, NULL), 0);
    assert_true(exists(place, "out/000000.tar"));
}

static void documents_without_tokens_get_no_end_in_megatron(void **state)
{
    struct place *place = *state;
    struct bytes content = {0};
    const struct export_record records[] = {
        {.key = "a", .tokens = golden_ids, .count = 0},
        {.key = "b", .tokens = golden_ids, .count = 1}};
    export_job_make(place->job, records, 2, 1, 2);
    assert_int_equal(
        export_to(place, "megatron", place->out, "--append-eod", "50256", NULL), 0);
    assert_hex(place, "out.bin", "010050c4");
    read_from(place, "out.idx", &content);
    assert_int_equal(load_u32(content.data + 34), 0);
    assert_int_equal(load_u32(content.data + 38), 2);
    bytes_clear(&content);
}

/* ---- the type of ids ---- */

static void assert_dtype(struct place *place, uint32_t id, const char *format,
                         size_t size, const char *file, ...)
{
    char words[4][40] = {""};
    struct bytes content = {0};
    const struct export_record record = {.key = "a", .tokens = &id, .count = 1};
    va_list list;
    va_start(list, file);
    for (size_t i = 0; i < 4; i++) {
        const char *word = va_arg(list, const char *);
        if (!word)
            break;
        (void)snprintf(words[i], sizeof words[i], "%s", word);
    }
    va_end(list);
    fixture_remove(place->job);
    assert_int_equal(mkdir(place->job, 0700), 0);
    export_job_make(place->job, &record, 1, 1, 1);
    assert_int_equal(export_to(place, format, place->out, "--force",
                               *words[0] ? words[0] : NULL, *words[1] ? words[1] : NULL,
                               NULL),
                     0);
    read_from(place, file, &content);
    assert_int_equal(content.size, size);
    assert_memory_equal(content.data, &id, size);
    bytes_clear(&content);
}

static void ids_are_as_small_as_the_format_allows(void **state)
{
    struct place *place = *state;
    assert_dtype(place, 65498, "megatron", 2, "out.bin", NULL);
    assert_dtype(place, 65499, "megatron", 4, "out.bin", NULL);
    assert_dtype(place, 65535, "datatrove", 2, "out.ds", NULL);
    assert_dtype(place, 65536, "datatrove", 4, "out.ds", NULL);
    assert_dtype(place, 65536, "npy", 4, "out/part-0-00000.npy", NULL);
}

static void a_known_vocabulary_decides_the_type_of_ids(void **state)
{
    struct place *place = *state;
    assert_dtype(place, 5, "megatron", 2, "out.bin", "--vocabulary-size", "65499", NULL);
    assert_dtype(place, 5, "megatron", 4, "out.bin", "--vocabulary-size", "65500", NULL);
    assert_dtype(place, 5, "datatrove", 2, "out.ds", "--vocabulary-size", "65536", NULL);
    assert_dtype(place, 5, "datatrove", 4, "out.ds", "--vocabulary-size", "65537", NULL);
    assert_dtype(place, 65535, "megatron", 2, "out.bin", "--dtype", "uint16", NULL);
    assert_dtype(place, 5, "npy", 4, "out/part-0-00000.npy", "--dtype", "int32", NULL);
}

static void an_id_that_does_not_fit_names_its_record(void **state)
{
    struct place *place = *state;
    static const uint32_t large = 70000;
    const struct export_record records[] = {
        {.key = "a", .tokens = golden_ids, .count = 3},
        {.key = "here", .tokens = &large, .count = 1}};
    export_job_make(place->job, records, 2, 1, 1);
    static const char *const formats[] = {"megatron", "datatrove", "npy", "mds", "tar"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(
            export_to(place, formats[i], place->out, "--dtype", "uint16", NULL), 1);
        assert_true(has_said(place, "record \"here\" (a.jsonl, offset 10): id 70000 does "
                                    "not fit into uint16"));
        assert_nothing_is_left(place);
    }
    assert_int_equal(export_to(place, "megatron", place->out, "--dtype", "uint16",
                               "--append-eod", "65536", NULL),
                     2);
    assert_nothing_is_left(place);
}

static void a_null_names_its_record(void **state)
{
    struct place *place = *state;
    const struct export_record records[] = {
        {.key = "a", .tokens = golden_ids, .count = 3}, {.key = "gone"}};
    export_job_make(place->job, records, 2, 2, 1);
    static const char *const formats[] = {"megatron", "datatrove", "npy", "mds", "tar"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(export_to(place, formats[i], place->out, NULL), 1);
        assert_true(has_said(place,
                             "record \"gone\" (a.jsonl, offset 10): column \"tokens\" is "
                             "null"));
        assert_nothing_is_left(place);
    }
    assert_int_equal(export_to(place, "jsonl", place->out, NULL), 0);
}

/* ---- many records, several threads ---- */

static struct export_record *make_many(struct arena *arena)
{
    uint32_t chance = 7;
    struct export_record *records = ARENA_NEW(arena, struct export_record, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        size_t count = fixture_random(&chance) % 400;
        uint32_t *ids = ARENA_NEW(arena, uint32_t, count + 1);
        char key[32];
        int length = snprintf(key, sizeof key, "record-%u", (unsigned)i);
        for (size_t k = 0; k < count; k++)
            ids[k] = fixture_random(&chance) % 50000;
        records[i] =
            (struct export_record){.key = arena_copy_text(arena, key, (size_t)length),
                                   .words = "some words",
                                   .number = i,
                                   .tokens = ids,
                                   .count = count};
    }
    return records;
}

static void assert_same_file(const struct place *place, const char *a, const char *b)
{
    struct bytes left = {0}, right = {0};
    read_from(place, a, &left);
    read_from(place, b, &right);
    assert_int_equal(left.size, right.size);
    assert_memory_equal(left.data, right.data, left.size);
    bytes_clear(&left);
    bytes_clear(&right);
}

static const struct {
    const char *format, *option, *value;
    const char *names[5];
} many_cases[] = {
    {"jsonl", "--threads", "3", {""}},
    {"megatron", "--threads", "3", {".bin", ".idx"}},
    {"datatrove", "--loss", "ones", {".ds", ".ds.index", ".ds.loss", ".ds.metadata"}},
    {"npy",
     "--max-tokens-per-file",
     "150000",
     {"/part-0-00000.npy", "/part-0-00002.npy", "/part-0-00000.csv.gz",
      "/part-0-00002.csv.gz", "/part-0-00003.npy"}},
    {"mds",
     "--size-limit",
     "300KB",
     {"/index.json", "/shard.00000.mds", "/shard.00003.mds"}},
    {"mds", "--compression", "zstd:1", {"/index.json", "/shard.00000.mds.zstd"}},
    {"tar", "--size-limit", "3MB", {"/000000.tar", "/000001.tar", "/000002.tar"}}};

/* However the job was cut into shards and blocks, and however many threads there are. */
static void the_bytes_depend_on_the_records_alone(void **state)
{
    struct place *place = *state;
    char other[600], left[600], right[600];
    struct arena *arena = arena_create(1 << 20, 0);
    const struct export_record *records = make_many(arena);
    (void)snprintf(other, sizeof other, "%s/other", place->folder);
    for (size_t i = 0; i < sizeof many_cases / sizeof *many_cases; i++) {
        bool is_count = strcmp(many_cases[i].option, "--threads") == 0;
        const char *option = is_count ? NULL : many_cases[i].option;
        fixture_remove(place->job);
        assert_int_equal(mkdir(place->job, 0700), 0);
        export_job_make(place->job, records, MANY, 1, 100);
        assert_int_equal(export_to(place, many_cases[i].format, place->out, "--force",
                                   "--threads", "1", option, many_cases[i].value, NULL),
                         0);
        fixture_remove(place->job);
        assert_int_equal(mkdir(place->job, 0700), 0);
        export_job_make(place->job, records, MANY, 37, 7);
        assert_int_equal(export_to(place, many_cases[i].format, other, "--threads", "4",
                                   option, many_cases[i].value, NULL),
                         0);
        for (size_t k = 0; k < 5 && many_cases[i].names[k]; k++) {
            (void)snprintf(left, sizeof left, "out%s", many_cases[i].names[k]);
            (void)snprintf(right, sizeof right, "other%s", many_cases[i].names[k]);
            assert_same_file(place, left, right);
        }
        fixture_remove(place->out);
        fixture_remove(other);
    }
    arena_destroy(arena);
}

static void the_earliest_of_several_bad_records_is_named(void **state)
{
    struct place *place = *state;
    struct arena *arena = arena_create(1 << 20, 0);
    struct export_record *records = make_many(arena);
    records[1100].tokens = records[1900].tokens = records[2999].tokens = NULL;
    export_job_make(place->job, records, MANY, 40, 5);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(export_to(place, "megatron", place->out, "--threads", "4", NULL),
                         1);
        assert_true(has_said(place, "record \"record-1100\""));
    }
    assert_nothing_is_left(place);
    arena_destroy(arena);
}

/* ---- what is there already ---- */

static void what_is_there_is_refused_unless_forced(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 1);
    static const char *const formats[] = {"jsonl", "megatron", "npy"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(export_to(place, formats[i], place->out, NULL), 0);
        assert_int_equal(export_to(place, formats[i], place->out, NULL), 2);
        assert_true(has_said(place, "--force replaces it"));
        assert_int_equal(export_to(place, formats[i], place->out, "--force", NULL), 0);
        if (i == 0)
            assert_int_equal(unlink(place->out), 0);
    }
    assert_false(exists(place, ".out.old"));
    assert_false(exists(place, ".out.tmp"));
}

static void a_folder_with_other_things_is_never_replaced(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 1);
    assert_int_equal(mkdir(place->out, 0700), 0);
    assert_int_equal(export_to(place, "npy", place->out, NULL), 0); /* it was empty */
    fixture_write_text(place->out, "thesis.txt", "mine");
    assert_int_equal(export_to(place, "npy", place->out, "--force", NULL), 2);
    assert_true(has_said(place, "it holds \"thesis.txt\""));
    assert_true(exists(place, "out/thesis.txt"));
    assert_int_equal(export_to(place, "megatron", place->job, "--force", NULL), 0);
    assert_true(exists(place, "job/index.lmdb"));
}

static void what_a_killed_export_left_is_taken_over(void **state)
{
    struct place *place = *state;
    char path[1000];
    export_job_make(place->job, golden, 2, 1, 1);
    (void)snprintf(path, sizeof path, "%s/.out.tmp", place->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    fixture_write_text(path, "part-0-00007.npy", "half of it");
    fixture_write_text(place->folder, ".out.bin.tmp", "longer than what will be written");
    assert_int_equal(export_to(place, "npy", place->out, NULL), 0);
    assert_false(exists(place, "out/part-0-00007.npy"));
    assert_false(exists(place, "out/.lock"));
    assert_int_equal(export_to(place, "megatron", place->out, NULL), 0);
    assert_hex(place, "out.bin", "01000200030004000500");
}

static void wrong_options_are_refused(void **state)
{
    struct place *place = *state;
    export_job_make(place->job, golden, 2, 1, 1);
    static const struct {
        const char *format, *option, *value, *said;
    } cases[] = {
        {"jsonl", "--append-eod", "3", "format jsonl takes no --append-eod; megatron, "},
        {"megatron", "--compression", "zstd", "takes no --compression; mds do"},
        {"megatron", "--append-eod", "-1", "a number from 0"},
        {"megatron", "--dtype", "uint8", "auto, uint16, int32 or uint32"},
        {"megatron", "--dtype", "uint32", "format megatron has no uint32"},
        {"megatron", "--column", "ids",
         "no column \"ids\"; they have key, number, tokens"},
        {"megatron", "--column", "words", "column \"words\" is utf8"},
        {"mds", "--columns", "words,gone", "no column \"gone\""},
        {"mds", "--compression", "gzip", "zstd or zstd:LEVEL"},
        {"mds", "--compression", "zstd:99", "a number from 1"},
        {"mds", "--size-limit", "5GiB", "below 4GiB"},
        {"megatro", "--dtype", "auto", "did you mean \"megatron\"?"},
        {"npy", "--threads", "0", "a number from 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(export_to(place, cases[i].format, place->out, cases[i].option,
                                   cases[i].value, NULL),
                         2);
        if (!has_said(place, cases[i].said))
            fail_msg("case %zu: %s", i, (const char *)place->said.data);
        assert_nothing_is_left(place);
    }
    assert_int_equal(export_to(place, "megatron", "-", NULL), 2);
    assert_int_equal(export_to(place, "megatron", "/nowhere/at/all", NULL), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(megatron_writes_the_published_layout),
        CASE(datatrove_writes_the_published_layout),
        CASE(datatrove_takes_the_loss_from_a_column),
        CASE(npy_writes_raw_numbers_and_a_table),
        CASE(npy_begins_another_file_before_a_document_that_does_not_fit),
        CASE(mds_writes_the_published_layout),
        CASE(mds_begins_a_shard_before_it_passes_the_limit),
        CASE(tar_writes_a_sample_as_files_side_by_side),
        CASE(tar_names_samples_by_a_column),
        CASE(jobs_without_records_make_empty_exports),
        CASE(documents_without_tokens_get_no_end_in_megatron),
        CASE(ids_are_as_small_as_the_format_allows),
        CASE(a_known_vocabulary_decides_the_type_of_ids),
        CASE(an_id_that_does_not_fit_names_its_record),
        CASE(a_null_names_its_record),
        CASE(the_bytes_depend_on_the_records_alone),
        CASE(the_earliest_of_several_bad_records_is_named),
        CASE(what_is_there_is_refused_unless_forced),
        CASE(a_folder_with_other_things_is_never_replaced),
        CASE(what_a_killed_export_left_is_taken_over),
        CASE(wrong_options_are_refused),
    };
    return cmocka_run_group_tests_name("export_run", tests, NULL, NULL);
}
