/* bench_heads.c - CPU time of packing an input and of decoding outputs, for each tile
 *
 * Few places are above the threshold, as in most tiles. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/clock.h"
#include "stages/kernels/head.h"
#include "stages/kernels/pixel_pack.h"

enum { SIDE = 640, ROUNDS = 200 };

static void pack(const struct pixel_kernels *kernels, const struct pixel_format *format,
                 const char *layout)
{
    unsigned char *pixels = calloc((size_t)SIDE * SIDE, 3);
    float *tensor = calloc((size_t)SIDE * SIDE * 3, sizeof *tensor);
    if (pixels && tensor) {
        struct pixel_place place = {pixels, (size_t)SIDE * 3, SIDE, SIDE, 0, 0, SIDE,
                                    SIDE};
        pixel_pack_floats(kernels, format, &place, tensor);
        int64_t begin_us = clock_process_us();
        for (int i = 0; i < ROUNDS; i++)
            pixel_pack_floats(kernels, format, &place, tensor);
        (void)printf("pack %d x %d, %s, %s: %.3f ms\n", SIDE, SIDE, layout, kernels->name,
                     (double)(clock_process_us() - begin_us) / 1000 / ROUNDS);
    }
    free(pixels);
    free(tensor);
}

/* One output (1, a, b) of `value`, but `high` at every 16,381st number. */
static void decode(const char *name, int64_t a, int64_t b, float value, float high)
{
    const struct head *head = head_find(name);
    size_t count = (size_t)a * (size_t)b, found_count = 0;
    float *values = malloc(count * sizeof *values);
    struct arena *arena = arena_create(1 << 20, 0);
    struct head_options options;
    struct error error;
    if (!values || !arena || head_options_resolve(head, NULL, &options, &error) != OK)
        exit(1);
    for (size_t i = 0; i < count; i++)
        values[i] = i % 16381 == 16380 ? high : value;
    struct head_tensor output = {"output", values, count, 3, {1, a, b}};
    struct head_input input = {&output, 1, 0, SIDE, SIDE};
    int64_t begin_us = clock_process_us();
    for (int i = 0; i < ROUNDS; i++) {
        struct detections found = {.arena = arena};
        arena_reset(arena);
        if (head_decode(head, &input, &options, 0.25F, arena, &found, &error) != OK) {
            (void)fprintf(stderr, "%s\n", error.text);
            exit(1);
        }
        found_count = found.count;
    }
    (void)printf("decode %s (1, %d, %d), %zu boxes: %.3f ms\n", name, (int)a, (int)b,
                 found_count, (double)(clock_process_us() - begin_us) / 1000 / ROUNDS);
    arena_destroy(arena);
    free(values);
}

int main(void)
{
    struct pixel_kernels kernels[PIXEL_KERNELS_MAX];
    size_t count = pixel_kernels_list(kernels);
    struct pixel_format format = {.divisor = {255, 255, 255}};
    for (size_t i = 0; i < count; i++) {
        format.channels_last = false;
        pack(&kernels[i], &format, "NCHW");
        format.channels_last = true;
        pack(&kernels[i], &format, "NHWC");
    }
    decode("yolov8", 84, 8400, 0.01F, 0.9F);
    decode("yolov5", 25200, 85, 0.01F, 0.9F);
    decode("nanodet_plus", 8500, 112, 0.01F, 0.9F);
    decode("end_to_end", 300, 6, 0, 0.9F);
    return 0;
}
