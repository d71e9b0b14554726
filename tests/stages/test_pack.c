/* test_pack.c - sequences against a token by token reference, however batches are cut */
#include "tests/stages/token_lists.h"

#include "stages/kernels/pack_plan.h"

extern const struct stage_type stage_pack;

enum { DOCUMENTS = 200, ROUNDS = 60, NONE = -1 };

/* ---- the reference: one token after another ---- */

struct rule {
    enum pack_documents documents;
    uint32_t length;
    int64_t begin, end;
};

/* What came out, in one text: a line a sequence, "KEY/NUMBER: tokens | boundaries". */
struct log {
    char *text; /* owned */
    size_t size, capacity;
};

static void log_put(struct log *log, const char *format, unsigned a, unsigned b)
{
    if (log->size + 64 > log->capacity) {
        log->capacity = log->capacity * 2 + 4096;
        log->text = realloc(log->text, log->capacity);
        assert_non_null(log->text);
    }
    log->size += (size_t)snprintf(log->text + log->size, 64, format, a, b);
}

struct sequence {
    struct list tokens, starts;
    uint32_t document, number;
};

static void reference_end(struct sequence *sequence, struct log *log)
{
    if (sequence->tokens.count == 0)
        return;
    log_put(log, "k%u/%u:", sequence->document, sequence->number);
    for (size_t i = 0; i < sequence->tokens.count; i++)
        log_put(log, " %u", sequence->tokens.items[i], 0);
    log_put(log, " |", 0, 0);
    for (size_t i = 0; i < sequence->starts.count; i++)
        log_put(log, " %u", sequence->starts.items[i], 0);
    log_put(log, "\n", 0, 0);
    sequence->tokens.count = sequence->starts.count = 0;
}

static void reference_pack(const struct rule *rule, const struct list *lists,
                           uint32_t count, struct log *log)
{
    struct sequence sequence = {0};
    for (uint32_t document = 0; document < count; document++) {
        struct list framed = {0};
        if (lists[document].count == 0)
            continue;
        if (rule->begin != NONE)
            list_add(&framed, (uint32_t)rule->begin);
        for (size_t i = 0; i < lists[document].count; i++)
            list_add(&framed, lists[document].items[i]);
        if (rule->end != NONE)
            list_add(&framed, (uint32_t)rule->end);
        if (rule->documents == PACK_WHOLE &&
            sequence.tokens.count + framed.count > rule->length)
            reference_end(&sequence, log);
        uint32_t number = 0;
        for (size_t i = 0; i < framed.count; i++) {
            if (sequence.tokens.count == 0) {
                sequence.document = document;
                sequence.number = ++number;
            }
            if (i == 0 || sequence.tokens.count == 0)
                list_add(&sequence.starts, (uint32_t)sequence.tokens.count);
            list_add(&sequence.tokens, framed.items[i]);
            if (sequence.tokens.count == rule->length)
                reference_end(&sequence, log);
        }
        if (rule->documents == PACK_ALONE)
            reference_end(&sequence, log);
        list_free(&framed);
    }
    reference_end(&sequence, log);
    list_free(&sequence.tokens);
    list_free(&sequence.starts);
}

/* ---- the stage ---- */

static void log_outcome(const struct chain_outcome *outcome, struct log *log)
{
    for (size_t i = 0; i < outcome->batch_count; i++) {
        const struct batch *batch = outcome->batches[i];
        const struct column *tokens = batch_column(batch, "tokens");
        const struct column *starts = batch_column(batch, "boundaries");
        for (uint32_t row = 0; row < batch->count; row++) {
            char key[32] = "", *slash, *end;
            memcpy(key, column_row(batch->columns[0], row),
                   (size_t)column_row_length(batch->columns[0], row));
            unsigned document = (unsigned)strtoul(key + 1, &slash, 10);
            assert_true(key[0] == 'k' && *slash == '/');
            unsigned number = (unsigned)strtoul(slash + 1, &end, 10);
            assert_true(end > slash + 1 && *end == 0);
            assert_true(batch->origins[row].copy == number);
            assert_true(batch->origins[row].offset == document * 10);
            log_put(log, "k%u/%u:", document, number);
            for (uint64_t k = 0; k < column_row_length(tokens, row); k++)
                log_put(log, " %u", ((const uint32_t *)column_row(tokens, row))[k], 0);
            log_put(log, " |", 0, 0);
            for (uint64_t k = 0; k < column_row_length(starts, row); k++)
                log_put(log, " %u", ((const uint32_t *)column_row(starts, row))[k], 0);
            log_put(log, "\n", 0, 0);
        }
    }
}

/* Feed the documents in batches of random sizes, then flush. */
static struct account run_shard(struct one_stage *one, const struct batch *all,
                                uint32_t batch_max, struct log *log)
{
    struct account sum = {0};
    bool is_done = false;
    chain_begin(one->chain, NULL);
    for (uint32_t begin = 0; begin < all->count;) {
        uint32_t end = begin + 1 + (uint32_t)(rand() % (int)batch_max);
        end = end < all->count ? end : all->count;
        one_stage_run(one, batch_slice(all, begin, end, one->arena));
        account_add(&sum, &one->outcome.account);
        log_outcome(&one->outcome, log);
        begin = end;
    }
    while (!is_done) {
        assert_int_equal(
            chain_flush(one->chain, one->arena, &one->outcome, &is_done, &one->error),
            OK);
        account_add(&sum, &one->outcome.account);
        log_outcome(&one->outcome, log);
    }
    assert_true(account_holds(&sum));
    return sum;
}

static void random_documents(struct list *lists, uint32_t count, uint32_t length)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = (uint32_t)rand() % (rand() % 8 ? length : length * 4);
        for (uint32_t k = 0; k < size; k++)
            list_add(&lists[i], i * 1000 + k);
    }
}

static void sequences_are_those_of_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"joined", "whole", "alone"};
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        struct rule rule = {.documents = (enum pack_documents)(round % 3),
                            .length = 2 + (uint32_t)rand() % 30,
                            .begin = rand() % 2 ? 7 : NONE,
                            .end = rand() % 2 ? 8 : NONE};
        char yaml[200];
        struct list lists[DOCUMENTS] = {{0}};
        struct log wanted = {0}, found = {0};
        struct one_stage one;
        random_documents(lists, DOCUMENTS, rule.length);
        (void)snprintf(yaml, sizeof yaml,
                       "{length: %u, documents: %s, begin_token: %d, end_token: %d}",
                       (unsigned)rule.length, names[rule.documents], (int)rule.begin,
                       (int)rule.end);
        one_stage_open(&one, &stage_pack, yaml, token_fields, 2);
        reference_pack(&rule, lists, DOCUMENTS, &wanted);
        struct account sum = run_shard(&one, token_batch(one.arena, lists, DOCUMENTS),
                                       round % 2 ? 3 : DOCUMENTS, &found);
        assert_string_equal(found.text, wanted.text);
        assert_true(sum.made.made.bytes == sum.used.bytes);
        assert_true(sum.used.records + sum.dropped.records == DOCUMENTS);
        one_stage_close(&one);
        for (int i = 0; i < DOCUMENTS; i++)
            list_free(&lists[i]);
        free(wanted.text);
        free(found.text);
    }
}

/* ---- columns ---- */

/* Three documents in a shard of their own; *batch: what comes at the end of it. */
static const struct batch *run_three(struct one_stage *one, const char *yaml)
{
    struct list lists[] = {list_of("1 2 3"), list_of(""), list_of("4 5")};
    bool is_done;
    one_stage_open(one, &stage_pack, yaml, token_fields, 2);
    one_stage_run(one, token_batch(one->arena, lists, 3));
    assert_int_equal(one->outcome.account.dropped.records, 1);
    assert_string_equal(one->outcome.reasons[0].reason, "empty");
    if (one->outcome.batch_count == 0)
        assert_int_equal(
            chain_flush(one->chain, one->arena, &one->outcome, &is_done, &one->error),
            OK);
    for (int i = 0; i < 3; i++)
        list_free(&lists[i]);
    return one->outcome.batch_count ? one->outcome.batches[0] : NULL;
}

static void short_sequences_are_padded(void **state)
{
    (void)state;
    struct one_stage one;
    const struct batch *batch =
        run_three(&one, "{length: 10, end_token: 9, short: pad, pad_token: 0, "
                        "positions: true}");
    expect_list(batch, "tokens", 0, "1 2 3 9 4 5 9 0 0 0");
    expect_list(batch, "boundaries", 0, "0 4");
    expect_list(batch, "positions", 0, "0 1 2 3 0 1 2 0 0 0");
    const struct column *count = batch_column(batch, "token_count");
    assert_int_equal(*(const int64_t *)column_row(count, 0), 7);
    assert_int_equal(batch->origins[0].size, 20);
    assert_int_equal(batch->column_count, 5);
    one_stage_close(&one);
}

static void short_sequences_are_dropped_and_counted(void **state)
{
    (void)state;
    struct one_stage one;
    const struct batch *batch = run_three(&one, "{length: 10, short: drop}");
    assert_null(batch);
    assert_int_equal(one.outcome.account.made.dropped.records, 1);
    assert_string_equal(one.outcome.reasons[0].reason, "short");
    one_stage_close(&one);
}

static void a_document_alone_begins_anew(void **state)
{
    (void)state;
    struct one_stage one;
    const struct batch *batch =
        run_three(&one, "{length: 2, documents: alone, boundaries: false}");
    assert_int_equal(batch->count, 3);
    expect_list(batch, "tokens", 0, "1 2");
    expect_list(batch, "tokens", 1, "3");
    expect_list(batch, "tokens", 2, "4 5");
    assert_int_equal(batch->column_count, 2);
    assert_int_equal(batch->origins[0].size, 10);
    assert_int_equal(batch->origins[1].size, 0);
    one_stage_close(&one);
}

/* ---- what is refused ---- */

static void expect_refused(const char *yaml, bool is_shard_fixed, const char *part)
{
    struct one_stage one;
    enum error_code code = one_stage_plan(&one, &stage_pack, yaml, token_fields, 2);
    if (code == OK) {
        struct stage_place place = {.is_shard_fixed = is_shard_fixed};
        struct schema schema = one.phase.input_schema;
        code = stage_pack.plan(one.spec.options, &schema, &place, &one.error);
    }
    assert_int_equal(code, ERROR_CONFIG);
    if (!strstr(one.error.text, part))
        fail_msg("%s", one.error.text);
    one_stage_close(&one);
}

static void shards_that_depend_on_their_size_are_refused(void **state)
{
    (void)state;
    expect_refused("{length: 8}", false, "depend on shard.bytes");
    expect_refused("{length: 8, documents: whole}", false, "depend on shard.bytes");
    expect_refused("{length: 8, short: pad}", true, "pad_token");
    expect_refused("{length: 8, column: text}", true, "\"text\"");
    expect_refused("{length: 8, column: key}", true, "list<u32>");
    expect_refused("{length: 1}", true, "length");
}

static void documents_alone_need_no_fixed_shards(void **state)
{
    (void)state;
    struct one_stage one;
    one_stage_open(&one, &stage_pack, "{length: 8, documents: alone}", token_fields, 2);
    struct stage_place place = {.is_shard_fixed = false};
    struct schema schema = one.phase.input_schema;
    assert_int_equal(stage_pack.plan(one.spec.options, &schema, &place, &one.error), OK);
    assert_int_equal(schema.count, 3);
    one_stage_close(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_those_of_the_reference),
        cmocka_unit_test(short_sequences_are_padded),
        cmocka_unit_test(short_sequences_are_dropped_and_counted),
        cmocka_unit_test(a_document_alone_begins_anew),
        cmocka_unit_test(shards_that_depend_on_their_size_are_refused),
        cmocka_unit_test(documents_alone_need_no_fixed_shards)};
    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
