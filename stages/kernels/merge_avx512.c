/* merge_avx512.c - byte-pair merging of many short pieces at a time, with AVX-512 */
#include "stages/kernels/merge_parts.h"

#include "core/compiler.h"
#include "stages/kernels/merge.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "stages/kernels/vocabulary.h"

#define KERNEL TARGET("avx512f,avx512bw,avx512vl,bmi,bmi2")

bool merge_has_avx512(void)
{
    return CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") &&
           CPU_SUPPORTS("avx512vl") && CPU_SUPPORTS("bmi2");
}

KERNEL INLINE uint32_t lane(__m512i values, unsigned number)
{
    __m512i moved = _mm512_permutexvar_epi32(_mm512_set1_epi32((int)number), values);
    return (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(moved));
}

/* A piece between two of its merges. */
struct merging {
    struct merge_job *job;
    __m512i tokens, ranks;          /* of the pairs that begin at the tokens */
    uint64_t after_key, before_key; /* pairs to be looked up; SLOT_EMPTY: there is none */
    unsigned count, at;
};

/* The key of a pair whose slot is on its way, or SLOT_EMPTY: it certainly does not merge. */
KERNEL INLINE uint64_t send_for_pair(const struct vocabulary *vocabulary, uint32_t left,
                                     uint32_t right)
{
    uint64_t key = vocabulary_pair_key(left, right);
    uint64_t hash = vocabulary_pair_hash(key);
    size_t bit = (size_t)(hash >> (vocabulary->pair_shift - PAIR_FILTER_BITS));
    if (!(vocabulary->pair_filter[bit / 64] >> (bit % 64) & 1))
        return SLOT_EMPTY;
    PREFETCH(vocabulary->pairs + (hash >> vocabulary->pair_shift));
    return key;
}

KERNEL INLINE uint32_t pair_of_key(const struct vocabulary *vocabulary, uint64_t key)
{
    if (key == SLOT_EMPTY)
        return TOKEN_NONE;
    return vocabulary_pair(vocabulary, (uint32_t)(key >> PAIR_ID_BITS),
                           (uint32_t)(key & ((1u << PAIR_ID_BITS) - 1)));
}

KERNEL INLINE void begin_merging(const struct vocabulary *vocabulary,
                                 struct merge_job *job, struct merging *merging)
{
    __mmask16 all = (__mmask16)((1u << job->size) - 1);
    __m512i none = _mm512_set1_epi32(-1);
    __m512i bytes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(all, job->piece));
    __m512i following = _mm512_alignr_epi32(_mm512_setzero_si512(), bytes, 1);
    __m512i places = _mm512_or_si512(_mm512_slli_epi32(bytes, 8), following);
    merging->job = job;
    merging->tokens =
        _mm512_mask_i32gather_epi32(none, all, bytes, vocabulary->byte_ids, 4);
    merging->ranks =
        _mm512_mask_i32gather_epi32(none, all >> 1, places, vocabulary->byte_pairs, 4);
    merging->after_key = merging->before_key = SLOT_EMPTY;
    merging->count = (unsigned)job->size;
    merging->at = MERGE_TINY_MAX;
}

/* The pairs sent for, then the next merge, whose pairs are sent for. False: it was the
 * last. Tokens and ranks stand in the lanes of registers, so that the minimum, its first
 * lane and closing the gap are a few instructions each. */
KERNEL INLINE bool go_on_merging(const struct vocabulary *vocabulary,
                                 struct merging *merging)
{
    __m512i ranks = merging->ranks;
    if (merging->at < MERGE_TINY_MAX) {
        uint32_t after = pair_of_key(vocabulary, merging->after_key);
        uint32_t before = pair_of_key(vocabulary, merging->before_key);
        __mmask16 here = (__mmask16)(1u << merging->at);
        ranks = _mm512_mask_mov_epi32(ranks, here, _mm512_set1_epi32((int)after));
        ranks = _mm512_mask_mov_epi32(ranks, here >> 1, _mm512_set1_epi32((int)before));
    }
    uint32_t lowest = _mm512_reduce_min_epu32(ranks);
    if (lowest == TOKEN_NONE)
        return false;
    __m512i token = _mm512_set1_epi32((int)lowest);
    unsigned at = TRAILING_ZEROS((uint64_t)_mm512_cmpeq_epi32_mask(ranks, token));
    __mmask16 kept = (__mmask16) ~(2u << at);
    __m512i none = _mm512_set1_epi32(-1);
    __m512i tokens = _mm512_mask_mov_epi32(merging->tokens, (__mmask16)(1u << at), token);
    merging->tokens = _mm512_mask_compress_epi32(none, kept, tokens);
    merging->ranks = _mm512_mask_compress_epi32(none, kept, ranks);
    merging->at = at;
    merging->count--;
    merging->after_key =
        at + 1 < merging->count
            ? send_for_pair(vocabulary, lowest, lane(merging->tokens, at + 1))
            : SLOT_EMPTY;
    merging->before_key =
        at > 0 ? send_for_pair(vocabulary, lane(merging->tokens, at - 1), lowest)
               : SLOT_EMPTY;
    return true;
}

KERNEL INLINE void end_merging(const struct merging *merging)
{
    _mm512_mask_storeu_epi32(merging->job->ids, (__mmask16)((1u << merging->count) - 1),
                             merging->tokens);
    merging->job->count = merging->count;
}

KERNEL void merge_jobs_avx512(const struct vocabulary *vocabulary, struct merge_job *jobs,
                              size_t count)
{
    enum { TOGETHER = 16 };
    struct merging merging[TOGETHER];
    size_t next = 0, active = 0;
    while (next < count && active < TOGETHER)
        begin_merging(vocabulary, &jobs[next++], &merging[active++]);
    while (active > 0) {
        for (size_t i = 0; i < active;) {
            if (go_on_merging(vocabulary, &merging[i])) {
                i++;
                continue;
            }
            end_merging(&merging[i]);
            if (next < count)
                begin_merging(vocabulary, &jobs[next++], &merging[i]);
            else
                merging[i] = merging[--active];
        }
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
