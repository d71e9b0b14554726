/* fuzz_box_merge.c - any boxes through every way to merge, against each with each other
 *
 * The first four bytes choose the rule, the fifth how the others are read: as floats of any
 * bits, or as small whole numbers, which are often equal. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/box_merge.h"
#include "tests/box_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BOXES_MAX = 128, HEAD = 5, CLASSES = 3 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct box_rule rule_of(const uint8_t *data)
{
    static const double weights[] = {2, 1, 3};
    return (struct box_rule){.method = (enum box_method)(data[0] % BOX_METHODS),
                             .metric = data[1] & 1 ? BOX_IOS : BOX_IOU,
                             .is_strict = data[1] & 2,
                             .is_class_agnostic = data[1] & 4,
                             .keeps_unmerged = data[1] & 8,
                             .decay = data[1] & 16 ? BOX_LINEAR : BOX_GAUSSIAN,
                             .allows_overflow = data[1] & 32,
                             .weights = data[1] & 64 ? weights : NULL,
                             .model_count = 3,
                             .fusion = (enum box_fusion)(data[2] % 4),
                             .threshold = (double)data[3] / 255,
                             .min_score = data[2] & 128 ? 0.25 : -1e300,
                             .sigma = 0.01 + (double)(data[2] / 4 % 32) / 16};
}

/* Those that are no boxes are left out: box_find_bad() must know them. */
static size_t read_boxes(const uint8_t *data, size_t size, bool is_small,
                         struct box *boxes)
{
    size_t count = 0, step = is_small ? 6 : sizeof(struct box);
    for (; size >= step && count < BOXES_MAX; data += step, size -= step) {
        struct box *box = &boxes[count];
        char text[200];
        if (is_small)
            *box = (struct box){(float)(data[0] % 16),    (float)(data[1] % 16),
                                (float)(data[2] % 16),    (float)(data[3] % 16),
                                (float)(data[4] % 8) / 8, (float)(data[5] % CLASSES)};
        else
            memcpy(box, data, step);
        if (box_find_bad(box, 1, text, sizeof text) == 1 && box->class >= 0 &&
            box->class < CLASSES)
            count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct box boxes[BOXES_MAX], merged[BOXES_MAX], wanted[REFERENCE_MAX];
    static uint32_t models[BOXES_MAX];
    static struct arena *arena;
    struct error error;
    size_t merged_count;
    if (!arena)
        arena = arena_create(1 << 16, 0);
    if (!arena || size < HEAD)
        return 0;
    struct box_rule rule = rule_of(data);
    size_t count = read_boxes(data + HEAD, size - HEAD, data[4] & 1, boxes);
    for (size_t i = 0; i < count; i++)
        models[i] = (uint32_t)(i * 7 % 3);
    require(box_merge(&rule, boxes, models, count, arena, merged, &merged_count,
                      &error) == OK);
    require(merged_count <= count);
    require(merged_count == reference_run(&rule, boxes, models, count, CLASSES, wanted));
    require(merged_count == 0 ||
            memcmp(merged, wanted, merged_count * sizeof *merged) == 0);
    arena_reset(arena);
    return 0;
}
