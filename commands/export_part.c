/* export_part.c - what formats share: the rows of a part and where they go, columns, ids */
#include "commands/export_format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 300, KEY_SHOWN_MAX = 100, NAMES_SHOWN_MAX = 200 };

/* ---- rows and spans ---- */

const struct export_row *export_rows(const struct export_part *part, size_t *count)
{
    *count = part->rows.size / sizeof(struct export_row);
    return (const void *)part->rows.data;
}

const struct export_span *export_spans(const struct export_part *part, size_t *count)
{
    *count = part->spans.size / sizeof(struct export_span);
    return (const void *)part->spans.data;
}

void export_place_row(struct export_part *part, struct export_fill *fill, bool is_new,
                      const struct export_row *row)
{
    struct export_span next = {0}, *span = NULL;
    struct bytes *spans = &part->spans;
    if (spans->size > 0) {
        span = (void *)(spans->data + spans->size - sizeof *span);
        next.begin = next.end = span->end;
        next.data = span->data + span->data_size;
        next.side = span->side + span->side_size;
    }
    if (is_new)
        *fill = (struct export_fill){.file = fill->file + 1,
                                     .size = fill->head,
                                     .all_records = fill->all_records,
                                     .head = fill->head};
    if (is_new || !span) {
        next.file = fill->file;
        next.offset = fill->size;
        next.first_record = fill->records;
        next.first_token = fill->tokens;
        next.first = fill->all_records;
        bytes_put(spans, &next, sizeof next);
        if (spans->is_bad)
            return;
        span = (void *)(spans->data + spans->size - sizeof *span);
    }
    span->end++;
    span->data_size += (size_t)row->size;
    span->side_size += (size_t)row->side;
    fill->size += row->size;
    fill->side += row->side;
    fill->tokens += row->tokens;
    fill->records++;
    fill->all_records++;
}

enum error_code export_place_all(struct export_part *part, struct export_fill *fill,
                                 struct error *error)
{
    size_t count;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; i < count; i++)
        export_place_row(part, fill, false, &rows[i]);
    return part->spans.is_bad ? error_set(error, ERROR_MEMORY, "no memory for a part")
                              : OK;
}

enum error_code export_write_data(struct export_job *job, const struct export_part *part,
                                  const char *name, struct error *error)
{
    size_t count;
    enum error_code code = OK;
    const struct export_span *spans = export_spans(part, &count);
    for (size_t i = 0; code == OK && i < count; i++)
        code = export_output_write(job->output, name, spans[i].offset,
                                   part->data.data + spans[i].data, spans[i].data_size,
                                   error);
    return code;
}

/* ---- columns ---- */

enum error_code export_refuse(const struct job_record *record, struct error *error,
                              const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const struct column *keys = record->batch->columns[0];
    bool has_key = column_is_valid(keys, record->row);
    uint64_t size = has_key ? column_row_length(keys, record->row) : 0;
    int shown = size > KEY_SHOWN_MAX ? KEY_SHOWN_MAX : (int)size;
    return error_set(error, ERROR_RECORD,
                     "record \"%.*s\" (%.100s, offset %" PRIu64 "): %s", shown,
                     has_key ? (const char *)column_row(keys, record->row) : "",
                     record->file, record->batch->origins[record->row].offset, text);
}

enum error_code export_check_column(const struct batch *batch, const char *name,
                                    enum column_type type, struct error *error)
{
    char names[NAMES_SHOWN_MAX] = "", is[32], wanted[32];
    const struct column *column = batch ? batch_column(batch, name) : NULL;
    if (!batch || (column && column->type == type))
        return OK;
    if (column) {
        column_type_format(column->type, column->dimension, is, sizeof is);
        column_type_format(type, 0, wanted, sizeof wanted);
        return error_set(error, ERROR_CONFIG, "column \"%s\" is %s; %s is needed", name,
                         is, wanted);
    }
    for (uint32_t i = 0; i < batch->column_count; i++) {
        size_t used = strlen(names);
        (void)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                       batch->columns[i]->name);
    }
    return error_set(error, ERROR_CONFIG,
                     "the records have no column \"%s\"; they have %s", name, names);
}

enum error_code export_get_column(const struct job_record *record, const char *name,
                                  const struct column **column, struct error *error)
{
    *column = batch_column(record->batch, name);
    if (!*column)
        return export_refuse(record, error, "it has no column \"%s\"", name);
    if (!column_is_valid(*column, record->row))
        return export_refuse(record, error, "column \"%s\" is null", name);
    return OK;
}

/* ---- token ids ---- */

size_t export_dtype_size(enum export_dtype dtype)
{
    return dtype == DTYPE_UINT16 ? 2 : 4;
}

const char *export_dtype_name(enum export_dtype dtype)
{
    static const char *const names[] = {"auto", "uint16", "int32", "uint32"};
    return names[dtype];
}

uint32_t export_dtype_limit(enum export_dtype dtype)
{
    if (dtype == DTYPE_UINT16)
        return UINT16_MAX + 1;
    return dtype == DTYPE_INT32 ? (uint32_t)INT32_MAX + 1 : UINT32_MAX;
}

static enum error_code refuse_id(struct export_job *job, const struct job_record *record,
                                 uint32_t id, struct error *error)
{
    if (job->is_guess) {
        atomic_store(&job->is_too_narrow, true);
        return error_set(error, ERROR_TRANSIENT, "id %u asks for a wider dtype",
                         (unsigned)id);
    }
    return export_refuse(record, error, "id %u does not fit into %s", (unsigned)id,
                         export_dtype_name(job->dtype));
}

enum error_code export_put_ids(struct export_job *job, const struct job_record *record,
                               const uint32_t *ids, uint64_t count, struct bytes *out,
                               struct error *error)
{
    uint32_t largest = 0;
    size_t size = (size_t)count * export_dtype_size(job->dtype);
    unsigned char *room = bytes_reserve(out, size ? size : 1);
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for a record");
    for (uint64_t i = 0; i < count; i++)
        largest = ids[i] > largest ? ids[i] : largest;
    if (largest >= job->id_limit)
        return refuse_id(job, record, largest, error);
    if (job->dtype != DTYPE_UINT16)
        memcpy(room, ids, size);
    for (uint64_t i = 0; job->dtype == DTYPE_UINT16 && i < count; i++) {
        room[2 * i] = (unsigned char)ids[i];
        room[2 * i + 1] = (unsigned char)(ids[i] >> 8);
    }
    out->size += size;
    return OK;
}

enum error_code export_put_tokens(struct export_job *job, const struct job_record *record,
                                  bool wants_eod, struct bytes *out, uint64_t *count,
                                  struct error *error)
{
    const struct export_options *options = job->options;
    const struct column *column;
    enum error_code code = export_get_column(record, options->column, &column, error);
    if (code != OK)
        return code;
    uint64_t length = column_row_length(column, record->row);
    code =
        export_put_ids(job, record, column_row(column, record->row), length, out, error);
    if (code == OK && wants_eod) {
        code = export_put_ids(job, record, &options->eod, 1, out, error);
        length++;
    }
    *count = length;
    return code;
}
