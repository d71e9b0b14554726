/* cutter_tar.h - cut a tar file at sample ends into shards, for cutter.c */
#ifndef CORE_CUTTER_TAR_H
#define CORE_CUTTER_TAR_H

#include "core/reader.h"

/* As the functions of reader.h, but that it always begins at the start of the file: nothing
 * in the middle of one tells for sure where a member begins. Shard i has the samples that
 * begin in its range (see tar_sample_takes()). */
struct tar_cutter; /* heap object */

enum error_code tar_cutter_open(const char *path, enum compression compression,
                                uint64_t shard_bytes, uint64_t max_record, uint32_t index,
                                struct tar_cutter **cutter, struct error *error);
void tar_cutter_close(struct tar_cutter *cutter);
enum error_code tar_cutter_next(struct tar_cutter *cutter, struct slot *slot,
                                struct cut *cut, struct error *error);
enum error_code tar_cutter_skip(struct tar_cutter *cutter, uint32_t count,
                                struct cut *cut, struct error *error);

#endif
