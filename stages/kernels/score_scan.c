/* score_scan.c - find the few scores above a bound among many */
#include "stages/kernels/score_scan.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/compiler.h"

static size_t scan_rest(const float *scores, size_t from, size_t count, float bound,
                        uint32_t *places, size_t found)
{
    for (size_t i = from; i < count; i++)
        if (!(scores[i] <= bound))
            places[found++] = (uint32_t)i;
    return found;
}

static size_t scan_plain(const float *scores, size_t count, float bound,
                         uint32_t places[SCORE_SCAN_BLOCK])
{
    return scan_rest(scores, 0, count, bound, places, 0);
}

#ifdef __x86_64__
static size_t put_places(uint64_t mask, size_t base, uint32_t *places, size_t found)
{
    for (; mask; mask &= mask - 1)
        places[found++] = (uint32_t)(base + TRAILING_ZEROS(mask));
    return found;
}

/* NLE: not less or equal, true of what is no number. Thirty-two at a time, as nearly all
 * of them are below the bound. */
CPU_TARGET("avx2")
static size_t scan_avx2(const float *scores, size_t count, float bound,
                        uint32_t places[SCORE_SCAN_BLOCK])
{
    __m256 limit = _mm256_set1_ps(bound);
    size_t found = 0, i = 0;
    for (; i + 32 <= count; i += 32) {
        uint64_t mask = 0;
        for (size_t k = 0; k < 4; k++) {
            __m256 above =
                _mm256_cmp_ps(_mm256_loadu_ps(scores + i + 8 * k), limit, _CMP_NLE_UQ);
            mask |= (uint64_t)(unsigned)_mm256_movemask_ps(above) << (8 * k);
        }
        found = put_places(mask, i, places, found);
    }
    return scan_rest(scores, i, count, bound, places, found);
}

CPU_TARGET("avx512f")
static size_t scan_avx512(const float *scores, size_t count, float bound,
                          uint32_t places[SCORE_SCAN_BLOCK])
{
    __m512 limit = _mm512_set1_ps(bound);
    size_t found = 0, i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t mask = 0;
        for (size_t k = 0; k < 4; k++)
            mask |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(scores + i + 16 * k),
                                                 limit, _CMP_NLE_UQ)
                    << (16 * k);
        found = put_places(mask, i, places, found);
    }
    return scan_rest(scores, i, count, bound, places, found);
}
#endif

size_t score_scan_list(struct score_scan list[SCORE_SCANS_MAX])
{
    size_t count = 0;
#ifdef __x86_64__
    if (CPU_SUPPORTS("avx512f"))
        list[count++] = (struct score_scan){"avx512", scan_avx512};
    if (CPU_SUPPORTS("avx2"))
        list[count++] = (struct score_scan){"avx2", scan_avx2};
#endif
    list[count++] = (struct score_scan){"plain", scan_plain};
    return count;
}
