/* test_bert_encoder.c - BERT's normalizer, splitter and WordPiece in one pass: the goldens,
 * and the same as one step after the other */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/bert_encoder.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/unicode8_tables.h"
#include "tests/bert_vocabulary.h"
#include "tests/text_goldens.h"

struct coder { /* the fused encoder, and the parts that it is made of */
    struct arena *run, *scratch;
    struct bytes fused_image, normalizer_image, model_image;
    struct bert_encoder *fused;
    struct normalizer *normalizer;
    void *model;
    struct error error;
};

static void coder_open(struct coder *coder, const unsigned char *lines, size_t size,
                       bool is_lowercase)
{
    *coder = (struct coder){.run = arena_create(1 << 20, 0),
                            .scratch = arena_create(1 << 16, 0)};
    struct error *error = &coder->error;
    struct tokenizer_spec *spec =
        bert_specification(lines, size, is_lowercase, coder->run);
    assert_non_null(spec);
    assert_true(bert_encoder_fits(spec));
    assert_int_equal(bert_encoder_build(spec, coder->run, &coder->fused_image, error),
                     OK);
    assert_int_equal(bert_encoder_open(coder->fused_image.data, coder->fused_image.size,
                                       coder->run, &coder->fused, error),
                     OK);
    assert_int_equal(normalizer_build(spec->normalizers, 1, coder->run,
                                      &coder->normalizer_image, error),
                     OK);
    assert_int_equal(normalizer_open(coder->normalizer_image.data,
                                     coder->normalizer_image.size, coder->run,
                                     &coder->normalizer, error),
                     OK);
    assert_int_equal(model_wordpiece.build(spec, coder->run, &coder->model_image, error),
                     OK);
    coder->model = arena_alloc(coder->run, 1, model_wordpiece.state_size, 64);
    assert_int_equal(model_wordpiece.open(coder->model, coder->model_image.data,
                                          coder->model_image.size, coder->run, error),
                     OK);
}

static void coder_close(struct coder *coder)
{
    bytes_clear(&coder->fused_image);
    bytes_clear(&coder->normalizer_image);
    bytes_clear(&coder->model_image);
    arena_destroy(coder->run);
    arena_destroy(coder->scratch);
}

/* Exactly the bytes of the text in memory of their own, so that a read past shows. */
static unsigned char *exact_copy(const unsigned char *text, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    return copy;
}

static size_t encode_fused(struct coder *coder, const unsigned char *text, size_t size,
                           uint32_t *ids)
{
    size_t count = 0;
    unsigned char *copy = exact_copy(text, size);
    assert_int_equal(bert_encoder_run(coder->fused, copy, size, coder->scratch, ids,
                                      &count, &coder->error),
                     OK);
    arena_reset(coder->scratch);
    free(copy);
    return count;
}

static size_t encode_word(struct coder *coder, const unsigned char *word, size_t size,
                          uint32_t *ids)
{
    size_t count = 0;
    if (size == 0)
        return 0;
    unsigned char *copy = exact_copy(word, size);
    assert_int_equal(model_wordpiece.encode(coder->model, copy, size, coder->scratch, ids,
                                            NULL, &count, &coder->error),
                     OK);
    free(copy);
    return count;
}

/* Normalizer, words by the definition, model; ids have room. */
static size_t encode_stepwise(struct coder *coder, const unsigned char *text, size_t size,
                              uint32_t *ids)
{
    struct normalized normal;
    size_t count = 0, begin = 0, length;
    assert_int_equal(normalizer_run(coder->normalizer, text, size, true, false,
                                    coder->scratch, &normal, &coder->error),
                     OK);
    for (size_t at = 0; at < normal.size; at += length) {
        uint32_t code = 'a'; /* a byte that is not UTF-8 is like a letter */
        length = unicode_decode(normal.text + at, normal.size - at, &code);
        length = length ? length : 1;
        unsigned classes = text_class_of(code);
        if (!(classes & (TEXT_SPACE | TEXT_PUNCTUATION)))
            continue;
        count += encode_word(coder, normal.text + begin, at - begin, ids + count);
        if (classes & TEXT_PUNCTUATION)
            count += encode_word(coder, normal.text + at, length, ids + count);
        begin = at + length;
    }
    count += encode_word(coder, normal.text + begin, normal.size - begin, ids + count);
    arena_reset(coder->scratch);
    return count;
}

/* Both ways, and the fused one once more out of its cache. Returns the count. */
static size_t encode_both(struct coder *coder, const unsigned char *text, size_t size,
                          uint32_t **ids)
{
    size_t room = (size + BERT_ENCODER_SLACK) * sizeof **ids;
    *ids = malloc(room);
    uint32_t *others = malloc(4 * room);
    assert_non_null(*ids);
    assert_non_null(others);
    size_t count = encode_fused(coder, text, size, *ids);
    for (int round = 0; round < 2; round++) {
        size_t again = round ? encode_fused(coder, text, size, others)
                             : encode_stepwise(coder, text, size, others);
        assert_int_equal(again, count);
        assert_memory_equal(others, *ids, count * sizeof *others);
    }
    free(others);
    return count;
}

/* ---- goldens; the five special tokens are cut out of the text, as Hugging Face does ---- */

struct special {
    const char *text;
    uint32_t id;
};
static const struct special specials[] = {
    {"[PAD]", 0}, {"[UNK]", 100}, {"[CLS]", 101}, {"[SEP]", 102}, {"[MASK]", 103}};

static const struct special *special_at(const unsigned char *text, size_t size)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        size_t length = strlen(specials[i].text);
        if (size >= length && memcmp(text, specials[i].text, length) == 0)
            return specials + i;
    }
    return NULL;
}

static size_t encode_with_specials(struct coder *coder, const unsigned char *text,
                                   size_t size, struct bytes *ids)
{
    size_t begin = 0;
    for (size_t at = 0; at <= size; at++) {
        const struct special *special = special_at(text + at, size - at);
        if (!special && at < size)
            continue;
        uint32_t *part;
        size_t count = encode_both(coder, text + begin, at - begin, &part);
        bytes_put(ids, part, count * sizeof *part);
        free(part);
        if (special) {
            bytes_put_u32(ids, special->id);
            begin = at + strlen(special->text);
            at = begin - 1;
        }
    }
    return ids->size / sizeof(uint32_t);
}

static void check_document(struct coder *coder, const struct golden_document *document,
                           const char *golden)
{
    struct bytes ids = {0};
    size_t count = encode_with_specials(coder, document->text, document->size, &ids);
    char hash[65], line[96];
    static const unsigned char nothing[1];
    sha256_hex(ids.data ? ids.data : nothing, ids.size, hash);
    (void)snprintf(line, sizeof line, "%zu\t%s", count, hash);
    const char *wanted = strchr(golden, '\t') + 1;
    assert_memory_equal(wanted, line, strlen(line));
    bytes_clear(&ids);
}

/* The list of ids of `name` behind `at`, which stands in front of the ids of a text. */
static void check_nasty(struct coder *coder, const char *name, const unsigned char *text,
                        size_t size, const char *at)
{
    char label[64];
    struct bytes ids = {0};
    size_t count = encode_with_specials(coder, text, size, &ids), i = 0;
    (void)snprintf(label, sizeof label, "\"%s\":[", name);
    at = strstr(at, label);
    assert_non_null(at);
    for (at += strlen(label); *at != ']'; i++) {
        char *end;
        unsigned long id = strtoul(at, &end, 10);
        assert_true(i < count);
        assert_int_equal(load_u32(ids.data + 4 * i), id);
        at = *end == ',' ? end + 1 : end;
    }
    assert_int_equal(i, count);
    bytes_clear(&ids);
}

static void check_all_nasty(struct coder *coder, const char *name)
{
    char path[512];
    struct bytes nasty = load_file(shared_path(path, "text_goldens/nasty.json"));
    bytes_put_u8(&nasty, 0);
    unsigned char *text = malloc(nasty.size);
    assert_non_null(text);
    const char *at = (const char *)nasty.data;
    size_t size, count = 0;
    while ((at = strstr(at, "{\"text\":")) != NULL) {
        at = json_string(at + strlen("{\"text\":"), text, &size);
        check_nasty(coder, name, text, size, at);
        count++;
    }
    assert_int_equal(count, 25);
    free(text);
    bytes_clear(&nasty);
}

static void check_goldens(const char *name, bool is_lowercase)
{
    char path[512], file_name[64];
    (void)snprintf(file_name, sizeof file_name, "vocab/wordpiece/%s.vocab.txt", name);
    struct bytes lines = load_file(shared_path(path, file_name));
    (void)snprintf(file_name, sizeof file_name, "text_goldens/%s.tsv", name);
    struct bytes goldens = load_file(shared_path(path, file_name));
    struct arena *arena = arena_create(1 << 20, 0);
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    if (lines.size == 0 || goldens.size == 0 || !golden_documents(arena, documents)) {
        print_message("skipped: no shared data for %s\n", name);
        bytes_clear(&lines);
        bytes_clear(&goldens);
        arena_destroy(arena);
        skip();
    }
    struct coder coder;
    coder_open(&coder, lines.data, lines.size, is_lowercase);
    bytes_put_u8(&goldens, 0);
    const char *line = strchr((const char *)goldens.data, '\n') + 1;
    for (size_t i = 0; i < GOLDEN_DOCUMENTS; i++) {
        check_document(&coder, documents + i, line);
        line = strchr(line, '\n') + 1;
    }
    check_all_nasty(&coder, name);
    coder_close(&coder);
    bytes_clear(&lines);
    bytes_clear(&goldens);
    arena_destroy(arena);
}

static void bert_base_uncased_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("bert_base_uncased", true);
}

static void bert_base_cased_agrees_with_every_golden(void **state)
{
    (void)state;
    check_goldens("bert_base_cased", false);
}

/* ---- small vocabularies ---- */

static const char small[] = "[UNK]\nun\n##aff\n##able\naffable\n,\n.\n##a\na\n\xc3\xa9\n"
                            "##\xc3\xa9\n\xe4\xb8\xad\n\xe6\x96\x87\ne\n##e\n##f\n"
                            "\xe2\x80\x94\nabcdefghijklmnopqrst\n##s\n";

static void check_ids(struct coder *coder, const char *text, const uint32_t *wanted,
                      size_t count)
{
    uint32_t *ids;
    assert_int_equal(encode_both(coder, (const unsigned char *)text, strlen(text), &ids),
                     count);
    assert_memory_equal(ids, wanted, count * sizeof *ids);
    free(ids);
}

#define CHECK(coder, text, ...)                                 \
    check_ids((coder), (text), (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void the_longest_token_goes_first(void **state)
{
    (void)state;
    struct coder coder;
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, true);
    CHECK(&coder, "unaffable", 1, 2, 3);
    CHECK(&coder, "affable", 4);
    CHECK(&coder, "UNaffable,Un.", 1, 2, 3, 5, 1, 6);
    CHECK(&coder, "aaf", 8, 7, 15);
    CHECK(&coder, "aaff", 8, 2); /* longer than ##a */
    coder_close(&coder);
}

static void a_word_with_a_part_that_no_token_matches_is_unknown(void **state)
{
    (void)state;
    struct coder coder;
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, true);
    CHECK(&coder, "unaffablex un", 0, 1);
    CHECK(&coder, "x", 0);
    CHECK(&coder, "a\xff", 0); /* not UTF-8 */
    CHECK(&coder, "\xff a \xc3", 0, 8, 0);
    CHECK(&coder, "un\xe2\x80\x7f\x94un", 1, 16, 1); /* cleaning makes a dash of it */
    CHECK(&coder, "\xe2\x80\x94un\xe2\x80\x94", 16, 1, 16);
    coder_close(&coder);
}

static void case_and_accents_go_where_that_is_asked_for(void **state)
{
    (void)state;
    struct coder coder;
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, true);
    CHECK(&coder, "\xc3\x89\xc3\xa9", 13, 14);        /* becomes "ee" */
    CHECK(&coder, "e\xcc\x81\xcc\xa3\t\r\na", 13, 8); /* marks are dropped */
    CHECK(&coder, "a\xe4\xb8\xad\xe6\x96\x87\0", 8, 11, 12);
    coder_close(&coder);
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, false);
    CHECK(&coder, "\xc3\xa9\xc3\xa9 Un un", 9, 10, 0, 1);
    CHECK(&coder, "u\xe2\x80\x8bn\x7f \xef\xbf\xbd", 1); /* what cleaning takes out */
    coder_close(&coder);
}

static void a_word_of_more_than_a_hundred_characters_is_unknown(void **state)
{
    (void)state;
    struct coder coder;
    char text[256];
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, false);
    memset(text, 'a', sizeof text);
    text[100] = 0;
    uint32_t wanted[100] = {8};
    for (size_t i = 1; i < 100; i++)
        wanted[i] = 7;
    check_ids(&coder, text, wanted, 100);
    text[100] = 'a';
    text[101] = 0;
    CHECK(&coder, text, 0);
    for (size_t i = 0; i < 200; i += 2) /* characters count, not bytes */
        memcpy(text + i, "\xc3\xa9", 2);
    text[200] = 0;
    wanted[0] = 9;
    for (size_t i = 1; i < 100; i++)
        wanted[i] = 10;
    check_ids(&coder, text, wanted, 100);
    coder_close(&coder);
}

/* Pieces of text that meet where blocks of 64 bytes do, and marks out of order. */
static const char *const parts[] = {"a",
                                    "un",
                                    "aff",
                                    "able",
                                    " ",
                                    "  ",
                                    ",",
                                    ".",
                                    "\t",
                                    "\n",
                                    "UN",
                                    "Z",
                                    "[",
                                    "\x7f",
                                    "\xc3\xa9",
                                    "\xc3\x89",
                                    "e\xcc\x81",
                                    "\xcc\xa3",
                                    "\xe4\xb8\xad",
                                    "\xe2\x80\x94",
                                    "\xe3\x80\x80",
                                    "\xc2\xa0",
                                    "\xe2\x80\x8b",
                                    "\xff",
                                    "\xe4\xb8",
                                    "\xe2\x80",
                                    "\x94",
                                    "\xc2",
                                    "\xed\x95\x9c",
                                    "\xf0\x9d\x85\x9e",
                                    "\xf0\x9d\x85\xae",
                                    "\xf0\x9d\x85\xad",
                                    "\xe0\xa3\xa3",
                                    "\xf0\x9f\x98\x80",
                                    "\xc4\xb0",
                                    "\xef\xa4\x80",
                                    "\xcd\xbe",
                                    "\xe2\x89\xa0",
                                    "abcdefghijklmnopqrst",
                                    "abcdefghijklmnopqrsts",
                                    "\0"};

static void one_pass_gives_what_the_steps_give(void **state)
{
    (void)state;
    struct coder coders[2];
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 2; i++)
        coder_open(coders + i, (const unsigned char *)small, sizeof small - 1, i);
    for (int round = 0; round < 6000; round++) {
        unsigned char text[512];
        size_t size = 0, limit = (size_t)(round % 480);
        unsigned range = round % 3 == 0 ? 12 : sizeof parts / sizeof *parts;
        while (size < limit) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            const char *part = parts[(seed >> 20) % range];
            size_t length = *part ? strlen(part) : 1;
            memcpy(text + size, part, length);
            size += length;
        }
        uint32_t *ids;
        (void)encode_both(coders + round % 2, text, size, &ids);
        free(ids);
    }
    coder_close(coders);
    coder_close(coders + 1);
}

static void a_model_without_an_unknown_token_is_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes image = {0};
    struct error error = {0};
    struct tokenizer_spec *spec =
        bert_specification((const unsigned char *)"a\nb\n", 4, true, arena);
    assert_int_equal(model_wordpiece.build(spec, arena, &image, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "unknown token"));
    bytes_clear(&image);
    arena_destroy(arena);
}

static void spans_tell_what_each_token_stands_for(void **state)
{
    (void)state;
    struct coder coder;
    uint32_t ids[16];
    struct token_span spans[16];
    size_t count;
    coder_open(&coder, (const unsigned char *)small, sizeof small - 1, true);
    assert_int_equal(
        model_wordpiece.encode(coder.model, (const unsigned char *)"unaffable", 9,
                               coder.scratch, ids, spans, &count, &coder.error),
        OK);
    assert_int_equal(count, 3);
    assert_int_equal(spans[0].begin, 0);
    assert_int_equal(spans[1].begin, 2);
    assert_int_equal(spans[2].begin, 5);
    assert_int_equal(spans[2].end, 9);
    coder_close(&coder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_token_goes_first),
        cmocka_unit_test(a_word_with_a_part_that_no_token_matches_is_unknown),
        cmocka_unit_test(case_and_accents_go_where_that_is_asked_for),
        cmocka_unit_test(a_word_of_more_than_a_hundred_characters_is_unknown),
        cmocka_unit_test(one_pass_gives_what_the_steps_give),
        cmocka_unit_test(a_model_without_an_unknown_token_is_refused),
        cmocka_unit_test(spans_tell_what_each_token_stands_for),
        cmocka_unit_test(bert_base_uncased_agrees_with_every_golden),
        cmocka_unit_test(bert_base_cased_agrees_with_every_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
