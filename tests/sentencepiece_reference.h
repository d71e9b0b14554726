/* sentencepiece_reference.h - for tests: SentencePiece and Unigram in the plainest way */
#ifndef TESTS_SENTENCEPIECE_REFERENCE_H
#define TESTS_SENTENCEPIECE_REFERENCE_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/tokenizer_spec.h"

/* ---- pieces by their text ---- */

struct reference {
    const struct model_spec *model;
    uint32_t *slots; /* token + 1 */
    size_t mask, longest;
};

static inline size_t reference_hash(const unsigned char *text, size_t size)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ text[i]) * 1099511628211u;
    return (size_t)(hash >> 20);
}

static inline const struct spec_token *reference_find(const struct reference *reference,
                                                      const unsigned char *text,
                                                      size_t size)
{
    for (size_t i = reference_hash(text, size) & reference->mask;;
         i = (i + 1) & reference->mask) {
        if (reference->slots[i] == 0)
            return NULL;
        const struct spec_token *token =
            &reference->model->tokens[reference->slots[i] - 1];
        if (token->text.size == size && memcmp(token->text.bytes, text, size) == 0)
            return token;
    }
}

static inline size_t reference_character(const unsigned char *at, size_t left)
{
    static const unsigned char sizes[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    size_t size = sizes[at[0] >> 4];
    if (size > left || at[0] >= 0xF8)
        return 1;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 1;
    }
    return size;
}

/* Pieces that are not UTF-8 stand in no normalized text. */
static inline bool reference_is_text(struct byte_range text)
{
    size_t length;
    for (size_t at = 0; at < text.size; at += length) {
        length = reference_character(text.bytes + at, text.size - at);
        if (length == 1 && text.bytes[at] >= 0x80)
            return false;
    }
    return true;
}

/* Only what SentencePiece finds in texts, or all tokens. Later ones win. */
static inline void reference_open(struct reference *reference,
                                  const struct model_spec *model)
{
    size_t slots = 16;
    while (slots < 3 * (size_t)model->token_count)
        slots *= 2;
    *reference = (struct reference){.model = model, .mask = slots - 1};
    reference->slots = calloc(slots, sizeof *reference->slots);
    for (uint32_t t = 0; t < model->token_count; t++) {
        const struct spec_token *token = &model->tokens[t];
        if (model->is_sentencepiece && token->kind != TOKEN_NORMAL &&
            token->kind != TOKEN_USER_DEFINED && token->kind != TOKEN_UNUSED)
            continue;
        if (!reference_is_text(token->text))
            continue;
        size_t i = reference_hash(token->text.bytes, token->text.size) & reference->mask;
        while (reference->slots[i] != 0 &&
               (model->tokens[reference->slots[i] - 1].text.size != token->text.size ||
                memcmp(model->tokens[reference->slots[i] - 1].text.bytes,
                       token->text.bytes, token->text.size) != 0))
            i = (i + 1) & reference->mask;
        reference->slots[i] = t + 1;
        if (token->text.size > reference->longest)
            reference->longest = token->text.size;
    }
}

static inline void reference_close(struct reference *reference)
{
    free(reference->slots);
}

static inline uint32_t reference_byte(const struct reference *reference,
                                      unsigned char byte)
{
    char name[8];
    (void)snprintf(name, sizeof name, "<0x%02X>", byte);
    for (uint32_t i = 0; i < reference->model->token_count; i++) {
        const struct spec_token *token = &reference->model->tokens[i];
        if (token->text.size == 6 && memcmp(token->text.bytes, name, 6) == 0)
            return token->id;
    }
    return UINT32_MAX;
}

/* What SentencePiece makes ids of: a piece, or an unknown character. */
static inline void reference_put(const struct reference *reference,
                                 const struct spec_token *token,
                                 const unsigned char *text, size_t size, uint32_t *ids,
                                 size_t *count)
{
    const struct model_spec *model = reference->model;
    if (token)
        ids[(*count)++] = token->id;
    else if (model->byte_fallback)
        for (size_t i = 0; i < size; i++)
            ids[(*count)++] = reference_byte(reference, text[i]);
    else if (*count == 0 || ids[*count - 1] != model->unknown)
        ids[(*count)++] = model->unknown;
}

/* ---- byte pairs ---- */

struct reference_symbol {
    size_t begin, end;
    bool is_frozen;
};
struct reference_split { /* the latest pair that an unused piece was seen as */
    const struct spec_token *token;
    size_t left;
};

static inline size_t reference_symbols(const struct reference *reference,
                                       const unsigned char *text, size_t size,
                                       struct reference_symbol *symbols)
{
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        size_t length = 0;
        for (size_t n = 1; n <= reference->longest && n <= size - at; n++) {
            const struct spec_token *token = reference_find(reference, text + at, n);
            if (token && token->kind == TOKEN_USER_DEFINED)
                length = n;
        }
        bool is_frozen = length > 0;
        length = is_frozen ? length : reference_character(text + at, size - at);
        symbols[count++] = (struct reference_symbol){at, at + length, is_frozen};
        at += length;
    }
    return count;
}

static inline const struct spec_token *reference_pair(
    const struct reference *reference, const unsigned char *text,
    const struct reference_symbol *left, const struct reference_symbol *right)
{
    if (left->is_frozen || right->is_frozen)
        return NULL;
    return reference_find(reference, text + left->begin, right->end - left->begin);
}

static inline void reference_resegment(const struct reference *reference,
                                       const struct reference_split *splits,
                                       const unsigned char *text, size_t size,
                                       uint32_t *ids, size_t *count)
{
    const struct spec_token *token = reference_find(reference, text, size);
    if (token && token->kind == TOKEN_UNUSED) {
        const struct reference_split *split = &splits[token - reference->model->tokens];
        if (split->token) {
            reference_resegment(reference, splits, text, split->left, ids, count);
            reference_resegment(reference, splits, text + split->left, size - split->left,
                                ids, count);
            return;
        }
    }
    reference_put(reference, token, text, size, ids, count);
}

/* bpe_model.cc with a look at every pair for every merge. */
static inline size_t reference_bpe(const struct reference *reference,
                                   const unsigned char *text, size_t size, uint32_t *ids)
{
    struct reference_symbol *symbols = calloc(size, sizeof *symbols);
    struct reference_split *splits =
        calloc(reference->model->token_count, sizeof *splits);
    size_t count = reference_symbols(reference, text, size, symbols), written = 0;
    for (;;) {
        const struct spec_token *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const struct spec_token *token =
                reference_pair(reference, text, &symbols[i], &symbols[i + 1]);
            if (token)
                splits[token - reference->model->tokens] =
                    (struct reference_split){token, symbols[i].end - symbols[i].begin};
            if (token && (!best || (float)token->score > (float)best->score)) {
                best = token;
                at = i;
            }
        }
        if (!best)
            break;
        symbols[at].end = symbols[at + 1].end;
        memmove(symbols + at + 1, symbols + at + 2, (count - at - 2) * sizeof *symbols);
        count--;
    }
    for (size_t i = 0; i < count; i++)
        reference_resegment(reference, splits, text + symbols[i].begin,
                            symbols[i].end - symbols[i].begin, ids, &written);
    free(symbols);
    free(splits);
    return written;
}

/* ---- Unigram ---- */

struct reference_way {
    double score;
    size_t start;
    const struct spec_token *token; /* NULL: unknown */
    bool is_there;
};

static inline void reference_offer(struct reference_way *way, double candidate,
                                   bool is_float, size_t start,
                                   const struct spec_token *token)
{
    if (way->is_there && !(candidate > way->score))
        return;
    *way = (struct reference_way){is_float ? (double)(float)candidate : candidate, start,
                                  token, true};
}

static inline void reference_limits(const struct model_spec *model, double *unknown,
                                    float *highest)
{
    float lowest = FLT_MAX;
    double lowest_of_all = INFINITY;
    *highest = FLT_MIN;
    for (uint32_t i = 0; i < model->token_count; i++) {
        double score = model->tokens[i].score;
        lowest_of_all = fmin(lowest_of_all, score);
        if (model->tokens[i].kind == TOKEN_NORMAL) {
            lowest = fminf(lowest, (float)score);
            *highest = fmaxf(*highest, (float)score);
        }
    }
    *unknown = model->is_sentencepiece ? (double)(lowest - 10.0f) : lowest_of_all - 10.0;
}

static inline void reference_search(const struct reference *reference,
                                    const unsigned char *text, size_t size,
                                    struct reference_way *ways)
{
    bool is_float = reference->model->is_sentencepiece;
    double unknown;
    float highest;
    reference_limits(reference->model, &unknown, &highest);
    for (size_t at = 0; at < size;) {
        size_t length = reference_character(text + at, size - at);
        bool has_single = false;
        for (size_t n = 1; n <= reference->longest && n <= size - at; n++) {
            const struct spec_token *token = reference_find(reference, text + at, n);
            if (!token || token->kind == TOKEN_UNUSED)
                continue;
            double score = token->kind == TOKEN_USER_DEFINED
                               ? (double)((float)n * highest) - 0.1
                               : token->score;
            reference_offer(&ways[at + n], score + ways[at].score, is_float, at, token);
            has_single = has_single || n == length;
        }
        if (!has_single) {
            double candidate = unknown + ways[at].score;
            if (is_float)
                candidate = (double)((float)unknown + (float)ways[at].score);
            reference_offer(&ways[at + length], candidate, is_float, at, NULL);
        }
        at += length;
    }
}

/* Hugging Face's run of unknown characters. */
static inline void reference_run(const struct reference *reference,
                                 const unsigned char *text, size_t size, uint32_t *ids,
                                 size_t *count)
{
    const struct spec_token *token = reference_find(reference, text, size);
    bool has_bytes = reference->model->byte_fallback && !token;
    for (size_t i = 0; has_bytes && i < size; i++)
        has_bytes = reference_byte(reference, text[i]) != UINT32_MAX;
    if (!has_bytes)
        ids[(*count)++] = token ? token->id : reference->model->unknown;
    for (size_t i = 0; has_bytes && i < size; i++)
        ids[(*count)++] = reference_byte(reference, text[i]);
}

static inline size_t reference_unigram(const struct reference *reference,
                                       const unsigned char *text, size_t size,
                                       uint32_t *ids)
{
    const struct model_spec *model = reference->model;
    struct reference_way *ways = calloc(size + 1, sizeof *ways);
    size_t *ends = calloc(size + 1, sizeof *ends), count = 0, run = 0;
    reference_search(reference, text, size, ways);
    for (size_t end = size; end > 0; end = ways[end].start)
        ends[ways[end].start] = end;
    for (size_t at = 0; at < size; at = ends[at]) {
        const struct spec_token *token = ways[ends[at]].token;
        bool is_unknown = !token || token->id == model->unknown;
        if (model->is_sentencepiece) {
            reference_put(reference, token, text + at, ends[at] - at, ids, &count);
        } else if (is_unknown) {
            run += ends[at] - at;
        } else {
            if (run > 0)
                reference_run(reference, text + at - run, run, ids, &count);
            run = 0;
            ids[count++] = token->id;
        }
    }
    if (run > 0)
        reference_run(reference, text + size - run, run, ids, &count);
    free(ways);
    free(ends);
    return count;
}

/* ---- SentencePiece's normalizer ---- */

/* The longest rule that the text begins with: a walk through the double array of Darts,
 * whose units hold a label, a leaf flag and an offset, or a value. */
static inline size_t reference_rule(struct byte_range charsmap, const unsigned char *text,
                                    size_t size, const char **replacement)
{
    if (charsmap.size < 8)
        return 0;
    uint32_t trie_size = load_u32(charsmap.bytes), unit;
    const unsigned char *trie = charsmap.bytes + 4;
    const char *texts = (const char *)trie + trie_size;
    size_t longest = 0, place = 0;
    unit = load_u32(trie);
    place ^= (unit >> 10) << ((unit & 512) >> 6);
    for (size_t i = 0; i < size && text[i] != 0; i++) {
        place ^= text[i];
        if (place >= trie_size / 4)
            break;
        unit = load_u32(trie + 4 * place);
        if ((unit & (0x80000000u | 0xFF)) != text[i])
            break;
        place ^= (unit >> 10) << ((unit & 512) >> 6);
        if (unit >> 8 & 1) {
            longest = i + 1;
            *replacement = texts + (load_u32(trie + 4 * place) & 0x7FFFFFFF);
        }
    }
    return longest;
}

static inline bool reference_is_utf8(const unsigned char *at, size_t left, size_t *length)
{
    uint32_t point = at[0];
    *length = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (at[0] < 0x80)
        return true;
    if (at[0] < 0xC2 || at[0] > 0xF4 || *length > left)
        return false;
    point &= 0x3Fu >> (*length - 1);
    for (size_t i = 1; i < *length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return false;
        point = point << 6 | (at[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return point >= least[*length] && point < 0x110000 &&
           (point < 0xD800 || point > 0xDFFF);
}

/* What the text begins with becomes *part; returns the bytes it takes. */
static inline size_t reference_prefix(const struct normalizer_spec *spec,
                                      const unsigned char *text, size_t size,
                                      struct byte_range *part)
{
    size_t longest = 0, length;
    const char *replacement = NULL;
    for (size_t i = 0; i < spec->pattern.size;) {
        size_t n = strlen((const char *)spec->pattern.bytes + i);
        if (n > longest && n <= size && memcmp(spec->pattern.bytes + i, text, n) == 0)
            longest = n;
        i += n + 1;
    }
    if (longest > 0) {
        *part = (struct byte_range){text, longest};
        return longest;
    }
    longest = reference_rule(spec->content, text, size, &replacement);
    if (longest > 0) {
        *part =
            (struct byte_range){(const unsigned char *)replacement, strlen(replacement)};
        return longest;
    }
    if (reference_is_utf8(text, size, &length)) {
        *part = (struct byte_range){text, length};
        return length;
    }
    *part = (struct byte_range){(const unsigned char *)"\xEF\xBF\xBD", 3};
    return 1;
}

static inline void reference_put_space(const struct normalizer_spec *spec,
                                       struct bytes *out)
{
    bytes_put(out, spec->escape_whitespaces ? "\xE2\x96\x81" : " ",
              spec->escape_whitespaces ? 3 : 1);
}

static inline void reference_normalize(const struct normalizer_spec *spec,
                                       const unsigned char *text, size_t size,
                                       struct bytes *out)
{
    struct byte_range part;
    bool removes = spec->remove_extra_whitespaces, is_behind_space = removes;
    size_t space = spec->escape_whitespaces ? 3 : 1;
    bytes_reset(out);
    while (removes && size > 0) {
        size_t taken = reference_prefix(spec, text, size, &part);
        if (part.size != 1 || part.bytes[0] != ' ')
            break;
        text += taken;
        size -= taken;
    }
    if (size == 0)
        return;
    if (!spec->treat_whitespace_as_suffix && spec->add_dummy_prefix)
        reference_put_space(spec, out);
    while (size > 0) {
        size_t taken = reference_prefix(spec, text, size, &part);
        for (; is_behind_space && part.size > 0 && part.bytes[0] == ' '; part.size--)
            part.bytes++;
        for (size_t i = 0; i < part.size; i++) {
            if (part.bytes[i] == ' ')
                reference_put_space(spec, out);
            else
                bytes_put_u8(out, part.bytes[i]);
        }
        if (part.size > 0)
            is_behind_space = removes && part.bytes[part.size - 1] == ' ';
        text += taken;
        size -= taken;
    }
    while (removes && out->size >= space &&
           memcmp(out->data + out->size - space, space == 3 ? "\xE2\x96\x81" : " ",
                  space) == 0)
        out->size -= space;
    if (spec->treat_whitespace_as_suffix && spec->add_dummy_prefix)
        reference_put_space(spec, out);
}

#endif
