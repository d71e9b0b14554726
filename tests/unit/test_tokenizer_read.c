/* test_tokenizer_read.c - tokenizer files of every format, told by their content */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stages/kernels/bert_vocab_file.h"
#include "stages/kernels/gpt2_files.h"
#include "stages/kernels/tiktoken_spec.h"
#include "stages/kernels/tokenizer.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/small_vocabulary.h"
#include "tests/text_goldens.h"

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

static const struct added_token *added_of(const struct tokenizer_spec *spec, uint32_t id)
{
    for (size_t i = 0; i < spec->added_count; i++) {
        if (spec->added[i].id == id)
            return &spec->added[i];
    }
    fail_msg("no added token %u", (unsigned)id);
    return NULL;
}

/* ---- files in a folder of their own ---- */

struct folder {
    char path[64];
};

static struct folder make_folder(void)
{
    struct folder folder = {"/tmp/millrace-read-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static void file_path(const struct folder *folder, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", folder->path, name);
}

static void put_file(const struct folder *folder, const char *name, const char *text)
{
    char path[128];
    file_path(folder, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void remove_folder(const struct folder *folder)
{
    static const char *const names[] = {
        "tokenizer.json", "tokenizer.model", "vocab.json",   "merges.txt",
        "vocab.txt",      "x-vocab.json",    "x-merges.txt", "odd"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        file_path(folder, names[i], path);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder->path), 0);
}

#define GPT2_VOCABULARY "{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3,\"<|endoftext|>\":4}"
#define GPT2_MERGES "#version: 0.2\na b\n"

static void gpt2_files_find_each_other(void **state)
{
    (void)state;
    static const char *const names[] = {"", "vocab.json", "merges.txt", "x-merges.txt"};
    struct folder folder = make_folder();
    put_file(&folder, "vocab.json", GPT2_VOCABULARY);
    put_file(&folder, "merges.txt", GPT2_MERGES);
    put_file(&folder, "x-vocab.json", GPT2_VOCABULARY);
    put_file(&folder, "x-merges.txt", GPT2_MERGES);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct arena *arena = create_arena();
        const struct tokenizer_spec *spec = NULL;
        struct error error = {0};
        char path[128];
        file_path(&folder, names[i], path);
        if (tokenizer_read(path, NULL, arena, &spec, &error) != OK)
            fail_msg("%s", error.text);
        assert_int_equal(spec->model.kind, MODEL_BPE_MERGES);
        assert_int_equal(spec->model.token_count, 5);
        assert_int_equal(spec->model.merge_count, 1);
        assert_range(spec->model.tokens[3].text, " ");
        assert_int_equal(spec->splitters[0].kind, SPLITTER_GPT2);
        assert_range(added_of(spec, 4)->text, "<|endoftext|>");
        assert_int_equal(spec->eos, 4);
        arena_destroy(arena);
    }
    remove_folder(&folder);
}

static void a_folder_is_asked_for_its_files_in_order(void **state)
{
    (void)state;
    struct folder folder = make_folder();
    struct arena *arena = create_arena();
    const struct tokenizer_spec *spec = NULL;
    struct error error = {0};
    assert_int_equal(tokenizer_read(folder.path, NULL, arena, &spec, &error),
                     ERROR_CONFIG);
    assert_non_null(strstr(error.text, "has no tokenizer.json"));
    put_file(&folder, "vocab.txt", "[UNK]\na\n");
    assert_int_equal(tokenizer_read(folder.path, NULL, arena, &spec, &error), OK);
    assert_int_equal(spec->model.kind, MODEL_WORDPIECE);
    put_file(&folder, "tokenizer.json",
             "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
    assert_int_equal(tokenizer_read(folder.path, NULL, arena, &spec, &error), OK);
    assert_int_equal(spec->model.kind, MODEL_BPE_MERGES);
    remove_folder(&folder);
    arena_destroy(arena);
}

static void what_cannot_be_read_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *content, *pattern, *message;
        enum error_code code;
    } cases[] = {
        {"none", NULL, NULL, "cannot open vocabulary", ERROR_IO},
        {"odd", "", NULL, "it is no .tiktoken file, tokenizer.json", ERROR_CONFIG},
        {"odd", "some words\n", NULL, "it is no .tiktoken file", ERROR_CONFIG},
        {"odd", "\xFF\xFE\n", NULL, "it is no .tiktoken file", ERROR_CONFIG},
        {"odd", "YQ== 0\n", NULL, "no token for the byte 0x00", ERROR_CONFIG},
        {"odd", "{\"a\":0}", NULL, "its name does not end in vocab.json", ERROR_CONFIG},
        {"odd", "#version: 0.2\n", NULL, "its name does not end in merges.txt",
         ERROR_CONFIG},
        {"vocab.json", "{\"a\":0}", NULL, "cannot open vocabulary", ERROR_IO},
        {"odd", "{\"a\":", NULL, "it is not JSON", ERROR_CONFIG},
        {"odd", "[UNK]\n", "qwen", "a pattern can be named for .tiktoken files alone",
         ERROR_CONFIG},
        {"odd", "[UNK]\na\na\n", NULL, "line 3: token \"a\" stands there twice",
         ERROR_CONFIG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct folder folder = make_folder();
        struct arena *arena = create_arena();
        const struct tokenizer_spec *spec = NULL;
        struct error error = {0};
        char path[128];
        file_path(&folder, cases[i].name, path);
        if (cases[i].content)
            put_file(&folder, cases[i].name, cases[i].content);
        enum error_code code =
            tokenizer_read(path, cases[i].pattern, arena, &spec, &error);
        if (code != cases[i].code || !strstr(error.text, cases[i].message) ||
            !strstr(error.text, folder.path))
            fail_msg("case %zu: %d, %s", i, (int)code, error.text);
        assert_null(spec);
        arena_destroy(arena);
        remove_folder(&folder);
    }
}

/* ---- each format ---- */

static void merges_name_the_line_that_is_wrong(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a b c\n", "merges.txt: line 1 is not a pair of tokens"},
        {"#version\na b\r\n\nb b\n",
         "merges.txt: line 4: merge of \"b\" and \"b\": what they make is no token"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = create_arena();
        struct tokenizer_spec spec;
        struct error error = {0};
        const char *text = GPT2_VOCABULARY;
        assert_int_equal(gpt2_files_read((const unsigned char *)text, strlen(text),
                                         (const unsigned char *)cases[i][0],
                                         strlen(cases[i][0]), arena, &spec, &error),
                         ERROR_CONFIG);
        assert_string_equal(error.text, cases[i][1]);
        arena_destroy(arena);
    }
}

static enum error_code read_bert(const char *text, enum bert_case casing,
                                 struct arena *arena, struct tokenizer_spec *spec,
                                 struct error *error)
{
    return bert_vocab_read((const unsigned char *)text, strlen(text), casing, arena, spec,
                           error);
}

static void ids_of_bert_are_lines(void **state)
{
    (void)state;
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    /* the third line has nothing but U+2028 */
    assert_int_equal(read_bert("[PAD]\na \r\n\xE2\x80\xA8\n[UNK]\n[SEP]\n##b\n[CLS]",
                               BERT_CASE_AUTO, arena, &spec, &error),
                     OK);
    assert_int_equal(spec.model.token_count, 6);
    assert_int_equal(spec.model.id_limit, 7);
    assert_range(spec.model.tokens[1].text, "a");
    assert_int_equal(spec.model.tokens[2].id, 3);
    assert_int_equal(spec.model.unknown, 3);
    assert_int_equal(spec.single_count, 3);
    assert_int_equal(spec.single[0].id, 6);
    assert_true(spec.single[1].is_text);
    assert_int_equal(spec.single[2].id, 4);
    assert_int_equal(spec.added_count, 4);
    assert_int_equal(spec.pad, 0);
    assert_int_equal(spec.mask, UINT32_MAX);
    assert_int_equal(read_bert("a\n", BERT_CASE_AUTO, arena, &spec, &error),
                     ERROR_CONFIG);
    assert_string_equal(error.text, "there is no token \"[UNK]\"");
    arena_destroy(arena);
}

static void capitals_make_bert_cased(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum bert_case casing;
        bool is_lowercase;
    } cases[] = {{"[UNK]\n<S>\na\n", BERT_CASE_AUTO, true},
                 {"[UNK]\naB\n", BERT_CASE_AUTO, false},
                 {"[UNK]\n[A\n", BERT_CASE_AUTO, false},
                 {"[UNK]\naB\n", BERT_UNCASED, true},
                 {"[UNK]\na\n", BERT_CASED, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = create_arena();
        struct tokenizer_spec spec;
        struct error error = {0};
        assert_int_equal(read_bert(cases[i].text, cases[i].casing, arena, &spec, &error),
                         OK);
        assert_int_equal(spec.normalizers[0].lowercase, cases[i].is_lowercase);
        assert_int_equal(spec.normalizers[0].strip_accents, cases[i].is_lowercase);
        arena_destroy(arena);
    }
}

static void tiktoken_lists_bring_their_pattern(void **state)
{
    (void)state;
    static const char *const tokens[] = {"ab", NULL};
    struct arena *arena = create_arena();
    struct tokenizer_spec spec;
    struct error error = {0};
    struct bytes file = small_vocabulary(tokens);
    assert_int_equal(
        tiktoken_spec_read(file.data, file.size, "o200k", arena, &spec, &error), OK);
    assert_int_equal(spec.model.kind, MODEL_BPE_RANKS);
    assert_int_equal(spec.model.token_count, 257);
    assert_range(spec.splitters[0].pattern, split_expression(SPLIT_O200K));
    assert_int_equal(spec.added_count, 2);
    assert_range(added_of(&spec, 199999)->text, "<|endoftext|>");
    assert_int_equal(spec.model.id_limit, 200019);
    assert_int_equal(tiktoken_spec_read(file.data, file.size, NULL, arena, &spec, &error),
                     ERROR_CONFIG);
    assert_non_null(strstr(error.text, "say its pattern"));
    assert_int_equal(
        tiktoken_spec_read(file.data, file.size, "odd", arena, &spec, &error),
        ERROR_CONFIG);
    bytes_clear(&file);
    arena_destroy(arena);
}

/* ---- the shared files ---- */

struct shared_case {
    const char *name;
    uint32_t tokens, id_limit;
    size_t added;
    uint32_t special; /* an added token and its text */
    const char *text;
    enum model_kind kind;
    bool is_lowercase;
};

static void shared_files_have_their_numbers(void **state)
{
    (void)state;
    static const struct shared_case cases[] = {
        {"tiktoken/r50k_base.tiktoken", 50256, 50257, 1, 50256, "<|endoftext|>",
         MODEL_BPE_RANKS, false},
        {"tiktoken/p50k_base.tiktoken", 50280, 50281, 1, 50256, "<|endoftext|>",
         MODEL_BPE_RANKS, false},
        {"tiktoken/cl100k_base.tiktoken", 100256, 100277, 5, 100276, "<|endofprompt|>",
         MODEL_BPE_RANKS, false},
        {"tiktoken/o200k_base.tiktoken", 199998, 200019, 2, 199999, "<|endoftext|>",
         MODEL_BPE_RANKS, false},
        {"tiktoken/llama3.tiktoken", 128000, 128256, 256, 128255,
         "<|reserved_special_token_250|>", MODEL_BPE_RANKS, false},
        {"wordpiece/bert_base_cased.vocab.txt", 28996, 28996, 5, 101, "[CLS]",
         MODEL_WORDPIECE, false},
        {"wordpiece/bert_base_uncased.vocab.txt", 30522, 30522, 5, 103, "[MASK]",
         MODEL_WORDPIECE, true},
        {"wordpiece/bert_base_chinese.vocab.txt", 21127, 21128, 5, 100, "[UNK]",
         MODEL_WORDPIECE, true},
        {"wordpiece/bert_base_multilingual_cased.vocab.txt", 119547, 119547, 5, 102,
         "[SEP]", MODEL_WORDPIECE, false},
        {"tokenizer_json/gpt2.json", 50257, 50257, 1, 50256, "<|endoftext|>",
         MODEL_BPE_MERGES, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[128], path[512];
        struct arena *arena = create_arena();
        const struct tokenizer_spec *spec = NULL;
        struct error error = {0};
        (void)snprintf(name, sizeof name, "vocab/%s", cases[i].name);
        if (access(shared_path(path, name), R_OK) != 0) {
            arena_destroy(arena);
            print_message("skipped: no %s\n", path);
            skip();
        }
        if (tokenizer_read(path, NULL, arena, &spec, &error) != OK)
            fail_msg("%s", error.text);
        assert_int_equal(spec->model.kind, cases[i].kind);
        assert_int_equal(spec->model.token_count, cases[i].tokens);
        assert_int_equal(spec->model.id_limit, cases[i].id_limit);
        assert_int_equal(spec->added_count, cases[i].added);
        assert_range(added_of(spec, cases[i].special)->text, cases[i].text);
        if (cases[i].kind == MODEL_WORDPIECE)
            assert_int_equal(spec->normalizers[0].lowercase, cases[i].is_lowercase);
        arena_destroy(arena);
    }
}

static void sentencepiece_models_are_told_by_content(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t tokens;
        enum model_kind kind;
    } cases[] = {{"llama2", 32000, MODEL_BPE_SCORES},
                 {"mistral01", 32000, MODEL_BPE_SCORES},
                 {"xlnet_base_cased", 32000, MODEL_UNIGRAM}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[128], path[512];
        struct arena *arena = create_arena();
        const struct tokenizer_spec *spec = NULL;
        struct error error = {0};
        (void)snprintf(name, sizeof name, "vocab/sentencepiece/%s.model", cases[i].name);
        if (access(shared_path(path, name), R_OK) != 0) {
            arena_destroy(arena);
            print_message("skipped: no %s\n", path);
            skip();
        }
        if (tokenizer_read(path, NULL, arena, &spec, &error) != OK)
            fail_msg("%s", error.text);
        assert_int_equal(spec->model.kind, cases[i].kind);
        assert_int_equal(spec->model.token_count, cases[i].tokens);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_files_find_each_other),
        cmocka_unit_test(a_folder_is_asked_for_its_files_in_order),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(merges_name_the_line_that_is_wrong),
        cmocka_unit_test(ids_of_bert_are_lines),
        cmocka_unit_test(capitals_make_bert_cased),
        cmocka_unit_test(tiktoken_lists_bring_their_pattern),
        cmocka_unit_test(shared_files_have_their_numbers),
        cmocka_unit_test(sentencepiece_models_are_told_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
