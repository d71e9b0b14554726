/* split_avx2.c - split text by windows of 64 bytes, with AVX2 */
#include "stages/kernels/split_parts.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "stages/kernels/split_windows.h"

#define KERNEL TARGET("avx2,bmi,bmi2,lzcnt,popcnt")

bool split_has_avx2(void)
{
    return CPU_SUPPORTS("avx2") && CPU_SUPPORTS("bmi2") && CPU_SUPPORTS("popcnt");
}

KERNEL INLINE __m256i rows_of(__m256i bytes)
{
    const __m256i columns = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)split_columns));
    const __m256i rows = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)split_rows));
    const __m256i four = _mm256_set1_epi8(0x0F);
    __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), four);
    __m256i lower = _mm256_and_si256(bytes, four);
    return _mm256_and_si256(_mm256_shuffle_epi8(rows, upper),
                            _mm256_shuffle_epi8(columns, lower));
}

KERNEL INLINE uint64_t both(__m256i first, __m256i second)
{
    return (uint32_t)_mm256_movemask_epi8(first) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(second) << 32;
}

struct halves {
    __m256i first, second;
};

KERNEL INLINE uint64_t in_rows(const struct halves *rows, int set)
{
    const __m256i wanted = _mm256_set1_epi8((char)set), zero = _mm256_setzero_si256();
    return ~both(_mm256_cmpeq_epi8(_mm256_and_si256(rows->first, wanted), zero),
                 _mm256_cmpeq_epi8(_mm256_and_si256(rows->second, wanted), zero));
}

KERNEL INLINE uint64_t equal_to(const struct halves *bytes, char byte)
{
    const __m256i wanted = _mm256_set1_epi8(byte);
    return both(_mm256_cmpeq_epi8(bytes->first, wanted),
                _mm256_cmpeq_epi8(bytes->second, wanted));
}

KERNEL INLINE struct split_masks classify(const unsigned char *at, uint64_t *wide)
{
    const struct halves bytes = {
        .first = _mm256_loadu_si256((const __m256i *)(const void *)at),
        .second = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32))};
    const struct halves rows = {.first = rows_of(bytes.first),
                                .second = rows_of(bytes.second)};
    struct split_masks masks = {.number = in_rows(&rows, ROW_DIGITS),
                                .space = in_rows(&rows, ROW_TABS | ROW_BLANK),
                                .newline = in_rows(&rows, ROW_LINES),
                                .upper = in_rows(&rows, ROW_AO | ROW_PZ),
                                .lower = in_rows(&rows, ROW_ao | ROW_pz),
                                .blank = equal_to(&bytes, ' '),
                                .apostrophe = equal_to(&bytes, '\''),
                                .slash = equal_to(&bytes, '/')};
    masks.letter = masks.upper | masks.lower;
    *wide = both(bytes.first, bytes.second);
    return masks;
}

KERNEL INLINE __m256i all(uint32_t value)
{
    return _mm256_set1_epi32((int)value);
}

KERNEL INLINE __m256i gather_words(const void *table, __m256i places, int scale)
{
    const int *words = table;
    return scale == 1 ? _mm256_i32gather_epi32(words, places, 1)
                      : _mm256_i32gather_epi32(words, places, 4);
}

/* Entries of a table of bytes; `table` is read in aligned groups of four. */
KERNEL INLINE __m256i gather_bytes(const uint8_t *table, __m256i places)
{
    __m256i words = gather_words(table, _mm256_srli_epi32(places, 2), 4);
    __m256i shift = _mm256_slli_epi32(_mm256_and_si256(places, all(3)), 3);
    return _mm256_and_si256(_mm256_srlv_epi32(words, shift), all(0xFF));
}

KERNEL INLINE __m256i bits_of(__m256i values, int shift, uint32_t mask)
{
    return _mm256_and_si256(_mm256_srl_epi32(values, _mm_cvtsi32_si128(shift)),
                            all(mask));
}

KERNEL INLINE __m256i join(__m256i upper, __m256i lower)
{
    return _mm256_or_si256(_mm256_slli_epi32(upper, 6), lower);
}

KERNEL INLINE unsigned lanes_of(__m256i mask)
{
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(mask));
}

/* Lanes of `b` where the bytes' first ones are at least `lead`, else of `a`. */
KERNEL INLINE __m256i from_lead(__m256i bytes, int lead, __m256i a, __m256i b)
{
    __m256i is_from =
        _mm256_cmpgt_epi32(bits_of(bytes, 0, 0xFF), all((uint32_t)lead - 1));
    return _mm256_blendv_epi8(a, b, is_from);
}

/* Class sets of eight characters whose first four bytes stand in the lanes; those that are
 * surrogates, overlong or too large are told in `bad`. */
KERNEL INLINE __m256i sets_of(__m256i bytes, unsigned *bad)
{
    __m256i second = bits_of(bytes, 8, 0x3F), third = bits_of(bytes, 16, 0x3F);
    __m256i of_two = join(bits_of(bytes, 0, 0x1F), second);
    __m256i of_three = join(join(bits_of(bytes, 0, 0x0F), second), third);
    __m256i of_four = join(of_three, bits_of(bytes, 24, 0x3F));
    __m256i points = from_lead(bytes, 0xE0, of_two, of_three);
    __m256i least = from_lead(bytes, 0xE0, all(0x80), all(0x800));
    points = from_lead(bytes, 0xF0, points, of_four);
    least = from_lead(bytes, 0xF0, least, all(0x10000));
    __m256i is_bad = _mm256_or_si256(
        _mm256_or_si256(_mm256_cmpgt_epi32(least, points),
                        _mm256_cmpgt_epi32(points, all(0x10FFFF))),
        _mm256_cmpeq_epi32(_mm256_srli_epi32(points, 11), all(0xD800 >> 11)));
    *bad = lanes_of(is_bad);
    points = _mm256_min_epu32(points, all(0x10FFFF));
    __m256i block =
        gather_bytes(unicode_block_index, _mm256_srli_epi32(points, UNICODE_BLOCK_BITS));
    __m256i inside = _mm256_and_si256(points, all((1u << UNICODE_BLOCK_BITS) - 1));
    __m256i classes = gather_bytes(
        unicode_blocks,
        _mm256_or_si256(_mm256_slli_epi32(block, UNICODE_BLOCK_BITS), inside));
    return _mm256_sllv_epi32(all(1), classes);
}

KERNEL INLINE uint64_t in_set(__m256i sets, unsigned some, unsigned set)
{
    __m256i none =
        _mm256_cmpeq_epi32(_mm256_and_si256(sets, all(set)), _mm256_setzero_si256());
    return ~lanes_of(none) & some;
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

/* Eight characters of several bytes at a time. */
KERNEL INLINE void add_wide_vectors(const unsigned char *at, uint64_t wide,
                                    struct split_masks *masks)
{
    uint32_t places[SPLIT_WINDOW + 8] = {0};
    const struct split_masks before = *masks;
    uint64_t continuation = 0, from_e0 = 0, from_f0 = 0;
    for (int i = 0; i < SPLIT_WINDOW; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(at + i));
        /* as signed bytes: 80 to BF are below C0, and so on */
        __m256i is_lead = _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)0xBF));
        __m256i is_long = _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)0xDF));
        __m256i is_four = _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8((char)0xEF));
        continuation |= (uint64_t) ~(uint32_t)_mm256_movemask_epi8(is_lead) << i;
        from_e0 |= (uint64_t)(uint32_t)_mm256_movemask_epi8(is_long) << i;
        from_f0 |= (uint64_t)(uint32_t)_mm256_movemask_epi8(is_four) << i;
    }
    uint64_t first = wide_characters(masks, wide, continuation & wide, from_e0, from_f0);
    struct wide_sets found = {0}; /* bit i: of the i-th */
    unsigned count = 0;
    for (uint64_t left = first; left; left &= left - 1)
        places[count++] = TRAILING_ZEROS(left);
    for (unsigned i = 0; i < count; i += 8) {
        unsigned some = count - i < 8 ? (1u << (count - i)) - 1 : 0xFF, bad;
        __m256i bytes = gather_words(
            at, _mm256_loadu_si256((const __m256i *)(const void *)(places + i)), 1);
        __m256i sets = sets_of(bytes, &bad);
        if (UNLIKELY(bad & some)) {
            *masks = before;
            add_wide(at, wide, masks);
            return;
        }
        found.letter |= in_set(sets, some, SET_LETTER) << i;
        found.upper |= in_set(sets, some, SET_UPPER) << i;
        found.lower |= in_set(sets, some, SET_LOWER) << i;
        found.space |= in_set(sets, some, SET_SPACE) << i;
        found.number |= in_set(sets, some, SET_NUMBER) << i;
        found.mark |= in_set(sets, some, SET_MARK) << i;
    }
    found = deposit(&found, first);
    add_sets(masks, &found, first);
}

/* Positions of the bits, each plus `base`, to `ends`. */
KERNEL INLINE void put_ends(uint64_t bits, unsigned count, size_t base, size_t *ends)
{
    for (unsigned i = 0; i < count; i++) {
        ends[i] = base + TRAILING_ZEROS(bits);
        bits &= bits - 1;
    }
}

KERNEL size_t split_pieces_avx2(enum split_pattern pattern, const unsigned char *text,
                                size_t size, size_t *at, size_t *ends, size_t capacity)
{
    static const struct split_variant variant = {
        .classify = classify, .add_wide = add_wide_vectors, .put_ends = put_ends};
    return split_all_windows(pattern, &variant, text, size, at, ends, capacity);
}

#else

bool split_has_avx2(void)
{
    return false;
}

size_t split_pieces_avx2(enum split_pattern pattern, const unsigned char *text,
                         size_t size, size_t *at, size_t *ends, size_t capacity)
{
    (void)pattern, (void)text, (void)size, (void)at, (void)ends, (void)capacity;
    return 0;
}

#endif
