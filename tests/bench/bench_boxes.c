/* bench_boxes.c - the time that merging takes, by method and by how boxes lie
 *
 *     bench_boxes [COUNT [ROUNDS [LAYOUT [METHOD]]]]
 *
 * Prints a line of JSON for each: the CPU time of this process, median and least, in ms. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "stages/kernels/box_merge.h"
#include "tests/box_layouts.h"

enum { ROUNDS_MAX = 101 };

static const char *const method_names[BOX_METHODS] = {
    [BOX_NMS] = "nms", [BOX_SOFT_NMS] = "soft_nms",     [BOX_NMM] = "nmm",
    [BOX_NMW] = "nmw", [BOX_GREEDY_NMM] = "greedy_nmm", [BOX_WBF] = "wbf"};

static void stop(const char *why)
{
    (void)fprintf(stderr, "bench_boxes: %s\n", why);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct setting {
    struct box *boxes, *merged;
    size_t count;
    int rounds;
    const char *method; /* NULL: all */
    struct arena *arena;
};

static void measure(const struct setting *setting, const char *layout,
                    const struct box_rule *rule)
{
    struct error error;
    int64_t us[ROUNDS_MAX];
    size_t merged = 0, used = 0;
    for (int round = 0; round < setting->rounds; round++) {
        int64_t begin_us = clock_process_us();
        if (box_merge(rule, setting->boxes, NULL, setting->count, setting->arena,
                      setting->merged, &merged, &error) != OK)
            stop(error.text);
        us[round] = clock_process_us() - begin_us;
        used = arena_used(setting->arena);
        arena_reset(setting->arena);
    }
    int middle = setting->rounds / 2;
    qsort(us, (size_t)setting->rounds, sizeof *us, compare);
    (void)printf("{\"layout\": \"%s\", \"method\": \"%s%s\", \"metric\": \"%s\", "
                 "\"threshold\": %g, \"boxes\": %zu, \"merged\": %zu, \"ms\": %.2f, "
                 "\"least_ms\": %.2f, \"bytes_a_box\": %zu}\n",
                 layout, method_names[rule->method],
                 rule->method != BOX_SOFT_NMS ? ""
                 : rule->decay == BOX_LINEAR  ? " linear"
                                              : " gaussian",
                 rule->metric == BOX_IOU ? "iou" : "ios", rule->threshold, setting->count,
                 merged, (double)us[middle] / 1000, (double)us[0] / 1000,
                 used / setting->count);
}

static void measure_layout(const struct setting *setting, enum box_layout layout)
{
    layout_boxes(layout, 7, 1, setting->count, setting->boxes);
    for (enum box_method method = BOX_NMS; method < BOX_METHODS; method++) {
        if (setting->method && strcmp(setting->method, method_names[method]) != 0)
            continue;
        for (int metric = BOX_IOU; metric <= (int)BOX_IOS; metric++) {
            struct box_rule rule = {.method = method,
                                    .metric = (enum box_metric)metric,
                                    .threshold = layout == LAYOUT_CROWDED ? 0.3 : 0.5,
                                    .min_score = 0.001,
                                    .sigma = 0.5,
                                    .model_count = 1};
            measure(setting, layout_names[layout], &rule);
            rule.decay = BOX_LINEAR;
            if (method == BOX_SOFT_NMS)
                measure(setting, layout_names[layout], &rule);
        }
    }
}

int main(int argc, char **argv)
{
    struct setting setting = {.count =
                                  argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 100000,
                              .rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5,
                              .method = argc > 4 ? argv[4] : NULL,
                              .arena = arena_create(1 << 20, 0)};
    if (setting.count < 1 || setting.rounds < 1 || setting.rounds > ROUNDS_MAX)
        stop("usage: bench_boxes [COUNT [ROUNDS [LAYOUT [METHOD]]]]");
    setting.boxes = calloc(setting.count, sizeof *setting.boxes);
    setting.merged = calloc(setting.count, sizeof *setting.merged);
    if (!setting.boxes || !setting.merged || !setting.arena)
        stop("no memory");
    for (enum box_layout layout = 0; layout < BOX_LAYOUTS; layout++)
        if (argc < 4 || strcmp(argv[3], layout_names[layout]) == 0)
            measure_layout(&setting, layout);
    arena_destroy(setting.arena);
    free(setting.boxes);
    free(setting.merged);
    return 0;
}
