/* test_mask_tokens.c - instances of masked language models, however their batches are cut */
#include "tests/stages/token_lists.h"

#include <unistd.h>

#include "core/bytes.h"
#include "core/codec.h"
#include "stages/kernels/word_starts.h"

extern const struct stage_type stage_mask_tokens;

enum { DOCUMENTS = 120, CLS = 1, SEP = 2, MASK = 3, END = 4, FIRST = 10, SIZE = 5000 };
static const uint32_t no_label = UINT32_MAX - 99;

#define IDS "mask_token: 3, cls_token: 1, sep_token: 2, special_tokens: [0], "
#define PAIRS IDS "sentence_ends: [4], vocabulary_size: 5000, max_length: 64, "

static struct batch *random_batch(struct arena *arena, uint32_t count, uint32_t longest)
{
    struct list *lists = calloc(count, sizeof *lists);
    assert_non_null(lists);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = 1 + (uint32_t)rand() % longest;
        for (uint32_t k = 0; k < size; k++)
            list_add(&lists[i],
                     rand() % 9 ? FIRST + (i * 131 + k) % (SIZE - FIRST) : END);
    }
    struct batch *batch = token_batch(arena, lists, count);
    for (uint32_t i = 0; i < count; i++)
        list_free(&lists[i]);
    free(lists);
    return batch;
}

static void note_outcome(const struct chain_outcome *outcome, struct hash128 *digest,
                         uint32_t *count)
{
    struct bytes scratch = {0};
    for (size_t i = 0; i < outcome->batch_count; i++)
        for (uint32_t row = 0; row < outcome->batches[i]->count; row++) {
            *digest = hash128_add(*digest,
                                  record_digest(outcome->batches[i], row, "f", &scratch));
            ++*count;
        }
    bytes_clear(&scratch);
}

/* The digest of what comes out of a shard that is fed in batches of `step` records. */
static struct hash128 run_shard(struct one_stage *one, const struct batch *all,
                                uint32_t step, uint32_t *count)
{
    static const char *const names[] = {"f"};
    static const struct file_names files = {.names = names, .count = 1};
    struct hash128 digest = {0, 0};
    bool is_done = false;
    *count = 0;
    chain_begin(one->chain, NULL);
    chain_name_files(one->chain, &files);
    for (uint32_t begin = 0; begin < all->count; begin += step) {
        uint32_t end = begin + step < all->count ? begin + step : all->count;
        one_stage_run(one, batch_slice(all, begin, end, one->arena));
        note_outcome(&one->outcome, &digest, count);
    }
    while (!is_done) {
        assert_int_equal(
            chain_flush(one->chain, one->arena, &one->outcome, &is_done, &one->error),
            OK);
        assert_true(account_holds(&one->outcome.account));
        note_outcome(&one->outcome, &digest, count);
    }
    return digest;
}

static void instances_do_not_depend_on_batches(void **state)
{
    (void)state;
    static const char *const yamls[] = {
        "{" IDS "vocabulary_size: 5000, copies: 3, frame: true}",
        "{" IDS "vocabulary_size: 5000, unit: span, spans: true, labels: positions}",
        "{" PAIRS "task: next_sentence, copies: 2, max_predictions: 20}",
        "{" PAIRS "task: sentence_order}",
        "{" PAIRS "task: two_segments, unit: none, copies: 2}"};
    for (size_t i = 0; i < sizeof yamls / sizeof *yamls; i++) {
        struct one_stage one;
        uint32_t first_count, count;
        srand(4);
        one_stage_open(&one, &stage_mask_tokens, yamls[i], token_fields, 2);
        const struct batch *all = random_batch(one.arena, DOCUMENTS, 300);
        struct hash128 first = run_shard(&one, all, DOCUMENTS, &first_count);
        struct hash128 second = run_shard(&one, all, 7, &count);
        assert_true(hash128_is_equal(first, second));
        assert_int_equal(count, first_count);
        assert_true(count >= DOCUMENTS);
        one_stage_close(&one);
    }
}

static void another_seed_gives_other_masks(void **state)
{
    (void)state;
    struct hash128 digests[2];
    for (int i = 0; i < 2; i++) {
        struct one_stage one;
        uint32_t count;
        srand(4);
        one_stage_open(&one, &stage_mask_tokens,
                       i ? "{" IDS "vocabulary_size: 5000, seed: 1}"
                         : "{" IDS "vocabulary_size: 5000}",
                       token_fields, 2);
        digests[i] = run_shard(&one, random_batch(one.arena, DOCUMENTS, 300), 50, &count);
        one_stage_close(&one);
    }
    assert_false(hash128_is_equal(digests[0], digests[1]));
}

/* ---- sequences ---- */

static void copies_differ_and_keep_their_columns(void **state)
{
    (void)state;
    static const struct schema_field fields[] = {{"key", COLUMN_UTF8, 0},
                                                 {"tokens", COLUMN_LIST_U32, 0},
                                                 {"lang", COLUMN_UTF8, 0}};
    static const char *const langs[] = {"de", "en", "fr"};
    struct list lists[3] = {{0}};
    struct one_stage one;
    one_stage_open(&one, &stage_mask_tokens,
                   "{" IDS "vocabulary_size: 5000, copies: 2, frame: true}", fields, 3);
    assert_int_equal(one.phase.output_schema.count, 4);
    for (uint32_t i = 0; i < 400; i++)
        list_add(&lists[i % 2 * 2], FIRST + i); /* the second is empty */
    const struct column *columns[] = {list_column(one.arena, "tokens", lists, 3),
                                      text_column(one.arena, "lang", langs, 3)};
    one_stage_run(&one, make_batch(one.arena, columns, 2, 3));
    const struct batch *batch = one.outcome.batches[0];
    assert_int_equal(batch->count, 4);
    assert_int_equal(one.outcome.account.dropped.records, 1);
    assert_string_equal(text_of(&one, "key", 3), "k2/2");
    assert_string_equal(text_of(&one, "lang", 1), "de");
    assert_string_equal(text_of(&one, "lang", 2), "fr");
    const struct column *tokens = batch_column(batch, "tokens");
    const struct column *labels = batch_column(batch, "labels");
    for (uint32_t row = 0; row < 4; row++) {
        const uint32_t *now = column_row(tokens, row), *was = column_row(labels, row);
        uint32_t guessed = 0;
        assert_int_equal(column_row_length(tokens, row), 202);
        assert_int_equal(column_row_length(labels, row), 202);
        assert_int_equal(now[0], CLS);
        assert_int_equal(now[201], SEP);
        for (uint32_t i = 0; i < 202; i++) {
            uint32_t original = i == 0     ? CLS
                                : i == 201 ? SEP
                                           : lists[row / 2 * 2].items[i - 1];
            guessed += was[i] != no_label;
            assert_int_equal(was[i] == no_label ? now[i] : was[i], original);
        }
        assert_int_equal(guessed, 30); /* 202 * 0.15 = 30.3 */
    }
    assert_true(memcmp(column_row(labels, 0), column_row(labels, 1), 202 * 4) != 0);
    list_free(&lists[0]);
    list_free(&lists[2]);
    one_stage_close(&one);
}

static void labels_by_position_say_the_same(void **state)
{
    (void)state;
    struct one_stage aligned, listed;
    srand(5);
    one_stage_open(&aligned, &stage_mask_tokens,
                   "{" IDS "vocabulary_size: 5000, unit: span, spans: true}",
                   token_fields, 2);
    one_stage_open(&listed, &stage_mask_tokens,
                   "{" IDS "vocabulary_size: 5000, unit: span, labels: positions}",
                   token_fields, 2);
    const struct batch *all = random_batch(aligned.arena, 20, 200);
    one_stage_run(&aligned, all);
    one_stage_run(&listed, all);
    const struct batch *first = aligned.outcome.batches[0];
    const struct batch *second = listed.outcome.batches[0];
    for (uint32_t row = 0; row < 20; row++) {
        const uint32_t *labels = column_row(batch_column(first, "labels"), row);
        const uint32_t *at = column_row(batch_column(second, "mask_positions"), row);
        const uint32_t *was = column_row(batch_column(second, "mask_labels"), row);
        const uint32_t *spans = column_row(batch_column(first, "spans"), row);
        uint64_t count = column_row_length(batch_column(first, "labels"), row);
        uint64_t next = 0, span = 0;
        for (uint32_t i = 0; i < count; i++) {
            bool was_chosen = i > 0 && labels[i - 1] != no_label;
            bool is_chosen = labels[i] != no_label;
            if (is_chosen != was_chosen)
                assert_int_equal(spans[span++], i);
            if (!is_chosen)
                continue;
            assert_int_equal(at[next], i);
            assert_int_equal(was[next++], labels[i]);
        }
        if (labels[count - 1] != no_label)
            assert_int_equal(spans[span++], count);
        assert_int_equal(next,
                         column_row_length(batch_column(second, "mask_positions"), row));
        assert_int_equal(span, column_row_length(batch_column(first, "spans"), row));
        assert_int_equal(span % 2, 0);
    }
    one_stage_close(&listed);
    one_stage_close(&aligned);
}

static void shares_hold_over_many_records(void **state)
{
    (void)state;
    struct one_stage one;
    uint64_t total = 0, guessed = 0, masked = 0, kept = 0;
    srand(6);
    one_stage_open(&one, &stage_mask_tokens, "{" IDS "vocabulary_size: 5000, copies: 5}",
                   token_fields, 2);
    one_stage_run(&one, random_batch(one.arena, 500, 400));
    const struct batch *batch = one.outcome.batches[0];
    const struct column *tokens = batch_column(batch, "tokens");
    const uint32_t *labels = batch_column(batch, "labels")->data, *now = tokens->data;
    total = tokens->offsets[batch->count];
    for (uint64_t i = 0; i < total; i++) {
        bool is_guessed = labels[i] != no_label;
        guessed += is_guessed;
        masked += is_guessed && now[i] == MASK;
        kept += is_guessed && now[i] == labels[i];
    }
    assert_true(total > 400000);
    assert_true(guessed * 1000 > total * 149 && guessed * 1000 < total * 151);
    assert_true(masked * 1000 > guessed * 790 && masked * 1000 < guessed * 810);
    assert_true(kept * 1000 > guessed * 92 && kept * 1000 < guessed * 108);
    one_stage_close(&one);
}

/* ---- words ---- */

static void words_of_a_vocabulary_stay_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/millrace-mask-XXXXXX", prepared[sizeof path + 9], yaml[200];
    int handle = mkstemp(path);
    assert_true(handle >= 0);
    FILE *file = fdopen(handle, "wb");
    for (int i = 0; i < 100; i++)
        (void)fprintf(file, "%sword%d\n", i >= 50 ? "##" : "", i);
    (void)fclose(file);
    (void)snprintf(prepared, sizeof prepared, "%s.prepared", path);
    (void)snprintf(yaml, sizeof yaml, "{mask_token: 3, unit: word, vocabulary: %s}",
                   path);
    struct one_stage one;
    assert_int_equal(one_stage_plan(&one, &stage_mask_tokens, yaml, token_fields, 2), OK);
    assert_int_equal(stage_mask_tokens.prepare(one.spec.options, prepared, &one.error),
                     OK);
    unsigned char content[200];
    file = fopen(prepared, "rb");
    assert_non_null(file);
    struct chain_prepared view = {content, fread(content, 1, sizeof content, file)};
    (void)fclose(file);
    assert_int_equal(view.size, 108);
    assert_int_equal(chain_open(&one.phase, &view, NULL, &one.chain, &one.error), OK);
    struct list list = {0};
    for (uint32_t i = 0; i < 300; i++) /* words of three tokens */
        list_add(&list, i % 3 ? 50 + i % 50 : 10 + i % 40);
    one_stage_run(&one, token_batch(one.arena, &list, 1));
    const uint32_t *labels =
        column_row(batch_column(one.outcome.batches[0], "labels"), 0);
    uint32_t guessed = 0;
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(labels[i] == no_label, labels[i - i % 3] == no_label);
        guessed += labels[i] != no_label;
    }
    assert_int_equal(guessed, 45);
    list_free(&list);
    one_stage_close(&one);
    (void)unlink(path);
    (void)unlink(prepared);
}

static void both_kinds_of_vocabulary_say_where_words_begin(void **state)
{
    (void)state;
    static const char lines[] = "[PAD]\nthe\n##s\n##\r\nlast";
    struct arena *arena = arena_create(1 << 12, 0);
    struct bytes ranks = {0};
    struct error error;
    unsigned char *continues;
    uint32_t count;
    assert_int_equal(word_starts_parse((const unsigned char *)lines, sizeof lines - 1,
                                       arena, &continues, &count, &error),
                     OK);
    assert_int_equal(count, 5);
    assert_memory_equal(continues, "\0\0\1\1\0", 5);
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int byte = 0; byte < 256; byte++) {
        char line[32];
        int size = snprintf(line, sizeof line, "%c%c== %d\n", digits[byte >> 2],
                            digits[(byte & 3) << 4], byte);
        bytes_put(&ranks, line, (size_t)size);
    }
    bytes_put(&ranks, "IGE= 256\nYSA= 300\n", 18); /* " a", "a " */
    assert_int_equal(
        word_starts_parse(ranks.data, ranks.size, arena, &continues, &count, &error), OK);
    assert_int_equal(count, 301);
    assert_int_equal(continues[' '], 0);
    assert_int_equal(continues['\n'], 0);
    assert_int_equal(continues['a'], 1);
    assert_int_equal(continues[256], 0);
    assert_int_equal(continues[300], 1);
    assert_int_equal(word_starts_parse(ranks.data, 0, arena, &continues, &count, &error),
                     ERROR_CONFIG);
    bytes_clear(&ranks);
    arena_destroy(arena);
}

/* ---- pairs ---- */

static void segments_stand_in_their_frame(void **state)
{
    (void)state;
    struct one_stage one;
    bool is_done = false;
    uint32_t next = 0, instances = 0;
    srand(7);
    one_stage_open(&one, &stage_mask_tokens,
                   "{" PAIRS "task: next_sentence, unit: none, copies: 2}", token_fields,
                   2);
    assert_int_equal(one.phase.output_schema.count, 4);
    one_stage_run(&one, random_batch(one.arena, DOCUMENTS, 300));
    assert_int_equal(one.outcome.account.used.records, DOCUMENTS);
    while (!is_done) {
        assert_int_equal(
            chain_flush(one.chain, one.arena, &one.outcome, &is_done, &one.error), OK);
        for (size_t i = 0; i < one.outcome.batch_count; i++) {
            const struct batch *batch = one.outcome.batches[i];
            for (uint32_t row = 0; row < batch->count; row++, instances++) {
                const struct column *column = batch_column(batch, "tokens");
                const uint32_t *tokens = column_row(column, row);
                const uint32_t *segments =
                    column_row(batch_column(batch, "segments"), row);
                uint32_t size = (uint32_t)column_row_length(column, row), middle = 1;
                while (segments[middle] == 0)
                    middle++;
                assert_in_range(size, 5, 64);
                assert_int_equal(tokens[0], CLS);
                assert_int_equal(tokens[middle - 1], SEP);
                assert_int_equal(tokens[size - 1], SEP);
                assert_int_equal(segments[size - 1], 1);
                next += column_bool(batch_column(batch, "is_next"), row);
                assert_null(batch_column(batch, "labels"));
            }
        }
    }
    assert_true(instances > 2 * DOCUMENTS);
    assert_in_range(next * 100 / instances, 20, 55);
    one_stage_close(&one);
}

static void a_column_may_say_where_sentences_begin(void **state)
{
    (void)state;
    static const struct schema_field fields[] = {{"key", COLUMN_UTF8, 0},
                                                 {"tokens", COLUMN_LIST_U32, 0},
                                                 {"starts", COLUMN_LIST_U32, 0}};
    struct one_stage one;
    struct list lists[] = {list_of("11 12 13 14"), list_of("21 22 23")};
    struct list starts[] = {list_of("0 2"), list_of("0 3")};
    one_stage_open(&one, &stage_mask_tokens,
                   "{task: two_segments, unit: none, cls_token: 1, sep_token: 2, "
                   "sentences: starts, max_length: 9, short_share: 0}",
                   fields, 3);
    const struct column *columns[] = {list_column(one.arena, "tokens", lists, 2),
                                      list_column(one.arena, "starts", starts, 2)};
    one_stage_run(&one, make_batch(one.arena, columns, 2, 2));
    assert_int_equal(one.outcome.reject_count, 1);
    assert_string_equal(one.outcome.rejects[0].reject.reason, "bad_sentences");
    assert_string_equal(one.outcome.rejects[0].reject.key, "k1");
    char text[100];
    const struct batch *batch = one.outcome.batches[0];
    assert_int_equal(batch->count, 1);
    (void)list_text(batch, "tokens", 0, text, sizeof text);
    if (strcmp(text, "1 11 12 13 14 2") != 0) /* the second sentence goes to either */
        assert_string_equal(text, "1 11 12 2 13 14 2");
    for (int i = 0; i < 2; i++) {
        list_free(&lists[i]);
        list_free(&starts[i]);
    }
    one_stage_close(&one);
}

/* ---- what is refused ---- */

static void options_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part;
        bool is_shard_free;
    } wrong[] = {
        {"{vocabulary_size: 10}", "mask_token", false},
        {"{mask_token: 3}", "vocabulary_size", false},
        {"{mask_token: 3, vocabulary_size: 9, unit: word}", "unit: word", false},
        {"{" IDS "vocabulary_size: 9, column: key}", "\"key\"", false},
        {"{" IDS "vocabulary_size: 9, random_share: 0.3}", "more than 1", false},
        {"{" IDS "vocabulary_size: 9, sentence_ends: [1.5]}", "1.5", false},
        {"{unit: none, task: two_segments}", "cls_token", false},
        {"{" IDS "unit: none, task: two_segments}", "sentence_ends", false},
        {"{" IDS "unit: none, task: two_segments, sentences: text}", "\"text\"", false},
        {"{" PAIRS "task: next_sentence}", "depend on shard.bytes", true},
        {"{" PAIRS "task: sentence_order}", "depend on shard.bytes", true}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct one_stage one;
        enum error_code code =
            one_stage_plan(&one, &stage_mask_tokens, wrong[i].yaml, token_fields, 2);
        if (wrong[i].is_shard_free) {
            struct stage_place place = {.is_shard_fixed = false};
            struct schema schema = one.phase.input_schema;
            assert_int_equal(code, OK);
            code = stage_mask_tokens.plan(one.spec.options, &schema, &place, &one.error);
        }
        assert_int_equal(code, ERROR_CONFIG);
        if (!strstr(one.error.text, wrong[i].part))
            fail_msg("%s: %s", wrong[i].yaml, one.error.text);
        one_stage_close(&one);
    }
}

static void a_vocabulary_of_special_tokens_alone_does_not_open(void **state)
{
    (void)state;
    struct one_stage one;
    assert_int_equal(one_stage_plan(&one, &stage_mask_tokens,
                                    "{mask_token: 0, vocabulary_size: 2, "
                                    "special_tokens: [1]}",
                                    token_fields, 2),
                     OK);
    assert_int_equal(chain_open(&one.phase, NULL, NULL, &one.chain, &one.error),
                     ERROR_CONFIG);
    one.chain = NULL;
    one_stage_close(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_do_not_depend_on_batches),
        cmocka_unit_test(another_seed_gives_other_masks),
        cmocka_unit_test(copies_differ_and_keep_their_columns),
        cmocka_unit_test(labels_by_position_say_the_same),
        cmocka_unit_test(shares_hold_over_many_records),
        cmocka_unit_test(words_of_a_vocabulary_stay_whole),
        cmocka_unit_test(both_kinds_of_vocabulary_say_where_words_begin),
        cmocka_unit_test(segments_stand_in_their_frame),
        cmocka_unit_test(a_column_may_say_where_sentences_begin),
        cmocka_unit_test(options_that_do_not_fit_are_refused),
        cmocka_unit_test(a_vocabulary_of_special_tokens_alone_does_not_open)};
    return cmocka_run_group_tests_name("mask_tokens", tests, NULL, NULL);
}
