/* replay_main.c - feed the stored inputs of a fuzz target to it, without libFuzzer */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, INPUT_SIZE_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds exactly its bytes, in memory of their own, so that a read past them is seen. */
static int replay_file(const char *path)
{
    int status = 1;
    unsigned char *data = NULL;
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (file == NULL || stat(path, &info) != 0 || info.st_size > INPUT_SIZE_MAX) {
        goto done;
    }
    const size_t size = (size_t)info.st_size;
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        goto done;
    }
    (void)LLVMFuzzerTestOneInput(data, size);
    status = 0;
done:
    if (status != 0) {
        (void)fprintf(stderr, "cannot read \"%s\"\n", path);
    }
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return status;
}

static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Feeds every file of the folder by name; returns how many, -1: one cannot be read. */
static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_input, compare_names);
    int result = count;
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        const int length =
            snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (length < 0 || (size_t)length >= sizeof path || replay_file(path) != 0) {
            result = -1;
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    /* The empty input is in no corpus, and every target must bear it. */
    const unsigned char nothing = 0;
    (void)LLVMFuzzerTestOneInput(&nothing, 0);
    const int count = replay_folder(argv[1]);
    if (count <= 0) {
        (void)fprintf(stderr, "no inputs in \"%s\"\n", argv[1]);
        return 1;
    }
    printf("ok 1 - %d inputs\n1..1\n", count);
    return 0;
}
