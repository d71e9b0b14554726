/* reader_images.c - image files as records: their bytes, and what their headers say */
#include "core/reader_images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/column_builder.h"
#include "core/image_header.h"

enum { KEY, DATA, WIDTH, HEIGHT, FORMAT, COLUMNS };

struct note { /* a bad record, until the batch is made */
    struct bad_record bad;
    unsigned char excerpt[EXCERPT_MAX];
};

struct image_reader {
    uint64_t max_record;
    const struct extent *extents; /* borrowed: (extent_count) */
    size_t extent_count, next_extent;
    uint32_t ordinal;
    struct column_builder columns[COLUMNS]; /* owned */
    struct bytes origins, notes;            /* owned: struct origin, struct note */
    uint64_t pixels;                        /* of the batch */
};

struct image_reader *image_reader_create(const struct input_spec *input)
{
    struct image_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->max_record = input->max_record;
    reader->columns[KEY] = (struct column_builder){.name = "key", .type = COLUMN_UTF8};
    reader->columns[DATA] = (struct column_builder){.name = "data", .type = COLUMN_BYTES};
    reader->columns[WIDTH] = (struct column_builder){.name = "width", .type = COLUMN_I64};
    reader->columns[HEIGHT] =
        (struct column_builder){.name = "height", .type = COLUMN_I64};
    reader->columns[FORMAT] =
        (struct column_builder){.name = "format", .type = COLUMN_UTF8};
    return reader;
}

void image_reader_destroy(struct image_reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < COLUMNS; i++)
        column_builder_clear(&reader->columns[i]);
    bytes_clear(&reader->origins);
    bytes_clear(&reader->notes);
    free(reader);
}

enum error_code image_reader_open(struct image_reader *reader,
                                  const struct extent *extents, size_t count,
                                  uint32_t first_ordinal, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!extents[i].name)
            return error_set(error, ERROR_FATAL, "an extent without its file's name");
    reader->extents = extents;
    reader->extent_count = count;
    reader->next_extent = 0;
    reader->ordinal = first_ordinal;
    return OK;
}

/* What a file takes in the batch: the whole, or the begin of one that is too long. */
static size_t bytes_wanted(const struct image_reader *reader, const struct extent *extent)
{
    uint64_t size = extent->data ? extent->data_size : extent->end;
    if (!extent->data && size > reader->max_record)
        return EXCERPT_MAX;
    return (size_t)size;
}

/* Room for the files of the next batch, in `arena`. */
static enum error_code lend_room(struct image_reader *reader, struct arena *arena,
                                 struct error *error)
{
    size_t size = bytes_wanted(reader, &reader->extents[reader->next_extent]);
    for (size_t i = reader->next_extent + 1; i < reader->extent_count; i++) {
        size_t more = bytes_wanted(reader, &reader->extents[i]);
        if (more > IMAGE_BATCH_BYTES || size > IMAGE_BATCH_BYTES - more)
            break;
        size += more;
    }
    unsigned char *room = arena_alloc_raw(arena, size + 1, 1, 64);
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for an image of %zu bytes",
                         size);
    column_builder_borrow(&reader->columns[DATA], room, size + 1);
    return OK;
}

static enum error_code read_file(const struct extent *extent, unsigned char *room,
                                 size_t size, struct error *error)
{
    size_t got = 0;
    enum error_code code = OK;
    int file = open(extent->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"",
                               extent->path);
    while (code == OK && got < size) {
        ssize_t count = pread(file, room + got, size - got, (off_t)got);
        if (count < 0 && errno != EINTR)
            code = error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"",
                                   extent->path);
        else if (count == 0)
            code = error_set(error, ERROR_IO,
                             "\"%s\" has become shorter: %llu bytes were expected, "
                             "it ends at %zu",
                             extent->path, (unsigned long long)extent->end, got);
        else if (count > 0)
            got += (size_t)count;
    }
    (void)close(file);
    return code;
}

static void note_bad(struct image_reader *reader, const struct extent *extent,
                     const struct origin *origin, const char *reason, const char *detail,
                     const unsigned char *data, size_t size)
{
    struct note note = {.bad = {.origin = *origin,
                                .key = extent->name,
                                .key_size = strlen(extent->name),
                                .reason = reason,
                                .detail = detail,
                                .excerpt_size = size < EXCERPT_MAX ? size : EXCERPT_MAX}};
    memcpy(note.excerpt, data, note.bad.excerpt_size);
    bytes_put(&reader->notes, &note, sizeof note);
}

static void put_row(struct image_reader *reader, const struct extent *extent,
                    const struct origin *origin, size_t size,
                    const struct image_header *header)
{
    uint32_t width, height;
    const char *format = image_format_name(header->format);
    image_upright_size(header, &width, &height);
    int64_t numbers[2] = {width, height};
    column_builder_end_row(&reader->columns[DATA], size);
    column_builder_put(&reader->columns[KEY], extent->name, strlen(extent->name));
    column_builder_put(&reader->columns[WIDTH], &numbers[0], sizeof numbers[0]);
    column_builder_put(&reader->columns[HEIGHT], &numbers[1], sizeof numbers[1]);
    column_builder_put(&reader->columns[FORMAT], format, strlen(format));
    bytes_put(&reader->origins, origin, sizeof *origin);
    reader->pixels += (uint64_t)width * height;
}

/* Why the bytes cannot be the image that was written, or NULL. */
static const char *fault_of(const struct image_reader *reader,
                            const struct extent *extent, uint64_t size)
{
    if (size > reader->max_record || (extent->data && extent->oversize_count > 0))
        return "too_long";
    if (extent->fault == STREAM_CORRUPT)
        return "corrupt_input";
    return extent->fault == STREAM_TRUNCATED ? "truncated_input" : NULL;
}

/* The next file, which has its room in the batch. */
static enum error_code put_file(struct image_reader *reader, const struct extent *extent,
                                struct error *error)
{
    size_t size = bytes_wanted(reader, extent);
    unsigned char *room = column_builder_begin_row(&reader->columns[DATA], size);
    struct image_header header;
    const char *detail = NULL;
    struct origin origin = {.file = extent->file, .ordinal = reader->ordinal};
    origin.size = extent->data ? extent->data_size : extent->end;
    if (extent->data && extent->oversize_count > 0)
        origin.size = extent->oversize[1];
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for an image of %zu bytes",
                         size);
    enum error_code code = OK;
    if (extent->data)
        memcpy(room, extent->data, size);
    else if (extent->path)
        code = read_file(extent, room, size, error);
    if (code != OK)
        return code;
    reader->ordinal++;
    const char *reason = fault_of(reader, extent, origin.size);
    if (!reason)
        reason = image_header_read(room, size, &header, &detail);
    if (reason)
        note_bad(reader, extent, &origin, reason, detail, room, size);
    else
        put_row(reader, extent, &origin, size, &header);
    return OK;
}

/* The rows as a batch. NULL: no memory. */
static struct batch *make_batch(const struct image_reader *reader, struct arena *arena)
{
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    uint32_t count = (uint32_t)(reader->origins.size / sizeof(struct origin));
    struct origin *origins = ARENA_RAW(arena, struct origin, count);
    const struct column **columns = ARENA_NEW(arena, const struct column *, COLUMNS);
    if (!batch || !origins || !columns || reader->origins.is_bad)
        return NULL;
    if (count > 0)
        memcpy(origins, reader->origins.data, count * sizeof *origins);
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = column_builder_finish(&reader->columns[i], arena);
        if (!columns[i])
            return NULL;
    }
    *batch = (struct batch){
        .count = count, .column_count = COLUMNS, .origins = origins, .columns = columns};
    return batch;
}

/* The notes as bad records. False: no memory. */
static bool make_bad(const struct image_reader *reader, struct arena *arena,
                     struct reader_result *result)
{
    size_t count = reader->notes.size / sizeof(struct note);
    struct bad_record *bad = ARENA_RAW(arena, struct bad_record, count);
    struct note *notes = ARENA_RAW(arena, struct note, count);
    if (!bad || !notes || reader->notes.is_bad)
        return false;
    if (count > 0)
        memcpy(notes, reader->notes.data, reader->notes.size);
    for (size_t i = 0; i < count; i++) {
        bad[i] = notes[i].bad;
        bad[i].excerpt = notes[i].excerpt;
    }
    result->bad = bad;
    result->bad_count = count;
    return true;
}

enum error_code image_reader_next(struct image_reader *reader, uint32_t max_records,
                                  struct arena *arena, struct reader_result *result,
                                  struct error *error)
{
    struct reader_result found = {0};
    bytes_reset(&reader->origins);
    bytes_reset(&reader->notes);
    for (int i = 0; i < COLUMNS; i++)
        column_builder_reset(&reader->columns[i]);
    reader->pixels = 0;
    if (reader->next_extent == reader->extent_count) {
        *result = found;
        return OK;
    }
    enum error_code code = lend_room(reader, arena, error);
    const struct bytes *data = &reader->columns[DATA].data;
    for (uint32_t count = 0; code == OK && reader->next_extent < reader->extent_count;
         count++) {
        const struct extent *extent = &reader->extents[reader->next_extent];
        if (count > 0 && (count >= max_records || reader->pixels > IMAGE_BATCH_PIXELS ||
                          bytes_wanted(reader, extent) > data->capacity - data->size))
            break;
        code = put_file(reader, extent, error);
        reader->next_extent += code == OK;
    }
    if (code != OK)
        return code;
    arena_trim(arena, data->data, data->size);
    found.batch = make_batch(reader, arena);
    if (!found.batch || !make_bad(reader, arena, &found))
        return error_set(error, ERROR_MEMORY, "no memory for a batch of images");
    *result = found;
    return OK;
}
