/* export_jsonl.c - a record a line: what `show` prints */
#include "commands/export_format.h"

#include "core/json_write.h"

struct jsonl {
    struct export_fill fill;
};

static enum error_code jsonl_open(struct export_job *job, const struct batch *batch,
                                  struct error *error)
{
    (void)job;
    (void)batch;
    (void)error;
    return OK;
}

static enum error_code jsonl_encode(struct export_job *job,
                                    const struct job_record *record,
                                    struct export_part *part, struct export_row *row,
                                    struct error *error)
{
    size_t before = part->data.size;
    (void)job;
    json_put_record(record->batch, record->row, &part->data);
    bytes_put_u8(&part->data, '\n');
    if (part->data.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a record as text");
    row->size = part->data.size - before;
    return OK;
}

static enum error_code jsonl_place(struct export_job *job, struct export_part *part,
                                   struct error *error)
{
    struct jsonl *state = job->state;
    if (export_output_is_stream(job->output))
        return export_output_append(job->output, part->data.data, part->data.size, error);
    return export_place_all(part, &state->fill, error);
}

static enum error_code jsonl_write(struct export_job *job, struct export_part *part,
                                   struct error *error)
{
    return export_write_data(job, part, "", error);
}

static const char *const options[] = {NULL};
static const char *const names[] = {"", NULL};

const struct export_format export_jsonl = {
    .name = "jsonl",
    .summary = "a record a line",
    .options = options,
    .names = names,
    .is_text = true,
    .state_size = sizeof(struct jsonl),
    .open = jsonl_open,
    .encode = jsonl_encode,
    .place = jsonl_place,
    .write = jsonl_write,
};
