/* export_datatrove.c - datatrove's tokenized files: PATH.ds with .index, .loss, .metadata
 *
 * .ds: ids end to end. .index: for each document where it ends, in tokens, 8 bytes. .loss:
 * a byte a token, 1 where it counts. .metadata: tokenizer and bytes of an id, how many
 * tokens, the same for people. */
#include "commands/export_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char ds_name[] = ".ds", index_name[] = ".ds.index", loss_name[] = ".ds.loss",
                  metadata_name[] = ".ds.metadata";
static const char ones[] = "ones";

struct datatrove {
    struct export_fill fill;
};

static bool has_column(const struct export_options *options)
{
    return options->loss && strcmp(options->loss, ones) != 0;
}

static enum error_code datatrove_open(struct export_job *job, const struct batch *batch,
                                      struct error *error)
{
    const struct export_options *options = job->options;
    enum error_code code =
        export_check_column(batch, options->column, COLUMN_LIST_U32, error);
    if (code == OK && has_column(options))
        code = export_check_column(batch, options->loss, COLUMN_LIST_U32, error);
    if (!options->loss)
        export_output_drop(job->output, loss_name);
    return code;
}

/* An end-of-document token counts for the loss. */
static enum error_code put_loss(const struct export_job *job,
                                const struct job_record *record, struct export_part *part,
                                uint64_t tokens, struct error *error)
{
    const struct column *column = NULL;
    unsigned char *room = bytes_reserve(&part->side, (size_t)tokens + 1);
    enum error_code code = OK;
    if (!room)
        return error_set(error, ERROR_MEMORY, "no memory for a record");
    memset(room, 1, (size_t)tokens);
    if (has_column(job->options))
        code = export_get_column(record, job->options->loss, &column, error);
    if (code == OK && column) {
        const uint32_t *values = column_row(column, record->row);
        uint64_t length = column_row_length(column, record->row);
        if (length + job->options->has_eod != tokens)
            return export_refuse(record, error,
                                 "column \"%s\" is not as long as the tokens",
                                 job->options->loss);
        for (uint64_t i = 0; i < length; i++)
            room[i] = values[i] != 0;
    }
    if (code == OK)
        part->side.size += (size_t)tokens;
    return code;
}

static enum error_code datatrove_encode(struct export_job *job,
                                        const struct job_record *record,
                                        struct export_part *part, struct export_row *row,
                                        struct error *error)
{
    size_t before = part->data.size;
    enum error_code code = export_put_tokens(job, record, job->options->has_eod,
                                             &part->data, &row->tokens, error);
    row->size = part->data.size - before;
    if (code != OK || !job->options->loss)
        return code;
    row->side = row->tokens;
    return put_loss(job, record, part, row->tokens, error);
}

static enum error_code datatrove_place(struct export_job *job, struct export_part *part,
                                       struct error *error)
{
    struct datatrove *state = job->state;
    return export_place_all(part, &state->fill, error);
}

static enum error_code datatrove_write(struct export_job *job, struct export_part *part,
                                       struct error *error)
{
    size_t count, span_count;
    const struct export_row *rows = export_rows(part, &count);
    const struct export_span *spans = export_spans(part, &span_count);
    if (span_count == 0)
        return OK;
    uint64_t end = spans[0].first_token;
    enum error_code code = export_write_data(job, part, ds_name, error);
    if (code == OK && job->options->loss)
        code = export_output_write(job->output, loss_name, end, part->side.data,
                                   part->side.size, error);
    bytes_reset(&part->side);
    for (size_t i = 0; i < count; i++) {
        end += rows[i].tokens;
        bytes_put_u64(&part->side, end);
    }
    if (code == OK && part->side.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for an index");
    if (code == OK)
        code = export_output_write(job->output, index_name, 8 * spans[0].first_record,
                                   part->side.data, part->side.size, error);
    return code;
}

/* Three digits and a prefix, as humanize.metric(): "12.3 MT". */
static void format_count(uint64_t count, char text[40])
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    int digits = 0;
    double value = (double)count;
    for (uint64_t left = count; left >= 10; left /= 10)
        digits++;
    for (int i = 0; i < digits / 3; i++)
        value /= 1000;
    (void)snprintf(text, 40, "%.*f %sT", 2 - digits % 3, value, prefixes[digits / 3]);
}

static enum error_code datatrove_finish(struct export_job *job, struct error *error)
{
    char human[40], text[600];
    const struct datatrove *state = job->state;
    const char *name = job->options->tokenizer;
    format_count(state->fill.tokens, human);
    (void)snprintf(text, sizeof text, "%.400s|%zu\n%" PRIu64 "\n%s",
                   name ? name : "Unknown Tokenizer", export_dtype_size(job->dtype),
                   state->fill.tokens, human);
    return export_output_write(job->output, metadata_name, 0, text, strlen(text), error);
}

static const char *const options[] = {
    "--column", "--append-eod", "--dtype", "--vocabulary-size",
    "--loss",   "--tokenizer",  NULL};
/* Who reads a folder of these looks for .ds: it appears when the rest is there. */
static const char *const names[] = {metadata_name, loss_name, index_name, ds_name, NULL};

const struct export_format export_datatrove = {
    .name = "datatrove",
    .summary = "PATH.ds of datatrove, with .index, .metadata and if asked .loss",
    .options = options,
    .names = names,
    .narrow_max = 65536,
    .wide = DTYPE_UINT32,
    .dtypes = 1U << DTYPE_UINT16 | 1U << DTYPE_UINT32,
    .state_size = sizeof(struct datatrove),
    .open = datatrove_open,
    .encode = datatrove_encode,
    .place = datatrove_place,
    .write = datatrove_write,
    .finish = datatrove_finish,
};
