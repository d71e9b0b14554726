/* test_image_header.c - formats, sizes and orientations out of the first bytes of images */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/bytes.h"
#include "core/image_header.h"

/* Bytes in a block of their own size, so that ASan sees a read past them. */
static const char *read_header(const struct bytes *bytes, size_t size,
                               struct image_header *header, const char **detail)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes->data, size);
    const char *reason = image_header_read(copy, size, header, detail);
    free(copy);
    return reason;
}

static void put_big16(struct bytes *out, unsigned value)
{
    bytes_put_u8(out, (uint8_t)(value >> 8));
    bytes_put_u8(out, (uint8_t)value);
}

static void put_big32(struct bytes *out, uint32_t value)
{
    put_big16(out, value >> 16);
    put_big16(out, value & 0xFFFF);
}

/* A TIFF directory with the tags (count, 2), as SHORT, in either byte order. */
static void put_tiff(struct bytes *out, bool is_big, const unsigned (*tags)[2],
                     unsigned count)
{
    bytes_put(out, is_big ? "MM\0*" : "II*\0", 4);
    if (is_big)
        put_big32(out, 8);
    else
        bytes_put_u32(out, 8);
    if (is_big)
        put_big16(out, count);
    else
        bytes_put_u16(out, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        if (is_big) {
            put_big16(out, tags[i][0]);
            put_big16(out, 3);
            put_big32(out, 1);
            put_big16(out, tags[i][1]);
            put_big16(out, 0);
        } else {
            bytes_put_u16(out, (uint16_t)tags[i][0]);
            bytes_put_u16(out, 3);
            bytes_put_u32(out, 1);
            bytes_put_u16(out, (uint16_t)tags[i][1]);
            bytes_put_u16(out, 0);
        }
    }
    bytes_put_u32(out, 0);
}

static void put_exif(struct bytes *out, bool is_big, unsigned orientation)
{
    const unsigned tags[][2] = {{256, 7}, {274, orientation}};
    put_tiff(out, is_big, tags, 2);
}

static void put_segment(struct bytes *out, unsigned marker, const void *data, size_t size)
{
    put_big16(out, 0xFF00 | marker);
    put_big16(out, (unsigned)size + 2);
    bytes_put(out, data, size);
}

static void put_jpeg(struct bytes *out, unsigned frame, unsigned bits, unsigned width,
                     unsigned height, unsigned orientation)
{
    struct bytes exif = {0}, body = {0};
    bytes_put(out, "\xFF\xD8", 2);
    put_segment(out, 0xE0, "JFIF\0\1\1\0\0\1\0\1\0\0", 14);
    if (orientation) {
        bytes_put(&exif, "Exif\0\0", 6);
        put_exif(&exif, orientation % 2, orientation);
        put_segment(out, 0xE1, exif.data, exif.size);
    }
    bytes_put(out, "\xFF\xFF", 2); /* fill bytes before a marker are allowed */
    bytes_put_u8(&body, (uint8_t)bits);
    put_big16(&body, height);
    put_big16(&body, width);
    bytes_put(&body, "\1\1\x11\0", 4);
    put_segment(out, frame, body.data, body.size);
    put_segment(out, 0xDA, "\1\1\0\0\x3F\0", 6);
    bytes_clear(&exif);
    bytes_clear(&body);
}

static void put_png_chunk(struct bytes *out, const char *name, const void *data,
                          size_t size)
{
    put_big32(out, (uint32_t)size);
    bytes_put(out, name, 4);
    bytes_put(out, data, size);
    put_big32(out, 0); /* nobody looks at the checksum here */
}

static void put_png(struct bytes *out, uint32_t width, uint32_t height)
{
    struct bytes body = {0};
    bytes_put(out, "\x89PNG\r\n\x1A\n", 8);
    put_big32(&body, width);
    put_big32(&body, height);
    bytes_put(&body, "\x10\2\0\0\1", 5);
    put_png_chunk(out, "IHDR", body.data, body.size);
    bytes_clear(&body);
}

static void put_riff(struct bytes *out, const char *name, const void *data, size_t size)
{
    bytes_put(out, name, 4);
    bytes_put_u32(out, (uint32_t)size);
    bytes_put(out, data, size);
    if (size % 2)
        bytes_put_u8(out, 0);
}

static void expect_size(const struct bytes *file, enum image_format format,
                        uint32_t width, uint32_t height)
{
    struct image_header header;
    uint32_t w, h;
    const char *detail = NULL;
    const char *reason = read_header(file, file->size, &header, &detail);
    if (reason)
        print_message("%s: %s\n", reason, detail);
    assert_null(reason);
    assert_int_equal(header.format, format);
    image_upright_size(&header, &w, &h);
    assert_int_equal(w, width);
    assert_int_equal(h, height);
}

static void expect_bad(const struct bytes *file, const char *reason)
{
    struct image_header header;
    const char *detail = NULL;
    const char *found = read_header(file, file->size, &header, &detail);
    assert_non_null(found);
    assert_string_equal(found, reason);
    assert_non_null(detail);
}

static void jpeg_tells_size_bits_and_orientation(void **state)
{
    (void)state;
    for (unsigned orientation = 0; orientation <= 9; orientation++) {
        struct bytes file = {0};
        struct image_header header;
        put_jpeg(&file, 0xC0, 8, 640, 480, orientation);
        bool is_turned = orientation >= 5 && orientation <= 8;
        expect_size(&file, IMAGE_JPEG, is_turned ? 480 : 640, is_turned ? 640 : 480);
        assert_null(read_header(&file, file.size, &header, NULL));
        assert_int_equal(header.orientation,
                         orientation >= 1 && orientation <= 8 ? orientation : 1);
        assert_false(header.is_interleaved);
        bytes_clear(&file);
    }
    struct bytes file = {0};
    struct image_header header;
    put_jpeg(&file, 0xC2, 12, 65535, 1, 0);
    assert_null(read_header(&file, file.size, &header, NULL));
    assert_int_equal(header.bits, 12);
    assert_true(header.is_interleaved);
    bytes_clear(&file);
}

static void png_tells_its_orientation_wherever_the_chunk_stands(void **state)
{
    (void)state;
    struct bytes file = {0}, exif = {0};
    put_png(&file, 60000, 2);
    expect_size(&file, IMAGE_PNG, 60000, 2);
    put_png_chunk(&file, "IDAT", "abc", 3);
    put_exif(&exif, true, 6);
    put_png_chunk(&file, "eXIf", exif.data, exif.size);
    expect_size(&file, IMAGE_PNG, 2, 60000);
    bytes_clear(&file);
    bytes_clear(&exif);
}

static void webp_tells_its_size_in_each_of_its_three_forms(void **state)
{
    (void)state;
    static const unsigned char lossy[] = {0, 0, 0, 0x9D, 1, 0x2A, 0x40, 0xC1, 0x10, 0};
    static const unsigned char lossless[] = {0x2F, 0x3F, 0xC1, 0x03, 0x00};
    static const unsigned char extended[] = {8, 0, 0, 0, 0xFF, 0x3F, 0, 2, 0, 0};
    struct bytes file = {0}, exif = {0};
    bytes_put(&file, "RIFF\0\0\0\0WEBP", 12);
    put_riff(&file, "VP8 ", lossy, sizeof lossy);
    expect_size(&file, IMAGE_WEBP, 0x140, 16);
    file.size = 12;
    put_riff(&file, "VP8L", lossless, sizeof lossless);
    expect_size(&file, IMAGE_WEBP, 320, 16);
    file.size = 12;
    put_riff(&file, "VP8X", extended, sizeof extended);
    expect_size(&file, IMAGE_WEBP, 0x4000, 3);
    put_riff(&file, "VP8L", lossless, sizeof lossless);
    bytes_put(&exif, "Exif\0\0", 6);
    put_exif(&exif, false, 8);
    put_riff(&file, "EXIF", exif.data, exif.size);
    expect_size(&file, IMAGE_WEBP, 3, 0x4000);
    bytes_clear(&file);
    bytes_clear(&exif);
}

static void tiff_tells_its_size_in_both_byte_orders(void **state)
{
    (void)state;
    const unsigned tags[][2] = {{256, 30}, {257, 20}, {258, 16}, {274, 7}};
    for (int is_big = 0; is_big < 2; is_big++) {
        struct bytes file = {0};
        struct image_header header;
        put_tiff(&file, is_big, tags, 4);
        expect_size(&file, IMAGE_TIFF, 20, 30);
        assert_null(read_header(&file, file.size, &header, NULL));
        assert_int_equal(header.bits, 16);
        bytes_clear(&file);
    }
}

static void what_is_no_image_has_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        size_t size;
        const char *reason;
    } files[] = {{"", 0, "empty_file"},
                 {"hello", 5, "not_an_image"},
                 {"\xFF\xD8\xFF", 3, "bad_header"},
                 {"\xFF\xD8\xFF\xD9\xFF\xD9\xFF\xD9", 8, "bad_header"},
                 {"\xFF\xD8\xFF\xC0\0\x0B\x08\0\0\0\x10\1\1\x11\0", 15, "bad_header"},
                 {"GIF89a\1\0\1\0", 10, "unsupported_format"},
                 {"\0\0\0\x1C"
                  "ftypavif",
                  12, "unsupported_format"},
                 {"\x89PNG\r\n\x1A\n", 8, "bad_header"},
                 {"RIFF\4\0\0\0WEBP", 12, "bad_header"},
                 {"II*\0\xFF\xFF\xFF\xFF", 8, "bad_header"},
                 {"RIFF\4\0\0\0WAVE", 12, "not_an_image"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct bytes file = {0};
        bytes_put(&file, files[i].content, files[i].size);
        expect_bad(&file, files[i].reason);
        bytes_clear(&file);
    }
}

static void a_png_of_no_or_absurd_width_is_bad(void **state)
{
    (void)state;
    static const uint32_t widths[] = {0, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < 3; i++) {
        struct bytes file = {0};
        put_png(&file, widths[i], 5);
        expect_bad(&file, "bad_header");
        bytes_clear(&file);
    }
}

/* Nothing is read behind the end, whatever is cut off; ASan watches. */
static void every_prefix_of_every_form_is_borne(void **state)
{
    (void)state;
    const unsigned tags[][2] = {{256, 30}, {257, 20}, {274, 7}};
    struct bytes files[4] = {{0}, {0}, {0}, {0}}, exif = {0};
    put_exif(&exif, true, 5);
    put_jpeg(&files[0], 0xC1, 8, 64, 48, 6);
    put_png(&files[1], 9, 9);
    put_png_chunk(&files[1], "eXIf", exif.data, exif.size);
    bytes_put(&files[2], "RIFF\0\0\0\0WEBP", 12);
    put_riff(&files[2], "VP8X", "\0\0\0\0\1\0\0\1\0\0", 10);
    put_riff(&files[2], "EXIF", exif.data, exif.size);
    put_tiff(&files[3], false, tags, 3);
    for (int i = 0; i < 4; i++) {
        for (size_t size = 0; size <= files[i].size; size++) {
            struct image_header header;
            const char *reason = read_header(&files[i], size, &header, NULL);
            assert_true(reason || (header.width > 0 && header.height > 0 &&
                                   header.orientation >= 1 && header.orientation <= 8));
        }
        bytes_clear(&files[i]);
    }
    bytes_clear(&exif);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jpeg_tells_size_bits_and_orientation),
        TEST(png_tells_its_orientation_wherever_the_chunk_stands),
        TEST(webp_tells_its_size_in_each_of_its_three_forms),
        TEST(tiff_tells_its_size_in_both_byte_orders),
        TEST(what_is_no_image_has_its_reason),
        TEST(a_png_of_no_or_absurd_width_is_bad),
        TEST(every_prefix_of_every_form_is_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
