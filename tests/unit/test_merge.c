/* test_merge.c - byte-pair merging and the compiled vocabulary, against plain loops */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/arena.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/merge_parts.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"
#include "tests/small_vocabulary.h"

struct setting {
    struct arena *work;
    struct token_list list;
    struct bytes image;
    struct vocabulary vocabulary;
};

static void setting_open(struct setting *setting, struct bytes *file)
{
    struct error error = {0};
    *setting = (struct setting){.work = arena_create(1 << 16, 0)};
    assert_int_equal(
        tiktoken_parse(file->data, file->size, setting->work, &setting->list, &error),
        OK);
    assert_int_equal(
        vocabulary_build(&setting->list, setting->work, &setting->image, &error), OK);
    assert_int_equal(vocabulary_open(setting->image.data, setting->image.size,
                                     &setting->vocabulary, &error),
                     OK);
    bytes_clear(file);
}

static void setting_close(struct setting *setting)
{
    bytes_clear(&setting->image);
    arena_destroy(setting->work);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* ---- references: search the list itself ---- */

static uint32_t plain_find(const struct token_list *list, const unsigned char *bytes,
                           size_t size)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->starts[i + 1] - list->starts[i] == size &&
            memcmp(list->bytes + list->starts[i], bytes, size) == 0)
            return list->ids[i];
    }
    return TOKEN_NONE;
}

/* Join the two neighbours whose concatenation has the lowest rank, until none has one. */
static size_t plain_merge(const struct token_list *list, const unsigned char *piece,
                          size_t size, uint32_t *ids)
{
    size_t cuts[512];
    size_t count = size;
    for (size_t i = 0; i <= size; i++)
        cuts[i] = i;
    for (;;) {
        uint32_t lowest = TOKEN_NONE;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            uint32_t rank = plain_find(list, piece + cuts[i], cuts[i + 2] - cuts[i]);
            if (rank < lowest) {
                lowest = rank;
                at = i;
            }
        }
        if (lowest == TOKEN_NONE)
            break;
        memmove(cuts + at + 1, cuts + at + 2, (count - at - 1) * sizeof *cuts);
        count--;
    }
    for (size_t i = 0; i < count; i++)
        ids[i] = plain_find(list, piece + cuts[i], cuts[i + 1] - cuts[i]);
    return count;
}

/* ---- vocabularies ---- */

/* All bytes, and random strings over a few letters with random ranks: tokens that merging
 * never makes, and ranks lower than those of their parts, included. */
static struct bytes wild_vocabulary(uint64_t *seed)
{
    static const char *const none[] = {NULL};
    struct bytes file = small_vocabulary(none);
    char seen[64][8];
    unsigned count = 0;
    for (unsigned i = 0; i < 40; i++) {
        char token[8] = {0};
        size_t size = 2 + random_next(seed) % 5;
        bool is_new = true;
        for (size_t k = 0; k < size; k++)
            token[k] = (char)('a' + random_next(seed) % 3);
        for (unsigned k = 0; k < count; k++)
            is_new = is_new && strcmp(seen[k], token) != 0;
        if (!is_new)
            continue;
        memcpy(seen[count], token, sizeof token);
        small_vocabulary_put(&file, token, size, 256 + (unsigned)(i * 7 + i % 3));
        count++;
    }
    return file;
}

/* As training makes them: every token joins two earlier ones. */
static struct bytes trained_vocabulary(uint64_t *seed)
{
    static const char *const none[] = {NULL};
    struct bytes file = small_vocabulary(none);
    char tokens[64][40] = {"a", "b", "c"};
    unsigned count = 3;
    while (count < 48) {
        const char *left = tokens[random_next(seed) % count];
        const char *right = tokens[random_next(seed) % count];
        char joined[80];
        (void)snprintf(joined, sizeof joined, "%s%s", left, right);
        bool is_new = strlen(joined) < sizeof tokens[0];
        for (unsigned k = 0; k < count; k++)
            is_new = is_new && strcmp(tokens[k], joined) != 0;
        if (!is_new)
            continue;
        memcpy(tokens[count], joined, strlen(joined) + 1);
        small_vocabulary_put(&file, joined, strlen(joined), 256 + count);
        count++;
    }
    return file;
}

static size_t random_piece(uint64_t *seed, unsigned char *piece, size_t max)
{
    size_t size = 1 + random_next(seed) % max;
    unsigned letters = 1 + (unsigned)(random_next(seed) % 3);
    for (size_t i = 0; i < size; i++)
        piece[i] = (unsigned char)('a' + random_next(seed) % letters);
    return size;
}

static void check_ids(const uint32_t *ids, size_t count, const uint32_t *wanted,
                      size_t wanted_count)
{
    assert_int_equal(count, wanted_count);
    assert_memory_equal(ids, wanted, count * sizeof *ids);
}

static void check_piece(const struct setting *setting, const unsigned char *piece,
                        size_t size, struct arena *scratch)
{
    uint32_t wanted[512], ids[512];
    size_t count;
    size_t wanted_count = plain_merge(&setting->list, piece, size, wanted);
    if (size <= MERGE_SHORT_MAX) {
        count = merge_short(&setting->vocabulary, piece, size, ids);
        check_ids(ids, count, wanted, wanted_count);
    }
    assert_int_equal(
        merge_heap(&setting->vocabulary, piece, size, scratch, ids, &count, NULL), OK);
    check_ids(ids, count, wanted, wanted_count);
    if (vocabulary_is_ordered_in(&setting->vocabulary, piece, size)) {
        assert_int_equal(
            merge_linear(&setting->vocabulary, piece, size, scratch, ids, &count, NULL),
            OK);
        check_ids(ids, count, wanted, wanted_count);
    }
    uint32_t whole = plain_find(&setting->list, piece, size);
    assert_int_equal(vocabulary_find(&setting->vocabulary, piece, size), whole);
    if (whole != TOKEN_NONE) {
        wanted[0] = whole;
        wanted_count = 1;
    }
    assert_int_equal(
        merge_piece(&setting->vocabulary, piece, size, scratch, ids, &count, NULL), OK);
    check_ids(ids, count, wanted, wanted_count);
    arena_reset(scratch);
}

typedef void merge_function(const struct vocabulary *vocabulary, struct merge_job *jobs,
                            size_t count);

/* More than are in work side by side; of pieces alike and not. */
static void check_jobs(const struct setting *setting, uint64_t *seed,
                       merge_function *merge)
{
    enum { JOBS = 2 * MERGE_TOGETHER };
    static struct merge_job jobs[JOBS];
    static unsigned char pieces[JOBS][MERGE_TINY_MAX];
    static uint32_t ids[JOBS][MERGE_TINY_MAX + 1];
    size_t count = random_next(seed) % (random_next(seed) % 4 ? 40 : JOBS);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct merge_job){.piece = pieces[i], .ids = ids[i]};
        jobs[i].size = random_piece(seed, pieces[i], MERGE_TINY_MAX);
        ids[i][jobs[i].size] = 12345; /* no room for more */
    }
    merge(&setting->vocabulary, jobs, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t wanted[MERGE_TINY_MAX];
        size_t found = merge_short(&setting->vocabulary, pieces[i], jobs[i].size, wanted);
        check_ids(ids[i], jobs[i].count, wanted, found);
        assert_int_equal(ids[i][jobs[i].size], 12345);
    }
}

static void check_all_jobs(const struct setting *setting, uint64_t *seed)
{
    check_jobs(setting, seed, merge_jobs);
    if (merge_has_avx512())
        check_jobs(setting, seed, merge_jobs_avx512);
    if (merge_has_avx2())
        check_jobs(setting, seed, merge_jobs_avx2);
}

static void check_vocabularies(struct bytes (*make)(uint64_t *seed))
{
    uint64_t seed = 7;
    struct arena *scratch = arena_create(1 << 16, 0);
    for (int round = 0; round < 60; round++) {
        struct setting setting;
        struct bytes file = make(&seed);
        setting_open(&setting, &file);
        for (int i = 0; i < 60; i++) {
            unsigned char piece[160];
            size_t size = random_piece(&seed, piece, i % 20 == 0 ? 160 : 24);
            check_piece(&setting, piece, size, scratch);
        }
        check_all_jobs(&setting, &seed);
        setting_close(&setting);
    }
    arena_destroy(scratch);
}

static void any_vocabulary_merges_as_the_plain_loop(void **state)
{
    (void)state;
    check_vocabularies(wild_vocabulary);
}

static void a_trained_vocabulary_merges_as_the_plain_loop(void **state)
{
    (void)state;
    check_vocabularies(trained_vocabulary);
}

static void equal_ranks_merge_from_the_left(void **state)
{
    (void)state;
    static const char *const tokens[] = {"aa", "aaaa", NULL};
    struct bytes file = small_vocabulary(tokens);
    struct setting setting;
    setting_open(&setting, &file);
    uint32_t ids[8];
    static const unsigned char piece[] = "aaaaaaa";
    static const uint32_t wanted[] = {257, 256, 'a'};
    check_ids(ids, merge_short(&setting.vocabulary, piece, 7, ids), wanted, 3);
    assert_true(setting.vocabulary.is_ordered);
    setting_close(&setting);
}

static void a_token_that_merging_cannot_make_is_found_whole_only(void **state)
{
    (void)state;
    /* b+c merges first: abc comes of a+bc, and nothing makes abcd. */
    static const char *const tokens[] = {"bc", "ab", "abc", NULL};
    struct bytes file = small_vocabulary(tokens);
    struct setting setting;
    setting_open(&setting, &file);
    assert_int_equal(setting.vocabulary.splits[2 * 258], 'a');
    assert_int_equal(setting.vocabulary.splits[2 * 258 + 1], 256);
    setting_close(&setting);
    static const char *const unreachable[] = {"bc", "ab", "abcd", NULL};
    file = small_vocabulary(unreachable);
    setting_open(&setting, &file);
    struct arena *scratch = arena_create(1 << 16, 0);
    uint32_t ids[8];
    size_t count;
    static const uint32_t merged[] = {'x', 'a', 256, 'd'};
    size_t seen;
    assert_int_equal(setting.vocabulary.splits[2 * 258], 258);
    assert_int_equal(merge_piece(&setting.vocabulary, (const unsigned char *)"abcd", 4,
                                 scratch, ids, &count, NULL),
                     OK);
    check_ids(ids, count, (const uint32_t[]){258}, 1);
    assert_int_equal(merge_piece(&setting.vocabulary, (const unsigned char *)"xabcd", 5,
                                 scratch, ids, &count, NULL),
                     OK);
    check_ids(ids, count, merged, 4);
    assert_int_equal(
        vocabulary_longest(&setting.vocabulary, (const unsigned char *)"abcd", 4, &seen),
        257);
    assert_int_equal(seen,
                     3); /* no token begins with abc but the one that is never made */
    arena_destroy(scratch);
    setting_close(&setting);
}

static void long_tokens_with_the_same_beginning_are_told_apart(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    enum { DOUBLINGS = 5, ZERO = 256 + DOUBLINGS, FIRST = ZERO + 1 };
    unsigned char text[40];
    size_t seen;
    struct bytes file = small_vocabulary(none);
    memset(text, 'a', sizeof text);
    for (uint32_t i = 0; i < DOUBLINGS; i++) /* 2, 4, ... 32 letters */
        small_vocabulary_put(&file, (const char *)text, (size_t)2 << i, 256 + i);
    text[16] = 0; /* what pads the key of a shorter token */
    small_vocabulary_put(&file, (const char *)text, 17, ZERO);
    text[17] = 'a';
    small_vocabulary_put(&file, (const char *)text, 18, FIRST);
    struct setting setting;
    setting_open(&setting, &file);
    const struct vocabulary *vocabulary = &setting.vocabulary;
    assert_int_equal(vocabulary_longest(vocabulary, text, 16, &seen), 259);
    assert_int_equal(vocabulary_longest(vocabulary, text, 17, &seen), ZERO);
    assert_int_equal(vocabulary_longest(vocabulary, text, sizeof text, &seen), FIRST);
    assert_int_equal(vocabulary->prefixes[FIRST], ZERO);
    assert_int_equal(vocabulary->prefixes[ZERO], 259);
    assert_int_equal(vocabulary->prefixes[260], 259);
    assert_int_equal(vocabulary->prefixes[256], 'a');
    text[16] = 'a';
    assert_int_equal(vocabulary_longest(vocabulary, text, 31, &seen), 259);
    assert_int_equal(seen, 32); /* a further letter might change it */
    assert_int_equal(vocabulary_longest(vocabulary, text, 33, &seen), 260);
    setting_close(&setting);
}

static void ids_may_have_holes(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct bytes file = small_vocabulary(none);
    small_vocabulary_put(&file, "ab", 2, 5000);
    small_vocabulary_put(&file, "abc", 3, 300);
    struct setting setting;
    setting_open(&setting, &file);
    assert_int_equal(setting.vocabulary.id_limit, 5001);
    assert_int_equal(setting.vocabulary.token_count, 258);
    assert_false(setting.vocabulary.is_ordered); /* abc ranks before its part */
    assert_false(
        vocabulary_is_ordered_in(&setting.vocabulary, (const unsigned char *)"zabc", 4));
    assert_true(
        vocabulary_is_ordered_in(&setting.vocabulary, (const unsigned char *)"zabz", 4));
    uint32_t ids[8];
    static const uint32_t wanted[] = {300, 5000};
    check_ids(ids,
              merge_short(&setting.vocabulary, (const unsigned char *)"abcab", 5, ids),
              wanted, 2);
    setting_close(&setting);
}

static void a_token_given_twice_is_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = {"ab", "cd", "ab", NULL};
    struct bytes file = small_vocabulary(tokens);
    struct error error = {0};
    struct token_list list;
    struct bytes image = {0};
    struct arena *work = arena_create(1 << 16, 0);
    assert_int_equal(tiktoken_parse(file.data, file.size, work, &list, &error), OK);
    assert_int_equal(vocabulary_build(&list, work, &image, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "258"));
    arena_destroy(work);
    bytes_clear(&file);
    bytes_clear(&image);
}

static void a_damaged_image_is_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = {"ab", NULL};
    struct bytes file = small_vocabulary(tokens);
    struct setting setting;
    setting_open(&setting, &file);
    struct vocabulary vocabulary;
    struct error error = {0};
    unsigned char *copy = malloc(setting.image.size);
    assert_non_null(copy);
    memcpy(copy, setting.image.data, setting.image.size);
    for (size_t size = 0; size < setting.image.size; size += 997)
        assert_int_equal(vocabulary_open(copy, size, &vocabulary, &error), ERROR_DAMAGED);
    for (size_t at = 20; at < 136; at++) { /* shifts, offsets, size */
        copy[at] ^= 0xFF;
        enum error_code code =
            vocabulary_open(copy, setting.image.size, &vocabulary, &error);
        assert_true(code == OK || code == ERROR_DAMAGED);
        copy[at] ^= 0xFF;
    }
    free(copy);
    setting_close(&setting);
}

static void a_megabyte_of_one_letter_is_merged(void **state)
{
    (void)state;
    static const char *const tokens[] = {"aa", "aaaa", "aaaaaaaa", NULL};
    enum { SIZE = 1 << 20 };
    struct bytes file = small_vocabulary(tokens);
    struct setting setting;
    setting_open(&setting, &file);
    struct arena *scratch = arena_create(1 << 16, 0);
    unsigned char *piece = malloc(SIZE + 3);
    uint32_t *ids = malloc((SIZE + 3) * sizeof *ids);
    assert_non_null(piece);
    assert_non_null(ids);
    memset(piece, 'a', SIZE + 3);
    size_t count, heap_count;
    assert_int_equal(
        merge_piece(&setting.vocabulary, piece, SIZE + 3, scratch, ids, &count, NULL),
        OK);
    assert_int_equal(count, SIZE / 8 + 2);
    assert_int_equal(ids[0], 258);
    assert_int_equal(ids[count - 2], 256);
    assert_int_equal(ids[count - 1], 'a');
    assert_int_equal(
        merge_heap(&setting.vocabulary, piece, SIZE + 3, scratch, ids, &heap_count, NULL),
        OK);
    assert_int_equal(heap_count, count);
    free(piece);
    free(ids);
    arena_destroy(scratch);
    setting_close(&setting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_vocabulary_merges_as_the_plain_loop),
        cmocka_unit_test(a_trained_vocabulary_merges_as_the_plain_loop),
        cmocka_unit_test(equal_ranks_merge_from_the_left),
        cmocka_unit_test(a_token_that_merging_cannot_make_is_found_whole_only),
        cmocka_unit_test(long_tokens_with_the_same_beginning_are_told_apart),
        cmocka_unit_test(ids_may_have_holes),
        cmocka_unit_test(a_token_given_twice_is_refused),
        cmocka_unit_test(a_damaged_image_is_refused),
        cmocka_unit_test(a_megabyte_of_one_letter_is_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
