/* box_tiles.c - where tiles lie, and which boxes of a tile or a scale count */
#include "stages/kernels/box_tiles.h"

#include <assert.h>

bool tile_rule_set(uint32_t width, uint32_t height, double ratio_x, double ratio_y,
                   struct tile_rule *rule)
{
    if (width == 0 || height == 0 || !(ratio_x >= 0 && ratio_x < 1) ||
        !(ratio_y >= 0 && ratio_y < 1))
        return false;
    *rule = (struct tile_rule){.width = width,
                               .height = height,
                               .overlap_x = (uint32_t)(ratio_x * (double)width),
                               .overlap_y = (uint32_t)(ratio_y * (double)height)};
    return true;
}

/* The greatest n with 2^n < pixels; 0 for less than two. */
static unsigned magnitude(uint64_t pixels)
{
    unsigned n = 0;
    while (n < 63 && (uint64_t)1 << (n + 1) < pixels)
        n++;
    return n;
}

void tile_rule_choose(uint32_t image_width, uint32_t image_height, struct tile_rule *rule)
{
    unsigned n = magnitude((uint64_t)image_width * image_height);
    uint32_t parts = n <= 20 ? 1 : n <= 23 ? 2 : 4;
    double ratio = n <= 18 ? 1 : n <= 20 ? 0.8 : 0.4;
    uint32_t columns = parts, rows = parts;
    if (n > 18 && image_width > image_height)
        columns *= 2;
    if (n > 18 && image_width < image_height)
        rows *= 2;
    rule->width = image_width / columns;
    rule->height = image_height / rows;
    rule->width += rule->width == 0;
    rule->height += rule->height == 0;
    rule->overlap_x = (uint32_t)(ratio * (double)rule->width);
    rule->overlap_y = (uint32_t)(ratio * (double)rule->height);
}

void tile_walk_begin(struct tile_walk *walk, const struct tile_rule *rule,
                     uint32_t image_width, uint32_t image_height)
{
    assert(rule->width > 0 && rule->height > 0);
    *walk = (struct tile_walk){.rule = *rule,
                               .image_width = image_width,
                               .image_height = image_height,
                               .is_done = image_width == 0 || image_height == 0};
}

/* Where a tile that would begin at `at` does, and where it ends. */
static void fit(uint64_t at, uint32_t size, uint32_t whole, uint32_t *begin,
                uint32_t *end)
{
    *end = at + size > whole ? whole : (uint32_t)at + size;
    *begin = *end > size ? *end - size : 0;
}

bool tile_walk_next(struct tile_walk *walk, struct tile *tile)
{
    const struct tile_rule *rule = &walk->rule;
    if (walk->is_done)
        return false;
    fit(walk->x, rule->width, walk->image_width, &tile->x1, &tile->x2);
    fit(walk->y, rule->height, walk->image_height, &tile->y1, &tile->y2);
    if (tile->x2 < walk->image_width) {
        assert(rule->overlap_x < rule->width);
        walk->x += rule->width - rule->overlap_x;
        return true;
    }
    walk->x = 0;
    walk->is_done = tile->y2 >= walk->image_height;
    if (!walk->is_done) {
        assert(rule->overlap_y < rule->height);
        walk->y += rule->height - rule->overlap_y;
    }
    return true;
}

bool box_is_cut(const struct box *box, const struct tile *tile, uint32_t image_width,
                uint32_t image_height, float margin)
{
    return (tile->x1 > 0 && box->x1 - (float)tile->x1 < margin) ||
           (tile->y1 > 0 && box->y1 - (float)tile->y1 < margin) ||
           (tile->x2 < image_width && (float)tile->x2 - box->x2 < margin) ||
           (tile->y2 < image_height && (float)tile->y2 - box->y2 < margin);
}

bool box_is_in_range(const struct box *box, double least, double most)
{
    double area =
        ((double)box->x2 - (double)box->x1) * ((double)box->y2 - (double)box->y1);
    return (!(least > 0) || area > least * least) && (!(most > 0) || area <= most * most);
}
