/* export_run.h - walk all records of a phase with several threads, into a format */
#ifndef COMMANDS_EXPORT_RUN_H
#define COMMANDS_EXPORT_RUN_H

#include "commands/export_format.h"
#include "commands/job_view.h"

/* Everything from format->open() to format->close(); the output is not committed. Of
 * several errors that of the earliest record is returned. ERROR_CLOSED also when this
 * process was asked to stop (core/stop_signal.h). */
enum error_code export_run(struct job_view *view, const struct phase_record *phase,
                           const struct export_format *format, struct export_job *job,
                           struct error *error);

#endif
