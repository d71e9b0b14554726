/* cutter.c - cut a stream at record ends into shards */
#include <stdlib.h>
#include <string.h>

#include "core/cutter_tar.h"
#include "core/reader.h"

enum { AHEAD = 64 * 1024, READ_MAX = 4 * 1024 * 1024, PADDING = 64, ENTRY_MAX = 64 };

struct cutter {
    struct tar_cutter *tar; /* owned: format tar, and then all there is */
    struct stream *stream;  /* owned */
    uint64_t shard_bytes;
    uint64_t max_held;  /* a longer record is left out but for its first bytes */
    bool is_whole_file; /* format text: all of it is one record */
    uint32_t index;     /* of the next shard */
    bool is_entered;    /* `position` is the begin of a record or the end */
    bool has_shard;     /* a shard has been delivered or skipped: damage has a place */
    uint64_t position;  /* of ahead[at] */
    enum stream_end end;
    size_t at, size;
    /* Places to enter at that lie at or behind the begin of the next shard. */
    struct stream_entry entry, entries[ENTRY_MAX];
    size_t entry_count;
    unsigned char ahead[AHEAD]; /* bytes read but not delivered */
};

static uint64_t shard_begin(const struct cutter *cutter, uint32_t index)
{
    if (cutter->is_whole_file)
        return index > 0 ? UINT64_MAX : 0;
    bool fits = index == 0 || cutter->shard_bytes <= UINT64_MAX / index;
    return fits ? index * cutter->shard_bytes : UINT64_MAX;
}

static uint64_t shard_end(const struct cutter *cutter)
{
    uint64_t begin = shard_begin(cutter, cutter->index);
    bool fits = cutter->shard_bytes <= UINT64_MAX - begin;
    return fits && !cutter->is_whole_file ? begin + cutter->shard_bytes : UINT64_MAX;
}

enum error_code cutter_open(const char *path, enum compression compression,
                            uint64_t shard_bytes, uint64_t max_record, uint32_t index,
                            const struct stream_entry *entry, enum input_format format,
                            struct cutter **cutter, struct error *error)
{
    if (shard_bytes == 0)
        return error_set(error, ERROR_FATAL, "shards of no bytes cannot be cut");
    struct cutter *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    if (format == FORMAT_TAR) {
        enum error_code opened = tar_cutter_open(path, compression, shard_bytes,
                                                 max_record, index, &made->tar, error);
        if (opened != OK)
            cutter_close(made);
        else
            *cutter = made;
        return opened;
    }
    made->shard_bytes = shard_bytes;
    made->max_held = max_record > EXCERPT_MAX ? max_record : EXCERPT_MAX;
    made->is_whole_file = format == FORMAT_TEXT || format == FORMAT_IMAGES;
    made->index = index;
    made->has_shard = index > 0;
    /* The byte before the shard tells whether a record begins at its begin. */
    if (entry && entry->decompressed >= shard_begin(made, index))
        entry = NULL;
    if (entry) {
        made->entry = *entry;
        made->position = entry->decompressed;
    }
    made->is_entered = index == 0;
    enum error_code code = stream_open(path, compression, entry, &made->stream, error);
    if (code != OK)
        cutter_close(made);
    else
        *cutter = made;
    return code;
}

void cutter_close(struct cutter *cutter)
{
    if (!cutter)
        return;
    tar_cutter_close(cutter->tar);
    stream_close(cutter->stream);
    free(cutter);
}

/* Keep the entry where it is of use to the next shard, else for a later one. */
static void note_entry(struct cutter *cutter)
{
    struct stream_entry latest = stream_latest_entry(cutter->stream);
    if (latest.decompressed < shard_begin(cutter, cutter->index)) {
        cutter->entry = latest;
        return;
    }
    size_t count = cutter->entry_count;
    if (count > 0 && cutter->entries[count - 1].compressed == latest.compressed)
        return;
    if (count == ENTRY_MAX)
        cutter->entries[count - 1] = latest;
    else
        cutter->entries[cutter->entry_count++] = latest;
}

static void begin_shard(struct cutter *cutter, uint32_t index)
{
    cutter->index = index;
    uint64_t begin = shard_begin(cutter, index);
    size_t passed = 0;
    while (passed < cutter->entry_count && cutter->entries[passed].decompressed < begin)
        cutter->entry = cutter->entries[passed++];
    cutter->entry_count -= passed;
    memmove(cutter->entries, cutter->entries + passed,
            cutter->entry_count * sizeof cutter->entries[0]);
}

static enum error_code read_stream(struct cutter *cutter, unsigned char *out,
                                   size_t capacity, size_t *size, struct error *error)
{
    enum stream_end end = STREAM_MORE;
    *size = 0;
    if (cutter->end != STREAM_MORE)
        return OK;
    enum error_code code = stream_read(cutter->stream, out, capacity, size, &end, error);
    if (code != OK)
        return code;
    if (*size == 0)
        cutter->end = end;
    else
        note_entry(cutter);
    return OK;
}

/* Have bytes ahead, unless the stream is at its end. */
static enum error_code look_ahead(struct cutter *cutter, struct error *error)
{
    if (cutter->at < cutter->size || cutter->end != STREAM_MORE)
        return OK;
    cutter->at = 0;
    return read_stream(cutter, cutter->ahead, sizeof cutter->ahead, &cutter->size, error);
}

static void pass(struct cutter *cutter, size_t size)
{
    cutter->at += size;
    cutter->position += size;
}

/* Pass over bytes up to `target`, and from there up to and with a newline. */
static enum error_code pass_line(struct cutter *cutter, uint64_t target,
                                 struct error *error)
{
    for (;;) {
        enum error_code code = look_ahead(cutter, error);
        if (code != OK || cutter->at == cutter->size)
            return code;
        size_t left = cutter->size - cutter->at;
        if (cutter->position < target) {
            uint64_t gap = target - cutter->position;
            pass(cutter, gap < left ? (size_t)gap : left);
            continue;
        }
        const unsigned char *begin = cutter->ahead + cutter->at;
        const unsigned char *newline = memchr(begin, '\n', left);
        pass(cutter, newline ? (size_t)(newline - begin) + 1 : left);
        if (newline)
            return OK;
    }
}

/* Go to the first record that begins at or behind the begin of the next shard. */
static enum error_code enter(struct cutter *cutter, struct error *error)
{
    uint64_t begin = shard_begin(cutter, cutter->index);
    enum error_code code = OK;
    if (!cutter->is_entered || (cutter->position < begin))
        code = pass_line(cutter, begin - 1, error);
    cutter->is_entered = true;
    return code == OK ? look_ahead(cutter, error) : code;
}

static bool is_at_end(const struct cutter *cutter)
{
    return cutter->at == cutter->size && cutter->end != STREAM_MORE;
}

static enum error_code make_room(struct slot *slot, size_t size, struct error *error)
{
    if (size > SIZE_MAX / 2 ||
        (size + PADDING > slot->capacity &&
         (!slot->grow(slot, size + PADDING) || slot->capacity < size + PADDING)))
        return error_set(error, ERROR_MEMORY, "no memory for a shard of %zu bytes", size);
    return OK;
}

/* Put bytes that were read ahead into the slot. */
static enum error_code deliver(struct cutter *cutter, struct slot *slot, size_t size,
                               struct cut *cut, struct error *error)
{
    enum error_code code = make_room(slot, cut->data_size + size, error);
    if (code != OK)
        return code;
    memcpy(slot->data + cut->data_size, cutter->ahead + cutter->at, size);
    cut->data_size += size;
    pass(cutter, size);
    return OK;
}

/* Read into the slot up to about `wanted` bytes and what comes with them; *size 0: the
 * end. */
static enum error_code read_slot(struct cutter *cutter, struct slot *slot, size_t wanted,
                                 struct cut *cut, size_t *size, struct error *error)
{
    size_t room = wanted > cut->data_size ? wanted - cut->data_size : 0;
    room = room < SIZE_MAX / 4 ? room + AHEAD : room;
    if (room > READ_MAX)
        room = READ_MAX; /* so that a slot grows with what there is */
    enum error_code code = make_room(slot, cut->data_size + room, error);
    if (code == OK)
        code = read_stream(cutter, slot->data + cut->data_size, room, size, error);
    if (code != OK)
        return code;
    cut->data_size += *size;
    cutter->position += *size;
    return OK;
}

/* Take the bytes of the slot from `kept` on back: they belong to later shards. */
static void take_back(struct cutter *cutter, const struct slot *slot, size_t kept,
                      struct cut *cut)
{
    cutter->at = 0;
    cutter->size = cut->data_size - kept;
    memcpy(cutter->ahead, slot->data + kept, cutter->size);
    cutter->position -= cutter->size;
    cut->data_size = kept;
}

/* Where the line begins that holds the byte at `at`. */
static size_t line_begin(const unsigned char *data, size_t at)
{
    while (at > 0 && data[at - 1] != '\n')
        at--;
    return at;
}

/* The record from `begin` on is too long to be held: pass over it. */
static enum error_code leave_out(struct cutter *cutter, size_t begin, struct cut *cut,
                                 struct error *error)
{
    uint64_t offset = cut->data_offset + begin;
    cut->data_size = begin + EXCERPT_MAX;
    uint64_t target = cutter->is_whole_file ? UINT64_MAX : cutter->position;
    enum error_code code = pass_line(cutter, target, error);
    cut->oversize[0] = offset;
    cut->oversize[1] = cutter->position - offset;
    cut->oversize_count = 1;
    return code;
}

/* Fill the slot up to the end of the last record that begins before `wanted`, counted
 * from the slot's begin. */
static enum error_code fill(struct cutter *cutter, struct slot *slot, size_t wanted,
                            struct cut *cut, struct error *error)
{
    size_t left = cutter->size - cutter->at, scanned = wanted - 1;
    const unsigned char *begin = cutter->ahead + cutter->at;
    const unsigned char *newline =
        wanted <= left ? memchr(begin + scanned, '\n', left - scanned) : NULL;
    size_t take = newline ? (size_t)(newline - begin) + 1 : left;
    enum error_code code = deliver(cutter, slot, take, cut, error);
    if (newline)
        return code;
    size_t last = SIZE_MAX; /* where the last record begins, once looked for */
    while (code == OK) {
        if (cut->data_size > scanned) {
            newline = memchr(slot->data + scanned, '\n', cut->data_size - scanned);
            if (newline) {
                take_back(cutter, slot, (size_t)(newline - slot->data) + 1, cut);
                return OK;
            }
            scanned = cut->data_size;
            if (last == SIZE_MAX)
                last = line_begin(slot->data, wanted - 1);
            if (scanned - last > cutter->max_held)
                return leave_out(cutter, last, cut, error);
        }
        size_t got = 0;
        code = read_slot(cutter, slot, wanted, cut, &got, error);
        if (code == OK && got == 0)
            break;
    }
    return code;
}

/* Format text: the whole file is the record. */
static enum error_code fill_whole(struct cutter *cutter, struct slot *slot,
                                  struct cut *cut, struct error *error)
{
    enum error_code code = deliver(cutter, slot, cutter->size - cutter->at, cut, error);
    while (code == OK && cutter->end == STREAM_MORE) {
        if (cut->data_size > cutter->max_held)
            return leave_out(cutter, 0, cut, error);
        size_t got = 0;
        code = read_slot(cutter, slot, cut->data_size * 2, cut, &got, error);
    }
    return code;
}

enum error_code cutter_next(struct cutter *cutter, struct slot *slot, struct cut *cut,
                            struct error *error)
{
    if (cutter->tar)
        return tar_cutter_next(cutter->tar, slot, cut, error);
    *cut = (struct cut){.index = cutter->index, .has_data = true};
    enum error_code code = enter(cutter, error);
    if (code == OK)
        code = make_room(slot, 0, error); /* an empty shard has its padding too */
    if (code != OK)
        return code;
    cut->entry = cutter->entry;
    cut->data_offset = cutter->position;
    if (is_at_end(cutter)) {
        /* Damage before the first byte still needs a shard to be told in. */
        cut->has_data = !cutter->has_shard && cutter->end != STREAM_COMPLETE;
        cutter->has_shard = true;
        cut->end = cutter->end;
        return OK;
    }
    uint64_t end = shard_end(cutter);
    if (cutter->is_whole_file)
        code = fill_whole(cutter, slot, cut, error);
    else if (cutter->position < end)
        code = fill(cutter, slot, (size_t)(end - cutter->position), cut, error);
    if (code == OK)
        code = look_ahead(cutter, error);
    if (code != OK)
        return code;
    cutter->has_shard = true;
    begin_shard(cutter, cutter->index + 1);
    cut->end = is_at_end(cutter) ? cutter->end : STREAM_MORE;
    return OK;
}

enum error_code cutter_skip(struct cutter *cutter, uint32_t count, struct cut *cut,
                            struct error *error)
{
    if (cutter->tar)
        return tar_cutter_skip(cutter->tar, count, cut, error);
    if (count > UINT32_MAX - cutter->index)
        return error_set(error, ERROR_FATAL, "%u shards cannot be skipped", count);
    if (count > 0) {
        cutter->has_shard = true;
        begin_shard(cutter, cutter->index + count);
    }
    enum error_code code = enter(cutter, error);
    if (code != OK)
        return code;
    *cut = (struct cut){.index = cutter->index,
                        .data_offset = cutter->position,
                        .end = is_at_end(cutter) ? cutter->end : STREAM_MORE,
                        .entry = cutter->entry};
    return OK;
}
