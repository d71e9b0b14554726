/* sealed_file.h - published files: written once, with a footer page that holds their size
 * and checksum (docs/formats.md) */
#ifndef CORE_SEALED_FILE_H
#define CORE_SEALED_FILE_H

#include <stdint.h>

#include "core/error.h"

struct volume_info;

enum { FOOTER_SIZE = 4096 };

/* Copy the first `size` bytes of an open file to `folder`/.`name`.tmp, put the footer
 * behind, fsync, rename to `folder`/`name`, fsync the folder. Makes folders that are not
 * there. ERROR_FULL, ERROR_IO: nothing is left behind; it may be tried again. */
enum error_code sealed_file_publish(int source, uint64_t size, const char *folder,
                                    const char *name, struct volume_info *info,
                                    struct error *error);

/* ERROR_DAMAGED: the bytes are not those that were published. */
enum error_code sealed_file_check(const char *path, struct volume_info *info,
                                  struct error *error);
/* Read the footer alone. */
enum error_code sealed_file_read_footer(const char *path, struct volume_info *info,
                                        struct error *error);

#endif
