/* test_trainer.c - training by kind and options, and the files that are written */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/byte_alphabet.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/trainer.h"
#include "stages/kernels/trainer_file.h"

static const struct byte_range special[] = {{(const unsigned char *)"[UNK]", 5},
                                            {(const unsigned char *)"[CLS]", 5},
                                            {(const unsigned char *)"[SEP]", 5}};

struct setting {
    struct piece_table *table;
    struct arena *arena;
    struct trainer_options options;
    struct trained trained;
    struct error error;
};

static void setting_open(struct setting *setting, enum trainer_kind kind,
                         const char *text)
{
    static const enum piece_cut cuts[] = {PIECES_PATTERN, PIECES_SENTENCEPIECE,
                                          PIECES_SENTENCEPIECE, PIECES_GIVEN};
    struct piece_table_options cut = {cuts[kind], SPLIT_CL100K, 1 << 30};
    struct piece items[64];
    struct pieces pieces = {
        .text = (const unsigned char *)text, .size = strlen(text), .items = items};
    *setting = (struct setting){.arena = arena_create(1 << 20, 0),
                                .options = {.kind = kind, .vocabulary_size = 300}};
    assert_int_equal(piece_table_create(&cut, &setting->table, NULL), OK);
    if (kind != TRAINER_WORDPIECE) {
        assert_int_equal(
            piece_table_add_text(setting->table, pieces.text, pieces.size, NULL), OK);
        return;
    }
    setting->options.special = special;
    setting->options.special_count = 3;
    for (uint32_t at = 0; at < pieces.size; at++) {
        uint32_t begin = at;
        while (at < pieces.size && text[at] != ' ')
            at++;
        items[pieces.count++] = (struct piece){begin, at};
    }
    assert_int_equal(
        piece_table_add_pieces(setting->table, pieces.text, pieces.size, &pieces, NULL),
        OK);
}

static enum error_code train(struct setting *setting)
{
    return trainer_train(setting->table, &setting->options, setting->arena,
                         &setting->trained, &setting->error);
}

static void setting_close(struct setting *setting)
{
    piece_table_destroy(setting->table);
    arena_destroy(setting->arena);
}

static void assert_token(const struct trained *trained, uint32_t id, const char *text)
{
    assert_true(id < trained->token_count);
    assert_int_equal(trained->tokens[id].id, id);
    assert_int_equal(trained->tokens[id].text.size, strlen(text));
    assert_memory_equal(trained->tokens[id].text.bytes, text, strlen(text));
}

static struct bytes write_file(const struct setting *setting, enum trainer_format format)
{
    struct bytes out = {0};
    assert_int_equal(trainer_file_write(&setting->trained, format, &out, NULL), OK);
    bytes_put_u8(&out, 0);
    out.size--;
    return out;
}

/* ---- training ---- */

static void bytes_stand_in_the_order_of_their_letters(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_BPE_BYTES, "low low lower lowest newer newer");
    setting.options.special = special;
    setting.options.special_count = 2;
    setting.options.min_frequency = 2;
    assert_int_equal(train(&setting), OK);
    const struct trained *trained = &setting.trained;
    assert_int_equal(trained->special_count, 2);
    assert_token(trained, 0, "[UNK]");
    assert_token(trained, 2, "!");
    assert_token(trained, 2 + 93, "~");
    assert_token(trained, 2 + 255, "\xAD");
    /* (l, o), (o, w) and (w, e) come four times: the smallest ids first. */
    assert_token(trained, 258, "lo");
    assert_token(trained, 259, "we");
    assert_token(trained, 260, " lo");
    assert_token(trained, 261, "wer");
    assert_int_equal(trained->token_count, trained->merge_count + 258);
    setting_close(&setting);
}

static void a_vocabulary_ends_at_its_size(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_BPE_BYTES, "abcdefgh abcdefgh abcdefgh");
    setting.options.vocabulary_size = 260;
    assert_int_equal(train(&setting), OK);
    assert_int_equal(setting.trained.token_count, 260);
    setting.options.vocabulary_size = 256;
    assert_int_equal(train(&setting), OK);
    assert_int_equal(setting.trained.merge_count, 0);
    setting.options.vocabulary_size = 300;
    setting.options.length_max = 3;
    assert_int_equal(train(&setting), OK);
    for (uint32_t i = 0; i < setting.trained.token_count; i++)
        assert_true(setting.trained.tokens[i].text.size <= 3);
    setting_close(&setting);
}

/* "are" and "is" come twice; of equal counts the smaller ids go first. */
static void wordpiece_merges_what_is_frequent(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_WORDPIECE,
                 "roses are red voilets are blue BERT is big and so is GPT-2");
    setting.options.min_frequency = 2;
    assert_int_equal(train(&setting), OK);
    const struct trained *trained = &setting.trained;
    assert_int_equal(trained->unknown, 0);
    assert_token(trained, 3, "-");
    uint32_t merged = trained->token_count - trained->merge_count;
    assert_int_equal(trained->merge_count, 3);
    assert_token(trained, merged, "ar");
    assert_token(trained, merged + 1, "is");
    assert_token(trained, merged + 2, "are");
    setting_close(&setting);
}

static void characters_come_behind_what_was_merged(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_BPE_CHARACTERS, "aba aba, ab ab 12 aba");
    setting.options.byte_fallback = true;
    setting.options.special = special + 1;
    setting.options.special_count = 1;
    setting.options.character_coverage = 1;
    assert_int_equal(train(&setting), OK);
    const struct trained *trained = &setting.trained;
    assert_token(trained, 0, "<unk>");
    assert_token(trained, 3, "[CLS]");
    assert_token(trained, 4, "<0x00>");
    assert_token(trained, 259, "<0xFF>");
    assert_token(trained, 260, "ab");
    assert_token(trained, 261,
                 "\xE2\x96\x81"
                 "ab");
    assert_true(trained->tokens[260].score == 0 && trained->tokens[261].score == -1);
    uint32_t characters = 0;
    for (uint32_t i = 260; i < trained->token_count; i++) {
        struct byte_range text = trained->tokens[i].text;
        bool has_common =
            memchr(text.bytes, ',', text.size) || memchr(text.bytes, '1', text.size);
        assert_false(has_common && memchr(text.bytes, 'a', text.size));
        uint32_t code;
        bool is_character = unicode_decode(text.bytes, text.size, &code) == text.size;
        assert_true(is_character || characters == 0);
        characters += is_character;
    }
    assert_int_equal(characters, 6);
    setting_close(&setting);
}

static void options_that_contradict_are_refused(void **state)
{
    (void)state;
    struct setting setting;
    struct trainer_options good;
    setting_open(&setting, TRAINER_WORDPIECE, "one two");
    good = setting.options;
    setting.options.kind = TRAINER_BPE_BYTES; /* the pieces are words */
    assert_int_equal(train(&setting), ERROR_CONFIG);
    setting.options = good;
    setting.options.unknown = "<unknown>";
    assert_int_equal(train(&setting), ERROR_CONFIG);
    setting.options = good;
    setting.options.vocabulary_size = 5; /* o n e t w are five characters */
    assert_int_equal(train(&setting), ERROR_CONFIG);
    setting.options = good;
    setting.options.vocabulary_size = 1 << 30;
    assert_int_equal(train(&setting), ERROR_CONFIG);
    static const struct byte_range twice[] = {{(const unsigned char *)"[UNK]", 5},
                                              {(const unsigned char *)"[UNK]", 5}};
    setting.options = good;
    setting.options.special = twice;
    setting.options.special_count = 2;
    assert_int_equal(train(&setting), ERROR_CONFIG);
    setting_close(&setting);
}

static void an_empty_table_trains_nothing_but_what_must_be(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_BPE_BYTES, "");
    assert_int_equal(train(&setting), OK);
    assert_int_equal(setting.trained.token_count, 256);
    setting_close(&setting);
    setting_open(&setting, TRAINER_BPE_CHARACTERS, "");
    assert_int_equal(train(&setting), OK);
    assert_int_equal(setting.trained.token_count, 3);
    setting_close(&setting);
    setting_open(&setting, TRAINER_UNIGRAM, "");
    setting.options.vocabulary_size = 3;
    assert_int_equal(train(&setting), OK);
    assert_int_equal(setting.trained.token_count, 3);
    setting_close(&setting);
}

/* ---- files ---- */

/* The JSON string at *at, which is moved behind it: its text without the escapes. */
static size_t read_string(const char **at, char text[256])
{
    size_t size = 0;
    assert_int_equal(**at, '"');
    for ((*at)++; **at != '"'; (*at)++) {
        assert_true(size < 250);
        if (**at != '\\') {
            text[size++] = **at;
            continue;
        }
        (*at)++;
        assert_true(**at == '"' || **at == '\\');
        text[size++] = **at;
    }
    (*at)++;
    text[size] = 0;
    return size;
}

/* The bytes that letters stand for. */
static size_t to_bytes(const char *text, size_t size, unsigned char *bytes)
{
    struct byte_alphabet alphabet;
    size_t count = 0;
    byte_alphabet_fill(&alphabet);
    assert_true(
        byte_alphabet_map(&alphabet, (const unsigned char *)text, size, bytes, &count));
    return count;
}

static const char *behind(const char *text, const char *what)
{
    const char *found = strstr(text, what);
    assert_non_null(found);
    return found + strlen(what);
}

static void check_vocabulary(const struct trained *trained, const char *at)
{
    char text[256];
    unsigned char bytes[256];
    for (uint32_t i = 0; i < trained->token_count; i++) {
        const struct spec_token *token = trained->tokens + i;
        char *end;
        at += strspn(at, ",\n");
        size_t size = read_string(&at, text);
        bool is_mapped =
            trained->kind == TRAINER_BPE_BYTES && i >= trained->special_count;
        if (is_mapped)
            size = to_bytes(text, size, bytes);
        assert_int_equal(size, token->text.size);
        assert_memory_equal(is_mapped ? (const void *)bytes : text, token->text.bytes,
                            size);
        assert_int_equal(*at, ':');
        assert_int_equal(strtoul(at + 1, &end, 10), i);
        at = end;
    }
    assert_int_equal(*at, '}');
}

static void tokenizer_json_has_tokens_and_merges(void **state)
{
    (void)state;
    struct setting setting;
    char text[256];
    unsigned char bytes[256];
    setting_open(&setting, TRAINER_BPE_BYTES, "say \"\\\" \"\\\" na\xC3\xAFve naive");
    setting.options.special = special;
    setting.options.special_count = 1;
    assert_int_equal(train(&setting), OK);
    const struct trained *trained = &setting.trained;
    struct bytes file = write_file(&setting, TRAINER_TOKENIZER_JSON);
    const char *json = (const char *)file.data;
    assert_non_null(strstr(json, "{\"id\":0,\"content\":\"[UNK]\""));
    assert_non_null(strstr(json, "{\"Regex\":\"(?i:'s|'t|"));
    check_vocabulary(trained, behind(json, "\"vocab\":{"));
    const char *at = behind(json, "\"merges\":[");
    assert_true(trained->merge_count > 5);
    for (uint32_t i = 0; i < trained->merge_count; i++) {
        struct byte_range left = trained->tokens[trained->merges[i].left].text;
        struct byte_range right = trained->tokens[trained->merges[i].right].text;
        at += strspn(at, ",\n");
        (void)read_string(&at, text);
        char *space = strchr(text, ' ');
        assert_non_null(space);
        assert_int_equal(to_bytes(text, (size_t)(space - text), bytes), left.size);
        assert_memory_equal(bytes, left.bytes, left.size);
        assert_int_equal(to_bytes(space + 1, strlen(space + 1), bytes), right.size);
        assert_memory_equal(bytes, right.bytes, right.size);
    }
    assert_string_equal(at, "]}}\n");
    bytes_clear(&file);
    setting_close(&setting);
}

static void wordpiece_files_have_the_tokens_in_order(void **state)
{
    (void)state;
    struct setting setting;
    setting_open(&setting, TRAINER_WORDPIECE, "low low lower");
    setting.options.lowercase = true;
    assert_int_equal(train(&setting), OK);
    struct bytes json = write_file(&setting, TRAINER_TOKENIZER_JSON);
    assert_non_null(strstr((const char *)json.data, "\"lowercase\":true"));
    assert_non_null(
        strstr((const char *)json.data, "\"ids\":[2],\"tokens\":[\"[SEP]\"]"));
    check_vocabulary(&setting.trained, behind((const char *)json.data, "\"vocab\":{"));
    struct bytes lines = write_file(&setting, TRAINER_VOCAB_TXT);
    assert_memory_equal(lines.data, "[UNK]\n[CLS]\n[SEP]\n", 18);
    const char *at = (const char *)lines.data;
    for (uint32_t i = 0; i < setting.trained.token_count; i++) {
        size_t size = strcspn(at, "\n");
        assert_int_equal(size, setting.trained.tokens[i].text.size);
        assert_memory_equal(at, setting.trained.tokens[i].text.bytes, size);
        at += size + 1;
    }
    assert_int_equal(*at, 0);
    bytes_clear(&json);
    bytes_clear(&lines);
    setting_close(&setting);
}

static void tiktoken_files_are_read_back(void **state)
{
    (void)state;
    struct setting setting;
    struct token_list list;
    setting_open(&setting, TRAINER_BPE_BYTES, "low low lower lowest");
    setting.options.special = special;
    setting.options.special_count = 3;
    assert_int_equal(train(&setting), OK);
    struct bytes file = write_file(&setting, TRAINER_TIKTOKEN);
    assert_int_equal(tiktoken_parse(file.data, file.size, setting.arena, &list, NULL),
                     OK);
    assert_int_equal(list.count, setting.trained.token_count - 3);
    for (uint32_t i = 0; i < list.count; i++) {
        struct byte_range text = setting.trained.tokens[i + 3].text;
        assert_int_equal(list.ids[i], i);
        assert_int_equal(list.starts[i + 1] - list.starts[i], text.size);
        assert_memory_equal(list.bytes + list.starts[i], text.bytes, text.size);
    }
    bytes_clear(&file);
    setting_close(&setting);
}

/* One message of the model: field 1 is a piece. */
static void check_piece(struct cursor message, const struct spec_token *token)
{
    size_t size;
    float score;
    uint64_t kind = 1;
    static const unsigned kinds[] = {1, 2, 3, 4, 5, 6};
    assert_int_equal(cursor_varint(&message), 1 << 3 | 2);
    const char *text = cursor_text(&message, &size);
    assert_int_equal(size, token->text.size);
    assert_memory_equal(text, token->text.bytes, size);
    assert_int_equal(cursor_varint(&message), 2 << 3 | 5);
    uint32_t bits = cursor_u32(&message);
    memcpy(&score, &bits, sizeof score);
    assert_true(score == (float)token->score);
    if (cursor_left(&message) > 0) {
        assert_int_equal(cursor_varint(&message), 3 << 3 | 0);
        kind = cursor_varint(&message);
    }
    assert_int_equal(kind, kinds[token->kind]);
    assert_int_equal(cursor_left(&message), 0);
    assert_false(message.is_bad);
}

static void a_sentencepiece_model_has_pieces_scores_and_kinds(void **state)
{
    (void)state;
    static const enum trainer_kind kinds[] = {TRAINER_BPE_CHARACTERS, TRAINER_UNIGRAM};
    for (int k = 0; k < 2; k++) {
        struct setting setting;
        setting_open(&setting, kinds[k], "low low lower lowest slow slowest new newest");
        setting.options.byte_fallback = true;
        setting.options.vocabulary_size = 256 + 3 + 11;
        assert_int_equal(train(&setting), OK);
        struct bytes file = write_file(&setting, TRAINER_SENTENCEPIECE);
        struct cursor cursor = cursor_over(file.data, file.size);
        for (uint32_t i = 0; i < setting.trained.token_count; i++) {
            size_t size;
            assert_int_equal(cursor_varint(&cursor), 1 << 3 | 2);
            const char *message = cursor_text(&cursor, &size);
            check_piece(cursor_over(message, size), setting.trained.tokens + i);
        }
        assert_int_equal(cursor_varint(&cursor), 2 << 3 | 2); /* trainer_spec */
        size_t size;
        const char *message = cursor_text(&cursor, &size);
        struct cursor spec = cursor_over(message, size);
        assert_int_equal(cursor_varint(&spec), 3 << 3);
        assert_int_equal(cursor_varint(&spec), kinds[k] == TRAINER_UNIGRAM ? 1 : 2);
        assert_int_equal(cursor_varint(&cursor), 3 << 3 | 2); /* normalizer_spec */
        (void)cursor_text(&cursor, &size);
        assert_int_equal(cursor_left(&cursor), 0);
        assert_false(cursor.is_bad);
        bytes_clear(&file);
        setting_close(&setting);
    }
}

static void a_format_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct setting setting;
    struct bytes out = {0};
    setting_open(&setting, TRAINER_BPE_BYTES, "low");
    assert_int_equal(train(&setting), OK);
    assert_int_equal(
        trainer_file_write(&setting.trained, TRAINER_SENTENCEPIECE, &out, &setting.error),
        ERROR_CONFIG);
    assert_int_equal(
        trainer_file_write(&setting.trained, TRAINER_VOCAB_TXT, &out, &setting.error),
        ERROR_CONFIG);
    bytes_clear(&out);
    setting_close(&setting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stand_in_the_order_of_their_letters),
        cmocka_unit_test(a_vocabulary_ends_at_its_size),
        cmocka_unit_test(wordpiece_merges_what_is_frequent),
        cmocka_unit_test(characters_come_behind_what_was_merged),
        cmocka_unit_test(options_that_contradict_are_refused),
        cmocka_unit_test(an_empty_table_trains_nothing_but_what_must_be),
        cmocka_unit_test(tokenizer_json_has_tokens_and_merges),
        cmocka_unit_test(wordpiece_files_have_the_tokens_in_order),
        cmocka_unit_test(tiktoken_files_are_read_back),
        cmocka_unit_test(a_sentencepiece_model_has_pieces_scores_and_kinds),
        cmocka_unit_test(a_format_of_another_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
