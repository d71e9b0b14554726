/* line_source.c - the records of an extent as stretches of bytes, in bounded memory */
#include "core/line_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"

enum {
    BUFFER_SIZE = 1024 * 1024,
    BUFFER_KEPT = 8 * 1024 * 1024, /* a larger one is given back after its extent */
    AHEAD_LEAST = 16 * 1024,       /* read behind an extent; doubled while they follow */
    PADDING = 64
};

/* What the JSON parser takes at once, less some room. */
#define RECORD_MAX ((uint64_t)4000 * 1024 * 1024)

struct line_source {
    uint64_t max_record;
    bool is_whole_file;
    struct extent extent;
    /* The file stays open and the window stays filled from one extent to the next: tiny
     * shards of one file follow one another. */
    int file;          /* -1: none is open */
    struct bytes path; /* owned: of the open file, with its terminating zero */
    bool is_in_file;   /* the window is `room`, else it is the memory of an extent */
    size_t ahead;      /* bytes read behind the extent for the next one */
    /* The window: bytes of the file, or all that a stream's shard has in memory. */
    const unsigned char *window;
    size_t at, size;
    size_t scanned;      /* bytes from `at` on known to have no newline */
    bool is_last;        /* nothing behind the window */
    uint64_t position;   /* of window[at] in the decompressed bytes */
    bool is_entered;     /* `at` is at the begin of a record */
    bool is_fault_told;  /* or there is none */
    size_t oversize;     /* next of extent.oversize */
    struct bytes memory; /* owned; of no size: its capacity is what counts */
    unsigned char *room; /* in `memory`: capacity + PADDING bytes; window of a file */
    size_t capacity;
    unsigned char excerpt[EXCERPT_MAX + PADDING];
};

struct line_source *line_source_create(uint64_t max_record, bool is_whole_file)
{
    struct line_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->max_record = max_record < RECORD_MAX ? max_record : RECORD_MAX;
    source->is_whole_file = is_whole_file;
    source->file = -1;
    return source;
}

static void close_file(struct line_source *source)
{
    if (source->file >= 0)
        (void)close(source->file);
    source->file = -1;
}

void line_source_destroy(struct line_source *source)
{
    if (!source)
        return;
    close_file(source);
    bytes_clear(&source->path);
    bytes_clear(&source->memory);
    free(source);
}

/* A buffer of `wanted` bytes that keeps what is in it. */
static enum error_code make_room(struct line_source *source, size_t wanted,
                                 struct error *error)
{
    if (wanted <= source->capacity)
        return OK;
    /* Not array_grow(): zeroing would touch memory that a record may never need. */
    unsigned char *room =
        wanted < SIZE_MAX / 2 ? bytes_reserve(&source->memory, wanted + PADDING) : NULL;
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for a record of \"%s\"",
                         source->extent.path);
    memset(room + wanted, 0, PADDING);
    source->room = room;
    source->capacity = wanted;
    source->window = room;
    return OK;
}

/* The extent lies in memory: all of it is the window. */
static void open_memory(struct line_source *source)
{
    static const unsigned char nothing[PADDING];
    const struct extent *extent = &source->extent;
    bool is_there = extent->data != NULL;
    source->is_in_file = false;
    source->window = is_there ? extent->data : nothing;
    source->at = 0;
    source->size = is_there ? extent->data_size : 0;
    source->position = is_there ? extent->data_offset : extent->begin;
    source->is_last = true;
    source->is_fault_told =
        extent->fault != STREAM_TRUNCATED && extent->fault != STREAM_CORRUPT;
    if (is_there)
        source->extent.end = UINT64_MAX; /* the cutter saw to it */
}

static bool is_open(const struct line_source *source, const char *path)
{
    return source->file >= 0 && source->path.size == strlen(path) + 1 &&
           memcmp(source->path.data, path, source->path.size) == 0;
}

static enum error_code open_file(struct line_source *source, struct error *error)
{
    const char *path = source->extent.path;
    close_file(source);
    source->is_in_file = false;
    bytes_reset(&source->path);
    bytes_put(&source->path, path, strlen(path) + 1);
    if (source->path.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a path");
    source->file = open(path, O_RDONLY | O_CLOEXEC);
    if (source->file < 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    return OK;
}

/* Go to `position` of the open file, within what is in the window if it can be. */
static void seek(struct line_source *source, uint64_t position)
{
    uint64_t begin = source->position - source->at;
    if (source->is_in_file && position >= begin && position <= begin + source->size) {
        source->at = (size_t)(position - begin);
        source->is_last = source->is_last && begin + source->size >= source->extent.end;
        if (source->ahead < source->capacity)
            source->ahead *= 2;
    } else {
        source->at = source->size = 0;
        source->is_last = false;
        source->ahead = AHEAD_LEAST;
    }
    source->position = position;
    source->is_in_file = true;
    source->window = source->room;
}

enum error_code line_source_open(struct line_source *source, const struct extent *extent,
                                 struct error *error)
{
    source->scanned = source->oversize = 0;
    source->is_entered = source->is_fault_told = true;
    source->extent = *extent;
    if (source->capacity > BUFFER_KEPT) {
        bytes_clear(&source->memory);
        source->room = NULL;
        source->capacity = 0;
        source->is_in_file = false;
    }
    bytes_reset(&source->memory);
    if (extent->data || !extent->path || extent->begin >= extent->end) {
        open_memory(source);
        return OK;
    }
    enum error_code code = OK;
    /* A whole file is read once: there is nothing to be kept of it. */
    if (source->is_whole_file || !is_open(source, extent->path))
        code = open_file(source, error);
    if (code == OK)
        code = make_room(source, BUFFER_SIZE, error);
    if (code != OK)
        return code;
    /* The byte before tells whether a record starts at `begin`. */
    source->is_entered = extent->begin == 0;
    seek(source, extent->begin - !source->is_entered);
    return OK;
}

/* How far to fill the buffer: not much farther than the extent reaches. */
static size_t fill_target(const struct line_source *source)
{
    uint64_t offset = source->position + source->size, end = source->extent.end;
    uint64_t wanted = (offset < end ? end - offset : 0) + source->ahead;
    size_t room = source->capacity - source->size;
    return source->size + (wanted < room ? (size_t)wanted : room);
}

/* Move the unread bytes to the front and fill the buffer behind them. */
static enum error_code refill(struct line_source *source, struct error *error)
{
    source->size -= source->at;
    if (source->at > 0)
        memmove(source->room, source->room + source->at, source->size);
    source->at = 0;
    size_t target = fill_target(source);
    while (source->size < target) {
        uint64_t offset = source->position + source->size;
        ssize_t got = offset > INT64_MAX
                          ? 0
                          : pread(source->file, source->room + source->size,
                                  target - source->size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"",
                                   source->extent.path);
        if (got == 0) {
            source->is_last = true;
            if (offset < source->extent.end)
                return error_set(error, ERROR_IO,
                                 "\"%s\" has become shorter: %llu bytes were expected, "
                                 "it ends at %llu",
                                 source->extent.path,
                                 (unsigned long long)source->extent.end,
                                 (unsigned long long)offset);
            break;
        }
        source->size += (size_t)got;
    }
    memset(source->room + source->size, 0, PADDING);
    return OK;
}

static void pass(struct line_source *source, size_t size)
{
    source->at += size;
    source->position += size;
    source->scanned = 0;
}

/* Where the line at `at` ends in the window; false: not in the window. */
static bool find_newline(struct line_source *source, size_t *size)
{
    size_t begin = source->at + source->scanned;
    const unsigned char *found =
        begin < source->size ? memchr(source->window + begin, '\n', source->size - begin)
                             : NULL;
    source->scanned = found ? 0 : source->size - source->at;
    if (found)
        *size = (size_t)(found - source->window) - source->at;
    return found != NULL;
}

/* Pass over the bytes up to and with the next newline, however many, or up to `limit`
 * at least; *size counts them. */
static enum error_code pass_line(struct line_source *source, uint64_t limit,
                                 uint64_t *size, struct error *error)
{
    for (;;) {
        size_t length;
        bool has_newline = find_newline(source, &length);
        if (has_newline)
            length++;
        else
            length = source->size - source->at;
        *size += length;
        pass(source, length);
        if (has_newline || source->is_last || source->position >= limit)
            return OK;
        enum error_code code = refill(source, error);
        if (code != OK)
            return code;
    }
}

/* A line of a file that is known to be too long, its begin in the window. */
static enum error_code pass_long_line(struct line_source *source, struct line *line,
                                      struct error *error)
{
    size_t left = source->size - source->at;
    size_t excerpt = left < EXCERPT_MAX ? left : EXCERPT_MAX;
    memcpy(source->excerpt, source->window + source->at, excerpt);
    *line = (struct line){.kind = LINE_TOO_LONG,
                          .data = source->excerpt,
                          .size = excerpt,
                          .offset = source->position};
    return pass_line(source, UINT64_MAX, &line->source_size, error);
}

static bool is_blank(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != ' ' && data[i] != '\t' && data[i] != '\r')
            return false;
    return true;
}

/* The line of `size` bytes at `at`, which lies in the window. False: it is blank. */
static bool take_line(struct line_source *source, size_t size, bool has_newline,
                      struct line *line)
{
    *line = (struct line){.kind = LINE_WHOLE,
                          .data = source->window + source->at,
                          .size = size,
                          .offset = source->position,
                          .source_size = (uint64_t)size + has_newline};
    pass(source, size + has_newline);
    if (size > source->max_record) {
        line->kind = LINE_TOO_LONG;
        if (line->size > EXCERPT_MAX)
            line->size = EXCERPT_MAX;
    } else if (!has_newline && !source->is_fault_told) {
        line->kind = LINE_CUT;
        source->is_fault_told = true;
    } else if (!source->is_whole_file && is_blank(line->data, size)) {
        return false;
    }
    return true;
}

/* A record that the cutter left out here, but for its first bytes? */
static bool take_oversize(struct line_source *source, struct line *line)
{
    size_t left = source->size - source->at;
    if (source->oversize >= source->extent.oversize_count)
        return false;
    const uint64_t *entry = source->extent.oversize + 2 * source->oversize;
    if (entry[0] != source->position)
        return false;
    source->oversize++;
    *line = (struct line){.kind = LINE_TOO_LONG,
                          .data = source->window + source->at,
                          .size = left < EXCERPT_MAX ? left : EXCERPT_MAX,
                          .offset = entry[0],
                          .source_size = entry[1]};
    source->at += line->size;
    source->position += entry[1];
    source->scanned = 0;
    return true;
}

/* Damage between two records is a bad record of no bytes. */
static bool take_fault(struct line_source *source, struct line *line)
{
    if (source->is_fault_told)
        return false;
    source->is_fault_told = true;
    *line = (struct line){.kind = LINE_CUT,
                          .data = source->window + source->at,
                          .offset = source->position};
    return true;
}

static enum error_code enter(struct line_source *source, struct error *error)
{
    uint64_t size = 0;
    enum error_code code = OK;
    if (source->at == source->size && !source->is_last)
        code = refill(source, error);
    if (code == OK)
        code = pass_line(source, source->extent.end, &size, error);
    source->is_entered = true;
    return code;
}

/* The next line of the extent. *outcome: taken, blank (and passed), or the end; or the
 * window must move on, which ends the validity of the lines found before. */
enum outcome { TAKEN, BLANK, AT_END, NEEDS_MORE };

static enum error_code next_line(struct line_source *source, bool may_move,
                                 struct line *line, enum outcome *outcome,
                                 struct error *error)
{
    *outcome = TAKEN;
    if (take_oversize(source, line))
        return OK;
    if (source->position >= source->extent.end ||
        (source->is_last && source->at == source->size)) {
        *outcome = take_fault(source, line) ? TAKEN : AT_END;
        return OK;
    }
    size_t size;
    bool has_newline = find_newline(source, &size);
    if (has_newline || source->is_last) {
        if (!has_newline)
            size = source->size - source->at;
        if (!take_line(source, size, has_newline, line))
            *outcome = BLANK;
        return OK;
    }
    *outcome = NEEDS_MORE;
    if (!may_move)
        return OK;
    if (source->scanned > source->max_record && source->scanned >= EXCERPT_MAX) {
        *outcome = TAKEN;
        return pass_long_line(source, line, error);
    }
    enum error_code code = OK;
    if (source->scanned == source->capacity) {
        uint64_t most = source->max_record + BUFFER_SIZE;
        size_t wanted = source->capacity * 2;
        code = make_room(source, wanted < most ? wanted : (size_t)most, error);
    }
    return code == OK ? refill(source, error) : code;
}

static enum error_code next_lines(struct line_source *source, struct line *lines,
                                  size_t max_count, size_t max_bytes, size_t *count,
                                  uint64_t *separator_bytes, struct error *error)
{
    enum error_code code = OK;
    enum outcome outcome = TAKEN;
    uint64_t bytes = 0;
    size_t left = source->size - source->at;
    if (!source->is_entered)
        code = enter(source, error);
    else if (!source->is_last && left < source->capacity / 4 &&
             source->position + left < source->extent.end)
        code = refill(source, error);
    while (code == OK && *count < max_count && bytes < max_bytes) {
        uint64_t before = source->position;
        code = next_line(source, *count == 0, &lines[*count], &outcome, error);
        if (code != OK || outcome == AT_END)
            break;
        if (outcome == NEEDS_MORE && *count > 0)
            break;
        if (outcome == BLANK)
            *separator_bytes += source->position - before;
        bytes += source->position - before;
        *count += outcome == TAKEN;
        if (outcome == BLANK && *count == 0)
            bytes = 0;
    }
    return code;
}

/* Format text: all of the extent is one record. */
static enum error_code next_file(struct line_source *source, struct line *lines,
                                 size_t *count, struct error *error)
{
    enum error_code code = OK;
    uint64_t size = source->extent.end;
    if (take_oversize(source, lines) ||
        (source->is_last && source->at == source->size && take_fault(source, lines))) {
        *count = 1;
        return OK;
    }
    if (!source->is_last) {
        if (size > source->max_record) {
            code = refill(source, error);
            if (code != OK)
                return code;
            *count = take_line(source, source->size < size ? source->size : (size_t)size,
                               false, lines);
            lines->kind = LINE_TOO_LONG;
            if (lines->size > EXCERPT_MAX)
                lines->size = EXCERPT_MAX;
            lines->source_size = size;
            source->at = source->size;
            source->is_last = true;
            return OK;
        }
        code = make_room(source, (size_t)size, error);
        if (code == OK)
            code = refill(source, error);
        if (code != OK)
            return code;
        if (source->size > size)
            source->size = (size_t)size;
        source->is_last = true;
    }
    if (source->at < source->size)
        *count = take_line(source, source->size - source->at, false, lines);
    return OK;
}

enum error_code line_source_next(struct line_source *source, struct line *lines,
                                 size_t max_count, size_t max_bytes, size_t *count,
                                 uint64_t *separator_bytes, struct error *error)
{
    size_t found = 0;
    enum error_code code =
        source->is_whole_file
            ? next_file(source, lines, &found, error)
            : next_lines(source, lines, max_count < 1 ? 1 : max_count,
                         max_bytes < 1 ? 1 : max_bytes, &found, separator_bytes, error);
    if (code == OK)
        *count = found;
    return code;
}
