/* shared_file.h - for tests: files of the shared data, where they are */
#ifndef TESTS_SHARED_FILE_H
#define TESTS_SHARED_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "core/bytes.h"

/* The whole file NAME below $MILLRACE_SHARED, else ../shared/data; {0}: it is not there. */
static inline struct bytes shared_file(const char *name)
{
    const char *folder = getenv("MILLRACE_SHARED");
    char path[512];
    struct bytes content = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder ? folder : "../shared/data", name);
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL;
    while (size > 0) {
        unsigned char *room = bytes_reserve(&content, 1 << 18);
        size = room ? fread(room, 1, 1 << 18, file) : 0;
        content.size += size;
    }
    if (file)
        (void)fclose(file);
    return content;
}

#endif
