/* bench_resample.c - pictures brought to another size, in memory
 *
 *     bench_resample FILTER WIDTH HEIGHT TO_WIDTH TO_HEIGHT ROUNDS
 *
 * Prints the CPU time of one in ms, the median. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "stages/kernels/resample.h"

enum { ROUNDS_MAX = 1000 };

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void resize(const unsigned char *pixels, const uint32_t sizes[4],
                   enum resample_filter filter, unsigned char *out)
{
    struct resampler *resampler =
        resampler_create(sizes[0], sizes[1], sizes[2], sizes[3], 3, filter);
    for (uint32_t y = 0; resampler && y < sizes[1]; y++) {
        resampler_push(resampler, pixels + (size_t)y * sizes[0] * 3);
        while (resampler_pull(resampler, out))
            out += (size_t)sizes[2] * 3;
    }
    resampler_destroy(resampler);
}

int main(int argc, char **argv)
{
    uint32_t sizes[4];
    int64_t times[ROUNDS_MAX];
    if (argc != 7)
        return 2;
    enum resample_filter filter =
        strcmp(argv[1], "lanczos") == 0 ? RESAMPLE_LANCZOS : RESAMPLE_BILINEAR;
    for (size_t i = 0; i < 4; i++)
        sizes[i] = (uint32_t)strtoul(argv[2 + i], NULL, 10);
    size_t rounds = (size_t)strtoul(argv[6], NULL, 10);
    size_t size = (size_t)sizes[0] * sizes[1] * 3;
    unsigned char *pixels = malloc(size);
    unsigned char *out = malloc((size_t)sizes[2] * sizes[3] * 3);
    if (!pixels || !out || rounds < 1 || rounds > ROUNDS_MAX)
        return 1;
    for (size_t i = 0; i < size; i++)
        pixels[i] = (unsigned char)(i * 2654435761U >> 13);
    for (size_t i = 0; i < rounds; i++) {
        int64_t begin_us = clock_process_us();
        resize(pixels, sizes, filter, out);
        times[i] = clock_process_us() - begin_us;
    }
    qsort(times, rounds, sizeof *times, compare);
    size_t middle = rounds / 2;
    (void)printf("{\"cpu_ms\": %.4f}\n", (double)times[middle] / 1000);
    free(pixels);
    free(out);
    return 0;
}
