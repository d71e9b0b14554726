/* test_model_bpe_scores.c - SentencePiece's byte pairs: goldens, a plain reference, time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "stages/kernels/score_jobs.h"
#include "stages/kernels/score_merge.h"
#include "stages/kernels/score_table.h"
#include "tests/sentencepiece_coder.h"
#include "tests/sentencepiece_goldens.h"
#include "tests/sentencepiece_writer.h"

#define S "\xe2\x96\x81"

/* ---- goldens ---- */

static void llama2_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("llama2");
}

static void mistral_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("mistral01");
}

static void every_nasty_text_agrees(void **state)
{
    (void)state;
    check_nasty("llama2");
    check_nasty("mistral01");
}

/* ---- small models ---- */

static void check_ids(struct coder *coder, const char *text, const uint32_t *wanted,
                      size_t wanted_count)
{
    uint32_t *ids;
    for (int pass = 0; pass < 2; pass++) {
        size_t count =
            coder_encode(coder, (const unsigned char *)text, strlen(text), &ids, NULL);
        assert_int_equal(count, wanted_count);
        assert_memory_equal(ids, wanted, count * sizeof *ids);
        free(ids);
    }
}

#define CHECK_IDS(coder, text, ...)                         \
    check_ids(coder, text, (const uint32_t[]){__VA_ARGS__}, \
              sizeof(uint32_t[]){__VA_ARGS__} / sizeof(uint32_t))

static void open_file(struct coder *coder, struct bytes *file)
{
    if (!coder_open_file(coder, file->data, file->size))
        fail_msg("%s", coder->error.text);
    bytes_clear(file);
}

static void the_best_score_comes_first_then_the_leftmost(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "a", -9, WRITE_NORMAL);   /* 3 */
    write_piece(&file, "b", -9, WRITE_NORMAL);   /* 4 */
    write_piece(&file, "aa", -2, WRITE_NORMAL);  /* 5 */
    write_piece(&file, "ab", -1, WRITE_NORMAL);  /* 6 */
    write_piece(&file, "aab", -3, WRITE_NORMAL); /* 7 */
    write_piece(&file, "ba", -2, WRITE_NORMAL);  /* 8 */
    write_end(&file, WRITE_BPE, 0);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "aab", 7);             /* ab first, then a + ab */
    CHECK_IDS(&coder, "aaa", 5, 3);          /* the left one */
    CHECK_IDS(&coder, "baa", 8, 3);          /* ba and aa are equal: the left one */
    CHECK_IDS(&coder, "bbxyaa", 4, 4, 0, 5); /* two unknown ones are one */
    coder_close(&coder);
}

static void unknown_characters_become_bytes(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_byte_pieces(&file); /* 3 ... 258 */
    write_piece(&file, "a", -9, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 1);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "a\xc3\xa9z", 259, 3 + 0xc3, 3 + 0xa9, 3 + 'z');
    CHECK_IDS(&coder, "<0x41>", 3 + '<', 3 + '0', 3 + 'x', 3 + '4', 3 + '1', 3 + '>');
    uint32_t *ids;
    struct token_span *spans;
    const unsigned char *text = (const unsigned char *)"a\xc3\xa9";
    assert_int_equal(coder_encode(&coder, text, 3, &ids, &spans), 3);
    assert_int_equal(spans[1].begin, 1);
    assert_int_equal(spans[1].end, 1);
    assert_int_equal(spans[2].begin, 1);
    assert_int_equal(spans[2].end, 3);
    free(ids);
    free(spans);
    coder_close(&coder);
}

static void user_defined_pieces_stand_and_control_pieces_are_text(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "<", -9, WRITE_NORMAL);  /* 3 */
    write_piece(&file, "s", -9, WRITE_NORMAL);  /* 4 */
    write_piece(&file, ">", -9, WRITE_NORMAL);  /* 5 */
    write_piece(&file, "<s", -1, WRITE_NORMAL); /* 6 */
    write_piece(&file, "<sep>", 0, WRITE_USER); /* 7 */
    write_piece(&file, "<se", 0, WRITE_USER);   /* 8 */
    write_piece(&file, "s<sep>", -1, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 0);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "<s>", 6, 5);
    CHECK_IDS(&coder, "s<sep>s", 4, 7, 4);
    CHECK_IDS(&coder, "<ses", 8, 4);
    coder_close(&coder);
}

static void unused_pieces_fall_back_to_their_parts(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "a", -9, WRITE_NORMAL);    /* 3 */
    write_piece(&file, "b", -9, WRITE_UNUSED);    /* 4 */
    write_piece(&file, "ab", -1, WRITE_UNUSED);   /* 5 */
    write_piece(&file, "abc", -2, WRITE_NORMAL);  /* 6 */
    write_piece(&file, "abab", -3, WRITE_UNUSED); /* 7 */
    write_end(&file, WRITE_BPE, 0);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "ab", 3, 4);
    CHECK_IDS(&coder, "abc", 6);
    CHECK_IDS(&coder, "abab", 3, 4, 3, 4);
    coder_close(&coder);
}

static void a_vocabulary_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct spec_token twice[] = {
        {{(const unsigned char *)"<unk>", 5}, 0, TOKEN_UNKNOWN, 0},
        {{(const unsigned char *)"a", 1}, 1, TOKEN_NORMAL, 0},
        {{(const unsigned char *)"a", 1}, 2, TOKEN_NORMAL, 0}};
    struct coder coder = {.work = arena_create(1 << 16, 0)};
    coder.spec.model = (struct model_spec){
        .kind = MODEL_BPE_SCORES, .tokens = twice, .token_count = 3, .id_limit = 3};
    assert_false(coder_open_spec(&coder));
    assert_int_equal(coder.error.code, ERROR_CONFIG);
    coder_close(&coder);
    coder = (struct coder){.work = arena_create(1 << 16, 0)};
    coder.spec.model = (struct model_spec){.kind = MODEL_BPE_SCORES,
                                           .tokens = twice,
                                           .token_count = 2,
                                           .id_limit = 2,
                                           .unknown = UINT32_MAX};
    assert_false(coder_open_spec(&coder));
    assert_int_equal(coder.error.code, ERROR_CONFIG);
    coder_close(&coder);
}

static void an_image_that_is_cut_off_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "a", -9, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 0);
    open_file(&coder, &file);
    struct score_table table;
    struct error error;
    for (size_t size = 0; size < coder.image.size; size += 61)
        assert_int_equal(score_table_open(coder.image.data, size, &table, &error),
                         ERROR_DAMAGED);
    coder_close(&coder);
}

/* ---- random models and texts ---- */

static const char *const letters[] = {
    "a",    "b", "c",       S, "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80",
    "\xff", "d", "\xe2\x96"};

static size_t random_text(uint64_t *seed, unsigned kinds, size_t count,
                          unsigned char *text)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const char *letter = letters[coder_random(seed) % kinds];
        memcpy(text + size, letter, strlen(letter));
        size += strlen(letter);
    }
    return size;
}

static bool is_new(struct bytes *seen, const unsigned char *text, size_t size)
{
    for (size_t at = 0; at < seen->size; at += 1 + (size_t)seen->data[at]) {
        if (seen->data[at] == size && memcmp(seen->data + at + 1, text, size) == 0)
            return false;
    }
    bytes_put_u8(seen, (uint8_t)size);
    bytes_put(seen, text, size);
    return true;
}

/* Pieces of up to five letters; few scores, so that many are equal. */
static void random_model(uint64_t *seed, struct bytes *file, bool is_ordered)
{
    struct bytes seen = {0};
    unsigned char text[64];
    bool has_bytes = coder_random(seed) % 3 == 0, has_kinds = coder_random(seed) % 2;
    uint32_t pieces = 1 + coder_random(seed) % 40, scores = 1 + coder_random(seed) % 20;
    unsigned kinds = 2 + coder_random(seed) % 6;
    write_begin(file);
    for (uint32_t i = 0; i < pieces; i++) {
        size_t letter_count = 1 + coder_random(seed) % 5;
        size_t size = random_text(seed, kinds, letter_count, text);
        if (!is_new(&seen, text, size))
            continue;
        float score = is_ordered ? -(float)letter_count - (float)i / 64
                                 : -(float)(coder_random(seed) % scores);
        uint32_t kind = has_kinds ? coder_random(seed) % 8 : 0;
        write_piece_bytes(file, text, size, score,
                          kind == 1   ? WRITE_USER
                          : kind == 2 ? WRITE_UNUSED
                                      : WRITE_NORMAL);
    }
    if (has_bytes)
        write_byte_pieces(file);
    write_end(file, WRITE_BPE, has_bytes);
    bytes_clear(&seen);
}

static void random_models_agree_with_the_reference(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 600; round++) {
        struct bytes file = {0};
        struct coder coder;
        struct reference reference;
        unsigned char text[1024];
        random_model(&seed, &file, round % 2);
        open_file(&coder, &file);
        reference_open(&reference, &coder.spec.model);
        for (int i = 0; i < 12; i++) {
            size_t size = random_text(&seed, 2 + coder_random(&seed) % 9,
                                      1 + coder_random(&seed) % 120, text);
            if (!coder_agrees(&coder, &reference, text, size))
                fail_msg("round %d, text %d", round, i);
        }
        reference_close(&reference);
        coder_close(&coder);
    }
}

/* The ways to find the best pair give the same. */
static void all_methods_agree(void **state)
{
    (void)state;
    uint64_t seed = 2;
    size_t ordered = 0;
    for (int round = 0; round < 400; round++) {
        struct bytes file = {0};
        struct coder coder;
        struct score_table table;
        struct error error;
        unsigned char text[256];
        uint32_t ids[4][256];
        size_t counts[4] = {0};
        random_model(&seed, &file, round % 2);
        open_file(&coder, &file);
        assert_int_equal(
            score_table_open(coder.image.data, coder.image.size, &table, &error), OK);
        ordered += table.is_ordered;
        for (int i = 0; i < 20; i++) {
            size_t size = random_text(&seed, 5, 1 + coder_random(&seed) % 20, text);
            for (int method = SCORE_SCAN; method <= SCORE_BUCKETS; method++) {
                if (method == SCORE_BUCKETS && !table.is_ordered)
                    break;
                assert_int_equal(score_merge(&table, (enum score_method)method, text,
                                             size, coder.scratch, ids[method], NULL,
                                             &counts[method], &error),
                                 OK);
                assert_int_equal(counts[method], counts[SCORE_SCAN]);
                assert_memory_equal(ids[method], ids[SCORE_SCAN],
                                    counts[method] * sizeof **ids);
            }
        }
        coder_close(&coder);
    }
    assert_true(ordered > 100);
}

enum { JOBS = 37 };

/* Every job that is done has the ids of the plain way. Returns how many are done. */
static size_t check_jobs(struct coder *coder, const struct score_table *table,
                         uint64_t *seed)
{
    unsigned char texts[JOBS][64];
    uint32_t ids[JOBS][64], wanted[64];
    struct score_job jobs[JOBS];
    size_t count, done = 0;
    for (size_t i = 0; i < JOBS; i++) {
        size_t size = random_text(seed, 2 + coder_random(seed) % 9,
                                  1 + coder_random(seed) % 20, texts[i]);
        jobs[i] = (struct score_job){.word = texts[i], .size = size, .ids = ids[i]};
    }
    score_jobs_run(table, jobs, JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(score_merge(table, SCORE_BY_SIZE, jobs[i].word, jobs[i].size,
                                     coder->scratch, wanted, NULL, &count, &coder->error),
                         OK);
        if (jobs[i].count == 0)
            continue;
        assert_int_equal(jobs[i].count, count);
        assert_memory_equal(ids[i], wanted, count * sizeof *wanted);
        done++;
    }
    return done;
}

static void words_merged_side_by_side_agree(void **state)
{
    (void)state;
    uint64_t seed = 3;
    size_t done = 0;
    for (int round = 0; round < 600; round++) {
        struct bytes file = {0};
        struct coder coder;
        struct score_table table;
        random_model(&seed, &file, round % 2);
        open_file(&coder, &file);
        assert_int_equal(
            score_table_open(coder.image.data, coder.image.size, &table, &coder.error),
            OK);
        done += check_jobs(&coder, &table, &seed);
        coder_close(&coder);
    }
    assert_true(done > 1000 || !score_jobs_have_avx512());
}

/* ---- time ---- */

static double seconds_of(struct coder *coder, const unsigned char *text, size_t size)
{
    uint32_t *ids;
    clock_t began = clock();
    size_t count = coder_encode(coder, text, size, &ids, NULL);
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    assert_true(count > 0 && count <= size);
    free(ids);
    return seconds;
}

static void repeated_letters_take_linear_time(void **state)
{
    (void)state;
    static const char *const repeated[] = {
        "a", "ab", S, "0", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "abcabcaabc"};
    enum { SMALL = 1 << 17, LARGE = 1 << 20 };
    struct bytes file = {0};
    struct coder coder;
    unsigned char *text = malloc(LARGE + 16);
    write_begin(&file);
    for (const char *letter = "abc0"; *letter; letter++)
        write_piece_bytes(&file, letter, 1, -1000, WRITE_NORMAL);
    static const char *const pieces[] = {"aa",  "ab", "aaaa",  "abab",     "bc",
                                         "abc", S S,  S S S S, "aaaaaaaa", "ca"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        write_piece(&file, pieces[i], -(float)i, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 0);
    open_file(&coder, &file);
    for (size_t r = 0; r < sizeof repeated / sizeof *repeated; r++) {
        size_t length = strlen(repeated[r]);
        for (size_t i = 0; i < LARGE + 16; i++)
            text[i] = (unsigned char)repeated[r][i % length];
        double small = seconds_of(&coder, text, SMALL / length * length);
        double large = seconds_of(&coder, text, LARGE / length * length);
        /* eight times the size: a quadratic way takes 64 times as long */
        assert_true(large < 30 * (small > 0.002 ? small : 0.002));
    }
    free(text);
    coder_close(&coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_score_comes_first_then_the_leftmost),
        cmocka_unit_test(unknown_characters_become_bytes),
        cmocka_unit_test(user_defined_pieces_stand_and_control_pieces_are_text),
        cmocka_unit_test(unused_pieces_fall_back_to_their_parts),
        cmocka_unit_test(a_vocabulary_that_cannot_be_is_refused),
        cmocka_unit_test(an_image_that_is_cut_off_is_refused),
        cmocka_unit_test(random_models_agree_with_the_reference),
        cmocka_unit_test(all_methods_agree),
        cmocka_unit_test(words_merged_side_by_side_agree),
        cmocka_unit_test(repeated_letters_take_linear_time),
        cmocka_unit_test(every_nasty_text_agrees),
        cmocka_unit_test(llama2_agrees_with_every_golden),
        cmocka_unit_test(mistral_agrees_with_every_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
