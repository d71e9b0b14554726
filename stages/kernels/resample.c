/* resample.c - change the size of pictures, row by row, with the same bits everywhere */
#include "stages/kernels/resample.h"

#include <stdlib.h>
#include <string.h>

enum { FRACTION = 22, LOWER = 11 };

/* ---- weights ---- */

/* sin(pi * t), by its series: the C library's differs between machines in the last bit. */
static double sine_of_pi(double t)
{
    static const double pi = 3.14159265358979323846;
    /* 1 / k! with the signs of the sine, from k = 23 down to 3. */
    static const double series[] = {-1 / 25852016738884976640000.0,
                                    1 / 51090942171709440000.0,
                                    -1 / 121645100408832000.0,
                                    1 / 355687428096000.0,
                                    -1 / 1307674368000.0,
                                    1 / 6227020800.0,
                                    -1 / 39916800.0,
                                    1 / 362880.0,
                                    -1 / 5040.0,
                                    1 / 120.0,
                                    -1 / 6.0};
    int64_t whole = (int64_t)(t < 0 ? t - 0.5 : t + 0.5);
    double y = pi * (t - (double)whole), square = y * y, sum = 0;
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        sum = (sum + series[i]) * square;
    sum = y + y * sum;
    return whole % 2 ? -sum : sum;
}

static double sinc(double x)
{
    static const double pi = 3.14159265358979323846;
    return x == 0.0 ? 1.0 : sine_of_pi(x) / (x * pi);
}

static double filter_value(enum resample_filter filter, double x)
{
    static const double a = -0.5;
    double d = x < 0.0 ? -x : x;
    switch (filter) {
    case RESAMPLE_BOX:
        return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case RESAMPLE_BILINEAR:
        return d < 1.0 ? 1.0 - d : 0.0;
    case RESAMPLE_BICUBIC:
        return d < 1.0   ? ((a + 2.0) * d - (a + 3.0)) * d * d + 1
               : d < 2.0 ? (((d - 5) * d + 8) * d - 4) * a
                         : 0.0;
    case RESAMPLE_LANCZOS:
        return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    default:
        return 0.0;
    }
}

static double support_of(enum resample_filter filter)
{
    static const double supports[] = {[RESAMPLE_BOX] = 0.5,
                                      [RESAMPLE_BILINEAR] = 1.0,
                                      [RESAMPLE_BICUBIC] = 2.0,
                                      [RESAMPLE_LANCZOS] = 3.0,
                                      [RESAMPLE_AREA] = 0.5};
    return supports[filter];
}

static uint32_t width_of(uint32_t from, uint32_t to, enum resample_filter filter)
{
    double scale = (double)from / to;
    double support = support_of(filter) * (scale < 1.0 ? 1.0 : scale);
    uint32_t whole = (uint32_t)support;
    uint32_t width = 2 * (whole + (support > whole)) + 1;
    return width < from ? width : from;
}

/* Into whole numbers, half away from zero. */
static int32_t to_fixed(double value)
{
    double scaled = value * (1 << FRACTION);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* How much of each input [x, x + 1) the output covers. */
static struct resample_span cover(uint32_t from, uint32_t to, uint32_t at, double *values,
                                  uint32_t width)
{
    /* Whole numbers, so that an end on a border is exactly there: in units of 1 / to. */
    uint64_t begin = (uint64_t)at * from, end = begin + from;
    uint32_t first = (uint32_t)(begin / to), used = 0;
    if (from <= to) { /* nearest, by centres */
        values[0] = 1;
        return (struct resample_span){(uint32_t)(((uint64_t)2 * at + 1) * from / 2 / to),
                                      1};
    }
    for (uint64_t x = first; x * to < end && used < width; x++, used++) {
        uint64_t left = x * to < begin ? begin : x * to;
        uint64_t right = (x + 1) * to < end ? (x + 1) * to : end;
        values[used] = (double)(right - left) / (double)from;
    }
    return (struct resample_span){first, used};
}

static struct resample_span spread(uint32_t from, uint32_t to, uint32_t at,
                                   enum resample_filter filter, double *values)
{
    double scale = (double)from / to, wide = scale < 1.0 ? 1.0 : scale;
    double support = support_of(filter) * wide, step = 1.0 / wide;
    double center = (at + 0.5) * scale, sum = 0.0;
    double low = center - support + 0.5, high = center + support + 0.5;
    uint32_t begin = low < 0 ? 0 : (uint32_t)low;
    uint32_t end = high > from ? from : (uint32_t)high;
    for (uint32_t x = begin; x < end; x++) {
        values[x - begin] = filter_value(filter, (x - center + 0.5) * step);
        sum += values[x - begin];
    }
    for (uint32_t x = begin; x < end && sum != 0.0; x++)
        values[x - begin] /= sum;
    return (struct resample_span){begin, end - begin};
}

bool resample_weights_create(uint32_t from, uint32_t to, enum resample_filter filter,
                             struct resample_weights *weights)
{
    uint32_t width = width_of(from, to, filter);
    *weights = (struct resample_weights){
        .count = to, .width = width, .padded = (width + 15) / 16 * 16};
    double *values = calloc((size_t)width + 2, sizeof *values);
    weights->spans = calloc(to, sizeof *weights->spans);
    weights->weights = calloc(to, width * sizeof *weights->weights);
    weights->halves = calloc(to, (size_t)2 * weights->padded * sizeof *weights->halves);
    if (!values || !weights->spans || !weights->weights || !weights->halves) {
        free(values);
        resample_weights_clear(weights);
        return false;
    }
    for (uint32_t i = 0; i < to; i++) {
        struct resample_span span = filter == RESAMPLE_AREA
                                        ? cover(from, to, i, values, width)
                                        : spread(from, to, i, filter, values);
        int32_t *row = weights->weights + (size_t)i * width;
        int16_t *upper = weights->halves + (size_t)i * 2 * weights->padded;
        for (uint32_t k = 0; k < span.used; k++) {
            row[k] = to_fixed(values[k]);
            int32_t lower = row[k] & ((1 << LOWER) - 1);
            upper[k] = (int16_t)((row[k] - lower) / (1 << LOWER));
            upper[weights->padded + k] = (int16_t)lower;
        }
        weights->spans[i] = span;
    }
    free(values);
    return true;
}

void resample_weights_clear(struct resample_weights *weights)
{
    free(weights->spans);
    free(weights->weights);
    free(weights->halves);
    *weights = (struct resample_weights){0};
}

/* ---- loops ---- */

static unsigned char clip(int32_t sum)
{
    /* An arithmetic shift, written so that C promises it. */
    int32_t value = sum < 0 ? -1 : sum >> FRACTION;
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void across_plain(const unsigned char *row, uint32_t from_width, uint32_t channels,
                         const struct resample_weights *weights, unsigned char *out)
{
    (void)from_width;
    for (uint32_t i = 0; i < weights->count; i++) {
        struct resample_span span = weights->spans[i];
        const int32_t *weight = weights->weights + (size_t)i * weights->width;
        for (uint32_t c = 0; c < channels; c++) {
            const unsigned char *from = row + (size_t)span.begin * channels + c;
            int32_t sum = 1 << (FRACTION - 1);
            for (uint32_t k = 0; k < span.used; k++)
                sum += from[(size_t)k * channels] * weight[k];
            *out++ = clip(sum);
        }
    }
}

static void down_plain(const unsigned char *const *rows, const int32_t *weights,
                       uint32_t used, size_t size, unsigned char *out)
{
    for (size_t x = 0; x < size; x++) {
        int32_t sum = 1 << (FRACTION - 1);
        for (uint32_t k = 0; k < used; k++)
            sum += rows[k][x] * weights[k];
        out[x] = clip(sum);
    }
}

const struct resample_loops resample_plain = {across_plain, down_plain};

/* ---- rows in, rows out ---- */

struct resampler {
    struct resample_weights across, down; /* owned */
    const struct resample_loops *loops;
    uint32_t from_width, channels;
    uint32_t pushed, pulled;
    size_t row_size;     /* of an output row */
    unsigned char *rows; /* owned: (down.width, row_size), by input row modulo width */
    const unsigned char **list; /* owned: (down.width) */
};

struct resampler *resampler_create(uint32_t from_width, uint32_t from_height,
                                   uint32_t to_width, uint32_t to_height,
                                   uint32_t channels, enum resample_filter filter)
{
    struct resampler *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->from_width = from_width;
    made->channels = channels;
    made->row_size = (size_t)to_width * channels;
    made->loops = resample_avx2();
    if (!made->loops)
        made->loops = &resample_plain;
    if (resample_weights_create(from_width, to_width, filter, &made->across) &&
        resample_weights_create(from_height, to_height, filter, &made->down)) {
        made->rows = calloc(made->down.width, made->row_size);
        made->list = calloc(made->down.width, sizeof *made->list);
    }
    if (made->rows && made->list)
        return made;
    resampler_destroy(made);
    return NULL;
}

void resampler_destroy(struct resampler *resampler)
{
    if (!resampler)
        return;
    resample_weights_clear(&resampler->across);
    resample_weights_clear(&resampler->down);
    free(resampler->rows);
    free(resampler->list);
    free(resampler);
}

uint64_t resampler_bytes(uint32_t from_width, uint32_t from_height, uint32_t to_width,
                         uint32_t to_height, uint32_t channels,
                         enum resample_filter filter)
{
    uint64_t across = width_of(from_width, to_width, filter);
    uint64_t down = width_of(from_height, to_height, filter);
    return 8 * across * to_width + 8 * down * to_height + down * to_width * channels +
           8 * ((uint64_t)to_width + to_height + down);
}

void resampler_reset(struct resampler *resampler)
{
    resampler->pushed = resampler->pulled = 0;
}

void resampler_push(struct resampler *resampler, const unsigned char *row)
{
    uint32_t place = resampler->pushed++ % resampler->down.width;
    resampler->loops->across(row, resampler->from_width, resampler->channels,
                             &resampler->across,
                             resampler->rows + place * resampler->row_size);
}

bool resampler_pull(struct resampler *resampler, unsigned char *out)
{
    const struct resample_weights *down = &resampler->down;
    if (resampler->pulled == down->count)
        return false;
    struct resample_span span = down->spans[resampler->pulled];
    if (span.begin + span.used > resampler->pushed)
        return false;
    for (uint32_t k = 0; k < span.used; k++)
        resampler->list[k] =
            resampler->rows + (span.begin + k) % down->width * resampler->row_size;
    resampler->loops->down(resampler->list,
                           down->weights + (size_t)resampler->pulled * down->width,
                           span.used, resampler->row_size, out);
    resampler->pulled++;
    return true;
}
