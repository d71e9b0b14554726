/* fuzz_head.c - any outputs through any head: no fault, and boxes of finite numbers
 *
 * Bytes: the head, how many outputs, width and height of the input in eights; for each
 * output its name, rank and dimensions; the rest are the values, over and over. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/head.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { OUTPUTS_MAX = 15, NUMBERS_MAX = 1 << 16 };

struct reader {
    const unsigned char *data;
    size_t size, at;
};

static unsigned take(struct reader *reader)
{
    return reader->at < reader->size ? reader->data[reader->at++] : 0;
}

/* Numbers that networks give, and those that they should not. */
static float value_of(unsigned byte)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38F, -3e38F, 1e-40F};
    return byte >= 250 ? odd[byte - 250] : ((float)byte - 100) / 50;
}

static void read_output(struct reader *reader, struct head_tensor *tensor)
{
    static const char *const names[] = {"output", "cls", "reg", "hm", "wh", "scores"};
    *tensor = (struct head_tensor){.name = names[take(reader) % 6], .count = 1};
    tensor->rank = 1 + take(reader) % 5;
    for (size_t i = 0; i < tensor->rank; i++) {
        unsigned low = take(reader);
        tensor->dims[i] = low == 255 ? (int64_t)take(reader) << 8 : low;
        if (tensor->dims[i] == 0 || tensor->count > NUMBERS_MAX / (size_t)tensor->dims[i])
            tensor->dims[i] = 1;
        tensor->count *= (size_t)tensor->dims[i];
    }
}

static void check(const struct detections *found, float threshold)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct detection *box = &found->items[i];
        if (!isfinite(box->x1 + box->y1 + box->x2 + box->y2) ||
            !(box->score > threshold && box->score <= 1.001F) || box->class < 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct reader reader = {data, size, 0};
    struct arena *arena = arena_create(1 << 16, 0);
    struct head_tensor outputs[OUTPUTS_MAX];
    float *values[OUTPUTS_MAX] = {0};
    struct detections found = {.arena = arena};
    struct head_options options;
    struct error error;
    if (!arena)
        abort();
    const struct head *head = &heads[take(&reader) % head_count];
    struct head_input input = {.outputs = outputs,
                               .output_count = 1 + take(&reader) % OUTPUTS_MAX};
    input.width = 8 * take(&reader);
    input.height = 8 * take(&reader);
    for (size_t i = 0; i < input.output_count; i++)
        read_output(&reader, &outputs[i]);
    size_t first = reader.at;
    for (size_t i = 0; i < input.output_count; i++) {
        values[i] = malloc(outputs[i].count * sizeof(float));
        if (!values[i])
            abort();
        for (size_t k = 0; k < outputs[i].count; k++) {
            if (reader.at >= size)
                reader.at = first;
            values[i][k] = value_of(take(&reader));
        }
        outputs[i].values = values[i];
    }
    (void)head_recognise(&input);
    if (head_options_resolve(head, NULL, &options, &error) != OK)
        abort();
    if (head_decode(head, &input, &options, 0.25F, arena, &found, &error) == OK)
        check(&found, 0.25F);
    else if (found.count != 0)
        abort();
    for (size_t i = 0; i < input.output_count; i++)
        free(values[i]);
    arena_destroy(arena);
    return 0;
}
