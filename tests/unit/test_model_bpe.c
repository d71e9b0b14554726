/* test_model_bpe.c - byte-pair models: against plain merging, on random models and texts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/bpe_vocabulary.h"
#include "stages/kernels/model_bpe.h"
#include "stages/kernels/word_marks.h"
#include "tests/bpe_reference.h"

struct opened {
    struct arena *run, *scratch;
    void *image;
    size_t size;
    struct model_bpe *model;
    const struct model_type *type;
};

static void open_model(struct opened *opened, const struct model_type *type,
                       const struct model_spec *model)
{
    struct error error = {0};
    struct bytes image = {0};
    struct tokenizer_spec spec = {.model = *model};
    struct arena *work = arena_create(1 << 20, 0);
    *opened = (struct opened){.run = arena_create(1 << 16, 0),
                              .scratch = arena_create(1 << 16, 0),
                              .type = type};
    enum error_code code = type->build(&spec, work, &image, &error);
    if (code != OK)
        print_message("%s\n", error.text);
    assert_int_equal(code, OK);
    opened->image = arena_alloc_raw(opened->run, image.size, 1, 64);
    opened->size = image.size;
    memcpy(opened->image, image.data, image.size);
    opened->model = arena_alloc(opened->run, 1, type->state_size, 64);
    assert_int_equal(
        type->open(opened->model, opened->image, image.size, opened->run, &error), OK);
    bytes_clear(&image);
    arena_destroy(work);
}

static void close_model(struct opened *opened)
{
    arena_destroy(opened->run);
    arena_destroy(opened->scratch);
}

static size_t encode(struct opened *opened, const unsigned char *text, size_t size,
                     uint32_t *ids, struct token_span *spans)
{
    size_t count = 0;
    struct error error = {0};
    unsigned char *copy = malloc(size); /* of exactly its size */
    assert_non_null(copy);
    memcpy(copy, text, size);
    assert_int_equal(opened->type->encode(opened->model, copy, size, opened->scratch, ids,
                                          spans, &count, &error),
                     OK);
    arena_reset(opened->scratch);
    free(copy);
    return count;
}

enum { TEXT_MAX = 200, TEXTS = 60 };

/* Without spans, again out of the cache, and with spans. */
static void check_text(struct opened *opened, const struct model_spec *spec,
                       const unsigned char *text, size_t size)
{
    uint32_t wanted[TEXT_MAX + 8], ids[TEXT_MAX + 8];
    struct token_span wanted_spans[TEXT_MAX + 8], spans[TEXT_MAX + 8];
    size_t count = reference_merge(spec, text, size, wanted, wanted_spans);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(encode(opened, text, size, ids, NULL), count);
        if (count > 0)
            assert_memory_equal(ids, wanted, count * sizeof *ids);
    }
    assert_int_equal(encode(opened, text, size, ids, spans), count);
    if (count > 0) {
        assert_memory_equal(ids, wanted, count * sizeof *ids);
        assert_memory_equal(spans, wanted_spans, count * sizeof *spans);
    }
}

/* How many of the models were compiled into vocabularies of ranks. */
static unsigned check_models(unsigned traits, unsigned models)
{
    static struct random_model random;
    unsigned vocabularies = 0;
    for (unsigned i = 0; i < models; i++) {
        struct opened opened;
        unsigned char text[TEXT_MAX];
        random_model_fill(&random, 77 + i * 1000 + traits, traits, 5 + i % 60);
        open_model(&opened, &model_bpe_merges, &random.spec);
        vocabularies += opened.model->has_vocabulary;
        for (unsigned k = 0; k < TEXTS; k++)
            check_text(&opened, &random.spec, text, random_text(&random, text, TEXT_MAX));
        close_model(&opened);
    }
    return vocabularies;
}

static void every_kind_of_model_merges_as_the_reference(void **state)
{
    (void)state;
    for (unsigned traits = 0; traits < 256; traits++)
        (void)check_models(traits, 6);
}

static void ordinary_models_become_vocabularies(void **state)
{
    (void)state;
    assert_true(check_models(RANDOM_BYTE_LEVEL, 60) > 20);
    assert_true(check_models(RANDOM_FALLBACK, 60) > 20);
    assert_true(check_models(RANDOM_UNKNOWN, 60) > 20);
    assert_true(check_models(RANDOM_UNKNOWN | RANDOM_FUSED, 60) > 20);
}

static void words_are_cut_before_marks(void **state)
{
    (void)state;
    static struct random_model random;
    random.seed = 5;
    for (unsigned turn = 0; turn < 400; turn++) {
        unsigned char text[900];
        size_t size = random_text(&random, text, sizeof text);
        size_t ends[64 + 3], at = 0, begin = 0, count;
        size_t capacity = turn % 2 ? 67 : 1 + turn % 5;
        while ((count = word_marks_cut(text, size, &at, ends, capacity)) > 0) {
            for (size_t i = 0; i < count; i++) {
                /* none inside, one at the end */
                for (size_t k = begin + 1; k <= ends[i]; k++) {
                    bool is_mark =
                        size - k >= 3 && memcmp(text + k, "\xe2\x96\x81", 3) == 0;
                    bool follows = k >= 3 && memcmp(text + k - 3, "\xe2\x96\x81", 3) == 0;
                    assert_int_equal(k == ends[i], (is_mark && !follows) || k == size);
                }
                begin = ends[i];
            }
            assert_int_equal(at, begin);
        }
        assert_int_equal(begin, size);
    }
}

static void a_damaged_image_is_refused(void **state)
{
    (void)state;
    static struct random_model random;
    for (unsigned traits = 0; traits < 64; traits += RANDOM_AFFIXES) {
        struct opened opened;
        struct error error = {0};
        random_model_fill(&random, 3, traits, 20);
        open_model(&opened, &model_bpe_merges, &random.spec);
        for (size_t size = 0; size < opened.size; size += 61) {
            struct model_bpe model = {0};
            assert_int_equal(
                opened.type->open(&model, opened.image, size, opened.run, &error),
                ERROR_DAMAGED);
        }
        close_model(&opened);
    }
}

static void fallback_with_affixes_is_refused(void **state)
{
    (void)state;
    static struct random_model random;
    struct error error = {0};
    struct bytes image = {0};
    struct arena *work = arena_create(1 << 16, 0);
    random_model_fill(&random, 3, RANDOM_AFFIXES, 4);
    struct tokenizer_spec spec = {.model = random.spec};
    spec.model.byte_fallback = true;
    assert_int_equal(model_bpe_merges.build(&spec, work, &image, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "byte_fallback"));
    bytes_clear(&image);
    arena_destroy(work);
}

static double seconds_for(struct opened *opened, unsigned char letter, size_t size)
{
    unsigned char *text = malloc(size);
    uint32_t *ids = malloc((size + 8) * sizeof *ids);
    assert_non_null(text);
    assert_non_null(ids);
    memset(text, letter, size);
    clock_t begin = clock();
    (void)encode(opened, text, size, ids, NULL);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    free(text);
    free(ids);
    return seconds;
}

/* A megabyte of one letter takes about ten times as long as a tenth of it. */
static void time_grows_with_the_text(void **state)
{
    (void)state;
    static struct random_model random;
    struct opened opened;
    random_model_fill(&random, 1, RANDOM_FALLBACK, 0);
    struct model_spec *spec = &random.spec;
    uint32_t token = reference_find(spec, "a", 1);
    for (size_t size = 2; size <= 16; size *= 2) {
        uint32_t merged = random_add(&random, "aaaaaaaaaaaaaaaa", size);
        random.merges[spec->merge_count++] = (struct spec_merge){token, token, merged};
        token = merged;
    }
    open_model(&opened, &model_bpe_merges, spec);
    assert_true(opened.model->has_vocabulary);
    double few = seconds_for(&opened, 'a', 100000) + 0.002;
    double many = seconds_for(&opened, 'a', 1000000);
    assert_true(many < 40 * few);
    close_model(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_model_merges_as_the_reference),
        cmocka_unit_test(ordinary_models_become_vocabularies),
        cmocka_unit_test(words_are_cut_before_marks),
        cmocka_unit_test(a_damaged_image_is_refused),
        cmocka_unit_test(fallback_with_affixes_is_refused),
        cmocka_unit_test(time_grows_with_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
