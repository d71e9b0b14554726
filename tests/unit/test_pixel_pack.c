/* test_pixel_pack.c - pictures as tensors, every variant against a plain loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "stages/kernels/pixel_pack.h"

enum { SIDE_MAX = 100 };

/* The definition: one number at a time. */
static float plain_value(const struct pixel_format *format,
                         const struct pixel_place *place, unsigned channel, uint32_t x,
                         uint32_t y)
{
    float pixel = format->pad[channel];
    if (x >= place->left && x < place->left + place->width && y >= place->top &&
        y < place->top + place->height)
        pixel = place->pixels[(y - place->top) * place->stride +
                              3 * (size_t)(x - place->left) +
                              (format->is_bgr ? 2 - channel : channel)];
    float shifted = pixel - format->mean[channel];
    return shifted / format->divisor[channel];
}

static size_t index_of(const struct pixel_format *format, const struct pixel_place *place,
                       unsigned channel, uint32_t x, uint32_t y)
{
    size_t cell = (size_t)y * place->to_width + x;
    return format->channels_last
               ? 3 * cell + channel
               : (size_t)channel * place->to_width * place->to_height + cell;
}

static void check_place(const struct pixel_format *format,
                        const struct pixel_place *place)
{
    struct pixel_kernels kernels[PIXEL_KERNELS_MAX];
    size_t count = pixel_kernels_list(kernels);
    size_t size = 3 * (size_t)place->to_width * place->to_height;
    assert_string_equal(kernels[count - 1].name, "plain");
    for (size_t i = 0; i <= count; i++) {
        float *tensor = malloc(size * sizeof *tensor);
        unsigned char *bytes = malloc(size);
        assert_non_null(tensor);
        assert_non_null(bytes);
        if (i < count)
            pixel_pack_floats(&kernels[i], format, place, tensor);
        else
            pixel_pack_bytes(format, place, bytes);
        for (uint32_t y = 0; y < place->to_height; y++)
            for (uint32_t x = 0; x < place->to_width; x++)
                for (unsigned c = 0; c < 3; c++) {
                    struct pixel_format same = *format;
                    size_t at = index_of(format, place, c, x, y);
                    same.mean[c] = i < count ? same.mean[c] : 0;
                    same.divisor[c] = i < count ? same.divisor[c] : 1;
                    float value = plain_value(&same, place, c, x, y);
                    if (i < count)
                        assert_memory_equal(&tensor[at], &value, sizeof value);
                    else
                        assert_int_equal(bytes[at], (int)(value + 0.5F));
                }
        free(tensor);
        free(bytes);
    }
}

/* The picture's last byte is the last that may be read. */
static void all_variants_give_the_same_bits(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 160; round++) {
        struct pixel_format format = {.channels_last = round & 1,
                                      .is_bgr = round >> 1 & 1};
        struct pixel_place place = {.width = 1 + (uint32_t)rand() % SIDE_MAX,
                                    .height = 1 + (uint32_t)rand() % 5,
                                    .left = (uint32_t)rand() % 20,
                                    .top = (uint32_t)rand() % 3};
        place.to_width = place.left + place.width + (uint32_t)rand() % 20;
        place.to_height = place.top + place.height + (uint32_t)rand() % 3;
        place.stride = 3 * (size_t)place.width + (size_t)rand() % 4;
        for (unsigned c = 0; c < 3; c++) {
            format.mean[c] = (float)(rand() % 25500) / 100;
            format.divisor[c] = 1 + (float)(rand() % 25500) / 100;
            format.pad[c] = (float)(rand() % 511) / 2;
        }
        size_t size = place.stride * (place.height - 1) + 3 * (size_t)place.width;
        unsigned char *pixels = malloc(size);
        assert_non_null(pixels);
        for (size_t i = 0; i < size; i++)
            pixels[i] = (unsigned char)rand();
        place.pixels = pixels;
        check_place(&format, &place);
        free(pixels);
    }
}

static void presets_give_known_numbers(void **state)
{
    static const unsigned char pixel[] = {255, 127, 0};
    struct pixel_kernels kernels[PIXEL_KERNELS_MAX];
    struct pixel_place place = {.pixels = pixel,
                                .stride = 3,
                                .width = 1,
                                .height = 1,
                                .to_width = 2,
                                .to_height = 1};
    struct pixel_format format = {.mean = {127, 127, 127}, .divisor = {128, 128, 128}};
    float tensor[6];
    (void)state;
    (void)pixel_kernels_list(kernels);
    pixel_pack_floats(&kernels[0], &format, &place, tensor);
    const float ultraface[] = {
        1, -127.0F / 128, 0, -127.0F / 128, -127.0F / 128, -127.0F / 128};
    assert_memory_equal(tensor, ultraface, sizeof tensor);
    format = (struct pixel_format){.is_bgr = true,
                                   .channels_last = true,
                                   .divisor = {255, 255, 255},
                                   .pad = {114, 114, 114}};
    pixel_pack_floats(&kernels[0], &format, &place, tensor);
    const float yolo[] = {0, 127.0F / 255, 1, 114.0F / 255, 114.0F / 255, 114.0F / 255};
    assert_memory_equal(tensor, yolo, sizeof tensor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variants_give_the_same_bits),
        cmocka_unit_test(presets_give_known_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
