/* export_megatron.c - Megatron-LM's indexed datasets: PATH.bin and PATH.idx
 *
 * .bin: ids end to end. .idx: a head, the length of each sequence, its offset in .bin in
 * bytes, and for each document the number of its first sequence, with the number of all
 * behind the last. Here each document is one sequence. */
#include "commands/export_format.h"

#include <string.h>

enum { HEAD_SIZE = 34, CODE_INT32 = 4, CODE_UINT16 = 8, PIECE = 8192, VERSION = 1 };
static const unsigned char magic[9] = {'M', 'M', 'I', 'D', 'I', 'D', 'X', 0, 0};
static const char bin_name[] = ".bin", idx_name[] = ".idx";

struct megatron {
    struct export_fill fill;
};

static enum error_code megatron_open(struct export_job *job, const struct batch *batch,
                                     struct error *error)
{
    return export_check_column(batch, job->options->column, COLUMN_LIST_U32, error);
}

/* A document without tokens gets no end-of-document token, as in preprocess_data.py. */
static enum error_code megatron_encode(struct export_job *job,
                                       const struct job_record *record,
                                       struct export_part *part, struct export_row *row,
                                       struct error *error)
{
    size_t before = part->data.size;
    const struct column *column = batch_column(record->batch, job->options->column);
    bool is_empty = column && column_row_length(column, record->row) == 0;
    enum error_code code =
        export_put_tokens(job, record, job->options->has_eod && !is_empty, &part->data,
                          &row->tokens, error);
    row->size = part->data.size - before;
    if (code == OK && row->tokens > INT32_MAX)
        return export_refuse(record, error, "it has more tokens than an int32 counts");
    return code;
}

static enum error_code megatron_place(struct export_job *job, struct export_part *part,
                                      struct error *error)
{
    struct megatron *state = job->state;
    return export_place_all(part, &state->fill, error);
}

/* The lengths go where they belong at once: they follow the head. */
static enum error_code megatron_write(struct export_job *job, struct export_part *part,
                                      struct error *error)
{
    size_t count, span_count;
    const struct export_row *rows = export_rows(part, &count);
    const struct export_span *spans = export_spans(part, &span_count);
    bytes_reset(&part->side);
    for (size_t i = 0; i < count; i++)
        bytes_put_u32(&part->side, (uint32_t)rows[i].tokens);
    if (part->side.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the lengths");
    enum error_code code = export_write_data(job, part, bin_name, error);
    if (code == OK && span_count > 0)
        code = export_output_write(job->output, idx_name,
                                   HEAD_SIZE + 4 * spans[0].first_record, part->side.data,
                                   part->side.size, error);
    return code;
}

static enum error_code write_head(struct export_job *job, uint64_t count,
                                  struct error *error)
{
    struct bytes head = {0};
    bytes_put(&head, magic, sizeof magic);
    bytes_put_u64(&head, VERSION);
    bytes_put_u8(&head, job->dtype == DTYPE_UINT16 ? CODE_UINT16 : CODE_INT32);
    bytes_put_u64(&head, count);
    bytes_put_u64(&head, count + 1);
    enum error_code code =
        head.is_bad
            ? error_set(error, ERROR_MEMORY, "no memory for an index")
            : export_output_write(job->output, idx_name, 0, head.data, head.size, error);
    bytes_clear(&head);
    return code;
}

/* Offsets from the lengths read back, piece by piece. */
static enum error_code write_offsets(struct export_job *job, uint64_t count,
                                     struct error *error)
{
    unsigned char lengths[4 * PIECE];
    unsigned char offsets[8 * PIECE];
    uint64_t offset = 0, size = export_dtype_size(job->dtype);
    enum error_code code = OK;
    for (uint64_t at = 0; code == OK && at < count; at += PIECE) {
        size_t piece = count - at < PIECE ? (size_t)(count - at) : PIECE;
        code = export_output_read(job->output, idx_name, HEAD_SIZE + 4 * at, lengths,
                                  4 * piece, error);
        for (size_t i = 0; code == OK && i < piece; i++) {
            store_u64(offsets + 8 * i, offset);
            offset += load_u32(lengths + 4 * i) * size;
        }
        if (code == OK)
            code =
                export_output_write(job->output, idx_name, HEAD_SIZE + 4 * count + 8 * at,
                                    offsets, 8 * piece, error);
    }
    return code;
}

static enum error_code write_documents(struct export_job *job, uint64_t count,
                                       struct error *error)
{
    unsigned char numbers[8 * PIECE];
    enum error_code code = OK;
    for (uint64_t at = 0; code == OK && at <= count; at += PIECE) {
        size_t piece = count + 1 - at < PIECE ? (size_t)(count + 1 - at) : PIECE;
        for (size_t i = 0; i < piece; i++)
            store_u64(numbers + 8 * i, at + i);
        code = export_output_write(job->output, idx_name, HEAD_SIZE + 12 * count + 8 * at,
                                   numbers, 8 * piece, error);
    }
    return code;
}

static enum error_code megatron_finish(struct export_job *job, struct error *error)
{
    const struct megatron *state = job->state;
    uint64_t count = state->fill.records;
    enum error_code code = write_head(job, count, error);
    if (code == OK)
        code = write_offsets(job, count, error);
    return code == OK ? write_documents(job, count, error) : code;
}

static const char *const options[] = {"--column", "--append-eod", "--dtype",
                                      "--vocabulary-size", NULL};
static const char *const names[] = {bin_name, idx_name, NULL};

const struct export_format export_megatron = {
    .name = "megatron",
    .summary = "PATH.bin and PATH.idx of Megatron-LM, a sequence a document",
    .options = options,
    .names = names,
    .narrow_max = 65499, /* "below 65,500" */
    .wide = DTYPE_INT32,
    .dtypes = 1U << DTYPE_UINT16 | 1U << DTYPE_INT32,
    .state_size = sizeof(struct megatron),
    .open = megatron_open,
    .encode = megatron_encode,
    .place = megatron_place,
    .write = megatron_write,
    .finish = megatron_finish,
};
