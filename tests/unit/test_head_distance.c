/* test_head_distance.c - heads that give distances, against plain loops and by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/head_fixture.h"

static void yolov8_reads_both_directions_of_an_export(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    for (int is_rows = 0; is_rows < 2; is_rows++) {
        fixture_begin(&f, 64, 32); /* 8 * 4 + 4 * 2 + 2 * 1 = 42 places */
        float *values =
            is_rows ? ADD(&f, "output0", 1, 42, 7) : ADD(&f, "output0", 1, 7, 42);
        const float row[] = {20, 10, 8, 6, 0.3F, 0.7F, 0.7F};
        for (size_t i = 0; i < 7; i++)
            values[is_rows ? 41 * 7 + i : i * 42 + 41] = row[i];
        assert_int_equal(fixture_decode(&f, "yolov8", NULL, 0.25F), OK);
        assert_int_equal(f.found.count, 1);
        assert_box(&f.found.items[0], 16, 7, 24, 13, 0.7, 1);
        user.classes = HEAD_ALL_CLASSES;
        assert_int_equal(fixture_decode(&f, "yolov8", &user, 0.25F), OK);
        assert_int_equal(f.found.count, 3);
        assert_box(&f.found.items[2], 16, 7, 24, 13, 0.7, 2);
        assert_int_equal(fixture_decode(&f, "yolov8", &user, 0.7F), OK);
        assert_int_equal(f.found.count, 0); /* above, not equal */
        fixture_end(&f);
    }
}

/* Two bins as likely as each other, all others without a chance: the mean of both. */
static void yolov8_integrates_distributions(void **state)
{
    static const size_t low[4] = {0, 2, 5, 14};
    struct fixture f;
    (void)state;
    fixture_begin(&f, 64, 64);
    for (int64_t stride = 8; stride <= 32; stride *= 2) {
        float *level = ADD(&f, "level", 1, 64 + 2, 64 / stride, 64 / stride);
        for (size_t i = 0; i < f.outputs[f.input.output_count - 1].count; i++)
            level[i] = -60;
    }
    float *level = f.values[1]; /* 4 by 4 cells of 16 pixels */
    for (size_t side = 0; side < 4; side++)
        level[(side * 16 + low[side]) * 16 + 9] =
            level[(side * 16 + low[side] + 1) * 16 + 9] = 1;
    level[65 * 16 + 9] = (float)log(9);
    assert_int_equal(fixture_decode(&f, "yolov8", NULL, 0.25F), OK);
    assert_int_equal(f.found.count, 1);
    /* cell 9: column 1, row 2: middle at 24, 40; distances 0.5, 2.5, 5.5, 14.5 cells */
    assert_box(&f.found.items[0], 24 - 8, 40 - 40, 24 + 88, 40 + 232, 0.9, 1);
    fixture_end(&f);
}

static double plain_mean(const float *values, size_t step, size_t bins)
{
    double sum = 0, weighted = 0;
    for (size_t i = 0; i < bins; i++) {
        sum += exp((double)values[i * step]);
        weighted += exp((double)values[i * step]) * (double)i;
    }
    return weighted / sum;
}

static void yolov8_levels_are_as_a_plain_loop_has_them(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    size_t at = 0;
    (void)state;
    fixture_begin(&f, 96, 64);
    for (int64_t i = 0; i < 3; i++) {
        (void)ADD(&f, "level", 1, 64 + 3, 64 / (8 << i), 96 / (8 << i));
        fixture_fill(&f, (size_t)i, -4, 4);
    }
    user.classes = HEAD_ALL_CLASSES;
    assert_int_equal(fixture_decode(&f, "yolov8", &user, 0.3F), OK);
    for (size_t level = 0; level < 3; level++) {
        size_t stride = (size_t)8 << level, w = 96 / stride, cells = w * (64 / stride);
        for (size_t cell = 0; cell < cells; cell++)
            for (size_t c = 0; c < 3; c++) {
                size_t column = cell % w, row = cell / w;
                const float *values = f.values[level] + cell;
                double d[4], score = plain_sigmoid(values[(64 + c) * cells]);
                if (score <= 0.3F)
                    continue;
                for (size_t k = 0; k < 4; k++)
                    d[k] =
                        plain_mean(values + k * 16 * cells, cells, 16) * (double)stride;
                double x = ((double)column + 0.5) * (double)stride;
                double y = ((double)row + 0.5) * (double)stride;
                assert_true(at < f.found.count);
                assert_box(&f.found.items[at++], x - d[0], y - d[1], x + d[2], y + d[3],
                           score, (double)c);
            }
    }
    assert_int_equal(at, f.found.count);
    fixture_end(&f);
}

static void end_to_end_rows_are_boxes(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 640, 640);
    float *rows = ADD(&f, "output0", 1, 300, 6);
    const float row[] = {1, 2, 30, 40, 0.5F, 17};
    memcpy(rows, row, sizeof row);
    memcpy(rows + 299 * 6, row, sizeof row);
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.25F), OK);
    assert_int_equal(f.found.count, 2);
    assert_box(&f.found.items[1], 1, 2, 30, 40, 0.5, 17);
    rows[5] = 1.5F;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.25F), ERROR_RECORD);
    rows[5] = NAN;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.25F), ERROR_RECORD);
    rows[5] = 17;
    rows[4] = 3;
    assert_int_equal(fixture_decode(&f, "end_to_end", NULL, 0.25F), ERROR_RECORD);
    assert_non_null(strstr(f.error.text, "logits"));
    fixture_end(&f);
}

/* ---- FCOS ---- */

static void add_fcos(struct fixture *f, int64_t width, int64_t height, int64_t classes)
{
    static const char *const names[] = {"bbox_pred", "cls_logits", "centerness"};
    const int64_t channels[] = {4, classes, 1};
    for (size_t part = 0; part < 3; part++)
        for (int64_t stride = 8; stride <= 128; stride *= 2) {
            float *values =
                ADD(f, names[part], 1, channels[part], (height + stride - 1) / stride,
                    (width + stride - 1) / stride);
            for (size_t i = 0; i < f->outputs[f->input.output_count - 1].count; i++)
                values[i] = part == 1 ? -30 : 0;
        }
}

static void fcos_ranks_by_centres_and_roots_the_product(void **state)
{
    struct fixture f;
    struct head_options user = NOTHING_SAID;
    (void)state;
    fixture_begin(&f, 160, 96); /* level 1: 10 by 6 cells of 16 pixels */
    add_fcos(&f, 160, 96, 2);
    float *edges = f.values[1], *classes = f.values[6], *centres = f.values[11];
    for (size_t i = 0; i < 4; i++)
        edges[i * 60 + 23] = (float)i - 1; /* -1 becomes 0 */
    classes[60 + 23] = (float)log(4);      /* 0.8 */
    centres[23] = (float)log(0.25);        /* 0.2 */
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0.3F), OK);
    assert_int_equal(f.found.count, 1);
    /* cell 23: column 3, row 2: at 3 * 16 + 8, 2 * 16 + 8 */
    assert_box(&f.found.items[0], 56, 40, 56 + 16, 40 + 32, 0.4, 1);
    user.distances = HEAD_DISTANCES_EXP;
    assert_int_equal(fixture_decode(&f, "fcos", &user, 0.3F), OK);
    assert_box(&f.found.items[0], 56 - exp(-1), 40 - 1, 56 + exp(1), 40 + exp(2), 0.4, 1);
    /* the class alone must be above 0.05, whatever its centre-ness */
    classes[60 + 23] = (float)log(0.05 / 0.95) - 0.001F;
    centres[23] = 30;
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0), OK);
    assert_int_equal(f.found.count, 0);
    classes[60 + 23] += 0.002F;
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0), OK);
    assert_int_equal(f.found.count, 1);
    /* of each level the best */
    classes[5] = classes[60 + 7] = 0;
    user.top = 2;
    assert_int_equal(fixture_decode(&f, "fcos", &user, 0), OK);
    assert_int_equal(f.found.count, 2);
    assert_true(f.found.items[0].class == 0 && f.found.items[1].class == 1);
    assert_true(f.found.items[0].score == 0.5F && f.found.items[1].score == 0.5F);
    fixture_end(&f);
}

static void fcos_of_one_class_is_told_by_names(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 128, 128);
    add_fcos(&f, 128, 128, 1);
    f.values[5][0] = f.values[10][0] = 0;
    f.values[0][2 * 256] = f.values[0][3 * 256] = 2;
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0.4F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], 4, 4, 20, 20, 0.5, 0);
    f.values[10][0] = NAN;
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0.4F), ERROR_RECORD);
    f.outputs[5].name = "a"; /* two outputs of one channel */
    assert_int_equal(fixture_decode(&f, "fcos", NULL, 0.4F), ERROR_CONFIG);
    fixture_end(&f);
}

/* ---- NanoDet ---- */

/* The first version has its places in the middles of cells, Plus at their corners. */
static void check_nanodet(bool is_plus)
{
    enum { CLASSES = 5 };
    size_t levels = is_plus ? 4 : 3, bins = is_plus ? 8 : 11, at = 0, before = 0;
    size_t each = CLASSES + 4 * bins;
    struct fixture f;
    fixture_begin(&f, 100, 70); /* sides that no stride divides */
    for (size_t i = 0; i < levels && !is_plus; i++) {
        int64_t stride = 8 << i;
        int64_t cells = ((100 + stride - 1) / stride) * ((70 + stride - 1) / stride);
        (void)ADD(&f, "dis", 1, cells, (int64_t)(4 * bins));
        (void)ADD(&f, "cls", 1, cells, CLASSES);
        fixture_fill(&f, 2 * i, -5, 5);
        fixture_fill(&f, 2 * i + 1, 0, 1);
    }
    if (is_plus) {
        (void)ADD(&f, "output", 1, 13 * 9 + 7 * 5 + 4 * 3 + 2 * 2, (int64_t)each);
        fixture_fill(&f, 0, 0, 1);
    }
    assert_int_equal(fixture_decode(&f, is_plus ? "nanodet_plus" : "nanodet", NULL, 0.6F),
                     OK);
    for (size_t level = 0; level < levels; level++) {
        size_t stride = (size_t)8 << level, w = (100 + stride - 1) / stride;
        size_t h = (70 + stride - 1) / stride;
        for (size_t cell = 0; cell < w * h; cell++)
            for (size_t c = 0; c < CLASSES; c++) {
                size_t column = cell % w, row = cell / w;
                const float *scores = is_plus ? f.values[0] + (before + cell) * each
                                              : f.values[2 * level + 1] + cell * CLASSES;
                const float *spread =
                    is_plus ? scores + CLASSES : f.values[2 * level] + cell * 4 * bins;
                double d[4], half = is_plus ? 0 : 0.5;
                if (scores[c] <= 0.6F)
                    continue;
                for (size_t k = 0; k < 4; k++)
                    d[k] = plain_mean(spread + k * bins, 1, bins) * (double)stride;
                double x = ((double)column + half) * (double)stride;
                double y = ((double)row + half) * (double)stride;
                assert_true(at < f.found.count);
                assert_box(&f.found.items[at++], fmin(fmax(x - d[0], 0), 100),
                           fmin(fmax(y - d[1], 0), 70), fmin(fmax(x + d[2], 0), 100),
                           fmin(fmax(y + d[3], 0), 70), scores[c], (double)c);
            }
        before += w * h;
    }
    assert_int_equal(at, f.found.count);
    fixture_end(&f);
}

static void nanodet_is_as_a_plain_loop_has_it(void **state)
{
    (void)state;
    check_nanodet(false);
    check_nanodet(true);
}

/* 32 classes are as many numbers as 4 * 8 bins: names decide. */
static void nanodet_of_equal_widths_is_told_by_names(void **state)
{
    struct fixture f;
    (void)state;
    fixture_begin(&f, 32, 32);
    for (int64_t stride = 8; stride <= 32; stride *= 2) {
        (void)ADD(&f, "cls_pred", 1, 1024 / stride / stride, 32);
        (void)ADD(&f, "dis_pred", 1, 1024 / stride / stride, 32);
    }
    f.values[4][31] = 0.75F; /* one cell of 32: middle at 16; all bins alike: 3.5 cells */
    assert_int_equal(fixture_decode(&f, "nanodet", NULL, 0.4F), OK);
    assert_int_equal(f.found.count, 1);
    assert_box(&f.found.items[0], 0, 0, 32, 32, 0.75, 31);
    f.values[5][7] = INFINITY;
    assert_int_equal(fixture_decode(&f, "nanodet", NULL, 0.4F), ERROR_RECORD);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolov8_reads_both_directions_of_an_export),
        cmocka_unit_test(yolov8_integrates_distributions),
        cmocka_unit_test(yolov8_levels_are_as_a_plain_loop_has_them),
        cmocka_unit_test(end_to_end_rows_are_boxes),
        cmocka_unit_test(fcos_ranks_by_centres_and_roots_the_product),
        cmocka_unit_test(fcos_of_one_class_is_told_by_names),
        cmocka_unit_test(nanodet_is_as_a_plain_loop_has_it),
        cmocka_unit_test(nanodet_of_equal_widths_is_told_by_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
