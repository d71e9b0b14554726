/* test_word_places.c - words are cut where a plain loop over the text cuts them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/word_cut.h"
#include "stages/kernels/word_places.h"

#define S "\xe2\x96\x81"
enum { TEXT_MAX = 700 };

/* ---- the plain loop ---- */

static int kind_of(unsigned char byte)
{
    unsigned char lower = byte | 0x20;
    return lower >= 'a' && lower <= 'z' ? 1 : byte >= '0' && byte <= '9' ? 2 : 3;
}

static bool is_space(const unsigned char *text, size_t size, size_t at)
{
    return at < size && size - at >= 3 && memcmp(text + at, S, 3) == 0;
}

static bool is_place(const struct word_cut *cut, const unsigned char *text, size_t size,
                     size_t at)
{
    unsigned char left = text[at - 1], right = text[at];
    bool is_behind = cut->has_spaces && at >= 3 && is_space(text, size, at - 3);
    if (cut->has_spaces && is_space(text, size, at))
        return !is_behind;
    if (right >= 0x80 && right < 0xC0)
        return false;
    if (left >= 0x80 || right >= 0x80)
        return !(is_behind && right < 0x80) && word_cut_can(cut, text, size, at);
    bool is_border = left < ' ' || right < ' ' || kind_of(left) != kind_of(right);
    return is_border && !word_joins_ascii(cut, left, right);
}

static void check_places(const struct word_cut *cut, const unsigned char *bytes,
                         size_t size, size_t capacity)
{
    size_t places[TEXT_MAX + WORD_PLACES_MIN], from = 0, count, at = 1;
    unsigned char *text = malloc(size); /* so that a read past shows */
    assert_non_null(text);
    memcpy(text, bytes, size);
    while ((count = word_places_find(cut, text, size, &from, places, capacity)) > 0) {
        assert_true(count <= capacity);
        for (size_t i = 0; i < count; i++, at++) {
            while (at < size && !is_place(cut, text, size, at))
                at++;
            assert_int_equal(places[i], at);
        }
    }
    assert_int_equal(at, size + 1);
    free(text);
}

/* ---- */

static struct arena *open_cut(const char *const *pieces, struct word_cut *cut)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct cut_piece list[32];
    struct image_section section;
    struct error error;
    size_t count = 0;
    for (; pieces[count]; count++)
        list[count] = (struct cut_piece){(const unsigned char *)pieces[count],
                                         strlen(pieces[count])};
    assert_int_equal(word_cut_build(list, count, arena, &section, &error), OK);
    assert_true(word_cut_open(&section, cut));
    return arena;
}

static const char *const pieces[] = {S "abc",
                                     S S,
                                     "b1",
                                     "c.",
                                     "\n\n",
                                     "d\xc3\xa9",
                                     "\xe4\xb8\xad\xe6\x96\x87",
                                     "\xe6\x96\x87z",
                                     "\xf0\x9f\x98\x80!",
                                     NULL};
static const char *const joined[] = {"a" S "b", S S "c", "d1", NULL};

static void places_stand_where_they_should(void **state)
{
    (void)state;
    static const char text[] = S "abc" S "ab1." S S "d\xc3\xa9\xc3\xa9" S "\xe4\xb8\xad";
    static const size_t wanted[] = {6, 12, 13, 22, 24, 27, 30};
    struct word_cut cut;
    struct arena *arena = open_cut(pieces, &cut);
    size_t places[WORD_PLACES_MIN], from = 0, size = sizeof text - 1;
    assert_int_equal(word_places_find(&cut, (const unsigned char *)text, size, &from,
                                      places, WORD_PLACES_MIN),
                     sizeof wanted / sizeof *wanted);
    assert_memory_equal(places, wanted, sizeof wanted);
    assert_int_equal(word_places_find(&cut, (const unsigned char *)text, size, &from,
                                      places, WORD_PLACES_MIN),
                     0);
    arena_destroy(arena);
}

/* Parts of all kinds one behind another, cut off anywhere. */
static size_t random_text(unsigned *seed, unsigned char *text)
{
    static const char *const parts[] = {S,
                                        S,
                                        S S S,
                                        "a",
                                        "b",
                                        "c",
                                        "z",
                                        "1",
                                        "22",
                                        ".",
                                        ",(",
                                        "\n",
                                        "\t",
                                        "abc",
                                        "d\xc3\xa9",
                                        "\xd0\xb6",
                                        "\xe4\xb8\xad",
                                        "\xe6\x96\x87",
                                        "\xf0\x9f\x98\x80",
                                        "!",
                                        "\x80",
                                        "\xe2\x96",
                                        "\xff",
                                        "\xe2",
                                        "internationalisation",
                                        "\xcc\x81",
                                        "@",
                                        "`",
                                        "[",
                                        "{",
                                        "/",
                                        ":"};
    size_t size = 0, wanted = 1 + (size_t)(rand_r(seed) % 400);
    while (size < wanted) {
        const char *part = parts[(size_t)rand_r(seed) % (sizeof parts / sizeof *parts)];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    return wanted;
}

static void any_text_is_cut_as_by_the_plain_loop(void **state)
{
    (void)state;
    unsigned char text[TEXT_MAX];
    unsigned seed = 1;
    for (int kind = 0; kind < 2; kind++) {
        struct word_cut cut;
        struct arena *arena = open_cut(kind ? joined : pieces, &cut);
        assert_int_equal(cut.has_spaces, !kind);
        for (int round = 0; round < 20000; round++) {
            size_t size = random_text(&seed, text);
            check_places(&cut, text, size,
                         round % 2 ? WORD_PLACES_MIN : TEXT_MAX + WORD_PLACES_MIN);
        }
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_stand_where_they_should),
        cmocka_unit_test(any_text_is_cut_as_by_the_plain_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
