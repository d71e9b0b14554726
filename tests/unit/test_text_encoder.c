/* test_text_encoder.c - text to ids: against the reference's checksums, and by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stages/kernels/merge.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"
#include "tests/small_vocabulary.h"
#include "tests/text_goldens.h"

struct coder {
    struct arena *run, *scratch;
    struct bytes image;
    struct vocabulary vocabulary;
    struct text_encoder encoder;
};

static void coder_open(struct coder *coder, const struct bytes *file,
                       enum split_pattern pattern)
{
    struct error error = {0};
    struct token_list list;
    struct arena *work = arena_create(1 << 20, 0);
    *coder = (struct coder){.run = arena_create(1 << 20, 0),
                            .scratch = arena_create(1 << 16, 0)};
    assert_int_equal(tiktoken_parse(file->data, file->size, work, &list, &error), OK);
    assert_int_equal(vocabulary_build(&list, work, &coder->image, &error), OK);
    arena_destroy(work);
    assert_int_equal(
        vocabulary_open(coder->image.data, coder->image.size, &coder->vocabulary, &error),
        OK);
    assert_int_equal(text_encoder_init(&coder->encoder, &coder->vocabulary, pattern,
                                       coder->run, &error),
                     OK);
}

static void coder_close(struct coder *coder)
{
    bytes_clear(&coder->image);
    arena_destroy(coder->run);
    arena_destroy(coder->scratch);
}

/* Exactly the bytes of the text in memory of their own, so that a read past shows. */
static size_t encode(struct coder *coder, const void *text, size_t size, uint32_t **ids)
{
    struct error error = {0};
    size_t count = 0;
    unsigned char *copy = malloc(size ? size : 1);
    *ids = malloc((size + TEXT_ENCODER_SLACK) * sizeof **ids);
    assert_non_null(copy);
    assert_non_null(*ids);
    memcpy(copy, text, size);
    assert_int_equal(text_encoder_run(&coder->encoder, copy, size, coder->scratch, *ids,
                                      &count, &error),
                     OK);
    arena_reset(coder->scratch);
    free(copy);
    return count;
}

static void check_document(struct coder *coder, const struct golden_document *document,
                           const char *golden)
{
    uint32_t *ids;
    size_t count = encode(coder, document->text, document->size, &ids);
    char hash[65], line[96];
    sha256_hex(ids, count * sizeof *ids, hash);
    free(ids);
    (void)snprintf(line, sizeof line, "%zu\t%s", count, hash);
    const char *wanted = strchr(golden, '\t') + 1;
    assert_memory_equal(wanted, line, strlen(line));
}

static void check_goldens(const char *name, enum split_pattern pattern)
{
    char path[512], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "vocab/tiktoken/%s.tiktoken", name);
    struct bytes file = load_file(shared_path(path, file_name));
    (void)snprintf(file_name, sizeof file_name, "text_goldens/%s.tsv", name);
    struct bytes goldens = load_file(shared_path(path, file_name));
    struct arena *arena = arena_create(1 << 20, 0);
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    if (file.size == 0 || goldens.size == 0 || !golden_documents(arena, documents)) {
        print_message("skipped: no shared data for %s\n", name);
        bytes_clear(&file);
        bytes_clear(&goldens);
        arena_destroy(arena);
        skip();
    }
    struct coder coder;
    coder_open(&coder, &file, pattern);
    bytes_put_u8(&goldens, 0);
    const char *line = strchr((const char *)goldens.data, '\n') + 1;
    for (size_t i = 0; i < GOLDEN_DOCUMENTS; i++) {
        check_document(&coder, documents + i, line);
        line = strchr(line, '\n') + 1;
    }
    coder_close(&coder);
    bytes_clear(&file);
    bytes_clear(&goldens);
    arena_destroy(arena);
}

static void r50k_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("r50k_base", SPLIT_R50K);
}

static void p50k_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("p50k_base", SPLIT_P50K);
}

static void cl100k_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("cl100k_base", SPLIT_CL100K);
}

static void o200k_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("o200k_base", SPLIT_O200K);
}

/* ---- nasty.json: [{"text": "...", "ids": {"r50k_base": [...], ...}}, ...] ---- */

static void check_nasty_ids(struct coder *coder, const char *name,
                            const unsigned char *text, size_t size, const char *ids_at)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\"%s\":[", name);
    const char *at = strstr(ids_at, key);
    assert_non_null(at);
    at += strlen(key);
    uint32_t *ids;
    size_t count = encode(coder, text, size, &ids);
    for (size_t i = 0; i < count; i++) {
        char *end;
        assert_true(*at != ']');
        assert_int_equal(strtoul(at, &end, 10), ids[i]);
        at = *end == ',' ? end + 1 : end;
    }
    assert_int_equal(*at, ']');
    free(ids);
}

static void check_nasty(const char *name, enum split_pattern pattern)
{
    char path[512], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "vocab/tiktoken/%s.tiktoken", name);
    struct bytes file = load_file(shared_path(path, file_name));
    struct bytes nasty = load_file(shared_path(path, "text_goldens/nasty.json"));
    if (file.size == 0 || nasty.size == 0) {
        print_message("skipped: no shared data for %s\n", name);
        bytes_clear(&file);
        bytes_clear(&nasty);
        skip();
    }
    struct coder coder;
    coder_open(&coder, &file, pattern);
    bytes_put_u8(&nasty, 0);
    unsigned char *text = malloc(nasty.size);
    assert_non_null(text);
    int cases = 0;
    const char *at = (const char *)nasty.data;
    while ((at = strstr(at, "{\"text\":\"")) != NULL) {
        size_t size;
        at = json_string(at + 8, text, &size);
        check_nasty_ids(&coder, name, text, size, at);
        cases++;
    }
    assert_int_equal(cases, 25);
    free(text);
    coder_close(&coder);
    bytes_clear(&file);
    bytes_clear(&nasty);
}

static void every_nasty_text_agrees(void **state)
{
    (void)state;
    check_nasty("r50k_base", SPLIT_R50K);
    check_nasty("p50k_base", SPLIT_P50K);
    check_nasty("cl100k_base", SPLIT_CL100K);
    check_nasty("o200k_base", SPLIT_O200K);
}

/* ---- small vocabularies ---- */

static void coder_open_small(struct coder *coder, const char *const *tokens,
                             enum split_pattern pattern)
{
    struct bytes file = small_vocabulary(tokens);
    coder_open(coder, &file, pattern);
    bytes_clear(&file);
}

static void check_ids(struct coder *coder, const char *text, const uint32_t *wanted,
                      size_t wanted_count)
{
    for (int pass = 0; pass < 2; pass++) { /* merged, then out of the cache */
        uint32_t *ids;
        size_t count = encode(coder, text, strlen(text), &ids);
        assert_int_equal(count, wanted_count);
        assert_memory_equal(ids, wanted, count * sizeof *ids);
        free(ids);
    }
}

#define CHECK_IDS(coder, text, ...)                             \
    check_ids((coder), (text), (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void pieces_never_merge_with_each_other(void **state)
{
    (void)state;
    static const char *const tokens[] = {"ab", "b c", "a1", NULL};
    struct coder coder;
    coder_open_small(&coder, tokens, SPLIT_CL100K);
    CHECK_IDS(&coder, "ab c", 256, ' ', 'c');
    CHECK_IDS(&coder, "xa1", 'x', 'a', '1');
    coder_close(&coder);
}

static void pieces_of_every_number_of_ids_are_kept(void **state)
{
    (void)state;
    static const char *const tokens[] = {"ab", NULL};
    struct coder coder;
    coder_open_small(&coder, tokens, SPLIT_CL100K);
    CHECK_IDS(&coder, "ab", 256);
    CHECK_IDS(&coder, "abab", 256, 256);
    CHECK_IDS(&coder, "abxy", 256, 'x', 'y');
    CHECK_IDS(&coder, "xyzabz", 'x', 'y', 'z', 256, 'z');
    CHECK_IDS(&coder, "abababababababababababab", 256, 256, 256, 256, 256, 256, 256, 256,
              256, 256, 256, 256);
    coder_close(&coder);
}

static void cutting_a_piece_does_not_show(void **state)
{
    (void)state;
    /* Tokens across characters, with a part of one at either end, and neither. */
    static const char *const tokens[] = {
        "\xe4\xb8", "\u4e2d", "\xe6\x96",     "\u6587",     "\u4e2d\u6587",
        "\xe3\x81", "\u3042", "\u3044",       "\u3042\xe3", "\x82\u3044",
        "\u0435",   "\u043d", "\u0435\u043d", "\u0435\xd1", NULL};
    static const char *const letters[] = {"\u4e2d", "\u6587", "\u3042", "\u3044",
                                          "\u0435", "\u043d", "\u0441", "a",
                                          " ",      "\xff"};
    struct coder coder;
    coder_open_small(&coder, tokens, SPLIT_O200K);
    uint64_t seed = 5;
    for (int round = 0; round < 2000; round++) {
        unsigned char text[128];
        size_t size = 0;
        for (int i = 0; i < 24; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const char *letter = letters[(seed >> 33) % 10];
            memcpy(text + size, letter, strlen(letter));
            size += strlen(letter);
        }
        uint32_t *ids;
        size_t count = encode(&coder, text, size, &ids);
        size_t at = 0, begin = 0, end, done = 0;
        while (split_pieces(SPLIT_O200K, text, size, &at, &end, 1) == 1) {
            uint32_t wanted[128];
            size_t written;
            assert_int_equal(merge_heap(&coder.vocabulary, text + begin, end - begin,
                                        coder.scratch, wanted, &written, NULL),
                             OK);
            assert_true(written <= count - done);
            assert_memory_equal(ids + done, wanted, written * sizeof *ids);
            done += written;
            begin = end;
        }
        assert_int_equal(done, count);
        arena_reset(coder.scratch);
        free(ids);
    }
    coder_close(&coder);
}

static void pieces_are_cut_where_no_token_reaches_across(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "\xe4\xb8", "\u4e2d", "\xe6\x96",   "\u6587",     "\u4e2d\u6587",
        "\xe3\x81", "\u3042", "\u3042\xe3", "\x82\u4e2d", NULL};
    struct coder coder;
    coder_open_small(&coder, tokens, SPLIT_O200K);
    const struct vocabulary *vocabulary = &coder.vocabulary;
    static const struct {
        const char *piece;
        size_t cut;
    } cases[] = {
        {"\u6587\u4e2d", 3},       /* the other way round */
        {"\u4e2d\u6587\u4e2d", 6}, /* a token's inside */
        {"\u3042\u3044", 6},       /* a token ends inside the second character */
        {"\u3042\u3042", 6},
        {"\u3082\u4e2d", 6}, /* a token begins inside the first */
        {"\xff\xff\xff", 3}, /* nothing is cut at bad bytes */
        {"\u6587", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].piece);
        size_t cut =
            vocabulary_cut(vocabulary, (const unsigned char *)cases[i].piece, size);
        assert_int_equal(cut, cases[i].cut);
    }
    coder_close(&coder);
}

static void a_part_is_not_taken_for_a_hidden_token(void **state)
{
    (void)state;
    /* abcd and the two letters are never made of their bytes: as pieces they are tokens, as
     * parts they are not. */
    static const char *const unreachable[] = {
        "bc", "ab", "abcd", "\u4e2d", "\x87\xe4\xb8", "\u6587\u4e2d", NULL};
    struct coder coder;
    coder_open_small(&coder, unreachable, SPLIT_O200K);
    const struct vocabulary *vocabulary = &coder.vocabulary;
    assert_true(vocabulary_is_hidden(vocabulary, (const unsigned char *)"abcd", 4));
    assert_false(vocabulary_is_hidden(vocabulary, (const unsigned char *)"ab", 2));
    assert_false(vocabulary_is_hidden(vocabulary, (const unsigned char *)"a", 1));
    for (int round = 0; round < 2; round++) {
        CHECK_IDS(&coder, "abcd", 258);
        CHECK_IDS(&coder, "abcd\u4e2d", 'a', 256, 'd', 0xe4, 0xb8, 0xad);
        CHECK_IDS(&coder, "\u3042\u3042\u3042\u3042\u3042abcd", 0xe3, 0x81, 0x82, 0xe3,
                  0x81, 0x82, 0xe3, 0x81, 0x82, 0xe3, 0x81, 0x82, 0xe3, 0x81, 0x82, 'a',
                  256, 'd');
        CHECK_IDS(&coder, "abcd\u3042abcd", 'a', 256, 'd', 0xe3, 0x81, 0x82, 'a', 256,
                  'd');
        CHECK_IDS(&coder, "\u4e2d", 259);
        CHECK_IDS(&coder, "\u3042\u4e2d", 0xe3, 0x81, 0x82, 0xe4, 0xb8, 0xad);
    }
    coder_close(&coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_never_merge_with_each_other),
        cmocka_unit_test(pieces_of_every_number_of_ids_are_kept),
        cmocka_unit_test(cutting_a_piece_does_not_show),
        cmocka_unit_test(pieces_are_cut_where_no_token_reaches_across),
        cmocka_unit_test(a_part_is_not_taken_for_a_hidden_token),
        cmocka_unit_test(every_nasty_text_agrees),
        cmocka_unit_test(r50k_agrees_with_every_golden),
        cmocka_unit_test(p50k_agrees_with_every_golden),
        cmocka_unit_test(cl100k_agrees_with_every_golden),
        cmocka_unit_test(o200k_agrees_with_every_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
