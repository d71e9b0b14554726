/* test_tokenize.c - the tokenize stage: options, columns, special tokens */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/stage.h"
#include "core/stage_output.h"
#include "tests/json_vocabulary.h"
#include "tests/small_vocabulary.h"
#include "tests/text_goldens.h"

extern const struct stage_type stage_tokenize;

/* Positions in stage.tokenize.options, as the option table lays them out. */
enum { PATTERN_AUTO, PATTERN_R50K, PATTERN_P50K, PATTERN_CL100K, PATTERN_O200K };
enum { SPECIAL_TEXT, SPECIAL_TOKENS, SPECIAL_REFUSE };

struct bench { /* a stage ready to run on a small vocabulary */
    char folder[64], vocabulary[96], prepared[96];
    unsigned char options[256];
    struct bytes image;
    struct arena *run, *scratch, *shard;
    struct stage stage;
    struct error error;
};

static void *option_at(struct bench *bench, const char *name)
{
    for (const struct option_spec *spec = stage_tokenize.options; spec->name; spec++) {
        if (strcmp(spec->name, name) == 0)
            return bench->options + spec->offset;
    }
    fail_msg("no option %s", name);
    return NULL;
}

static void set_choice(struct bench *bench, const char *name, int value)
{
    memcpy(option_at(bench, name), &value, sizeof value);
}

static void write_vocabulary(struct bench *bench, const void *data, size_t size)
{
    FILE *file = fopen(bench->vocabulary, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void bench_begin(struct bench *bench)
{
    static const char *const tokens[] = {"ab", "abc", " ab", "cd", NULL};
    *bench = (struct bench){.folder = "/tmp/test_tokenize.XXXXXX"};
    assert_true(stage_tokenize.options_size <= sizeof bench->options);
    assert_non_null(mkdtemp(bench->folder));
    (void)snprintf(bench->vocabulary, sizeof bench->vocabulary, "%s/small.tiktoken",
                   bench->folder);
    (void)snprintf(bench->prepared, sizeof bench->prepared, "%s/prepared", bench->folder);
    struct bytes file = small_vocabulary(tokens);
    write_vocabulary(bench, file.data, file.size);
    bytes_clear(&file);
    const char *path = bench->vocabulary;
    memcpy(option_at(bench, "vocabulary"), &path, sizeof path);
    set_choice(bench, "pattern", PATTERN_CL100K);
    bench->run = arena_create(1 << 20, 0);
    bench->scratch = arena_create(1 << 16, 0);
    bench->shard = arena_create(1 << 16, 0);
}

static void bench_open(struct bench *bench)
{
    assert_int_equal(
        stage_tokenize.prepare(bench->options, bench->prepared, &bench->error), OK);
    struct bytes file = load_file(bench->prepared);
    void *aligned = arena_alloc_raw(bench->run, file.size, 1, 64);
    assert_non_null(aligned);
    memcpy(aligned, file.data, file.size);
    bench->stage =
        (struct stage){.type = &stage_tokenize,
                       .options = bench->options,
                       .state = arena_alloc(bench->run, 1, stage_tokenize.state_size, 64),
                       .prepared = aligned,
                       .prepared_size = file.size,
                       .run = bench->run,
                       .scratch = bench->scratch};
    bytes_clear(&file);
    assert_int_equal(stage_tokenize.open(&bench->stage, &bench->error), OK);
}

static void bench_end(struct bench *bench)
{
    if (bench->stage.type && stage_tokenize.close)
        stage_tokenize.close(&bench->stage);
    (void)unlink(bench->vocabulary);
    (void)unlink(bench->prepared);
    (void)rmdir(bench->folder);
    arena_destroy(bench->run);
    arena_destroy(bench->scratch);
    arena_destroy(bench->shard);
}

/* A batch with columns key and text; a NULL text is a missing one. */
static const struct batch *make_batch(struct bench *bench, const char *const *texts,
                                      uint32_t count)
{
    struct arena *arena = bench->shard;
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, count + 1);
    char *data = ARENA_NEW(arena, char, 4096);
    unsigned char *validity = ARENA_NEW(arena, unsigned char, count / 8 + 1);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = texts[i] ? strlen(texts[i]) : 0;
        assert_true(offsets[i] + size < 4096);
        if (texts[i]) {
            memcpy(data + offsets[i], texts[i], size);
            validity[i / 8] |= (unsigned char)(1u << (i % 8));
        }
        offsets[i + 1] = offsets[i] + size;
    }
    struct column *columns = ARENA_NEW(arena, struct column, 2);
    columns[0] = (struct column){
        .name = "key", .type = COLUMN_UTF8, .offsets = offsets, .data = data};
    columns[1] = (struct column){.name = "text",
                                 .type = COLUMN_UTF8,
                                 .validity = validity,
                                 .offsets = offsets,
                                 .data = data};
    const struct column **list = ARENA_NEW(arena, const struct column *, 2);
    list[0] = columns;
    list[1] = columns + 1;
    struct batch *batch = ARENA_NEW(arena, struct batch, 1);
    *batch = (struct batch){.count = count,
                            .column_count = 2,
                            .origins = ARENA_NEW(arena, struct origin, count),
                            .columns = list};
    return batch;
}

static const struct batch *process(struct bench *bench, const char *const *texts,
                                   uint32_t count, struct stage_output *output)
{
    const struct batch *in = make_batch(bench, texts, count);
    const struct batch *out = NULL;
    assert_int_equal(stage_output_begin(output, in, bench->shard, &bench->error), OK);
    assert_int_equal(stage_tokenize.process(&bench->stage, in, output, &bench->error),
                     OK);
    assert_int_equal(stage_output_finish(output, &out, &bench->error), OK);
    return out;
}

static void check_row(const struct batch *batch, uint32_t row, const uint32_t *ids,
                      size_t count)
{
    const struct column *tokens = batch_column(batch, "tokens");
    assert_non_null(tokens);
    assert_int_equal(tokens->type, COLUMN_LIST_U32);
    assert_int_equal(column_row_length(tokens, row), count);
    if (count > 0)
        assert_memory_equal(column_row(tokens, row), ids, count * sizeof *ids);
}

#define CHECK_ROW(batch, row, ...)                             \
    check_row((batch), (row), (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void adds_the_tokens_of_every_record(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    bench_open(&bench);
    static const char *const texts[] = {"abcd", "", "ab abx", "\n"};
    const struct batch *out = process(&bench, texts, 4, &output);
    assert_int_equal(out->count, 4);
    CHECK_ROW(out, 0, 257, 'd'); /* ab+c comes before c+d: rank 256 is lower */
    check_row(out, 1, NULL, 0);
    CHECK_ROW(out, 2, 256, 258, 'x');
    CHECK_ROW(out, 3, '\n');
    bench_end(&bench);
}

static void a_record_without_text_has_null_tokens(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    bench_open(&bench);
    static const char *const texts[] = {"ab", NULL, "cd"};
    const struct batch *out = process(&bench, texts, 3, &output);
    const struct column *tokens = batch_column(out, "tokens");
    assert_true(column_is_valid(tokens, 0));
    assert_false(column_is_valid(tokens, 1));
    assert_true(column_is_valid(tokens, 2));
    CHECK_ROW(out, 2, 259);
    bench_end(&bench);
}

static void special_text_is_text_by_default(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    bench_open(&bench);
    static const char *const texts[] = {"<|endoftext|>"};
    const struct batch *out = process(&bench, texts, 1, &output);
    CHECK_ROW(out, 0, '<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>');
    bench_end(&bench);
}

static void special_tokens_get_their_ids(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    set_choice(&bench, "special", SPECIAL_TOKENS);
    bench_open(&bench);
    /* What stands before a special token is a text of its own: its two spaces end it. */
    static const char *const texts[] = {"ab  <|endoftext|>cd<|fim_prefix|><|x|>"};
    const struct batch *out = process(&bench, texts, 1, &output);
    CHECK_ROW(out, 0, 256, ' ', ' ', 100257, 259, 100258, '<', '|', 'x', '|', '>');
    bench_end(&bench);
}

static void refuse_quarantines_the_record_alone(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    set_choice(&bench, "special", SPECIAL_REFUSE);
    bench_open(&bench);
    static const char *const texts[] = {"ab", "x <|endofprompt|>", "cd"};
    const struct batch *out = process(&bench, texts, 3, &output);
    assert_int_equal(out->count, 2);
    CHECK_ROW(out, 0, 256);
    CHECK_ROW(out, 1, 259);
    assert_true(output.verdicts[1].is_reject);
    assert_string_equal(output.verdicts[1].reason, "special_token");
    assert_string_equal(output.verdicts[1].detail, "\"<|endofprompt|>\" at byte 2");
    bench_end(&bench);
}

/* ---- other columns ---- */

static void set_bool(struct bench *bench, const char *name)
{
    bool yes = true;
    memcpy(option_at(bench, name), &yes, sizeof yes);
}

static void bench_begin_json(struct bench *bench)
{
    bench_begin(bench);
    struct bytes file = json_vocabulary();
    write_vocabulary(bench, file.data, file.size);
    bytes_clear(&file);
    set_choice(bench, "pattern", PATTERN_AUTO);
}

static void offsets_are_two_a_token(void **state)
{
    (void)state;
    static const uint32_t wanted[] = {0, 3, 3, 4, 0, 0, 0, 2, 2, 3};
    for (int turn = 0; turn < 2; turn++) {
        struct bench bench;
        struct stage_output output;
        if (turn == 0)
            bench_begin(&bench);
        else
            bench_begin_json(&bench);
        set_bool(&bench, "offsets");
        if (turn == 1)
            set_bool(&bench, "add_special");
        bench_open(&bench);
        static const char *const texts[] = {"abcd", NULL};
        static const char *const marked[] = {"abb", NULL};
        const struct batch *out = process(&bench, turn ? marked : texts, 2, &output);
        const struct column *offsets = batch_column(out, "offsets");
        assert_non_null(offsets);
        assert_int_equal(offsets->type, COLUMN_LIST_U32);
        assert_int_equal(column_row_length(offsets, 0), turn ? 6 : 4);
        assert_memory_equal(column_row(offsets, 0), wanted + (turn ? 4 : 0),
                            (turn ? 6 : 4) * sizeof *wanted);
        assert_false(column_is_valid(offsets, 1));
        bench_end(&bench);
    }
}

static void counts_stand_in_place_of_tokens(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin(&bench);
    set_bool(&bench, "counts_only");
    bench_open(&bench);
    static const char *const texts[] = {"abcd", "", NULL, "xyz"};
    const struct batch *out = process(&bench, texts, 4, &output);
    const struct column *counts = batch_column(out, "token_count");
    assert_non_null(counts);
    assert_null(batch_column(out, "tokens"));
    static const int64_t wanted[] = {2, 0, 0, 3};
    assert_memory_equal(counts->data, wanted, sizeof wanted);
    assert_false(column_is_valid(counts, 2));
    bench_end(&bench);
}

static void tokens_past_the_limit_are_cut_off(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    int64_t most = 3;
    bench_begin_json(&bench);
    set_bool(&bench, "add_special");
    memcpy(option_at(&bench, "max_length"), &most, sizeof most);
    bench_open(&bench);
    static const char *const texts[] = {"ababab", "b"};
    const struct batch *out = process(&bench, texts, 2, &output);
    CHECK_ROW(out, 0, 1, 262, 261);
    CHECK_ROW(out, 1, 1, 258, 260);
    bench_end(&bench);
}

static void a_text_that_tokens_do_not_spell_is_rejected(void **state)
{
    (void)state;
    struct bench bench;
    struct stage_output output;
    bench_begin_json(&bench);
    set_bool(&bench, "check_round_trip");
    set_bool(&bench, "add_special");
    bench_open(&bench);
    static const char *const texts[] = {"ab  \xc3\xa9\n", "a\xe2\x96\x81", "", " b "};
    const struct batch *out = process(&bench, texts, 4, &output);
    assert_int_equal(out->count, 3);
    assert_true(output.verdicts[1].is_reject);
    assert_string_equal(output.verdicts[1].reason, "round_trip");
    assert_string_equal(output.verdicts[1].detail,
                        "the tokens spell another text from byte 1 on");
    bench_end(&bench);
}

/* ---- plan ---- */

static enum error_code plan(struct bench *bench, bool has_text)
{
    struct schema schema = {0};
    const struct stage_place place = {
        .stage = {.file = "p.yaml", .line = 7, .column = 5}};
    if (has_text)
        assert_int_equal(schema_put(&schema, "text", COLUMN_UTF8, 0, NULL), OK);
    enum error_code code =
        stage_tokenize.plan(bench->options, &schema, &place, &bench->error);
    if (code == OK) {
        const struct schema_field *tokens = schema_find(&schema, "tokens");
        const struct schema_field *counts = schema_find(&schema, "token_count");
        assert_true((tokens != NULL) != (counts != NULL));
        assert_int_equal(tokens ? tokens->type : COLUMN_LIST_U32, COLUMN_LIST_U32);
    } else {
        assert_int_equal(bench->error.where.line, 7);
    }
    return code;
}

static void plan_adds_the_column(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    assert_int_equal(plan(&bench, true), OK);
    bench_end(&bench);
}

static void plan_needs_text(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    assert_int_equal(plan(&bench, false), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "\"text\""));
    bench_end(&bench);
}

static void plan_refuses_what_is_no_vocabulary(void **state)
{
    (void)state;
    static const char *const contents[] = {"{\"version\": \"1.0\"}\n",
                                           "IQ== 0\nIg= 1\n",
                                           "IQ== 0\nIg== -1\n",
                                           "IQ== 0\nIg==1\n",
                                           "IQ==  0\n",
                                           "IQ== 2097151\n",
                                           "",
                                           "\n\n",
                                           "I!== 0\n",
                                           " 0\n",
                                           "IQ== \n",
                                           "IQ==\n"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct bench bench;
        bench_begin(&bench);
        write_vocabulary(&bench, contents[i], strlen(contents[i]));
        assert_int_equal(plan(&bench, true), ERROR_CONFIG);
        assert_non_null(strstr(bench.error.text, bench.vocabulary)); /* names the file */
        bench_end(&bench);
    }
}

static void plan_refuses_what_cannot_be_read(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    const char *folder = bench.folder;
    memcpy(option_at(&bench, "vocabulary"), &folder, sizeof folder);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_int_equal(bench.error.code, ERROR_CONFIG);
    bench_end(&bench);
}

static void plan_asks_for_the_pattern_of_an_unknown_vocabulary(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    set_choice(&bench, "pattern", PATTERN_AUTO);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "say its pattern"));
    bench_end(&bench);
}

static void plan_knows_the_published_vocabularies(void **state)
{
    (void)state;
    static const char *const names[] = {"r50k_base", "p50k_base", "cl100k_base",
                                        "o200k_base", "llama3"};
    struct bench bench;
    bench_begin(&bench);
    set_choice(&bench, "pattern", PATTERN_AUTO);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64], path[512];
        (void)snprintf(name, sizeof name, "vocab/tiktoken/%s.tiktoken", names[i]);
        const char *file = shared_path(path, name);
        if (access(file, R_OK) != 0) {
            print_message("skipped: no shared data for %s\n", names[i]);
            continue;
        }
        memcpy(option_at(&bench, "vocabulary"), &file, sizeof file);
        assert_int_equal(plan(&bench, true), OK);
    }
    bench_end(&bench);
}

static void plan_refuses_add_special(void **state)
{
    (void)state;
    struct bench bench;
    bool yes = true;
    bench_begin(&bench);
    memcpy(option_at(&bench, "add_special"), &yes, sizeof yes);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "template"));
    bench_end(&bench);
}

static void plan_refuses_options_that_contradict_each_other(void **state)
{
    (void)state;
    struct bench bench;
    int64_t most = 3;
    bench_begin(&bench);
    set_bool(&bench, "counts_only");
    assert_int_equal(plan(&bench, true), OK);
    set_bool(&bench, "offsets");
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "counts_only"));
    bench_end(&bench);
    bench_begin(&bench);
    set_bool(&bench, "check_round_trip");
    assert_int_equal(plan(&bench, true), OK);
    memcpy(option_at(&bench, "max_length"), &most, sizeof most);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "max_length"));
    bench_end(&bench);
}

static void plan_refuses_a_round_trip_that_none_makes(void **state)
{
    (void)state;
    static const char words[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n";
    struct bench bench;
    bench_begin(&bench);
    write_vocabulary(&bench, words, sizeof words - 1);
    set_choice(&bench, "pattern", PATTERN_AUTO);
    assert_int_equal(plan(&bench, true), OK);
    set_bool(&bench, "check_round_trip");
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "round trip"));
    bench_end(&bench);
}

static void plan_refuses_an_id_that_a_special_token_has(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    set_choice(&bench, "special", SPECIAL_TOKENS);
    static const char *const none[] = {NULL};
    struct bytes file = small_vocabulary(none);
    small_vocabulary_put(&file, "ab", 2, 100257);
    write_vocabulary(&bench, file.data, file.size);
    bytes_clear(&file);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    assert_non_null(strstr(bench.error.text, "100257"));
    bench_end(&bench);
}

static void plan_takes_an_artefact_with_a_pattern(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    const char *artefact = "phase:train/vocabulary.tiktoken";
    memcpy(option_at(&bench, "vocabulary"), &artefact, sizeof artefact);
    assert_int_equal(plan(&bench, true), OK);
    set_choice(&bench, "pattern", PATTERN_AUTO);
    assert_int_equal(plan(&bench, true), ERROR_CONFIG);
    bench_end(&bench);
}

static void plan_refuses_a_vocabulary_that_is_not_complete(void **state)
{
    (void)state;
    static const char *const contents[] = {"IQ== 0\n", "IQ== 0\nIQ== 1\n",
                                           "IQ== 0\nIg== 0\n"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct bench bench;
        bench_begin(&bench);
        write_vocabulary(&bench, contents[i], strlen(contents[i]));
        assert_int_equal(
            stage_tokenize.prepare(bench.options, bench.prepared, &bench.error),
            ERROR_CONFIG);
        assert_int_equal(plan(&bench, true), ERROR_CONFIG);
        bench_end(&bench);
    }
}

static void open_refuses_a_damaged_file(void **state)
{
    (void)state;
    struct bench bench;
    bench_begin(&bench);
    bench_open(&bench);
    struct stage broken = bench.stage;
    for (size_t size = 0; size < bench.stage.prepared_size; size += 1021) {
        broken.prepared_size = size;
        assert_int_equal(stage_tokenize.open(&broken, &bench.error), ERROR_DAMAGED);
    }
    bench_end(&bench);
}

static void the_descriptor_is_sound(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(stage_type_check(&stage_tokenize, &error), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_the_tokens_of_every_record),
        cmocka_unit_test(a_record_without_text_has_null_tokens),
        cmocka_unit_test(special_text_is_text_by_default),
        cmocka_unit_test(special_tokens_get_their_ids),
        cmocka_unit_test(refuse_quarantines_the_record_alone),
        cmocka_unit_test(offsets_are_two_a_token),
        cmocka_unit_test(counts_stand_in_place_of_tokens),
        cmocka_unit_test(tokens_past_the_limit_are_cut_off),
        cmocka_unit_test(a_text_that_tokens_do_not_spell_is_rejected),
        cmocka_unit_test(plan_adds_the_column),
        cmocka_unit_test(plan_needs_text),
        cmocka_unit_test(plan_refuses_what_is_no_vocabulary),
        cmocka_unit_test(plan_refuses_what_cannot_be_read),
        cmocka_unit_test(plan_asks_for_the_pattern_of_an_unknown_vocabulary),
        cmocka_unit_test(plan_knows_the_published_vocabularies),
        cmocka_unit_test(plan_refuses_add_special),
        cmocka_unit_test(plan_refuses_options_that_contradict_each_other),
        cmocka_unit_test(plan_refuses_a_round_trip_that_none_makes),
        cmocka_unit_test(plan_refuses_an_id_that_a_special_token_has),
        cmocka_unit_test(plan_takes_an_artefact_with_a_pattern),
        cmocka_unit_test(plan_refuses_a_vocabulary_that_is_not_complete),
        cmocka_unit_test(open_refuses_a_damaged_file),
        cmocka_unit_test(the_descriptor_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
