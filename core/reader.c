/* reader.c - cut an extent of input into records and batches */
#include "core/reader.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/column_builder.h"
#include "core/json.h"
#include "core/jsonl.h"
#include "core/line_source.h"
#include "core/reader_images.h"

enum { KEPT = 8 * 1024 * 1024, OFFSET_DIGITS = 20, RECORDS_MAX = 65536 };

struct fault_note { /* a bad record, until the batch is made */
    struct bad_record bad;
    size_t key, detail; /* offsets in `texts` of key and zero-terminated detail */
    bool has_key, has_detail;
};

struct reader {
    const struct input_spec *input; /* borrowed */
    struct line_source *source;     /* owned */
    struct jsonl *jsonl;            /* owned; format jsonl only */
    struct image_reader *images;    /* owned; format images only, and then all there is */
    struct column_builder *columns; /* owned: (column_count); key is the first */
    uint32_t column_count;
    struct extent extent;
    uint32_t ordinal;
    struct bytes lines;   /* struct line */
    struct bytes origins; /* struct origin, of the rows */
    struct bytes notes;   /* struct fault_note */
    struct bytes texts;   /* what the notes point to */
};

static bool has_text(const struct input_spec *input)
{
    return input->format != FORMAT_JSONL || input->text;
}

static bool create_columns(struct reader *reader)
{
    const struct input_spec *input = reader->input;
    size_t extra = input->format == FORMAT_JSONL ? input->column_count : 0;
    reader->columns = calloc(extra + 2, sizeof *reader->columns);
    if (!reader->columns)
        return false;
    struct column_builder *column = reader->columns;
    *column++ = (struct column_builder){.name = "key", .type = COLUMN_UTF8};
    if (has_text(input))
        *column++ = (struct column_builder){.name = "text", .type = COLUMN_UTF8};
    for (size_t i = 0; i < extra; i++)
        *column++ = (struct column_builder){.name = input->columns[i].name,
                                            .type = input->columns[i].type,
                                            .dimension = input->columns[i].dimension};
    reader->column_count = (uint32_t)(column - reader->columns);
    return true;
}

enum error_code reader_create(const struct input_spec *input, struct reader **reader,
                              struct error *error)
{
    struct reader *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory for a reader");
    made->input = input;
    if (input_has_images(input->format)) {
        made->images = image_reader_create(input);
        if (!made->images) {
            reader_destroy(made);
            return error_set(error, ERROR_MEMORY, "no memory for a reader");
        }
        *reader = made;
        return OK;
    }
    made->source = line_source_create(input->max_record, input->format == FORMAT_TEXT);
    if (input->format == FORMAT_JSONL)
        made->jsonl = jsonl_create(input);
    if (!made->source || (input->format == FORMAT_JSONL && !made->jsonl) ||
        !create_columns(made)) {
        reader_destroy(made);
        return error_set(error, ERROR_MEMORY, "no memory for a reader");
    }
    *reader = made;
    return OK;
}

void reader_destroy(struct reader *reader)
{
    if (!reader)
        return;
    line_source_destroy(reader->source);
    jsonl_destroy(reader->jsonl);
    image_reader_destroy(reader->images);
    for (uint32_t i = 0; i < reader->column_count; i++)
        column_builder_clear(&reader->columns[i]);
    free(reader->columns);
    bytes_clear(&reader->lines);
    bytes_clear(&reader->origins);
    bytes_clear(&reader->notes);
    bytes_clear(&reader->texts);
    free(reader);
}

enum error_code reader_open(struct reader *reader, const struct extent *extent,
                            uint32_t first_ordinal, struct error *error)
{
    if (!extent->name)
        return error_set(error, ERROR_FATAL, "an extent without the name of its file");
    reader->extent = *extent;
    reader->ordinal = first_ordinal;
    for (uint32_t i = 0; i < reader->column_count; i++)
        if (reader->columns[i].data.capacity > KEPT)
            column_builder_clear(&reader->columns[i]);
    return line_source_open(reader->source, extent, error);
}

enum error_code reader_open_images(struct reader *reader, const struct extent *extents,
                                   size_t count, uint32_t first_ordinal,
                                   struct error *error)
{
    return image_reader_open(reader->images, extents, count, first_ordinal, error);
}

/* NAME#OFFSET; its size. `room` holds the name and OFFSET_DIGITS + 1 bytes. */
static size_t write_key(const char *name, size_t name_size, uint64_t offset,
                        unsigned char *room)
{
    unsigned char digits[OFFSET_DIGITS];
    size_t count = 0;
    do {
        digits[count++] = (unsigned char)('0' + offset % 10);
        offset /= 10;
    } while (offset > 0);
    memcpy(room, name, name_size);
    room[name_size] = '#';
    for (size_t i = 0; i < count; i++)
        room[name_size + 1 + i] = digits[count - 1 - i];
    return name_size + 1 + count;
}

static bool has_key_field(const struct reader *reader)
{
    return reader->input->format == FORMAT_JSONL && reader->input->key;
}

/* The key of a record that brings none of its own. */
static void put_default_key(struct reader *reader, const struct line *line)
{
    struct column_builder *column = &reader->columns[0];
    size_t size = strlen(reader->extent.name);
    unsigned char *room = column_builder_begin_row(column, size + OFFSET_DIGITS + 1);
    size_t written = room ? write_key(reader->extent.name, size, line->offset, room) : 0;
    column_builder_end_row(column, written);
}

static void put_line(struct reader *reader, const struct line *line,
                     struct line_fault *fault)
{
    size_t size = line->size;
    fault->reason = NULL;
    fault->key = NULL;
    fault->detail[0] = 0;
    if (!json_is_utf8(line->data, size)) {
        fault->reason = "not_utf8";
        return;
    }
    if (reader->input->format == FORMAT_LINES && size > 0 && line->data[size - 1] == '\r')
        size--;
    column_builder_put(&reader->columns[1], line->data, size);
}

static void note_fault(struct reader *reader, const struct line *line,
                       const struct origin *origin, const struct line_fault *fault)
{
    struct fault_note note = {
        .bad = {.origin = *origin,
                .key_size = fault->key_size,
                .reason = fault->reason,
                .excerpt = line->data,
                .excerpt_size = line->size < EXCERPT_MAX ? line->size : EXCERPT_MAX},
        .key = reader->texts.size,
        .has_key = fault->key != NULL,
        .has_detail = fault->detail[0] != 0};
    if (fault->key) {
        bytes_put(&reader->texts, fault->key, fault->key_size);
    } else if (!has_key_field(reader)) {
        size_t size = strlen(reader->extent.name);
        unsigned char *room = bytes_reserve(&reader->texts, size + OFFSET_DIGITS + 1);
        note.has_key = room != NULL;
        if (room) {
            note.bad.key_size = write_key(reader->extent.name, size, line->offset, room);
            reader->texts.size += note.bad.key_size;
        }
    }
    note.detail = reader->texts.size;
    if (note.has_detail)
        bytes_put(&reader->texts, fault->detail, strlen(fault->detail) + 1);
    bytes_put(&reader->notes, &note, sizeof note);
}

static const char *fault_of_line(const struct reader *reader, const struct line *line)
{
    if (line->kind == LINE_TOO_LONG)
        return "too_long";
    if (line->kind == LINE_CUT)
        return reader->extent.fault == STREAM_CORRUPT ? "corrupt_input"
                                                      : "truncated_input";
    return NULL;
}

static enum error_code put_record(struct reader *reader, const struct line *line,
                                  struct error *error)
{
    struct origin origin = {.file = reader->extent.file,
                            .ordinal = reader->ordinal++,
                            .offset = line->offset,
                            .size = line->source_size};
    uint32_t row = (uint32_t)(reader->origins.size / sizeof origin);
    struct line_fault fault = {.reason = fault_of_line(reader, line)};
    enum error_code code = OK;
    if (!fault.reason) {
        if (reader->jsonl)
            code = jsonl_put_row(reader->jsonl, line->data, line->size, reader->columns,
                                 &fault, error);
        else
            put_line(reader, line, &fault);
        if (code == OK && !fault.reason && !has_key_field(reader))
            put_default_key(reader, line);
    }
    if (code != OK)
        return code;
    if (!fault.reason) {
        bytes_put(&reader->origins, &origin, sizeof origin);
        return OK;
    }
    for (uint32_t i = 0; i < reader->column_count; i++)
        column_builder_cut(&reader->columns[i], row);
    note_fault(reader, line, &origin, &fault);
    return OK;
}

/* The rows as a batch. NULL: no memory. */
static struct batch *make_batch(const struct reader *reader, struct arena *arena)
{
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    uint32_t count = (uint32_t)(reader->origins.size / sizeof(struct origin));
    struct origin *origins = ARENA_RAW(arena, struct origin, count);
    const struct column **columns =
        ARENA_NEW(arena, const struct column *, reader->column_count);
    if (!batch || !origins || !columns || reader->origins.is_bad)
        return NULL;
    if (count > 0)
        memcpy(origins, reader->origins.data, count * sizeof *origins);
    for (uint32_t i = 0; i < reader->column_count; i++) {
        columns[i] = column_builder_finish(&reader->columns[i], arena);
        if (!columns[i])
            return NULL;
    }
    *batch = (struct batch){.count = count,
                            .column_count = reader->column_count,
                            .origins = origins,
                            .columns = columns};
    return batch;
}

/* The notes as bad records. False: no memory. */
static bool make_bad(const struct reader *reader, struct arena *arena,
                     struct reader_result *result)
{
    size_t count = reader->notes.size / sizeof(struct fault_note);
    struct bad_record *bad = ARENA_RAW(arena, struct bad_record, count);
    if (!bad || reader->notes.is_bad || reader->texts.is_bad)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct fault_note note;
        memcpy(&note, reader->notes.data + i * sizeof note, sizeof note);
        bad[i] = note.bad;
        const char *texts = (const char *)reader->texts.data;
        if (note.has_key)
            bad[i].key = arena_copy_text(arena, texts + note.key, note.bad.key_size);
        if (note.has_detail)
            bad[i].detail =
                arena_copy_text(arena, texts + note.detail, strlen(texts + note.detail));
        const char *excerpt = (const char *)note.bad.excerpt;
        bad[i].excerpt =
            (const unsigned char *)arena_copy_text(arena, excerpt, note.bad.excerpt_size);
        if (!bad[i].excerpt || (note.has_key && !bad[i].key) ||
            (note.has_detail && !bad[i].detail))
            return false;
    }
    result->bad = bad;
    result->bad_count = count;
    return true;
}

static void reset(struct reader *reader)
{
    bytes_reset(&reader->origins);
    bytes_reset(&reader->notes);
    bytes_reset(&reader->texts);
    for (uint32_t i = 0; i < reader->column_count; i++)
        column_builder_reset(&reader->columns[i]);
}

/* Let the text go where the batch will lie: it is never longer than its lines. */
static bool lend_room(struct reader *reader, const struct line *lines, size_t count,
                      struct arena *arena)
{
    size_t size = JSON_PADDING;
    if (!has_text(reader->input))
        return true;
    for (size_t i = 0; i < count; i++)
        size += lines[i].kind == LINE_WHOLE ? lines[i].size : 0;
    unsigned char *room = arena_alloc_raw(arena, size, 1, JSON_PADDING);
    if (room)
        column_builder_borrow(&reader->columns[1], room, size);
    return room != NULL;
}

enum error_code reader_next(struct reader *reader, uint32_t max_records, size_t max_bytes,
                            struct arena *arena, struct reader_result *result,
                            struct error *error)
{
    struct reader_result found = {0};
    size_t count = 0, room;
    size_t max_count = max_records < RECORDS_MAX ? max_records : RECORDS_MAX;
    if (reader->images)
        return image_reader_next(reader->images, max_records, arena, result, error);
    reset(reader);
    bytes_reset(&reader->lines);
    if (!size_multiply(max_count, sizeof(struct line), &room) ||
        !bytes_reserve(&reader->lines, room))
        return error_set(error, ERROR_MEMORY, "no memory for %zu records", max_count);
    struct line *lines = (struct line *)(void *)reader->lines.data;
    enum error_code code = line_source_next(reader->source, lines, max_count, max_bytes,
                                            &count, &found.separator_bytes, error);
    if (code == OK && count > 0 && !lend_room(reader, lines, count, arena))
        code =
            error_set(error, ERROR_MEMORY, "no memory for a batch of %zu records", count);
    for (size_t i = 0; i < count && code == OK; i++)
        code = put_record(reader, &lines[i], error);
    if (code != OK)
        return code;
    if (count > 0) {
        const struct column_builder *text = &reader->columns[1];
        if (has_text(reader->input))
            arena_trim(arena, text->data.data, text->data.size);
        found.batch = make_batch(reader, arena);
        if (!found.batch || !make_bad(reader, arena, &found))
            return error_set(error, ERROR_MEMORY, "no memory for a batch of %zu records",
                             count);
    }
    *result = found;
    return OK;
}
