/* estimate.c - how much space the results of a pipeline will take, by rule of thumb */
#include "commands/estimate.h"

#include <string.h>

static const double expansion = 3.5; /* of .gz and .zst of text */
static const double text_share = 0.5, key_size = 24, index_size = 40;
static const double json_record_size = 2000, line_size = 100;

struct estimate estimate_input(const struct input_spec *input,
                               const struct manifest *manifest)
{
    struct estimate estimate = {0};
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const struct input_file *file = &manifest->files[i];
        double factor = file->compression == COMPRESSION_NONE ? 1 : expansion;
        estimate.text_bytes += (double)file->size * factor;
    }
    if (input->format == FORMAT_TEXT || input->format == FORMAT_IMAGES)
        estimate.records = manifest->file_count;
    else if (input->format == FORMAT_LINES)
        estimate.records = estimate.text_bytes / line_size;
    else
        estimate.records = estimate.text_bytes / json_record_size;
    return estimate;
}

static double column_space(const struct schema_field *field,
                           const struct estimate *estimate)
{
    switch (field->type) {
    case COLUMN_UTF8:
        /* Text is the bulk of the input; other texts are names and labels. */
        if (strcmp(field->name, "text") == 0)
            return estimate->text_bytes * text_share;
        return estimate->records * key_size;
    case COLUMN_BYTES:
    case COLUMN_LIST_U32:
    case COLUMN_LIST_F32:
    case COLUMN_LIST_BOX:
    case COLUMN_IMAGE_U8:
        return estimate->text_bytes * text_share;
    case COLUMN_VECTOR_F32:
        return estimate->records * 4 * (double)field->dimension;
    default:
        return estimate->records * 8;
    }
}

void estimate_output(const struct phase_spec *phase, struct estimate *estimate)
{
    double space = estimate->records * index_size;
    for (size_t i = 0; i < phase->output_schema.count; i++)
        space += column_space(&phase->output_schema.fields[i], estimate);
    if (phase->exchange.kind != EXCHANGE_NONE)
        space *= 2;
    estimate->space = space;
}
