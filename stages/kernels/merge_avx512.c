/* merge_avx512.c - byte-pair merging of sixteen short pieces at a time, with AVX-512 */
#include "stages/kernels/merge_parts.h"

#include "core/compiler.h"
#include "stages/kernels/merge.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "stages/kernels/vocabulary.h"

#define KERNEL TARGET("avx512f,avx512bw,avx512vl,avx512dq,bmi,bmi2,popcnt")

enum { LANES = 16, POSITION_BITS = 6 };

bool merge_has_avx512(void)
{
    return CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") &&
           CPU_SUPPORTS("avx512vl") && CPU_SUPPORTS("avx512dq") && CPU_SUPPORTS("bmi2");
}

/* Sixteen pieces, one in each lane: vector p holds their p-th tokens, and the ranks of the
 * pairs that begin there. Behind a piece's last token all is TOKEN_NONE. */
struct group {
    uint32_t tokens[MERGE_TINY_MAX + 2][LANES];
    uint32_t ranks[MERGE_TINY_MAX + 1][LANES];
    unsigned longest; /* tokens in the longest piece */
};

KERNEL INLINE __m512i load(const uint32_t *lanes)
{
    return _mm512_loadu_si512(lanes);
}

KERNEL INLINE __m512i all(uint32_t value)
{
    return _mm512_set1_epi32((int)value);
}

/* Entries of the pair table for eight pairs: merged tokens of those that have one. */
KERNEL INLINE __m256i find_slots(const struct vocabulary *vocabulary, __m256i left,
                                 __m256i right, __m256i first, __mmask8 some)
{
    const __m512i id_mask = _mm512_set1_epi64((1 << PAIR_ID_BITS) - 1);
    const __m512i wrap = _mm512_set1_epi64((1LL << (64 - vocabulary->pair_shift)) - 1);
    __m512i key =
        _mm512_or_si512(_mm512_slli_epi64(_mm512_cvtepu32_epi64(left), PAIR_ID_BITS),
                        _mm512_cvtepu32_epi64(right));
    __m512i slot = _mm512_cvtepu32_epi64(first), found = _mm512_set1_epi64(-1);
    while (some) {
        __m512i entry =
            _mm512_mask_i64gather_epi64(found, some, slot, vocabulary->pairs, 8);
        __mmask8 is_same = _mm512_mask_cmpeq_epi64_mask(
            some, _mm512_srli_epi64(entry, PAIR_ID_BITS), key);
        __mmask8 is_empty =
            _mm512_mask_cmpeq_epi64_mask(some, entry, _mm512_set1_epi64(-1));
        found = _mm512_mask_and_epi64(found, is_same, entry, id_mask);
        some &= (__mmask8) ~(is_same | is_empty);
        slot = _mm512_and_si512(_mm512_add_epi64(slot, _mm512_set1_epi64(1)), wrap);
    }
    return _mm512_cvtepi64_epi32(found);
}

/* vocabulary_pair() of sixteen; TOKEN_NONE in lanes that are not in `some`. */
KERNEL INLINE __m512i find_pairs(const struct vocabulary *vocabulary, __m512i left,
                                 __m512i right, __mmask16 some)
{
    unsigned shift = vocabulary->pair_shift - 32;
    __m512i hash = _mm512_xor_si512(_mm512_mullo_epi32(left, all(PAIR_LEFT)),
                                    _mm512_mullo_epi32(right, all(PAIR_RIGHT)));
    __m512i bit =
        _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)(shift - PAIR_FILTER_BITS)));
    __m512i words = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), some,
                                                _mm512_srli_epi32(bit, 5),
                                                vocabulary->pair_filter, 4);
    some = _mm512_mask_test_epi32_mask(
        some, words, _mm512_sllv_epi32(all(1), _mm512_and_si512(bit, all(31))));
    if (some == 0)
        return all(TOKEN_NONE);
    __m512i slot = _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)shift));
    __m256i low = find_slots(vocabulary, _mm512_castsi512_si256(left),
                             _mm512_castsi512_si256(right), _mm512_castsi512_si256(slot),
                             (__mmask8)some);
    __m256i high = find_slots(vocabulary, _mm512_extracti64x4_epi64(left, 1),
                              _mm512_extracti64x4_epi64(right, 1),
                              _mm512_extracti64x4_epi64(slot, 1), (__mmask8)(some >> 8));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* The bytes of the pieces, a token each, and what the first pairs merge to. */
KERNEL INLINE void begin_group(const struct vocabulary *vocabulary,
                               struct merge_job *const *jobs, unsigned count,
                               struct group *group)
{
    unsigned char bytes[LANES][MERGE_TINY_MAX];
    uint32_t sizes[LANES] = {0};
    group->longest = 0;
    for (unsigned i = 0; i < LANES; i++) {
        __m256i piece = _mm256_setzero_si256();
        if (i < count) {
            sizes[i] = (uint32_t)jobs[i]->size;
            piece =
                _mm256_maskz_loadu_epi8(_bzhi_u32(UINT32_MAX, sizes[i]), jobs[i]->piece);
            group->longest = sizes[i] > group->longest ? sizes[i] : group->longest;
        }
        _mm256_storeu_si256((__m256i *)(void *)bytes[i], piece);
    }
    const __m512i size = load(sizes);
    const __m512i rows = _mm512_slli_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 5);
    __m512i byte = _mm512_setzero_si512(), four = byte;
    for (unsigned p = 0; p <= group->longest; p++) {
        __m512i before = byte;
        if (p % 4 == 0 && p < MERGE_TINY_MAX)
            four = _mm512_i32gather_epi32(_mm512_add_epi32(rows, all(p)), bytes, 1);
        byte = _mm512_and_si512(four, all(0xFF));
        four = _mm512_srli_epi32(four, 8);
        __mmask16 some = _mm512_cmpgt_epu32_mask(size, all(p));
        __m512i token = _mm512_mask_i32gather_epi32(all(TOKEN_NONE), some, byte,
                                                    vocabulary->byte_ids, 4);
        _mm512_storeu_si512(group->tokens[p], token);
        if (p == 0)
            continue;
        __m512i place = _mm512_or_si512(_mm512_slli_epi32(before, 8), byte);
        _mm512_storeu_si512(group->ranks[p - 1],
                            _mm512_mask_i32gather_epi32(all(TOKEN_NONE), some, place,
                                                        vocabulary->byte_pairs, 4));
    }
    _mm512_storeu_si512(group->tokens[group->longest + 1], all(TOKEN_NONE));
    _mm512_storeu_si512(group->ranks[group->longest], all(TOKEN_NONE));
}

/* The next merge of every piece: lowest rank first, leftmost among equals. False: there was
 * none. */
KERNEL INLINE bool merge_group(const struct vocabulary *vocabulary, struct group *group)
{
    const __m512i none = all(TOKEN_NONE),
                  lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                            14, 15);
    __m512i least = none;
    for (unsigned p = 0; p + 1 < group->longest; p++) {
        __m512i rank = _mm512_slli_epi32(load(group->ranks[p]), POSITION_BITS);
        least = _mm512_min_epu32(least, _mm512_or_si512(rank, all(p)));
    }
    /* TOKEN_NONE was shifted to this and more. */
    __mmask16 some = _mm512_cmplt_epu32_mask(least, all(UINT32_MAX << POSITION_BITS));
    if (some == 0)
        return false;
    __m512i at = _mm512_mask_and_epi32(all(MERGE_TINY_MAX + 2), some, least,
                                       all((1u << POSITION_BITS) - 1));
    __m512i merged = _mm512_srli_epi32(least, POSITION_BITS);
    __m512i place = _mm512_or_si512(_mm512_slli_epi32(at, 4), lanes);
    __mmask16 has_before = _mm512_mask_test_epi32_mask(some, at, at);
    __m512i before = _mm512_mask_i32gather_epi32(
        none, has_before, _mm512_sub_epi32(place, all(LANES)), group->tokens, 4);
    __m512i after = _mm512_mask_i32gather_epi32(
        none, some, _mm512_add_epi32(place, all(2 * LANES)), group->tokens, 4);
    __mmask16 has_after = _mm512_mask_cmpneq_epi32_mask(some, after, none);
    before = find_pairs(vocabulary, before, merged, has_before);
    after = find_pairs(vocabulary, merged, after, has_after);
    __m512i token = load(group->tokens[0]), rank = load(group->ranks[0]);
    __mmask16 is_here = _mm512_cmpeq_epi32_mask(at, all(0));
    for (unsigned p = 0; p + 1 < group->longest; p++) {
        __m512i next_token = load(group->tokens[p + 1]);
        __m512i next_rank = load(group->ranks[p + 1]);
        __mmask16 is_behind = _mm512_cmplt_epu32_mask(at, all(p));
        __mmask16 is_next = _mm512_cmpeq_epi32_mask(at, all(p + 1));
        token = _mm512_mask_mov_epi32(token, is_behind, next_token);
        token = _mm512_mask_mov_epi32(token, is_here, merged);
        rank = _mm512_mask_mov_epi32(rank, is_behind, next_rank);
        rank = _mm512_mask_mov_epi32(rank, is_here, after);
        rank = _mm512_mask_mov_epi32(rank, is_next, before);
        _mm512_storeu_si512(group->tokens[p], token);
        _mm512_storeu_si512(group->ranks[p], rank);
        token = next_token;
        rank = next_rank;
        is_here = is_next;
    }
    unsigned last = group->longest - 1;
    token = _mm512_mask_mov_epi32(token, some, none);
    _mm512_storeu_si512(group->tokens[last], token);
    _mm512_storeu_si512(group->ranks[last], none);
    if (_mm512_cmpneq_epi32_mask(token, none) == 0)
        group->longest = last;
    return true;
}

KERNEL void merge_jobs_avx512(const struct vocabulary *vocabulary, struct merge_job *jobs,
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

bool merge_has_avx512(void)
{
    return false;
}

void merge_jobs_avx512(const struct vocabulary *vocabulary, struct merge_job *jobs,
                       size_t count)
{
    (void)vocabulary, (void)jobs, (void)count;
}

#endif
