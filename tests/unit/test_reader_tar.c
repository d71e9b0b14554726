/* test_reader_tar.c - tar files give the same records however they are cut and read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/arena.h"
#include "core/reader.h"
#include "core/tar_scan.h"
#include "tests/unit/pack_texts.h"

/* ---- writing ---- */

static void put_octal(unsigned char *field, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 3)
        field[i] = (unsigned char)('0' + (value & 7));
}

static void put_file(struct bytes *out, char type, const char *name, const void *data,
                     size_t size)
{
    unsigned char header[512] = {0};
    size_t length = strlen(name);
    memcpy(header, name, length < 100 ? length : 100);
    put_octal(header + 100, 7, 0644);
    put_octal(header + 124, 11, size);
    memset(header + 148, ' ', 8);
    header[156] = (unsigned char)type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += header[i];
    put_octal(header + 148, 6, sum);
    header[154] = 0;
    bytes_put(out, header, sizeof header);
    bytes_put(out, data, size);
    while (out->size % 512)
        bytes_put_u8(out, 0);
}

static void put_blocks(struct bytes *out, unsigned char byte, size_t count)
{
    for (size_t i = 0; i < count * 512; i++)
        bytes_put_u8(out, byte);
}

/* A PNG's begin of that width, and `more` bytes. */
static void put_image(struct bytes *out, const char *name, uint32_t width, size_t more)
{
    struct bytes file = {0};
    bytes_put(&file, "\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16);
    store_u32_big(bytes_reserve(&file, 8), width);
    store_u32_big(file.data + 20, 3);
    file.size += 8;
    bytes_put(&file, "\x08\2\0\0\0crc!", 9);
    for (size_t i = 0; i < more; i++)
        bytes_put_u8(&file, (uint8_t)(i * 7));
    put_file(out, '0', name, file.data, file.size);
    bytes_clear(&file);
}

/* ---- reading ---- */

struct result {
    struct bytes log; /* a line a record */
    uint64_t bytes;
};

static void log_text(struct result *result, const char *format, ...) PRINTF_LIKE(2, 3);
static void log_text(struct result *result, const char *format, ...)
{
    char text[700];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bytes_put(&result->log, text, (size_t)size);
}

static void log_column(struct result *result, const struct column *column, uint32_t row)
{
    int64_t number;
    double real;
    if (!column_is_valid(column, row)) {
        log_text(result, " null");
        return;
    }
    switch (column->type) {
    case COLUMN_I64:
        memcpy(&number, column_row(column, row), sizeof number);
        log_text(result, " %lld", (long long)number);
        break;
    case COLUMN_F64:
        memcpy(&real, column_row(column, row), sizeof real);
        log_text(result, " %g", real);
        break;
    case COLUMN_BYTES:
        log_text(result, " [%d]", (int)column_row_length(column, row));
        break;
    default:
        log_text(result, " %.*s", (int)column_row_length(column, row),
                 (const char *)column_row(column, row));
    }
}

static void log_records(struct result *result, const struct reader_result *read)
{
    uint32_t row = 0;
    size_t bad = 0;
    while (row < read->batch->count || bad < read->bad_count) {
        const struct origin *good = read->batch->origins + row;
        bool is_row =
            row < read->batch->count &&
            (bad == read->bad_count || good->ordinal < read->bad[bad].origin.ordinal);
        const struct origin *origin = is_row ? good : &read->bad[bad].origin;
        result->bytes += origin->size;
        log_text(result, "%llu+%llu", (unsigned long long)origin->offset,
                 (unsigned long long)origin->size);
        for (uint32_t i = 0; is_row && i < read->batch->column_count; i++)
            log_column(result, read->batch->columns[i], row);
        if (!is_row)
            log_text(result, " BAD %s %.*s", read->bad[bad].reason,
                     (int)read->bad[bad].key_size, read->bad[bad].key);
        log_text(result, "\n");
        row += is_row;
        bad += !is_row;
    }
}

static bool grow_slot(struct slot *slot, size_t size)
{
    unsigned char *data = realloc(slot->data, size);
    if (!data)
        return false;
    slot->data = data;
    slot->capacity = size;
    return true;
}

static void read_cut(struct reader *reader, const struct slot *slot,
                     const struct cut *cut, struct result *result)
{
    struct extent extent = {.name = "a.tar",
                            .data = slot->data,
                            .data_offset = cut->data_offset,
                            .data_size = cut->data_size,
                            .fault = cut->end == STREAM_COMPLETE ? STREAM_MORE : cut->end,
                            .oversize = cut->oversize,
                            .oversize_count = cut->oversize_count};
    struct arena *arena = arena_create(1 << 16, 0);
    struct reader_result read = {0};
    assert_int_equal(reader_open_images(reader, &extent, 1, 0, NULL), OK);
    do {
        arena_reset(arena);
        assert_int_equal(reader_next(reader, 3, 100, arena, &read, NULL), OK);
        result->bytes += read.separator_bytes;
        if (read.batch)
            log_records(result, &read);
    } while (read.batch);
    arena_destroy(arena);
}

struct way {
    const struct input_spec *input;
    const char *path;
    enum compression compression;
    uint64_t shard;
    uint32_t skip; /* shards passed over first, and read afterwards */
};

static void read_all(const struct way *way, struct result *result)
{
    struct reader *reader = NULL;
    struct cutter *cutter = NULL;
    struct slot slot = {.grow = grow_slot};
    struct cut cut = {.end = STREAM_MORE};
    assert_int_equal(reader_create(way->input, &reader, NULL), OK);
    for (int round = way->skip > 0 ? 0 : 1; round < 2; round++) {
        bool is_first = way->skip > 0 && round == 0;
        uint32_t begin = way->skip > 0 && round == 1 ? way->skip : 0;
        assert_int_equal(cutter_open(way->path, way->compression, way->shard,
                                     way->input->max_record, 0, NULL, FORMAT_TAR, &cutter,
                                     NULL),
                         OK);
        cut.end = STREAM_MORE;
        if (begin > 0)
            assert_int_equal(cutter_skip(cutter, begin, &cut, NULL), OK);
        for (uint32_t i = begin; cut.end == STREAM_MORE && !(is_first && i == way->skip);
             i++) {
            assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
            assert_int_equal(cut.index, i);
            if (cut.has_data)
                read_cut(reader, &slot, &cut, result);
        }
        cutter_close(cutter);
    }
    free(slot.data);
    reader_destroy(reader);
}

static const struct input_column further[] = {
    {"txt", COLUMN_UTF8, 0}, {"cls", COLUMN_I64, 0}, {"score", COLUMN_F64, 0}};
static const struct input_spec with_columns = {
    .format = FORMAT_TAR, .max_record = 1 << 20, .columns = further, .column_count = 3};
static const struct input_spec plain = {.format = FORMAT_TAR, .max_record = 1 << 20};

/* Read the file in many ways; all must be `expected`, and account for every byte. */
static void expect(const struct input_spec *input, const struct bytes *tar,
                   const char *expected)
{
    static const uint64_t shards[] = {1, 512, 1000, 1536, 4096, 100000, 1 << 30};
    char folder[64], path[96];
    make_folder(folder);
    (void)snprintf(path, sizeof path, "%.60s/a.tar", folder);
    write_file(path, tar->data, tar->size);
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        for (uint32_t skip = 0; skip < 6; skip += 1 + skip) {
            struct result result = {0};
            struct way way = {.input = input,
                              .path = path,
                              .shard = shards[i],
                              .skip = shards[i] > 512 ? skip : 0};
            read_all(&way, &result);
            bytes_put_u8(&result.log, 0);
            assert_string_equal((const char *)result.log.data, expected);
            assert_int_equal(result.bytes, tar->size);
            bytes_clear(&result.log);
        }
    (void)unlink(path);
    (void)rmdir(folder);
}

/* ---- the cases ---- */

static void images_are_records_with_what_stands_beside_them(void **state)
{
    (void)state;
    struct bytes tar = {0};
    put_file(&tar, '0', "000.cls", "7\n", 2);
    put_image(&tar, "000.png", 11, 0);
    put_file(&tar, '0', "000.txt", "a cat", 5);
    put_image(&tar, "d/001.PNG", 12, 700);
    put_file(&tar, '0', "d/001.score", "0.25", 4);
    put_blocks(&tar, 0, 20);
    expect(&with_columns, &tar,
           "0+3072 a.tar#000.png [33] 11 3 png a cat 7 null\n"
           "3072+2560 a.tar#d/001.PNG [733] 12 3 png null null 0.25\n");
    expect(&plain, &tar,
           "0+3072 a.tar#000.png [33] 11 3 png\n"
           "3072+2560 a.tar#d/001.PNG [733] 12 3 png\n");
    bytes_clear(&tar);
}

static void a_sample_of_several_images_gives_several_records(void **state)
{
    (void)state;
    struct bytes tar = {0};
    put_image(&tar, "a.left.png", 1, 0);
    put_file(&tar, '0', "a.txt", "both", 4);
    put_image(&tar, "a.right.png", 2, 0);
    put_image(&tar, "nodot", 3, 0); /* told by its content */
    expect(&with_columns, &tar,
           "0+2048 a.tar#a.left.png [33] 1 3 png both null null\n"
           "2048+1024 a.tar#a.right.png [33] 2 3 png both null null\n"
           "3072+1024 a.tar#nodot [33] 3 3 png null null null\n");
    bytes_clear(&tar);
}

static void bad_members_cost_only_themselves(void **state)
{
    (void)state;
    struct bytes tar = {0};
    put_file(&tar, '0', "empty.jpg", "", 0);
    put_file(&tar, '0', "rubbish.png", "rubbish", 7);
    put_file(&tar, '0', "README", "no image", 8);
    put_image(&tar, "x.png", 5, 0);
    put_file(&tar, '0', "x.cls", "seven", 5);
    put_image(&tar, "y.png", 6, 0);
    put_file(&tar, '0', "y.txt", "\xFF", 1);
    put_file(&tar, '0', "z.gif", "GIF89a....", 10);
    put_image(&tar, "\xFF.png", 7, 0);
    put_image(&tar, "last.png", 8, 0);
    expect(&with_columns, &tar,
           "0+512 BAD empty_file a.tar#empty.jpg\n"
           "512+1024 BAD not_an_image a.tar#rubbish.png\n"
           "1536+1024 BAD no_image a.tar#README\n"
           "2560+2048 BAD wrong_type a.tar#x.png\n"
           "4608+2048 BAD not_utf8 a.tar#y.png\n"
           "6656+1024 BAD unsupported_format a.tar#z.gif\n"
           "7680+1024 a.tar#7680 [33] 7 3 png null null null\n"
           "8704+1024 a.tar#last.png [33] 8 3 png null null null\n");
    bytes_clear(&tar);
}

static void long_names_come_from_headers_of_their_own(void **state)
{
    (void)state;
    char name[301], pax[400], expected[1000];
    struct bytes tar = {0};
    memset(name, 'n', 300);
    memcpy(name + 296, ".png", 5);
    put_file(&tar, 'L', "././@LongLink", name, 301);
    put_image(&tar, "cut short.png", 4, 0);
    name[0] = 'm';
    (void)snprintf(pax, sizeof pax, "310 path=%s\n", name);
    put_file(&tar, 'x', "PaxHeader", pax, 310);
    put_image(&tar, "short.png", 5, 0);
    put_file(&tar, 'g', "global", "20 comment=something\n", 21);
    put_file(&tar, '5', "folder/", "", 0);
    name[0] = 'n';
    int size =
        snprintf(expected, sizeof expected, "0+2048 a.tar#%s [33] 4 3 png\n", name);
    name[0] = 'm';
    (void)snprintf(expected + size, sizeof expected - (size_t)size,
                   "2048+2048 a.tar#%s [33] 5 3 png\n", name);
    expect(&plain, &tar, expected);
    bytes_clear(&tar);
}

static void rubbish_between_members_is_one_bad_record(void **state)
{
    (void)state;
    struct bytes tar = {0};
    put_image(&tar, "a.png", 1, 0);
    put_blocks(&tar, 'r', 5);
    put_image(&tar, "b.png", 2, 0);
    put_image(&tar, "c.png", 3, 0);
    tar.data[1024 + 2560 + 1024] ^= 1; /* the checksum of the third is wrong now */
    expect(&plain, &tar,
           "0+1024 a.tar#a.png [33] 1 3 png\n"
           "1024+2560 BAD corrupt_input a.tar#1024\n"
           "3584+1024 a.tar#b.png [33] 2 3 png\n"
           "4608+1024 BAD corrupt_input a.tar#4608\n");
    bytes_clear(&tar);
}

static void a_file_that_is_cut_tells_so(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *last;
    } cuts[] = {{1024 + 100, "1024+100 BAD truncated_input a.tar#1024\n"},
                {1024 + 512, "1024+512 BAD truncated_input a.tar#b.png\n"},
                {1024 + 520, "1024+520 BAD truncated_input a.tar#b.png\n"},
                {1024 + 545, "1024+545 a.tar#b.png [33] 2 3 png\n"},
                {2048 + 512 + 3, "2048+515 BAD truncated_input a.tar#c.txt\n"}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char expected[300];
        struct bytes tar = {0};
        put_image(&tar, "a.png", 1, 0);
        put_image(&tar, "b.png", 2, 0);
        put_file(&tar, '0', "c.txt", "a text", 6);
        tar.size = cuts[i].size;
        (void)snprintf(expected, sizeof expected, "0+1024 a.tar#a.png [33] 1 3 png\n%s%s",
                       tar.size > 2048 ? "1024+1024 a.tar#b.png [33] 2 3 png\n" : "",
                       cuts[i].last);
        expect(&plain, &tar, expected);
        bytes_clear(&tar);
    }
}

static void a_long_sample_is_left_out_wherever_it_is_cut(void **state)
{
    (void)state;
    const struct input_spec small = {.format = FORMAT_TAR, .max_record = 2000};
    struct bytes tar = {0};
    put_image(&tar, "a.png", 1, 0);
    put_image(&tar, "long.png", 2, 300000);
    put_image(&tar, "c.png", 3, 0);
    expect(&small, &tar,
           "0+1024 a.tar#a.png [33] 1 3 png\n"
           "1024+301056 BAD too_long a.tar#long.png\n"
           "302080+1024 a.tar#c.png [33] 3 3 png\n");
    bytes_clear(&tar);
}

static void a_size_beyond_all_bounds_is_borne(void **state)
{
    (void)state;
    struct bytes tar = {0};
    put_image(&tar, "a.png", 1, 0);
    unsigned char *size = tar.data + 124;
    memset(size, 0xFF, 12);
    size[0] = 0x80;
    struct tar_unit unit;
    for (size_t i = 0; i < 512; i += 37)
        (void)tar_look(tar.data, i, true, &unit);
    assert_int_equal(tar_look(tar.data, tar.size, true, &unit), TAR_JUNK);
    assert_int_equal(tar_look(tar.data, 100, false, &unit), TAR_MORE);
    bytes_clear(&tar);
    /* A checksum in that form has fewer than eight bytes. */
    unsigned char *block = calloc(1, 512);
    assert_non_null(block);
    block[0] = 'n';
    block[148] = 0x80;
    assert_int_equal(tar_look(block, 512, true, &unit), TAR_JUNK);
    unsigned sum = 'n' + 8 * ' ';
    block[154] = (unsigned char)(sum >> 8);
    block[155] = (unsigned char)sum;
    assert_int_equal(tar_look(block, 512, true, &unit), TAR_FILE);
    free(block);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_are_records_with_what_stands_beside_them),
        TEST(a_sample_of_several_images_gives_several_records),
        TEST(bad_members_cost_only_themselves),
        TEST(long_names_come_from_headers_of_their_own),
        TEST(rubbish_between_members_is_one_bad_record),
        TEST(a_file_that_is_cut_tells_so),
        TEST(a_long_sample_is_left_out_wherever_it_is_cut),
        TEST(a_size_beyond_all_bounds_is_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
