/* wordpiece.c - a word to its WordPiece tokens: greedy, longest match first */
#include "stages/kernels/wordpiece.h"

#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_spec.h"

/* First bytes of the trie's keys. */
enum { LEAD_FIRST = 1, LEAD_LATER = 2 };
enum { HEAD_SIZE = 8 };

/* ---- building ---- */

static bool is_utf8(const unsigned char *text, size_t size)
{
    uint32_t ignored;
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        length = unicode_decode(text + at, size - at, &ignored);
        if (length == 0)
            return false;
    }
    return true;
}

/* False: no memory. */
static bool add_key(unsigned char lead, const unsigned char *text, size_t size,
                    uint32_t value, struct arena *work, struct trie_key *key)
{
    unsigned char *bytes = ARENA_RAW(work, unsigned char, size + 1);
    if (!bytes)
        return false;
    bytes[0] = lead;
    memcpy(bytes + 1, text, size);
    *key = (struct trie_key){bytes, size + 1, value};
    return true;
}

static struct trie_key *list_keys(const struct model_spec *model, struct arena *work,
                                  size_t *count)
{
    struct trie_key *keys =
        ARENA_RAW(work, struct trie_key, (size_t)2 * model->token_count + 1);
    const struct byte_range prefix = model->continuing;
    *count = 0;
    for (uint32_t i = 0; keys && i < model->token_count; i++) {
        struct byte_range text = model->tokens[i].text;
        if (text.size == 0 || !is_utf8(text.bytes, text.size))
            continue;
        if (!add_key(LEAD_FIRST, text.bytes, text.size, model->tokens[i].id, work,
                     keys + (*count)++))
            return NULL;
        if (text.size > prefix.size &&
            (prefix.size == 0 || memcmp(text.bytes, prefix.bytes, prefix.size) == 0) &&
            !add_key(LEAD_LATER, text.bytes + prefix.size, text.size - prefix.size,
                     model->tokens[i].id, work, keys + (*count)++))
            return NULL;
    }
    return keys;
}

enum error_code wordpiece_build(const struct tokenizer_spec *spec, struct arena *work,
                                struct bytes *image, struct error *error)
{
    const struct model_spec *model = &spec->model;
    const uint32_t id_end = UINT32_C(1) << PIECE_COUNT_SHIFT;
    size_t count;
    if (model->unknown >= id_end)
        return error_set(error, ERROR_CONFIG,
                         "the WordPiece model has no unknown token in its vocabulary");
    for (uint32_t i = 0; i < model->token_count; i++) {
        if (model->tokens[i].id >= id_end)
            return error_set(error, ERROR_CONFIG, "token id %u is too large",
                             (unsigned)model->tokens[i].id);
    }
    struct trie_key *keys = list_keys(model, work, &count);
    if (!keys)
        return error_set(error, ERROR_MEMORY, "no memory for the tokens");
    bytes_put_u32(image, model->unknown);
    bytes_put_u32(image, model->word_max);
    return prefix_trie_build(keys, count, image, error);
}

/* ---- encoding ---- */

enum error_code wordpiece_open(struct wordpiece *model, const unsigned char *image,
                               size_t size, struct error *error)
{
    const uint64_t none = (uint64_t)PREFIX_TRIE_NONE << 32; /* base 0: no child */
    struct cursor cursor = cursor_over(image, size);
    model->unknown = cursor_u32(&cursor);
    model->word_max = cursor_u32(&cursor);
    if (cursor.is_bad)
        return error_set(error, ERROR_DAMAGED, "a prepared model is damaged");
    enum error_code code =
        prefix_trie_open(&model->trie, image + HEAD_SIZE, size - HEAD_SIZE, error);
    if (code != OK)
        return code;
    model->first = model->later = prefix_trie_root(&model->trie);
    if (!prefix_trie_step(&model->trie, &model->first, LEAD_FIRST))
        model->first = none;
    if (!prefix_trie_step(&model->trie, &model->later, LEAD_LATER))
        model->later = none;
    return OK;
}

/* More than `max` characters? Looks at no more than it has to. */
static bool is_longer(const unsigned char *word, size_t size, uint32_t max)
{
    if (size <= max)
        return false;
    uint32_t count = 0, ignored;
    for (size_t at = 0; at < size; count++) {
        size_t length = unicode_decode(word + at, size - at, &ignored);
        at += length ? length : 1;
        if (count == max)
            return true;
    }
    return count > max;
}

static size_t put_unknown(const struct wordpiece *model, size_t size, uint32_t *ids,
                          struct token_span *spans)
{
    ids[0] = model->unknown;
    if (spans)
        spans[0] = (struct token_span){0, (uint32_t)size};
    return 1;
}

size_t wordpiece_encode(const struct wordpiece *model, const unsigned char *word,
                        size_t size, uint32_t *ids, struct token_span *spans)
{
    size_t count = 0, at = 0;
    if (is_longer(word, size, model->word_max))
        return put_unknown(model, size, ids, spans);
    while (at < size) {
        uint32_t id = 0;
        size_t length = prefix_trie_longest(
            &model->trie, at ? model->later : model->first, word + at, size - at, &id);
        if (length == 0)
            return put_unknown(model, size, ids, spans);
        if (spans)
            spans[count] = (struct token_span){(uint32_t)at, (uint32_t)(at + length)};
        ids[count++] = id;
        at += length;
    }
    return count;
}

size_t wordpiece_encode_missed(const struct wordpiece *model, struct piece_cache *cache,
                               const unsigned char *word, size_t size,
                               struct word_place place, const struct piece_slot *found,
                               uint32_t *ids)
{
    bool is_small = size <= PIECE_KEY_MAX;
    size_t large = is_small ? 0 : place.slot, count = 0;
    if (is_small && !found && cache->small[place.slot + 1].key.high != 0) {
        /* its line is full */
        found = piece_cache_find(cache, place.key, piece_key_other_slot(place.slot));
        count = found ? piece_slot_get(found, ids) : 0;
        if (count > 0 && count != PIECE_IN_LARGE)
            return count;
    }
    bool is_known = found != NULL;
    if (is_small && is_known)
        large = piece_large_hash(word, size);
    count = 0;
    if (!is_small || is_known)
        count = piece_cache_find_large(cache, large, word, size, ids);
    if (count > 0)
        return count;
    count = wordpiece_encode(model, word, size, ids, NULL);
    if (!is_small || count > PIECE_INLINE_IDS)
        piece_cache_put_large(cache, is_small ? piece_large_hash(word, size) : large,
                              word, size, ids, count);
    if (is_small && !is_known)
        piece_cache_put(cache, place.key, place.slot, ids, count);
    return count;
}
