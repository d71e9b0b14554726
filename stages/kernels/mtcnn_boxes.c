/* mtcnn_boxes.c - the steps of MTCNN between its three networks */
#include "stages/kernels/mtcnn_boxes.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/head_parts.h"

size_t mtcnn_scales(uint32_t width, uint32_t height, double min_face, double factor,
                    double scales[MTCNN_SCALES_MAX])
{
    size_t count = 0;
    double scale = MTCNN_CELL / min_face;
    double least = (width < height ? width : height) * scale;
    for (; least >= MTCNN_CELL && count < MTCNN_SCALES_MAX; least *= factor) {
        scales[count++] = scale;
        scale *= factor;
    }
    return count;
}

uint32_t mtcnn_scaled_side(uint32_t side, double scale)
{
    return (uint32_t)(side * scale + 1);
}

/* ---- tensors ---- */

/* Is it (rows, channels, ...) of this rank, with all its numbers there? rows, height, width:
 * 0 for any. */
static enum error_code check_shape(const struct head_tensor *tensor, size_t rank,
                                   int64_t channels, const char *wanted,
                                   struct error *error)
{
    uint64_t count = 1;
    bool is_right = tensor->rank == rank && tensor->dims[1] == channels && tensor->values;
    for (size_t i = 0; is_right && i < rank; i++) {
        is_right =
            tensor->dims[i] >= 0 && tensor->dims[i] <= INT32_MAX &&
            (tensor->dims[i] == 0 || count <= UINT32_MAX / (uint64_t)tensor->dims[i]);
        count *= is_right ? (uint64_t)tensor->dims[i] : 0;
    }
    if (is_right && count == tensor->count)
        return OK;
    return head_wrong_shape(tensor, wanted, error);
}

static enum error_code check_chance(float chance, const struct head_tensor *tensor,
                                    size_t place, struct error *error)
{
    if (chance >= 0 && chance <= 1.001F)
        return OK;
    if (!isfinite(chance))
        return head_bad_number(tensor->name, place, error);
    return error_set(error, ERROR_RECORD,
                     "output \"%s\" of the model: %g at place %zu is no probability",
                     tensor->name, (double)chance, place);
}

static bool are_finite(const float *values, size_t count, float limit)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) <= limit))
            return false;
    return true;
}

/* ---- step 1 ---- */

static bool append(struct mtcnn_boxes *boxes, const struct mtcnn_box *box)
{
    if (boxes->count == boxes->capacity) {
        size_t more = boxes->capacity ? 2 * boxes->capacity : 64;
        struct mtcnn_box *grown = ARENA_RAW(boxes->arena, struct mtcnn_box, more);
        if (!grown)
            return false;
        if (boxes->count)
            memcpy(grown, boxes->items, boxes->count * sizeof *grown);
        boxes->items = grown;
        boxes->capacity = more;
    }
    boxes->items[boxes->count++] = *box;
    return true;
}

/* Far beyond what a network gives; keeps edges finite. */
static const float SHIFT_MAX = 1e4F;

static enum error_code add_cell(const struct head_map *faces,
                                const struct head_map *moves, size_t cell,
                                size_t first_row, double scale, struct mtcnn_boxes *found,
                                struct error *error)
{
    size_t column = cell % faces->width, row = first_row + cell / faces->width;
    double x = MTCNN_STRIDE * (double)column, y = MTCNN_STRIDE * (double)row;
    struct mtcnn_box box = {.x1 = (float)floor((x + 1) / scale),
                            .y1 = (float)floor((y + 1) / scale),
                            .x2 = (float)floor((x + MTCNN_CELL) / scale),
                            .y2 = (float)floor((y + MTCNN_CELL) / scale),
                            .score = head_map_at(faces, cell, 0)};
    for (size_t i = 0; i < 4; i++)
        box.shifts[i] = head_map_at(moves, cell, i);
    if (!are_finite(box.shifts, 4, SHIFT_MAX))
        return head_bad_number(moves->name, cell, error);
    if (!append(found, &box))
        return error_set(error, ERROR_MEMORY, "no memory for the model's boxes");
    return OK;
}

enum error_code mtcnn_find_cells(const struct head_tensor *chances,
                                 const struct head_tensor *shifts, size_t item,
                                 size_t first_row, double scale, float threshold,
                                 struct mtcnn_boxes *found, struct error *error)
{
    size_t before = found->count;
    enum error_code code = check_shape(chances, 4, 2, "(batch, 2, height, width)", error);
    if (!code)
        code = check_shape(shifts, 4, 4, "(batch, 4, height, width)", error);
    if (code)
        return code;
    if (chances->dims[0] != shifts->dims[0] || chances->dims[2] != shifts->dims[2] ||
        chances->dims[3] != shifts->dims[3] || (uint64_t)chances->dims[0] <= item)
        return head_wrong_shape(shifts, "the size of the chances", error);
    struct head_input input = {.item = item};
    struct head_map all = head_map_image(&input, chances, false);
    struct head_map faces = head_map_slice(&all, 1, 1);
    struct head_map moves = head_map_image(&input, shifts, false);
    for (size_t cell = 0; cell < faces.cells && !code; cell++) {
        float chance = head_map_at(&faces, cell, 0);
        if (chance < threshold)
            continue;
        code = check_chance(chance, chances, cell, error);
        if (!code)
            code = add_cell(&faces, &moves, cell, first_row, scale, found, error);
    }
    if (code)
        found->count = before;
    return code;
}

/* ---- steps 2 and 3 ---- */

/* Numbers of a row: x of all points, then y. */
static const size_t POINT_NUMBERS = (size_t)2 * MTCNN_POINTS;

static void take_points(struct mtcnn_box *box, const float *points)
{
    float width = box->x2 - box->x1 + 1, height = box->y2 - box->y1 + 1;
    for (size_t i = 0; i < MTCNN_POINTS; i++) {
        box->points[2 * i] = width * points[i] + box->x1 - 1;
        box->points[2 * i + 1] = height * points[MTCNN_POINTS + i] + box->y1 - 1;
    }
}

static enum error_code check_rows(const struct head_tensor *chances,
                                  const struct head_tensor *shifts,
                                  const struct head_tensor *points, float threshold,
                                  size_t count, struct error *error)
{
    enum error_code code = check_shape(chances, 2, 2, "(boxes, 2)", error);
    if (!code)
        code = check_shape(shifts, 2, 4, "(boxes, 4)", error);
    if (!code && points)
        code = check_shape(points, 2, (int64_t)POINT_NUMBERS, "(boxes, 10)", error);
    if (!code && (uint64_t)chances->dims[0] != count)
        code = head_wrong_shape(chances, "one row for each box", error);
    if (!code && (uint64_t)shifts->dims[0] != count)
        code = head_wrong_shape(shifts, "one row for each box", error);
    if (!code && points && (uint64_t)points->dims[0] != count)
        code = head_wrong_shape(points, "one row for each box", error);
    for (size_t i = 0; i < count && !code; i++) {
        float chance = chances->values[2 * i + 1];
        if (chance <= threshold)
            continue;
        code = check_chance(chance, chances, i, error);
        if (!code && !are_finite(shifts->values + 4 * i, 4, SHIFT_MAX))
            code = head_bad_number(shifts->name, i, error);
        if (!code && points &&
            !are_finite(points->values + POINT_NUMBERS * i, POINT_NUMBERS, SHIFT_MAX))
            code = head_bad_number(points->name, i, error);
    }
    return code;
}

enum error_code mtcnn_keep_boxes(const struct head_tensor *chances,
                                 const struct head_tensor *shifts,
                                 const struct head_tensor *points, float threshold,
                                 struct mtcnn_boxes *boxes, struct error *error)
{
    enum error_code code =
        check_rows(chances, shifts, points, threshold, boxes->count, error);
    if (code)
        return code;
    size_t kept = 0;
    for (size_t i = 0; i < boxes->count; i++) {
        struct mtcnn_box box = boxes->items[i];
        box.score = chances->values[2 * i + 1];
        if (!(box.score > threshold))
            continue;
        memcpy(box.shifts, shifts->values + 4 * i, sizeof box.shifts);
        if (points)
            take_points(&box, points->values + POINT_NUMBERS * i);
        boxes->items[kept++] = box;
    }
    boxes->count = kept;
    return OK;
}

void mtcnn_shift_edges(struct mtcnn_box *box, enum mtcnn_width width)
{
    float more = width == MTCNN_WIDTH_INCLUSIVE ? 1 : 0;
    float w = box->x2 - box->x1 + more, h = box->y2 - box->y1 + more;
    box->x1 += box->shifts[0] * w;
    box->y1 += box->shifts[1] * h;
    box->x2 += box->shifts[2] * w;
    box->y2 += box->shifts[3] * h;
}

void mtcnn_make_square(struct mtcnn_box *box)
{
    float w = box->x2 - box->x1, h = box->y2 - box->y1;
    float side = w > h ? w : h;
    box->x1 = box->x1 + w * 0.5F - side * 0.5F;
    box->y1 = box->y1 + h * 0.5F - side * 0.5F;
    box->x2 = box->x1 + side;
    box->y2 = box->y1 + side;
}

/* A number from 1 as a border from 0: `value` truncated, from `least` to `most`. */
static uint32_t border(float value, uint32_t least, uint32_t most)
{
    if (!(value >= (float)least))
        return least;
    return value >= (float)most ? most : (uint32_t)value;
}

bool mtcnn_crop_of(const struct mtcnn_box *box, uint32_t width, uint32_t height,
                   struct mtcnn_crop *crop)
{
    uint32_t left = border(box->x1, 1, UINT32_MAX / 2) - 1;
    uint32_t top = border(box->y1, 1, UINT32_MAX / 2) - 1;
    uint32_t right = border(box->x2, 0, width), bottom = border(box->y2, 0, height);
    if (right <= left || bottom <= top)
        return false;
    *crop = (struct mtcnn_crop){left, top, right - left, bottom - top};
    return true;
}

static float clip(float value, uint32_t most)
{
    return value < 0 ? 0 : value > (float)most ? (float)most : value;
}

struct detection mtcnn_detection(const struct mtcnn_box *box, uint32_t width,
                                 uint32_t height)
{
    return (struct detection){clip(box->x1 - 1, width),
                              clip(box->y1 - 1, height),
                              clip(box->x2, width),
                              clip(box->y2, height),
                              box->score,
                              0};
}
