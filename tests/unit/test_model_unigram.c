/* test_model_unigram.c - Unigram models: goldens, plain references, rounding, time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "stages/kernels/unigram_path.h"
#include "stages/kernels/unigram_table.h"
#include "tests/sentencepiece_coder.h"
#include "tests/sentencepiece_goldens.h"
#include "tests/sentencepiece_writer.h"

#define S "\xe2\x96\x81"

/* ---- goldens ---- */

static void english_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("spm_test_en_bpe_or_uni");
}

static void japanese_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("spm_test_ja");
}

static void xlnet_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("xlnet_base_cased");
}

static void every_nasty_text_agrees(void **state)
{
    (void)state;
    check_nasty("spm_test_en_bpe_or_uni");
    check_nasty("spm_test_ja");
    check_nasty("xlnet_base_cased");
}

/* Whole documents one behind another, so that sums are large and rounding decides: as the
 * plain way over the whole text, which no cut and no cache helps. */
static void long_sums_round_as_in_the_plain_way(void **state)
{
    (void)state;
    enum { SIZE = 150000 };
    struct arena *arena = arena_create(1 << 20, 0);
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    struct bytes text = {0}, all = {0};
    struct coder coder;
    if (!golden_documents(arena, documents)) {
        print_message("skipped: no shared data\n");
        arena_destroy(arena);
        skip();
    }
    for (size_t i = 0; i < GOLDEN_DOCUMENTS && text.size < SIZE; i++)
        bytes_put(&text, documents[i].text, documents[i].size);
    struct reference reference;
    assert_true(open_shared_model(&coder, "xlnet_base_cased"));
    reference_open(&reference, &coder.spec.model);
    reference_normalize(coder.spec.normalizers, text.data, text.size, &all);
    assert_true(coder_agrees(&coder, &reference, all.data, all.size));
    coder_close(&coder);
    reference_close(&reference);
    bytes_clear(&text);
    bytes_clear(&all);
    arena_destroy(arena);
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

static void the_best_sum_wins_and_of_equal_ones_the_earliest_start(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "a", -1, WRITE_NORMAL);   /* 3 */
    write_piece(&file, "b", -1, WRITE_NORMAL);   /* 4 */
    write_piece(&file, "ab", -2, WRITE_NORMAL);  /* 5: as a + b */
    write_piece(&file, "abb", -4, WRITE_NORMAL); /* 6: worse */
    write_piece(&file, "bbb", -1, WRITE_NORMAL); /* 7 */
    write_end(&file, WRITE_UNIGRAM, 0);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "ab", 5);
    CHECK_IDS(&coder, "abb", 5, 4);
    CHECK_IDS(&coder, "abbb", 3, 7);
    CHECK_IDS(&coder, "axyb", 3, 0, 4); /* two unknown ones are one */
    CHECK_IDS(&coder, "<s>a", 0, 3);    /* control pieces are text */
    coder_close(&coder);
}

/* Behind a large sum rounding decides for "ab"; that must not be remembered. */
static void what_rounding_decides_is_not_remembered(void **state)
{
    (void)state;
    enum { PAIRS = 60000 };
    struct bytes file = {0}, text = {0};
    struct coder coder;
    uint32_t *ids;
    write_begin(&file);
    write_piece(&file, "a", -1, WRITE_NORMAL);         /* 3 */
    write_piece(&file, "b", -1, WRITE_NORMAL);         /* 4 */
    write_piece(&file, "ab", -2.00001f, WRITE_NORMAL); /* 5 */
    write_piece(&file, S, -1, WRITE_NORMAL);           /* 6 */
    write_end(&file, WRITE_UNIGRAM, 0);
    open_file(&coder, &file);
    for (size_t i = 0; i < PAIRS; i++)
        bytes_put(&text, S "b", 4);
    bytes_put(&text, S "ab", 5);
    size_t count = coder_encode(&coder, text.data, text.size, &ids, NULL);
    assert_int_equal(count, 2 * PAIRS + 2);
    assert_int_equal(ids[count - 1], 5);
    free(ids);
    CHECK_IDS(&coder, S "ab", 6, 3, 4);
    bytes_clear(&text);
    coder_close(&coder);
}

static void user_defined_pieces_cost_next_to_nothing(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    write_begin(&file);
    write_piece(&file, "a", -0.5f, WRITE_NORMAL); /* 3 */
    write_piece(&file, "b", -0.5f, WRITE_NORMAL); /* 4 */
    write_piece(&file, "aab", 0, WRITE_USER);     /* 5 */
    write_piece(&file, "ba", -0.1f, WRITE_UNUSED);
    write_end(&file, WRITE_UNIGRAM, 0);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "aaab", 3, 5);
    CHECK_IDS(&coder, "ba", 4, 3); /* unused pieces do not count */
    coder_close(&coder);
}

static void unknown_characters_become_bytes(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct coder coder;
    uint32_t *ids;
    struct token_span *spans;
    write_begin(&file);
    write_byte_pieces(&file); /* 3 ... 258 */
    write_piece(&file, "a", -1, WRITE_NORMAL);
    write_end(&file, WRITE_UNIGRAM, 1);
    open_file(&coder, &file);
    CHECK_IDS(&coder, "a\xc3\xa9z", 259, 3 + 0xc3, 3 + 0xa9, 3 + 'z');
    const unsigned char *text = (const unsigned char *)"a\xc3\xa9";
    assert_int_equal(coder_encode(&coder, text, 3, &ids, &spans), 3);
    assert_true(spans[1].begin == 1 && spans[1].end == 1);
    assert_true(spans[2].begin == 1 && spans[2].end == 3);
    free(ids);
    free(spans);
    coder_close(&coder);
}

/* ---- Hugging Face ---- */

static struct spec_token token(const char *text, uint32_t id, double score)
{
    return (struct spec_token){
        .text = {(const unsigned char *)text, strlen(text)}, .id = id, .score = score};
}

static void a_run_of_unknown_characters_is_one_piece(void **state)
{
    (void)state;
    const struct spec_token tokens[] = {token("<unk>", 0, 0), token("a", 1, -1),
                                        token("xy", 2, -100), token("<0x7A>", 3, 0)};
    struct coder coder = {.work = arena_create(1 << 16, 0)};
    coder.spec.model = (struct model_spec){.kind = MODEL_UNIGRAM,
                                           .tokens = tokens,
                                           .token_count = 4,
                                           .id_limit = 4,
                                           .byte_fallback = true,
                                           .fuse_unknown = true};
    assert_true(coder_open_spec(&coder));
    /* unknown characters cost -110 each: xy is better */
    CHECK_IDS(&coder, "axya", 1, 2, 1);
    CHECK_IDS(&coder, "azza", 1, 3, 3, 1); /* bytes, for there is a token for each */
    CHECK_IDS(&coder, "azxqa", 1, 0, 1);   /* no token for q: one unknown token */
    CHECK_IDS(&coder, "a<unk>xa", 1, 0, 1);
    coder_close(&coder);
}

static void without_an_unknown_token_the_text_is_rejected(void **state)
{
    (void)state;
    const struct spec_token tokens[] = {token("a", 0, -1)};
    struct coder coder = {.work = arena_create(1 << 16, 0)};
    uint32_t *ids;
    coder.spec.model = (struct model_spec){.kind = MODEL_UNIGRAM,
                                           .tokens = tokens,
                                           .token_count = 1,
                                           .id_limit = 1,
                                           .unknown = UINT32_MAX};
    assert_true(coder_open_spec(&coder));
    CHECK_IDS(&coder, "aa", 0, 0);
    assert_int_equal(coder_encode(&coder, (const unsigned char *)"ab", 2, &ids, NULL),
                     SIZE_MAX);
    assert_int_equal(coder.error.code, ERROR_RECORD);
    free(ids);
    coder_close(&coder);
}

static void a_vocabulary_that_cannot_be_is_refused(void **state)
{
    (void)state;
    const struct spec_token tokens[] = {token("a", 0, 1e30), token("b", 7, 0)};
    struct model_spec model = {.kind = MODEL_UNIGRAM,
                               .tokens = tokens,
                               .token_count = 1,
                               .id_limit = 1,
                               .unknown = 0};
    for (int round = 0; round < 3; round++) {
        struct coder coder = {.work = arena_create(1 << 16, 0), .spec = {.model = model}};
        if (round == 1)
            coder.spec.model.tokens = tokens + 1; /* an id out of range */
        if (round == 2)
            coder.spec.model.unknown = 5;
        assert_false(coder_open_spec(&coder));
        assert_int_equal(coder.error.code, ERROR_CONFIG);
        coder_close(&coder);
    }
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

/* Scores of a few different values make ties; those of many decimals make near ones. */
static void random_model(uint64_t *seed, struct bytes *file)
{
    unsigned char text[64];
    char seen[64][64];
    bool has_bytes = coder_random(seed) % 3 == 0, has_kinds = coder_random(seed) % 2;
    uint32_t pieces = 1 + coder_random(seed) % 40, scores = 1 + coder_random(seed) % 20;
    unsigned kinds = 2 + coder_random(seed) % 6;
    float unit = coder_random(seed) % 2 ? 1.0f : 0.37f;
    write_begin(file);
    write_piece(file, "zz", -3, WRITE_NORMAL); /* one at least */
    for (uint32_t i = 0; i < pieces; i++) {
        size_t size = random_text(seed, kinds, 1 + coder_random(seed) % 5, text);
        bool is_new = true;
        memset(seen[i], 0, sizeof seen[i]);
        memcpy(seen[i], text, size);
        for (uint32_t j = 0; j < i; j++)
            is_new = is_new && memcmp(seen[i], seen[j], sizeof *seen) != 0;
        uint32_t kind = has_kinds ? coder_random(seed) % 8 : 0;
        if (is_new)
            write_piece_bytes(file, text, size,
                              -unit * (float)(coder_random(seed) % scores),
                              kind == 1   ? WRITE_USER
                              : kind == 2 ? WRITE_UNUSED
                                          : WRITE_NORMAL);
    }
    if (has_bytes)
        write_byte_pieces(file);
    write_end(file, WRITE_UNIGRAM, has_bytes);
}

static void random_models_agree_with_the_reference(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 200; round++) {
        struct bytes file = {0};
        struct coder coder = {.work = arena_create(1 << 16, 0)};
        struct reference reference;
        unsigned char text[4096];
        random_model(&seed, &file);
        assert_int_equal(sentencepiece_read(file.data, file.size, coder.work, &coder.spec,
                                            &coder.error),
                         OK);
        bytes_clear(&file);
        if (round % 2)
            coder_take_kinds(&coder);
        assert_true(coder_open_spec(&coder));
        reference_open(&reference, &coder.spec.model);
        for (int i = 0; i < 12; i++) {
            size_t size = random_text(&seed, 2 + coder_random(&seed) % 9,
                                      1 + coder_random(&seed) % 400, text);
            if (!coder_agrees(&coder, &reference, text, size))
                fail_msg("round %d, text %d", round, i);
        }
        reference_close(&reference);
        coder_close(&coder);
    }
}

/* ---- the limit ---- */

static bool same_way(const struct path_node *a, const struct path_node *b, size_t size)
{
    for (size_t end = size; end > 0; end = a[end].start) {
        if (a[end].start != b[end].start || a[end].id != b[end].id)
            return false;
    }
    return true;
}

/* Wherever a limit holds the way from a base is that from 0; and it does hold mostly. */
static void a_limit_keeps_what_it_promises(void **state)
{
    (void)state;
    uint64_t seed = 21;
    size_t held = 0, tried = 0, differing = 0;
    for (int round = 0; round < 200; round++) {
        struct bytes file = {0};
        struct coder coder;
        struct unigram_table table;
        struct error error;
        random_model(&seed, &file);
        open_file(&coder, &file);
        assert_int_equal(
            unigram_table_open(coder.image.data, coder.image.size, &table, &error), OK);
        for (int i = 0; i < 200; i++) {
            unsigned char text[128];
            struct path_node from_zero[129], from_base[129];
            double seconds[129];
            uint32_t limit;
            size_t size = random_text(&seed, 5, 1 + coder_random(&seed) % 10, text);
            double base = -(double)(float)(coder_random(&seed) % 1000000) /
                          (double)(1 << coder_random(&seed) % 20);
            assert_true(
                unigram_path_find_limit(&table, text, size, from_zero, seconds, &limit));
            base = (double)(float)base;
            assert_true(unigram_path_find(&table, text, size, base, from_base));
            bool is_same = same_way(from_base, from_zero, size);
            bool holds = unigram_limit_holds(limit, base);
            assert_true(is_same || !holds);
            held += holds;
            differing += !is_same;
            tried++;
        }
        coder_close(&coder);
    }
    assert_true(held > tried / 4 && differing > 0);
}

static void a_limit_bounds_the_base(void **state)
{
    (void)state;
    assert_false(unigram_limit_holds(0, 0));
    assert_true(unigram_limit_holds(1, 0));
    assert_true(unigram_limit_holds(33 + 4, -15.9));
    assert_false(unigram_limit_holds(33 + 4, -16));
    assert_false(unigram_limit_holds(33 + 4, 16));
    assert_true(unigram_limit_holds(255, 1e30));
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
    static const char *const repeated[] = {"a", "ab",           S,
                                           "0", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"};
    enum { SMALL = 1 << 17, LARGE = 1 << 20 };
    static const char *const pieces[] = {"a",    "b", "aa",    "ab",       "aaaa",
                                         "abab", S S, S S S S, "aaaaaaaa", "ba"};
    struct bytes file = {0};
    struct coder coder;
    unsigned char *text = malloc(LARGE);
    write_begin(&file);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        write_piece(&file, pieces[i], -(float)i, WRITE_NORMAL);
    write_end(&file, WRITE_UNIGRAM, 0);
    open_file(&coder, &file);
    for (size_t r = 0; r < sizeof repeated / sizeof *repeated; r++) {
        size_t length = strlen(repeated[r]);
        for (size_t i = 0; i < LARGE; i++)
            text[i] = (unsigned char)repeated[r][i % length];
        double small = seconds_of(&coder, text, SMALL);
        double large = seconds_of(&coder, text, LARGE);
        /* eight times the size: a quadratic way takes 64 times as long */
        assert_true(large < 30 * (small > 0.002 ? small : 0.002));
    }
    free(text);
    coder_close(&coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_sum_wins_and_of_equal_ones_the_earliest_start),
        cmocka_unit_test(what_rounding_decides_is_not_remembered),
        cmocka_unit_test(user_defined_pieces_cost_next_to_nothing),
        cmocka_unit_test(unknown_characters_become_bytes),
        cmocka_unit_test(a_run_of_unknown_characters_is_one_piece),
        cmocka_unit_test(without_an_unknown_token_the_text_is_rejected),
        cmocka_unit_test(a_vocabulary_that_cannot_be_is_refused),
        cmocka_unit_test(random_models_agree_with_the_reference),
        cmocka_unit_test(a_limit_keeps_what_it_promises),
        cmocka_unit_test(a_limit_bounds_the_base),
        cmocka_unit_test(repeated_letters_take_linear_time),
        cmocka_unit_test(every_nasty_text_agrees),
        cmocka_unit_test(long_sums_round_as_in_the_plain_way),
        cmocka_unit_test(english_agrees_with_every_golden),
        cmocka_unit_test(japanese_agrees_with_every_golden),
        cmocka_unit_test(xlnet_agrees_with_every_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
