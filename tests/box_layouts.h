/* box_layouts.h - for tests and benchmarks: boxes as detectors and adversaries make them */
#ifndef TESTS_BOX_LAYOUTS_H
#define TESTS_BOX_LAYOUTS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/box.h"
#include "stages/kernels/random_stream.h"

enum box_layout {
    LAYOUT_OBJECTS, /* some ten boxes around each object of an image, as detectors make */
    LAYOUT_CROWDED, /* SAHI's benchmarks/crowded_nmm.py: all in 80 by 80, equal scores */
    LAYOUT_RANDOM,  /* any two corners of an image: most overlap, few much */
    LAYOUT_SCATTERED,  /* hardly any overlap */
    LAYOUT_STACKED,    /* one object, everything on it */
    LAYOUT_CROSSES,    /* long and thin, half of them across the other half */
    LAYOUT_NESTED,     /* one around the other */
    LAYOUT_SMALL_GRID, /* whole numbers, degenerate and equal boxes, few scores */
    BOX_LAYOUTS
};

static const char *const layout_names[BOX_LAYOUTS] = {
    "objects", "crowded", "random", "scattered", "stacked", "crosses", "nested", "grid"};

static inline float layout_draw(struct random_stream *stream, double low, double high)
{
    return (float)(low +
                   (high - low) * ((double)random_stream_next(stream) / 4294967296.0));
}

static inline struct box box_around(double x, double y, double width, double height)
{
    return (struct box){.x1 = (float)(x - width / 2),
                        .y1 = (float)(y - height / 2),
                        .x2 = (float)(x + width / 2),
                        .y2 = (float)(y + height / 2)};
}

/* Box `i` of `count`; what all share is drawn from `seed` and a number of its own. */
static inline struct box layout_box(enum box_layout layout, struct random_stream *stream,
                                    uint64_t seed, size_t i, size_t count)
{
    double a = (double)layout_draw(stream, 0, 1), b = (double)layout_draw(stream, 0, 1);
    double c = (double)layout_draw(stream, 0, 1), d = (double)layout_draw(stream, 0, 1);
    double side = 100 * sqrt((double)count / 10 + 1);
    struct random_stream object;
    switch (layout) {
    case LAYOUT_OBJECTS: {
        random_stream_init(&object, seed, i / 10);
        double x = (double)layout_draw(&object, 0, side);
        double y = (double)layout_draw(&object, 0, side);
        double size = 8 * exp2((double)layout_draw(&object, 0, 5));
        return box_around(x + size * 0.2 * (a - 0.5), y + size * 0.2 * (b - 0.5),
                          size * (0.8 + 0.4 * c), size * (0.8 + 0.4 * d));
    }
    case LAYOUT_CROWDED:
        return box_around(a * 80 + 20, b * 80 + 20, 1 + 39 * c, 1 + 39 * d);
    case LAYOUT_RANDOM:
        return box_around((a + c) * 2000, (b + d) * 2000, fabs(a - c) * 4000,
                          fabs(b - d) * 4000);
    case LAYOUT_SCATTERED:
        return box_around(a * side * 10, b * side * 10, 10 + 30 * c, 10 + 30 * d);
    case LAYOUT_STACKED:
        return box_around(500 + 20 * a, 500 + 20 * b, 90 + 20 * c, 90 + 20 * d);
    case LAYOUT_CROSSES:
        return i % 2 ? box_around(a * 4000, b * 4000, 1000 + 3000 * c, 1 + 3 * d)
                     : box_around(a * 4000, b * 4000, 1 + 3 * c, 1000 + 3000 * d);
    case LAYOUT_NESTED:
        return box_around(2000, 2000, 4000 * (double)(i + 1) / (double)count,
                          4000 * (double)(i + 1) / (double)count);
    case LAYOUT_SMALL_GRID:
    case BOX_LAYOUTS:
        break;
    }
    return (struct box){.x1 = floorf((float)a * 6),
                        .y1 = floorf((float)b * 6) - 3,
                        .x2 = floorf((float)c * 6),
                        .y2 = floorf((float)d * 6) - 3};
}

static inline void layout_boxes(enum box_layout layout, uint64_t seed, unsigned classes,
                                size_t count, struct box *boxes)
{
    struct random_stream stream;
    random_stream_init(&stream, seed, (uint64_t)layout << 32);
    for (size_t i = 0; i < count; i++) {
        boxes[i] = layout_box(layout, &stream, seed, i, count);
        boxes[i].score = layout_draw(&stream, 0, 1);
        if (layout == LAYOUT_CROWDED)
            boxes[i].score = rintf(boxes[i].score * 100) / 100;
        if (layout == LAYOUT_SMALL_GRID)
            boxes[i].score = rintf(boxes[i].score * 8) / 8;
        boxes[i].class = (float)random_stream_below(&stream, classes);
    }
}

#endif
