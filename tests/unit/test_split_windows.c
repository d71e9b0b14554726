/* test_split_windows.c - splitting by windows of 64 bytes, against the plain loop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "stages/kernels/split_parts.h"
#include "tests/text_goldens.h"

enum { TEXT_MAX = 1200, CAPACITY = 256 };

static const char *const names[SPLIT_PATTERN_COUNT] = {"r50k",  "p50k",   "cl100k",
                                                       "o200k", "llama3", "qwen"};

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void print_bytes(const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        print_error(text[i] >= ' ' && text[i] < 127 ? "%c" : "\\x%02x", text[i]);
    print_error("\n");
}

typedef size_t split_function(enum split_pattern pattern, const unsigned char *text,
                              size_t size, size_t *at, size_t *ends, size_t capacity);

/* The same pieces, however many are asked for at a time; what `split` leaves, windows being
 * too large for it, is not looked at. */
static void check_split(split_function *split, const unsigned char *text, size_t size,
                        size_t capacity)
{
    for (int p = 0; p < SPLIT_PATTERN_COUNT; p++) {
        enum split_pattern pattern = (enum split_pattern)p;
        size_t ends[CAPACITY], at = 0, count, begin = 0;
        while ((count = split(pattern, text, size, &at, ends, capacity)) > 0) {
            assert_true(count <= capacity);
            for (size_t i = 0; i < count; i++) {
                size_t wanted =
                    (size_t)(split_next(pattern, text + begin, text + size) - text);
                if (ends[i] != wanted) {
                    print_error("%s: the piece at %zu ends at %zu, not at %zu of ",
                                names[p], begin, ends[i], wanted);
                    print_bytes(text, size);
                    fail();
                }
                begin = wanted;
            }
            assert_int_equal(at, begin);
        }
        assert_true(begin == size || split != split_pieces);
        assert_true(size - begin < 64 || capacity < 64);
    }
}

static void check_text(const unsigned char *text, size_t size, size_t capacity)
{
    check_split(split_pieces, text, size, capacity);
    if (split_has_avx512())
        check_split(split_pieces_avx512, text, size, capacity);
    if (split_has_avx2())
        check_split(split_pieces_avx2, text, size, capacity);
}

/* What decides where pieces begin; the more often it stands here, the more it comes. */
static const char *const parts[] = {"a",
                                    "b",
                                    "s",
                                    "t",
                                    "re",
                                    "ve",
                                    "LL",
                                    "x",
                                    "hello",
                                    "World",
                                    "HTTP",
                                    "e",
                                    "E",
                                    "S",
                                    " ",
                                    " ",
                                    " ",
                                    "  ",
                                    "\t",
                                    "\n",
                                    "\n",
                                    "\r\n",
                                    "\r",
                                    "\v",
                                    "\f",
                                    "    ",
                                    "'",
                                    "'",
                                    "'s",
                                    "'T",
                                    "'re",
                                    "'\xC5\xBF",
                                    "''",
                                    "'ll",
                                    "'d",
                                    "'M",
                                    ".",
                                    ",",
                                    "(",
                                    "\"",
                                    "//",
                                    "/",
                                    "*",
                                    "--",
                                    "/\n",
                                    "\n/",
                                    ";\n//",
                                    "<",
                                    ">",
                                    "_",
                                    "1",
                                    "12",
                                    "345",
                                    "7777",
                                    "\xC2\xB2",
                                    "\xEF\xBC\x91",
                                    "\xC3\xA9",
                                    "\xC3\x89",
                                    "\xC3\x97",
                                    "\xC3\xB7",
                                    "\xCE\xB1",
                                    "\xD0\x96",
                                    "\xD1\x8F",
                                    "\xE4\xB8\xAD",
                                    "\xE6\x96\x87",
                                    "\xE4\xB7\x80",
                                    "\xE3\x81\x82",
                                    "\xE3\x80\x82",
                                    "\xE3\x80\x80",
                                    "\xE2\x80\x9C",
                                    "\xE2\x80\x9D",
                                    "\xE2\x80\x99",
                                    "\xC2\xA0",
                                    "\xE2\x80\x83",
                                    "\xF0\x9F\x98\x80",
                                    "\xF0\x90\x90\x80",
                                    "\xEA\xB0\x80",
                                    "\xEB\x82\x98",
                                    "\xCC\x81",
                                    "\xE0\xA4\x95\xE0\xA4\xBE",
                                    "\xD8\xA7",
                                    "\xC7\x85",
                                    "\xCA\xB0",
                                    "\x80",
                                    "\xFF",
                                    "\xC3",
                                    "\xE4\xB8",
                                    "\xF0\x9F\x98",
                                    "\xED\xA0\x80",
                                    "\xC0\xAF",
                                    "\x01"};
enum { PARTS = sizeof parts / sizeof *parts };

static void random_text_is_split_alike(void **state)
{
    (void)state;
    uint64_t seed = 20251;
    unsigned char *text = malloc(TEXT_MAX); /* so that ASan sees a byte too many */
    assert_non_null(text);
    for (int round = 0; round < 3000; round++) {
        size_t size = 0, wanted = random_next(&seed) % TEXT_MAX;
        size_t kinds = 2 + random_next(&seed) % 12; /* few at a time: long runs */
        size_t chosen[14];
        for (size_t i = 0; i < kinds; i++)
            chosen[i] = random_next(&seed) % PARTS;
        for (;;) {
            const char *part = parts[chosen[random_next(&seed) % kinds]];
            size_t length = strlen(part), copies = 1;
            if (random_next(&seed) % 40 == 0)
                copies = random_next(&seed) % 100;
            if (size + length * copies > wanted)
                break;
            for (; copies > 0; copies--, size += length)
                memcpy(text + size, part, length);
        }
        unsigned char *exact = malloc(size + 1);
        assert_non_null(exact);
        memcpy(exact + 1, text, size);
        check_text(exact + 1, size, round % 3 ? CAPACITY : 1 + random_next(&seed) % 100);
        free(exact);
    }
    free(text);
}

/* Before and behind letters, symbols, space and itself, at every place of a window. */
static void every_code_point_is_split_alike(void **state)
{
    (void)state;
    static const char *const around[] = {"a", "B", " ", ".", "\n", "1"};
    enum { AROUND = sizeof around / sizeof *around };
    for (uint32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 61) {
        unsigned char text[400], one[4];
        if (point >= 0xD800 && point < 0xE000)
            continue;
        size_t length = json_put_point(one, point), size = 0;
        for (size_t left = 0; left < AROUND; left++) {
            for (size_t right = 0; right < AROUND; right++) {
                text[size++] = (unsigned char)*around[left];
                memcpy(text + size, one, length);
                size += length;
                text[size++] = (unsigned char)*around[right];
            }
        }
        memset(text + size, 'z', 80); /* windows go as far as there are bytes */
        check_text(text, size + 80, CAPACITY);
    }
}

static void any_bytes_are_split_alike(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        unsigned char text[300];
        unsigned narrow = round % 2 ? 0x3F : 0xFF;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (unsigned char)((random_next(&seed) & narrow) + (narrow ^ 0xFF));
        check_text(text, sizeof text, CAPACITY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_text_is_split_alike),
        cmocka_unit_test(every_code_point_is_split_alike),
        cmocka_unit_test(any_bytes_are_split_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
