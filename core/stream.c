/* stream.c - a compressed (or plain) file as a stream of decompressed bytes */
#include "core/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/stream_decoder.h"

enum { WINDOW = 256 * 1024 };

struct stream {
    struct stream_source source;
    const struct stream_decoder_type *type; /* NULL: plain */
    struct stream_decoder *decoder;         /* owned */
    uint64_t position;
    struct stream_entry entry;
    enum stream_end end;
    char *path; /* owned */
};

enum error_code stream_source_fill(struct stream_source *source, size_t wanted,
                                   struct error *error)
{
    if (source->size - source->at >= wanted || source->is_at_end)
        return OK;
    memmove(source->data, source->data + source->at, source->size - source->at);
    source->offset += source->at;
    source->size -= source->at;
    source->at = 0;
    while (source->size < wanted) {
        ssize_t got = read(source->file, source->data + source->size,
                           source->capacity - source->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"",
                                   source->path);
        if (got == 0) {
            source->is_at_end = true;
            break;
        }
        source->size += (size_t)got;
    }
    return OK;
}

static enum error_code open_source(struct stream *stream, const char *path,
                                   const struct stream_entry *entry, struct error *error)
{
    struct stream_source *source = &stream->source;
    size_t length = strlen(path);
    stream->path = malloc(length + 1);
    source->data = malloc(WINDOW);
    if (!stream->path || !source->data)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    memcpy(stream->path, path, length + 1);
    source->path = stream->path;
    source->capacity = WINDOW;
    source->file = open(path, O_RDONLY | O_CLOEXEC);
    if (source->file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    if (!entry)
        return OK;
    if (entry->compressed > INT64_MAX ||
        lseek(source->file, (off_t)entry->compressed, SEEK_SET) < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot enter \"%s\" at byte %llu",
                               path, (unsigned long long)entry->compressed);
    source->offset = entry->compressed;
    stream->entry = *entry;
    stream->position = entry->decompressed;
    return OK;
}

enum error_code stream_open(const char *path, enum compression compression,
                            const struct stream_entry *entry, struct stream **stream,
                            struct error *error)
{
    struct stream *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    opened->source.file = -1;
    enum error_code code = open_source(opened, path, entry, error);
    if (code != OK)
        goto done;
    if (compression == COMPRESSION_GZIP)
        opened->type = &stream_gzip;
    else if (compression == COMPRESSION_ZSTD)
        opened->type = &stream_zstd;
    if (opened->type) {
        opened->decoder = opened->type->create();
        if (!opened->decoder)
            code = error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    }
done:
    if (code == OK)
        *stream = opened;
    else
        stream_close(opened);
    return code;
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->type)
        stream->type->destroy(stream->decoder);
    if (stream->source.file >= 0)
        (void)close(stream->source.file);
    free(stream->source.data);
    free(stream->path);
    free(stream);
}

static enum error_code read_plain(struct stream *stream, unsigned char *out,
                                  size_t capacity, size_t *size, struct error *error)
{
    for (;;) {
        ssize_t got = read(stream->source.file, out, capacity);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"",
                                   stream->path);
        *size = (size_t)got;
        if (got == 0)
            stream->end = STREAM_COMPLETE;
        return OK;
    }
}

enum error_code stream_read(struct stream *stream, unsigned char *out, size_t capacity,
                            size_t *size, enum stream_end *end, struct error *error)
{
    size_t got = 0;
    uint64_t frame = stream->entry.compressed;
    enum error_code code = OK;
    if (stream->end == STREAM_MORE && capacity > 0)
        code = stream->type
                   ? stream->type->read(stream->decoder, &stream->source, out, capacity,
                                        &got, &frame, &stream->end, error)
                   : read_plain(stream, out, capacity, &got, error);
    if (code != OK)
        return code;
    if (got > 0 && frame != stream->entry.compressed)
        stream->entry =
            (struct stream_entry){.compressed = frame, .decompressed = stream->position};
    stream->position += got;
    *size = got;
    *end = got > 0 ? STREAM_MORE : stream->end;
    return OK;
}

uint64_t stream_position(const struct stream *stream)
{
    return stream->position;
}

struct stream_entry stream_latest_entry(const struct stream *stream)
{
    return stream->entry;
}
