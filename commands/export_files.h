/* export_files.h - formats that are a tree of files: one for each image */
#ifndef COMMANDS_EXPORT_FILES_H
#define COMMANDS_EXPORT_FILES_H

#include "commands/export_boxes.h"

/* The path of an image's file below the export's folder, a zero behind it: its key, without
 * the extension of an image file unless --names full asks for it, then `end`. See
 * text_put_path(). ERROR_RECORD: the key cannot be made a path. */
enum error_code files_put_path(const struct export_job *job,
                               const struct job_record *record,
                               const struct boxed_image *image, const char *end,
                               struct bytes *out, struct error *error);

/* place() of such a format: there is nothing to decide. */
enum error_code files_place(struct export_job *job, struct export_part *part,
                            struct error *error);
/* write(): each row that has a side is a file, whose path is the beginning of that side,
 * up to a zero. ERROR_RECORD: two images make one file. */
enum error_code files_write(struct export_job *job, struct export_part *part,
                            struct error *error);

#endif
