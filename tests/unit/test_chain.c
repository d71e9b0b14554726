/* test_chain.c - bad records are found, suspects run alone, every row is accounted for */
#include "tests/stages/one_stage.h"

#include <stdlib.h>

/* A stage that does what its texts say, and notes what it was given. */
struct script_state {
    uint32_t largest; /* batch it ever got */
};

static bool holds(const struct column *column, uint32_t row, const char *word)
{
    char text[64] = "";
    size_t size = (size_t)column_row_length(column, row);
    if (size >= sizeof text)
        return false;
    memcpy(text, column_row(column, row), size);
    return strstr(text, word) != NULL;
}

static enum error_code script_process(struct stage *self, const struct batch *in,
                                      struct stage_output *output, struct error *error)
{
    struct script_state *state = self->state;
    const struct column *column = batch_column(in, "text");
    if (in->count > state->largest)
        state->largest = in->count;
    for (uint32_t row = 0; row < in->count; row++) {
        if (holds(column, row, "drop"))
            stage_output_drop(output, row, "unwanted");
        if (holds(column, row, "reject"))
            stage_output_reject(output, row, "spoilt", "as asked");
        if (holds(column, row, "bad"))
            return error_set(error, ERROR_RECORD, "a bad one");
        if (holds(column, row, "memory"))
            return error_set(error, ERROR_MEMORY, "too much");
    }
    return OK;
}

/* Adds a column "length". */
static enum error_code length_process(struct stage *self, const struct batch *in,
                                      struct stage_output *output, struct error *error)
{
    (void)self;
    const struct column *column = batch_column(in, "text");
    int64_t *lengths = ARENA_NEW(stage_output_arena(output), int64_t, in->count);
    for (uint32_t row = 0; row < in->count; row++)
        lengths[row] = (int64_t)column_row_length(column, row);
    struct column made = {.name = "length", .type = COLUMN_I64, .data = lengths};
    return stage_output_set(output, &made, error);
}

static enum error_code open_fails(struct stage *self, struct error *error)
{
    (void)self;
    return error_set(error, ERROR_CONFIG, "will not open");
}

static void count_close(struct stage *self)
{
    int *const *count = self->options;
    **count += 1;
}

static const struct stage_type script = {.name = "script",
                                         .traits = STAGE_STATELESS,
                                         .state_size = sizeof(struct script_state),
                                         .process = script_process};
static const struct stage_type stateful = {.name = "stateful",
                                           .state_size = sizeof(struct script_state),
                                           .process = script_process};
static const struct stage_type length = {
    .name = "length", .traits = STAGE_STATELESS, .process = length_process};
static const struct stage_type closing = {
    .name = "closing", .process = length_process, .close = count_close};
static const struct stage_type broken = {.name = "broken",
                                         .open = open_fails,
                                         .process = length_process,
                                         .close = count_close};

/* What the hooks saw. */
struct flight {
    char text[4096];
    size_t size;
};

static void note(struct flight *flight, const char *format, unsigned a, unsigned b,
                 unsigned c)
{
    if (flight->size < sizeof flight->text - 32)
        flight->size +=
            (size_t)snprintf(flight->text + flight->size, 32, format, a, b, c);
}

static void note_before(void *user, uint32_t stage, uint32_t first, uint32_t last)
{
    note(user, "%u:%u-%u ", stage, first, last);
}

static void note_after(void *user, uint32_t stage)
{
    note(user, "/%u ", stage, 0, 0);
}

struct setup {
    struct arena *arena;
    struct stage_spec specs[4];
    struct phase_spec phase;
    struct flight flight;
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
    setup->phase = (struct phase_spec){
        .stages = setup->specs,
        .stage_count = count,
        .output_schema = {.fields = {{"key", COLUMN_UTF8, 0}, {"length", COLUMN_I64, 0}},
                          .count = 2}};
    struct chain_hooks hooks = {
        .user = &setup->flight, .before = note_before, .after = note_after};
    assert_int_equal(
        chain_open(&setup->phase, NULL, &hooks, &setup->chain, &setup->error), OK);
}

static void tear_down(struct setup *setup)
{
    chain_close(setup->chain);
    arena_destroy(setup->arena);
}

static enum error_code run(struct setup *setup, const char *const *texts, uint32_t count)
{
    setup->flight = (struct flight){.size = 0};
    struct batch *batch = text_batch(setup->arena, texts, count);
    enum error_code code =
        chain_run(setup->chain, batch, setup->arena, &setup->outcome, &setup->error);
    if (code == OK) {
        assert_true(account_holds(&setup->outcome.account));
        assert_int_equal(setup->outcome.account.read.records, count);
        assert_int_equal(setup->outcome.account.read.bytes, count * 10);
    }
    return code;
}

/* The keys that came out, "k0 k2 |k3": a bar between batches. */
static const char *keys_out(const struct setup *setup)
{
    static char text[4096];
    size_t size = 0;
    text[0] = 0;
    for (size_t i = 0; i < setup->outcome.batch_count; i++) {
        const struct batch *batch = setup->outcome.batches[i];
        if (i > 0)
            size += (size_t)snprintf(text + size, sizeof text - size, "|");
        for (uint32_t row = 0; row < batch->count; row++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%.*s ",
                                     (int)column_row_length(batch->columns[0], row),
                                     (const char *)column_row(batch->columns[0], row));
    }
    return text;
}

static void a_batch_goes_through_all_stages_as_one(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    static const char *const texts[] = {"a", "bc", "def"};
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, 3), OK);
    assert_string_equal(keys_out(&setup), "k0 k1 k2 ");
    assert_string_equal(setup.flight.text, "0:0-2 /0 1:0-2 /1 ");
    const struct column *lengths = batch_column(setup.outcome.batches[0], "length");
    assert_int_equal(*(const int64_t *)column_row(lengths, 2), 3);
    assert_int_equal(setup.outcome.account.emitted.records, 3);
    assert_int_equal(setup.outcome.reason_count, 0);
    tear_down(&setup);
}

static void dropped_and_rejected_rows_are_counted_and_gone(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    static const char *const texts[] = {"a", "drop", "reject it", "b", "drop"};
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, 5), OK);
    assert_string_equal(keys_out(&setup), "k0 k3 ");
    assert_string_equal(setup.flight.text, "0:0-4 /0 1:0-3 /1 ");
    assert_int_equal(setup.outcome.reason_count, 2);
    const struct reason *dropped = &setup.outcome.reasons[0];
    assert_string_equal(dropped->stage, "script");
    assert_string_equal(dropped->reason, "unwanted");
    assert_false(dropped->is_quarantine);
    assert_int_equal(dropped->tally.records, 2);
    assert_int_equal(dropped->tally.bytes, 20);
    assert_true(setup.outcome.reasons[1].is_quarantine);
    assert_int_equal(setup.outcome.reject_count, 1);
    const struct reject *reject = &setup.outcome.rejects[0].reject;
    assert_string_equal(reject->key, "k2");
    assert_string_equal(reject->stage, "script");
    assert_string_equal(reject->reason, "spoilt");
    assert_string_equal(reject->detail, "as asked");
    assert_int_equal(reject->offset, 20);
    assert_int_equal(reject->size, 10);
    assert_int_equal(reject->excerpt_size, 9);
    assert_memory_equal(reject->excerpt, "reject it", 9);
    tear_down(&setup);
}

static void a_batch_of_which_nothing_is_left_ends_early(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    static const char *const texts[] = {"drop", "drop"};
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, 2), OK);
    assert_int_equal(setup.outcome.batch_count, 0);
    assert_string_equal(setup.flight.text, "0:0-1 /0 ");
    tear_down(&setup);
}

static void halving_finds_every_bad_record_and_no_other(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    enum { COUNT = 100 };
    const char *texts[COUNT];
    for (int i = 0; i < COUNT; i++)
        texts[i] = i == 0 || i == 41 || i == 42 || i == 99 ? "bad"
                   : i % 10 == 5                           ? "drop"
                                                           : "fine";
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, COUNT), OK);
    assert_int_equal(setup.outcome.reject_count, 4);
    static const uint64_t offsets[] = {0, 410, 420, 990};
    for (size_t i = 0; i < 4; i++) {
        const struct reject *reject = &setup.outcome.rejects[i].reject;
        assert_int_equal(reject->offset, offsets[i]);
        assert_string_equal(reject->reason, "stage_error");
        assert_string_equal(reject->detail, "a bad one");
    }
    assert_int_equal(setup.outcome.account.dropped.records, 10);
    assert_int_equal(setup.outcome.account.emitted.records, 86);
    uint32_t last = 0;
    for (size_t i = 0; i < setup.outcome.batch_count; i++)
        for (uint32_t row = 0; row < setup.outcome.batches[i]->count; row++) {
            uint32_t ordinal = setup.outcome.batches[i]->origins[row].ordinal;
            assert_true(ordinal > last);
            last = ordinal;
        }
    tear_down(&setup);
}

static void a_stage_with_state_is_not_halved(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&stateful};
    static const char *const texts[] = {"fine", "bad"};
    set_up(&setup, types, 1);
    assert_int_equal(run(&setup, texts, 2), ERROR_TRANSIENT);
    assert_non_null(strstr(setup.error.text, "stateful"));
    tear_down(&setup);
}

static void want_of_memory_is_passed_on_and_leaves_the_note(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&length, &script};
    static const char *const texts[] = {"fine", "memory"};
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, 2), ERROR_MEMORY);
    assert_string_equal(setup.flight.text, "0:0-1 /0 1:0-1 ");
    assert_string_equal(setup.error.text, "stage script: too much");
    tear_down(&setup);
}

static void suspects_and_a_range_run_alone(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script};
    static const char *const texts[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    static const struct lease_suspect suspects[] = {
        {.ordinal = 1, .stage = 0, .strikes = 1, .reason = "SIGSEGV"}};
    const struct chain_isolation isolation = {
        .suspects = suspects, .suspect_count = 1, .begin = 4, .end = 6};
    set_up(&setup, types, 1);
    chain_begin(setup.chain, &isolation);
    assert_int_equal(run(&setup, texts, 8), OK);
    assert_string_equal(setup.flight.text,
                        "0:0-0 /0 0:1-1 /0 0:2-3 /0 0:4-4 /0 0:5-5 /0 0:6-7 /0 ");
    assert_string_equal(keys_out(&setup), "k0 |k1 |k2 k3 |k4 |k5 |k6 k7 ");
    chain_begin(setup.chain, NULL);
    assert_int_equal(run(&setup, texts, 8), OK);
    assert_string_equal(keys_out(&setup), "k0 k1 k2 k3 k4 k5 k6 k7 ");
    tear_down(&setup);
}

static void a_condemned_record_stops_in_front_of_its_stage(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&length, &script};
    static const char *const texts[] = {"a", "b", "c"};
    static const struct lease_suspect suspects[] = {
        {.ordinal = 1, .stage = 1, .strikes = 2, .reason = "SIGSEGV"}};
    const struct chain_isolation isolation = {.suspects = suspects, .suspect_count = 1};
    set_up(&setup, types, 2);
    chain_begin(setup.chain, &isolation);
    assert_int_equal(run(&setup, texts, 3), OK);
    assert_string_equal(setup.flight.text,
                        "0:0-0 /0 1:0-0 /1 0:1-1 /0 0:2-2 /0 1:2-2 /1 ");
    assert_string_equal(keys_out(&setup), "k0 |k2 ");
    assert_int_equal(setup.outcome.reject_count, 1);
    assert_string_equal(setup.outcome.rejects[0].reject.stage, "script");
    assert_string_equal(setup.outcome.rejects[0].reject.reason, "SIGSEGV");
    tear_down(&setup);
}

static void a_condemned_record_that_an_earlier_stage_drops_is_dropped(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    static const char *const texts[] = {"drop"};
    static const struct lease_suspect suspects[] = {
        {.ordinal = 0, .stage = 1, .strikes = 2, .reason = "SIGSEGV"}};
    const struct chain_isolation isolation = {.suspects = suspects, .suspect_count = 1};
    set_up(&setup, types, 2);
    chain_begin(setup.chain, &isolation);
    assert_int_equal(run(&setup, texts, 1), OK);
    assert_int_equal(setup.outcome.account.dropped.records, 1);
    assert_int_equal(setup.outcome.reject_count, 0);
    tear_down(&setup);
}

static void the_law_holds_for_any_mixture(void **state)
{
    (void)state;
    static const char *const words[] = {"fine", "drop", "reject", "bad", "fine", "ok"};
    static const struct stage_type *const types[] = {&script, &length};
    enum { COUNT = 64, ROUNDS = 300 };
    const char *texts[COUNT];
    uint32_t seed = 3;
    for (int round = 0; round < ROUNDS; round++) {
        struct setup setup;
        set_up(&setup, types, 2);
        struct lease_suspect suspects[COUNT];
        struct chain_isolation isolation = {.suspects = suspects, .begin = 7};
        uint32_t wanted = 0;
        for (uint32_t i = 0; i < COUNT; i++) {
            seed = seed * 1664525u + 1013904223u;
            texts[i] = words[(seed >> 16) % 6];
            bool is_condemned = (seed >> 24) % 16 == 0;
            if ((seed >> 20) % 16 == 0 || is_condemned)
                suspects[isolation.suspect_count++] = (struct lease_suspect){
                    .ordinal = i, .strikes = is_condemned ? 2 : 1, .reason = "timeout"};
            wanted += !is_condemned && (texts[i][0] == 'f' || texts[i][0] == 'o');
        }
        isolation.end = isolation.begin + (seed >> 28);
        chain_begin(setup.chain, &isolation);
        assert_int_equal(run(&setup, texts, COUNT), OK);
        assert_int_equal(setup.outcome.account.emitted.records, wanted);
        assert_int_equal(setup.outcome.account.quarantined.records,
                         setup.outcome.reject_count);
        tear_down(&setup);
    }
}

static void a_stage_that_does_not_open_is_closed_with_those_before(void **state)
{
    (void)state;
    int closed = 0;
    int *count = &closed;
    const struct stage_spec specs[] = {{.type = &closing, .options = &count},
                                       {.type = &broken, .options = &count},
                                       {.type = &closing, .options = &count}};
    const struct phase_spec phase = {.stages = specs, .stage_count = 3};
    struct chain *chain = NULL;
    struct error error;
    assert_int_equal(chain_open(&phase, NULL, NULL, &chain, &error), ERROR_CONFIG);
    assert_null(chain);
    assert_int_equal(closed, 2);
    assert_string_equal(error.text, "stage broken: will not open");
}

static void a_long_text_is_cut_between_characters_in_the_excerpt(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script};
    char text[302] = "x";
    for (size_t i = 1; i + 2 < sizeof text; i += 3)
        memcpy(text + i, "\xE4\xBD\xA0", 3);
    static const struct lease_suspect suspects[] = {
        {.ordinal = 0, .strikes = 2, .reason = "timeout"}};
    const struct chain_isolation isolation = {.suspects = suspects, .suspect_count = 1};
    const char *const texts[] = {text};
    set_up(&setup, types, 1);
    chain_begin(setup.chain, &isolation);
    assert_int_equal(run(&setup, texts, 1), OK);
    assert_int_equal(setup.outcome.rejects[0].reject.excerpt_size, 199);
    tear_down(&setup);
}

static enum error_code wordy_process(struct stage *self, const struct batch *in,
                                     struct stage_output *output, struct error *error)
{
    (void)self;
    (void)in;
    (void)error;
    char text[302] = "x";
    for (size_t i = 1; i + 4 < sizeof text; i += 4)
        memcpy(text + i, "\xF0\x9F\x98\x80", 4);
    stage_output_reject(output, 0, "wordy", text);
    stage_output_drop(output, 0, "second"); /* the first verdict stands */
    return OK;
}

static void a_long_detail_is_cut_between_characters(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type wordy = {.name = "wordy", .process = wordy_process};
    static const struct stage_type *const types[] = {&wordy};
    static const char *const texts[] = {"a"};
    set_up(&setup, types, 1);
    assert_int_equal(run(&setup, texts, 1), OK);
    assert_int_equal(setup.outcome.reject_count, 1);
    assert_int_equal(strlen(setup.outcome.rejects[0].reject.detail), 197);
    tear_down(&setup);
}

static void counters_and_projection(void **state)
{
    (void)state;
    struct setup setup;
    static const struct stage_type *const types[] = {&script, &length};
    static const char *const texts[] = {"a", "drop", "bad", "b"};
    set_up(&setup, types, 2);
    assert_int_equal(run(&setup, texts, 4), OK);
    const struct chain_stage_stats *stats = chain_stats(setup.chain);
    assert_int_equal(stats[0].records_in, 3); /* the bad one never went in */
    assert_int_equal(stats[0].records_out, 2);
    assert_int_equal(stats[1].bytes, 20);
    const struct batch *projected = NULL;
    assert_int_equal(chain_project(setup.chain, setup.outcome.batches[0], setup.arena,
                                   &projected, &setup.error),
                     OK);
    assert_int_equal(projected->column_count, 2);
    assert_string_equal(projected->columns[1]->name, "length");
    tear_down(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_goes_through_all_stages_as_one),
        cmocka_unit_test(dropped_and_rejected_rows_are_counted_and_gone),
        cmocka_unit_test(a_batch_of_which_nothing_is_left_ends_early),
        cmocka_unit_test(halving_finds_every_bad_record_and_no_other),
        cmocka_unit_test(a_stage_with_state_is_not_halved),
        cmocka_unit_test(want_of_memory_is_passed_on_and_leaves_the_note),
        cmocka_unit_test(suspects_and_a_range_run_alone),
        cmocka_unit_test(a_condemned_record_stops_in_front_of_its_stage),
        cmocka_unit_test(a_condemned_record_that_an_earlier_stage_drops_is_dropped),
        cmocka_unit_test(the_law_holds_for_any_mixture),
        cmocka_unit_test(a_stage_that_does_not_open_is_closed_with_those_before),
        cmocka_unit_test(a_long_text_is_cut_between_characters_in_the_excerpt),
        cmocka_unit_test(a_long_detail_is_cut_between_characters),
        cmocka_unit_test(counters_and_projection)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
