/* reader_tar.c - the images in tar files as records, with what stands beside them */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/image_header.h"
#include "core/json.h"
#include "core/reader_images_parts.h"

enum { NUMBER_MAX = 64 };

enum error_code tar_reader_open(struct image_reader *reader, struct error *error)
{
    struct tar_state *tar = &reader->tar;
    struct bytes names = tar->names;
    *tar = (struct tar_state){.names = names};
    for (size_t i = reader->next_extent; i < reader->extent_count; i++)
        if (!reader->extents[i].data && reader->extents[i].path)
            return error_set(error, ERROR_FATAL, "a tar file is read as a stream");
    return OK;
}

static const struct extent *extent_of(const struct image_reader *reader)
{
    return &reader->extents[reader->next_extent];
}

static size_t left_of(const struct image_reader *reader)
{
    const struct extent *extent = extent_of(reader);
    return extent->data ? extent->data_size - reader->tar.at : 0;
}

static uint64_t position_of(const struct image_reader *reader)
{
    return extent_of(reader)->data_offset + reader->tar.at + reader->tar.shift;
}

/* Is the extension one of an image, of a format that is read or not? */
static bool names_image(const char *extension)
{
    static const char *const known[] = {"jpg",  "jpeg", "jpe", "jfif", "png",  "webp",
                                        "tif",  "tiff", "gif", "bmp",  "heic", "heif",
                                        "avif", "jxl",  "jp2", "ppm",  "pgm"};
    const char *last = strrchr(extension, '.');
    const char *text = last ? last + 1 : extension;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i]) == 0)
            return true;
    return false;
}

static bool is_column(const struct image_reader *reader, const char *extension)
{
    for (size_t i = 0; i < reader->input->column_count; i++)
        if (strcmp(reader->input->columns[i].name, extension) == 0)
            return true;
    return false;
}

/* FILE#MEMBER, or FILE#OFFSET where the member's name is no text. Its place in names. */
static size_t put_key(struct image_reader *reader, const char *name, size_t size,
                      uint64_t offset)
{
    struct bytes *names = &reader->tar.names;
    const char *file = extent_of(reader)->name;
    char number[NUMBER_MAX];
    size_t begin = names->size;
    if (!json_is_utf8((const unsigned char *)name, size)) {
        size =
            (size_t)snprintf(number, sizeof number, "%llu", (unsigned long long)offset);
        name = number;
    }
    bytes_put(names, file, strlen(file));
    bytes_put(names, "#", 1);
    bytes_put(names, name, size);
    bytes_put_u8(names, 0);
    return begin;
}

static const char *text_of(const struct image_reader *reader, size_t name)
{
    return (const char *)reader->tar.names.data + name;
}

/* Add a file to the sample at hand. */
static void add_member(struct image_reader *reader, const struct tar_unit *unit)
{
    struct tar_state *tar = &reader->tar;
    struct tar_member *member = &tar->members[tar->count++];
    char name[TAR_NAME_MAX];
    size_t size = tar_unit_name(unit, name), left = left_of(reader);
    const unsigned char *data = extent_of(reader)->data + tar->at;
    uint64_t content = left - unit->data_begin; /* headers are always whole */
    *member = (struct tar_member){.data = data + unit->data_begin,
                                  .offset = position_of(reader),
                                  .source = unit->size < left ? unit->size : left};
    member->is_cut = unit->data_size > content;
    member->size = (size_t)(member->is_cut ? content : unit->data_size);
    tar_extension(name, size, member->extension, sizeof member->extension);
    member->name = put_key(reader, name, size, member->offset);
    member->is_image = !is_column(reader, member->extension) &&
                       (names_image(member->extension) ||
                        image_format_of(member->data, member->size) != IMAGE_UNKNOWN);
}

static void put_bad(struct image_reader *reader, const char *key, const char *reason,
                    uint64_t offset, uint64_t source, const unsigned char *data,
                    size_t size)
{
    struct image_record record = {.key = key,
                                  .reason = reason,
                                  .file = extent_of(reader)->file,
                                  .offset = offset,
                                  .source = source,
                                  .data = data,
                                  .size = size};
    (void)image_reader_put(reader, &record);
}

static const char *cut_reason(const struct image_reader *reader)
{
    return extent_of(reader)->fault == STREAM_CORRUPT ? "corrupt_input"
                                                      : "truncated_input";
}

/* The bytes of members that are no records of their own belong to the first that is. */
static void settle_sample(struct image_reader *reader)
{
    struct tar_state *tar = &reader->tar;
    struct tar_member *first = NULL;
    uint64_t others = 0, begin = tar->members[0].offset;
    for (uint32_t i = 0; i < tar->count; i++) {
        struct tar_member *member = &tar->members[i];
        if (member->is_image || member->is_cut)
            first = !first && !member->is_cut ? member : first;
        else
            others += member->source;
    }
    if (first) {
        first->source += others;
        first->offset = begin;
    } else if (others > 0) {
        const struct tar_member *member = &tar->members[0];
        put_bad(reader, text_of(reader, member->name), "no_image", begin, others,
                member->data, member->size);
    }
}

/* A sample that the cutter left out but for its first bytes. */
static bool take_oversize(struct image_reader *reader)
{
    struct tar_state *tar = &reader->tar;
    const struct extent *extent = extent_of(reader);
    if (tar->oversize >= extent->oversize_count ||
        extent->oversize[2 * tar->oversize] != position_of(reader))
        return false;
    uint64_t offset = position_of(reader), size = extent->oversize[2 * tar->oversize + 1];
    const unsigned char *data = extent->data + tar->at;
    size_t left = left_of(reader), there = left < EXCERPT_MAX ? left : EXCERPT_MAX;
    const unsigned char *end = memchr(data, 0, there < 100 ? there : 100);
    size_t key =
        put_key(reader, (const char *)data, end ? (size_t)(end - data) : 0, offset);
    put_bad(reader, text_of(reader, key), "too_long", offset, size, data, there);
    tar->oversize++;
    tar->at += there;
    tar->shift += size - there;
    return true;
}

/* Blocks that are no header: one bad record. */
static void take_junk(struct image_reader *reader)
{
    struct tar_state *tar = &reader->tar;
    uint64_t offset = position_of(reader);
    const unsigned char *data = extent_of(reader)->data + tar->at;
    size_t begin = tar->at;
    struct tar_unit unit;
    while (left_of(reader) > 0 && tar_look(extent_of(reader)->data + tar->at,
                                           left_of(reader), true, &unit) == TAR_JUNK)
        tar->at += (size_t)unit.size;
    size_t size = tar->at - begin;
    tar->is_fault_told = tar->is_fault_told || left_of(reader) == 0;
    size_t key = put_key(reader, "\xFF", 1, offset);
    put_bad(reader, text_of(reader, key),
            size < 512 ? cut_reason(reader) : "corrupt_input", offset, size, data, size);
}

/* Find the next sample, bad pieces told and separators counted on the way. False: the extent
 * is at its end, or something bad was told. */
static bool next_sample(struct image_reader *reader)
{
    struct tar_state *tar = &reader->tar;
    struct tar_sample sample = {0};
    struct tar_unit unit;
    tar->count = tar->next = 0;
    bytes_reset(&tar->names);
    while (left_of(reader) > 0) {
        if (tar->count == 0 && take_oversize(reader))
            return false;
        (void)tar_look(extent_of(reader)->data + tar->at, left_of(reader), true, &unit);
        bool is_taken = tar_sample_takes(&sample, &unit);
        if (tar->count > 0 && !is_taken)
            break;
        if (unit.kind == TAR_JUNK) {
            take_junk(reader);
            return false;
        }
        size_t size = unit.size < left_of(reader) ? (size_t)unit.size : left_of(reader);
        if (unit.kind == TAR_FILE)
            add_member(reader, &unit);
        else
            reader->separators += size;
        tar->at += size;
    }
    if (tar->count > 0)
        settle_sample(reader);
    return tar->count > 0;
}

static const struct tar_member *companion(const struct tar_state *tar, const char *name)
{
    for (uint32_t i = 0; i < tar->count; i++)
        if (!tar->members[i].is_cut && strcmp(tar->members[i].extension, name) == 0)
            return &tar->members[i];
    return NULL;
}

/* A number as a file has it, white space around it. False: it is none. */
static bool read_number(const struct tar_member *member, enum column_type type,
                        void *value)
{
    char text[NUMBER_MAX], *end = text;
    size_t size = member->size;
    if (size == 0 || size >= sizeof text)
        return false;
    memcpy(text, member->data, size);
    text[size] = 0;
    errno = 0;
    if (type == COLUMN_I64) {
        int64_t number = strtoll(text, &end, 10);
        memcpy(value, &number, sizeof number);
    } else {
        double number = strtod(text, &end);
        memcpy(value, &number, sizeof number);
    }
    bool is_number = end > text && errno == 0;
    end += strspn(end, " \t\r\n");
    return is_number && end == text + size;
}

/* What is wrong with what stands beside the image, or NULL. */
static const char *check_columns(const struct image_reader *reader)
{
    for (size_t i = 0; i < reader->input->column_count; i++) {
        const struct input_column *column = &reader->input->columns[i];
        const struct tar_member *member = companion(&reader->tar, column->name);
        double value;
        if (!member || column->type == COLUMN_BYTES)
            continue;
        if (column->type == COLUMN_UTF8 && !json_is_utf8(member->data, member->size))
            return "not_utf8";
        if (column->type != COLUMN_UTF8 && !read_number(member, column->type, &value))
            return "wrong_type";
    }
    return NULL;
}

static void put_columns(struct image_reader *reader)
{
    for (size_t i = 0; i < reader->input->column_count; i++) {
        struct column_builder *column = &reader->columns[IMAGE_COLUMNS + i];
        const struct tar_member *member = companion(&reader->tar, column->name);
        uint64_t number = 0;
        if (!member) {
            column_builder_put_null(column);
        } else if (column->type == COLUMN_UTF8 || column->type == COLUMN_BYTES) {
            column_builder_put(column, member->data, member->size);
        } else {
            (void)read_number(member, column->type, &number);
            column_builder_put(column, &number, sizeof number);
        }
    }
}

static void put_member(struct image_reader *reader, const struct tar_member *member)
{
    unsigned char *room = image_reader_room(reader, member->size);
    struct image_record record = {.key = text_of(reader, member->name),
                                  .file = extent_of(reader)->file,
                                  .offset = member->offset,
                                  .source = member->source,
                                  .data = room,
                                  .size = member->size};
    if (!room)
        return; /* told when the columns are finished */
    if (member->size > 0)
        memcpy(room, member->data, member->size);
    record.reason = member->is_cut                             ? cut_reason(reader)
                    : member->size > reader->input->max_record ? "too_long"
                                                               : check_columns(reader);
    if (image_reader_put(reader, &record))
        put_columns(reader);
}

/* Damage is told by the record that it cut; here where it cut none. */
static void end_extent(struct image_reader *reader)
{
    const struct extent *extent = extent_of(reader);
    struct tar_state *tar = &reader->tar;
    bool is_fault = extent->fault == STREAM_CORRUPT || extent->fault == STREAM_TRUNCATED;
    if (is_fault && !tar->is_fault_told) {
        size_t key = put_key(reader, "\xFF", 1, position_of(reader));
        put_bad(reader, text_of(reader, key), cut_reason(reader), position_of(reader), 0,
                NULL, 0);
    }
    reader->next_extent++;
    (void)tar_reader_open(reader, NULL);
}

static enum error_code lend_room(struct image_reader *reader, struct arena *arena,
                                 struct error *error)
{
    const struct tar_state *tar = &reader->tar;
    size_t size = left_of(reader);
    for (uint32_t i = tar->next; i < tar->count; i++)
        size += tar->members[i].size;
    if (size > IMAGE_BATCH_BYTES)
        size = IMAGE_BATCH_BYTES;
    if (tar->next < tar->count && tar->members[tar->next].size > size)
        size = tar->members[tar->next].size;
    unsigned char *room = arena_alloc_raw(arena, size + 1, 1, 64);
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for %zu bytes of images", size);
    column_builder_borrow(&reader->columns[IMAGE_DATA], room, size + 1);
    return OK;
}

enum error_code tar_reader_fill(struct image_reader *reader, uint32_t max_records,
                                struct arena *arena, struct error *error)
{
    struct tar_state *tar = &reader->tar;
    const struct bytes *data = &reader->columns[IMAGE_DATA].data;
    bool has_room = false;
    for (uint32_t count = 0;;) {
        if (tar->next == tar->count && !next_sample(reader)) {
            if (left_of(reader) > 0)
                continue;
            end_extent(reader);
            return OK;
        }
        const struct tar_member *member = &tar->members[tar->next];
        if (!member->is_image && !member->is_cut) {
            tar->next++;
            continue;
        }
        if (count > 0 && (count >= max_records || reader->pixels > IMAGE_BATCH_PIXELS ||
                          member->size > data->capacity - data->size))
            return OK;
        if (!has_room) {
            enum error_code code = lend_room(reader, arena, error);
            if (code != OK)
                return code;
            has_room = true;
        }
        put_member(reader, member);
        tar->is_fault_told = tar->is_fault_told || member->is_cut;
        tar->next++;
        count++;
    }
}
