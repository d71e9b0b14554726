/* pixel_pack.c - pictures of bytes as the tensors that networks take */
#include "stages/kernels/pixel_pack.h"

#include <assert.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/compiler.h"

/* ---- plain ---- */

static void split_from(const unsigned char *row, size_t from, size_t width,
                       const float mean[3], const float divisor[3],
                       float *const planes[3])
{
    for (size_t i = from; i < width; i++)
        for (unsigned c = 0; c < 3; c++)
            planes[c][i] = ((float)row[3 * i + c] - mean[c]) / divisor[c];
}

static void split_plain(const unsigned char *row, size_t width, const float mean[3],
                        const float divisor[3], float *const planes[3])
{
    split_from(row, 0, width, mean, divisor, planes);
}

static void convert_from(const unsigned char *row, size_t from, size_t width,
                         const float mean[3], const float divisor[3], float *out)
{
    for (size_t i = from; i < width; i++)
        for (unsigned c = 0; c < 3; c++)
            out[3 * i + c] = ((float)row[3 * i + c] - mean[c]) / divisor[c];
}

static void convert_plain(const unsigned char *row, size_t width, const float mean[3],
                          const float divisor[3], float *out)
{
    convert_from(row, 0, width, mean, divisor, out);
}

#ifdef __x86_64__
/* AVX2 alone: of wider vectors the division takes as long for each number. */
enum { GROUP = 16 }; /* pixels: 48 bytes, three vectors of 16 */

/* Where byte i of channel c is among those of vector v: 3 i + c - 16 v; 0x80: in another. */
static void make_shuffles(unsigned char shuffles[3][3][16])
{
    for (unsigned c = 0; c < 3; c++)
        for (unsigned v = 0; v < 3; v++)
            for (unsigned i = 0; i < 16; i++) {
                unsigned at = 3 * i + c;
                shuffles[c][v][i] = at / 16 == v ? (unsigned char)(at % 16) : 0x80;
            }
}

CPU_TARGET("avx2")
static __m128i gather_channel(const unsigned char *pixels, unsigned char shuffles[3][16])
{
    __m128i channel = _mm_setzero_si128();
    for (size_t v = 0; v < 3; v++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(pixels + 16 * v));
        __m128i places = _mm_loadu_si128((const __m128i *)shuffles[v]);
        channel = _mm_or_si128(channel, _mm_shuffle_epi8(part, places));
    }
    return channel;
}

CPU_TARGET("avx2")
static void put_avx2(__m128i bytes, __m256 mean, __m256 divisor, float *out)
{
    __m256 values = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    _mm256_storeu_ps(out, _mm256_div_ps(_mm256_sub_ps(values, mean), divisor));
}

CPU_TARGET("avx2")
static void split_avx2(const unsigned char *row, size_t width, const float mean[3],
                       const float divisor[3], float *const planes[3])
{
    unsigned char shuffles[3][3][16];
    make_shuffles(shuffles);
    size_t whole = width / GROUP * GROUP;
    /* One plane after the other: side by side their stores are often a multiple of a page
     * apart, and stand in each other's way. */
    for (unsigned c = 0; c < 3; c++) {
        __m256 middle = _mm256_set1_ps(mean[c]), by = _mm256_set1_ps(divisor[c]);
        for (size_t i = 0; i < whole; i += GROUP) {
            __m128i bytes = gather_channel(row + 3 * i, shuffles[c]);
            put_avx2(bytes, middle, by, planes[c] + i);
            put_avx2(_mm_srli_si128(bytes, 8), middle, by, planes[c] + i + 8);
        }
    }
    split_from(row, whole, width, mean, divisor, planes);
}

/* values (48): those of three channels, over and over. */
static void repeat(const float of_channels[3], float values[3 * GROUP])
{
    for (unsigned i = 0; i < 3 * GROUP; i++)
        values[i] = of_channels[i % 3];
}

CPU_TARGET("avx2")
static void convert_avx2(const unsigned char *row, size_t width, const float mean[3],
                         const float divisor[3], float *out)
{
    float means[3 * GROUP], divisors[3 * GROUP];
    repeat(mean, means);
    repeat(divisor, divisors);
    size_t i = 0;
    for (; i + GROUP <= width; i += GROUP)
        for (unsigned k = 0; k < 3 * GROUP; k += 8)
            put_avx2(_mm_loadl_epi64((const __m128i *)(row + 3 * i + k)),
                     _mm256_loadu_ps(means + k), _mm256_loadu_ps(divisors + k),
                     out + 3 * i + k);
    convert_from(row, i, width, mean, divisor, out);
}
#endif

size_t pixel_kernels_list(struct pixel_kernels list[PIXEL_KERNELS_MAX])
{
    size_t count = 0;
#ifdef __x86_64__
    if (CPU_SUPPORTS("avx2"))
        list[count++] = (struct pixel_kernels){"avx2", split_avx2, convert_avx2};
#endif
    list[count++] = (struct pixel_kernels){"plain", split_plain, convert_plain};
    return count;
}

/* ---- whole pictures ---- */

static bool is_inside(const struct pixel_place *place)
{
    return place->left <= place->to_width &&
           place->width <= place->to_width - place->left &&
           place->top <= place->to_height &&
           place->height <= place->to_height - place->top;
}

/* The network's channel that has the R, G or B of a picture. */
static unsigned channel_of(const struct pixel_format *format, unsigned c)
{
    return format->is_bgr ? 2 - c : c;
}

static void fill(float *out, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        out[i] = value;
}

/* Columns [from, to) of a row of an interleaved tensor. */
static void fill_pixels(float *row, size_t from, size_t to, const float pad[3])
{
    for (size_t i = from; i < to; i++)
        for (unsigned c = 0; c < 3; c++)
            row[3 * i + c] = pad[c];
}

static void pack_planes(const struct pixel_kernels *kernels,
                        const struct pixel_format *format,
                        const struct pixel_place *place, const float pad[3],
                        float *tensor)
{
    size_t width = place->to_width, plane = width * place->to_height;
    size_t end = (size_t)place->left + place->width;
    float mean[3], divisor[3];
    for (unsigned c = 0; c < 3; c++) {
        mean[c] = format->mean[channel_of(format, c)];
        divisor[c] = format->divisor[channel_of(format, c)];
    }
    for (uint32_t y = 0; y < place->to_height; y++) {
        bool is_picture = y >= place->top && y - place->top < place->height;
        float *rows[3];
        for (unsigned c = 0; c < 3; c++) {
            unsigned channel = channel_of(format, c);
            float *row = tensor + channel * plane + y * width;
            rows[c] = row + place->left;
            fill(row, is_picture ? place->left : width, pad[channel]);
            if (is_picture)
                fill(row + end, width - end, pad[channel]);
        }
        if (is_picture)
            kernels->split(place->pixels + (y - place->top) * place->stride, place->width,
                           mean, divisor, rows);
    }
}

static void reverse_pixels(const unsigned char *row, size_t width, const float mean[3],
                           const float divisor[3], float *out)
{
    for (size_t i = 0; i < width; i++)
        for (unsigned c = 0; c < 3; c++)
            out[3 * i + c] = ((float)row[3 * i + 2 - c] - mean[c]) / divisor[c];
}

static void pack_pixels(const struct pixel_kernels *kernels,
                        const struct pixel_format *format,
                        const struct pixel_place *place, const float pad[3],
                        float *tensor)
{
    size_t width = place->to_width, end = (size_t)place->left + place->width;
    for (uint32_t y = 0; y < place->to_height; y++) {
        bool is_picture = y >= place->top && y - place->top < place->height;
        float *row = tensor + 3 * width * y;
        fill_pixels(row, 0, is_picture ? place->left : width, pad);
        if (!is_picture)
            continue;
        fill_pixels(row, end, width, pad);
        const unsigned char *pixels = place->pixels + (y - place->top) * place->stride;
        if (format->is_bgr)
            reverse_pixels(pixels, place->width, format->mean, format->divisor,
                           row + 3 * (size_t)place->left);
        else
            kernels->convert(pixels, place->width, format->mean, format->divisor,
                             row + 3 * (size_t)place->left);
    }
}

void pixel_pack_floats(const struct pixel_kernels *kernels,
                       const struct pixel_format *format, const struct pixel_place *place,
                       float *tensor)
{
    assert(is_inside(place));
    float pad[3];
    for (unsigned c = 0; c < 3; c++)
        pad[c] = (format->pad[c] - format->mean[c]) / format->divisor[c];
    if (format->channels_last)
        pack_pixels(kernels, format, place, pad, tensor);
    else
        pack_planes(kernels, format, place, pad, tensor);
}

void pixel_pack_bytes(const struct pixel_format *format, const struct pixel_place *place,
                      unsigned char *tensor)
{
    assert(is_inside(place));
    size_t width = place->to_width, plane = width * place->to_height;
    for (unsigned c = 0; c < 3; c++) {
        unsigned channel = channel_of(format, c);
        size_t step = format->channels_last ? 3 : 1;
        unsigned char *out = tensor + (format->channels_last ? channel : channel * plane);
        unsigned char pad = (unsigned char)(format->pad[channel] + 0.5F);
        for (uint32_t y = 0; y < place->to_height; y++)
            for (uint32_t x = 0; x < width; x++, out += step) {
                bool is_picture = y >= place->top && y - place->top < place->height &&
                                  x >= place->left && x - place->left < place->width;
                *out = is_picture ? place->pixels[(y - place->top) * place->stride +
                                                  3 * (size_t)(x - place->left) + c]
                                  : pad;
            }
    }
}
