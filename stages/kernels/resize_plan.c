/* resize_plan.c - which size a picture gets, and what of it is kept */
#include "stages/kernels/resize_plan.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static uint32_t round_side(double side)
{
    return side < 1 ? 1 : side > 2147483647.0 ? 2147483647u : (uint32_t)(side + 0.5);
}

/* side * to / from, half up, in whole numbers. */
static uint32_t in_proportion(uint32_t side, uint32_t to, uint32_t from)
{
    uint64_t value = ((uint64_t)side * to * 2 + from) / ((uint64_t)from * 2);
    return value < 1 ? 1 : value > INT32_MAX ? INT32_MAX : (uint32_t)value;
}

static struct resize_plan whole(uint32_t width, uint32_t height)
{
    return (struct resize_plan){
        .width = width, .height = height, .out_width = width, .out_height = height};
}

/* The shape kept, by the side that is the tighter one, or the looser one. */
static struct resize_plan keep_shape(uint32_t width, uint32_t height, uint32_t to_width,
                                     uint32_t to_height, bool is_tight)
{
    bool is_by_width =
        ((uint64_t)to_width * height <= (uint64_t)to_height * width) == is_tight;
    return is_by_width ? whole(to_width, in_proportion(height, to_width, width))
                       : whole(in_proportion(width, to_height, height), to_height);
}

struct resize_plan resize_plan_of(uint32_t width, uint32_t height,
                                  const struct resize_wish *wish)
{
    if (wish->scale > 0)
        return whole(round_side(width * wish->scale), round_side(height * wish->scale));
    uint32_t to_width = wish->width, to_height = wish->height;
    if (to_width == 0)
        to_width = in_proportion(width, to_height, height);
    if (to_height == 0)
        to_height = in_proportion(height, to_width, width);
    bool is_small = wish->fit == RESIZE_COVER ? width <= to_width || height <= to_height
                                              : width <= to_width && height <= to_height;
    struct resize_plan plan =
        wish->fit == RESIZE_STRETCH
            ? whole(to_width, to_height)
            : keep_shape(width, height, to_width, to_height, wish->fit != RESIZE_COVER);
    if (is_small && !wish->enlarges)
        plan = whole(width, height);
    if (wish->fit == RESIZE_COVER) {
        plan.out_width = plan.width < to_width ? plan.width : to_width;
        plan.out_height = plan.height < to_height ? plan.height : to_height;
        plan.cut_x = (plan.width - plan.out_width) / 2;
        plan.cut_y = (plan.height - plan.out_height) / 2;
    } else if (wish->fit == RESIZE_PAD) {
        plan.out_width = plan.width > to_width ? plan.width : to_width;
        plan.out_height = plan.height > to_height ? plan.height : to_height;
        plan.pad_x = (plan.out_width - plan.width) / 2;
        plan.pad_y = (plan.out_height - plan.height) / 2;
    }
    return plan;
}

enum error_code resize_check_memory(const struct resize_plan *plan, uint64_t memory,
                                    struct image_fault *fault)
{
    uint64_t pixels = (uint64_t)plan->width * plan->height;
    uint64_t out = (uint64_t)plan->out_width * plan->out_height;
    uint64_t needed = 3 * (2 * pixels + out);
    if (needed <= memory)
        return OK;
    fault->reason = "needs_memory";
    (void)snprintf(fault->detail, sizeof fault->detail,
                   "a picture of %u by %u pixels takes %llu MiB, memory is %llu MiB",
                   (unsigned)plan->width, (unsigned)plan->height,
                   (unsigned long long)(needed >> 20),
                   (unsigned long long)(memory >> 20));
    return ERROR_RECORD;
}

void resize_frame(const struct resize_plan *plan, const unsigned char *resized,
                  const unsigned char background[3], unsigned char *out)
{
    size_t out_row = (size_t)plan->out_width * 3;
    for (size_t i = 0; i < (size_t)plan->out_width * plan->out_height; i++)
        memcpy(out + 3 * i, background, 3);
    uint32_t rows = plan->height < plan->out_height ? plan->height : plan->out_height;
    uint32_t columns = plan->width < plan->out_width ? plan->width : plan->out_width;
    for (size_t y = 0; y < rows; y++)
        memcpy(out + (plan->pad_y + y) * out_row + (size_t)plan->pad_x * 3,
               resized + ((plan->cut_y + y) * plan->width + plan->cut_x) * 3,
               (size_t)columns * 3);
}
