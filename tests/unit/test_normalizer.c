/* test_normalizer.c - normalizers against Hugging Face's and SentencePiece's output */
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
#include "stages/kernels/normalizer.h"
#include "tests/normalizer_table.h"
#include "tests/text_goldens.h"

struct bench {
    struct arena *run, *scratch;
    struct bytes image;
    struct normalizer *normalizer;
    struct error error;
};

static struct byte_range range_of(const char *text)
{
    return (struct byte_range){(const unsigned char *)text, strlen(text)};
}

static void bench_open(struct bench *bench, const struct normalizer_spec *specs,
                       size_t count)
{
    *bench = (struct bench){.run = arena_create(1 << 20, 0),
                            .scratch = arena_create(1 << 16, 0)};
    assert_int_equal(
        normalizer_build(specs, count, bench->run, &bench->image, &bench->error), OK);
    assert_int_equal(normalizer_open(bench->image.data, bench->image.size, bench->run,
                                     &bench->normalizer, &bench->error),
                     OK);
}

static void bench_close(struct bench *bench)
{
    bytes_clear(&bench->image);
    arena_destroy(bench->run);
    arena_destroy(bench->scratch);
}

static struct normalized run(struct bench *bench, const void *text, size_t size,
                             bool with_origins)
{
    struct normalized result;
    assert_int_equal(normalizer_run(bench->normalizer, text, size, true, with_origins,
                                    bench->scratch, &result, &bench->error),
                     OK);
    return result;
}

/* The text, in memory of its own, becomes `wanted`, and with origins that do not fall and
 * stay within it. */
static void check(struct bench *bench, const void *text, size_t size, const void *wanted,
                  size_t wanted_size)
{
    unsigned char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, text, size);
    for (int with_origins = 0; with_origins < 2; with_origins++) {
        struct normalized result = run(bench, copy, size, with_origins);
        assert_int_equal(result.size, wanted_size);
        assert_memory_equal(result.text, wanted, wanted_size);
        for (size_t i = 0; result.origins && i < result.size; i++)
            assert_true(result.origins[i] <= result.origins[i + 1]);
        if (result.origins)
            assert_true(result.origins[result.size] <= size);
    }
    arena_reset(bench->scratch);
    free(copy);
}

static void check_text(struct bench *bench, const char *text, const char *wanted)
{
    check(bench, text, strlen(text), wanted, strlen(wanted));
}

/* ---- Hugging Face ---- */

static struct normalizer_spec spec_of(const struct normalizer_vector *vector)
{
    bool is_strip = vector->kind == NORMALIZER_STRIP;
    return (struct normalizer_spec){.kind = vector->kind,
                                    .pattern = range_of("ab"),
                                    .content = range_of("\xe2\x96\x81"),
                                    .is_left = is_strip && (vector->flags & 1),
                                    .is_right = is_strip && (vector->flags & 2),
                                    .clean_text = vector->flags & 1,
                                    .handle_chinese = vector->flags & 2,
                                    .strip_accents = vector->flags & 4,
                                    .lowercase = vector->flags & 8};
}

static void each_kind_makes_what_hugging_face_makes(void **state)
{
    (void)state;
    struct bench bench = {0};
    for (size_t i = 0; i < sizeof normalizer_vectors / sizeof *normalizer_vectors; i++) {
        const struct normalizer_vector *vector = normalizer_vectors + i;
        bool is_next = i == 0 || vector[-1].kind != vector->kind ||
                       vector[-1].flags != vector->flags;
        if (is_next) {
            if (i > 0)
                bench_close(&bench);
            struct normalizer_spec spec = spec_of(vector);
            bench_open(&bench, &spec, 1);
        }
        check(&bench, vector->text, vector->size, vector->wanted, vector->wanted_size);
    }
    bench_close(&bench);
}

static void open_regex(struct bench *bench, const char *pattern)
{
    struct normalizer_spec spec = {.kind = NORMALIZER_REPLACE,
                                   .pattern = range_of(pattern),
                                   .content = range_of("<>"),
                                   .is_regex = true};
    bench_open(bench, &spec, 1);
}

/* pattern, text, what Hugging Face makes of it with "<>" */
static const char *const regex_vectors[][3] = {
    {"^a", "a\na\r\na", "<>\n<>\r\n<>"},
    {"a$", "a\na\r\na\n", "<>\na\r\n<>\n"},
    {"\\Aa", "a\na", "<>\na"},
    {"a\\z", "a\na", "a\n<>"},
    {".", "a\nb\r", "<>\n<><>"},
    {"(?m).", "a\nb", "<><><>"},
    {"(?i)\xc3\x89", "\xc3\xa9\xc3\x89", "<><>"},
    {"\\h", "a g 9", "<> g <>"},
    {"\\w", "a_\xc3\xa9 9\xcc\x81\xe2\x93\x90", "<><><> <><><>"},
    {"\\d", "9\xd9\xa3\xc2\xb2", "<><>\xc2\xb2"},
    {"[[:alpha:]]", "a\xc3\xa9 1", "<><> 1"},
    {" {2,}", "a  b   c", "a<>b<>c"},
    {"a{,2}", "aaaa", "<><>"},
    {"x*", "a\xc3\xa9 b", "<>a<>\xc3\xa9<> <>b<>"},
    {"", "ab", "<>a<>b<>"},
    {"\\p{^L}", "a1", "a<>"},
    {"\\s", "\xe1\xa0\x8e\xe2\x80\x8b\xc2\x85\x0b", "\xe1\xa0\x8e\xe2\x80\x8b<><>"},
    {"[\\sx]+", "a \xe3\x80\x80x", "a<>"},
    {"\\S", "a b", "<> <>"},
};

static void regular_expressions_mean_what_they_mean_to_hugging_face(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof regex_vectors / sizeof *regex_vectors; i++) {
        struct bench bench;
        open_regex(&bench, regex_vectors[i][0]);
        check_text(&bench, regex_vectors[i][1], regex_vectors[i][2]);
        bench_close(&bench);
    }
}

static void bytes_that_are_not_utf8_are_controls_to_a_regular_expression(void **state)
{
    (void)state;
    struct bench bench;
    open_regex(&bench, "[a\\x01]");
    check_text(&bench, "ab\xff\xc3 b", "<>b<><> b");
    bench_close(&bench);
    open_regex(&bench, "\\w");
    check_text(&bench, "ab\xff\xc3 b", "<><>\xff\xc3 <>");
    bench_close(&bench);
}

static void check_refused(const char *pattern, const char *reason)
{
    struct bench bench = {.run = arena_create(1 << 16, 0)};
    struct normalizer_spec spec = {
        .kind = NORMALIZER_REPLACE, .pattern = range_of(pattern), .is_regex = true};
    assert_int_equal(normalizer_build(&spec, 1, bench.run, &bench.image, &bench.error),
                     ERROR_CONFIG);
    if (!strstr(bench.error.text, reason))
        fail_msg("\"%s\"", bench.error.text);
    bytes_clear(&bench.image);
    arena_destroy(bench.run);
}

static void an_expression_that_cannot_be_carried_out_is_refused(void **state)
{
    (void)state;
    check_refused("a(b", "without an end");
    check_refused("[a&&[ab]]", "intersection");
}

/* ---- origins and passing through ---- */

static void text_that_is_normal_is_passed_through(void **state)
{
    (void)state;
    struct normalizer_spec spec = {.kind = NORMALIZER_NFC};
    struct bench bench;
    bench_open(&bench, &spec, 1);
    const char *text = "Gr\xc3\xbc\xc3\x9f Gott, \xed\x95\x9c\xe4\xb8\xad";
    struct normalized result = run(&bench, text, strlen(text), true);
    assert_ptr_equal(result.text, text);
    assert_null(result.origins);
    bench_close(&bench);
}

static void check_origins(struct bench *bench, const char *text, const char *wanted,
                          const uint32_t *origins)
{
    struct normalized result = run(bench, text, strlen(text), true);
    assert_int_equal(result.size, strlen(wanted));
    assert_memory_equal(result.text, wanted, result.size);
    assert_non_null(result.origins);
    assert_memory_equal(result.origins, origins, (result.size + 1) * sizeof *origins);
}

static void origins_go_through_all_normalizers(void **state)
{
    (void)state;
    struct normalizer_spec specs[] = {
        {.kind = NORMALIZER_STRIP, .is_left = true, .is_right = true},
        {.kind = NORMALIZER_NFC},
        {.kind = NORMALIZER_PREPEND, .content = range_of("__")},
        {.kind = NORMALIZER_REPLACE, .pattern = range_of("x"), .content = range_of("yy")},
    };
    struct bench bench;
    bench_open(&bench, specs, 4);
    /*          0 1 2 3    4   5   6 7 */
    check_origins(&bench, "  ae\xcc\x81xb ", "__a\xc3\xa9yyb",
                  (const uint32_t[]){2, 2, 2, 3, 3, 6, 6, 7, 8});
    bench_close(&bench);
}

/* As Hugging Face counts: each character takes its share of the text in order. What is put
 * together takes what its parts took, and comes from the first of it. */
static void origins_follow_marks_that_are_sorted_and_composed(void **state)
{
    (void)state;
    struct normalizer_spec nfc = {.kind = NORMALIZER_NFC};
    struct normalizer_spec nfd = {.kind = NORMALIZER_NFD};
    struct bench bench;
    bench_open(&bench, &nfc, 1);
    /* a, ring above, dot below: the dot is sorted first and composed, then the ring stays */
    check_origins(&bench, "a\xcc\x8a\xcc\xa3x", "\xe1\xba\xa1\xcc\x8ax",
                  (const uint32_t[]){0, 0, 0, 3, 3, 5, 6});
    /* U+0344 becomes two, which take one place */
    check_origins(&bench, "-\xcd\x84x", "-\xcc\x88\xcc\x81x",
                  (const uint32_t[]){0, 1, 1, 1, 1, 3, 4});
    bench_close(&bench);
    bench_open(&bench, &nfd, 1);
    check_origins(&bench, "\xe1\xba\xa1\xcc\x8a.", "a\xcc\xa3\xcc\x8a.",
                  (const uint32_t[]){0, 0, 0, 3, 3, 5, 6});
    bench_close(&bench);
}

static void what_replaces_a_match_comes_from_its_last_character(void **state)
{
    (void)state;
    struct normalizer_spec text = {.kind = NORMALIZER_REPLACE,
                                   .pattern = range_of("``"),
                                   .content = range_of("\"q")};
    struct normalizer_spec expression = {.kind = NORMALIZER_REPLACE,
                                         .is_regex = true,
                                         .pattern = range_of("x[^y]+y?"),
                                         .content = range_of("--")};
    struct bench bench;
    bench_open(&bench, &text, 1);
    check_origins(&bench, "a``b", "a\"qb", (const uint32_t[]){0, 2, 2, 3, 4});
    bench_close(&bench);
    bench_open(&bench, &expression, 1);
    check_origins(&bench, "ax.\xc3\xa9", "a--", (const uint32_t[]){0, 3, 3, 5});
    bench_close(&bench);
}

/* The accent is dropped, and the sign that stays has been sorted before it. */
static void berts_marks_are_counted_with_those_that_are_dropped(void **state)
{
    (void)state;
    struct normalizer_spec spec = {.kind = NORMALIZER_BERT,
                                   .clean_text = true,
                                   .handle_chinese = true,
                                   .strip_accents = true,
                                   .lowercase = true};
    struct bench bench;
    bench_open(&bench, &spec, 1);
    check_origins(&bench, "a\xcc\x81\xf0\x9d\x85\xad.", "a\xf0\x9d\x85\xad.",
                  (const uint32_t[]){0, 1, 1, 1, 1, 7, 8});
    check_origins(&bench, "a\xf0\x9d\x85\xad\xcc\x81.", "a\xf0\x9d\x85\xad.",
                  (const uint32_t[]){0, 1, 1, 1, 1, 7, 8});
    bench_close(&bench);
}

static void a_space_behind_a_chinese_character_comes_from_its_end(void **state)
{
    (void)state;
    struct normalizer_spec spec = {.kind = NORMALIZER_BERT,
                                   .clean_text = true,
                                   .handle_chinese = true,
                                   .strip_accents = true,
                                   .lowercase = true};
    struct bench bench;
    bench_open(&bench, &spec, 1);
    check_origins(&bench, "A\xe4\xb8\xad\x01\xc3\x89", "a \xe4\xb8\xad e",
                  (const uint32_t[]){0, 1, 1, 1, 1, 4, 5, 7});
    bench_close(&bench);
}

static void bytes_that_are_not_utf8_pass_as_they_are(void **state)
{
    (void)state;
    static const enum normalizer_kind kinds[] = {
        NORMALIZER_NFC,       NORMALIZER_NFD,           NORMALIZER_NFKC,
        NORMALIZER_NFKD,      NORMALIZER_STRIP_ACCENTS, NORMALIZER_STRIP,
        NORMALIZER_LOWERCASE, NORMALIZER_BERT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct normalizer_spec spec = {.kind = kinds[i],
                                       .is_left = true,
                                       .is_right = true,
                                       .clean_text = true,
                                       .handle_chinese = true,
                                       .strip_accents = true,
                                       .lowercase = true};
        struct bench bench;
        bench_open(&bench, &spec, 1);
        check_text(&bench, "\xff\xc3 a\xed\xa0\x80\xf5\x80\xe4\xb8",
                   "\xff\xc3 a\xed\xa0\x80\xf5\x80\xe4\xb8");
        bench_close(&bench);
    }
}

static void long_runs_of_marks_take_linear_time(void **state)
{
    (void)state;
    enum { RUN = 1 << 18 };
    static const char *const marks[] = {"\xcc\xa3", "\xcc\x81", "\xf0\x90\xb4\xa4"};
    struct normalizer_spec specs[] = {
        {.kind = NORMALIZER_NFKC},
        {.kind = NORMALIZER_BERT, .clean_text = true, .strip_accents = true}};
    struct bytes text = {0};
    for (size_t i = 0; text.size < RUN; i++)
        bytes_put(&text, marks[i % 3], strlen(marks[i % 3]));
    struct bench bench;
    bench_open(&bench, specs, 2);
    struct normalized result = run(&bench, text.data, text.size, true);
    assert_true(result.size > RUN / 4 && result.size < RUN);
    bench_close(&bench);
    bytes_clear(&text);
}

/* ---- SentencePiece, without a map; the map has tests of its own ---- */

struct piece_rule {
    bool dummy, remove, escape, suffix;
};

static void check_rule(struct piece_rule rule, const char *symbols, size_t symbols_size,
                       const char *text, const char *wanted)
{
    struct normalizer_spec spec = {
        .kind = NORMALIZER_SENTENCEPIECE,
        .pattern = {(const unsigned char *)symbols, symbols_size},
        .add_dummy_prefix = rule.dummy,
        .remove_extra_whitespaces = rule.remove,
        .escape_whitespaces = rule.escape,
        .treat_whitespace_as_suffix = rule.suffix};
    struct bench bench;
    bench_open(&bench, &spec, 1);
    check_text(&bench, text, wanted);
    bench_close(&bench);
}

#define SPACE "\xe2\x96\x81"

static void spaces_are_handled_as_sentencepiece_does(void **state)
{
    (void)state;
    struct piece_rule usual = {true, true, true, false};
    check_rule(usual, "", 0, "  a  b ", SPACE "a" SPACE "b");
    check_rule(usual, "", 0, "   ", "");
    check_rule(usual, "", 0, "", "");
    check_rule(usual, "", 0, "a\tb", SPACE "a\tb");
    check_rule(usual, "", 0, "a\xff\xe4\xb8z",
               SPACE "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    check_rule((struct piece_rule){true, false, true, false}, "", 0, " a  b ",
               SPACE SPACE "a" SPACE SPACE "b" SPACE);
    check_rule((struct piece_rule){true, true, true, true}, "", 0, " a  b ",
               "a" SPACE "b" SPACE);
    check_rule((struct piece_rule){true, true, false, false}, "", 0, " a  b ", " a b");
    check_rule((struct piece_rule){false, false, false, false}, "", 0, " a  ", " a  ");
}

static void user_defined_symbols_pass_as_they_are(void **state)
{
    (void)state;
    static const char symbols[] = "a  b\0\xff\0a";
    check_rule((struct piece_rule){true, true, true, false}, symbols, sizeof symbols,
               "a  b\xff  c", SPACE "a" SPACE SPACE "b\xff" SPACE "c");
}

/* ---- all documents: sizes and checksums of what the references made of them ---- */

struct sum {
    const char *name, *sum;
    size_t size;
    struct normalizer_spec specs[5];
    size_t count;
};

static const struct sum sums[] = {
    {"NFC",
     "147a3cee81a830d6151f29b2569456532ed950b26a9aa2df8b3eb516408cb8e3",
     5521509,
     {{.kind = NORMALIZER_NFC}},
     1},
    {"NFD",
     "c499e3d7e65f0f29f95f79a233163f45df5c55a080d0a8d9d42d0b4f39c55dee",
     5748367,
     {{.kind = NORMALIZER_NFD}},
     1},
    {"NFKC",
     "a68653d5d2b78899d8e236b988d6ab096bc4b734a56b211e74b60e8559f02d57",
     5514418,
     {{.kind = NORMALIZER_NFKC}},
     1},
    {"NFKD",
     "a51e0a5af6c44d4db5df80dc51b6a5a1538642f0147549985684ba43d9b876a2",
     5741276,
     {{.kind = NORMALIZER_NFKD}},
     1},
    {"Lowercase",
     "2b42d5728a513a74ddfa4250b6883fcc1848deaf9df10b297713117d391e3946",
     5521507,
     {{.kind = NORMALIZER_LOWERCASE}},
     1},
    {"StripAccents",
     "6514969a726982c6fa6514582c06c756e5c3256086a648eeda1345f6edde2340",
     5374983,
     {{.kind = NORMALIZER_STRIP_ACCENTS}},
     1},
    {"Strip",
     "7eafa6d6eb7e6ecf9ae3cd35f0d9f2b1ec6c0e0c36a7fc83e19f5adf37774134",
     5521219,
     {{.kind = NORMALIZER_STRIP, .is_left = true, .is_right = true}},
     1},
    {"BERT cased",
     "d4d3077fdf5e4997726f59107cf9b12be0c5e700e286448af93b6070174c2482",
     5623712,
     {{.kind = NORMALIZER_BERT, .clean_text = true, .handle_chinese = true}},
     1},
    {"BERT uncased",
     "8c25e78d19e89ee2fafe5c6a39d9a8d0afcac45ff156e027f97fdc3376c7be11",
     5544616,
     {{.kind = NORMALIZER_BERT,
       .clean_text = true,
       .handle_chinese = true,
       .strip_accents = true,
       .lowercase = true}},
     1},
    {"Precompiled, XLNet's map",
     "71ab4c637c8c502e6605eb8a1cd2a61f92e79ec2c0d0ebaa154a4b481fa2d5c6",
     5498607,
     {{.kind = NORMALIZER_PRECOMPILED}},
     1},
    {"XLNet by Hugging Face",
     "f9690ed1c136b995b3e11b85021a09867e763e63ef11bf69c0b8f9352ed3ed1e",
     5365853,
     {{.kind = NORMALIZER_REPLACE},
      {.kind = NORMALIZER_REPLACE},
      {.kind = NORMALIZER_NFKD},
      {.kind = NORMALIZER_STRIP_ACCENTS},
      {.kind = NORMALIZER_PRECOMPILED}},
     5},
    {"XLNet by SentencePiece",
     "9aba3f6e11d2f77654408c8f58dc42605a3c14d8a5a3e933a6fad5d5d25c8293",
     6644195,
     {{.kind = NORMALIZER_SENTENCEPIECE,
       .add_dummy_prefix = true,
       .remove_extra_whitespaces = true,
       .escape_whitespaces = true}},
     1},
};

/* The field of a protocol buffer, of which only bytes are looked for; {0}: not there. */
static struct byte_range find_field(struct byte_range message, uint64_t number)
{
    struct cursor cursor = cursor_over(message.bytes, message.size);
    while (cursor_left(&cursor) > 0 && !cursor.is_bad) {
        uint64_t tag = cursor_varint(&cursor), value = 0;
        struct byte_range content = {0};
        if ((tag & 7) == 0) {
            (void)cursor_varint(&cursor);
        } else {
            value = (tag & 7) == 2 ? cursor_varint(&cursor) : (tag & 7) == 1 ? 8 : 4;
            content = (struct byte_range){cursor_take(&cursor, value), value};
        }
        if (!cursor.is_bad && tag == (number << 3 | 2))
            return content;
    }
    return (struct byte_range){0};
}

static void complete(struct normalizer_spec *spec, size_t i, struct byte_range charsmap,
                     struct byte_range symbols)
{
    if (spec->kind == NORMALIZER_REPLACE) { /* XLNet's quotation marks */
        spec->pattern = range_of(i == 0 ? "``" : "''");
        spec->content = range_of("\"");
    }
    if (spec->kind == NORMALIZER_PRECOMPILED || spec->kind == NORMALIZER_SENTENCEPIECE)
        spec->content = charsmap;
    if (spec->kind == NORMALIZER_SENTENCEPIECE)
        spec->pattern = symbols;
}

static void check_sum(const struct sum *sum, struct byte_range charsmap,
                      const struct golden_document *documents)
{
    struct normalizer_spec specs[5];
    struct bench bench;
    struct bytes all = {0};
    char hex[65];
    static const char symbols[] = "<eop>\0.\0(\0)\0\"\0-\0\xe2\x80\x93\0\xc2\xa3\0"
                                  "\xe2\x82\xac";
    for (size_t i = 0; i < sum->count; i++) {
        specs[i] = sum->specs[i];
        complete(specs + i, i, charsmap,
                 (struct byte_range){(const unsigned char *)symbols, sizeof symbols});
    }
    bench_open(&bench, specs, sum->count);
    for (size_t i = 0; i < GOLDEN_DOCUMENTS; i++) {
        struct normalized result =
            run(&bench, documents[i].text, documents[i].size, i % 2 == 1);
        bytes_put(&all, result.text, result.size);
        arena_reset(bench.scratch);
    }
    bench_close(&bench);
    sha256_hex(all.data, all.size, hex);
    if (all.size != sum->size || strcmp(hex, sum->sum) != 0)
        fail_msg("%s: %zu bytes, %s", sum->name, all.size, hex);
    bytes_clear(&all);
}

static void all_documents_become_what_the_references_make_of_them(void **state)
{
    (void)state;
    char path[512];
    struct bytes model =
        load_file(shared_path(path, "vocab/sentencepiece/xlnet_base_cased.model"));
    struct arena *arena = arena_create(1 << 20, 0);
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    if (model.size == 0 || !golden_documents(arena, documents)) {
        print_message("skipped: no shared data\n");
        bytes_clear(&model);
        arena_destroy(arena);
        skip();
    }
    struct byte_range normalizer =
        find_field((struct byte_range){model.data, model.size}, 3);
    struct byte_range charsmap = find_field(normalizer, 2);
    assert_int_equal(charsmap.size, 237539);
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        check_sum(sums + i, charsmap, documents);
    bytes_clear(&model);
    arena_destroy(arena);
}

/* ---- damage ---- */

static void a_damaged_image_is_refused_or_harmless(void **state)
{
    (void)state;
    struct normalizer_spec specs[] = {
        {.kind = NORMALIZER_REPLACE, .pattern = range_of("a"), .content = range_of("b")},
        {.kind = NORMALIZER_SENTENCEPIECE, .pattern = {(const unsigned char *)"ab", 3}},
        {.kind = NORMALIZER_BERT, .clean_text = true, .lowercase = true}};
    struct bench bench;
    bench_open(&bench, specs, 3);
    for (size_t size = 0; size < bench.image.size; size += 1 + size / 64) {
        struct arena *run_arena = arena_create(1 << 16, 0);
        struct normalizer *opened;
        unsigned char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, bench.image.data, size);
        assert_int_equal(normalizer_open(copy, size, run_arena, &opened, &bench.error),
                         ERROR_DAMAGED);
        free(copy);
        arena_destroy(run_arena);
    }
    bench_close(&bench);
}

static void a_kind_that_is_none_is_refused(void **state)
{
    (void)state;
    struct bench bench = {.run = arena_create(1 << 16, 0)};
    struct normalizer_spec spec = {.kind = (enum normalizer_kind)99};
    assert_int_equal(normalizer_build(&spec, 1, bench.run, &bench.image, &bench.error),
                     ERROR_CONFIG);
    bytes_clear(&bench.image);
    arena_destroy(bench.run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_makes_what_hugging_face_makes),
        cmocka_unit_test(regular_expressions_mean_what_they_mean_to_hugging_face),
        cmocka_unit_test(bytes_that_are_not_utf8_are_controls_to_a_regular_expression),
        cmocka_unit_test(an_expression_that_cannot_be_carried_out_is_refused),
        cmocka_unit_test(text_that_is_normal_is_passed_through),
        cmocka_unit_test(origins_go_through_all_normalizers),
        cmocka_unit_test(origins_follow_marks_that_are_sorted_and_composed),
        cmocka_unit_test(what_replaces_a_match_comes_from_its_last_character),
        cmocka_unit_test(berts_marks_are_counted_with_those_that_are_dropped),
        cmocka_unit_test(a_space_behind_a_chinese_character_comes_from_its_end),
        cmocka_unit_test(bytes_that_are_not_utf8_pass_as_they_are),
        cmocka_unit_test(long_runs_of_marks_take_linear_time),
        cmocka_unit_test(spaces_are_handled_as_sentencepiece_does),
        cmocka_unit_test(user_defined_symbols_pass_as_they_are),
        cmocka_unit_test(all_documents_become_what_the_references_make_of_them),
        cmocka_unit_test(a_damaged_image_is_refused_or_harmless),
        cmocka_unit_test(a_kind_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
