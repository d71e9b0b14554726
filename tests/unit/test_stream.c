/* test_stream.c - streams deliver every byte before their end, and say how they ended */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "core/stream.h"
#include "tests/unit/pack_texts.h"

struct place {
    char folder[64], path[96];
};

static void open_place(struct place *place)
{
    make_folder(place->folder);
    (void)snprintf(place->path, sizeof place->path, "%s/data", place->folder);
}

static void close_place(const struct place *place)
{
    (void)unlink(place->path);
    (void)rmdir(place->folder);
}

static void read_all(const char *path, enum compression compression,
                     const struct stream_entry *entry, size_t capacity, struct bytes *out,
                     enum stream_end *end)
{
    struct stream *stream = NULL;
    struct error error = {0};
    size_t size = 1;
    assert_int_equal(stream_open(path, compression, entry, &stream, &error), OK);
    uint64_t before = stream_position(stream);
    bytes_reset(out);
    while (size > 0) {
        unsigned char *room = bytes_reserve(out, capacity);
        assert_non_null(room);
        assert_int_equal(stream_read(stream, room, capacity, &size, end, &error), OK);
        out->size += size;
        assert_int_equal(stream_position(stream), before + out->size);
    }
    assert_int_equal(stream_read(stream, out->data, 1, &size, end, &error), OK);
    assert_int_equal(size, 0);
    stream_close(stream);
}

/* Text that packs well here and badly there. */
static void make_text(struct bytes *text, size_t size, uint64_t seed)
{
    while (text->size < size) {
        uint64_t number = random_below(&seed, 30);
        if (number == 0)
            for (int i = 0; i < 500; i++)
                bytes_put_u8(text, (uint8_t)random_next(&seed));
        else
            for (uint64_t i = 0; i < number; i++)
                bytes_put(text, "{\"id\": 17, \"text\": \"some words", number);
    }
    text->size = size;
}

static void pack_gzip(struct bytes *out, const unsigned char *data, size_t size)
{
    struct isal_zstream stream;
    unsigned char *work = malloc(ISAL_DEF_LVL1_DEFAULT);
    unsigned char *room = bytes_reserve(out, size + size / 8 + 65536);
    assert_true(room && work);
    isal_deflate_init(&stream);
    stream.level = 1;
    stream.level_buf = work;
    stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (uint32_t)size;
    stream.next_out = room;
    stream.avail_out = (uint32_t)(size + size / 8 + 65536);
    assert_int_equal(isal_deflate(&stream), COMP_OK);
    out->size += stream.total_out;
    free(work);
}

static void pack_zstd(struct bytes *out, const unsigned char *data, size_t size,
                      int window, int has_checksum)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    unsigned char *room = bytes_reserve(out, ZSTD_compressBound(size));
    assert_true(room && context);
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, has_checksum);
    if (window > 0)
        (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window);
    size_t got = ZSTD_compress2(context, room, ZSTD_compressBound(size), data, size);
    assert_false(ZSTD_isError(got));
    out->size += got;
    (void)ZSTD_freeCCtx(context);
}

static void assert_same(const struct bytes *a, const struct bytes *b)
{
    assert_int_equal(a->size, b->size);
    if (a->size > 0)
        assert_memory_equal(a->data, b->data, a->size);
}

static void gzip_members_are_read_as_one_stream(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, packed = {0}, got = {0};
    enum stream_end end;
    open_place(&place);
    make_text(&text, 900000, 1);
    pack_gzip(&packed, text.data, 300000);
    pack_gzip(&packed, text.data, 0);
    pack_gzip(&packed, text.data + 300000, 600000);
    for (int i = 0; i < 700; i++)
        bytes_put_u8(&packed, 0);
    write_file(place.path, packed.data, packed.size);
    read_all(place.path, COMPRESSION_GZIP, NULL, 100000, &got, &end);
    assert_int_equal(end, STREAM_COMPLETE);
    assert_same(&text, &got);
    bytes_clear(&text);
    bytes_clear(&packed);
    bytes_clear(&got);
    close_place(&place);
}

static void zstd_frames_and_skippable_ones_are_read_as_one_stream(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, packed = {0}, got = {0};
    enum stream_end end;
    open_place(&place);
    make_text(&text, 900000, 2);
    bytes_put_u32(&packed, 0x184d2a53u);
    bytes_put_u32(&packed, 5);
    bytes_put(&packed, "12345", 5);
    pack_zstd(&packed, text.data, 300000, 0, 1);
    pack_zstd(&packed, text.data, 0, 0, 0);
    bytes_put_u32(&packed, 0x184d2a50u);
    bytes_put_u32(&packed, 0);
    pack_zstd(&packed, text.data + 300000, 600000, 30, 0);
    write_file(place.path, packed.data, packed.size);
    read_all(place.path, COMPRESSION_ZSTD, NULL, 100000, &got, &end);
    assert_int_equal(end, STREAM_COMPLETE);
    assert_same(&text, &got);
    bytes_clear(&text);
    bytes_clear(&packed);
    bytes_clear(&got);
    close_place(&place);
}

static void plain_files_are_streams_too(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, got = {0};
    enum stream_end end;
    struct stream_entry entry = {.compressed = 1000, .decompressed = 1000};
    open_place(&place);
    make_text(&text, 5000, 3);
    write_file(place.path, text.data, text.size);
    read_all(place.path, COMPRESSION_NONE, NULL, 777, &got, &end);
    assert_int_equal(end, STREAM_COMPLETE);
    assert_same(&text, &got);
    read_all(place.path, COMPRESSION_NONE, &entry, 777, &got, &end);
    assert_int_equal(got.size, 4000);
    assert_memory_equal(got.data, text.data + 1000, 4000);
    bytes_clear(&text);
    bytes_clear(&got);
    close_place(&place);
}

static void a_stream_goes_on_at_each_of_its_entries(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, got = {0};
    open_place(&place);
    make_text(&text, 200000, 4);
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        struct bytes packed = {0};
        struct stream *stream = NULL;
        enum compression compression = is_zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
        enum stream_end end = STREAM_MORE;
        uint64_t seed = 5, last = 0;
        unsigned char room[3000];
        size_t size = 1, entries = 0;
        put_parts(&packed, text.data, text.size, 20000, is_zstd, &seed);
        write_file(place.path, packed.data, packed.size);
        assert_int_equal(stream_open(place.path, compression, NULL, &stream, NULL), OK);
        while (size > 0) {
            assert_int_equal(stream_read(stream, room, sizeof room, &size, &end, NULL),
                             OK);
            struct stream_entry entry = stream_latest_entry(stream);
            assert_true(entry.decompressed <= stream_position(stream));
            if (entry.compressed == last)
                continue;
            last = entry.compressed;
            entries++;
            enum stream_end part_end;
            read_all(place.path, compression, &entry, 10000, &got, &part_end);
            assert_int_equal(part_end, STREAM_COMPLETE);
            assert_int_equal(got.size, text.size - entry.decompressed);
            assert_memory_equal(got.data, text.data + entry.decompressed, got.size);
        }
        assert_int_equal(end, STREAM_COMPLETE);
        assert_true(entries >= 8);
        stream_close(stream);
        bytes_clear(&packed);
    }
    bytes_clear(&text);
    bytes_clear(&got);
    close_place(&place);
}

/* From any entry on, the rest of a stream and its end must be what they are from its
 * begin. */
static void check_entries(const char *path, enum compression compression,
                          const struct bytes *whole, enum stream_end whole_end)
{
    struct stream *stream = NULL;
    struct bytes got = {0};
    unsigned char room[5000];
    size_t size = 1;
    uint64_t last = 0;
    enum stream_end end;
    assert_int_equal(stream_open(path, compression, NULL, &stream, NULL), OK);
    while (size > 0) {
        assert_int_equal(stream_read(stream, room, sizeof room, &size, &end, NULL), OK);
        struct stream_entry entry = stream_latest_entry(stream);
        if (entry.compressed == last)
            continue;
        last = entry.compressed;
        enum stream_end part_end;
        read_all(path, compression, &entry, 100000, &got, &part_end);
        assert_int_equal(part_end, whole_end);
        assert_int_equal(got.size, whole->size - entry.decompressed);
        if (got.size > 0)
            assert_memory_equal(got.data, whole->data + entry.decompressed, got.size);
    }
    stream_close(stream);
    bytes_clear(&got);
}

/* How far a damaged stream is read must depend on its bytes alone. */
static void check_damage(const char *path, enum compression compression,
                         enum stream_end *end)
{
    static const size_t capacities[] = {1 << 20, 65536, 4096, 977};
    struct bytes first = {0}, got = {0};
    read_all(path, compression, NULL, 300000, &first, end);
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        enum stream_end again;
        read_all(path, compression, NULL, capacities[i], &got, &again);
        assert_int_equal(*end, again);
        assert_same(&first, &got);
    }
    check_entries(path, compression, &first, *end);
    bytes_clear(&first);
    bytes_clear(&got);
}

/* In three members or frames of different sizes. */
static void pack(struct bytes *packed, const struct bytes *text, int is_zstd)
{
    size_t parts[] = {text->size / 5, text->size / 3, text->size};
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        if (is_zstd)
            pack_zstd(packed, text->data + at, parts[i] - at, 0, 1);
        else
            pack_gzip(packed, text->data + at, parts[i] - at);
        at = parts[i];
    }
}

static void truncation_is_told_and_what_came_before_is_delivered(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, got = {0};
    open_place(&place);
    make_text(&text, 400000, 6);
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        enum compression compression = is_zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
        struct bytes packed = {0};
        enum stream_end end;
        uint64_t seed = 7;
        int truncated = 0;
        pack(&packed, &text, is_zstd);
        for (int i = 0; i < 12; i++) {
            size_t size = i == 0 ? packed.size - 1
                                 : 1 + (size_t)random_below(&seed, packed.size - 1);
            write_file(place.path, packed.data, size);
            check_damage(place.path, compression, &end);
            /* Between two members the file is simply shorter. */
            truncated += end == STREAM_TRUNCATED;
            read_all(place.path, compression, NULL, 50000, &got, &end);
            assert_memory_equal(got.data, text.data, got.size);
            if (size > packed.size / 2 + 65536)
                assert_true(got.size > text.size / 4);
        }
        assert_true(truncated >= 11);
        bytes_clear(&packed);
    }
    bytes_clear(&text);
    bytes_clear(&got);
    close_place(&place);
}

static void corruption_is_told_wherever_it_is(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, got = {0};
    open_place(&place);
    make_text(&text, 400000, 8);
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        enum compression compression = is_zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
        struct bytes packed = {0};
        enum stream_end end;
        uint64_t seed = 9;
        int damaged = 0;
        pack(&packed, &text, is_zstd);
        for (int i = 0; i < 25; i++) {
            size_t at = 10 + (size_t)random_below(&seed, packed.size - 10);
            unsigned char bit = (unsigned char)(1 << random_below(&seed, 8));
            packed.data[at] ^= bit;
            write_file(place.path, packed.data, packed.size);
            check_damage(place.path, compression, &end);
            /* Some bits mean nothing: then all is there. */
            if (end == STREAM_COMPLETE) {
                read_all(place.path, compression, NULL, 100000, &got, &end);
                assert_same(&text, &got);
            }
            damaged += end != STREAM_COMPLETE;
            packed.data[at] ^= bit;
        }
        assert_true(damaged >= 20);
        bytes_put(&packed, "rubbish", 7);
        write_file(place.path, packed.data, packed.size);
        check_damage(place.path, compression, &end);
        assert_int_equal(end, STREAM_CORRUPT);
        bytes_clear(&packed);
    }
    bytes_clear(&text);
    bytes_clear(&got);
    close_place(&place);
}

static void an_absent_file_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct stream *stream = NULL;
    struct error error = {0};
    assert_int_equal(
        stream_open("/nowhere/at/all.gz", COMPRESSION_GZIP, NULL, &stream, &error),
        ERROR_IO);
    assert_null(stream);
    assert_non_null(strstr(error.text, "/nowhere/at/all.gz"));
    stream_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_members_are_read_as_one_stream),
        cmocka_unit_test(zstd_frames_and_skippable_ones_are_read_as_one_stream),
        cmocka_unit_test(plain_files_are_streams_too),
        cmocka_unit_test(a_stream_goes_on_at_each_of_its_entries),
        cmocka_unit_test(truncation_is_told_and_what_came_before_is_delivered),
        cmocka_unit_test(corruption_is_told_wherever_it_is),
        cmocka_unit_test(an_absent_file_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
