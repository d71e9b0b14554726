/* score_jobs_avx512.c - merge many short words by score at a time, with AVX-512
 *
 * The symbols of a word and what their pairs merge to stand in the lanes of registers, so
 * that the best pair and closing its gap are a few instructions each. */
#include "stages/kernels/score_jobs.h"

#include "core/compiler.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "stages/kernels/score_table.h"

#define KERNEL TARGET("avx512f,avx512bw,avx512vl,bmi,bmi2")

enum { SPACE_SIZE = 3, LANES = SCORE_JOB_SYMBOLS };

bool score_jobs_have_avx512(void)
{
    return CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") &&
           CPU_SUPPORTS("avx512vl") && CPU_SUPPORTS("bmi2");
}

KERNEL INLINE uint32_t lane(__m512i values, unsigned number)
{
    __m512i moved = _mm512_permutexvar_epi32(_mm512_set1_epi32((int)number), values);
    return (uint32_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(moved));
}

/* A word between two of its merges. */
struct merging {
    struct score_job *job;
    __m512i symbols, merged;        /* SYMBOL_NONE: nothing */
    uint64_t after_key, before_key; /* pairs to be looked up; PAIR_EMPTY: there is none */
    unsigned count, at;
};

/* The key of a pair whose slot is on its way, or PAIR_EMPTY: it certainly does not merge. */
KERNEL INLINE uint64_t send_for_pair(const struct score_table *table, uint32_t left,
                                     uint32_t right)
{
    uint64_t key = (uint64_t)left << SYMBOL_BITS | right;
    uint64_t hash = score_hash(key);
    size_t bit = (size_t)(hash >> (table->pair_shift - FILTER_BITS));
    if (!(table->filter[bit / 64] >> (bit % 64) & 1))
        return PAIR_EMPTY;
    PREFETCH(table->pairs + (hash >> table->pair_shift));
    return key;
}

KERNEL INLINE uint32_t pair_of_key(const struct score_table *table, uint64_t key)
{
    if (key == PAIR_EMPTY)
        return SYMBOL_NONE;
    return score_pair(table, (uint32_t)(key >> SYMBOL_BITS), (uint32_t)key & SYMBOL_NONE);
}

/* ASCII, perhaps behind a U+2581: by the tables of near characters. */
KERNEL INLINE bool begin_near(const struct score_table *table, struct merging *merging)
{
    const struct score_job *job = merging->job;
    const unsigned spaces = job->size >= SPACE_SIZE && word_is_space(job->word) ? 1 : 0;
    const size_t size = job->size - SPACE_SIZE * (size_t)spaces;
    const unsigned count = (unsigned)size + spaces;
    if (size > LANES - spaces)
        return false;
    __mmask16 all = (__mmask16)((1u << count) - 1);
    __m128i bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << size) - 1),
                                         job->word + (size_t)SPACE_SIZE * spaces);
    if (_mm_movemask_epi8(bytes) != 0)
        return false;
    __m512i numbers = _mm512_cvtepu8_epi32(bytes);
    if (spaces)
        numbers = _mm512_alignr_epi32(numbers, _mm512_set1_epi32(NEAR_SPACE), 15);
    __m512i none = _mm512_set1_epi32((int)SYMBOL_NONE);
    __m512i following = _mm512_alignr_epi32(_mm512_setzero_si512(), numbers, 1);
    __m512i places = _mm512_add_epi32(
        _mm512_mullo_epi32(numbers, _mm512_set1_epi32(NEAR_COUNT)), following);
    merging->symbols = _mm512_mask_i32gather_epi32(none, all, numbers, table->near, 4);
    merging->merged =
        _mm512_mask_i32gather_epi32(none, all >> 1, places, table->near_pairs, 4);
    merging->count = count;
    return true;
}

/* Any characters, one by one. */
KERNEL static bool begin_any(const struct score_table *table, struct merging *merging)
{
    const struct score_job *job = merging->job;
    uint32_t symbols[LANES + 1], merged[LANES];
    unsigned count = 0;
    for (size_t at = 0, length; at < job->size; at += length) {
        if (count == LANES)
            return false;
        length = word_character(job->word + at, job->size - at);
        symbols[count++] = score_character(table, job->word + at, length);
    }
    symbols[count] = SYMBOL_NONE;
    for (unsigned i = 0; i < count; i++)
        merged[i] = score_pair(table, symbols[i], symbols[i + 1]);
    __m512i none = _mm512_set1_epi32((int)SYMBOL_NONE);
    __mmask16 all = (__mmask16)((1u << count) - 1);
    merging->symbols = _mm512_mask_loadu_epi32(none, all, symbols);
    merging->merged = _mm512_mask_loadu_epi32(none, all, merged);
    merging->count = count;
    return true;
}

KERNEL INLINE bool begin_merging(const struct score_table *table, struct score_job *job,
                                 struct merging *merging)
{
    merging->job = job;
    merging->after_key = merging->before_key = PAIR_EMPTY;
    merging->at = LANES;
    job->count = 0;
    return begin_near(table, merging) || begin_any(table, merging);
}

/* The pairs sent for, then the next merge, whose pairs are sent for. False: it was the
 * last. Symbols are in the order of ranks; of those that share the best rank the leftmost
 * comes first. */
KERNEL INLINE bool go_on_merging(const struct score_table *table, struct merging *merging)
{
    __m512i merged = merging->merged;
    if (merging->at < LANES) {
        uint32_t after = pair_of_key(table, merging->after_key);
        uint32_t before = pair_of_key(table, merging->before_key);
        __mmask16 here = (__mmask16)(1u << merging->at);
        merged = _mm512_mask_mov_epi32(merged, here, _mm512_set1_epi32((int)after));
        merged = _mm512_mask_mov_epi32(merged, here >> 1, _mm512_set1_epi32((int)before));
    }
    uint32_t best = _mm512_reduce_min_epu32(merged);
    if (best == SYMBOL_NONE)
        return false;
    __m512i last = _mm512_set1_epi32((int)table->lasts[best]);
    unsigned at = TRAILING_ZEROS((uint64_t)_mm512_cmple_epu32_mask(merged, last));
    best = lane(merged, at);
    __mmask16 here = (__mmask16)(1u << at), kept = (__mmask16) ~(2u << at);
    __m512i none = _mm512_set1_epi32((int)SYMBOL_NONE);
    __m512i symbols =
        _mm512_mask_mov_epi32(merging->symbols, here, _mm512_set1_epi32((int)best));
    merging->symbols = _mm512_mask_compress_epi32(none, kept, symbols);
    merging->merged = _mm512_mask_compress_epi32(none, kept, merged);
    merging->at = at;
    merging->count--;
    merging->after_key = at + 1 < merging->count
                             ? send_for_pair(table, best, lane(merging->symbols, at + 1))
                             : PAIR_EMPTY;
    merging->before_key =
        at > 0 ? send_for_pair(table, lane(merging->symbols, at - 1), best) : PAIR_EMPTY;
    return true;
}

/* Symbols without an id of their own are score_merge()'s. */
KERNEL INLINE void end_merging(const struct score_table *table,
                               const struct merging *merging)
{
    __mmask16 all = (__mmask16)((1u << merging->count) - 1);
    __m512i limit = _mm512_set1_epi32((int)table->symbol_count);
    if (_mm512_mask_cmpge_epu32_mask(all, merging->symbols, limit) != 0)
        return;
    __m512i ids =
        _mm512_mask_i32gather_epi32(limit, all, merging->symbols, table->ids, 4);
    if (_mm512_mask_cmpeq_epi32_mask(all, ids, _mm512_set1_epi32(-1)) != 0)
        return;
    _mm512_mask_storeu_epi32(merging->job->ids, all, ids);
    merging->job->count = merging->count;
}

KERNEL void score_jobs_run_avx512(const struct score_table *table, struct score_job *jobs,
                                  size_t count)
{
    enum { TOGETHER = 16 };
    struct merging merging[TOGETHER];
    size_t next = 0, active = 0;
    while (next < count && active < TOGETHER)
        active += begin_merging(table, &jobs[next++], &merging[active]);
    while (active > 0) {
        for (size_t i = 0; i < active;) {
            if (go_on_merging(table, &merging[i])) {
                i++;
                continue;
            }
            end_merging(table, &merging[i]);
            bool is_begun = false;
            while (!is_begun && next < count)
                is_begun = begin_merging(table, &jobs[next++], &merging[i]);
            if (!is_begun)
                merging[i] = merging[--active];
        }
    }
}

#else

bool score_jobs_have_avx512(void)
{
    return false;
}

void score_jobs_run_avx512(const struct score_table *table, struct score_job *jobs,
                           size_t count)
{
    (void)table;
    for (size_t i = 0; i < count; i++)
        jobs[i].count = 0;
}

#endif
