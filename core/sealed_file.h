/* sealed_file.h - published files: written once, with a footer page that holds their size
 * and checksum (docs/formats.md) */
#ifndef CORE_SEALED_FILE_H
#define CORE_SEALED_FILE_H

#include <stdint.h>

#include "core/error.h"

struct volume_info;

enum { FOOTER_SIZE = 4096 };

/* Publish the first `size` bytes of the file `source` as `folder`/`name`: with the footer
 * behind them, fsync, rename, fsync of the folder. A source on another file system is
 * copied to `folder`/.`name`.tmp first; one on the same becomes the published file. Makes
 * folders that are not there. The source is gone on success. ERROR_FULL, ERROR_IO: nothing
 * is left behind, the source is as it was, and it may be tried again. */
enum error_code sealed_file_publish(const char *source, uint64_t size, const char *folder,
                                    const char *name, struct volume_info *info,
                                    struct error *error);

/* ERROR_DAMAGED: the bytes are not those that were published. */
enum error_code sealed_file_check(const char *path, struct volume_info *info,
                                  struct error *error);
/* Read the footer alone. */
enum error_code sealed_file_read_footer(const char *path, struct volume_info *info,
                                        struct error *error);

#endif
