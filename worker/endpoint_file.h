/* endpoint_file.h - where a job's coordinator listens, as its job directory says */
#ifndef WORKER_ENDPOINT_FILE_H
#define WORKER_ENDPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Read JOB/endpoint into `endpoint`. False: there is none (yet). */
bool endpoint_file_read(const char *job, char *endpoint, size_t size);

#endif
