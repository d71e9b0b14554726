/* test_cutter.c - shards of a stream hold the records that shards of the plain file do */
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

/* One way of cutting a file. */
struct way {
    const char *path;
    enum compression compression;
    uint64_t shard_bytes;
    struct input_spec input;
};

static struct cutter *open_at(const struct way *way, uint32_t index,
                              const struct stream_entry *entry)
{
    struct cutter *cutter = NULL;
    struct error error = {0};
    assert_int_equal(cutter_open(way->path, way->compression, way->shard_bytes,
                                 way->input.max_record, index, entry, way->input.format,
                                 &cutter, &error),
                     OK);
    return cutter;
}

static void read_cut(const struct way *way, struct reader *reader,
                     const struct slot *slot, const struct cut *cut,
                     struct records *records)
{
    struct extent extent = {.name = "f",
                            .begin = cut->index * way->shard_bytes,
                            .end = (cut->index + 1) * way->shard_bytes,
                            .data = slot->data,
                            .data_offset = cut->data_offset,
                            .data_size = cut->data_size,
                            .fault = cut->end == STREAM_COMPLETE ? STREAM_MORE : cut->end,
                            .oversize = cut->oversize,
                            .oversize_count = cut->oversize_count};
    assert_true(slot->capacity >= cut->data_size + 64);
    assert_int_equal(read_extent(reader, &extent, 7, 1000, records, NULL), OK);
}

/* Cut all of it, put the records to `records` and each cut (and where its records begin
 * in the log) to the lists. */
static void cut_all(const struct way *way, struct records *records, struct bytes *cuts,
                    struct bytes *marks)
{
    struct cutter *cutter = open_at(way, 0, NULL);
    struct slot slot = {.grow = grow_slot};
    struct reader *reader = NULL;
    struct cut cut = {.end = STREAM_MORE};
    assert_int_equal(reader_create(&way->input, &reader, NULL), OK);
    for (uint32_t index = 0; cut.end == STREAM_MORE; index++) {
        assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
        assert_int_equal(cut.index, index);
        if (!cut.has_data)
            break;
        uint64_t mark = records->log.size;
        bytes_put(marks, &mark, sizeof mark);
        bytes_put(cuts, &cut, sizeof cut);
        read_cut(way, reader, &slot, &cut, records);
    }
    struct cut after;
    assert_int_equal(cutter_next(cutter, &slot, &after, NULL), OK);
    assert_false(after.has_data);
    assert_int_equal(after.end, cut.end);
    cutter_close(cutter);
    reader_destroy(reader);
    free(slot.data);
}

static void put_line(struct bytes *text, uint64_t *seed)
{
    uint64_t size = random_below(seed, 40);
    uint64_t kind = random_below(seed, 12);
    if (kind == 0)
        size = random_below(seed, 3000);
    for (uint64_t i = 0; i < size; i++)
        bytes_put_u8(text, kind == 1 ? ' ' : (uint8_t)('a' + random_below(seed, 26)));
}

static void make_lines(struct bytes *text, size_t size, uint64_t *seed)
{
    bytes_reset(text);
    while (text->size < size) {
        put_line(text, seed);
        bytes_put_u8(text, '\n');
    }
    if (random_below(seed, 2))
        put_line(text, seed);
}

static void assert_same(const struct records *a, const struct records *b)
{
    assert_int_equal(a->log.size, b->log.size);
    if (a->log.size > 0)
        assert_memory_equal(a->log.data, b->log.data, a->log.size);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->separators, b->separators);
}

static const uint64_t shard_sizes[] = {1, 2, 5, 16, 63, 64, 500, 4096, 70000, 1 << 20};
enum { SHARD_SIZES = sizeof shard_sizes / sizeof shard_sizes[0] };

static void write_packed(const struct place *place, const struct bytes *text, int kind,
                         uint64_t *seed)
{
    struct bytes packed = {0};
    if (kind == COMPRESSION_NONE) {
        write_file(place->path, text->data, text->size);
        return;
    }
    put_parts(&packed, text->data, text->size, 1 + (size_t)random_below(seed, 3000),
              kind == COMPRESSION_ZSTD, seed);
    write_file(place->path, packed.data, packed.size);
    bytes_clear(&packed);
}

static void every_shard_size_and_compression_gives_the_same_records(void **state)
{
    (void)state;
    struct bytes text = {0}, cuts = {0}, marks = {0};
    struct place place;
    uint64_t seed = 21;
    open_place(&place);
    for (int round = 0; round < 6; round++) {
        struct records expected = {.has_excerpts = true}, got = {.has_excerpts = true};
        struct way way = {
            .path = place.path,
            .input = {.format = FORMAT_LINES, .max_record = round % 2 ? 100 : 1 << 20}};
        make_lines(&text, 1 + (size_t)random_below(&seed, 9000), &seed);
        write_file(place.path, text.data, text.size);
        struct extent extent = {.path = place.path, .name = "f", .end = text.size};
        struct reader *reader = NULL;
        assert_int_equal(reader_create(&way.input, &reader, NULL), OK);
        assert_int_equal(read_extent(reader, &extent, 10, 1000, &expected, NULL), OK);
        assert_int_equal(expected.bytes, text.size);
        reader_destroy(reader);
        for (int kind = COMPRESSION_NONE; kind <= COMPRESSION_ZSTD; kind++) {
            write_packed(&place, &text, kind, &seed);
            way.compression = (enum compression)kind;
            for (int i = 0; i < SHARD_SIZES; i++) {
                way.shard_bytes = shard_sizes[i];
                cut_all(&way, &got, &cuts, &marks);
                assert_same(&got, &expected);
                clear_records(&got);
                bytes_reset(&cuts);
                bytes_reset(&marks);
            }
        }
        clear_records(&expected);
    }
    bytes_clear(&text);
    bytes_clear(&cuts);
    bytes_clear(&marks);
    close_place(&place);
}

/* Go on at shard `index` in some way; its records must be those found before. */
static void check_entry(const struct way *way, const struct cut *cut,
                        const struct stream_entry *entry, uint32_t skip,
                        const struct records *all, uint64_t from, uint64_t to)
{
    struct slot slot = {.grow = grow_slot};
    struct records got = {0};
    struct reader *reader = NULL;
    struct cut again = {0};
    struct cutter *cutter = open_at(way, cut->index - skip, entry);
    assert_int_equal(reader_create(&way->input, &reader, NULL), OK);
    if (skip > 0) {
        assert_int_equal(cutter_skip(cutter, skip, &again, NULL), OK);
        assert_int_equal(again.index, cut->index);
        assert_int_equal(again.end, STREAM_MORE);
        assert_false(again.has_data);
    }
    assert_int_equal(cutter_next(cutter, &slot, &again, NULL), OK);
    assert_int_equal(again.index, cut->index);
    assert_true(again.has_data);
    assert_int_equal(again.data_offset, cut->data_offset);
    assert_int_equal(again.data_size, cut->data_size);
    assert_int_equal(again.end, cut->end);
    assert_int_equal(again.oversize_count, cut->oversize_count);
    read_cut(way, reader, &slot, &again, &got);
    assert_int_equal(got.log.size, to - from);
    if (to > from)
        assert_memory_equal(got.log.data, all->log.data + from, (size_t)(to - from));
    cutter_close(cutter);
    reader_destroy(reader);
    clear_records(&got);
    free(slot.data);
}

/* To pass over all shards, or more, tells how the stream ended. */
static void check_skipping_all(const struct way *way, const struct bytes *cuts)
{
    size_t count = cuts->size / sizeof(struct cut);
    struct cut last, cut;
    if (count == 0)
        return;
    memcpy(&last, cuts->data + (count - 1) * sizeof last, sizeof last);
    for (uint32_t more = 0; more < 3; more++) {
        struct cutter *cutter = open_at(way, 0, NULL);
        assert_int_equal(cutter_skip(cutter, (uint32_t)count + more, &cut, NULL), OK);
        assert_int_equal(cut.end, last.end);
        cutter_close(cutter);
    }
    struct cutter *cutter = open_at(way, (uint32_t)count, &last.entry);
    struct slot slot = {.grow = grow_slot};
    assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
    assert_false(cut.has_data);
    assert_int_equal(cut.end, last.end);
    cutter_close(cutter);
    free(slot.data);
}

static void check_entries(const struct way *way, uint64_t *seed)
{
    struct records all = {0};
    struct bytes cuts = {0}, marks = {0};
    cut_all(way, &all, &cuts, &marks);
    size_t count = cuts.size / sizeof(struct cut);
    uint64_t size = all.log.size;
    bytes_put(&marks, &size, sizeof size);
    check_skipping_all(way, &cuts);
    for (int i = 0; i < 25 && count > 0; i++) {
        struct cut cut, earlier;
        uint64_t bounds[2];
        size_t index = i == 0 ? count - 1 : (size_t)random_below(seed, count);
        size_t before = (size_t)random_below(seed, index + 1);
        memcpy(&cut, cuts.data + index * sizeof cut, sizeof cut);
        memcpy(&earlier, cuts.data + before * sizeof earlier, sizeof earlier);
        memcpy(bounds, marks.data + index * sizeof bounds[0], sizeof bounds);
        assert_true(cut.entry.decompressed <= cut.data_offset);
        uint32_t skip = (uint32_t)(index - before);
        check_entry(way, &cut, &cut.entry, 0, &all, bounds[0], bounds[1]);
        check_entry(way, &cut, &earlier.entry, 0, &all, bounds[0], bounds[1]);
        check_entry(way, &cut, &earlier.entry, skip, &all, bounds[0], bounds[1]);
        check_entry(way, &cut, NULL, 0, &all, bounds[0], bounds[1]);
    }
    clear_records(&all);
    bytes_clear(&cuts);
    bytes_clear(&marks);
}

static void a_cutter_goes_on_at_any_shard_from_any_entry(void **state)
{
    (void)state;
    struct bytes text = {0};
    struct place place;
    uint64_t seed = 22;
    open_place(&place);
    for (int round = 0; round < 4; round++) {
        struct way way = {
            .path = place.path,
            .input = {.format = FORMAT_LINES, .max_record = round % 2 ? 100 : 1 << 20}};
        make_lines(&text, 9000, &seed);
        for (int kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
            write_packed(&place, &text, kind, &seed);
            way.compression = (enum compression)kind;
            if (round >= 2) /* damaged: what is left goes on alike */
                assert_int_equal(truncate(place.path, 4000 + 777 * round), 0);
            for (int i = 0; i < SHARD_SIZES; i++) {
                way.shard_bytes = shard_sizes[i];
                check_entries(&way, &seed);
            }
        }
    }
    bytes_clear(&text);
    close_place(&place);
}

static void a_late_shard_is_entered_behind_the_begin_of_the_file(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, packed = {0};
    struct slot slot = {.grow = grow_slot};
    struct cut cut;
    uint64_t seed = 23;
    open_place(&place);
    make_lines(&text, 100000, &seed);
    for (size_t at = 0; at < text.size; at += 1000)
        put_member(&packed, text.data + at,
                   text.size - at < 1000 ? text.size - at : 1000);
    write_file(place.path, packed.data, packed.size);
    struct way way = {.path = place.path,
                      .compression = COMPRESSION_GZIP,
                      .shard_bytes = 10000,
                      .input = {.format = FORMAT_LINES, .max_record = 1 << 20}};
    struct cutter *cutter = open_at(&way, 0, NULL);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
        assert_int_equal(cut.entry.decompressed, i == 0 ? 0 : i * 10000 - 1000);
    }
    cutter_close(cutter);
    free(slot.data);
    bytes_clear(&text);
    bytes_clear(&packed);
    close_place(&place);
}

static void shards_inside_a_long_record_exist_and_are_empty(void **state)
{
    (void)state;
    struct place place;
    struct slot slot = {.grow = grow_slot};
    struct cut cut;
    struct bytes text = {0};
    open_place(&place);
    for (int i = 0; i < 95; i++)
        bytes_put_u8(&text, 'a');
    bytes_put(&text, "\nb\n", 3);
    write_file(place.path, text.data, text.size);
    struct way way = {.path = place.path,
                      .shard_bytes = 10,
                      .input = {.format = FORMAT_LINES, .max_record = 1 << 20}};
    struct cutter *cutter = open_at(&way, 0, NULL);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
        assert_true(cut.has_data);
        assert_int_equal(cut.data_size, i == 0 ? 96 : i == 9 ? 2 : 0);
        assert_int_equal(cut.end, i == 9 ? STREAM_COMPLETE : STREAM_MORE);
    }
    cutter_close(cutter);
    free(slot.data);
    bytes_clear(&text);
    close_place(&place);
}

static void a_record_past_the_limit_takes_no_memory(void **state)
{
    (void)state;
    struct place place;
    struct slot slot = {.grow = grow_slot};
    struct cut cut;
    struct bytes text = {0};
    open_place(&place);
    bytes_put(&text, "first\n", 6);
    for (size_t i = 0; i < 40 << 20; i++)
        bytes_put_u8(&text, 'a');
    bytes_put(&text, "\nlast\n", 6);
    write_file(place.path, text.data, text.size);
    struct way way = {.path = place.path,
                      .shard_bytes = 1000,
                      .input = {.format = FORMAT_LINES, .max_record = 10000}};
    struct cutter *cutter = open_at(&way, 0, NULL);
    assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
    assert_int_equal(cut.data_size, 6 + EXCERPT_MAX);
    assert_int_equal(cut.oversize_count, 1);
    assert_int_equal(cut.oversize[0], 6);
    assert_int_equal(cut.oversize[1], (40 << 20) + 1);
    assert_true(slot.capacity < 1 << 20);
    cutter_close(cutter);
    free(slot.data);
    bytes_clear(&text);
    close_place(&place);
}

/* Damage at every place: the records of all shards are those of one shard, the bytes add
 * up, and exactly one record tells of it. */
static void check_damage(const struct way *given, const char *reason, bool *is_told)
{
    struct records whole = {.has_excerpts = true}, cut = {.has_excerpts = true};
    struct bytes cuts = {0}, marks = {0};
    struct way way = *given;
    way.shard_bytes = 1 << 30;
    cut_all(&way, &whole, &cuts, &marks);
    bytes_put_u8(&whole.log, 0);
    const char *told = strstr((const char *)whole.log.data, reason);
    *is_told = told != NULL;
    if (told)
        assert_null(strstr(told + 1, reason));
    whole.log.size--;
    for (int i = 0; i < SHARD_SIZES; i++) {
        way.shard_bytes = shard_sizes[i];
        cut_all(&way, &cut, &cuts, &marks);
        assert_same(&cut, &whole);
        clear_records(&cut);
    }
    clear_records(&whole);
    bytes_clear(&cuts);
    bytes_clear(&marks);
}

static void damage_is_told_by_one_record_whatever_the_shard_size(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, packed = {0};
    uint64_t seed = 24;
    open_place(&place);
    for (int round = 0; round < 40; round++) {
        int is_zstd = round % 2;
        bool is_told;
        struct way way = {.path = place.path,
                          .compression = is_zstd ? COMPRESSION_ZSTD : COMPRESSION_GZIP,
                          .input = {.format = round % 8 == 7 ? FORMAT_TEXT : FORMAT_LINES,
                                    .max_record = round % 3 ? 200 : 1 << 20}};
        make_lines(&text, (size_t)random_below(&seed, 3000), &seed);
        bytes_reset(&packed);
        put_parts(&packed, text.data, text.size, 1000, is_zstd, &seed);
        size_t size = 1 + (size_t)random_below(&seed, packed.size - 1);
        if (round < 8)
            size = (size_t)round / 2 + 1;
        write_file(place.path, packed.data, size);
        check_damage(&way, "truncated_input", &is_told);
        if (round < 8)
            assert_true(is_told);
        bytes_put(&packed, "\x1f\x8b\x28 rubbish", 11);
        write_file(place.path, packed.data, packed.size);
        check_damage(&way, "corrupt_input", &is_told);
        assert_true(is_told);
    }
    bytes_clear(&text);
    bytes_clear(&packed);
    close_place(&place);
}

static void an_empty_stream_has_no_shard(void **state)
{
    (void)state;
    struct place place;
    struct bytes packed = {0};
    struct slot slot = {.grow = grow_slot};
    open_place(&place);
    put_member(&packed, (const unsigned char *)"", 0);
    write_file(place.path, packed.data, packed.size);
    for (int i = 0; i < 2; i++) {
        struct way way = {
            .path = place.path,
            .compression = COMPRESSION_GZIP,
            .shard_bytes = 100,
            .input = {.format = i ? FORMAT_TEXT : FORMAT_LINES, .max_record = 100}};
        struct cut cut;
        struct cutter *cutter = open_at(&way, 0, NULL);
        assert_int_equal(cutter_next(cutter, &slot, &cut, NULL), OK);
        assert_false(cut.has_data);
        assert_int_equal(cut.end, STREAM_COMPLETE);
        cutter_close(cutter);
    }
    free(slot.data);
    bytes_clear(&packed);
    close_place(&place);
}

static void a_text_stream_is_one_record(void **state)
{
    (void)state;
    struct place place;
    struct bytes text = {0}, cuts = {0}, marks = {0};
    uint64_t seed = 25;
    open_place(&place);
    make_lines(&text, 300000, &seed);
    write_packed(&place, &text, COMPRESSION_ZSTD, &seed);
    for (int is_long = 0; is_long < 2; is_long++) {
        struct records records = {0};
        struct way way = {
            .path = place.path,
            .compression = COMPRESSION_ZSTD,
            .shard_bytes = 100,
            .input = {.format = FORMAT_TEXT, .max_record = text.size - (size_t)is_long}};
        cut_all(&way, &records, &cuts, &marks);
        assert_int_equal(records.count, 1 - is_long);
        assert_int_equal(records.bad, is_long);
        assert_int_equal(records.bytes, text.size);
        clear_records(&records);
        struct cut cut;
        struct cutter *cutter = open_at(&way, 0, NULL);
        assert_int_equal(cutter_skip(cutter, 1, &cut, NULL), OK);
        assert_int_equal(cut.end, STREAM_COMPLETE);
        cutter_close(cutter);
    }
    bytes_clear(&text);
    bytes_clear(&cuts);
    bytes_clear(&marks);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shard_size_and_compression_gives_the_same_records),
        cmocka_unit_test(a_cutter_goes_on_at_any_shard_from_any_entry),
        cmocka_unit_test(a_late_shard_is_entered_behind_the_begin_of_the_file),
        cmocka_unit_test(shards_inside_a_long_record_exist_and_are_empty),
        cmocka_unit_test(a_record_past_the_limit_takes_no_memory),
        cmocka_unit_test(damage_is_told_by_one_record_whatever_the_shard_size),
        cmocka_unit_test(an_empty_stream_has_no_shard),
        cmocka_unit_test(a_text_stream_is_one_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
