/* split_avx512.c - split text by windows of 64 bytes, with AVX-512 */
#include "stages/kernels/split_parts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "stages/kernels/split_windows.h"

#define EXTENSIONS \
    "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt"
#define KERNEL TARGET(EXTENSIONS)

bool split_has_avx512(void)
{
    return CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") &&
           CPU_SUPPORTS("avx512vl") && CPU_SUPPORTS("avx512vbmi") &&
           CPU_SUPPORTS("avx512vbmi2") && CPU_SUPPORTS("bmi2");
}

KERNEL INLINE struct split_masks classify(const unsigned char *at, uint64_t *wide)
{
    __m512i low = _mm512_loadu_si512(split_byte_sets);
    __m512i high = _mm512_loadu_si512(split_byte_sets + 64);
    __m512i bytes = _mm512_loadu_si512(at);
    __m512i sets = _mm512_permutex2var_epi8(low, bytes, high);
    uint64_t beyond = _mm512_movepi8_mask(bytes), ascii = ~beyond;
    struct split_masks masks = {
        .letter = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8((char)SET_LETTER)),
        .number = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8(SET_NUMBER)),
        .space = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8(SET_GAP)),
        .newline = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8(SET_NEWLINE)),
        .upper = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8(SET_UPPER)),
        .lower = ascii & _mm512_test_epi8_mask(sets, _mm512_set1_epi8(SET_LOWER)),
        .blank = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' ')),
        .apostrophe = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\'')),
        .slash = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('/'))};
    *wide = beyond;
    if (beyond == 0)
        return masks;
    /* First bytes of blocks that hold letters without case alone: U+5000 to U+9FFF and
     * U+B000 to U+CFFF. */
    __m512i lead = _mm512_sub_epi8(bytes, _mm512_set1_epi8((char)0xE5));
    uint64_t continuation = _mm512_cmplt_epi8_mask(bytes, _mm512_set1_epi8((char)0xC0));
    uint64_t sure = _mm512_cmple_epu8_mask(lead, _mm512_set1_epi8(0xE9 - 0xE5)) |
                    _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)0xEB)) |
                    _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)0xEC));
    sure &= continuation >> 1 & continuation >> 2;
    uint64_t all = sure | sure << 1 | sure << 2;
    masks.letter |= all;
    masks.three = sure;
    *wide = beyond & ~all;
    return masks;
}

/* Positions of the bits, each plus `base`, to `ends`, of which seven more may be written. */
KERNEL INLINE void put_ends(uint64_t bits, unsigned count, size_t base, size_t *ends)
{
    static const unsigned char numbers[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
        48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    __m512i places = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(numbers));
    __m512i bases = _mm512_set1_epi64((long long)base);
    for (unsigned i = 0; i < count; i += 8) {
        __m512i eight = _mm512_cvtepu8_epi64(_mm512_castsi512_si128(places));
        _mm512_storeu_si512(ends + i, _mm512_add_epi64(eight, bases));
        places = _mm512_alignr_epi64(_mm512_setzero_si512(), places, 1);
    }
}

KERNEL size_t split_pieces_avx512(enum split_pattern pattern, const unsigned char *text,
                                  size_t size, size_t *at, size_t *ends, size_t capacity)
{
    static const struct split_variant variant = {.classify = classify,
                                                 .put_ends = put_ends};
    return split_all_windows(pattern, &variant, text, size, at, ends, capacity);
}

#else

bool split_has_avx512(void)
{
    return false;
}

size_t split_pieces_avx512(enum split_pattern pattern, const unsigned char *text,
                           size_t size, size_t *at, size_t *ends, size_t capacity)
{
    (void)pattern, (void)text, (void)size, (void)at, (void)ends, (void)capacity;
    return 0;
}

#endif
