/* test_train.c - training stages: states merge in any way to one file, options are checked */
#include "tests/stages/one_stage.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "stages/registry.h"

enum { TEXTS = 24 };
static const char *const texts[TEXTS] = {"the quick brown fox",
                                         "jumps over the lazy dog",
                                         "the rain in spain",
                                         "stays mainly in the",
                                         "plain plain plain rain",
                                         "the brown dog jumps",
                                         "a quick quick fox",
                                         "the lazy rain",
                                         "over and over again",
                                         "in the plain again",
                                         "spain and rain and spain",
                                         "the fox and the dog",
                                         "lazy lazy dog",
                                         "quick jumps",
                                         "the mainly brown rain",
                                         "stays in spain",
                                         "dogs and foxes",
                                         "raining in the plains",
                                         "the foxes jump",
                                         "jumping over dogs",
                                         "browner than brown",
                                         "quicker than quick",
                                         "\xc3\xa9t\xc3\xa9 et automne",
                                         NULL};

struct fixture {
    char folder[64];
    struct one_stage one;
    struct stage *stage;
};

static void open_stage(struct fixture *fixture, const char *name, const char *yaml)
{
    const struct stage_type *type = stage_find(name);
    assert_non_null(type);
    one_stage_open(&fixture->one, type, yaml, text_fields, 2);
    fixture->stage = chain_stage(fixture->one.chain, 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_train.XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->folder) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    int status = rmdir(fixture->folder);
    free(fixture);
    return status;
}

/* The state of texts [begin, end). */
static void take_in(struct fixture *fixture, uint32_t begin, uint32_t end,
                    struct bytes *state)
{
    struct one_stage *one = &fixture->one;
    const struct stage_fit *fit = fixture->stage->type->fit;
    assert_int_equal(fit->begin(fixture->stage, &one->error), OK);
    if (begin < end) {
        one_stage_run(one, text_batch(one->arena, texts + begin, end - begin));
        assert_int_equal(one->outcome.account.emitted.records, end - begin);
    }
    bytes_reset(state);
    assert_int_equal(fit->save(fixture->stage, state, &one->error), OK);
    assert_false(state->is_bad);
}

static void merge(struct fixture *fixture, const struct bytes *states, size_t count)
{
    struct one_stage *one = &fixture->one;
    const struct stage_fit *fit = fixture->stage->type->fit;
    assert_int_equal(fit->begin(fixture->stage, &one->error), OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            fit->merge(fixture->stage, states[i].data, states[i].size, &one->error), OK);
}

static void states_of_any_cut_are_the_same_bytes(struct fixture *fixture)
{
    struct bytes whole = {0}, parts[3] = {{0}}, pair[2] = {{0}}, again = {0};
    const struct stage_fit *fit = fixture->stage->type->fit;
    take_in(fixture, 0, TEXTS, &whole);
    for (uint32_t first = 0; first <= TEXTS; first += 5) {
        for (uint32_t second = first; second <= TEXTS; second += 7) {
            take_in(fixture, 0, first, &parts[0]);
            take_in(fixture, first, second, &parts[1]);
            take_in(fixture, second, TEXTS, &parts[2]);
            merge(fixture, parts, 2);
            bytes_reset(&pair[0]);
            assert_int_equal(fit->save(fixture->stage, &pair[0], NULL), OK);
            pair[1] = parts[2];
            merge(fixture, pair, 2);
            bytes_reset(&again);
            assert_int_equal(fit->save(fixture->stage, &again, NULL), OK);
            assert_int_equal(again.size, whole.size);
            assert_memory_equal(again.data, whole.data, whole.size);
        }
    }
    for (size_t i = 0; i < 3; i++)
        bytes_clear(&parts[i]);
    bytes_clear(&pair[0]);
    bytes_clear(&whole);
    bytes_clear(&again);
}

/* What finish() writes, and that it writes all it says. */
static void finish(struct fixture *fixture, const char *wanted, struct bytes *content)
{
    char path[160];
    const struct stage_fit *fit = fixture->stage->type->fit;
    enum error_code code =
        fit->finish(fixture->stage, fixture->folder, &fixture->one.error);
    if (code != OK)
        fail_msg("%s", fixture->one.error.text);
    const char *const *files = fit->files(fixture->stage->options);
    assert_string_equal(files[0], wanted);
    assert_null(files[1]);
    (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, wanted);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (int byte = fgetc(file); byte != EOF; byte = fgetc(file))
        bytes_put_u8(content, (uint8_t)byte);
    bytes_put_u8(content, 0);
    (void)fclose(file);
    assert_int_equal(unlink(path), 0);
}

static const struct {
    const char *stage, *options, *file, *holds;
} kinds[] = {
    {"train_bpe", "{vocabulary_size: 280, special: ['<|end|>']}", "tokenizer.json",
     "\"<|end|>\""},
    {"train_bpe", "{vocabulary_size: 280, format: tiktoken, pattern: r50k}",
     "tokenizer.tiktoken", "IHRoZQ== "}, /* " the" */
    {"train_bpe", "{vocabulary_size: 60, style: sentencepiece, character_coverage: 1}",
     "tokenizer.model", "\n"},
    {"train_unigram", "{vocabulary_size: 40, character_coverage: 1}", "tokenizer.model",
     "\n"},
    {"train_wordpiece", "{vocabulary_size: 60}", "tokenizer.json", "\"[MASK]\""},
    {"train_wordpiece", "{vocabulary_size: 60, format: txt}", "vocab.txt",
     "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"},
};

static void every_kind_merges_and_writes(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bytes states[2] = {{0}}, whole[1] = {{0}}, one = {0}, two = {0};
        open_stage(fixture, kinds[i].stage, kinds[i].options);
        states_of_any_cut_are_the_same_bytes(fixture);
        take_in(fixture, 0, TEXTS, &whole[0]);
        merge(fixture, whole, 1);
        finish(fixture, kinds[i].file, &one);
        take_in(fixture, 0, 9, &states[0]);
        take_in(fixture, 9, TEXTS, &states[1]);
        merge(fixture, states, 2);
        finish(fixture, kinds[i].file, &two);
        assert_int_equal(one.size, two.size);
        assert_memory_equal(one.data, two.data, one.size);
        if (!strstr((const char *)one.data, kinds[i].holds))
            fail_msg("%s does not hold \"%s\"", kinds[i].file, kinds[i].holds);
        bytes_clear(&states[0]);
        bytes_clear(&states[1]);
        bytes_clear(&whole[0]);
        bytes_clear(&one);
        bytes_clear(&two);
        one_stage_close(&fixture->one);
    }
}

static void a_state_of_another_kind_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct bytes saved = {0};
    open_stage(fixture, "train_bpe", "{vocabulary_size: 280, pattern: r50k}");
    take_in(fixture, 0, TEXTS, &saved);
    one_stage_close(&fixture->one);
    open_stage(fixture, "train_bpe", "{vocabulary_size: 280, pattern: cl100k}");
    const struct stage_fit *fit = fixture->stage->type->fit;
    assert_int_equal(fit->begin(fixture->stage, NULL), OK);
    assert_int_not_equal(fit->merge(fixture->stage, saved.data, saved.size, NULL), OK);
    assert_int_equal(fit->begin(fixture->stage, NULL), OK);
    assert_int_equal(fit->merge(fixture->stage, "nonsense", 8, NULL), ERROR_DAMAGED);
    one_stage_close(&fixture->one);
    bytes_clear(&saved);
}

static void a_vocabulary_too_small_ends_the_run(void **state)
{
    struct fixture *fixture = *state;
    struct bytes saved = {0};
    open_stage(fixture, "train_unigram", "{vocabulary_size: 5, character_coverage: 1}");
    take_in(fixture, 0, TEXTS, &saved);
    merge(fixture, &saved, 1);
    const struct stage_fit *fit = fixture->stage->type->fit;
    assert_int_equal(fit->finish(fixture->stage, fixture->folder, &fixture->one.error),
                     ERROR_CONFIG);
    one_stage_close(&fixture->one);
    bytes_clear(&saved);
}

static void options_that_contradict_each_other_are_refused(void **state)
{
    static const struct {
        const char *stage, *options, *message;
    } cases[] = {
        {"train_bpe", "{style: sentencepiece, format: json}",
         "style sentencepiece cannot be written as format json"},
        {"train_bpe", "{format: model}",
         "style byte_level cannot be written as format model"},
        {"train_bpe", "{format: tiktoken, special: [a]}",
         "a .tiktoken file holds no special tokens; leave them to the pattern that reads "
         "it, or write format json"},
        {"train_bpe", "{byte_fallback: true}",
         "style byte_level has a token for each byte anyway; byte_fallback is for style "
         "sentencepiece"},
        {"train_bpe", "{vocabulary_size: 257, special: [a, b]}",
         "vocabulary_size must be 258 at least, for what every such vocabulary has"},
        {"train_bpe", "{special: [a, b, a]}", "special token \"a\" stands twice"},
        {"train_bpe", "{special: ['']}", "a special token is empty"},
        {"train_unigram", "{vocabulary_size: 259, byte_fallback: true}",
         "vocabulary_size must be 260 at least, for what every such vocabulary has"},
        {"train_wordpiece", "{special: [a, b]}",
         "\"[UNK]\" is not among the special tokens"},
        {"train_wordpiece", "{vocabulary_size: 5}",
         "vocabulary_size leaves no room beside 5 special tokens"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one_stage one;
        const struct stage_type *type = stage_find(cases[i].stage);
        assert_non_null(type);
        assert_int_equal(one_stage_plan(&one, type, cases[i].options, text_fields, 2),
                         ERROR_CONFIG);
        assert_string_equal(one.error.text, cases[i].message);
        arena_destroy(one.arena);
    }
}

static void texts_are_needed(void **state)
{
    static const char *const names[] = {"train_bpe", "train_unigram", "train_wordpiece"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct one_stage one;
        const struct stage_type *type = stage_find(names[i]);
        assert_non_null(type);
        assert_int_equal(one_stage_plan(&one, type, "{}", text_fields, 1), ERROR_CONFIG);
        assert_non_null(strstr(one.error.text, "needs column \"text\""));
        arena_destroy(one.arena);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_kind_merges_and_writes),
        CASE(a_state_of_another_kind_is_refused),
        CASE(a_vocabulary_too_small_ends_the_run),
        cmocka_unit_test(options_that_contradict_each_other_are_refused),
        cmocka_unit_test(texts_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
