/* test_score_scan.c - scores above a bound, every variant against a plain loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stages/kernels/score_scan.h"

/* Scores stand at the end of their memory, so that ASan sees a read behind them. */
static void all_variants_find_the_same(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.5F, -0.0F, 0.50000006F};
    struct score_scan scans[SCORE_SCANS_MAX];
    size_t variants = score_scan_list(scans);
    (void)state;
    srand(1);
    assert_string_equal(scans[variants - 1].name, "plain");
    for (size_t count = 0; count <= SCORE_SCAN_BLOCK; count += count < 200 ? 1 : 103) {
        float *scores = malloc(count * sizeof *scores + 1);
        assert_non_null(scores);
        int one_in = 1 + rand() % 40;
        for (size_t i = 0; i < count; i++)
            scores[i] = rand() % one_in == 0 ? odd[rand() % 6] : (float)rand() / 4e9F;
        for (size_t v = 0; v < variants; v++) {
            uint32_t places[SCORE_SCAN_BLOCK];
            size_t found = scans[v].scan(scores, count, 0.5F, places), at = 0;
            for (size_t i = 0; i < count; i++)
                if (isnan(scores[i]) || scores[i] > 0.5F) {
                    assert_true(at < found);
                    assert_int_equal(places[at++], i);
                }
            assert_int_equal(at, found);
        }
        free(scores);
    }
}

static void a_full_block_has_room(void **state)
{
    static float scores[SCORE_SCAN_BLOCK];
    struct score_scan scans[SCORE_SCANS_MAX];
    size_t variants = score_scan_list(scans);
    (void)state;
    for (size_t v = 0; v < variants; v++) {
        uint32_t places[SCORE_SCAN_BLOCK];
        assert_int_equal(scans[v].scan(scores, SCORE_SCAN_BLOCK, -1, places),
                         SCORE_SCAN_BLOCK);
        for (uint32_t i = 0; i < SCORE_SCAN_BLOCK; i++)
            assert_int_equal(places[i], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants_find_the_same),
        cmocka_unit_test(a_full_block_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
