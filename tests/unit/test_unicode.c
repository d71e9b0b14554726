/* test_unicode.c - decoding, cutting, and the quick check against the full way */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"

/* UTF-8 of a code point, by the book. */
static size_t encode(uint32_t code, unsigned char *out)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3F));
    out[0] = (unsigned char)(heads[length] | code);
    return length;
}

static void every_code_point_decodes_and_no_surrogate(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110010; code++) {
        unsigned char text[4];
        uint32_t found = 0;
        size_t length = encode(code, text);
        bool is_valid = code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000);
        assert_int_equal(unicode_decode(text, length, &found), is_valid ? length : 0);
        if (is_valid)
            assert_int_equal(found, code);
        if (length > 1)
            assert_int_equal(unicode_decode(text, length - 1, &found), 0);
    }
}

static void overlong_and_stray_bytes_are_no_utf8(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\xC0\x80", "\xC1\xBF",  "\xE0\x9F\xBF",     "\xF0\x8F\xBF\xBF",
        "\x80",     "\xBF",      "\xF8\x88\x80\x80", "\xFF",
        "\xC3(",    "\xE2\x82(", "\xF0\x9F\x98("};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code;
        assert_int_equal(
            unicode_decode((const unsigned char *)cases[i], strlen(cases[i]), &code), 0);
    }
}

static void ascii_is_measured_to_the_byte(void **state)
{
    (void)state;
    unsigned char text[100];
    for (size_t size = 0; size <= sizeof text; size++)
        for (size_t at = 0; at <= size; at++) {
            memset(text, 'a', sizeof text);
            if (at < size)
                text[at] = 0x80;
            assert_int_equal(unicode_ascii_length(text, size), at);
        }
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80z";
    static const size_t wanted[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < sizeof wanted / sizeof *wanted; max++)
        assert_int_equal(unicode_cut(text, strlen(text), max), wanted[max]);
    /* Not UTF-8 at all: never more than three bytes back. */
    assert_int_equal(unicode_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 6), 3);
}

static void there_are_25_white_space_characters(void **state)
{
    (void)state;
    uint32_t count = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++)
        count += unicode_is_white_space(code);
    assert_int_equal(count, 25);
}

/* What the quick check lets pass must come out of the full way as it went in. Two marks
 * out of order, which compose with nothing, send the text's last characters there. */
static void the_quick_check_agrees_with_the_full_way(void **state)
{
    (void)state;
    static const char *const before[] = {
        "", "a", "\xE1\x84\x92", "\xE0\xA7\x87", "a\xCC\xA7", "\xED\x95\x98"};
    static const char above_below[] = "\xCD\x86\xCD\x87";
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes text = {0}, work = {0}, out = {0};
    for (int form = UNICODE_NFC; form <= UNICODE_NFKD; form++) {
        const struct unicode_table *table =
            unicode_table_build((enum unicode_form)form, arena);
        assert_non_null(table);
        for (uint32_t code = 0; code < 0x30000; code++) {
            if (code >= 0xD800 && code < 0xE000)
                continue;
            const char *head = before[code % (sizeof before / sizeof *before)];
            unsigned char character[4];
            bytes_reset(&text);
            bytes_reset(&out);
            bytes_put(&text, head, strlen(head));
            bytes_put(&text, character, encode(code, character));
            if (unicode_normal_length(table, text.data, text.size) < text.size)
                continue;
            bytes_put(&text, above_below, sizeof above_below - 1);
            assert_true(unicode_normal_length(table, text.data, text.size) < text.size);
            unicode_normalize(table, text.data, text.size, &work, &out);
            assert_int_equal(out.size, text.size);
            assert_memory_equal(out.data, text.data, strlen(head));
        }
    }
    bytes_clear(&text);
    bytes_clear(&work);
    bytes_clear(&out);
    arena_destroy(arena);
}

/* Letters, marks of several classes, Hangul, what becomes several characters. */
static void put_random_span(struct bytes *text, uint32_t *seed, size_t *characters)
{
    static const uint32_t codes[] = {
        'a',    'e',     0x0301, 0x0308, 0x030A, 0x0323, 0x0327, 0x0344, 0x0345, 0x0F71,
        0x0F73, 0x1100,  0x1161, 0x11A8, 0xAC00, 0xAC01, 0x1EA1, 0xFB01, 0xFB1D, 0x05B4,
        0x0374, 0x1D15F, 0x2126, 0x09C7, 0x09BE, 0x3300, 0x0958, 0x20D0};
    enum { CODES = sizeof codes / sizeof *codes };
    bytes_reset(text);
    *seed = *seed * 1664525u + 1013904223u;
    *characters = 1 + (*seed >> 8) % 40; /* short runs of marks, and long ones */
    for (size_t i = 0; i < *characters; i++) {
        unsigned char character[4];
        *seed = *seed * 1664525u + 1013904223u;
        bytes_put(text, character, encode(codes[(*seed >> 8) % CODES], character));
    }
}

static void counting_what_is_taken_changes_nothing(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes text = {0}, work = {0}, plain = {0}, out = {0}, counts = {0};
    uint32_t seed = 1;
    for (int form = UNICODE_NFC; form <= UNICODE_NFKD; form++) {
        const struct unicode_table *table =
            unicode_table_build((enum unicode_form)form, arena);
        assert_non_null(table);
        for (int round = 0; round < 20000; round++) {
            size_t characters, taken = 0, put = 0;
            put_random_span(&text, &seed, &characters);
            bytes_reset(&plain);
            bytes_reset(&out);
            bytes_reset(&counts);
            unicode_normalize(table, text.data, text.size, &work, &plain);
            unicode_normalize_counted(table, text.data, text.size, &work, &out, &counts);
            assert_int_equal(out.size, plain.size);
            assert_memory_equal(out.data, plain.data, out.size);
            for (size_t i = 0; i < counts.size; i += 4)
                taken += load_u32(counts.data + i);
            for (size_t i = 0; i < out.size; i++)
                put += (out.data[i] & 0xC0) != 0x80;
            assert_int_equal(taken, characters);
            assert_int_equal(counts.size, 4 * put);
        }
    }
    bytes_clear(&text);
    bytes_clear(&work);
    bytes_clear(&plain);
    bytes_clear(&out);
    bytes_clear(&counts);
    arena_destroy(arena);
}

static void every_code_point_is_encoded_as_it_is_decoded(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code += code == 0xD7FF ? 0x801 : 1) {
        unsigned char bytes[4];
        uint32_t decoded;
        size_t size = unicode_encode(code, bytes);
        assert_int_equal(unicode_decode(bytes, size, &decoded), size);
        assert_int_equal(decoded, code);
    }
}

static void graphemes_end_where_characters_do_not_belong_together(void **state)
{
    (void)state;
    int32_t none = 0;
    assert_true(unicode_ends_grapheme('a', 'b', &none));
    none = 0;
    assert_false(unicode_ends_grapheme('\r', '\n', &none));
    none = 0;
    assert_false(unicode_ends_grapheme('e', 0x301, &none));
    none = 0;
    assert_false(unicode_ends_grapheme(0x1F1E6, 0x1F1E7, &none)); /* a flag is two */
    assert_true(unicode_ends_grapheme(0x1F1E7, 0x1F1E6, &none));
}

/* Text cut in front of a character that begins anew is normalized part by part. */
static void check_cut(const struct unicode_table *table, const unsigned char *text,
                      size_t size, size_t cut)
{
    struct bytes work = {0}, whole = {0}, parts = {0};
    unicode_normalize(table, text, size, &work, &whole);
    unicode_normalize(table, text, cut, &work, &parts);
    unicode_normalize(table, text + cut, size - cut, &work, &parts);
    assert_int_equal(parts.size, whole.size);
    assert_memory_equal(parts.data, whole.data, whole.size);
    bytes_clear(&work);
    bytes_clear(&whole);
    bytes_clear(&parts);
}

static void text_may_be_cut_where_a_character_begins_anew(void **state)
{
    (void)state;
    static const uint32_t heads[] = {'a', 0x0301, 0x1100, 0xAC00, 0x0915, 0x1B05, 0x09C7};
    for (enum unicode_form form = UNICODE_NFC; form <= UNICODE_NFKD; form++) {
        struct arena *arena = arena_create(1 << 16, 0);
        const struct unicode_table *table = unicode_table_build(form, arena);
        size_t cuts = 0;
        for (uint32_t code = 0x20; code < 0x3200; code++) {
            if (!unicode_begins_anew(table, code))
                continue;
            cuts++;
            for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
                unsigned char text[12];
                size_t cut = unicode_encode(heads[i], text);
                size_t size = cut + unicode_encode(code, text + cut);
                size += unicode_encode(0x0323, text + size);
                check_cut(table, text, size, cut);
            }
        }
        assert_true(cuts > 10000 && !unicode_begins_anew(table, 0x301));
        assert_int_equal(unicode_combining_class(0x301), 230);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_decodes_and_no_surrogate),
        cmocka_unit_test(overlong_and_stray_bytes_are_no_utf8),
        cmocka_unit_test(ascii_is_measured_to_the_byte),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(there_are_25_white_space_characters),
        cmocka_unit_test(the_quick_check_agrees_with_the_full_way),
        cmocka_unit_test(counting_what_is_taken_changes_nothing),
        cmocka_unit_test(every_code_point_is_encoded_as_it_is_decoded),
        cmocka_unit_test(graphemes_end_where_characters_do_not_belong_together),
        cmocka_unit_test(text_may_be_cut_where_a_character_begins_anew)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
