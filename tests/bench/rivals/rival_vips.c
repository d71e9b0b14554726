/* rival_vips.c - as bench_resample.c, by libvips on one thread
 *
 *     rival_vips FILTER WIDTH HEIGHT TO_WIDTH TO_HEIGHT ROUNDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <vips/vips.h>

static double cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec * 1e3 + usage.ru_utime.tv_usec / 1e3 +
           usage.ru_stime.tv_sec * 1e3 + usage.ru_stime.tv_usec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    double times[1000];
    if (argc != 7 || VIPS_INIT(argv[0]))
        return 2;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    VipsKernel kernel =
        strcmp(argv[1], "lanczos") == 0 ? VIPS_KERNEL_LANCZOS3 : VIPS_KERNEL_LINEAR;
    int width = (int)strtol(argv[2], NULL, 10), height = (int)strtol(argv[3], NULL, 10);
    int rounds = (int)strtol(argv[6], NULL, 10);
    size_t size = (size_t)width * height * 3;
    unsigned char *pixels = malloc(size);
    for (size_t i = 0; i < size; i++)
        pixels[i] = (unsigned char)(i * 2654435761U >> 13);
    for (int i = 0; i < rounds && i < 1000; i++) {
        double begin = cpu_ms();
        VipsImage *in =
            vips_image_new_from_memory(pixels, size, width, height, 3, VIPS_FORMAT_UCHAR);
        VipsImage *out = NULL;
        size_t written;
        if (!in || vips_resize(in, &out, strtod(argv[4], NULL) / width, "vscale",
                               strtod(argv[5], NULL) / height, "kernel", kernel, NULL))
            return 1;
        void *data = vips_image_write_to_memory(out, &written);
        g_free(data);
        g_object_unref(out);
        g_object_unref(in);
        times[i] = cpu_ms() - begin;
    }
    qsort(times, rounds, sizeof *times, compare);
    printf("{\"cpu_ms\": %.4f}\n", times[rounds / 2]);
    return 0;
}
