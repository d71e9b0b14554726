/* merge_avx2.c - byte-pair merging of eight short pieces at a time, with AVX2
 *
 * As merge_avx512.c does it; what the filter of pairs lets through is looked up one by
 * one. */
#include "stages/kernels/merge_parts.h"

#include "core/compiler.h"
#include "stages/kernels/merge.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "stages/kernels/vocabulary.h"

#define KERNEL TARGET("avx2,bmi,bmi2,popcnt")

enum { LANES = 8, POSITION_BITS = 6 };

bool merge_has_avx2(void)
{
    return CPU_SUPPORTS("avx2") && CPU_SUPPORTS("bmi2") && CPU_SUPPORTS("popcnt");
}

/* Eight pieces, one in each lane: vector p holds their p-th tokens, and the ranks of the
 * pairs that begin there. Behind a piece's last token all is TOKEN_NONE. */
struct group {
    uint32_t tokens[MERGE_TINY_MAX + 2][LANES];
    uint32_t ranks[MERGE_TINY_MAX + 1][LANES];
    unsigned longest; /* tokens in the longest piece */
};

KERNEL INLINE __m256i load(const uint32_t *lanes)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)lanes);
}

KERNEL INLINE void store(uint32_t *lanes, __m256i values)
{
    _mm256_storeu_si256((__m256i *)(void *)lanes, values);
}

KERNEL INLINE __m256i all(uint32_t value)
{
    return _mm256_set1_epi32((int)value);
}

/* Lanes of `b` where the mask has all bits, else of `a`. */
KERNEL INLINE __m256i choose(__m256i a, __m256i b, __m256i mask)
{
    return _mm256_blendv_epi8(a, b, mask);
}

KERNEL INLINE __m256i gather(const uint32_t *table, __m256i places, __m256i some)
{
    return _mm256_mask_i32gather_epi32(all(TOKEN_NONE), (const int *)(const void *)table,
                                       places, some, 4);
}

/* vocabulary_pair() of eight; TOKEN_NONE in lanes that are not in `some`. */
KERNEL INLINE __m256i find_pairs(const struct vocabulary *vocabulary, __m256i left,
                                 __m256i right, __m256i some)
{
    unsigned shift = vocabulary->pair_shift - 32 - PAIR_FILTER_BITS;
    __m256i hash = _mm256_xor_si256(_mm256_mullo_epi32(left, all(PAIR_LEFT)),
                                    _mm256_mullo_epi32(right, all(PAIR_RIGHT)));
    __m256i bit = _mm256_srl_epi32(hash, _mm_cvtsi32_si128((int)shift));
    __m256i words = gather((const uint32_t *)(const void *)vocabulary->pair_filter,
                           _mm256_srli_epi32(bit, 5), some);
    /* the bit becomes the uppermost */
    words = _mm256_sllv_epi32(words,
                              _mm256_sub_epi32(all(31), _mm256_and_si256(bit, all(31))));
    words = _mm256_and_si256(words, some);
    unsigned lanes = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(words));
    uint32_t lefts[LANES], rights[LANES], found[LANES];
    store(lefts, left);
    store(rights, right);
    store(found, all(TOKEN_NONE));
    for (; lanes; lanes &= lanes - 1) {
        unsigned lane = TRAILING_ZEROS(lanes);
        found[lane] = vocabulary_pair(vocabulary, lefts[lane], rights[lane]);
    }
    return load(found);
}

/* The bytes of the pieces, a token each, and what the first pairs merge to. */
KERNEL INLINE void begin_group(const struct vocabulary *vocabulary,
                               struct merge_job *const *jobs, unsigned count,
                               struct group *group)
{
    group->longest = 0;
    for (unsigned i = 0; i < count; i++)
        group->longest =
            jobs[i]->size > group->longest ? (unsigned)jobs[i]->size : group->longest;
    memset(group->tokens, 0xFF, (group->longest + 2) * sizeof *group->tokens);
    memset(group->ranks, 0xFF, (group->longest + 1) * sizeof *group->ranks);
    for (unsigned i = 0; i < count; i++) {
        const unsigned char *piece = jobs[i]->piece;
        size_t size = jobs[i]->size;
        for (size_t p = 0; p < size; p++)
            group->tokens[p][i] = vocabulary->byte_ids[piece[p]];
        for (size_t p = 0; p + 1 < size; p++)
            group->ranks[p][i] = vocabulary->byte_pairs[piece[p] << 8 | piece[p + 1]];
    }
}

/* What is behind the merge moves up, and `merged` with its pairs takes its place. */
KERNEL INLINE void close_gap(struct group *group, __m256i at, __m256i merged,
                             __m256i before, __m256i after, __m256i some)
{
    __m256i token = load(group->tokens[0]), rank = load(group->ranks[0]);
    __m256i is_here = _mm256_cmpeq_epi32(at, all(0));
    for (unsigned p = 0; p + 1 < group->longest; p++) {
        __m256i next_token = load(group->tokens[p + 1]);
        __m256i next_rank = load(group->ranks[p + 1]);
        __m256i is_behind = _mm256_cmpgt_epi32(all(p), at);
        __m256i is_next = _mm256_cmpeq_epi32(at, all(p + 1));
        token = choose(choose(token, next_token, is_behind), merged, is_here);
        rank = choose(choose(rank, next_rank, is_behind), after, is_here);
        rank = choose(rank, before, is_next);
        store(group->tokens[p], token);
        store(group->ranks[p], rank);
        token = next_token;
        rank = next_rank;
        is_here = is_next;
    }
    unsigned last = group->longest - 1;
    token = choose(token, all(TOKEN_NONE), some);
    store(group->tokens[last], token);
    store(group->ranks[last], all(TOKEN_NONE));
    __m256i is_none = _mm256_cmpeq_epi32(token, all(TOKEN_NONE));
    if (_mm256_movemask_epi8(is_none) == -1)
        group->longest = last;
}

/* The next merge of every piece: lowest rank first, leftmost among equals. False: there was
 * none. */
KERNEL INLINE bool merge_group(const struct vocabulary *vocabulary, struct group *group)
{
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i zero = _mm256_setzero_si256();
    __m256i least = all(TOKEN_NONE);
    for (unsigned p = 0; p + 1 < group->longest; p++) {
        __m256i rank = _mm256_slli_epi32(load(group->ranks[p]), POSITION_BITS);
        least = _mm256_min_epu32(least, _mm256_or_si256(rank, all(p)));
    }
    /* Ranks are small; TOKEN_NONE shifted is negative. */
    __m256i some = _mm256_cmpgt_epi32(least, all(TOKEN_NONE));
    if (_mm256_testz_si256(some, some))
        return false;
    __m256i at = choose(all(MERGE_TINY_MAX + 2),
                        _mm256_and_si256(least, all((1u << POSITION_BITS) - 1)), some);
    __m256i merged = _mm256_srli_epi32(least, POSITION_BITS);
    __m256i place = _mm256_or_si256(_mm256_slli_epi32(at, 3), lanes);
    __m256i has_before = _mm256_and_si256(some, _mm256_cmpgt_epi32(at, zero));
    __m256i before =
        gather(group->tokens[0], _mm256_sub_epi32(place, all(LANES)), has_before);
    __m256i after =
        gather(group->tokens[0], _mm256_add_epi32(place, all(2 * LANES)), some);
    __m256i has_after =
        _mm256_and_si256(some, _mm256_cmpgt_epi32(after, all(TOKEN_NONE)));
    before = find_pairs(vocabulary, before, merged, has_before);
    after = find_pairs(vocabulary, merged, after, has_after);
    close_gap(group, at, merged, before, after, some);
    return true;
}

KERNEL void merge_jobs_avx2(const struct vocabulary *vocabulary, struct merge_job *jobs,
                            size_t count)
{
    struct merge_job *sorted[MERGE_TOGETHER];
    struct group group;
    while (count > 0) {
        size_t some = count < MERGE_TOGETHER ? count : MERGE_TOGETHER;
        merge_sort_jobs(jobs, some, sorted);
        for (size_t i = 0; i < some; i += LANES) {
            unsigned lanes = some - i < LANES ? (unsigned)(some - i) : LANES;
            begin_group(vocabulary, sorted + i, lanes, &group);
            while (merge_group(vocabulary, &group))
                ;
            for (unsigned k = 0; k < lanes; k++)
                merge_take_lane(sorted[i + k], group.tokens[0] + k, LANES);
        }
        jobs += some;
        count -= some;
    }
}

#else

bool merge_has_avx2(void)
{
    return false;
}

void merge_jobs_avx2(const struct vocabulary *vocabulary, struct merge_job *jobs,
                     size_t count)
{
    (void)vocabulary, (void)jobs, (void)count;
}

#endif
