/* test_reader.c - extents give the same records however a file is cut */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/batch.h"
#include "tests/unit/records.h"

struct place {
    char folder[64], path[96];
};

static void open_place(struct place *place, const void *data, size_t size)
{
    make_folder(place->folder);
    (void)snprintf(place->path, sizeof place->path, "%s/data", place->folder);
    write_file(place->path, data, size);
}

static void close_place(const struct place *place)
{
    (void)unlink(place->path);
    (void)rmdir(place->folder);
}

static struct input_spec jsonl_input(void)
{
    return (struct input_spec){
        .format = FORMAT_JSONL, .text = "text", .key = "id", .max_record = 1 << 20};
}

/* Read `size` bytes of a file in shards of `shard` bytes. */
static void read_file(const struct input_spec *input, const char *path, uint64_t size,
                      uint64_t shard, struct records *records)
{
    struct reader *reader = NULL;
    struct error error = {0};
    assert_int_equal(reader_create(input, &reader, &error), OK);
    for (uint64_t begin = 0; begin < size; begin += shard) {
        struct extent extent = {.path = path,
                                .name = "f",
                                .begin = begin,
                                .end = size - begin < shard ? size : begin + shard};
        uint32_t max_records = shard % 2 ? 3 : 1000;
        assert_int_equal(
            read_extent(reader, &extent, max_records, 1 << 16, records, &error), OK);
        if (size == begin + shard)
            break;
    }
    reader_destroy(reader);
}

/* One line alone, from memory with rubbish behind it. */
static void read_line(const struct input_spec *input, const char *line, size_t size,
                      struct records *records)
{
    struct reader *reader = NULL;
    unsigned char room[4096];
    memset(room, '}', sizeof room);
    assert_true(size + 64 < sizeof room);
    memcpy(room, line, size);
    struct extent extent = {.name = "f", .end = size, .data = room, .data_size = size};
    assert_int_equal(reader_create(input, &reader, NULL), OK);
    assert_int_equal(read_extent(reader, &extent, 10, 1000, records, NULL), OK);
    reader_destroy(reader);
}

static void expect_line(const struct input_spec *input, const char *line,
                        const char *expected)
{
    struct records records = {0};
    read_line(input, line, strlen(line), &records);
    bytes_put_u8(&records.log, 0);
    assert_string_equal((const char *)records.log.data, expected);
    clear_records(&records);
}

static void put_random_line(struct bytes *text, uint64_t *seed)
{
    char line[200];
    uint64_t number = random_next(seed) % 100000;
    switch (random_below(seed, 14)) {
    case 0:
        bytes_put(text, "  \t\r", random_below(seed, 5));
        break;
    case 1:
        bytes_put(text, "{\"id\": \"cut", 11);
        break;
    case 2:
        bytes_put(text, "{\"id\":\"u\",\"text\":\"\xff\"}", 21);
        break;
    case 3:
        for (uint64_t i = random_below(seed, 300); i > 0; i--)
            bytes_put(text, "long ", 5);
        break;
    case 4:
        bytes_put(text, "{\"id\":5,\"text\":7}\r", 18);
        break;
    default:
        (void)snprintf(line, sizeof line,
                       "{\"id\": \"k%llu\", \"text\": \"%.*s\\n\", \"n\": [1, {}]}",
                       (unsigned long long)number, (int)(number % 60),
                       "words and words and words and words and words and words and");
        bytes_put(text, line, strlen(line));
    }
}

static void make_lines(struct bytes *text, size_t size, uint64_t *seed)
{
    bytes_reset(text);
    while (text->size < size) {
        put_random_line(text, seed);
        bytes_put_u8(text, '\n');
    }
    if (random_below(seed, 2))
        put_random_line(text, seed);
}

static void every_shard_size_gives_the_same_records(void **state)
{
    (void)state;
    static const uint64_t shards[] = {1, 2, 3, 7, 16, 61, 64, 255, 1000, 4096, 100000};
    struct bytes text = {0};
    uint64_t seed = 11;
    for (int round = 0; round < 12; round++) {
        struct place place;
        struct input_spec input = jsonl_input();
        struct records whole = {.has_excerpts = true}, cut = {.has_excerpts = true};
        if (round % 3 == 1)
            input.max_record = 100;
        if (round % 3 == 2)
            input.format = FORMAT_LINES;
        make_lines(&text, (size_t)random_below(&seed, 6000), &seed);
        open_place(&place, text.data, text.size);
        read_file(&input, place.path, text.size, UINT64_MAX / 2, &whole);
        assert_int_equal(whole.bytes, text.size);
        for (size_t i = 0; i < sizeof shards / sizeof shards[0]; i++) {
            read_file(&input, place.path, text.size, shards[i], &cut);
            assert_int_equal(cut.bytes, text.size);
            assert_int_equal(cut.log.size, whole.log.size);
            if (cut.log.size > 0)
                assert_memory_equal(cut.log.data, whole.log.data, cut.log.size);
            clear_records(&cut);
        }
        clear_records(&whole);
        close_place(&place);
    }
    bytes_clear(&text);
}

static void lines_longer_than_the_buffer_are_read(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0};
    struct records records = {0};
    struct input_spec input = {.format = FORMAT_LINES, .max_record = 3 << 20};
    for (size_t i = 0; i < 3 << 20; i++)
        bytes_put_u8(&text, 'a');
    bytes_put(&text, "\nshort\n", 7);
    open_place(&place, text.data, text.size);
    read_file(&input, place.path, text.size, 1000000, &records);
    assert_int_equal(records.count, 2);
    assert_int_equal(records.bad, 0);
    assert_int_equal(records.bytes, text.size);
    clear_records(&records);
    input.max_record--;
    read_file(&input, place.path, text.size, 1000000, &records);
    assert_int_equal(records.count, 1);
    assert_int_equal(records.bad, 1);
    assert_int_equal(records.bytes, text.size);
    clear_records(&records);
    bytes_clear(&text);
    close_place(&place);
}

/* One shard of a file, by a reader of its own or one that has read others before. */
static void read_shard(struct reader *reader, const char *path, uint64_t size,
                       uint64_t begin, uint64_t length, struct records *records)
{
    struct error error = {0};
    struct extent extent = {.path = path,
                            .name = "f",
                            .begin = begin,
                            .end = size - begin < length ? size : begin + length};
    assert_int_equal(read_extent(reader, &extent, 100, 1 << 16, records, &error), OK);
}

static void a_reader_goes_to_any_shard_of_any_file(void **state)
{
    (void)state;
    enum { FILES = 2, SIZE = 3 << 20, SHARDS = 400 };
    static const uint64_t lengths[] = {1, 50, 1000, 70000, 1200000};
    struct place places[FILES];
    struct bytes text = {0};
    struct input_spec input = jsonl_input();
    struct reader *reader = NULL;
    struct records found = {0}, expected = {0};
    uint64_t sizes[FILES], seed = 5, begin = 0;
    input.format = FORMAT_LINES;
    for (int i = 0; i < FILES; i++) {
        make_lines(&text, SIZE, &seed);
        sizes[i] = text.size;
        open_place(&places[i], text.data, text.size);
    }
    assert_int_equal(reader_create(&input, &reader, NULL), OK);
    for (int i = 0; i < SHARDS; i++) {
        struct reader *fresh = NULL;
        uint64_t file = random_below(&seed, 8) == 0;
        uint64_t length = lengths[random_below(&seed, 5)];
        if (random_below(&seed, 2) || begin >= sizes[file])
            begin = random_below(&seed, sizes[file]);
        assert_int_equal(reader_create(&input, &fresh, NULL), OK);
        read_shard(reader, places[file].path, sizes[file], begin, length, &found);
        read_shard(fresh, places[file].path, sizes[file], begin, length, &expected);
        reader_destroy(fresh);
        assert_int_equal(found.bytes, expected.bytes);
        assert_int_equal(found.log.size, expected.log.size);
        assert_true(found.log.size == 0 ||
                    memcmp(found.log.data, expected.log.data, found.log.size) == 0);
        if (random_below(&seed, 8) == 0) { /* a shard of a stream in between */
            struct extent extent = {
                .name = "f", .data = text.data, .data_size = 1000, .data_offset = 7};
            assert_int_equal(read_extent(reader, &extent, 100, 1 << 16, &found, NULL),
                             OK);
        }
        clear_records(&found);
        clear_records(&expected);
        begin += length;
    }
    reader_destroy(reader);
    bytes_clear(&text);
    for (int i = 0; i < FILES; i++)
        close_place(&places[i]);
}

static void a_line_that_is_not_json_is_set_aside(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "[]",
        "7",
        "\"x\"",
        "nul",
        "{",
        "}",
        "{\"id\"}",
        "{\"id\":}",
        "{\"id\":1,}",
        "{\"id\":\"a\",\"text\":\"b\"",
        "{\"id\":\"a\",\"text\":\"b\"}}",
        "{\"id\":\"a\",\"text\":\"b\"} x",
        "{\"id\":\"a\",\"text\":\"b\"}{}",
        "{\"id\":\"a\" \"text\":\"b\"}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":01}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":[1,]}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":[1 2]}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":[1}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":1.}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":-}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":+1}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":1e}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":truex}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":NaN}",
        "{\"id\":\"a\",\"text\":\"b\",n:1}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":\"\\x\"}",
        "{\"id\":\"a\",\"text\":\"\\u12\"}",
        "{\"id\":\"a\",\"text\":\"\\ud800\"}",
        "{\"id\":\"a\",\"text\":\"\\udc00\"}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":\"\\ud800x\"}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":\"\\udc00\"}",
        "{\"id\":\"a\",\"text\":\"\\ud800\\ud800\"}",
        "{\"id\":\"a\",\"te\txt\":\"b\"}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":{\"x\":[{\"y\":tru}]}}",
        "{\"id\":\"a\",\"text\":\"b\",\"n\":{\"x\":1",
        "{\"id\":\"a\",\"text\":\"b\",,}"};
    struct input_spec input = jsonl_input();
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "0+%zu BAD not_json \n",
                       strlen(lines[i]));
        expect_line(&input, lines[i], expected);
    }
}

static void json_of_every_kind_is_read(void **state)
{
    (void)state;
    struct input_spec input = jsonl_input();
    expect_line(&input, "{\"id\":\"a\",\"text\":\"b\"}", "0+21 a | b | \n");
    expect_line(&input, " { \"text\" : \"\\u00e9\\ud83d\\ude00\\/\" , \"id\" : -12 } \r",
                "0+51 -12 | \xc3\xa9\xf0\x9f\x98\x80/ | \n");
    expect_line(&input, "{\"\\u0069d\":\"\",\"text\":\"\"}", "0+24  |  | \n");
    expect_line(&input, "{\"id\":123456789012345678901234567890,\"text\":\"x\"}",
                "0+48 123456789012345678901234567890 | x | \n");
    expect_line(&input,
                "{\"id\":\"a\",\"text\":\"b\",\"n\":1e999,\"m\":[1e-999,-0.0E+5]}",
                "0+52 a | b | \n");
    expect_line(&input,
                "{\"id\":\"a\",\"id\":7.5,\"text\":\"first\",\"text\":\"second\"}",
                "0+50 a | first | \n");
    expect_line(
        &input,
        "{\"o\":{\"id\":1,\"text\":2},\"a\":[],\"e\":{},\"id\":\"a\",\"text\":\"b\"}",
        "0+57 a | b | \n");
}

static void wrong_and_missing_fields_are_told_with_the_key(void **state)
{
    (void)state;
    struct input_spec input = jsonl_input();
    expect_line(&input, "{\"id\":\"n\"}", "0+10 BAD missing_field n\n");
    expect_line(&input, "{\"text\":\"n\"}", "0+12 BAD missing_field \n");
    expect_line(&input, "{\"id\":\"t\",\"text\":7}", "0+19 BAD wrong_type t\n");
    expect_line(&input, "{\"id\":\"t\",\"text\":null}", "0+22 BAD wrong_type t\n");
    expect_line(&input, "{\"id\":1.5,\"text\":\"x\"}", "0+21 BAD wrong_type \n");
    expect_line(&input, "{\"id\":[],\"text\":\"x\"}", "0+20 BAD wrong_type \n");
    expect_line(&input, "{\"id\":\"t\",\"text\":[\"x\"]}", "0+23 BAD wrong_type t\n");
    input.key = NULL;
    expect_line(&input, "{}\n{\"text\":\"x\"}",
                "0+3 BAD missing_field f#0\n3+12 f#3 | x | \n");
    input.text = NULL;
    expect_line(&input, "\n{}", "1+2 f#1 | \n");
    input.key = input.text = "t";
    expect_line(&input, "{\"t\":\"a\\tb\"}", "0+12 a\tb | a\tb | \n");
}

static void invalid_utf8_wins_over_all_other_faults(void **state)
{
    (void)state;
    struct input_spec input = jsonl_input();
    expect_line(&input, "{\"id\":\"\xff", "0+8 BAD not_utf8 \n");
    expect_line(&input, "\xc3", "0+1 BAD not_utf8 \n");
    expect_line(&input, "{\"id\":\"a\",\"text\":\"b\",\"n\":\"\xed\xa0\x80\"}",
                "0+31 BAD not_utf8 \n");
    input.format = FORMAT_LINES;
    expect_line(&input, "ok\r\nb\xff\n \n last",
                "0+4 f#0 | ok | \n4+3 BAD not_utf8 f#4\n"
                "9+5 f#9 |  last | \n");
}

static void deep_nesting_is_refused_and_not_deeper(void **state)
{
    (void)state;
    struct input_spec input = jsonl_input();
    struct records records = {0};
    char line[3000];
    for (size_t depth = 1023; depth <= 1024; depth++) {
        size_t at = (size_t)snprintf(line, sizeof line, "{\"id\":1,\"text\":\"\",\"n\":");
        memset(line + at, '[', depth);
        memset(line + at + depth, ']', depth);
        at += 2 * depth;
        line[at++] = '}';
        read_line(&input, line, at, &records);
        assert_int_equal(records.count, depth == 1023);
        assert_int_equal(records.bad, depth == 1024);
        clear_records(&records);
    }
    memset(line, '[', sizeof line);
    read_line(&input, line, sizeof line, &records);
    assert_int_equal(records.bad, 1);
    clear_records(&records);
}

/* The columns of one line; the arena and reader are given back by the caller. */
static const struct batch *read_columns(const struct input_column *columns, size_t count,
                                        const char *line, struct arena *arena,
                                        struct reader_result *result)
{
    struct input_spec input = {.format = FORMAT_JSONL,
                               .columns = columns,
                               .column_count = count,
                               .max_record = 100000};
    struct reader *reader = NULL;
    unsigned char room[2000] = {0};
    memcpy(room, line, strlen(line));
    struct extent extent = {.name = "f", .data = room, .data_size = strlen(line)};
    assert_int_equal(reader_create(&input, &reader, NULL), OK);
    assert_int_equal(reader_open(reader, &extent, 0, NULL), OK);
    assert_int_equal(reader_next(reader, 100, 10000, arena, result, NULL), OK);
    reader_destroy(reader);
    return result->batch;
}

static const struct input_column all_columns[] = {
    {.name = "s", .type = COLUMN_UTF8},
    {.name = "b", .type = COLUMN_BYTES},
    {.name = "t", .type = COLUMN_BOOL},
    {.name = "i", .type = COLUMN_I64},
    {.name = "d", .type = COLUMN_F64},
    {.name = "u", .type = COLUMN_LIST_U32},
    {.name = "f", .type = COLUMN_LIST_F32},
    {.name = "v", .type = COLUMN_VECTOR_F32, .dimension = 2},
    {.name = "x", .type = COLUMN_LIST_BOX},
};
enum { ALL = sizeof all_columns / sizeof all_columns[0] };

static void columns_of_every_type_are_read(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct reader_result result;
    const struct batch *batch = read_columns(
        all_columns, ALL,
        "{\"s\":\"\\\"q\",\"b\":\"AAECAw==\",\"t\":true,\"i\":-9223372036854775808,"
        "\"d\":1e2,\"u\":[0,4294967295],\"f\":[0.5,-1],\"v\":[1,2.5],"
        "\"x\":[[1,2,3,4,0.5,7],[9,8,7,6,5,4]]}\n"
        "{\"s\":null,\"b\":null,\"t\":null,\"i\":null,\"d\":null,\"u\":null,\"f\":null,"
        "\"v\":null,\"x\":null}\n"
        "{\"s\":\"\",\"b\":\"\",\"t\":false,\"i\":1,\"d\":-0.25,\"u\":[],\"f\":[],"
        "\"v\":[3,4],\"x\":[]}\n",
        arena, &result);
    assert_int_equal(result.bad_count, 0);
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->column_count, 1 + ALL);
    const struct column *const *columns = batch->columns + 1;
    for (int i = 0; i < ALL; i++) {
        assert_string_equal(columns[i]->name, all_columns[i].name);
        assert_non_null(columns[i]->validity);
        assert_int_equal(columns[i]->validity[0], 5);
        if (columns[i]->offsets)
            assert_true(columns[i]->offsets[0] == 0 &&
                        columns[i]->offsets[1] == columns[i]->offsets[3]);
    }
    assert_null(batch->columns[0]->validity);
    assert_memory_equal(columns[0]->data, "\"q", 2);
    assert_memory_equal(columns[1]->data, "\0\1\2\3", 4);
    assert_int_equal(((const unsigned char *)columns[2]->data)[0], 1);
    const int64_t integers[] = {INT64_MIN, 0, 1};
    assert_memory_equal(columns[3]->data, integers, sizeof integers);
    const double doubles[] = {100, 0, -0.25};
    assert_memory_equal(columns[4]->data, doubles, sizeof doubles);
    const uint32_t wholes[] = {0, UINT32_MAX};
    assert_memory_equal(columns[5]->data, wholes, sizeof wholes);
    const float floats[] = {0.5F, -1};
    assert_memory_equal(columns[6]->data, floats, sizeof floats);
    const float vectors[] = {1, 2.5F, 0, 0, 3, 4};
    assert_memory_equal(columns[7]->data, vectors, sizeof vectors);
    const float boxes[] = {1, 2, 3, 4, 0.5F, 7, 9, 8, 7, 6, 5, 4};
    assert_int_equal(columns[8]->offsets[1], 2);
    assert_memory_equal(columns[8]->data, boxes, sizeof boxes);
    arena_destroy(arena);
}

static void values_of_another_type_are_told(void **state)
{
    (void)state;
    static const struct {
        int column;
        const char *value;
    } wrong[] = {{0, "1"},
                 {0, "[]"},
                 {1, "\"A\""},
                 {1, "\"AAE\""},
                 {1, "\"AAF=\""},
                 {1, "\"A===\""},
                 {1, "\"====\""},
                 {1, "\"AA*=\""},
                 {2, "1"},
                 {2, "\"true\""},
                 {3, "1.0"},
                 {3, "1e2"},
                 {3, "9223372036854775808"},
                 {3, "-9223372036854775809"},
                 {3, "\"1\""},
                 {4, "1e999"},
                 {4, "true"},
                 {5, "[1.0]"},
                 {5, "[-1]"},
                 {5, "[4294967296]"},
                 {5, "[[1]]"},
                 {5, "[\"1\"]"},
                 {5, "[null]"},
                 {5, "{}"},
                 {6, "[1e39]"},
                 {6, "[[1]]"},
                 {6, "[1,[1]]"},
                 {6, "[1,{}]"},
                 {7, "[1]"},
                 {7, "[1,2,3]"},
                 {7, "[1,\"2\"]"},
                 {7, "[]"},
                 {8, "[1,2,3,4,5,6]"},
                 {8, "[[1,2,3,4,5]]"},
                 {8, "[[]]"},
                 {8, "[[1,2,3,4,5,6],7]"},
                 {8, "[[1,2,3,4,5,6],[1,2,3,4,5]]"},
                 {8, "[[1,2,3,4,5,[6]]]"},
                 {8, "[[1,2,3,4,5,\"6\"]]"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct arena *arena = arena_create(4096, 0);
        struct reader_result result;
        char line[200];
        (void)snprintf(line, sizeof line, "{\"z\":[1,{}],\"%s\":%s}",
                       all_columns[wrong[i].column].name, wrong[i].value);
        (void)read_columns(&all_columns[wrong[i].column], 1, line, arena, &result);
        assert_int_equal(result.bad_count, 1);
        assert_string_equal(result.bad[0].reason, "wrong_type");
        assert_non_null(strstr(result.bad[0].detail, all_columns[wrong[i].column].name));
        assert_int_equal(result.bad[0].excerpt_size, strlen(line));
        assert_memory_equal(result.bad[0].excerpt, line, strlen(line));
        arena_destroy(arena);
    }
}

static void rows_before_and_behind_a_bad_one_keep_their_values(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct reader_result result;
    const struct batch *batch =
        read_columns(all_columns, 4,
                     "{\"s\":\"a\",\"b\":\"AA==\",\"t\":true,\"i\":1}\n"
                     "{\"s\":\"bad\",\"b\":null,\"t\":true,\"i\":\"x\"}\n"
                     "{\"s\":\"c\",\"b\":\"AQ==\",\"t\":false,\"i\":3}\n",
                     arena, &result);
    assert_int_equal(result.bad_count, 1);
    assert_int_equal(result.bad[0].origin.ordinal, 1);
    assert_int_equal(batch->count, 2);
    assert_int_equal(batch->origins[1].ordinal, 2);
    for (int i = 0; i < 5; i++)
        assert_null(batch->columns[i]->validity);
    assert_memory_equal(batch->columns[1]->data, "ac", 2);
    assert_memory_equal(batch->columns[2]->data, "\0\1", 2);
    assert_int_equal(((const unsigned char *)batch->columns[3]->data)[0], 1);
    assert_int_equal(((const int64_t *)batch->columns[4]->data)[1], 3);
    arena_destroy(arena);
}

static void a_text_file_is_one_record(void **state)
{
    (void)state;
    static const char *const texts[] = {"", " \n", "one\ntwo\n", "\xff"};
    static const char *const expected[] = {
        "", "0+2 f#0 |  \n | \n", "0+8 f#0 | one\ntwo\n | \n", "0+1 BAD not_utf8 f#0\n"};
    for (size_t i = 0; i < 4; i++) {
        struct place place;
        struct records records = {0};
        struct input_spec input = {.format = FORMAT_TEXT, .max_record = 8};
        open_place(&place, texts[i], strlen(texts[i]));
        read_file(&input, place.path, strlen(texts[i]), 1 << 20, &records);
        assert_int_equal(records.log.size, strlen(expected[i]));
        if (records.log.size > 0)
            assert_memory_equal(records.log.data, expected[i], records.log.size);
        assert_int_equal(records.bytes, strlen(texts[i]));
        clear_records(&records);
        input.max_record = 0;
        read_file(&input, place.path, strlen(texts[i]), 1 << 20, &records);
        assert_int_equal(records.bad, i > 0);
        assert_int_equal(records.bytes, strlen(texts[i]));
        clear_records(&records);
        close_place(&place);
    }
}

static void a_file_that_became_shorter_is_an_error(void **state)
{
    (void)state;
    struct place place;
    struct records records = {0};
    struct error error = {0};
    struct reader *reader = NULL;
    struct input_spec input = {.format = FORMAT_LINES, .max_record = 100};
    struct extent extent = {.path = place.path, .name = "f", .end = 9};
    open_place(&place, "a\nb\nc\n", 6);
    for (int is_text = 0; is_text < 2; is_text++) {
        input.format = is_text ? FORMAT_TEXT : FORMAT_LINES;
        assert_int_equal(reader_create(&input, &reader, NULL), OK);
        assert_int_equal(read_extent(reader, &extent, 10, 10, &records, &error),
                         ERROR_IO);
        assert_non_null(strstr(error.text, "shorter"));
        reader_destroy(reader);
        clear_records(&records);
    }
    close_place(&place);
    assert_int_equal(reader_create(&input, &reader, NULL), OK);
    assert_int_equal(reader_open(reader, &extent, 0, &error), ERROR_IO);
    reader_destroy(reader);
}

static void a_reader_goes_from_memory_to_a_file_and_back(void **state)
{
    (void)state;
    struct place place;
    struct records records = {0};
    struct reader *reader = NULL;
    struct input_spec input = {.format = FORMAT_LINES, .max_record = 100};
    static const unsigned char memory[100] = "memory\n";
    open_place(&place, "file\n", 5);
    struct extent file = {.path = place.path, .name = "f", .end = 5};
    struct extent shard = {.name = "m", .end = 7, .data = memory, .data_size = 7};
    assert_int_equal(reader_create(&input, &reader, NULL), OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_extent(reader, &file, 10, 100, &records, NULL), OK);
        assert_int_equal(read_extent(reader, &shard, 10, 100, &records, NULL), OK);
    }
    bytes_put_u8(&records.log, 0);
    assert_string_equal((const char *)records.log.data,
                        "0+5 f#0 | file | \n0+7 m#0 | memory | \n"
                        "0+5 f#0 | file | \n0+7 m#0 | memory | \n");
    reader_destroy(reader);
    clear_records(&records);
    close_place(&place);
}

static void a_fault_is_told_once_and_never_lost(void **state)
{
    (void)state;
    static const struct {
        const char *data, *expected;
    } cases[] = {
        {"", "100+0 BAD truncated_input f#100\n"},
        {"ab\n", "100+3 f#100 | ab | \n103+0 BAD truncated_input f#103\n"},
        {"ab\ncd", "100+3 f#100 | ab | \n103+2 BAD truncated_input f#103\n"},
        {"ab\n  ", "100+3 f#100 | ab | \n103+2 BAD truncated_input f#103\n"},
        {"a long line", "100+11 BAD too_long f#100\n111+0 BAD truncated_input f#111\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct input_spec input = {.format = FORMAT_LINES, .max_record = 10};
        struct records records = {0};
        struct reader *reader = NULL;
        unsigned char room[200] = {0};
        memcpy(room, cases[i].data, strlen(cases[i].data));
        struct extent extent = {.name = "f",
                                .begin = 100,
                                .end = 200,
                                .data = room,
                                .data_offset = 100,
                                .data_size = strlen(cases[i].data),
                                .fault = STREAM_TRUNCATED};
        assert_int_equal(reader_create(&input, &reader, NULL), OK);
        assert_int_equal(read_extent(reader, &extent, 1, 10, &records, NULL), OK);
        bytes_put_u8(&records.log, 0);
        assert_string_equal((const char *)records.log.data, cases[i].expected);
        reader_destroy(reader);
        clear_records(&records);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shard_size_gives_the_same_records),
        cmocka_unit_test(lines_longer_than_the_buffer_are_read),
        cmocka_unit_test(a_reader_goes_to_any_shard_of_any_file),
        cmocka_unit_test(a_line_that_is_not_json_is_set_aside),
        cmocka_unit_test(json_of_every_kind_is_read),
        cmocka_unit_test(wrong_and_missing_fields_are_told_with_the_key),
        cmocka_unit_test(invalid_utf8_wins_over_all_other_faults),
        cmocka_unit_test(deep_nesting_is_refused_and_not_deeper),
        cmocka_unit_test(columns_of_every_type_are_read),
        cmocka_unit_test(values_of_another_type_are_told),
        cmocka_unit_test(rows_before_and_behind_a_bad_one_keep_their_values),
        cmocka_unit_test(a_text_file_is_one_record),
        cmocka_unit_test(a_file_that_became_shorter_is_an_error),
        cmocka_unit_test(a_reader_goes_from_memory_to_a_file_and_back),
        cmocka_unit_test(a_fault_is_told_once_and_never_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
