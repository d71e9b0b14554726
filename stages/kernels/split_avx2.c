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

/* A class of ASCII is one or two rows of sixteen bytes (the upper four bits) with some of
 * their columns (the lower four): a bit for each. */
enum {
    ROW_LINES = 1 << 0,  /* 0A 0D */
    ROW_TABS = 1 << 1,   /* 09 0B 0C */
    ROW_BLANK = 1 << 2,  /* 20 */
    ROW_DIGITS = 1 << 3, /* 30 to 39 */
    ROW_AO = 1 << 4,     /* 41 to 4F */
    ROW_PZ = 1 << 5,     /* 50 to 5A */
    ROW_ao = 1 << 6,     /* 61 to 6F */
    ROW_pz = 1 << 7      /* 70 to 7A */
};

KERNEL INLINE __m256i rows_of(__m256i bytes)
{
    enum { LETTERS = ROW_AO | ROW_ao | ROW_PZ | ROW_pz, FEW = ROW_DIGITS | LETTERS };
    const __m256i columns = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        (char)(ROW_BLANK | ROW_DIGITS | ROW_PZ | ROW_pz), (char)FEW, (char)FEW, (char)FEW,
        (char)FEW, (char)FEW, (char)FEW, (char)FEW, (char)FEW, (char)(ROW_TABS | FEW),
        (char)(ROW_LINES | LETTERS), (char)(ROW_TABS | ROW_AO | ROW_ao),
        (char)(ROW_TABS | ROW_AO | ROW_ao), (char)(ROW_LINES | ROW_AO | ROW_ao),
        (char)(ROW_AO | ROW_ao), (char)(ROW_AO | ROW_ao)));
    const __m256i rows = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(ROW_LINES | ROW_TABS, 0, ROW_BLANK, ROW_DIGITS, ROW_AO, ROW_PZ,
                      ROW_ao, (char)ROW_pz, 0, 0, 0, 0, 0, 0, 0, 0));
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
        .classify = classify, .add_wide = add_wide, .put_ends = put_ends};
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
