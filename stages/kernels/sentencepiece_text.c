/* sentencepiece_text.c - SentencePiece's normalizer, and Hugging Face's use of its map */
#include "stages/kernels/sentencepiece_text.h"

#include <string.h>

#include "core/unicode.h"
#include "stages/kernels/text_builder.h"

enum { GRAPHEME_MAX = 5 }; /* bytes of those that are looked up whole */

static const unsigned char escaped_space[] = {0xE2, 0x96, 0x81}; /* U+2581 */
static const unsigned char replacement[] = {0xEF, 0xBF, 0xBD};   /* U+FFFD */

/* Is the byte a symbol, and the beginning of no longer one? Then it passes as it is. */
static bool is_single_symbol(const struct sentencepiece_rule *rule, unsigned char byte)
{
    for (unsigned next = 0; next < 256; next++) {
        const unsigned char pair[] = {byte, (unsigned char)next};
        uint64_t unit = prefix_trie_root(&rule->symbols);
        uint32_t ignored;
        if (prefix_trie_longest(&rule->symbols, unit, pair, 2, &ignored) != 1)
            return false;
        if (prefix_trie_step(&rule->symbols, &unit, byte) &&
            prefix_trie_step(&rule->symbols, &unit, (unsigned char)next))
            return false;
    }
    return true;
}

void sentencepiece_rule_complete(struct sentencepiece_rule *rule)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_run = byte < 128 && byte != ' ' && rule->map.is_plain[byte];
        if (byte < 128 && byte != ' ' && rule->has_symbols) {
            uint64_t unit = prefix_trie_root(&rule->symbols);
            if (prefix_trie_step(&rule->symbols, &unit, (unsigned char)byte))
                is_run = is_single_symbol(rule, (unsigned char)byte);
        }
        rule->is_run[byte] = is_run;
    }
    sentencepiece_plain_complete(rule);
}

struct part { /* what a beginning of the text becomes */
    const unsigned char *bytes;
    size_t size;
};

/* Normalizer::NormalizePrefix: returns the bytes that it takes of `text`. */
static size_t take_prefix(const struct sentencepiece_rule *rule,
                          const unsigned char *text, size_t size, struct part *part)
{
    *part = (struct part){.bytes = text};
    if (rule->has_symbols) {
        uint32_t ignored;
        part->size = prefix_trie_longest(&rule->symbols, prefix_trie_root(&rule->symbols),
                                         text, size, &ignored);
        if (part->size > 0)
            return part->size;
    }
    size_t taken =
        charsmap_find(&rule->map, text, size, false, &part->bytes, &part->size);
    if (taken > 0)
        return taken;
    uint32_t code;
    part->size = unicode_decode(text, size, &code);
    if (part->size > 0)
        return part->size;
    *part = (struct part){replacement, sizeof replacement};
    return 1;
}

static bool is_one_space(struct part part)
{
    return part.size == 1 && part.bytes[0] == ' ';
}

static void put_space(const struct sentencepiece_rule *rule, size_t origin,
                      struct text_builder *builder)
{
    if (rule->escape_whitespaces)
        text_builder_put(builder, escaped_space, sizeof escaped_space, origin);
    else
        text_builder_put(builder, (const unsigned char *)" ", 1, origin);
}

static void put_part(const struct sentencepiece_rule *rule, struct part part,
                     size_t origin, struct text_builder *builder)
{
    while (part.size > 0) {
        const unsigned char *space = memchr(part.bytes, ' ', part.size);
        size_t size = space ? (size_t)(space - part.bytes) : part.size;
        if (size > 0)
            text_builder_put(builder, part.bytes, size, origin);
        if (!space)
            return;
        put_space(rule, origin, builder);
        part.bytes += size + 1;
        part.size -= size + 1;
    }
}

/* End of the bytes from `at` on that pass as they are. */
static size_t run_end(const struct sentencepiece_rule *rule, const unsigned char *text,
                      size_t size, size_t at)
{
    size_t end = at;
    while (end < size && rule->is_run[text[end]])
        end++;
    if (end > at && end < size && text[end] >= 0x80 && rule->map.unit_count > 0)
        end--; /* it may be one with what follows */
    return end;
}

static void drop_last_spaces(const struct sentencepiece_rule *rule, size_t *consumed,
                             struct text_builder *builder)
{
    const unsigned char *space =
        rule->escape_whitespaces ? escaped_space : (const unsigned char *)" ";
    size_t length = rule->escape_whitespaces ? sizeof escaped_space : 1;
    while (builder->size >= length &&
           memcmp(builder->text + builder->size - length, space, length) == 0) {
        builder->size -= length;
        if (builder->with_origins)
            *consumed = builder->origins[builder->size];
    }
}

size_t sentencepiece_text_put(const struct sentencepiece_rule *rule,
                              const unsigned char *text, size_t size,
                              struct text_builder *builder)
{
    size_t at = 0;
    struct part part;
    while (rule->remove_extra_whitespaces && at < size) {
        size_t taken = take_prefix(rule, text + at, size - at, &part);
        if (!is_one_space(part))
            break;
        at += taken;
    }
    if (at == size)
        return at;
    if (!rule->treat_whitespace_as_suffix && rule->add_dummy_prefix)
        put_space(rule, at, builder);
    bool is_after_space = rule->remove_extra_whitespaces;
    while (at < size) {
        if (!builder->with_origins)
            at = sentencepiece_plain_put(rule, text, size, at, &is_after_space, builder);
        if (at == size)
            break;
        size_t end = run_end(rule, text, size, at);
        if (end > at) {
            text_builder_copy(builder, text + at, end - at, at);
            is_after_space = false;
            at = end;
            continue;
        }
        size_t taken = take_prefix(rule, text + at, size - at, &part);
        while (is_after_space && part.size > 0 && part.bytes[0] == ' ') {
            part.bytes++;
            part.size--;
        }
        if (part.size > 0) {
            put_part(rule, part, at, builder);
            is_after_space = part.bytes[part.size - 1] == ' ';
        }
        at += taken;
        is_after_space = is_after_space && rule->remove_extra_whitespaces;
    }
    if (rule->remove_extra_whitespaces)
        drop_last_spaces(rule, &at, builder);
    if (rule->treat_whitespace_as_suffix && rule->add_dummy_prefix)
        put_space(rule, at, builder);
    return at;
}

/* Append what the shortest key that the bytes begin with stands for; false: none does. */
static bool put_replaced(const struct charsmap *map, const unsigned char *text,
                         size_t size, size_t at, struct text_builder *builder)
{
    struct part part;
    const unsigned char *end = memchr(text, 0, size); /* a key ends at a zero byte */
    if (charsmap_find(map, text, end ? (size_t)(end - text) : size, true, &part.bytes,
                      &part.size) == 0)
        return false;
    text_builder_put(builder, part.bytes, part.size, at);
    return true;
}

/* End of the grapheme cluster at `at`; bytes that are not UTF-8 are clusters. */
static size_t grapheme_end(const unsigned char *text, size_t size, size_t at)
{
    uint32_t before, after;
    int32_t state = 0;
    size_t length = unicode_decode(text + at, size - at, &before);
    if (length == 0)
        return at + 1;
    for (size_t end = at + length; end < size; end += length, before = after) {
        if (before < 0x80 && text[end] < 0x80 && before != '\r')
            return end;
        length = unicode_decode(text + end, size - end, &after);
        if (length == 0 || unicode_ends_grapheme(before, after, &state))
            return end;
    }
    return size;
}

void precompiled_text_put(const struct charsmap *map, const unsigned char *text,
                          size_t size, struct text_builder *builder)
{
    for (size_t at = 0; at < size;) {
        size_t end = at;
        while (end < size && text[end] < 0x80 && map->is_plain[text[end]] &&
               text[end] != '\r')
            end++;
        if (end > at && end < size)
            end--; /* what follows may belong to it */
        if (end > at) {
            text_builder_copy(builder, text + at, end - at, at);
            at = end;
            continue;
        }
        end = grapheme_end(text, size, at);
        if (end - at <= GRAPHEME_MAX &&
            put_replaced(map, text + at, end - at, at, builder)) {
            at = end;
            continue;
        }
        while (at < end) {
            uint32_t code;
            size_t length = unicode_decode(text + at, end - at, &code);
            if (length == 0)
                length = 1;
            if (!put_replaced(map, text + at, length, at, builder))
                text_builder_copy(builder, text + at, length, at);
            at += length;
        }
    }
}
