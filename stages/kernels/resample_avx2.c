/* resample_avx2.c - the inner loops of resampling with AVX2: the same sums, the same bits */
#include "stages/kernels/resample.h"

#include "core/compiler.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define KERNEL CPU_TARGET("avx2")

enum { FRACTION = 22, LOWER = 11, PIXELS = 32, LOADED = 16 };

/* Sums, as 8 numbers of 32 bits each, to bytes. */
KERNEL INLINE __m256i shifted(__m256i sum)
{
    return _mm256_srai_epi32(sum, FRACTION);
}

/* Four pixels of three bytes as words: red of the first and second, green, blue, nothing;
 * then those of the third and fourth. */
KERNEL INLINE __m256i pixel_pairs(const unsigned char *from)
{
    const __m256i spread =
        _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, /* */
                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
}

/* Four weights, the first two everywhere in the lower half, the others in the upper. */
KERNEL INLINE __m256i weight_pairs(const int16_t *weights)
{
    const __m256i spread =
        _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, /* */
                         4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    int64_t four;
    memcpy(&four, weights, sizeof four);
    return _mm256_shuffle_epi8(_mm256_set1_epi64x(four), spread);
}

struct sums {
    __m256i upper, lower;
};

KERNEL INLINE struct sums add_pixels(struct sums sums, const unsigned char *pixels,
                                     const int16_t *upper, const int16_t *lower)
{
    __m256i words = pixel_pairs(pixels);
    sums.upper =
        _mm256_add_epi32(sums.upper, _mm256_madd_epi16(words, weight_pairs(upper)));
    sums.lower =
        _mm256_add_epi32(sums.lower, _mm256_madd_epi16(words, weight_pairs(lower)));
    return sums;
}

KERNEL INLINE uint32_t to_bytes(struct sums sums)
{
    __m256i all = _mm256_add_epi32(_mm256_slli_epi32(sums.upper, LOWER), sums.lower);
    __m128i both =
        _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    both = _mm_srai_epi32(_mm_add_epi32(both, _mm_set1_epi32(1 << (FRACTION - 1))),
                          FRACTION);
    __m128i words = _mm_packs_epi32(both, both);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
}

/* One channel: sixteen neighbours at a time. */
KERNEL static void across_one(const unsigned char *row, uint32_t from_width,
                              const struct resample_weights *weights, unsigned char *out)
{
    for (uint32_t i = 0; i < weights->count; i++) {
        struct resample_span span = weights->spans[i];
        const int16_t *upper = weights->halves + (size_t)i * 2 * weights->padded;
        const int16_t *lower = upper + weights->padded;
        struct sums sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (uint32_t k = 0; k < span.used; k += LOADED) {
            unsigned char last[LOADED] = {0};
            size_t at = (size_t)span.begin + k, left = from_width - at;
            const unsigned char *from = row + at;
            if (left < LOADED)
                from = memcpy(last, from, left);
            __m256i words = _mm256_cvtepu8_epi16(
                _mm_loadu_si128((const __m128i *)(const void *)from));
            __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(upper + k));
            __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(lower + k));
            sums.upper = _mm256_add_epi32(sums.upper, _mm256_madd_epi16(words, high));
            sums.lower = _mm256_add_epi32(sums.lower, _mm256_madd_epi16(words, low));
        }
        __m256i all = _mm256_add_epi32(_mm256_slli_epi32(sums.upper, LOWER), sums.lower);
        __m128i four =
            _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
        four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
        four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
        int32_t sum = _mm_cvtsi128_si32(four) + (1 << (FRACTION - 1));
        int32_t value = sum < 0 ? 0 : sum >> FRACTION;
        out[i] = (unsigned char)(value > 255 ? 255 : value);
    }
}

KERNEL static void across_avx2(const unsigned char *row, uint32_t from_width,
                               uint32_t channels, const struct resample_weights *weights,
                               unsigned char *out)
{
    size_t size = (size_t)from_width * 3;
    if (channels != 3) {
        across_one(row, from_width, weights, out);
        return;
    }
    for (uint32_t i = 0; i < weights->count; i++, out += 3) {
        struct resample_span span = weights->spans[i];
        const int16_t *upper = weights->halves + (size_t)i * 2 * weights->padded;
        const int16_t *lower = upper + weights->padded;
        size_t at = (size_t)span.begin * 3;
        struct sums sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        uint32_t k = 0;
        /* Sixteen bytes are read of four pixels: the last of a row have fewer. */
        for (; k < span.used && at + LOADED <= size; k += 4, at += 12)
            sums = add_pixels(sums, row + at, upper + k, lower + k);
        for (; k < span.used; k += 4, at += 12) {
            unsigned char last[LOADED] = {0};
            memcpy(last, row + at, size - at < 12 ? size - at : 12);
            sums = add_pixels(sums, last, upper + k, lower + k);
        }
        uint32_t bytes = to_bytes(sums);
        out[0] = (unsigned char)bytes;
        out[1] = (unsigned char)(bytes >> 8);
        out[2] = (unsigned char)(bytes >> 16);
    }
}

KERNEL static void down_avx2(const unsigned char *const *rows, const int32_t *weights,
                             uint32_t used, size_t size, unsigned char *out)
{
    const __m256i half = _mm256_set1_epi32(1 << (FRACTION - 1));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    size_t x = 0;
    for (; x + PIXELS <= size; x += PIXELS) {
        __m256i sums[4] = {half, half, half, half};
        for (uint32_t k = 0; k < used; k++) {
            __m256i weight = _mm256_set1_epi32(weights[k]);
            for (size_t i = 0; i < 4; i++) {
                __m128i bytes =
                    _mm_loadl_epi64((const __m128i *)(const void *)(rows[k] + x + 8 * i));
                sums[i] = _mm256_add_epi32(
                    sums[i], _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), weight));
            }
        }
        __m256i low = _mm256_packs_epi32(shifted(sums[0]), shifted(sums[1]));
        __m256i high = _mm256_packs_epi32(shifted(sums[2]), shifted(sums[3]));
        __m256i bytes =
            _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)(void *)(out + x), bytes);
    }
    for (; x < size; x++) {
        int32_t sum = 1 << (FRACTION - 1);
        for (uint32_t k = 0; k < used; k++)
            sum += rows[k][x] * weights[k];
        int32_t value = sum < 0 ? 0 : sum >> FRACTION;
        out[x] = (unsigned char)(value > 255 ? 255 : value);
    }
}

const struct resample_loops *resample_avx2(void)
{
    static const struct resample_loops loops = {across_avx2, down_avx2};
    return CPU_SUPPORTS("avx2") ? &loops : NULL;
}

#else

const struct resample_loops *resample_avx2(void)
{
    return NULL;
}

#endif
