/* test_tokenizer_goldens.c - every golden file, from the vocabulary's file to the ids */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/kernels/tokenizer.h"
#include "tests/text_goldens.h"

struct golden {
    const char *name, *vocabulary; /* below text_goldens/ and vocab/ */
    enum special_policy specials;
};

/* Special tokens are text for tiktoken and SentencePiece; Hugging Face finds them. */
static const struct golden goldens[] = {
    {"r50k_base", "tiktoken/r50k_base.tiktoken", SPECIALS_AS_TEXT},
    {"p50k_base", "tiktoken/p50k_base.tiktoken", SPECIALS_AS_TEXT},
    {"cl100k_base", "tiktoken/cl100k_base.tiktoken", SPECIALS_AS_TEXT},
    {"o200k_base", "tiktoken/o200k_base.tiktoken", SPECIALS_AS_TEXT},
    {"gpt2", "tokenizer_json/gpt2.json", SPECIALS_AS_TOKENS},
    {"gpt_neox", "tokenizer_json/gpt_neox.json", SPECIALS_AS_TOKENS},
    {"llama3_1", "tokenizer_json/llama3_1.json", SPECIALS_AS_TOKENS},
    {"qwen3", "tokenizer_json/qwen3.json", SPECIALS_AS_TOKENS},
    {"llama2", "tokenizer_json/llama2.json", SPECIALS_AS_TOKENS},
    {"bert_base_cased", "tokenizer_json/bert_base_cased.json", SPECIALS_AS_TOKENS},
    {"bert_base_uncased", "tokenizer_json/bert_base_uncased.json", SPECIALS_AS_TOKENS},
    {"xlnet_base_cased", "tokenizer_json/xlnet_base_cased.json", SPECIALS_AS_TOKENS},
    {"spm_llama2", "sentencepiece/llama2.model", SPECIALS_AS_TEXT},
    {"spm_mistral01", "sentencepiece/mistral01.model", SPECIALS_AS_TEXT},
    {"spm_spm_test_en_bpe_or_uni", "sentencepiece/spm_test_en_bpe_or_uni.model",
     SPECIALS_AS_TEXT},
    {"spm_spm_test_ja", "sentencepiece/spm_test_ja.model", SPECIALS_AS_TEXT},
    {"spm_xlnet_base_cased", "sentencepiece/xlnet_base_cased.model", SPECIALS_AS_TEXT},
    /* other files of the same tokenizers */
    {"bert_base_cased", "wordpiece/bert_base_cased.vocab.txt", SPECIALS_AS_TOKENS},
    {"bert_base_uncased", "wordpiece/bert_base_uncased.vocab.txt", SPECIALS_AS_TOKENS},
};
enum { GOLDENS = sizeof goldens / sizeof *goldens };

struct fixture {
    const struct golden *golden;
    struct arena *run, *scratch;
    struct tokenizer *tokenizer;
};

static bool is_there(const char *folder, const char *name, const char *end)
{
    char relative[256], path[512];
    (void)snprintf(relative, sizeof relative, "%s/%s%s", folder, name, end);
    FILE *file = fopen(shared_path(path, relative), "rb");
    if (file)
        (void)fclose(file);
    return file != NULL;
}

static void open_fixture(struct fixture *fixture, const struct golden *golden)
{
    char relative[256], path[512];
    struct error error = {0};
    struct bytes image = {0};
    const struct tokenizer_spec *spec;
    struct arena *work = arena_create(1 << 20, 0);
    *fixture = (struct fixture){.golden = golden,
                                .run = arena_create(1 << 20, 0),
                                .scratch = arena_create(1 << 20, 0)};
    (void)snprintf(relative, sizeof relative, "vocab/%s", golden->vocabulary);
    enum error_code code =
        tokenizer_read(shared_path(path, relative), NULL, work, &spec, &error);
    if (code == OK)
        code = tokenizer_build(spec, work, &image, &error);
    if (code != OK)
        fail_msg("%s: %s", golden->vocabulary, error.text);
    void *mapped = arena_alloc_raw(fixture->run, image.size, 1, 64);
    memcpy(mapped, image.data, image.size);
    code = tokenizer_open(mapped, image.size, fixture->run, &fixture->tokenizer, &error);
    if (code != OK)
        fail_msg("%s: %s", golden->vocabulary, error.text);
    bytes_clear(&image);
    arena_destroy(work);
}

static void close_fixture(struct fixture *fixture)
{
    arena_destroy(fixture->run);
    arena_destroy(fixture->scratch);
}

static struct encoding encode(struct fixture *fixture, const unsigned char *text,
                              size_t size, bool with_offsets)
{
    const struct encode_options options = {.specials = fixture->golden->specials,
                                           .with_offsets = with_offsets};
    struct encoding encoding;
    struct error error = {0};
    arena_reset(fixture->scratch);
    enum error_code code = tokenizer_encode(fixture->tokenizer, text, size, &options,
                                            fixture->scratch, &encoding, &error);
    if (code != OK)
        fail_msg("%s: %s", fixture->golden->name, error.text);
    return encoding;
}

static void check_offsets(const struct fixture *fixture, const struct encoding *encoding,
                          size_t size)
{
    uint32_t latest = 0;
    for (size_t i = 0; i < encoding->count; i++) {
        uint32_t begin = encoding->offsets[2 * i], end = encoding->offsets[2 * i + 1];
        if (begin > end || end > size || begin < latest)
            fail_msg("%s: token %zu has offsets %u, %u after %u in %zu bytes",
                     fixture->golden->name, i, begin, end, latest, size);
        latest = begin;
    }
}

static void check_document(struct fixture *fixture,
                           const struct golden_document *document, const char *golden,
                           bool with_offsets)
{
    struct encoding encoding =
        encode(fixture, document->text, document->size, with_offsets);
    char hash[65], line[96];
    sha256_hex(encoding.ids, encoding.count * sizeof *encoding.ids, hash);
    (void)snprintf(line, sizeof line, "%zu\t%s", encoding.count, hash);
    const char *wanted = strchr(golden, '\t') + 1;
    if (memcmp(wanted, line, strlen(line)) != 0)
        fail_msg("%s: document %.16s has %.20s..., not %.20s...", fixture->golden->name,
                 golden, line, wanted);
    if (with_offsets)
        check_offsets(fixture, &encoding, document->size);
}

static void check_documents(struct fixture *fixture,
                            const struct golden_document *documents)
{
    char path[512], name[128];
    (void)snprintf(name, sizeof name, "text_goldens/%s.tsv", fixture->golden->name);
    struct bytes lines = load_file(shared_path(path, name));
    bytes_put_u8(&lines, 0);
    const char *line = strchr((const char *)lines.data, '\n') + 1;
    for (size_t i = 0; i < GOLDEN_DOCUMENTS; i++) {
        check_document(fixture, documents + i, line, false);
        if (i % 8 == 0)
            check_document(fixture, documents + i, line, true);
        line = strchr(line, '\n') + 1;
    }
    bytes_clear(&lines);
}

/* nasty.json: [{"text": "...", "ids": {"r50k_base": [...], ...}}, ...] */
static void check_nasty_ids(struct fixture *fixture, const unsigned char *text,
                            size_t size, const char *ids_at, int number,
                            bool with_offsets)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":[", fixture->golden->name);
    const char *at = strstr(ids_at, key);
    assert_non_null(at);
    at += strlen(key);
    struct encoding encoding = encode(fixture, text, size, with_offsets);
    for (size_t i = 0; i < encoding.count; i++) {
        char *end;
        unsigned long id = strtoul(at, &end, 10);
        if (*at == ']' || id != encoding.ids[i])
            fail_msg("%s: nasty text %d: token %zu is %u, not %.8s",
                     fixture->golden->name, number, i, encoding.ids[i], at);
        at = *end == ',' ? end + 1 : end;
    }
    if (*at != ']')
        fail_msg("%s: nasty text %d has too few tokens", fixture->golden->name, number);
    if (with_offsets)
        check_offsets(fixture, &encoding, size);
}

static void check_nasty(struct fixture *fixture, const struct bytes *nasty)
{
    unsigned char *text = malloc(nasty->size);
    assert_non_null(text);
    int cases = 0;
    const char *at = (const char *)nasty->data;
    while ((at = strstr(at, "{\"text\":\"")) != NULL) {
        size_t size;
        at = json_string(at + 8, text, &size);
        check_nasty_ids(fixture, text, size, at, cases, false);
        check_nasty_ids(fixture, text, size, at, cases, true);
        cases++;
    }
    assert_int_equal(cases, 25);
    free(text);
}

static void check_golden(const struct golden *golden)
{
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    struct arena *arena = arena_create(1 << 20, 0);
    char path[512];
    if (!is_there("vocab", golden->vocabulary, "") ||
        !is_there("text_goldens", golden->name, ".tsv") ||
        !golden_documents(arena, documents)) {
        arena_destroy(arena);
        print_message("skipped: no shared data for %s\n", golden->name);
        skip();
    }
    struct fixture fixture;
    struct bytes nasty = load_file(shared_path(path, "text_goldens/nasty.json"));
    bytes_put_u8(&nasty, 0);
    open_fixture(&fixture, golden);
    check_nasty(&fixture, &nasty);
    check_documents(&fixture, documents);
    close_fixture(&fixture);
    bytes_clear(&nasty);
    arena_destroy(arena);
}

static void agrees_with_every_golden(void **state)
{
    check_golden(*state);
}

int main(void)
{
    struct CMUnitTest tests[GOLDENS];
    for (size_t i = 0; i < GOLDENS; i++) {
        struct golden *golden = malloc(sizeof *golden);
        assert_non_null(golden);
        *golden = goldens[i];
        tests[i] = (struct CMUnitTest){.name = goldens[i].vocabulary,
                                       .test_func = agrees_with_every_golden,
                                       .initial_state = golden};
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < GOLDENS; i++)
        free(tests[i].initial_state);
    return failed;
}
