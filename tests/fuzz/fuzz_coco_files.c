/* fuzz_coco_files.c - any data set and results: read or refused, and then scored alike
 *
 * The input is the data set, a line "--", and the results. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/coco_files.h"
#include "core/arena.h"
#include "tests/coco_reference.h"

enum { CATEGORIES_MAX = 8, IMAGES_MAX = 16, ENTRIES_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_file(char path[64], const uint8_t *data, size_t size)
{
    (void)snprintf(path, 64, "/tmp/fuzz-coco-XXXXXX");
    int file = mkstemp(path);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    (void)close(file);
}

/* Numbers are in their range, and those of the plain reference. */
static void check_scores(const struct coco_problem *problem,
                         const struct coco_scores *scores)
{
    double stats[COCO_STATS], categories[CATEGORIES_MAX][COCO_STATS];
    for (size_t i = 0; i < COCO_STATS; i++)
        if (!(fabs(scores->stats[i] + 1) < 1e-9 ||
              (scores->stats[i] >= 0 && scores->stats[i] <= 1)))
            abort();
    if (problem->category_count > CATEGORIES_MAX || problem->image_count > IMAGES_MAX ||
        problem->truth_count + problem->detection_count > ENTRIES_MAX)
        return;
    reference_evaluate(problem, categories, stats);
    for (size_t i = 0; i < COCO_STATS; i++)
        if (!(fabs(scores->stats[i] - stats[i]) < 1e-9))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char divider[] = "\n--\n";
    const size_t length = sizeof divider - 1;
    size_t cut = 0;
    while (cut + length <= size && memcmp(data + cut, divider, length) != 0)
        cut++;
    if (cut + length > size)
        return 0;
    char truth[64], results[64];
    struct error error = {0};
    struct coco_data files;
    struct coco_scores scores;
    struct arena *arena = arena_create(1 << 16, 0);
    if (!arena)
        abort();
    write_file(truth, data, cut);
    write_file(results, data + cut + length, size - cut - length);
    coco_data_init(&files, arena);
    enum error_code code = coco_read_truth(&files, truth, &error);
    if (code == OK)
        code = coco_settle(&files, &error);
    if (code == OK)
        code = coco_read_results(&files, results, &error);
    if (code != OK && (code != ERROR_DAMAGED || strncmp(error.text, "/tmp/", 5) != 0))
        abort();
    struct coco_problem problem = {.truths = files.truths,
                                   .detections = files.detections,
                                   .truth_count = files.truth_count,
                                   .detection_count = files.detection_count,
                                   .image_count = files.images.count,
                                   .category_count = files.categories.count};
    for (int i = 0; code == OK && i < 2; i++) {
        problem.is_class_agnostic = i > 0;
        code = coco_evaluate(&problem, arena, &scores, &error);
        if (code == OK)
            check_scores(&problem, &scores);
    }
    (void)unlink(truth);
    (void)unlink(results);
    coco_data_clear(&files);
    arena_destroy(arena);
    return 0;
}
