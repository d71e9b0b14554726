/* tokenizer_json_model.c - the model of a tokenizer.json */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/spec_builder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/tokenizer_json_parts.h"

/* In the order of `names`. */
enum model_name { NAME_BPE, NAME_UNIGRAM, NAME_WORDPIECE };

static bool has_field(const struct json_place *place, const char *name)
{
    return json_node_type(json_node_field(place->node, name)) != JSON_ABSENT;
}

/* Old files do not say the type: the fields tell it, as Hugging Face's reader does. */
static enum error_code settle_name(const struct json_place *place, size_t *name,
                                   struct error *error)
{
    static const char *const names[] = {"BPE", "Unigram", "WordPiece", NULL};
    if (json_node_type(place->node) != JSON_OBJECT)
        return place_refuse(place, error, "is not an object");
    if (has_field(place, "type"))
        return place_choice(place, "type", names, name, error);
    if (has_field(place, "merges"))
        *name = NAME_BPE;
    else if (json_node_type(json_node_field(place->node, "vocab")) == JSON_ARRAY)
        *name = NAME_UNIGRAM;
    else if (has_field(place, "continuing_subword_prefix") ||
             has_field(place, "max_input_chars_per_word"))
        *name = NAME_WORDPIECE;
    else
        return place_refuse(place, error,
                            "has no \"type\", and its fields are those of a WordLevel "
                            "model, which is not supported");
    return OK;
}

/* {"token": id, ...} */
static enum error_code read_tokens(const struct json_place *place,
                                   struct spec_builder *builder, struct error *error)
{
    struct json_members members = json_node_members(place->node);
    const unsigned char *text;
    size_t size, index = 0;
    struct json_node node;
    enum error_code code = OK;
    while (code == OK && json_members_next(&members, &text, &size, &node)) {
        uint32_t id = 0;
        struct json_place item = place_item(place, index++, node);
        code = place_id(&item, &id, error);
        if (code == OK)
            code = spec_builder_add_token(builder, (struct byte_range){text, size}, id, 0,
                                          error);
    }
    return code;
}

/* "left right" or ["left", "right"]; false: neither. */
static bool read_pair(struct json_node node, struct byte_range pair[2])
{
    if (json_node_text(node, &pair[0].bytes, &pair[0].size)) {
        const unsigned char *end = pair[0].bytes + pair[0].size;
        const unsigned char *space = memchr(pair[0].bytes, ' ', pair[0].size);
        if (!space || memchr(space + 1, ' ', (size_t)(end - space - 1)))
            return false;
        pair[0].size = (size_t)(space - pair[0].bytes);
        pair[1] = (struct byte_range){space + 1, (size_t)(end - space - 1)};
        return true;
    }
    struct json_members members = json_node_members(node);
    struct json_node item;
    size_t count = 0;
    if (json_node_type(node) != JSON_ARRAY)
        return false;
    while (json_members_next(&members, NULL, NULL, &item)) {
        if (count == 2 || !json_node_text(item, &pair[count].bytes, &pair[count].size))
            return false;
        count++;
    }
    return count == 2;
}

static bool is_version_line(struct json_node node)
{
    static const char head[] = "#version";
    const unsigned char *text;
    size_t size;
    return json_node_text(node, &text, &size) && size >= sizeof head - 1 &&
           memcmp(text, head, sizeof head - 1) == 0;
}

static enum error_code read_merges(const struct json_place *place, size_t prefix_size,
                                   struct spec_builder *builder, struct error *error)
{
    struct json_members members = json_node_members(place->node);
    struct json_node node;
    struct byte_range pair[2];
    for (size_t i = 0; json_members_next(&members, NULL, NULL, &node); i++) {
        struct json_place item = place_item(place, i, node);
        if (is_version_line(node))
            continue;
        if (!read_pair(node, pair))
            return place_refuse(&item, error, "is not a pair of tokens");
        enum error_code code =
            spec_builder_add_merge(builder, pair[0], pair[1], prefix_size, error);
        if (code != OK)
            return code == ERROR_CONFIG ? error_wrap(error, "model.merges[%zu]", i)
                                        : code;
    }
    return OK;
}

/* Field `name`, which must be of type `type` when it is there. */
static enum error_code need_field(const struct json_place *outer, const char *name,
                                  enum json_type type, struct json_place *place,
                                  struct error *error)
{
    *place = place_field(outer, name);
    if (json_node_type(place->node) == JSON_ABSENT)
        return place_refuse(outer, error, "\"%s\" is missing", name);
    if (json_node_type(place->node) != type)
        return place_refuse(place, error, "is not %s",
                            type == JSON_OBJECT ? "an object" : "a list");
    return OK;
}

static enum error_code check_dropout(const struct json_place *outer, struct error *error)
{
    double value = 0;
    struct json_place place = place_field(outer, "dropout");
    if (json_node_type(place.node) != JSON_ABSENT &&
        (!json_node_number(place.node, &value) || value != 0))
        return place_refuse(&place, error, "dropout is not supported");
    return OK;
}

/* The id of the token that field "unk_token" names; UINT32_MAX: it names none. */
static enum error_code find_unknown(const struct json_place *place, struct arena *arena,
                                    const struct spec_builder *builder, bool is_needed,
                                    uint32_t *unknown, struct error *error)
{
    struct byte_range text = {0};
    enum error_code code = place_text(place, "unk_token", false, arena, &text, error);
    *unknown = UINT32_MAX;
    if (code != OK || (text.size == 0 && !is_needed))
        return code;
    if (text.size == 0) /* the default of WordPiece */
        text = (struct byte_range){(const unsigned char *)"[UNK]", 5};
    *unknown = spec_builder_find(builder, text);
    if (*unknown == UINT32_MAX && is_needed)
        return place_refuse(
            place, error, "unknown token \"%.*s\" is not in the vocabulary",
            text.size < 100 ? (int)text.size : 100, (const char *)text.bytes);
    return OK;
}

static enum error_code read_bpe_flags(const struct json_place *place, struct arena *arena,
                                      struct model_spec *model, struct error *error)
{
    enum error_code code = check_dropout(place, error);
    if (code == OK)
        code = place_bool(place, "fuse_unk", false, &model->fuse_unknown, error);
    if (code == OK)
        code = place_bool(place, "byte_fallback", false, &model->byte_fallback, error);
    if (code == OK)
        code = place_bool(place, "ignore_merges", false, &model->ignore_merges, error);
    if (code == OK)
        code = place_text(place, "continuing_subword_prefix", false, arena,
                          &model->continuing, error);
    if (code == OK)
        code = place_text(place, "end_of_word_suffix", false, arena, &model->end_of_word,
                          error);
    return code;
}

/* An added token that is in the vocabulary has its id there, whatever its own entry says. */
static enum error_code finish(struct spec_builder *builder, bool is_byte_level,
                              struct tokenizer_spec *spec, struct error *error)
{
    for (size_t i = 0; i < spec->added_count; i++) {
        const struct added_token *added = &spec->added[i];
        uint32_t id = spec_builder_find(builder, added->text);
        if (id != UINT32_MAX && id != added->id)
            return error_set(error, ERROR_CONFIG,
                             "added_tokens: \"%.*s\" has id %u, but %u in model.vocab",
                             added->text.size < 100 ? (int)added->text.size : 100,
                             (const char *)added->text.bytes, (unsigned)added->id,
                             (unsigned)id);
    }
    enum error_code code =
        spec_builder_finish(builder, is_byte_level, &spec->model, error);
    if (code == ERROR_CONFIG)
        (void)error_wrap(error, "model.vocab");
    for (size_t i = 0; code == OK && i < spec->added_count; i++) {
        if (spec->added[i].id >= spec->model.id_limit)
            spec->model.id_limit = spec->added[i].id + 1;
    }
    return code;
}

static enum error_code read_bpe(const struct json_place *place, bool is_byte_level,
                                struct arena *arena, struct tokenizer_spec *spec,
                                struct error *error)
{
    struct model_spec *model = &spec->model;
    static const char *const fields[] = {
        "type",     "dropout",       "unk_token",      "continuing_subword_prefix",
        "fuse_unk", "byte_fallback", "ignore_merges",  "end_of_word_suffix",
        "vocab",    "merges",        "cache_capacity", NULL};
    struct spec_builder builder = {0};
    struct json_place vocab, merges;
    model->kind = MODEL_BPE_MERGES;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = read_bpe_flags(place, arena, model, error);
    if (code == OK)
        code = need_field(place, "vocab", JSON_OBJECT, &vocab, error);
    if (code == OK)
        code = need_field(place, "merges", JSON_ARRAY, &merges, error);
    if (code == OK)
        code = spec_builder_init(&builder, arena, json_node_count(vocab.node),
                                 json_node_count(merges.node), error);
    if (code == OK)
        code = read_tokens(&vocab, &builder, error);
    if (code == OK)
        code = read_merges(&merges, model->continuing.size, &builder, error);
    if (code == OK)
        code = find_unknown(place, arena, &builder, false, &model->unknown, error);
    return code == OK ? finish(&builder, is_byte_level, spec, error) : code;
}

static enum error_code read_word_max(const struct json_place *outer, uint32_t *word_max,
                                     struct error *error)
{
    int64_t value = 100;
    struct json_place place = place_field(outer, "max_input_chars_per_word");
    if (json_node_type(place.node) != JSON_ABSENT &&
        (!json_node_integer(place.node, &value) || value < 0 || value > UINT32_MAX))
        return place_refuse(&place, error, "is not a number of characters");
    *word_max = (uint32_t)value;
    return OK;
}

static enum error_code read_wordpiece(const struct json_place *place, bool is_byte_level,
                                      struct arena *arena, struct tokenizer_spec *spec,
                                      struct error *error)
{
    struct model_spec *model = &spec->model;
    static const char *const fields[] = {
        "type",  "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
        "vocab", NULL};
    struct spec_builder builder = {0};
    struct json_place vocab;
    model->kind = MODEL_WORDPIECE;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "continuing_subword_prefix", false, arena,
                          &model->continuing, error);
    if (code == OK && !has_field(place, "continuing_subword_prefix"))
        model->continuing = (struct byte_range){(const unsigned char *)"##", 2};
    if (code == OK)
        code = read_word_max(place, &model->word_max, error);
    if (code == OK)
        code = need_field(place, "vocab", JSON_OBJECT, &vocab, error);
    if (code == OK)
        code = spec_builder_init(&builder, arena, json_node_count(vocab.node), 0, error);
    if (code == OK)
        code = read_tokens(&vocab, &builder, error);
    if (code == OK)
        code = find_unknown(place, arena, &builder, true, &model->unknown, error);
    return code == OK ? finish(&builder, is_byte_level, spec, error) : code;
}

/* [["token", score], ...]; ids are places in the list. */
/* The number that Hugging Face's reader makes of the shortest decimal that stands for
 * `value`: serde_json takes the digits as an integer, rounds that, and multiplies or
 * divides by a power of ten. The last bit may differ from the nearest double, and decides
 * between segmentations that are equally likely. */
static double round_as_reference(double value)
{
    enum { DIGITS_MAX = 17, EXPONENT_MAX = 300 };
    char text[40];
    int digits = 0, length = 0;
    do
        length = snprintf(text, sizeof text, "%.*e", digits++, value);
    while (digits < DIGITS_MAX && strtod(text, NULL) != value);
    uint64_t significand = 0;
    const char *at = text + (text[0] == '-');
    for (; at < text + length && *at != 'e'; at++) {
        if (*at != '.')
            significand = significand * 10 + (uint64_t)(*at - '0');
    }
    if (at == text + length)
        return value; /* not finite */
    long exponent = strtol(at + 1, NULL, 10) - (digits - 1);
    if (exponent < -EXPONENT_MAX || exponent > EXPONENT_MAX)
        return value;
    char power[16];
    (void)snprintf(power, sizeof power, "1e%ld", exponent < 0 ? -exponent : exponent);
    double ten = strtod(power, NULL);
    double read = exponent < 0 ? (double)significand / ten : (double)significand * ten;
    return text[0] == '-' ? -read : read;
}

static enum error_code read_scored_tokens(const struct json_place *place,
                                          struct spec_builder *builder,
                                          struct error *error)
{
    struct json_members members = json_node_members(place->node);
    struct json_node node;
    enum error_code code = OK;
    for (uint32_t id = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         id++) {
        struct json_place item = place_item(place, id, node);
        struct json_members parts = json_node_members(node);
        struct json_node text, number;
        struct byte_range token;
        double score;
        if (json_node_type(node) != JSON_ARRAY ||
            !json_members_next(&parts, NULL, NULL, &text) ||
            !json_members_next(&parts, NULL, NULL, &number) ||
            !json_node_text(text, &token.bytes, &token.size) ||
            !json_node_number(number, &score))
            return place_refuse(&item, error, "is not a token and its score");
        if (id >= TOKEN_ID_LIMIT)
            return place_refuse(&item, error, "more than %d tokens", TOKEN_ID_LIMIT);
        code =
            spec_builder_add_token(builder, token, id, round_as_reference(score), error);
    }
    return code;
}

static enum error_code read_unigram(const struct json_place *place, bool is_byte_level,
                                    struct arena *arena, struct tokenizer_spec *spec,
                                    struct error *error)
{
    struct model_spec *model = &spec->model;
    static const char *const fields[] = {"type", "unk_id", "vocab", "byte_fallback",
                                         NULL};
    struct spec_builder builder = {0};
    struct json_place vocab, unknown = place_field(place, "unk_id");
    model->kind = MODEL_UNIGRAM;
    model->unknown = UINT32_MAX;
    model->fuse_unknown = true;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_bool(place, "byte_fallback", false, &model->byte_fallback, error);
    if (code == OK)
        code = need_field(place, "vocab", JSON_ARRAY, &vocab, error);
    if (code == OK)
        code = spec_builder_init(&builder, arena, json_node_count(vocab.node), 0, error);
    if (code == OK)
        code = read_scored_tokens(&vocab, &builder, error);
    if (code == OK && json_node_type(unknown.node) != JSON_ABSENT)
        code = place_id(&unknown, &model->unknown, error);
    if (code == OK && model->unknown != UINT32_MAX &&
        model->unknown >= builder.token_count)
        return place_refuse(&unknown, error, "is not the id of a token");
    return code == OK ? finish(&builder, is_byte_level, spec, error) : code;
}

enum error_code tokenizer_json_model(const struct json_place *place, bool is_byte_level,
                                     struct arena *arena, struct tokenizer_spec *spec,
                                     struct error *error)
{
    size_t name = 0;
    enum error_code code = settle_name(place, &name, error);
    if (code != OK)
        return code;
    switch ((enum model_name)name) {
    case NAME_BPE:
        return read_bpe(place, is_byte_level, arena, spec, error);
    case NAME_UNIGRAM:
        return read_unigram(place, is_byte_level, arena, spec, error);
    case NAME_WORDPIECE:
        break;
    }
    return read_wordpiece(place, is_byte_level, arena, spec, error);
}
