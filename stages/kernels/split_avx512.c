/* split_avx512.c - split text by windows of 64 bytes, with AVX-512 */
#include "stages/kernels/split_parts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "stages/kernels/split_windows.h"

#define KERNEL TARGET("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt,popcnt")

bool split_has_avx512(void)
{
    return CPU_SUPPORTS("avx512f") && CPU_SUPPORTS("avx512bw") &&
           CPU_SUPPORTS("avx512vl") && CPU_SUPPORTS("bmi2");
}

KERNEL INLINE __m512i rows_of(__m512i bytes)
{
    const __m512i columns = _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)split_columns));
    const __m512i rows = _mm512_broadcast_i32x4(
        _mm_loadu_si128((const __m128i *)(const void *)split_rows));
    const __m512i four = _mm512_set1_epi8(0x0F);
    __m512i upper = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), four);
    __m512i lower = _mm512_and_si512(bytes, four);
    return _mm512_and_si512(_mm512_shuffle_epi8(rows, upper),
                            _mm512_shuffle_epi8(columns, lower));
}

KERNEL INLINE uint64_t in_rows(__m512i rows, int set)
{
    return _mm512_test_epi8_mask(rows, _mm512_set1_epi8((char)set));
}

KERNEL INLINE uint64_t equal_to(__m512i bytes, int byte)
{
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)byte));
}

KERNEL INLINE uint64_t at_least(__m512i bytes, int byte)
{
    return _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8((char)byte));
}

KERNEL INLINE struct split_masks classify(const unsigned char *at, uint64_t *wide)
{
    __m512i bytes = _mm512_loadu_si512(at);
    __m512i rows = rows_of(bytes);
    uint64_t beyond = _mm512_movepi8_mask(bytes);
    struct split_masks masks = {.number = in_rows(rows, ROW_DIGITS),
                                .space = in_rows(rows, ROW_TABS | ROW_BLANK),
                                .newline = in_rows(rows, ROW_LINES),
                                .upper = in_rows(rows, ROW_AO | ROW_PZ),
                                .lower = in_rows(rows, ROW_ao | ROW_pz),
                                .blank = equal_to(bytes, ' '),
                                .apostrophe = equal_to(bytes, '\''),
                                .slash = equal_to(bytes, '/')};
    masks.letter = masks.upper | masks.lower;
    *wide = beyond;
    if (beyond == 0)
        return masks;
    /* First bytes of blocks that hold letters without case alone: U+5000 to U+9FFF and
     * U+B000 to U+CFFF. */
    uint64_t continuation = beyond & ~at_least(bytes, 0xC0);
    uint64_t sure = (at_least(bytes, 0xE5) & ~at_least(bytes, 0xEA)) |
                    equal_to(bytes, 0xEB) | equal_to(bytes, 0xEC);
    sure &= continuation >> 1 & continuation >> 2;
    uint64_t all = sure | sure << 1 | sure << 2;
    masks.letter |= all;
    masks.three = sure;
    *wide = beyond & ~all;
    return masks;
}

/* Numbers of the bits to `numbers`, of which all up to the 64th may be written. */
KERNEL INLINE void list_bits(uint64_t bits, uint32_t *numbers)
{
    __m512i sixteen =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (unsigned i = 0; i < SPLIT_WINDOW; i += 16) {
        __mmask16 some = (__mmask16)(bits >> i);
        _mm512_storeu_si512(numbers, _mm512_maskz_compress_epi32(some, sixteen));
        numbers += COUNT_ONES(some);
        sixteen = _mm512_add_epi32(sixteen, _mm512_set1_epi32(16));
    }
}

/* Entries of a table of bytes; `table` is read in aligned groups of four. */
KERNEL INLINE __m512i gather_bytes(const uint8_t *table, __m512i places)
{
    __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(places, 2), table, 4);
    __m512i shift = _mm512_slli_epi32(_mm512_and_si512(places, _mm512_set1_epi32(3)), 3);
    return _mm512_and_si512(_mm512_srlv_epi32(words, shift), _mm512_set1_epi32(0xFF));
}

KERNEL INLINE __m512i bits_of(__m512i values, int shift, int mask)
{
    return _mm512_and_si512(_mm512_srl_epi32(values, _mm_cvtsi32_si128(shift)),
                            _mm512_set1_epi32(mask));
}

KERNEL INLINE __m512i join(__m512i upper, __m512i lower)
{
    return _mm512_or_si512(_mm512_slli_epi32(upper, 6), lower);
}

/* Class sets of sixteen characters whose first four bytes stand in the lanes; those that
 * are surrogates, overlong or too large are told in `bad`. */
KERNEL INLINE __m512i sets_of(__m512i bytes, __mmask16 three, __mmask16 four,
                              __mmask16 *bad)
{
    __m512i second = bits_of(bytes, 8, 0x3F), third = bits_of(bytes, 16, 0x3F);
    __m512i points = join(bits_of(bytes, 0, 0x1F), second);
    __m512i least = _mm512_set1_epi32(0x80);
    __m512i of_three = join(join(bits_of(bytes, 0, 0x0F), second), third);
    __m512i of_four = join(join(join(bits_of(bytes, 0, 0x0F), second), third),
                           bits_of(bytes, 24, 0x3F));
    points = _mm512_mask_mov_epi32(points, three, of_three);
    least = _mm512_mask_mov_epi32(least, three, _mm512_set1_epi32(0x800));
    points = _mm512_mask_mov_epi32(points, four, of_four);
    least = _mm512_mask_mov_epi32(least, four, _mm512_set1_epi32(0x10000));
    *bad = _mm512_cmplt_epu32_mask(points, least) |
           _mm512_cmpgt_epu32_mask(points, _mm512_set1_epi32(0x10FFFF)) |
           _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(points, 11),
                                   _mm512_set1_epi32(0xD800 >> 11));
    points = _mm512_min_epu32(points, _mm512_set1_epi32(0x10FFFF));
    __m512i block =
        gather_bytes(unicode_block_index, _mm512_srli_epi32(points, UNICODE_BLOCK_BITS));
    __m512i inside =
        _mm512_and_si512(points, _mm512_set1_epi32((1 << UNICODE_BLOCK_BITS) - 1));
    __m512i classes = gather_bytes(
        unicode_blocks,
        _mm512_or_si512(_mm512_slli_epi32(block, UNICODE_BLOCK_BITS), inside));
    return _mm512_sllv_epi32(_mm512_set1_epi32(1), classes);
}

KERNEL INLINE uint64_t in_set(__m512i sets, __mmask16 some, int set)
{
    return _mm512_mask_test_epi32_mask(some, sets, _mm512_set1_epi32(set));
}

/* From bit i, for the i-th character, to the bit of its first byte. */
KERNEL INLINE struct wide_sets deposit(const struct wide_sets *sets, uint64_t first)
{
    return (struct wide_sets){.letter = _pdep_u64(sets->letter, first),
                              .upper = _pdep_u64(sets->upper, first),
                              .lower = _pdep_u64(sets->lower, first),
                              .space = _pdep_u64(sets->space, first),
                              .number = _pdep_u64(sets->number, first),
                              .mark = _pdep_u64(sets->mark, first)};
}

/* Sixteen characters of several bytes at a time. */
KERNEL INLINE void add_wide_vectors(const unsigned char *at, uint64_t wide,
                                    struct split_masks *masks)
{
    uint32_t places[SPLIT_WINDOW + 16];
    __m512i window = _mm512_loadu_si512(at);
    const struct split_masks before = *masks;
    uint64_t first = wide_characters(masks, wide, wide & ~at_least(window, 0xC0),
                                     at_least(window, 0xE0), at_least(window, 0xF0));
    uint64_t three = _pext_u64(masks->three, first), four = _pext_u64(masks->four, first);
    struct wide_sets all = {0}; /* bit i: of the i-th */
    unsigned count = COUNT_ONES(first);
    list_bits(first, places);
    for (unsigned i = 0; i < count; i += 16) {
        __mmask16 some = (__mmask16)_bzhi_u32(0xFFFF, count - i), bad;
        __m512i bytes = _mm512_mask_i32gather_epi32(
            _mm512_setzero_si512(), some, _mm512_loadu_si512(places + i), at, 1);
        __m512i sets =
            sets_of(bytes, (__mmask16)(three >> i), (__mmask16)(four >> i), &bad);
        if (UNLIKELY(bad & some)) {
            *masks = before;
            add_wide(at, wide, masks);
            return;
        }
        all.letter |= in_set(sets, some, SET_LETTER) << i;
        all.upper |= in_set(sets, some, SET_UPPER) << i;
        all.lower |= in_set(sets, some, SET_LOWER) << i;
        all.space |= in_set(sets, some, SET_SPACE) << i;
        all.number |= in_set(sets, some, SET_NUMBER) << i;
        all.mark |= in_set(sets, some, SET_MARK) << i;
    }
    all = deposit(&all, first);
    add_sets(masks, &all, first);
}

/* The same of sixteen of them, each plus `base`. Returns behind the last. */
KERNEL INLINE size_t *put_sixteen(uint64_t bits, unsigned from, size_t base, size_t *ends)
{
    const __m512i sixteen =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __mmask16 some = (__mmask16)(bits >> from);
    __m512i places = _mm512_maskz_compress_epi32(some, sixteen);
    const long long first = (long long)base + from;
    __m512i bases = _mm512_set1_epi64(first);
    __m512i low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(places));
    __m512i high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(places, 1));
    _mm512_storeu_si512(ends, _mm512_add_epi64(low, bases));
    _mm512_storeu_si512(ends + 8, _mm512_add_epi64(high, bases));
    return ends + COUNT_ONES(some);
}

KERNEL INLINE void put_ends(uint64_t bits, unsigned count, size_t base, size_t *ends)
{
    (void)count;
    ends = put_sixteen(bits, 0, base, ends);
    ends = put_sixteen(bits, 16, base, ends);
    ends = put_sixteen(bits, 32, base, ends);
    (void)put_sixteen(bits, 48, base, ends);
}

KERNEL size_t split_pieces_avx512(enum split_pattern pattern, const unsigned char *text,
                                  size_t size, size_t *at, size_t *ends, size_t capacity)
{
    static const struct split_variant variant = {
        .classify = classify, .add_wide = add_wide_vectors, .put_ends = put_ends};
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
