/* test_made_records.c - stages that make records of others: accounts, identity, flush */
#include "tests/stages/one_stage.h"

#include "core/bytes.h"
#include "core/codec.h"
#include "core/stage_output.h"

enum { STAGES_MAX_HERE = 3, HELD_MAX = 16 };

/* ---- stages ---- */

static void describe(const struct batch *in, uint32_t row, uint32_t number,
                     struct made_record *record)
{
    *record =
        (struct made_record){.origin = in->origins[row],
                             .key = column_row(in->columns[0], row),
                             .key_size = (size_t)column_row_length(in->columns[0], row),
                             .number = number,
                             .size = in->origins[row].size};
}

/* Two copies of each record, the second of those called "half" dropped at once. */
static enum error_code twice_process(struct stage *self, const struct batch *in,
                                     struct stage_output *output, struct error *error)
{
    (void)self;
    struct arena *arena = stage_output_arena(output);
    struct made_record *records =
        ARENA_NEW(arena, struct made_record, (size_t)in->count * 2);
    uint32_t *rows = ARENA_NEW(arena, uint32_t, (size_t)in->count * 2);
    const struct column *text = batch_column(in, "text");
    uint32_t count = 0;
    for (uint32_t row = 0; row < in->count; row++) {
        if (column_row_length(text, row) == 0) {
            stage_output_drop(output, row, "empty");
            continue;
        }
        for (uint32_t number = 1; number <= 2; number++) {
            describe(in, row, number, &records[count]);
            if (number == 2 && memcmp(column_row(text, row), "half", 4) == 0)
                records[count].drop_reason = "half";
            rows[count++] = row;
        }
    }
    struct batch *copies = batch_gather(in, rows, count, arena);
    return stage_output_emit(output, records, count, copies->columns[1], 1, error);
}

/* Holds all records and puts them out two at a time when the shard ends. */
struct hold_state {
    struct made_record held[HELD_MAX];
    uint32_t count, next;
};

static void hold_begin(struct stage *self)
{
    memset(self->state, 0, sizeof(struct hold_state));
}

static enum error_code hold_process(struct stage *self, const struct batch *in,
                                    struct stage_output *output, struct error *error)
{
    (void)error;
    struct hold_state *state = self->state;
    for (uint32_t row = 0; row < in->count; row++) {
        struct made_record *record = &state->held[state->count++];
        describe(in, row, 1, record);
        record->key = arena_copy_text(self->shard, record->key, record->key_size);
    }
    stage_output_use(output);
    return OK;
}

static enum error_code hold_flush(struct stage *self, struct stage_output *output,
                                  struct error *error)
{
    struct hold_state *state = self->state;
    uint32_t left = state->count - state->next;
    uint32_t count = left < 2 ? left : 2;
    struct arena *arena = stage_output_arena(output);
    const char *texts[] = {"x", "y"};
    const struct column *text = text_column(arena, "text", texts, count);
    state->next += count;
    return stage_output_emit(output, state->held + state->next - count, count, text, 1,
                             error);
}

/* Drops the records whose key ends in 2. */
static enum error_code odd_process(struct stage *self, const struct batch *in,
                                   struct stage_output *output, struct error *error)
{
    (void)self;
    (void)error;
    for (uint32_t row = 0; row < in->count; row++) {
        const char *key = column_row(in->columns[0], row);
        if (key[column_row_length(in->columns[0], row) - 1] == '2')
            stage_output_drop(output, row, "even");
    }
    return OK;
}

static const struct stage_type twice = {
    .name = "twice", .traits = STAGE_STATELESS, .process = twice_process};
static const struct stage_type odd = {
    .name = "odd", .traits = STAGE_STATELESS, .process = odd_process};
static const struct stage_type hold = {.name = "hold",
                                       .state_size = sizeof(struct hold_state),
                                       .begin = hold_begin,
                                       .process = hold_process,
                                       .flush = hold_flush};

/* ---- running ---- */

struct setup {
    struct arena *arena;
    struct stage_spec specs[STAGES_MAX_HERE];
    struct phase_spec phase;
    struct chain *chain;
    struct chain_outcome outcome;
    struct error error;
};

static void set_up(struct setup *setup, const struct stage_type *const *types,
                   size_t count)
{
    *setup = (struct setup){.arena = arena_create(1 << 16, 0)};
    for (size_t i = 0; i < count; i++)
        setup->specs[i].type = types[i];
    setup->phase = (struct phase_spec){.stages = setup->specs, .stage_count = count};
    assert_int_equal(chain_open(&setup->phase, NULL, NULL, &setup->chain, &setup->error),
                     OK);
    chain_begin(setup->chain, NULL);
}

static void tear_down(struct setup *setup)
{
    chain_close(setup->chain);
    arena_destroy(setup->arena);
}

static void run(struct setup *setup, const char *const *texts, uint32_t count)
{
    struct batch *batch = text_batch(setup->arena, texts, count);
    assert_int_equal(
        chain_run(setup->chain, batch, setup->arena, &setup->outcome, &setup->error), OK);
    assert_true(account_holds(&setup->outcome.account));
}

/* The keys that came out, with a blank behind each. */
static const char *keys(const struct setup *setup, char *text, size_t size)
{
    text[0] = 0;
    for (size_t i = 0; i < setup->outcome.batch_count; i++) {
        const struct batch *batch = setup->outcome.batches[i];
        for (uint32_t row = 0; row < batch->count; row++) {
            size_t used = strlen(text);
            (void)snprintf(text + used, size - used, "%.*s ",
                           (int)column_row_length(batch->columns[0], row),
                           (const char *)column_row(batch->columns[0], row));
        }
    }
    return text;
}

/* ---- cases ---- */

static void made_records_have_an_account_of_their_own(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&twice, &odd};
    static const char *const texts[] = {"a", "", "b"};
    struct setup setup;
    char text[100];
    set_up(&setup, types, 2);
    run(&setup, texts, 3);
    const struct account *account = &setup.outcome.account;
    assert_int_equal(account->read.records, 3);
    assert_int_equal(account->emitted.records, 2);
    assert_int_equal(account->used.records, 2);
    assert_int_equal(account->used.bytes, 20);
    assert_int_equal(account->dropped.records, 1);
    assert_int_equal(account->made.made.records, 4);
    assert_int_equal(account->made.made.bytes, 40);
    assert_int_equal(account->made.emitted.records, 2);
    assert_int_equal(account->made.dropped.records, 2);
    assert_int_equal(account_stored(account).records, 2);
    assert_string_equal(keys(&setup, text, sizeof text), "k0/1 k2/1 ");
    assert_int_equal(setup.outcome.batches[0]->origins[1].copy, 1);
    assert_int_equal(setup.outcome.batches[0]->origins[1].offset, 20);
    assert_true(setup.outcome.batches[0]->origins[1].is_made);
    assert_int_equal(setup.outcome.reason_count, 2);
    tear_down(&setup);
}

static void a_record_dropped_as_it_is_made_is_counted(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&twice};
    static const char *const texts[] = {"half", "full"};
    struct setup setup;
    char text[100];
    set_up(&setup, types, 1);
    run(&setup, texts, 2);
    assert_int_equal(setup.outcome.account.made.made.records, 4);
    assert_int_equal(setup.outcome.account.made.dropped.records, 1);
    assert_string_equal(keys(&setup, text, sizeof text), "k0/1 k1/1 k1/2 ");
    tear_down(&setup);
}

static void records_made_of_made_ones_merge_them(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&twice, &twice};
    static const char *const texts[] = {"a"};
    struct setup setup;
    char text[100];
    set_up(&setup, types, 2);
    run(&setup, texts, 1);
    const struct account *account = &setup.outcome.account;
    assert_int_equal(account->used.records, 1);
    assert_int_equal(account->made.made.records, 6);
    assert_int_equal(account->made.merged.records, 2);
    assert_int_equal(account->made.emitted.records, 4);
    assert_string_equal(keys(&setup, text, sizeof text), "k0/1/1 k0/1/2 k0/2/1 k0/2/2 ");
    assert_true(setup.outcome.batches[0]->origins[3].copy == ((uint64_t)2 << 24 | 2));
    tear_down(&setup);
}

static void what_a_stage_holds_comes_out_when_the_shard_ends(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&hold, &twice};
    static const char *const texts[] = {"a", "b", "c"};
    struct setup setup;
    char text[100];
    struct account sum = {0};
    set_up(&setup, types, 2);
    run(&setup, texts, 3);
    assert_int_equal(setup.outcome.batch_count, 0);
    account_add(&sum, &setup.outcome.account);
    assert_int_equal(sum.used.records, 3);
    static const char *const wanted[] = {"k0/1/1 k0/1/2 k1/1/1 k1/1/2 ",
                                         "k2/1/1 k2/1/2 "};
    bool is_done = false;
    for (int i = 0; !is_done; i++) {
        assert_int_equal(
            chain_flush(setup.chain, setup.arena, &setup.outcome, &is_done, &setup.error),
            OK);
        assert_true(account_holds(&setup.outcome.account));
        assert_string_equal(keys(&setup, text, sizeof text), i < 2 ? wanted[i] : "");
        account_add(&sum, &setup.outcome.account);
    }
    assert_int_equal(sum.made.made.records, 9);
    assert_int_equal(sum.made.merged.records, 3);
    assert_int_equal(sum.made.emitted.records, 6);
    assert_int_equal(account_stored(&sum).records, 6);
    tear_down(&setup);
}

static void a_new_shard_forgets_what_was_held(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&hold};
    static const char *const texts[] = {"a", "b", "c"};
    struct setup setup;
    char text[100];
    bool is_done = false;
    set_up(&setup, types, 1);
    run(&setup, texts, 3);
    chain_begin(setup.chain, NULL);
    run(&setup, texts, 1);
    assert_int_equal(
        chain_flush(setup.chain, setup.arena, &setup.outcome, &is_done, &setup.error),
        OK);
    assert_string_equal(keys(&setup, text, sizeof text), "k0/1 ");
    tear_down(&setup);
}

static void all_that_is_made_of_a_condemned_record_is_rejected(void **state)
{
    (void)state;
    static const struct stage_type *const types[] = {&twice, &odd};
    static const char *const texts[] = {"a", "b"};
    const struct lease_suspect suspect = {
        .ordinal = 1, .stage = 1, .strikes = 2, .reason = "crash"};
    const struct chain_isolation isolation = {.suspects = &suspect, .suspect_count = 1};
    struct setup setup;
    char text[100];
    set_up(&setup, types, 2);
    chain_begin(setup.chain, &isolation);
    run(&setup, texts, 2);
    assert_string_equal(keys(&setup, text, sizeof text), "k0/1 ");
    assert_int_equal(setup.outcome.account.made.quarantined.records, 2);
    assert_int_equal(setup.outcome.account.quarantined.records, 0);
    assert_int_equal(setup.outcome.reject_count, 2);
    assert_true(setup.outcome.rejects[1].is_made);
    assert_int_equal(setup.outcome.rejects[1].reject.copy, 2);
    assert_string_equal(setup.outcome.rejects[1].reject.key, "k1/2");
    tear_down(&setup);
}

static void copies_survive_a_block_and_have_digests_of_their_own(void **state)
{
    (void)state;
    static const char *const texts[] = {"a", "a"};
    static const char *const names[] = {"f"};
    struct arena *arena = arena_create(1 << 16, 0);
    struct batch *batch = text_batch(arena, texts, 2);
    struct origin origins[2] = {{.offset = 7, .copy = 0}, {.offset = 7, .copy = 3}};
    struct file_names files = {.names = names, .count = 1}, read_files;
    struct block_encoder *encoder = block_encoder_create();
    struct bytes block = {0}, scratch = {0};
    struct batch *read;
    struct error error;
    batch->origins = origins;
    assert_int_equal(block_encode(encoder, batch, &files, NULL, 2, &block, &error), OK);
    assert_int_equal(
        block_decode(block.data, block.size, arena, &read, &read_files, &error), OK);
    assert_int_equal(read->origins[0].copy, 0);
    assert_int_equal(read->origins[1].copy, 3);
    struct hash128 as_made = record_digest(read, 1, "f", &scratch);
    assert_true(hash128_is_equal(as_made, record_digest(batch, 1, "f", &scratch)));
    origins[1].copy = 4;
    assert_false(hash128_is_equal(as_made, record_digest(batch, 1, "f", &scratch)));
    origins[1].copy = 0;
    assert_false(hash128_is_equal(as_made, record_digest(batch, 1, "f", &scratch)));
    assert_false(hash128_is_equal(reject_digest("f", 7, 0, "s", "r", &scratch),
                                  reject_digest("f", 7, 3, "s", "r", &scratch)));
    bytes_clear(&block);
    bytes_clear(&scratch);
    block_encoder_destroy(encoder);
    arena_destroy(arena);
}

static void an_identity_is_name_offset_copy_and_seed(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "a"};
    const struct file_names files = {.names = names, .count = 3};
    const struct stage stage = {.files = &files};
    struct origin origin = {.offset = 5, .size = 9, .ordinal = 1};
    struct hash128 first = stage_identity(&stage, &origin, 1);
    assert_false(hash128_is_equal(first, stage_identity(&stage, &origin, 2)));
    origin.copy = 1;
    assert_false(hash128_is_equal(first, stage_identity(&stage, &origin, 1)));
    origin = (struct origin){.offset = 6};
    assert_false(hash128_is_equal(first, stage_identity(&stage, &origin, 1)));
    origin = (struct origin){.offset = 5, .file = 1};
    assert_false(hash128_is_equal(first, stage_identity(&stage, &origin, 1)));
    origin = (struct origin){.offset = 5, .file = 2, .ordinal = 8, .is_made = true};
    assert_true(hash128_is_equal(first, stage_identity(&stage, &origin, 1)));
}

static void a_stateless_stage_holds_nothing(void **state)
{
    (void)state;
    struct error error;
    struct stage_type type = twice;
    type.summary = "Copy records";
    assert_int_equal(stage_type_check(&type, &error), OK);
    type.flush = hold_flush;
    assert_int_equal(stage_type_check(&type, &error), ERROR_FATAL);
    type.traits = 0;
    assert_int_equal(stage_type_check(&type, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_records_have_an_account_of_their_own),
        cmocka_unit_test(a_record_dropped_as_it_is_made_is_counted),
        cmocka_unit_test(records_made_of_made_ones_merge_them),
        cmocka_unit_test(what_a_stage_holds_comes_out_when_the_shard_ends),
        cmocka_unit_test(a_new_shard_forgets_what_was_held),
        cmocka_unit_test(all_that_is_made_of_a_condemned_record_is_rejected),
        cmocka_unit_test(copies_survive_a_block_and_have_digests_of_their_own),
        cmocka_unit_test(a_stateless_stage_holds_nothing),
        cmocka_unit_test(an_identity_is_name_offset_copy_and_seed)};
    return cmocka_run_group_tests_name("made_records", tests, NULL, NULL);
}
