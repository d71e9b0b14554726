/* test_tokenizer.c - the driver: policies, offsets, template, truncation, decoding */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/unicode.h"
#include "stages/kernels/tokenizer.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/text_goldens.h"

struct fixture {
    struct arena *run, *scratch;
    struct tokenizer *tokenizer;
    struct bytes text;
};

static void open_spec(struct fixture *fixture, const struct tokenizer_spec *spec)
{
    struct error error = {0};
    struct bytes image = {0};
    struct arena *work = arena_create(1 << 20, 0);
    *fixture = (struct fixture){.run = arena_create(1 << 20, 0),
                                .scratch = arena_create(1 << 16, 0)};
    enum error_code code = tokenizer_build(spec, work, &image, &error);
    if (code != OK)
        fail_msg("%s", error.text);
    void *mapped = arena_alloc_raw(fixture->run, image.size, 1, 64);
    memcpy(mapped, image.data, image.size);
    for (size_t size = 0; size < image.size; size += 1021) {
        struct tokenizer *none;
        assert_int_equal(tokenizer_open(mapped, size, fixture->run, &none, &error),
                         ERROR_DAMAGED);
    }
    code = tokenizer_open(mapped, image.size, fixture->run, &fixture->tokenizer, &error);
    if (code != OK)
        fail_msg("%s", error.text);
    bytes_clear(&image);
    arena_destroy(work);
}

static void close_fixture(struct fixture *fixture)
{
    bytes_clear(&fixture->text);
    arena_destroy(fixture->run);
    arena_destroy(fixture->scratch);
}

static struct encoding encode(struct fixture *fixture, const char *text,
                              struct encode_options options)
{
    struct encoding encoding;
    struct error error = {0};
    size_t size = strlen(text);
    enum error_code code =
        tokenizer_encode(fixture->tokenizer, (const unsigned char *)text, size, &options,
                         fixture->scratch, &encoding, &error);
    if (code != OK)
        fail_msg("%s: %s", text, error.text);
    /* straight to memory it is the same */
    size_t room = tokenizer_room(fixture->tokenizer, size, 1);
    if (room > 0 && !options.with_offsets) {
        struct encoding other;
        uint32_t *ids = malloc(room * sizeof *ids); /* of exactly its size */
        assert_non_null(ids);
        assert_int_equal(tokenizer_encode_to(fixture->tokenizer,
                                             (const unsigned char *)text, size, &options,
                                             fixture->scratch, ids, &other, &error),
                         OK);
        assert_int_equal(other.count, encoding.count);
        assert_memory_equal(ids, encoding.ids, other.count * sizeof *ids);
        assert_int_equal(other.text_begin, encoding.text_begin);
        assert_int_equal(other.text_end, encoding.text_end);
        free(ids);
    }
    return encoding;
}

static void check_ids(const struct encoding *encoding, const uint32_t *ids, size_t count)
{
    assert_int_equal(encoding->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(encoding->ids[i], ids[i]);
}

#define CHECK_IDS(encoding, ...)                           \
    check_ids((encoding), (const uint32_t[]){__VA_ARGS__}, \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void check_decoded(struct fixture *fixture, const uint32_t *ids, size_t count,
                          bool with_specials, const char *wanted)
{
    struct error error = {0};
    bytes_reset(&fixture->text);
    assert_int_equal(tokenizer_decode(fixture->tokenizer, ids, count, with_specials,
                                      &fixture->text, &error),
                     OK);
    bytes_put_u8(&fixture->text, 0);
    assert_string_equal((const char *)fixture->text.data, wanted);
}

/* ---- a byte-level tokenizer by hand ---- */

#define RANGE(text)                                     \
    {                                                   \
        (const unsigned char *)(text), sizeof(text) - 1 \
    }

struct hand_made {
    struct spec_token tokens[300];
    unsigned char bytes[256];
    struct added_token added[4];
    struct template_item single[3];
    struct spec_merge merges[4];
    struct splitter_spec splitter;
    struct normalizer_spec normalizer;
    struct tokenizer_spec spec;
};

/* Bytes are 0 ... 255, "ab" 256, "abc" 257, " ab" 258; <s> 260 and </s> 261 are special,
 * "<a>" 262 takes spaces at its left along, "ab  " 263 is found in normalized text. */
static void make_by_hand(struct hand_made *made)
{
    static const struct byte_range texts[] = {RANGE("ab"), RANGE("abc"), RANGE(" ab")};
    *made = (struct hand_made){0};
    for (unsigned byte = 0; byte < 256; byte++) {
        made->bytes[byte] = (unsigned char)byte;
        made->tokens[byte] =
            (struct spec_token){.text = {made->bytes + byte, 1}, .id = byte};
    }
    for (uint32_t i = 0; i < 3; i++)
        made->tokens[256 + i] = (struct spec_token){.text = texts[i], .id = 256 + i};
    made->merges[0] = (struct spec_merge){'a', 'b', 256};
    made->merges[1] = (struct spec_merge){256, 'c', 257};
    made->merges[2] = (struct spec_merge){' ', 256, 258};
    made->added[0] =
        (struct added_token){.text = RANGE("<s>"), .id = 260, .is_special = true};
    made->added[1] =
        (struct added_token){.text = RANGE("</s>"), .id = 261, .is_special = true};
    made->added[2] =
        (struct added_token){.text = RANGE("<a>"), .id = 262, .is_left_stripped = true};
    made->added[3] =
        (struct added_token){.text = RANGE("ab  "), .id = 263, .is_normalized = true};
    made->single[0] = (struct template_item){.id = 260};
    made->single[1] = (struct template_item){.is_text = true};
    made->single[2] = (struct template_item){.id = 261};
    made->splitter = (struct splitter_spec){.kind = SPLITTER_GPT2};
    made->spec = (struct tokenizer_spec){.splitters = &made->splitter,
                                         .splitter_count = 1,
                                         .model = {.kind = MODEL_BPE_MERGES,
                                                   .tokens = made->tokens,
                                                   .token_count = 259,
                                                   .id_limit = 259,
                                                   .merges = made->merges,
                                                   .merge_count = 3,
                                                   .is_byte_level = true,
                                                   .unknown = UINT32_MAX},
                                         .added = made->added,
                                         .added_count = 4,
                                         .single = made->single,
                                         .single_count = 3,
                                         .decoder = DECODER_BYTES,
                                         .bos = 260,
                                         .eos = 261,
                                         .cls = UINT32_MAX,
                                         .sep = UINT32_MAX,
                                         .mask = UINT32_MAX,
                                         .pad = UINT32_MAX};
}

static void added_tokens_follow_the_policy(void **state)
{
    (void)state;
    struct hand_made made;
    struct fixture fixture;
    make_by_hand(&made);
    open_spec(&fixture, &made.spec);
    struct encoding got =
        encode(&fixture, "ab <a>", (struct encode_options){.specials = SPECIALS_AS_TEXT});
    CHECK_IDS(&got, 256, ' ', '<', 'a', '>');
    got = encode(&fixture, "ab <a><s>abc",
                 (struct encode_options){.specials = SPECIALS_AS_TOKENS});
    CHECK_IDS(&got, 256, 262, 260, 257);
    got = encode(&fixture, "ab   x",
                 (struct encode_options){.specials = SPECIALS_AS_TOKENS});
    CHECK_IDS(&got, 263, ' ', 'x');
    got = encode(&fixture, "x <a>ab",
                 (struct encode_options){.specials = SPECIALS_REFUSED});
    CHECK_IDS(&got, 'x', 262, 256);
    struct error error = {0};
    const struct encode_options refused = {.specials = SPECIALS_REFUSED};
    assert_int_equal(tokenizer_encode(fixture.tokenizer, (const unsigned char *)"x </s>",
                                      6, &refused, fixture.scratch, &got, &error),
                     ERROR_RECORD);
    assert_string_equal(error.text, "\"</s>\" at byte 2");
    close_fixture(&fixture);
}

static void offsets_are_bytes_of_the_text(void **state)
{
    (void)state;
    static const uint32_t wanted[] = {0, 2, 2, 6, 6, 7, 7, 8, 8, 11};
    struct hand_made made;
    for (int turn = 0; turn < 2; turn++) { /* by the fast machine, and by the splitter */
        struct fixture fixture;
        make_by_hand(&made);
        if (turn == 1)
            made.splitter = (struct splitter_spec){.kind = SPLITTER_DIGITS};
        open_spec(&fixture, &made.spec);
        struct encoding got =
            encode(&fixture,
                   "ab <a>\xc3\xa9"
                   "abc",
                   (struct encode_options){.specials = SPECIALS_AS_TOKENS,
                                           .with_offsets = true});
        CHECK_IDS(&got, 256, 262, 0xC3, 0xA9, 257);
        assert_memory_equal(got.offsets, wanted, sizeof wanted);
        close_fixture(&fixture);
    }
}

static void the_template_counts_and_stays_when_tokens_are_cut(void **state)
{
    (void)state;
    struct hand_made made;
    struct fixture fixture;
    make_by_hand(&made);
    open_spec(&fixture, &made.spec);
    struct encode_options options = {.add_special = true};
    struct encoding got = encode(&fixture, "xyz", options);
    CHECK_IDS(&got, 260, 'x', 'y', 'z', 261);
    assert_int_equal(got.text_begin, 1);
    assert_int_equal(got.text_end, 4);
    options.max_length = 4;
    got = encode(&fixture, "xyz", options);
    CHECK_IDS(&got, 260, 'x', 'y', 261);
    options.max_length = 2;
    got = encode(&fixture, "xyz", options);
    CHECK_IDS(&got, 260, 261);
    got = encode(&fixture, "", (struct encode_options){.add_special = true});
    CHECK_IDS(&got, 260, 261);
    got = encode(&fixture, "xyz", (struct encode_options){.max_length = 2});
    CHECK_IDS(&got, 'x', 'y');
    options = (struct encode_options){
        .add_special = true, .max_length = 3, .with_offsets = true};
    got = encode(&fixture, "xyz", options);
    CHECK_IDS(&got, 260, 'x', 261);
    static const uint32_t wanted[] = {0, 0, 0, 1, 0, 0};
    assert_memory_equal(got.offsets, wanted, sizeof wanted);
    close_fixture(&fixture);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct hand_made made;
    struct error error = {0};
    make_by_hand(&made);
    struct encode_options options = {.add_special = true, .max_length = 1};
    assert_int_equal(tokenizer_check(&made.spec, &options, &error), ERROR_CONFIG);
    options.max_length = 2;
    assert_int_equal(tokenizer_check(&made.spec, &options, &error), OK);
    made.spec.single = made.single + 1;
    made.spec.single_count = 1;
    assert_int_equal(tokenizer_check(&made.spec, &options, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "template"));
    assert_true(tokenizer_is_lossless(&made.spec));
    made.normalizer.kind = NORMALIZER_LOWERCASE;
    made.spec.normalizers = &made.normalizer;
    made.spec.normalizer_count = 1;
    assert_false(tokenizer_is_lossless(&made.spec));
    made.spec.decoder = DECODER_NONE;
    assert_int_equal(tokenizer_check_decoder(&made.spec, &error), ERROR_CONFIG);
}

static void ids_are_decoded_or_refused(void **state)
{
    (void)state;
    static const uint32_t ids[] = {260, 257, 258, 262, 0xC3, 0xA9, 261};
    struct hand_made made;
    struct fixture fixture;
    struct error error = {0};
    make_by_hand(&made);
    open_spec(&fixture, &made.spec);
    check_decoded(&fixture, ids, 7, true, "<s>abc ab<a>\xc3\xa9</s>");
    check_decoded(&fixture, ids, 7, false, "abc ab<a>\xc3\xa9");
    check_decoded(&fixture, NULL, 0, false, "");
    for (uint32_t id = 259; id < 1000000; id = id * 3 + 1) {
        bool is_token = id >= 260 && id <= 263;
        assert_int_equal(
            tokenizer_decode(fixture.tokenizer, &id, 1, true, &fixture.text, &error),
            is_token ? OK : ERROR_RECORD);
    }
    close_fixture(&fixture);
}

static void check_spans(const struct encoding *encoding, const uint32_t *wanted)
{
    for (size_t i = 0; i < encoding->count; i++) {
        assert_int_equal(encoding->offsets[2 * i], wanted[2 * i]);
        assert_int_equal(encoding->offsets[2 * i + 1], wanted[2 * i + 1]);
    }
}

/* Text that NFC changes: both ways, offsets are those of the text before. What is put
 * together stands where its first character does, as Hugging Face has it. */
static void normalized_text_keeps_its_offsets(void **state)
{
    (void)state;
    struct hand_made made;
    struct fixture fixture;
    make_by_hand(&made);
    made.normalizer.kind = NORMALIZER_NFC;
    made.spec.normalizers = &made.normalizer;
    made.spec.normalizer_count = 1;
    open_spec(&fixture, &made.spec);
    struct encoding got = encode(&fixture,
                                 "xe\xcc\x81"
                                 "ab",
                                 (struct encode_options){.with_offsets = true});
    CHECK_IDS(&got, 'x', 0xC3, 0xA9, 256);
    check_spans(&got, (const uint32_t[]){0, 1, 1, 2, 1, 2, 4, 6});
    got = encode(&fixture,
                 "xe\xcc\x81"
                 "ab",
                 (struct encode_options){0});
    CHECK_IDS(&got, 'x', 0xC3, 0xA9, 256);
    close_fixture(&fixture);
}

/* A token ends with its last character, not where the next one begins. */
static void offsets_leave_out_what_is_dropped(void **state)
{
    (void)state;
    struct hand_made made;
    struct fixture fixture;
    make_by_hand(&made);
    made.normalizer.kind = NORMALIZER_STRIP_ACCENTS;
    made.spec.normalizers = &made.normalizer;
    made.spec.normalizer_count = 1;
    open_spec(&fixture, &made.spec);
    struct encoding got = encode(&fixture, "ab\xcc\x81\xc2\xa2\xcc\x81",
                                 (struct encode_options){.with_offsets = true});
    CHECK_IDS(&got, 256, 0xC2, 0xA2);
    check_spans(&got, (const uint32_t[]){0, 2, 4, 5, 5, 6});
    close_fixture(&fixture);
}

/* ---- a SentencePiece model by hand ---- */

/* <unk> 0, U+2581 1, U+2581 "a" 2, "a" 3. */
static void open_sentencepiece(struct fixture *fixture, bool add_dummy_prefix,
                               bool remove_extra_whitespaces)
{
    static const struct spec_token tokens[] = {
        {.text = RANGE(" \xe2\x81\x87 "), .id = 0, .kind = TOKEN_UNKNOWN},
        {.text = RANGE("\xe2\x96\x81"), .id = 1, .score = -2},
        {.text = RANGE("\xe2\x96\x81"
                       "a"),
         .id = 2,
         .score = -1},
        {.text = RANGE("a"), .id = 3, .score = -3}};
    static const struct template_item single = {.is_text = true};
    const struct normalizer_spec normalizer = {.kind = NORMALIZER_SENTENCEPIECE,
                                               .add_dummy_prefix = add_dummy_prefix,
                                               .remove_extra_whitespaces =
                                                   remove_extra_whitespaces,
                                               .escape_whitespaces = true};
    const struct tokenizer_spec spec = {.normalizers = &normalizer,
                                        .normalizer_count = 1,
                                        .model = {.kind = MODEL_BPE_SCORES,
                                                  .tokens = tokens,
                                                  .token_count = 4,
                                                  .id_limit = 4,
                                                  .fuse_unknown = true,
                                                  .is_sentencepiece = true,
                                                  .unknown = 0},
                                        .single = &single,
                                        .single_count = 1,
                                        .decoder = DECODER_METASPACE,
                                        .bos = UINT32_MAX,
                                        .eos = UINT32_MAX,
                                        .cls = UINT32_MAX,
                                        .sep = UINT32_MAX,
                                        .mask = UINT32_MAX,
                                        .pad = UINT32_MAX};
    open_spec(fixture, &spec);
}

/* SentencePiece takes U+2581 off the first token; where it removes extra white space off
 * each until one spells something. What the unknown token spells stays whole. */
static void the_first_space_goes_as_sentencepiece_has_it(void **state)
{
    (void)state;
    static const uint32_t spaced[] = {1, 2, 2}, unknown[] = {0, 2};
    struct fixture fixture;
    open_sentencepiece(&fixture, true, false);
    check_decoded(&fixture, spaced, 3, true, " a a");
    check_decoded(&fixture, unknown, 2, true, " \xe2\x81\x87  a");
    close_fixture(&fixture);
    open_sentencepiece(&fixture, false, true);
    check_decoded(&fixture, spaced, 3, true, "a a");
    check_decoded(&fixture, unknown, 2, true, " \xe2\x81\x87  a");
    close_fixture(&fixture);
    open_sentencepiece(&fixture, false, false);
    check_decoded(&fixture, spaced, 3, true, "  a a");
    close_fixture(&fixture);
}

/* The space that was put in has no place of its own in SentencePiece's offsets. */
static void a_space_put_in_is_nowhere_for_sentencepiece(void **state)
{
    (void)state;
    struct fixture fixture;
    open_sentencepiece(&fixture, true, true);
    struct encoding got =
        encode(&fixture, "  b a ", (struct encode_options){.with_offsets = true});
    CHECK_IDS(&got, 1, 0, 2);
    check_spans(&got, (const uint32_t[]){2, 2, 2, 3, 3, 5});
    close_fixture(&fixture);
}

/* ---- published vocabularies ---- */

/* Ids, offsets (turned into bytes) and both ways of decoding by Hugging Face's tokenizers
 * 0.22.2, through npm @anush008/tokenizers 0.6.0. */
static const struct vector {
    const char *vocabulary, *text;
    bool add_special;
    size_t count;
    uint32_t ids[24], offsets[48];
    const char *kept, *skipped;
} vectors[] = {
    {.vocabulary = "gpt2",
     .text = "Hello  world, caf\xc3\xa9!<|endoftext|> x",
     .add_special = false,
     .count = 8,
     .ids = {15496, 220, 995, 11, 40304, 0, 50256, 2124},
     .offsets = {0, 5, 5, 6, 6, 12, 12, 13, 13, 19, 19, 20, 20, 33, 33, 35},
     .kept = "Hello  world, caf\xc3\xa9!<|endoftext|> x",
     .skipped = "Hello  world, caf\xc3\xa9! x"},
    {.vocabulary = "gpt2",
     .text = "Hello  world, caf\xc3\xa9!<|endoftext|> x",
     .add_special = true,
     .count = 8,
     .ids = {15496, 220, 995, 11, 40304, 0, 50256, 2124},
     .offsets = {0, 5, 5, 6, 6, 12, 12, 13, 13, 19, 19, 20, 20, 33, 33, 35},
     .kept = "Hello  world, caf\xc3\xa9!<|endoftext|> x",
     .skipped = "Hello  world, caf\xc3\xa9! x"},
    {.vocabulary = "gpt2",
     .text = "\xf0\x9f\x98\x80 ok",
     .add_special = false,
     .count = 3,
     .ids = {47249, 222, 12876},
     .offsets = {0, 4, 0, 4, 4, 7},
     .kept = "\xf0\x9f\x98\x80 ok",
     .skipped = "\xf0\x9f\x98\x80 ok"},
    {.vocabulary = "gpt2",
     .text = "\xf0\x9f\x98\x80 ok",
     .add_special = true,
     .count = 3,
     .ids = {47249, 222, 12876},
     .offsets = {0, 4, 0, 4, 4, 7},
     .kept = "\xf0\x9f\x98\x80 ok",
     .skipped = "\xf0\x9f\x98\x80 ok"},
    {.vocabulary = "gpt_neox",
     .text = "a    b <|endoftext|>e\xcc\x81t\xc3\xa9",
     .add_special = false,
     .count = 6,
     .ids = {66, 50274, 67, 209, 0, 39929},
     .offsets = {0, 1, 5, 5, 5, 6, 7, 7, 7, 20, 20, 26},
     .kept = "a    b <|endoftext|>\xc3\xa9t\xc3\xa9",
     .skipped = "a    b \xc3\xa9t\xc3\xa9"},
    {.vocabulary = "gpt_neox",
     .text = "a    b <|endoftext|>e\xcc\x81t\xc3\xa9",
     .add_special = true,
     .count = 6,
     .ids = {66, 50274, 67, 209, 0, 39929},
     .offsets = {0, 1, 5, 5, 5, 6, 7, 7, 7, 20, 20, 26},
     .kept = "a    b <|endoftext|>\xc3\xa9t\xc3\xa9",
     .skipped = "a    b \xc3\xa9t\xc3\xa9"},
    {.vocabulary = "llama2",
     .text = "Hello  world\xe4\xb9\x80 <s> x",
     .add_special = false,
     .count = 10,
     .ids = {15043, 29871, 3186, 231, 188, 131, 29871, 1, 29871, 921},
     .offsets = {0,  5,  5,  6,  6,  12, 12, 15, 12, 15,
                 12, 15, 15, 16, 16, 19, 19, 20, 19, 21},
     .kept = "Hello  world\xe4\xb9\x80 <s>  x",
     .skipped = "Hello  world\xe4\xb9\x80   x"},
    {.vocabulary = "llama2",
     .text = "Hello  world\xe4\xb9\x80 <s> x",
     .add_special = true,
     .count = 11,
     .ids = {1, 15043, 29871, 3186, 231, 188, 131, 29871, 1, 29871, 921},
     .offsets = {0,  0,  0,  5,  5,  6,  6,  12, 12, 15, 12,
                 15, 12, 15, 15, 16, 16, 19, 19, 20, 19, 21},
     .kept = "<s> Hello  world\xe4\xb9\x80 <s>  x",
     .skipped = "Hello  world\xe4\xb9\x80   x"},
    {.vocabulary = "llama2",
     .text = "caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y",
     .add_special = false,
     .count = 9,
     .ids = {274, 28059, 13, 12, 243, 162, 155, 131, 343},
     .offsets = {0, 1, 1, 5, 5, 6, 6, 7, 7, 11, 7, 11, 7, 11, 7, 11, 11, 13},
     .kept = "caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y",
     .skipped = "caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y"},
    {.vocabulary = "llama2",
     .text = "caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y",
     .add_special = true,
     .count = 10,
     .ids = {1, 274, 28059, 13, 12, 243, 162, 155, 131, 343},
     .offsets = {0, 0, 0, 1, 1, 5, 5, 6, 6, 7, 7, 11, 7, 11, 7, 11, 7, 11, 11, 13},
     .kept = "<s> caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y",
     .skipped = "caf\xc3\xa9\n\t\xf0\x9f\x98\x80 y"},
    {.vocabulary = "bert_base_uncased",
     .text = "Hello, w\xc3\xb6rld! don't [MASK] unaffable (x).",
     .add_special = false,
     .count = 15,
     .ids = {7592, 1010, 2088, 999, 2123, 1005, 1056, 103, 14477, 20961, 3468, 1006, 1060,
             1007, 1012},
     .offsets = {0,  5,  5,  6,  7,  13, 13, 14, 15, 18, 18, 19, 19, 20, 21,
                 27, 28, 31, 31, 34, 34, 37, 38, 39, 39, 40, 40, 41, 41, 42},
     .kept = "hello, world! don ' t [MASK] unaffable ( x ).",
     .skipped = "hello, world! don ' t unaffable ( x )."},
    {.vocabulary = "bert_base_uncased",
     .text = "Hello, w\xc3\xb6rld! don't [MASK] unaffable (x).",
     .add_special = true,
     .count = 17,
     .ids = {101, 7592, 1010, 2088, 999, 2123, 1005, 1056, 103, 14477, 20961, 3468, 1006,
             1060, 1007, 1012, 102},
     .offsets = {0,  0,  0,  5,  5,  6,  7,  13, 13, 14, 15, 18, 18, 19, 19, 20, 21,
                 27, 28, 31, 31, 34, 34, 37, 38, 39, 39, 40, 40, 41, 41, 42, 0,  0},
     .kept = "[CLS] hello, world! don ' t [MASK] unaffable ( x ). [SEP]",
     .skipped = "hello, world! don ' t unaffable ( x )."},
    {.vocabulary = "bert_base_uncased",
     .text = "a\xcc\x81\xe4\xb8\xad\xe5\x9b\xbd  it's",
     .add_special = false,
     .count = 6,
     .ids = {1037, 1746, 1799, 2009, 1005, 1055},
     .offsets = {0, 1, 3, 6, 6, 9, 11, 13, 13, 14, 14, 15},
     .kept = "a \xe4\xb8\xad \xe5\x9b\xbd it ' s",
     .skipped = "a \xe4\xb8\xad \xe5\x9b\xbd it ' s"},
    {.vocabulary = "bert_base_uncased",
     .text = "a\xcc\x81\xe4\xb8\xad\xe5\x9b\xbd  it's",
     .add_special = true,
     .count = 8,
     .ids = {101, 1037, 1746, 1799, 2009, 1005, 1055, 102},
     .offsets = {0, 0, 0, 1, 3, 6, 6, 9, 11, 13, 13, 14, 14, 15, 0, 0},
     .kept = "[CLS] a \xe4\xb8\xad \xe5\x9b\xbd it ' s [SEP]",
     .skipped = "a \xe4\xb8\xad \xe5\x9b\xbd it ' s"},
    {.vocabulary = "qwen3",
     .text = "e\xcc\x81t\xc3\xa9 <think>12</think> \xe2\x84\xab",
     .add_special = false,
     .count = 7,
     .ids = {38783, 220, 151667, 16, 17, 151668, 79252},
     .offsets = {0, 6, 6, 7, 7, 14, 14, 15, 15, 16, 16, 24, 24, 28},
     .kept = "\xc3\xa9t\xc3\xa9 <think>12</think> \xc3\x85",
     .skipped = "\xc3\xa9t\xc3\xa9 <think>12</think> \xc3\x85"},
    {.vocabulary = "qwen3",
     .text = "e\xcc\x81t\xc3\xa9 <think>12</think> \xe2\x84\xab",
     .add_special = true,
     .count = 7,
     .ids = {38783, 220, 151667, 16, 17, 151668, 79252},
     .offsets = {0, 6, 6, 7, 7, 14, 14, 15, 15, 16, 16, 24, 24, 28},
     .kept = "\xc3\xa9t\xc3\xa9 <think>12</think> \xc3\x85",
     .skipped = "\xc3\xa9t\xc3\xa9 <think>12</think> \xc3\x85"},
    {.vocabulary = "xlnet_base_cased",
     .text = "Hello  w\xc3\xb6rld, ``x'' <mask> a",
     .add_special = false,
     .count = 10,
     .ids = {17, 11368, 185, 19, 17, 12, 469, 12, 6, 24},
     .offsets = {0,  1,  0,  5,  7,  13, 13, 14, 16, 17,
                 16, 17, 17, 18, 19, 20, 21, 27, 28, 29},
     .kept = "Hello world, \"x\"<mask> a",
     .skipped = "Hello world, \"x\" a"},
    {.vocabulary = "xlnet_base_cased",
     .text = "Hello  w\xc3\xb6rld, ``x'' <mask> a",
     .add_special = true,
     .count = 12,
     .ids = {17, 11368, 185, 19, 17, 12, 469, 12, 6, 24, 4, 3},
     .offsets = {0,  1,  0,  5,  7,  13, 13, 14, 16, 17, 16, 17,
                 17, 18, 19, 20, 21, 27, 28, 29, 0,  0,  0,  0},
     .kept = "Hello world, \"x\"<mask> a<sep><cls>",
     .skipped = "Hello world, \"x\" a"},
    {.vocabulary = "llama3_1",
     .text = "hi <|eot_id|>there  12345",
     .add_special = false,
     .count = 8,
     .ids = {6151, 220, 128009, 19041, 220, 220, 4513, 1774},
     .offsets = {0, 2, 2, 3, 3, 13, 13, 18, 18, 19, 19, 20, 20, 23, 23, 25},
     .kept = "hi <|eot_id|>there  12345",
     .skipped = "hi there  12345"},
    {.vocabulary = "llama3_1",
     .text = "hi <|eot_id|>there  12345",
     .add_special = true,
     .count = 9,
     .ids = {128000, 6151, 220, 128009, 19041, 220, 220, 4513, 1774},
     .offsets = {0, 0, 0, 2, 2, 3, 3, 13, 13, 18, 18, 19, 19, 20, 20, 23, 23, 25},
     .kept = "<|begin_of_text|>hi <|eot_id|>there  12345",
     .skipped = "hi there  12345"},
};

/* Hugging Face's offsets are those of whole characters. */
static void check_vector_offsets(const struct vector *vector, const uint32_t *offsets)
{
    const unsigned char *text = (const unsigned char *)vector->text;
    size_t size = strlen(vector->text);
    for (size_t i = 0; i < vector->count; i++) {
        size_t begin = offsets[2 * i], end = offsets[2 * i + 1];
        while (begin > 0 && begin < size && (text[begin] & 0xC0) == 0x80)
            begin--;
        while (end < size && (text[end] & 0xC0) == 0x80)
            end++;
        if (begin != vector->offsets[2 * i] || end != vector->offsets[2 * i + 1])
            fail_msg("%s, %s: token %zu has %zu, %zu, not %u, %u", vector->vocabulary,
                     vector->text, i, begin, end, vector->offsets[2 * i],
                     vector->offsets[2 * i + 1]);
    }
}

static void check_vector(const struct vector *vector)
{
    char path[512], name[128];
    struct fixture fixture;
    struct error error = {0};
    const struct tokenizer_spec *spec;
    (void)snprintf(name, sizeof name, "vocab/tokenizer_json/%s.json", vector->vocabulary);
    FILE *file = fopen(shared_path(path, name), "rb");
    if (!file) {
        print_message("skipped: no shared data for %s\n", vector->vocabulary);
        return;
    }
    (void)fclose(file);
    struct arena *work = arena_create(1 << 20, 0);
    assert_int_equal(tokenizer_read(path, NULL, work, &spec, &error), OK);
    open_spec(&fixture, spec);
    struct encode_options options = {.specials = SPECIALS_AS_TOKENS,
                                     .add_special = vector->add_special};
    if (vector->add_special && tokenizer_check(spec, &options, &error) != OK)
        options.add_special = false; /* it adds none */
    struct encoding got = encode(&fixture, vector->text, options);
    check_ids(&got, vector->ids, vector->count);
    options.with_offsets = true;
    got = encode(&fixture, vector->text, options);
    check_ids(&got, vector->ids, vector->count);
    check_vector_offsets(vector, got.offsets);
    check_decoded(&fixture, got.ids, got.count, true, vector->kept);
    check_decoded(&fixture, got.ids, got.count, false, vector->skipped);
    close_fixture(&fixture);
    arena_destroy(work);
}

static void published_tokenizers_agree_with_hugging_face(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        check_vector(vectors + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_tokens_follow_the_policy),
        cmocka_unit_test(offsets_are_bytes_of_the_text),
        cmocka_unit_test(the_template_counts_and_stays_when_tokens_are_cut),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(ids_are_decoded_or_refused),
        cmocka_unit_test(normalized_text_keeps_its_offsets),
        cmocka_unit_test(offsets_leave_out_what_is_dropped),
        cmocka_unit_test(the_first_space_goes_as_sentencepiece_has_it),
        cmocka_unit_test(a_space_put_in_is_nowhere_for_sentencepiece),
        cmocka_unit_test(published_tokenizers_agree_with_hugging_face),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
