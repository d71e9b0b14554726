/* records.h - all that a file's extents hold, in order, for comparison in tests */
#ifndef TESTS_UNIT_RECORDS_H
#define TESTS_UNIT_RECORDS_H

#include "core/arena.h"
#include "core/bytes.h"
#include "core/reader.h"
#include "tests/unit/pack_texts.h"

struct records {
    struct bytes log; /* a line a record: offset, size, and columns or reason */
    uint64_t bytes;   /* records, bad ones and separators */
    uint64_t count, bad, separators;
    bool has_excerpts; /* put them into the log too */
};

static inline void log_text(struct records *records, const char *text)
{
    bytes_put(&records->log, text, strlen(text));
}

static inline void log_origin(struct records *records, const struct origin *origin)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%llu+%llu ", (unsigned long long)origin->offset,
                   (unsigned long long)origin->size);
    log_text(records, text);
    records->bytes += origin->size;
}

static inline void log_row(struct records *records, const struct batch *batch,
                           uint32_t row)
{
    log_origin(records, &batch->origins[row]);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct column *column = batch->columns[i];
        if (column->type == COLUMN_UTF8) {
            const char *data = column->data;
            bytes_put(&records->log, data + column->offsets[row],
                      (size_t)(column->offsets[row + 1] - column->offsets[row]));
        }
        log_text(records, " | ");
    }
    log_text(records, "\n");
    records->count++;
}

static inline void log_bad(struct records *records, const struct bad_record *bad)
{
    log_origin(records, &bad->origin);
    log_text(records, "BAD ");
    log_text(records, bad->reason);
    log_text(records, " ");
    if (bad->key)
        bytes_put(&records->log, bad->key, bad->key_size);
    if (records->has_excerpts && bad->excerpt_size > 0) {
        log_text(records, " ");
        bytes_put(&records->log, bad->excerpt, bad->excerpt_size);
    }
    log_text(records, "\n");
    records->bad++;
}

/* Read an extent to its end; records and bad ones are put in the order of their
 * ordinals. */
static inline enum error_code read_extent(struct reader *reader,
                                          const struct extent *extent,
                                          uint32_t max_records, size_t max_bytes,
                                          struct records *records, struct error *error)
{
    struct arena *arena = arena_create(4096, 0);
    struct reader_result result = {0};
    uint32_t ordinal = 0;
    enum error_code code = reader_open(reader, extent, 0, error);
    while (code == OK) {
        arena_reset(arena);
        code = reader_next(reader, max_records, max_bytes, arena, &result, error);
        if (code != OK)
            break;
        records->separators += result.separator_bytes;
        records->bytes += result.separator_bytes;
        if (!result.batch)
            break;
        uint32_t row = 0;
        size_t bad = 0;
        while (row < result.batch->count || bad < result.bad_count) {
            bool is_row = row < result.batch->count &&
                          result.batch->origins[row].ordinal == ordinal;
            if (is_row)
                log_row(records, result.batch, row++);
            else if (bad < result.bad_count && result.bad[bad].origin.ordinal == ordinal)
                log_bad(records, &result.bad[bad++]);
            else
                abort(); /* an ordinal is missing */
            ordinal++;
        }
    }
    arena_destroy(arena);
    return code;
}

static inline bool grow_slot(struct slot *slot, size_t size)
{
    unsigned char *grown = realloc(slot->data, size);
    if (!grown)
        return false;
    /* Whatever stands behind the data must not matter. */
    memset(grown + slot->capacity, '}', size - slot->capacity);
    slot->data = grown;
    slot->capacity = size;
    return true;
}

static inline void clear_records(struct records *records)
{
    bytes_clear(&records->log);
    *records = (struct records){.has_excerpts = records->has_excerpts};
}

#endif
