/* export_npy.c - the token arrays of OLMo and dolma: a folder of part-0-NNNNN.npy, raw
 * numbers without a head, each with a .csv.gz that says where the documents are */
#include "commands/export_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/gzip_stored.h"

enum { NAME_SIZE = 40, DIGITS_SIZE = 64 };
static const char array_end[] = ".npy", table_end[] = ".csv.gz";

struct npy {
    struct export_fill fill;
    struct gzip_stored gzip;
    struct bytes table;   /* owned: rows that are not in a block of the file yet */
    struct bytes blocks;  /* owned: blocks to be written */
    uint64_t table_size;  /* of the .csv.gz of the current file, as far as written */
    struct bytes source;  /* owned: file that the latest record is from, */
    uint64_t source_line; /* and its number there */
};

static enum error_code npy_open(struct export_job *job, const struct batch *batch,
                                struct error *error)
{
    return export_check_column(batch, job->options->column, COLUMN_LIST_U32, error);
}

/* A field of a table as RFC 4180 has it. */
static void put_field(const char *text, size_t size, struct bytes *out)
{
    bool is_plain = true;
    for (size_t i = 0; i < size && is_plain; i++)
        is_plain = text[i] != ',' && text[i] != '"' && text[i] != '\r' && text[i] != '\n';
    if (is_plain) {
        bytes_put(out, text, size);
        return;
    }
    bytes_put_u8(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            bytes_put_u8(out, '"');
        bytes_put_u8(out, (unsigned char)text[i]);
    }
    bytes_put_u8(out, '"');
}

/* side: size of the key's field, 4 bytes; that field; the name of the file. */
static enum error_code npy_encode(struct export_job *job, const struct job_record *record,
                                  struct export_part *part, struct export_row *row,
                                  struct error *error)
{
    size_t before = part->data.size, side = part->side.size;
    const struct column *keys = record->batch->columns[0];
    const struct column *column = batch_column(record->batch, job->options->column);
    bool is_empty = column && column_row_length(column, record->row) == 0;
    enum error_code code =
        export_put_tokens(job, record, job->options->has_eod && !is_empty, &part->data,
                          &row->tokens, error);
    row->size = part->data.size - before;
    bytes_put_u32(&part->side, 0);
    if (column_is_valid(keys, record->row))
        put_field(column_row(keys, record->row),
                  (size_t)column_row_length(keys, record->row), &part->side);
    if (!part->side.is_bad)
        store_u32(part->side.data + side, (uint32_t)(part->side.size - side - 4));
    put_field(record->file, strlen(record->file), &part->side);
    row->side = part->side.size - side;
    return code;
}

static void format_name(uint32_t file, const char *end, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "part-0-%05u%s", (unsigned)file, end);
}

/* Tables are small beside arrays, so they are written in order, one block after another. */
static enum error_code write_table(struct export_job *job, bool is_end,
                                   struct error *error)
{
    char name[NAME_SIZE];
    struct npy *state = job->state;
    format_name(state->fill.file, table_end, name);
    if (is_end)
        gzip_stored_end(&state->gzip, &state->table, &state->blocks);
    else
        gzip_stored_put(&state->gzip, &state->table, &state->blocks);
    if (state->table.is_bad || state->blocks.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a table");
    enum error_code code = OK;
    if (state->blocks.size > 0)
        code = export_output_write(job->output, name, state->table_size,
                                   state->blocks.data, state->blocks.size, error);
    state->table_size = is_end ? 0 : state->table_size + state->blocks.size;
    bytes_reset(&state->blocks);
    return code;
}

static void put_row(struct npy *state, const struct export_row *row,
                    const unsigned char *side)
{
    char digits[DIGITS_SIZE];
    size_t key = load_u32(side), source = (size_t)row->side - 4 - key;
    const unsigned char *name = side + 4 + key;
    if (source != state->source.size ||
        (source > 0 && memcmp(name, state->source.data, source) != 0)) {
        bytes_reset(&state->source);
        bytes_put(&state->source, name, source);
        state->source_line = 0;
    }
    state->source_line++;
    if (row->tokens == 0)
        return; /* dolma writes nothing for a document without text */
    (void)snprintf(digits, sizeof digits, "%" PRIu64 ",%" PRIu64 ",", state->fill.tokens,
                   state->fill.tokens + row->tokens);
    bytes_put(&state->table, digits, strlen(digits));
    bytes_put(&state->table, side + 4, key);
    bytes_put_u8(&state->table, ',');
    bytes_put(&state->table, name, source);
    (void)snprintf(digits, sizeof digits, ",%" PRIu64 "\r\n", state->source_line);
    bytes_put(&state->table, digits, strlen(digits));
}

static enum error_code npy_place(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    size_t count, side = 0;
    struct npy *state = job->state;
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        bool is_new = state->fill.tokens > 0 &&
                      state->fill.tokens + rows[i].tokens > job->options->max_tokens;
        if (is_new) {
            code = write_table(job, true, error);
            state->fill.tokens = 0;
        }
        put_row(state, &rows[i], part->side.data + side);
        export_place_row(part, &state->fill, is_new, &rows[i]);
        side += (size_t)rows[i].side;
    }
    if (code == OK && (part->spans.is_bad || state->source.is_bad))
        code = error_set(error, ERROR_MEMORY, "no memory for a part");
    return code == OK ? write_table(job, false, error) : code;
}

static enum error_code npy_write(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    size_t count;
    char name[NAME_SIZE];
    enum error_code code = OK;
    const struct export_span *spans = export_spans(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        format_name(spans[i].file, array_end, name);
        if (spans[i].data_size > 0)
            code = export_output_write(job->output, name, spans[i].offset,
                                       part->data.data + spans[i].data,
                                       spans[i].data_size, error);
    }
    return code;
}

static enum error_code npy_finish(struct export_job *job, struct error *error)
{
    char name[NAME_SIZE];
    format_name(0, array_end, name); /* an empty job has an empty array */
    enum error_code code = export_output_write(job->output, name, 0, "", 0, error);
    return code == OK ? write_table(job, true, error) : code;
}

static void npy_close(struct export_job *job)
{
    struct npy *state = job->state;
    bytes_clear(&state->table);
    bytes_clear(&state->blocks);
    bytes_clear(&state->source);
}

static const char *const options[] = {
    "--column",          "--append-eod",          "--dtype",
    "--vocabulary-size", "--max-tokens-per-file", NULL};
static const char *const names[] = {array_end, table_end, NULL};

const struct export_format export_npy = {
    .name = "npy",
    .summary = "a folder of raw arrays and tables as OLMo and dolma have them",
    .options = options,
    .names = names,
    .shape = EXPORT_FOLDER,
    .narrow_max = 65536,
    .wide = DTYPE_UINT32,
    .dtypes = 1U << DTYPE_UINT16 | 1U << DTYPE_INT32 | 1U << DTYPE_UINT32,
    .max_tokens = (uint64_t)512 << 20,
    .state_size = sizeof(struct npy),
    .open = npy_open,
    .encode = npy_encode,
    .place = npy_place,
    .write = npy_write,
    .finish = npy_finish,
    .close = npy_close,
};
