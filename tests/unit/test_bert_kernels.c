/* test_bert_kernels.c - the vectorised loops of BERT's text against plain ones */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stages/kernels/bert_kernels.h"

enum { SIZE_MAX_TESTED = 400, ROUNDS = 4000 };

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 12;
}

/* Words, marks and spaces, in a memory of exactly that size. */
static unsigned char *make_text(uint32_t *seed, size_t size, bool is_any)
{
    static const char usual[] = "aZz@[`{ ~!/:09 \t\n\r  \x80\xff";
    unsigned char *text = malloc(size ? size : 1);
    assert_non_null(text);
    unsigned run = 1 + next(seed) % 20;
    for (size_t i = 0; i < size; i++) {
        if (is_any && next(seed) % 50 == 0)
            text[i] = (unsigned char)next(seed);
        else
            text[i] = next(seed) % run ? (unsigned char)('a' + next(seed) % 26)
                                       : (unsigned char)usual[next(seed) % 22];
    }
    return text;
}

static bool is_break(unsigned char byte)
{
    return byte == '\t' || byte == '\n' || byte == '\r';
}

static void check_copy(bert_ascii_copier *copy_ascii, const unsigned char *text,
                       size_t size, unsigned char case_bit)
{
    unsigned char *out = malloc(size ? size : 1);
    assert_non_null(out);
    size_t copied = copy_ascii(text, size, case_bit, out), i;
    for (i = 0; i < size; i++) {
        unsigned char byte = is_break(text[i]) ? ' ' : text[i];
        if (byte < 0x20 || byte >= 0x7F)
            break;
        if (byte >= 'A' && byte <= 'Z')
            byte |= case_bit;
        assert_true(i < copied);
        assert_int_equal(out[i], byte);
    }
    assert_int_equal(copied, i);
    free(out);
}

static void ascii_is_copied_up_to_what_is_none(void **state)
{
    (void)state;
    struct bert_kernels list[BERT_KERNELS_MAX];
    size_t count = bert_kernels_list(list);
    assert_string_equal(list[count - 1].name, "plain");
    uint32_t seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = next(&seed) % SIZE_MAX_TESTED;
        unsigned char *text = make_text(&seed, size, round % 2);
        for (size_t i = 0; i < count; i++)
            check_copy(list[i].copy_ascii, text, size, round % 4 < 2 ? 0x20 : 0);
        free(text);
    }
}

static void every_byte_is_copied_or_stopped_at(void **state)
{
    (void)state;
    struct bert_kernels list[BERT_KERNELS_MAX];
    size_t count = bert_kernels_list(list);
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char text[130];
        memset(text, 'x', sizeof text);
        text[byte % sizeof text] = (unsigned char)byte;
        for (size_t i = 0; i < count; i++)
            check_copy(list[i].copy_ascii, text, sizeof text, 0x20);
    }
}

/* All words of the text, by batches. */
static size_t find_all(bert_word_finder *find_words, const unsigned char *text,
                       size_t size, uint32_t (*found)[2])
{
    static struct bert_words words;
    size_t count = 0;
    words = (struct bert_words){.text = text, .size = size};
    while (words.at < words.size) {
        find_words(&words);
        for (size_t i = 0; i < words.end_count; i++) {
            found[count][0] = words.begins[i];
            found[count++][1] = words.ends[i];
        }
    }
    return count;
}

static size_t find_plainly(const unsigned char *text, size_t size, uint32_t (*found)[2])
{
    size_t count = 0, end;
    for (size_t at = 0; at < size; at = end) {
        end = at + 1;
        if (text[at] == ' ')
            continue;
        if (!(text[at] < 0x80 && ispunct(text[at])))
            while (end < size && text[end] != ' ' &&
                   !(text[end] < 0x80 && ispunct(text[end])))
                end++;
        found[count][0] = (uint32_t)at;
        found[count++][1] = (uint32_t)end;
    }
    return count;
}

static void check_words(const unsigned char *text, size_t size)
{
    struct bert_kernels list[BERT_KERNELS_MAX];
    uint32_t(*wanted)[2] = malloc((size + 1) * sizeof *wanted);
    uint32_t(*found)[2] = malloc((size + 1) * sizeof *found);
    assert_non_null(wanted);
    assert_non_null(found);
    size_t count = find_plainly(text, size, wanted);
    for (size_t i = 0, kernels = bert_kernels_list(list); i < kernels; i++) {
        assert_int_equal(find_all(list[i].find_words, text, size, found), count);
        assert_memory_equal(found, wanted, count * sizeof *found);
    }
    free(wanted);
    free(found);
}

static void words_are_found_across_blocks(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = next(&seed) % (round % 10 ? SIZE_MAX_TESTED : 5000);
        unsigned char *text = make_text(&seed, size, round % 2);
        check_words(text, size);
        free(text);
    }
}

static void batches_of_nothing_but_marks_or_words_are_found(void **state)
{
    (void)state;
    enum { SIZE = 5 * BERT_WORDS };
    unsigned char *text = malloc(SIZE);
    assert_non_null(text);
    for (size_t size = SIZE - 70; size <= SIZE; size++) {
        memset(text, '.', SIZE);
        check_words(text, size);
        memset(text, 'a', SIZE);
        check_words(text, size);
        memset(text, ' ', SIZE);
        check_words(text, size);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_is_copied_up_to_what_is_none),
        cmocka_unit_test(every_byte_is_copied_or_stopped_at),
        cmocka_unit_test(words_are_found_across_blocks),
        cmocka_unit_test(batches_of_nothing_but_marks_or_words_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
