/* picture_views.c - one pass over a picture, many looks at it */
#include "stages/kernels/picture_views.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The rows of a level that its next row of tiles needs. */
struct window {
    struct view_level level;
    struct resampler *resampler; /* owned; NULL: the picture is of this size */
    struct tile_walk walk;
    struct tile next;    /* the next tile, unless it is over */
    bool is_over;        /* all tiles have been shown */
    unsigned char *rows; /* owned: (capacity, stride) */
    size_t stride;
    uint32_t first, held, capacity; /* rows [first, first + held) of the level */
};

struct picture_views {
    size_t count;
    struct window windows[]; /* (count) */
};

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool is_resized(const struct view_level *level, uint32_t width, uint32_t height)
{
    return level->width != width || level->height != height;
}

static bool window_open(struct window *window, const struct view_level *level,
                        uint32_t from_width, uint32_t from_height,
                        enum resample_filter filter)
{
    window->level = *level;
    window->stride = (size_t)level->width * 3;
    window->capacity = smaller(level->rule.height, level->height);
    window->rows = malloc(window->capacity * window->stride);
    bool resizes = is_resized(level, from_width, from_height);
    if (resizes)
        window->resampler = resampler_create(from_width, from_height, level->width,
                                             level->height, 3, filter);
    tile_walk_begin(&window->walk, &level->rule, level->width, level->height);
    window->is_over = !tile_walk_next(&window->walk, &window->next);
    return window->rows && (window->resampler || !resizes);
}

struct picture_views *picture_views_create(uint32_t from_width, uint32_t from_height,
                                           const struct view_level *levels, size_t count,
                                           enum resample_filter filter)
{
    struct picture_views *made =
        calloc(1, sizeof *made + count * sizeof made->windows[0]);
    if (!made)
        return NULL;
    made->count = count;
    for (size_t i = 0; i < count; i++)
        if (!window_open(&made->windows[i], &levels[i], from_width, from_height,
                         filter)) {
            picture_views_destroy(made);
            return NULL;
        }
    return made;
}

void picture_views_destroy(struct picture_views *views)
{
    for (size_t i = 0; views && i < views->count; i++) {
        resampler_destroy(views->windows[i].resampler);
        free(views->windows[i].rows);
    }
    free(views);
}

uint64_t picture_views_bytes(uint32_t from_width, uint32_t from_height,
                             const struct view_level *levels, size_t count,
                             enum resample_filter filter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct view_level *level = &levels[i];
        sum += (uint64_t)3 * level->width * smaller(level->rule.height, level->height);
        if (is_resized(level, from_width, from_height))
            sum += resampler_bytes(from_width, from_height, level->width, level->height,
                                   3, filter);
    }
    return sum;
}

/* Rows above the next tile are not needed any more. */
static void window_slide(struct window *window)
{
    uint32_t gone = window->is_over ? window->held : window->next.y1 - window->first;
    if (gone == 0)
        return;
    window->held -= gone;
    window->first += gone;
    memmove(window->rows, window->rows + gone * window->stride,
            window->held * window->stride);
}

/* A row has come. */
static enum error_code window_show(struct window *window, size_t number,
                                   view_visitor *visit, void *context,
                                   struct error *error)
{
    window->held++;
    while (!window->is_over && window->next.y2 <= window->first + window->held) {
        const struct tile *tile = &window->next;
        struct view view = {.level = number, .tile = *tile, .stride = window->stride};
        view.pixels = window->rows + (tile->y1 - window->first) * window->stride +
                      (size_t)tile->x1 * 3;
        enum error_code code = visit(context, &view, error);
        if (code != OK)
            return code;
        window->is_over = !tile_walk_next(&window->walk, &window->next);
        window_slide(window);
    }
    return OK;
}

static enum error_code window_push(struct picture_views *views, size_t number,
                                   const unsigned char *row, view_visitor *visit,
                                   void *context, struct error *error)
{
    struct window *window = &views->windows[number];
    enum error_code code = OK;
    if (!window->resampler) {
        memcpy(window->rows + window->held * window->stride, row, window->stride);
        return window_show(window, number, visit, context, error);
    }
    resampler_push(window->resampler, row);
    while (
        code == OK && !window->is_over &&
        resampler_pull(window->resampler, window->rows + window->held * window->stride))
        code = window_show(window, number, visit, context, error);
    return code;
}

enum error_code picture_views_push(struct picture_views *views, const unsigned char *rows,
                                   size_t stride, uint32_t count, view_visitor *visit,
                                   void *context, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t y = 0; y < count; y++)
        for (size_t i = 0; code == OK && i < views->count; i++)
            if (!views->windows[i].is_over)
                code = window_push(views, i, rows + y * stride, visit, context, error);
    return code;
}
