/* normalizer.c - the normalizers of a tokenizer, one after another over a text */
#include "stages/kernels/normalizer.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/bert_text.h"
#include "stages/kernels/normal_form.h"
#include "stages/kernels/pattern_replace.h"
#include "stages/kernels/sentencepiece_text.h"
#include "stages/kernels/text_builder.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/unicode8_tables.h"

enum { NORMALIZERS_MAX = 64 };

/* In the image, for each: kind, flags, sizes of pattern and content, u32 each, and these.
 * Of BERT the content is a map, of SentencePiece the pattern is a trie of symbols. */
enum {
    FLAG_REGEX = 1,
    FLAG_LEFT = 2,
    FLAG_RIGHT = 4,
    FLAG_DUMMY_PREFIX = 8,
    FLAG_REMOVE_SPACES = 16,
    FLAG_ESCAPE = 32,
    FLAG_SUFFIX = 64
};

struct step {
    enum normalizer_kind kind;
    uint32_t flags;
    struct byte_range pattern, content;
    /* As the kind needs them, in the run arena. */
    const struct unicode_table *table;
    struct pattern_replace *replace;
    struct sentencepiece_rule *rule;
    struct charsmap *map;
    struct bert_map *bert;
};

struct normalizer {
    size_t count;
    struct step *steps; /* (count) */
};

/* ---- building ---- */

static uint32_t flags_of(const struct normalizer_spec *spec)
{
    return (spec->is_regex ? FLAG_REGEX : 0u) | (spec->is_left ? FLAG_LEFT : 0u) |
           (spec->is_right ? FLAG_RIGHT : 0u) |
           (spec->add_dummy_prefix ? FLAG_DUMMY_PREFIX : 0u) |
           (spec->remove_extra_whitespaces ? FLAG_REMOVE_SPACES : 0u) |
           (spec->escape_whitespaces ? FLAG_ESCAPE : 0u) |
           (spec->treat_whitespace_as_suffix ? FLAG_SUFFIX : 0u);
}

/* The user-defined symbols, each ended by a zero byte, as a trie. */
static enum error_code build_symbols(struct byte_range list, struct arena *work,
                                     struct bytes *trie, struct error *error)
{
    size_t count = 0;
    struct trie_key *keys = ARENA_NEW(work, struct trie_key, list.size / 2 + 1);
    if (!keys)
        return error_set(error, ERROR_MEMORY, "no memory for the user-defined symbols");
    for (size_t begin = 0; begin < list.size;) {
        const unsigned char *end = memchr(list.bytes + begin, 0, list.size - begin);
        if (!end)
            return error_set(error, ERROR_CONFIG, "a user-defined symbol has no end");
        size_t size = (size_t)(end - list.bytes) - begin;
        if (size > 0)
            keys[count++] = (struct trie_key){list.bytes + begin, size, 0};
        begin += size + 1;
    }
    return count ? prefix_trie_build(keys, count, trie, error) : OK;
}

/* Is the specification sound? What has to be compiled when the image is opened is compiled
 * here for its errors, and what takes time is put into `pattern` and `content`. */
static enum error_code build_parts(const struct normalizer_spec *spec, struct arena *work,
                                   struct bytes *pattern, struct bytes *content,
                                   struct error *error)
{
    struct charsmap map;
    switch (spec->kind) {
    case NORMALIZER_BERT:
        return bert_map_build(spec, false, work, content, error);
    case NORMALIZER_REPLACE:
        bytes_put(content, spec->content.bytes, spec->content.size);
        return pattern_replace_build(spec->pattern.bytes, spec->pattern.size,
                                     spec->is_regex, pattern, error);
    case NORMALIZER_SENTENCEPIECE:
    case NORMALIZER_PRECOMPILED:
        bytes_put(content, spec->content.bytes, spec->content.size);
        if (charsmap_open(&map, spec->content.bytes, spec->content.size, error) != OK)
            return ERROR_CONFIG;
        return build_symbols(spec->pattern, work, pattern, error);
    case NORMALIZER_PREPEND:
        bytes_put(content, spec->content.bytes, spec->content.size);
        return OK;
    case NORMALIZER_NFC:
    case NORMALIZER_NFD:
    case NORMALIZER_NFKC:
    case NORMALIZER_NFKD:
    case NORMALIZER_LOWERCASE:
    case NORMALIZER_STRIP_ACCENTS:
    case NORMALIZER_STRIP:
        return OK;
    }
    return error_set(error, ERROR_CONFIG, "there is no normalizer of kind %d",
                     (int)spec->kind);
}

static enum error_code build_one(const struct normalizer_spec *spec, struct arena *work,
                                 struct bytes *image, struct error *error)
{
    struct bytes pattern = {0}, content = {0};
    enum error_code code = build_parts(spec, work, &pattern, &content, error);
    if (code == OK) {
        bytes_put_u32(image, (uint32_t)spec->kind);
        bytes_put_u32(image, flags_of(spec));
        bytes_put_u32(image, (uint32_t)pattern.size);
        bytes_put_u32(image, (uint32_t)content.size);
        bytes_put(image, pattern.data, pattern.size);
        bytes_put(image, content.data, content.size);
        if (pattern.is_bad || content.is_bad || image->is_bad)
            code = error_set(error, ERROR_MEMORY, "no memory for a normalizer");
    }
    bytes_clear(&pattern);
    bytes_clear(&content);
    return code;
}

enum error_code normalizer_build(const struct normalizer_spec *specs, size_t count,
                                 struct arena *work, struct bytes *image,
                                 struct error *error)
{
    if (count > NORMALIZERS_MAX)
        return error_set(error, ERROR_CONFIG, "%zu normalizers are more than %d", count,
                         (int)NORMALIZERS_MAX);
    bytes_put_u32(image, (uint32_t)count);
    enum error_code code = OK;
    for (size_t i = 0; i < count && code == OK; i++)
        code = build_one(specs + i, work, image, error);
    if (code == OK && image->is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for the normalizers");
    return code;
}

/* ---- opening ---- */

static enum error_code open_rule(struct step *step, struct arena *run,
                                 struct error *error)
{
    struct sentencepiece_rule *rule = ARENA_NEW(run, struct sentencepiece_rule, 1);
    if (!rule)
        return error_set(error, ERROR_MEMORY, "no memory for a normalizer");
    rule->add_dummy_prefix = step->flags & FLAG_DUMMY_PREFIX;
    rule->remove_extra_whitespaces = step->flags & FLAG_REMOVE_SPACES;
    rule->escape_whitespaces = step->flags & FLAG_ESCAPE;
    rule->treat_whitespace_as_suffix = step->flags & FLAG_SUFFIX;
    rule->has_symbols = step->pattern.size > 0;
    enum error_code code =
        charsmap_open(&rule->map, step->content.bytes, step->content.size, error);
    if (code == OK && rule->has_symbols)
        code = prefix_trie_open(&rule->symbols, step->pattern.bytes, step->pattern.size,
                                error);
    if (code == OK)
        sentencepiece_rule_complete(rule);
    step->rule = rule;
    return code;
}

static enum error_code open_table(struct step *step, struct arena *run,
                                  struct error *error)
{
    static const enum unicode_form forms[] = {[NORMALIZER_NFC] = UNICODE_NFC,
                                              [NORMALIZER_NFD] = UNICODE_NFD,
                                              [NORMALIZER_NFKC] = UNICODE_NFKC,
                                              [NORMALIZER_NFKD] = UNICODE_NFKD};
    step->table = unicode_table_build(forms[step->kind], run);
    return step->table ? OK
                       : error_set(error, ERROR_MEMORY, "no memory for a Unicode table");
}

static enum error_code open_step(struct step *step, struct arena *run,
                                 struct error *error)
{
    switch (step->kind) {
    case NORMALIZER_NFC:
    case NORMALIZER_NFD:
    case NORMALIZER_NFKC:
    case NORMALIZER_NFKD:
        return open_table(step, run, error);
    case NORMALIZER_REPLACE:
        step->replace = ARENA_NEW(run, struct pattern_replace, 1);
        if (!step->replace)
            return error_set(error, ERROR_MEMORY, "no memory for a normalizer");
        step->replace->content = step->content.bytes;
        step->replace->content_size = step->content.size;
        return pattern_replace_open(step->replace, step->pattern.bytes,
                                    step->pattern.size, step->flags & FLAG_REGEX, run,
                                    error);
    case NORMALIZER_BERT:
        step->bert = ARENA_NEW(run, struct bert_map, 1);
        if (!step->bert)
            return error_set(error, ERROR_MEMORY, "no memory for a normalizer");
        return bert_map_open(step->bert, step->content.bytes, step->content.size, run,
                             error);
    case NORMALIZER_PRECOMPILED:
        step->map = ARENA_NEW(run, struct charsmap, 1);
        if (!step->map)
            return error_set(error, ERROR_MEMORY, "no memory for a normalizer");
        return charsmap_open(step->map, step->content.bytes, step->content.size, error);
    case NORMALIZER_SENTENCEPIECE:
        return open_rule(step, run, error);
    case NORMALIZER_LOWERCASE:
    case NORMALIZER_STRIP_ACCENTS:
    case NORMALIZER_PREPEND:
    case NORMALIZER_STRIP:
        return OK;
    }
    return error_set(error, ERROR_DAMAGED, "a prepared normalizer is damaged");
}

enum error_code normalizer_open(const void *image, size_t size, struct arena *run,
                                struct normalizer **normalizer, struct error *error)
{
    struct cursor cursor = cursor_over(image, size);
    uint32_t count = cursor_u32(&cursor);
    if (cursor.is_bad || count > NORMALIZERS_MAX)
        return error_set(error, ERROR_DAMAGED, "prepared normalizers are damaged");
    struct normalizer *opened = ARENA_NEW(run, struct normalizer, 1);
    struct step *steps = ARENA_NEW(run, struct step, count + 1);
    if (!opened || !steps)
        return error_set(error, ERROR_MEMORY, "no memory for the normalizers");
    for (uint32_t i = 0; i < count; i++) {
        struct step *step = steps + i;
        step->kind = (enum normalizer_kind)cursor_u32(&cursor);
        step->flags = cursor_u32(&cursor);
        step->pattern.size = cursor_u32(&cursor);
        step->content.size = cursor_u32(&cursor);
        step->pattern.bytes = cursor_take(&cursor, step->pattern.size);
        step->content.bytes = cursor_take(&cursor, step->content.size);
        if (cursor.is_bad)
            return error_set(error, ERROR_DAMAGED, "prepared normalizers are damaged");
        enum error_code code = open_step(step, run, error);
        if (code != OK)
            return code;
    }
    *opened = (struct normalizer){.count = count, .steps = steps};
    *normalizer = opened;
    return OK;
}

/* ---- running ---- */

/* Lower case without regard to what stands around a character: no final sigma. */
static void put_lowercase(const unsigned char *text, size_t size,
                          struct text_builder *builder)
{
    static const unsigned char dotted[] = {'i', 0xCC, 0x87};
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code;
        length = unicode_decode(text + at, size - at, &code);
        uint32_t lower = length ? lower_case_of(code) : 0;
        unsigned char bytes[4];
        if (length == 0 || lower == code) {
            length = length ? length : 1;
            text_builder_copy(builder, text + at, length, at);
        } else if (code == 0x130) {
            text_builder_put(builder, dotted, sizeof dotted, at);
        } else {
            text_builder_put(builder, bytes, unicode_encode(lower, bytes), at);
        }
    }
}

static void put_without_marks(const unsigned char *text, size_t size,
                              struct text_builder *builder)
{
    size_t begin = 0; /* of what is to be copied */
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code = 0;
        length = text[at] < 0x80 ? unicode_ascii_length(text + at, size - at)
                                 : unicode_decode(text + at, size - at, &code);
        if (length == 0)
            length = 1;
        else if (code != 0 && (text_class_of(code) & TEXT_MARK)) {
            text_builder_copy(builder, text + begin, at - begin, begin);
            begin = at + length;
        }
    }
    text_builder_copy(builder, text + begin, size - begin, begin);
}

static size_t space_length(const unsigned char *text, size_t size)
{
    uint32_t code;
    size_t length = unicode_decode(text, size, &code);
    return length && unicode_is_white_space(code) ? length : 0;
}

static void put_stripped(uint32_t flags, const unsigned char *text, size_t size,
                         struct text_builder *builder)
{
    size_t begin = 0, end = size, length;
    while ((flags & FLAG_LEFT) && begin < end &&
           (length = space_length(text + begin, end - begin)) > 0)
        begin += length;
    while ((flags & FLAG_RIGHT) && end > begin) {
        size_t last = end - 1; /* to the first byte of the last character */
        while (last > begin && end - last < 4 && (text[last] & 0xC0) == 0x80)
            last--;
        if (space_length(text + last, end - last) != end - last)
            break;
        end = last;
    }
    text_builder_copy(builder, text + begin, end - begin, begin);
}

/* *end_origin: where the end of what is put comes from. */
static enum error_code put_step(const struct step *step, const unsigned char *text,
                                size_t size, struct text_builder *builder,
                                size_t *end_origin, struct error *error)
{
    switch (step->kind) {
    case NORMALIZER_NFC:
    case NORMALIZER_NFD:
    case NORMALIZER_NFKC:
    case NORMALIZER_NFKD:
        normal_form_put(step->table, text, size, builder);
        break;
    case NORMALIZER_LOWERCASE:
        put_lowercase(text, size, builder);
        break;
    case NORMALIZER_STRIP_ACCENTS:
        put_without_marks(text, size, builder);
        break;
    case NORMALIZER_REPLACE:
        return pattern_replace_put(step->replace, text, size, builder, error);
    case NORMALIZER_PREPEND:
        if (size > 0)
            text_builder_put(builder, step->content.bytes, step->content.size, 0);
        text_builder_copy(builder, text, size, 0);
        break;
    case NORMALIZER_STRIP:
        put_stripped(step->flags, text, size, builder);
        *end_origin = builder->with_origins && builder->size > 0
                          ? (size_t)builder->origins[builder->size - 1] + 1
                          : size;
        break;
    case NORMALIZER_PRECOMPILED:
        precompiled_text_put(step->map, text, size, builder);
        break;
    case NORMALIZER_BERT:
        (void)bert_text_put(step->bert, text, size, builder); /* not for cutting */
        break;
    case NORMALIZER_SENTENCEPIECE:
        *end_origin = sentencepiece_text_put(step->rule, text, size, builder);
        break;
    }
    return OK;
}

/* Does the step leave the text as it is, as a quick look can tell? */
static bool step_changes_nothing(const struct step *step, const unsigned char *text,
                                 size_t size)
{
    switch (step->kind) {
    case NORMALIZER_NFC:
    case NORMALIZER_NFD:
    case NORMALIZER_NFKC:
    case NORMALIZER_NFKD:
        return unicode_normal_length(step->table, text, size) == size;
    case NORMALIZER_STRIP_ACCENTS:
        return unicode_ascii_length(text, size) == size;
    default:
        return false;
    }
}

static enum error_code run_step(const struct step *step, bool with_origins,
                                struct arena *scratch, struct normalized *result,
                                struct error *error)
{
    struct text_builder builder;
    size_t end_origin = result->size;
    text_builder_begin(&builder, scratch, result->size + result->size / 8, with_origins);
    if (!builder.is_bad) {
        enum error_code code =
            put_step(step, result->text, result->size, &builder, &end_origin, error);
        if (code != OK)
            return code;
    }
    if (!text_builder_end(&builder, end_origin))
        return error_set(error, ERROR_MEMORY, "no memory for a normalized text");
    if (result->origins) {
        for (size_t i = 0; i <= builder.size; i++)
            builder.origins[i] = result->origins[builder.origins[i]];
    }
    *result = (struct normalized){
        .text = builder.text, .size = builder.size, .origins = builder.origins};
    return OK;
}

enum error_code normalizer_run(const struct normalizer *normalizer,
                               const unsigned char *text, size_t size, bool is_first,
                               bool with_origins, struct arena *scratch,
                               struct normalized *result, struct error *error)
{
    (void)is_first; /* no normalizer there is asks for it */
    struct normalized current = {.text = text, .size = size};
    for (size_t i = 0; i < normalizer->count; i++) {
        const struct step *step = normalizer->steps + i;
        if (step_changes_nothing(step, current.text, current.size))
            continue;
        enum error_code code = run_step(step, with_origins, scratch, &current, error);
        if (code != OK)
            return code;
    }
    *result = current;
    return OK;
}
