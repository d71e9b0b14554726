/* head_fixture.h - tensors made by tests, and the boxes that heads make of them */
#ifndef TESTS_HEAD_FIXTURE_H
#define TESTS_HEAD_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/head.h"

enum { FIXTURE_OUTPUTS = 16 };

struct fixture {
    struct arena *arena;
    struct head_tensor outputs[FIXTURE_OUTPUTS];
    float *values[FIXTURE_OUTPUTS]; /* of their size exactly, so that ASan sees the end */
    struct head_input input;
    struct detections found;
    struct error error;
    uint64_t seed;
};

/* As a model's options are when the user says nothing. */
static const struct head_options NOTHING_SAID = {
    .bins = -1, .center = -1, .scale_xy = -1, .top = -1, .cells = -1, .boxes = -1};

static inline void fixture_begin(struct fixture *fixture, uint32_t width, uint32_t height)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->arena = arena_create(1 << 16, 0);
    assert_non_null(fixture->arena);
    fixture->found.arena = fixture->arena;
    fixture->input = (struct head_input){
        .outputs = fixture->outputs, .width = width, .height = height};
    fixture->seed = 1;
}

static inline void fixture_end(struct fixture *fixture)
{
    for (size_t i = 0; i < FIXTURE_OUTPUTS; i++)
        free(fixture->values[i]);
    arena_destroy(fixture->arena);
}

/* One more output, of zeros; dims end with 0. */
static inline float *fixture_add(struct fixture *fixture, const char *name,
                                 const int64_t *dims)
{
    size_t at = fixture->input.output_count++;
    struct head_tensor *tensor = &fixture->outputs[at];
    *tensor = (struct head_tensor){.name = name, .count = 1};
    for (; dims[tensor->rank]; tensor->rank++) {
        tensor->dims[tensor->rank] = dims[tensor->rank];
        tensor->count *= (size_t)dims[tensor->rank];
    }
    fixture->values[at] = calloc(tensor->count, sizeof(float));
    assert_non_null(fixture->values[at]);
    tensor->values = fixture->values[at];
    return fixture->values[at];
}
#define ADD(fixture, name, ...) \
    fixture_add((fixture), (name), (const int64_t[]){__VA_ARGS__, 0})

static inline enum error_code fixture_decode(struct fixture *fixture, const char *name,
                                             const struct head_options *user,
                                             float threshold)
{
    const struct head *head = head_find(name);
    struct head_options options;
    assert_non_null(head);
    assert_int_equal(head_options_resolve(head, user, &options, &fixture->error), OK);
    fixture->found.count = 0;
    return head_decode(head, &fixture->input, &options, threshold, fixture->arena,
                       &fixture->found, &fixture->error);
}

static inline double fixture_random(struct fixture *fixture, double least, double most)
{
    fixture->seed =
        fixture->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return least + (most - least) * (double)(fixture->seed >> 11) * 0x1p-53;
}

static inline void fixture_fill(struct fixture *fixture, size_t output, double least,
                                double most)
{
    for (size_t i = 0; i < fixture->outputs[output].count; i++)
        fixture->values[output][i] = (float)fixture_random(fixture, least, most);
}

static inline void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g is not %.9g", value, expected);
}

static inline void assert_box(const struct detection *box, double x1, double y1,
                              double x2, double y2, double score, double class)
{
    double large = fabs(x1) + fabs(y1) + fabs(x2) + fabs(y2) + 1;
    assert_near(box->x1, x1, 1e-6 * large);
    assert_near(box->y1, y1, 1e-6 * large);
    assert_near(box->x2, x2, 1e-6 * large);
    assert_near(box->y2, y2, 1e-6 * large);
    assert_near(box->score, score, 1e-6);
    assert_true(box->class == (float)class);
}

static inline double plain_sigmoid(double value)
{
    return 1 / (1 + exp(-value));
}

#endif
