/* fit.c - how a picture is fitted into a network's input, and boxes brought back */
#include "stages/kernels/fit.h"

#include <math.h>

#include "stages/kernels/head.h"

/* Python's round(): a half goes to the even neighbour. value: 0 to 2^50 */
static double round_half_even(double value)
{
    double below = floor(value), rest = value - below;
    if (rest > 0.5 || (rest == 0.5 && fmod(below, 2) != 0))
        below += 1;
    return below;
}

/* A side of the resized picture. */
static uint32_t side_of(double value, uint32_t most)
{
    return value < 1 ? 1 : value > most ? most : (uint32_t)value;
}

static void fit_stretch(const struct fit_rule *rule, uint32_t from_width,
                        uint32_t from_height, struct fit *fit)
{
    fit->inner_width = rule->width;
    fit->inner_height = rule->height;
    fit->scale_x = (double)rule->width / from_width;
    fit->scale_y = (double)rule->height / from_height;
}

static double smaller_ratio(const struct fit_rule *rule, uint32_t from_width,
                            uint32_t from_height)
{
    double across = (double)rule->width / from_width;
    double down = (double)rule->height / from_height;
    return across < down ? across : down;
}

static void fit_keeping_aspect(const struct fit_rule *rule, uint32_t from_width,
                               uint32_t from_height, struct fit *fit)
{
    double ratio = smaller_ratio(rule, from_width, from_height);
    if (rule->never_enlarge && ratio > 1)
        ratio = 1;
    fit->scale_x = fit->scale_y = ratio;
    fit->inner_width = side_of(round_half_even(from_width * ratio), rule->width);
    fit->inner_height = side_of(round_half_even(from_height * ratio), rule->height);
}

static void fit_letterbox(const struct fit_rule *rule, uint32_t from_width,
                          uint32_t from_height, struct fit *fit)
{
    fit_keeping_aspect(rule, from_width, from_height, fit);
    uint32_t across = rule->width - fit->inner_width;
    uint32_t down = rule->height - fit->inner_height;
    if (rule->multiple) {
        across %= rule->multiple;
        down %= rule->multiple;
        fit->width = fit->inner_width + across;
        fit->height = fit->inner_height + down;
    }
    /* round(half - 0.1): half of an even rest, less than half of an odd one. */
    fit->left = across / 2;
    fit->top = down / 2;
    fit->offset_x = fit->left;
    fit->offset_y = fit->top;
    if (rule->kind == FIT_LETTERBOX_YOLOV5) {
        fit->offset_x = (fit->width - from_width * fit->scale_x) / 2;
        fit->offset_y = (fit->height - from_height * fit->scale_y) / 2;
    }
}

static void fit_darknet(const struct fit_rule *rule, uint32_t from_width,
                        uint32_t from_height, struct fit *fit)
{
    bool is_tall = (float)rule->width / (float)from_width >=
                   (float)rule->height / (float)from_height;
    uint64_t width = rule->width, height = rule->height;
    if (is_tall)
        width = (uint64_t)from_width * height / from_height;
    else
        height = (uint64_t)from_height * width / from_width;
    fit->inner_width = side_of((double)width, rule->width);
    fit->inner_height = side_of((double)height, rule->height);
    fit->left = (rule->width - fit->inner_width) / 2;
    fit->top = (rule->height - fit->inner_height) / 2;
    fit->offset_x = (rule->width - fit->inner_width) / 2.0;
    fit->offset_y = (rule->height - fit->inner_height) / 2.0;
    fit->scale_x = (double)fit->inner_width / from_width;
    fit->scale_y = (double)fit->inner_height / from_height;
}

static uint32_t round_up(uint32_t side, uint32_t multiple)
{
    return multiple ? (side + multiple - 1) / multiple * multiple : side;
}

static bool is_side(uint32_t side)
{
    return side >= 1 && side <= FIT_SIDE_MAX;
}

enum error_code fit_plan(const struct fit_rule *rule, uint32_t from_width,
                         uint32_t from_height, struct fit *fit, struct error *error)
{
    if (!is_side(rule->width) || !is_side(rule->height) || !is_side(from_width) ||
        !is_side(from_height) || rule->multiple > FIT_SIDE_MAX)
        return error_set(
            error, ERROR_CONFIG,
            "cannot fit a picture of %u by %u pixels into an input of %u by %u: "
            "sides are from 1 to %d",
            from_width, from_height, rule->width, rule->height, FIT_SIDE_MAX);
    *fit = (struct fit){.width = rule->width, .height = rule->height};
    switch (rule->kind) {
    case FIT_STRETCH:
        fit_stretch(rule, from_width, from_height, fit);
        break;
    case FIT_LETTERBOX:
    case FIT_LETTERBOX_YOLOV5:
        fit_letterbox(rule, from_width, from_height, fit);
        break;
    case FIT_LETTERBOX_DARKNET:
        fit_darknet(rule, from_width, from_height, fit);
        break;
    case FIT_CENTER:
        fit_keeping_aspect(rule, from_width, from_height, fit);
        fit->left = (rule->width - fit->inner_width) / 2;
        fit->top = (rule->height - fit->inner_height) / 2;
        fit->offset_x = fit->left;
        fit->offset_y = fit->top;
        break;
    case FIT_CORNER:
        fit_keeping_aspect(rule, from_width, from_height, fit);
        fit->width = round_up(rule->width, rule->multiple);
        fit->height = round_up(rule->height, rule->multiple);
        break;
    }
    return OK;
}

enum error_code fit_plan_shortest(uint32_t shortest, uint32_t longest, uint32_t multiple,
                                  uint32_t from_width, uint32_t from_height,
                                  struct fit *fit, struct error *error)
{
    if (!is_side(from_width) || !is_side(from_height) || !is_side(shortest) ||
        !is_side(longest) || multiple > FIT_SIDE_MAX)
        return error_set(
            error, ERROR_CONFIG,
            "cannot fit a picture of %u by %u pixels: sides are from 1 to %d", from_width,
            from_height, FIT_SIDE_MAX);
    double less = from_width < from_height ? from_width : from_height;
    double more = from_width < from_height ? from_height : from_width;
    double scale = shortest / less, width = from_width * scale,
           height = from_height * scale;
    if (from_width < from_height)
        width = shortest;
    else
        height = shortest;
    if (more * scale > longest) {
        double shrink = longest / (width > height ? width : height);
        width *= shrink;
        height *= shrink;
    }
    *fit = (struct fit){0};
    fit->inner_width = side_of(floor(width + 0.5), FIT_SIDE_MAX);
    fit->inner_height = side_of(floor(height + 0.5), FIT_SIDE_MAX);
    fit->width = round_up(fit->inner_width, multiple);
    fit->height = round_up(fit->inner_height, multiple);
    fit->scale_x = (double)fit->inner_width / from_width;
    fit->scale_y = (double)fit->inner_height / from_height;
    return OK;
}

/* ---- back ---- */

static double invert(double value, double offset, double scale, double view_scale,
                     double origin)
{
    return (value - offset) / scale / view_scale + origin;
}

static float clip(double value, uint32_t most)
{
    return (float)(value < 0 ? 0 : value > most ? most : value);
}

size_t fit_invert(const struct fit *fit, const struct fit_view *view,
                  struct detection *boxes, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct detection box = boxes[i];
        box.x1 = clip(invert(box.x1, fit->offset_x, fit->scale_x, view->scale_x, view->x),
                      view->width);
        box.y1 = clip(invert(box.y1, fit->offset_y, fit->scale_y, view->scale_y, view->y),
                      view->height);
        box.x2 = clip(invert(box.x2, fit->offset_x, fit->scale_x, view->scale_x, view->x),
                      view->width);
        box.y2 = clip(invert(box.y2, fit->offset_y, fit->scale_y, view->scale_y, view->y),
                      view->height);
        if (box.x1 < box.x2 && box.y1 < box.y2)
            boxes[kept++] = box;
    }
    return kept;
}

void fit_invert_points(const struct fit *fit, const struct fit_view *view, float *points,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        points[2 * i] = (float)invert(points[2 * i], fit->offset_x, fit->scale_x,
                                      view->scale_x, view->x);
        points[2 * i + 1] = (float)invert(points[2 * i + 1], fit->offset_y, fit->scale_y,
                                          view->scale_y, view->y);
    }
}
