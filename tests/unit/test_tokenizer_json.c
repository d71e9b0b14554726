/* test_tokenizer_json.c - reading tokenizer.json: the shared files, and what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "stages/kernels/tokenizer_json.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/text_goldens.h"

static enum error_code read_text(const char *text, struct arena *arena,
                                 struct tokenizer_spec *spec, struct error *error)
{
    return tokenizer_json_read((const unsigned char *)text, strlen(text), arena, spec,
                               error);
}

static struct arena *create_arena(void)
{
    struct arena *arena = arena_create(1 << 16, 0);
    assert_non_null(arena);
    return arena;
}

static void assert_range(struct byte_range range, const char *text)
{
    assert_int_equal(range.size, strlen(text));
    assert_memory_equal(range.bytes, text, range.size);
}

static const struct spec_token *token_of(const struct tokenizer_spec *spec, uint32_t id)
{
    for (uint32_t i = 0; i < spec->model.token_count; i++) {
        if (spec->model.tokens[i].id == id)
            return &spec->model.tokens[i];
    }
    fail_msg("no token %u", (unsigned)id);
    return NULL;
}

struct shared_case {
    const char *name;
    size_t normalizers, splitters;
    enum model_kind kind;
    uint32_t tokens, id_limit, merges;
    size_t added;
    int single[4]; /* ids, -1: the text; -2: the end */
    enum decoder_kind decoder;
    uint32_t id; /* a token and its text */
    const char *text;
};

/* clang-format off */
static const struct shared_case shared_cases[] = {
    {"all_minilm_l6_v2", 1, 1, MODEL_WORDPIECE, 30522, 30522, 0, 5,
     {101, -1, 102, -2}, DECODER_WORDPIECE, 1996, "the"},
    {"bert_base_cased", 1, 1, MODEL_WORDPIECE, 28996, 28996, 0, 5,
     {101, -1, 102, -2}, DECODER_WORDPIECE, 1103, "the"},
    {"bert_base_uncased", 1, 1, MODEL_WORDPIECE, 30522, 30522, 0, 5,
     {101, -1, 102, -2}, DECODER_WORDPIECE, 2078, "##n"},
    {"gpt2", 0, 1, MODEL_BPE_MERGES, 50257, 50257, 50000, 1,
     {-1, -2}, DECODER_BYTES, 262, " the"},
    {"gpt_neox", 1, 1, MODEL_BPE_MERGES, 50254, 50277, 50009, 25,
     {-1, -2}, DECODER_BYTES, 253, " the"},
    {"llama2", 2, 0, MODEL_BPE_MERGES, 32000, 32000, 61249, 3,
     {1, -1, -2}, DECODER_METASPACE, 278, "\xE2\x96\x81the"},
    {"llama3_1", 0, 1, MODEL_BPE_MERGES, 128000, 128256, 280147, 256,
     {128000, -1, -2}, DECODER_BYTES, 279, " the"},
    {"qwen3", 1, 1, MODEL_BPE_MERGES, 151643, 151669, 151387, 26,
     {-1, -2}, DECODER_BYTES, 279, " the"},
    {"xlnet_base_cased", 5, 2, MODEL_UNIGRAM, 32000, 32000, 0, 9,
     {-1, 4, 3, -2}, DECODER_METASPACE, 18, "\xE2\x96\x81the"},
};
/* clang-format on */

static void shared_files_have_their_numbers(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof shared_cases / sizeof *shared_cases; c++) {
        char name[128], path[512];
        (void)snprintf(name, sizeof name, "vocab/tokenizer_json/%s.json",
                       shared_cases[c].name);
        struct bytes content = load_file(shared_path(path, name));
        if (content.size == 0) {
            print_message("skipped: no %s\n", path);
            skip();
        }
        struct arena *arena = create_arena();
        struct tokenizer_spec spec;
        struct error error = {0};
        if (tokenizer_json_read(content.data, content.size, arena, &spec, &error) != OK)
            fail_msg("%s: %s", shared_cases[c].name, error.text);
        assert_int_equal(spec.normalizer_count, shared_cases[c].normalizers);
        assert_int_equal(spec.splitter_count, shared_cases[c].splitters);
        assert_int_equal(spec.model.kind, shared_cases[c].kind);
        assert_int_equal(spec.model.token_count, shared_cases[c].tokens);
        assert_int_equal(spec.model.id_limit, shared_cases[c].id_limit);
        assert_int_equal(spec.model.merge_count, shared_cases[c].merges);
        assert_int_equal(spec.added_count, shared_cases[c].added);
        assert_int_equal(spec.decoder, shared_cases[c].decoder);
        for (size_t i = 0; i < spec.single_count; i++) {
            int id = spec.single[i].is_text ? -1 : (int)spec.single[i].id;
            assert_int_equal(id, shared_cases[c].single[i]);
        }
        assert_int_equal(shared_cases[c].single[spec.single_count], -2);
        assert_range(token_of(&spec, shared_cases[c].id)->text, shared_cases[c].text);
        bytes_clear(&content);
        arena_destroy(arena);
    }
}

/* ---- small files ---- */

#define TOP(rest, model) "{\"version\":\"1.0\"," rest "\"model\":" model "}"
#define BPE(merges)                                                                      \
    "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3,\"\\u4e2d\":4}" \
    ","                                                                                  \
    "\"merges\":" merges "}"
#define WITH(rest) TOP(rest, BPE("[]"))

static void byte_level_tokens_become_bytes(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(read_text(TOP("\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                                   "\"add_prefix_space\":true,\"trim_offsets\":true},",
                                   BPE("[[\"a\",\"b\"],\"a b\"]")),
                               arena, &spec, &error),
                     OK);
    assert_true(spec.model.is_byte_level);
    assert_range(token_of(&spec, 3)->text, " ");
    assert_int_equal(token_of(&spec, 3)->kind, TOKEN_NORMAL);
    /* no byte is U+4E2D */
    assert_int_equal(token_of(&spec, 4)->kind, TOKEN_UNUSED);
    assert_range(token_of(&spec, 4)->text, "\xE4\xB8\xAD");
    assert_int_equal(spec.model.merge_count, 1); /* it stands there twice */
    assert_int_equal(spec.model.merges[0].merged, 2);
    assert_int_equal(spec.splitter_count, 2);
    assert_int_equal(spec.splitters[0].kind, SPLITTER_PREFIX_SPACE);
    assert_int_equal(spec.splitters[1].kind, SPLITTER_GPT2);
    assert_int_equal(spec.decoder, DECODER_BYTES);
    arena_destroy(arena);
}

static void what_follows_byte_level_sees_characters_for_bytes(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(
        read_text(WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
                       "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},"
                       "{\"type\":\"ByteLevel\",\"use_regex\":false},"
                       "{\"type\":\"Digits\",\"individual_digits\":true}]},"),
                  arena, &spec, &error),
        OK);
    assert_int_equal(spec.splitter_count, 3);
    assert_int_equal(spec.splitters[0].behavior, BEHAVIOR_CONTIGUOUS);
    assert_int_equal(spec.splitters[1].kind, SPLITTER_BYTE_CHARS);
    assert_true(spec.splitters[2].is_individual);
    arena_destroy(arena);
}

static void normalizers_are_flattened(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(
        read_text(
            WITH(
                "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                "{\"type\":\"NFC\"},{\"type\":\"Sequence\",\"normalizers\":["
                "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" +\"},\"content\":\"_\"},"
                "{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}]},"
                "{\"type\":\"BertNormalizer\",\"strip_accents\":null,"
                "\"lowercase\":true,\"clean_text\":false},"
                "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAEC\"}]},"),
            arena, &spec, &error),
        OK);
    assert_int_equal(spec.normalizer_count, 5);
    assert_int_equal(spec.normalizers[0].kind, NORMALIZER_NFC);
    assert_true(spec.normalizers[1].is_regex);
    assert_range(spec.normalizers[1].pattern, " +");
    assert_range(spec.normalizers[1].content, "_");
    assert_false(spec.normalizers[2].is_left);
    assert_true(spec.normalizers[2].is_right);
    assert_true(spec.normalizers[3].strip_accents); /* as lowercase says */
    assert_false(spec.normalizers[3].clean_text);
    assert_int_equal(spec.normalizers[4].content.size, 3);
    assert_memory_equal(spec.normalizers[4].content.bytes, "\0\1\2", 3);
    arena_destroy(arena);
}

static void templates_nest_in_a_sequence(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(
        read_text(
            WITH("\"post_processor\":{\"type\":\"Sequence\",\"processors\":["
                 "{\"type\":\"TemplateProcessing\",\"single\":["
                 "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},"
                 "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
                 "\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[1,2],\"tokens\":[]}}},"
                 "{\"type\":\"RobertaProcessing\",\"sep\":[\"b\",1],\"cls\":[\"a\",0],"
                 "\"trim_offsets\":true,\"add_prefix_space\":false}]},"),
            arena, &spec, &error),
        OK);
    static const int expected[] = {0, 1, 2, -1, 1};
    assert_int_equal(spec.single_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(spec.single[i].is_text ? -1 : (int)spec.single[i].id,
                         expected[i]);
    assert_true(spec.is_trimmed);
    assert_int_equal(spec.cls, 0);
    assert_int_equal(spec.sep, 1);
    arena_destroy(arena);
}

static void added_tokens_keep_their_flags(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(
        read_text(WITH("\"added_tokens\":[{\"id\":9,\"content\":\"<mask>\","
                       "\"lstrip\":true,\"special\":true},{\"id\":7,\"content\":\"x\","
                       "\"rstrip\":true,\"single_word\":true,\"special\":false},"
                       "{\"id\":8,\"content\":\"\"}],"),
                  arena, &spec, &error),
        OK);
    assert_int_equal(spec.added_count, 2); /* the empty one never matches */
    assert_int_equal(spec.model.id_limit, 10);
    assert_true(spec.added[0].is_left_stripped && spec.added[0].is_special);
    assert_false(spec.added[0].is_normalized);
    assert_true(spec.added[1].is_right_stripped && spec.added[1].is_single_word);
    assert_true(spec.added[1].is_normalized);
    assert_int_equal(spec.mask, 9);
    assert_int_equal(spec.bos, UINT32_MAX);
    arena_destroy(arena);
}

static void unigram_tokens_have_scores(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(read_text(TOP("", "{\"unk_id\":0,\"vocab\":[[\"<unk>\",0.0],"
                                       "[\"a\",-1.5],[\"b\",-2]]}"),
                               arena, &spec, &error),
                     OK);
    assert_int_equal(spec.model.kind, MODEL_UNIGRAM);
    assert_int_equal(spec.model.unknown, 0);
    assert_true(fabs(spec.model.tokens[1].score + 1.5) < 1e-12);
    assert_true(fabs(spec.model.tokens[2].score + 2) < 1e-12);
    arena_destroy(arena);
}

static void decoders_that_are_not_supported_decode_nothing(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(read_text(WITH("\"decoder\":{\"type\":\"BPEDecoder\","
                                    "\"suffix\":\"</w>\"},"),
                               arena, &spec, &error),
                     OK);
    assert_int_equal(spec.decoder, DECODER_NONE);
    arena_destroy(arena);
}

/* A file and how the message begins; all of it but for the first one. */
static const char *const wrong_files[][2] = {
    {"[", "it is not JSON: "},
    {"[]", "is not an object"},
    {"{}", "it has no \"model\""},
    {TOP("", "{\"type\":\"WordLevel\",\"vocab\":{}}"),
     "model.type: \"WordLevel\" is not supported"},
    {TOP("", "{\"vocab\":{}}"), "model: has no \"type\", and its fields are those of a "
                                "WordLevel model, which is not supported"},
    {TOP("", "{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{},\"merges\":[]}"),
     "model.dropout: dropout is not supported"},
    {TOP("", "{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}"),
     "model.vocab[0]: is not a token id: a number below 2097151"},
    {TOP("", "{\"type\":\"BPE\",\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}"),
     "model.vocab: token \"b\" has id 1, which another has, too"},
    {TOP("", "{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[\"a\"]}"),
     "model.merges[0]: is not a pair of tokens"},
    {TOP("", "{\"type\":\"BPE\",\"vocab\":{\"a\":1},\"merges\":[\"a a\"]}"),
     "model.merges[0]: merge of \"a\" and \"a\": what they make is no token"},
    {TOP("", "{\"type\":\"WordPiece\",\"vocab\":{\"a\":1},\"unk_token\":\"u\"}"),
     "model: unknown token \"u\" is not in the vocabulary"},
    {TOP("", "{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}"),
     "model.vocab[0]: is not a token and its score"},
    {TOP("", "{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":3}"),
     "model.unk_id: is not the id of a token"},
    {TOP("", "{\"type\":\"BPE\",\"vocab\":{},\"merges\":[],\"magic\":1}"),
     "model: \"magic\" is not supported"},
    {WITH("\"normalizer\":{\"type\":\"Nmt\"},"),
     "normalizer.type: \"Nmt\" is not supported"},
    {WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
          "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"}}]},"),
     "normalizer.normalizers[1]: \"content\" is missing"},
    {WITH("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"},"),
     "pre_tokenizer.type: \"UnicodeScripts\" is not supported"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
          "\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}]},"),
     "pre_tokenizer.pretokenizers[0].behavior: \"Odd\" is not supported"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
          "\"Split\",\"pattern\":{\"Regex\":\"(a)\\\\1\"},\"behavior\":\"Isolated\"}]},"),
     "pre_tokenizer.pretokenizers[0].pattern: regular expression, character 5: this "
     "escape is not supported"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"},"),
     "pre_tokenizer: \"replacement\" is not one character"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
          "\"add_prefix_space\":false},"),
     "pre_tokenizer: \"add_prefix_space\" is false, but \"prepend_scheme\" is not "
     "\"never\""},
    {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
          "{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{}},"),
     "post_processor.single[0].SpecialToken: special token \"x\" has no ids"},
    {WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"b\",99],"
          "\"cls\":[\"a\",0]},"),
     "post_processor: id 99 is that of no token"},
    {WITH("\"added_tokens\":[{\"id\":5,\"content\":\"a\"}],"),
     "added_tokens: \"a\" has id 5, but 0 in model.vocab"},
    {WITH("\"added_tokens\":[{\"id\":5,\"content\":\"x\"},"
          "{\"id\":5,\"content\":\"y\"}],"),
     "added_tokens: \"x\" and \"y\" have the same id 5"},
    {WITH("\"added_tokens\":[{\"id\":\"5\",\"content\":\"a\"}],"),
     "added_tokens[0].id: is not a token id: a number below 2097151"},
    {WITH("\"surprise\":{},"), "\"surprise\" is not supported"},
};

static void what_is_not_supported_is_named_with_its_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_files / sizeof *wrong_files; i++) {
        struct arena *arena = create_arena();
        struct tokenizer_spec spec = {.added_count = 77};
        struct error error = {0};
        if (read_text(wrong_files[i][0], arena, &spec, &error) != ERROR_CONFIG)
            fail_msg("case %zu is taken", i);
        size_t size = strlen(wrong_files[i][1]);
        if (strncmp(error.text, wrong_files[i][1], i == 0 ? size : size + 1) != 0)
            fail_msg("case %zu says: %s", i, error.text);
        assert_int_equal(spec.added_count, 77); /* written on success only */
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_files_have_their_numbers),
        cmocka_unit_test(byte_level_tokens_become_bytes),
        cmocka_unit_test(what_follows_byte_level_sees_characters_for_bytes),
        cmocka_unit_test(normalizers_are_flattened),
        cmocka_unit_test(templates_nest_in_a_sequence),
        cmocka_unit_test(added_tokens_keep_their_flags),
        cmocka_unit_test(unigram_tokens_have_scores),
        cmocka_unit_test(decoders_that_are_not_supported_decode_nothing),
        cmocka_unit_test(what_is_not_supported_is_named_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
