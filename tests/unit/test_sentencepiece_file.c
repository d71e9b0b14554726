/* test_sentencepiece_file.c - SentencePiece models: real ones, small ones, damaged ones */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/sentencepiece_file.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/sentencepiece_writer.h"
#include "tests/text_goldens.h"

/* ---- real models ---- */

struct expected {
    const char *name;
    enum model_kind kind;
    uint32_t count, users, controls, bytes, bos, eos, pad, cls;
    size_t charsmap;
    bool byte_fallback, add_dummy_prefix, remove_extra_whitespaces;
};

static uint32_t count_kind(const struct tokenizer_spec *spec, enum token_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < spec->model.token_count; i++)
        count += spec->model.tokens[i].kind == kind;
    return count;
}

static void check_model(const struct expected *expected)
{
    char path[512], name[128];
    (void)snprintf(name, sizeof name, "vocab/sentencepiece/%s.model", expected->name);
    struct bytes file = load_file(shared_path(path, name));
    if (file.size == 0) {
        print_message("skipped: no shared data for %s\n", expected->name);
        skip();
    }
    struct arena *arena = arena_create(1 << 20, 0);
    struct tokenizer_spec spec;
    struct error error = {0};
    assert_int_equal(sentencepiece_read(file.data, file.size, arena, &spec, &error), OK);
    bytes_clear(&file); /* nothing points into it */
    assert_int_equal(spec.model.kind, expected->kind);
    assert_int_equal(spec.model.token_count, expected->count);
    assert_int_equal(spec.model.id_limit, expected->count);
    assert_int_equal(count_kind(&spec, TOKEN_UNKNOWN), 1);
    assert_int_equal(count_kind(&spec, TOKEN_USER_DEFINED), expected->users);
    assert_int_equal(count_kind(&spec, TOKEN_CONTROL), expected->controls);
    assert_int_equal(count_kind(&spec, TOKEN_BYTE), expected->bytes);
    assert_int_equal(spec.model.unknown, 0);
    assert_int_equal(spec.bos, expected->bos);
    assert_int_equal(spec.eos, expected->eos);
    assert_int_equal(spec.pad, expected->pad);
    assert_int_equal(spec.cls, expected->cls);
    assert_true(spec.model.byte_fallback == expected->byte_fallback);
    assert_true(spec.model.is_sentencepiece);
    assert_int_equal(spec.normalizer_count, 1);
    const struct normalizer_spec *normalizer = spec.normalizers;
    assert_int_equal(normalizer->kind, NORMALIZER_SENTENCEPIECE);
    assert_int_equal(normalizer->content.size, expected->charsmap);
    assert_true(normalizer->add_dummy_prefix == expected->add_dummy_prefix);
    assert_true(normalizer->remove_extra_whitespaces ==
                expected->remove_extra_whitespaces);
    assert_true(normalizer->escape_whitespaces);
    assert_false(normalizer->treat_whitespace_as_suffix);
    arena_destroy(arena);
}

static void real_models_have_their_numbers(void **state)
{
    (void)state;
    static const struct expected models[] = {
        /* what SentencePiece 0.1.97 says of them */
        {"llama2", MODEL_BPE_SCORES, 32000, 0, 2, 256, 1, 2, UINT32_MAX, UINT32_MAX, 0,
         true, true, false},
        {"mistral01", MODEL_BPE_SCORES, 32000, 0, 2, 256, 1, 2, UINT32_MAX, UINT32_MAX, 0,
         true, true, false},
        {"spm_test_en_bpe_or_uni", MODEL_UNIGRAM, 1000, 0, 2, 0, 1, 2, UINT32_MAX,
         UINT32_MAX, 237484, false, true, true},
        {"spm_test_ja", MODEL_UNIGRAM, 8000, 0, 2, 0, 1, 2, UINT32_MAX, UINT32_MAX,
         237484, false, true, true},
        {"xlnet_base_cased", MODEL_UNIGRAM, 32000, 9, 7, 0, 1, 2, 5, 3, 237539, false,
         true, true},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(&models[i]);
}

/* ---- small models ---- */

static enum error_code read_bytes(const struct bytes *file, size_t size,
                                  struct error *error)
{
    struct arena *arena = arena_create(1 << 14, 0);
    struct tokenizer_spec spec;
    unsigned char *copy = malloc(size + 1);
    memcpy(copy, file->data, size);
    enum error_code code = sentencepiece_read(copy, size, arena, &spec, error);
    free(copy);
    arena_destroy(arena);
    return code;
}

static void check_refused(struct bytes *file, const char *message)
{
    struct error error = {0};
    assert_int_equal(read_bytes(file, file->size, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, message));
    bytes_clear(file);
}

static void pieces_come_with_kind_and_score(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct arena *arena = arena_create(1 << 14, 0);
    struct tokenizer_spec spec;
    struct error error;
    write_begin(&file);
    write_piece(&file, "ab", -1.5f, WRITE_NORMAL);
    write_piece(&file, "<user>", 0, WRITE_USER);
    write_piece(&file, "<other>", 0, WRITE_USER);
    write_piece(&file, "old", -3, WRITE_UNUSED);
    write_end(&file, WRITE_BPE, 0);
    assert_int_equal(sentencepiece_read(file.data, file.size, arena, &spec, &error), OK);
    assert_int_equal(spec.model.kind, MODEL_BPE_SCORES);
    assert_int_equal(spec.model.token_count, 7);
    assert_memory_equal(spec.model.tokens[3].text.bytes, "ab", 2);
    assert_true(spec.model.tokens[3].score == -1.5);
    assert_int_equal(spec.model.tokens[3].id, 3);
    assert_int_equal(spec.model.tokens[4].kind, TOKEN_USER_DEFINED);
    assert_int_equal(spec.model.tokens[6].kind, TOKEN_UNUSED);
    assert_int_equal(spec.normalizers[0].pattern.size, 15);
    assert_memory_equal(spec.normalizers[0].pattern.bytes, "<user>\0<other>", 15);
    assert_int_equal(spec.bos, 1);
    assert_int_equal(spec.pad, UINT32_MAX);
    assert_int_equal(spec.single_count, 1);
    assert_true(spec.single[0].is_text);
    bytes_clear(&file);
    arena_destroy(arena);
}

static void names_of_control_pieces_are_followed(void **state)
{
    (void)state;
    struct bytes file = {0}, trainer = {0};
    struct arena *arena = arena_create(1 << 14, 0);
    struct tokenizer_spec spec;
    struct error error;
    write_begin(&file);
    write_piece(&file, "[CLS]", 0, WRITE_CONTROL);
    write_piece(&file, "a", 0, WRITE_NORMAL);
    write_text(&trainer, 46, "[CLS]", 5);
    write_text(&trainer, 47, "a", 1); /* no control piece */
    write_text(&file, 2, trainer.data, trainer.size);
    write_text(&file, 3, "", 0);
    assert_int_equal(sentencepiece_read(file.data, file.size, arena, &spec, &error), OK);
    assert_int_equal(spec.model.kind, MODEL_UNIGRAM); /* what the file leaves out */
    assert_int_equal(spec.bos, 3);
    assert_int_equal(spec.cls, 3);
    assert_int_equal(spec.eos, UINT32_MAX);
    assert_true(spec.normalizers[0].add_dummy_prefix);
    bytes_clear(&file);
    bytes_clear(&trainer);
    arena_destroy(arena);
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    struct bytes file = {0};
    write_begin(&file);
    write_end(&file, WRITE_WORD, 0);
    check_refused(&file, "models of type WORD are not supported");
    write_begin(&file);
    write_end(&file, WRITE_CHAR, 0);
    check_refused(&file, "models of type CHAR are not supported");
    write_begin(&file);
    write_end(&file, 9, 0);
    check_refused(&file, "the model's type is not known");
    write_begin(&file);
    write_end(&file, WRITE_BPE, 0);
    static const unsigned char rules[] = {0x12, 2, 'x', 'y'};
    write_text(&file, 5, rules, sizeof rules);
    check_refused(&file, "a denormalizer with rules is not supported");
}

static void an_empty_denormalizer_is_no_matter(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct error error;
    write_begin(&file);
    write_end(&file, WRITE_BPE, 0);
    write_text(&file, 5, "", 0);
    assert_int_equal(read_bytes(&file, file.size, &error), OK);
    bytes_clear(&file);
}

static void what_sentencepiece_refuses_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    write_piece(&file, "a", 0, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "there is no unknown piece");
    write_begin(&file);
    write_piece(&file, "<unk2>", 0, WRITE_UNKNOWN);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "more than one unknown piece");
    write_begin(&file);
    write_piece(&file, "a", 0, WRITE_NORMAL);
    write_piece(&file, "a", -1, WRITE_USER);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "pieces 3 and 4 are the same");
    write_begin(&file);
    write_piece(&file, "", 0, WRITE_NORMAL);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "piece 3 is empty, too long or holds a zero byte");
    write_begin(&file);
    write_piece(&file, "a", 0, (enum piece_type)7);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "piece 3 is of a type that is not known");
    write_begin(&file);
    write_byte_pieces(&file);
    write_end(&file, WRITE_BPE, 0);
    check_refused(&file, "byte_fallback is false");
    write_begin(&file);
    write_piece(&file, "<0x0A>", 0, WRITE_BYTE);
    write_end(&file, WRITE_BPE, 1);
    check_refused(&file, "there are not 256 byte pieces");
    write_begin(&file);
    write_piece(&file, "<0xGG>", 0, WRITE_BYTE);
    write_end(&file, WRITE_BPE, 1);
    check_refused(&file, "a byte piece does not look like");
}

/* ---- damaged files ---- */

static void small_model(struct bytes *file)
{
    write_begin(file);
    write_byte_pieces(file);
    write_piece(file, "ab", -1, WRITE_NORMAL);
    write_piece(file, "<user>", 0, WRITE_USER);
    write_end(file, WRITE_BPE, 1);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct error error;
    small_model(&file);
    assert_int_equal(read_bytes(&file, file.size, &error), OK);
    for (size_t size = 0; size < file.size; size++)
        assert_int_equal(read_bytes(&file, size, &error), ERROR_CONFIG);
    bytes_clear(&file);
}

static void flipped_bits_do_no_harm(void **state)
{
    (void)state;
    struct bytes file = {0};
    struct error error;
    small_model(&file);
    for (size_t at = 0; at < file.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            file.data[at] ^= (unsigned char)(1u << bit);
            enum error_code code = read_bytes(&file, file.size, &error);
            assert_true(code == OK || code == ERROR_CONFIG);
            file.data[at] ^= (unsigned char)(1u << bit);
        }
    }
    bytes_clear(&file);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"", "{\"model\": {}}", "[PAD]\n[UNK]\n",
                                         "IQ== 0\nIg== 1\n", "\n\n\n\n"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct bytes file = {0};
        struct error error;
        bytes_put(&file, others[i], strlen(others[i]) + 1);
        assert_int_equal(read_bytes(&file, file.size - 1, &error), ERROR_CONFIG);
        bytes_clear(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_models_have_their_numbers),
        cmocka_unit_test(pieces_come_with_kind_and_score),
        cmocka_unit_test(names_of_control_pieces_are_followed),
        cmocka_unit_test(what_is_not_supported_is_named),
        cmocka_unit_test(an_empty_denormalizer_is_no_matter),
        cmocka_unit_test(what_sentencepiece_refuses_is_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
