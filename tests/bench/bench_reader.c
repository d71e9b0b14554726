/* bench_reader.c - MB/s of reading and parsing JSON lines, and of decompressing */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/arena.h"
#include "core/reader.h"

enum { RUNS = 5, SLOT = 1024 * 1024, RECORDS = 256, BYTES = 256 * 1024 };

static double cpu_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int fail(const struct error *error)
{
    (void)fprintf(stderr, "bench_reader: %s\n", error->text);
    return 1;
}

/* Read and parse the whole plain file once. */
static int read_records(const char *path, uint64_t size, uint64_t *records,
                        uint64_t *bytes)
{
    struct input_spec input = {.format = FORMAT_JSONL,
                               .text = "text",
                               .key = "id",
                               .max_record = 256 * 1024 * 1024};
    struct extent extent = {.path = path, .name = "bench", .end = size};
    struct arena *arena = arena_create(1024 * 1024, 0);
    struct reader *reader = NULL;
    struct reader_result result = {0};
    struct error error = {0};
    enum error_code code = reader_create(&input, &reader, &error);
    if (code == OK)
        code = reader_open(reader, &extent, 0, &error);
    while (code == OK) {
        arena_reset(arena);
        code = reader_next(reader, RECORDS, BYTES, arena, &result, &error);
        if (code != OK || !result.batch)
            break;
        *records += result.batch->count;
        for (uint32_t i = 0; i < result.batch->count; i++)
            *bytes += result.batch->origins[i].size;
    }
    reader_destroy(reader);
    arena_destroy(arena);
    return code == OK ? 0 : fail(&error);
}

static int read_stream(const char *path, enum compression compression, uint64_t *bytes)
{
    static unsigned char room[SLOT];
    struct stream *stream = NULL;
    struct error error = {0};
    enum stream_end end = STREAM_MORE;
    size_t size = 1;
    enum error_code code = stream_open(path, compression, NULL, &stream, &error);
    while (code == OK && size > 0) {
        code = stream_read(stream, room, sizeof room, &size, &end, &error);
        *bytes += size;
    }
    stream_close(stream);
    return code == OK ? 0 : fail(&error);
}

/* bench_reader FILE...: plain files are read and parsed, the others decompressed. */
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        unsigned char magic[2] = {0};
        double seconds[RUNS];
        uint64_t records = 0, bytes = 0, size = 0;
        FILE *file = fopen(argv[i], "rb");
        if (!file || fread(magic, 1, 2, file) != 2 || fseeko(file, 0, SEEK_END) != 0)
            return 1;
        size = (uint64_t)ftello(file);
        (void)fclose(file);
        for (int run = 0; run < RUNS; run++) {
            double begin = cpu_seconds();
            int status;
            records = bytes = 0;
            if (magic[0] == 0x1f)
                status = read_stream(argv[i], COMPRESSION_GZIP, &bytes);
            else if (magic[0] == 0x28)
                status = read_stream(argv[i], COMPRESSION_ZSTD, &bytes);
            else
                status = read_records(argv[i], size, &records, &bytes);
            if (status != 0)
                return status;
            seconds[run] = cpu_seconds() - begin;
        }
        qsort(seconds, RUNS, sizeof seconds[0], compare);
        (void)printf("%s: %llu records, %llu bytes, median of %d: %.0f MB/s of CPU time "
                     "(%.0f to %.0f)\n",
                     argv[i], (unsigned long long)records, (unsigned long long)bytes,
                     RUNS, (double)bytes / seconds[RUNS / 2] / 1e6,
                     (double)bytes / seconds[RUNS - 1] / 1e6,
                     (double)bytes / seconds[0] / 1e6);
    }
    return 0;
}
