/* endpoint_file.c - where a job's coordinator listens, as its job directory says */
#include "worker/endpoint_file.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

bool endpoint_file_read(const char *job, char *endpoint, size_t size)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/endpoint", job);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool is_read = fgets(endpoint, (int)size, file) != NULL;
    (void)fclose(file);
    if (is_read)
        endpoint[strcspn(endpoint, "\n")] = 0;
    return is_read && endpoint[0];
}
