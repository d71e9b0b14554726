/* export_files.c - formats that are a tree of files: one for each image */
#include "commands/export_files.h"

#include <string.h>

#include "commands/export_text.h"

enum error_code files_put_path(const struct export_job *job,
                               const struct job_record *record,
                               const struct boxed_image *image, const char *end,
                               struct bytes *out, struct error *error)
{
    size_t size = job->options->has_full_names ? image->key_size
                                               : text_stem(image->key, image->key_size);
    const char *fault = text_put_path(image->key, size, out);
    bytes_put(out, end, strlen(end) + 1);
    return fault ? export_refuse(record, error, "its key cannot name a file: %s", fault)
                 : OK;
}

enum error_code files_place(struct export_job *job, struct export_part *part,
                            struct error *error)
{
    (void)job;
    (void)part;
    (void)error;
    return OK;
}

enum error_code files_write(struct export_job *job, struct export_part *part,
                            struct error *error)
{
    size_t count;
    enum error_code code = OK;
    const unsigned char *data = part->data.data;
    const char *side = (const char *)part->side.data;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        if (rows[i].side > 0)
            code =
                export_output_add(job->output, side, data, (size_t)rows[i].size, error);
        if (code == ERROR_RECORD)
            code = error_set(error, ERROR_RECORD,
                             "two images make one file, \"%s\": their keys are the same, "
                             "or differ in an extension, which --names full keeps",
                             side);
        data += rows[i].size;
        side += rows[i].side;
    }
    return code;
}
