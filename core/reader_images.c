/* reader_images.c - image files as records: their bytes, and what their headers say */
#include "core/reader_images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/image_header.h"
#include "core/reader_images_parts.h"

struct note { /* a bad record, until the batch is made */
    struct bad_record bad;
    size_t key; /* in `texts` */
    unsigned char excerpt[EXCERPT_MAX];
};

static void name_columns(struct image_reader *reader)
{
    static const struct {
        const char *name;
        enum column_type type;
    } fixed[IMAGE_COLUMNS] = {[IMAGE_KEY] = {"key", COLUMN_UTF8},
                              [IMAGE_DATA] = {"data", COLUMN_BYTES},
                              [IMAGE_WIDTH] = {"width", COLUMN_I64},
                              [IMAGE_HEIGHT] = {"height", COLUMN_I64},
                              [IMAGE_FORMAT] = {"format", COLUMN_UTF8}};
    for (uint32_t i = 0; i < reader->column_count; i++) {
        struct column_builder *column = &reader->columns[i];
        if (i < IMAGE_COLUMNS)
            *column =
                (struct column_builder){.name = fixed[i].name, .type = fixed[i].type};
        else
            *column = (struct column_builder){
                .name = reader->input->columns[i - IMAGE_COLUMNS].name,
                .type = reader->input->columns[i - IMAGE_COLUMNS].type};
    }
}

struct image_reader *image_reader_create(const struct input_spec *input)
{
    struct image_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    size_t count = IMAGE_COLUMNS + input->column_count;
    reader->input = input;
    reader->columns = calloc(count, sizeof *reader->columns);
    if (!reader->columns) {
        free(reader);
        return NULL;
    }
    reader->column_count = (uint32_t)count;
    name_columns(reader);
    return reader;
}

void image_reader_destroy(struct image_reader *reader)
{
    if (!reader)
        return;
    for (uint32_t i = 0; i < reader->column_count; i++)
        column_builder_clear(&reader->columns[i]);
    free(reader->columns);
    bytes_clear(&reader->origins);
    bytes_clear(&reader->notes);
    bytes_clear(&reader->texts);
    bytes_clear(&reader->tar.names);
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
    return reader->input->format == FORMAT_TAR ? tar_reader_open(reader, error) : OK;
}

/* What a file takes in the batch: the whole, or the begin of one that is too long. */
static size_t bytes_wanted(const struct image_reader *reader, const struct extent *extent)
{
    uint64_t size = extent->data ? extent->data_size : extent->end;
    if (!extent->data && size > reader->input->max_record)
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
    column_builder_borrow(&reader->columns[IMAGE_DATA], room, size + 1);
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

static void note_bad(struct image_reader *reader, const struct image_record *record,
                     const struct origin *origin, const char *reason, const char *detail)
{
    size_t size = record->size;
    struct note note = {
        .bad = {.origin = *origin,
                .key_size = strlen(record->key),
                .reason = reason,
                .detail = detail,
                .excerpt_size = size < EXCERPT_MAX ? size : (size_t)EXCERPT_MAX},
        .key = reader->texts.size};
    if (note.bad.excerpt_size > 0)
        memcpy(note.excerpt, record->data, note.bad.excerpt_size);
    bytes_put(&reader->texts, record->key, note.bad.key_size);
    bytes_put(&reader->notes, &note, sizeof note);
}

unsigned char *image_reader_room(struct image_reader *reader, size_t size)
{
    return column_builder_begin_row(&reader->columns[IMAGE_DATA], size);
}

bool image_reader_put(struct image_reader *reader, const struct image_record *record)
{
    struct image_header header;
    const char *reason = record->reason, *detail = record->detail;
    struct origin origin = {.file = record->file,
                            .ordinal = reader->ordinal++,
                            .offset = record->offset,
                            .size = record->source};
    if (!reason)
        reason = image_header_read(record->data, record->size, &header, &detail);
    if (reason) {
        note_bad(reader, record, &origin, reason, detail);
        return false;
    }
    uint32_t width, height;
    const char *format = image_format_name(header.format);
    image_upright_size(&header, &width, &height);
    int64_t numbers[2] = {width, height};
    struct column_builder *columns = reader->columns;
    column_builder_end_row(&columns[IMAGE_DATA], record->size);
    column_builder_put(&columns[IMAGE_KEY], record->key, strlen(record->key));
    column_builder_put(&columns[IMAGE_WIDTH], &numbers[0], sizeof numbers[0]);
    column_builder_put(&columns[IMAGE_HEIGHT], &numbers[1], sizeof numbers[1]);
    column_builder_put(&columns[IMAGE_FORMAT], format, strlen(format));
    bytes_put(&reader->origins, &origin, sizeof origin);
    reader->pixels += (uint64_t)width * height;
    return true;
}

/* Why the bytes cannot be the image that was written, or NULL. */
static const char *fault_of(const struct image_reader *reader,
                            const struct extent *extent, uint64_t size)
{
    if (size > reader->input->max_record || (extent->data && extent->oversize_count > 0))
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
    unsigned char *room = image_reader_room(reader, size);
    struct image_record record = {.key = extent->name,
                                  .file = extent->file,
                                  .source =
                                      extent->data ? extent->data_size : extent->end,
                                  .data = room,
                                  .size = size};
    if (extent->data && extent->oversize_count > 0)
        record.source = extent->oversize[1];
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
    record.reason = fault_of(reader, extent, record.source);
    (void)image_reader_put(reader, &record);
    return OK;
}

/* The rows as a batch. NULL: no memory. */
static struct batch *make_batch(const struct image_reader *reader, struct arena *arena)
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
static bool make_bad(const struct image_reader *reader, struct arena *arena,
                     struct reader_result *result)
{
    size_t count = reader->notes.size / sizeof(struct note);
    struct bad_record *bad = ARENA_RAW(arena, struct bad_record, count);
    struct note *notes = ARENA_RAW(arena, struct note, count);
    const char *texts = (const char *)reader->texts.data;
    const char *keys = arena_copy_text(arena, texts ? texts : "", reader->texts.size);
    if (!bad || !notes || !keys || reader->notes.is_bad || reader->texts.is_bad)
        return false;
    if (count > 0)
        memcpy(notes, reader->notes.data, reader->notes.size);
    for (size_t i = 0; i < count; i++) {
        bad[i] = notes[i].bad;
        bad[i].key = keys + notes[i].key;
        bad[i].excerpt = notes[i].excerpt;
    }
    result->bad = bad;
    result->bad_count = count;
    return true;
}

/* Put files into the batch until it is full. */
static enum error_code fill(struct image_reader *reader, uint32_t max_records,
                            struct arena *arena, struct error *error)
{
    enum error_code code = lend_room(reader, arena, error);
    const struct bytes *data = &reader->columns[IMAGE_DATA].data;
    for (uint32_t count = 0; code == OK && reader->next_extent < reader->extent_count;
         count++) {
        const struct extent *extent = &reader->extents[reader->next_extent];
        if (count > 0 && (count >= max_records || reader->pixels > IMAGE_BATCH_PIXELS ||
                          bytes_wanted(reader, extent) > data->capacity - data->size))
            break;
        code = put_file(reader, extent, error);
        reader->next_extent += code == OK;
    }
    return code;
}

enum error_code image_reader_next(struct image_reader *reader, uint32_t max_records,
                                  struct arena *arena, struct reader_result *result,
                                  struct error *error)
{
    struct reader_result found = {0};
    bytes_reset(&reader->origins);
    bytes_reset(&reader->notes);
    bytes_reset(&reader->texts);
    for (uint32_t i = 0; i < reader->column_count; i++)
        column_builder_reset(&reader->columns[i]);
    reader->pixels = reader->separators = 0;
    if (reader->next_extent == reader->extent_count) {
        *result = found;
        return OK;
    }
    enum error_code code = reader->input->format == FORMAT_TAR
                               ? tar_reader_fill(reader, max_records, arena, error)
                               : fill(reader, max_records, arena, error);
    if (code != OK)
        return code;
    const struct bytes *data = &reader->columns[IMAGE_DATA].data;
    arena_trim(arena, data->data, data->size);
    found.separator_bytes = reader->separators;
    if (reader->origins.size + reader->notes.size + reader->separators > 0)
        found.batch = make_batch(reader, arena);
    else
        return image_reader_next(reader, max_records, arena, result, error);
    if (!found.batch || !make_bad(reader, arena, &found))
        return error_set(error, ERROR_MEMORY, "no memory for a batch of images");
    *result = found;
    return OK;
}
