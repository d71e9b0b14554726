/* bpe_reference.h - for tests: byte-pair merging by a list, as plainly as can be */
#ifndef TESTS_BPE_REFERENCE_H
#define TESTS_BPE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/unicode.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_spec.h"

static inline uint32_t reference_find(const struct model_spec *model, const void *text,
                                      size_t size)
{
    for (uint32_t i = 0; i < model->token_count; i++) {
        if (model->tokens[i].text.size == size &&
            memcmp(model->tokens[i].text.bytes, text, size) == 0)
            return model->tokens[i].id;
    }
    return UINT32_MAX;
}

static inline void reference_put(uint32_t *ids, struct token_span *spans, size_t *count,
                                 uint32_t id, size_t begin, size_t end)
{
    ids[*count] = id;
    spans[(*count)++] = (struct token_span){(uint32_t)begin, (uint32_t)end};
}

static inline bool reference_put_bytes(const struct model_spec *model,
                                       const unsigned char *text, size_t begin,
                                       size_t end, uint32_t *ids,
                                       struct token_span *spans, size_t *count)
{
    uint32_t found[4];
    for (size_t i = begin; i < end; i++) {
        char name[8];
        int size = snprintf(name, sizeof name, "<0x%02X>", text[i]);
        found[i - begin] = reference_find(model, name, (size_t)size);
        if (found[i - begin] == UINT32_MAX)
            return false;
    }
    for (size_t i = begin; i < end; i++)
        reference_put(ids, spans, count, found[i - begin], i, i + 1);
    return true;
}

/* The symbols of a piece before merging; returns the count. */
static inline size_t reference_symbols(const struct model_spec *model,
                                       const unsigned char *text, size_t size,
                                       uint32_t *ids, struct token_span *spans)
{
    size_t count = 0;
    size_t pending_begin = 0, pending_end = 0;
    for (size_t begin = 0, end; begin < size; begin = end) {
        char symbol[64];
        uint32_t point;
        size_t used = 0;
        size_t step =
            model->is_byte_level ? 1 : unicode_decode(text + begin, size - begin, &point);
        end = begin + (step ? step : 1);
        if (begin > 0 && model->continuing.size > 0) {
            memcpy(symbol, model->continuing.bytes, model->continuing.size);
            used = model->continuing.size;
        }
        memcpy(symbol + used, text + begin, end - begin);
        used += end - begin;
        if (end == size && model->end_of_word.size > 0) {
            memcpy(symbol + used, model->end_of_word.bytes, model->end_of_word.size);
            used += model->end_of_word.size;
        }
        uint32_t id = reference_find(model, symbol, used);
        bool is_pending = pending_end > pending_begin;
        if (id != UINT32_MAX) {
            if (is_pending)
                reference_put(ids, spans, &count, model->unknown, pending_begin,
                              pending_end);
            pending_end = pending_begin;
            reference_put(ids, spans, &count, id, begin, end);
        } else if (model->byte_fallback &&
                   reference_put_bytes(model, text, begin, end, ids, spans, &count)) {
            continue;
        } else if (model->unknown != UINT32_MAX) {
            if (is_pending && !model->fuse_unknown)
                reference_put(ids, spans, &count, model->unknown, pending_begin,
                              pending_end);
            if (!is_pending || !model->fuse_unknown)
                pending_begin = begin;
            pending_end = end;
        }
    }
    if (pending_end > pending_begin)
        reference_put(ids, spans, &count, model->unknown, pending_begin, pending_end);
    return count;
}

/* One piece: symbols one behind the other, then the first pair of the lowest rank until
 * there is none. Returns the count. */
static inline size_t reference_merge(const struct model_spec *model,
                                     const unsigned char *text, size_t size,
                                     uint32_t *ids, struct token_span *spans)
{
    size_t count = 0;
    uint32_t whole =
        model->ignore_merges ? reference_find(model, text, size) : UINT32_MAX;
    if (whole != UINT32_MAX) {
        reference_put(ids, spans, &count, whole, 0, size);
        return count;
    }
    count = reference_symbols(model, text, size, ids, spans);
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            for (uint32_t rank = 0; rank < model->merge_count && rank < best; rank++) {
                if (model->merges[rank].left == ids[i] &&
                    model->merges[rank].right == ids[i + 1]) {
                    best = rank;
                    at = i;
                }
            }
        }
        if (best == UINT32_MAX)
            return count;
        ids[at] = model->merges[best].merged;
        if (spans[at + 1].end > spans[at].end)
            spans[at].end = spans[at + 1].end;
        memmove(ids + at + 1, ids + at + 2, (count - at - 2) * sizeof *ids);
        memmove(spans + at + 1, spans + at + 2, (count - at - 2) * sizeof *spans);
        count--;
    }
}

/* ---- random models ---- */

struct random_model {
    struct model_spec spec;
    struct spec_token tokens[512];
    struct spec_merge merges[256];
    unsigned char texts[512][48];
    uint64_t seed;
    uint32_t byte_tokens; /* the first so many are those of byte fallback */
};

static inline uint32_t random_below(struct random_model *model, uint32_t limit)
{
    model->seed = model->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((model->seed >> 33) % limit);
}

static inline uint32_t random_add(struct random_model *model, const void *text,
                                  size_t size)
{
    uint32_t id = model->spec.token_count++;
    memcpy(model->texts[id], text, size);
    model->tokens[id] =
        (struct spec_token){.text = {.bytes = model->texts[id], .size = size}, .id = id};
    model->spec.id_limit = id + 1;
    return id;
}

static const char *const random_letters[] = {"a",
                                             "b",
                                             "c",
                                             "\xc3\xa9",
                                             "\xe2\x96\x81",
                                             "\xe4\xb8\xad",
                                             "\xe4\xb8\xae",
                                             "\xf0\x9f\x98\x80"};
enum { RANDOM_LETTERS = 8 };

/* Two tokens, of which the merge is made if its text is not too long. */
static inline bool random_merge(struct random_model *model, bool is_sane)
{
    struct model_spec *spec = &model->spec;
    uint32_t first = is_sane ? model->byte_tokens : 0;
    uint32_t left = first + random_below(model, spec->token_count - first);
    uint32_t right = first + random_below(model, spec->token_count - first);
    const struct byte_range *a = &model->tokens[left].text;
    const struct byte_range *b = &model->tokens[right].text;
    size_t prefix = spec->continuing.size;
    unsigned char text[96];
    if ((is_sane && (left == spec->unknown || right == spec->unknown)) ||
        b->size <= prefix || a->size + b->size - prefix > 40)
        return false;
    if (prefix > 0 && memcmp(b->bytes, spec->continuing.bytes, prefix) != 0)
        return false;
    memcpy(text, a->bytes, a->size);
    memcpy(text + a->size, b->bytes + prefix, b->size - prefix);
    for (uint32_t i = 0; i < spec->merge_count; i++) {
        if (model->merges[i].left == left && model->merges[i].right == right)
            return false;
    }
    size_t size = a->size + b->size - prefix;
    uint32_t merged = reference_find(spec, text, size);
    if (merged == UINT32_MAX)
        merged = random_add(model, text, size);
    model->merges[spec->merge_count++] = (struct spec_merge){left, right, merged};
    return true;
}

enum random_trait {
    RANDOM_BYTE_LEVEL = 1,
    RANDOM_FALLBACK = 2,
    RANDOM_UNKNOWN = 4,
    RANDOM_FUSED = 8,
    RANDOM_WHOLE = 16, /* ignore_merges */
    RANDOM_AFFIXES = 32,
    RANDOM_WILD = 64,    /* merges in any order, of any tokens */
    RANDOM_PARTIAL = 128 /* some bytes or letters are no tokens */
};

/* A model of up to `merges` merges with these traits; it refers to itself. */
static inline void random_model_fill(struct random_model *model, uint64_t seed,
                                     unsigned traits, uint32_t merges)
{
    memset(model, 0, sizeof *model);
    struct model_spec *spec = &model->spec;
    model->seed = seed;
    *spec = (struct model_spec){.kind = MODEL_BPE_MERGES,
                                .tokens = model->tokens,
                                .merges = model->merges,
                                .is_byte_level = traits & RANDOM_BYTE_LEVEL,
                                .byte_fallback =
                                    traits & RANDOM_FALLBACK &&
                                    !(traits & (RANDOM_BYTE_LEVEL | RANDOM_AFFIXES)),
                                .fuse_unknown = traits & RANDOM_FUSED,
                                .ignore_merges = traits & RANDOM_WHOLE,
                                .unknown = UINT32_MAX};
    if (traits & RANDOM_AFFIXES) {
        spec->continuing = (struct byte_range){(const unsigned char *)"#", 1};
        spec->end_of_word = (struct byte_range){(const unsigned char *)"/", 1};
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char raw = (unsigned char)byte;
        char name[8];
        int size = snprintf(name, sizeof name, "<0x%02X>", byte);
        if (spec->byte_fallback && !(traits & RANDOM_PARTIAL && byte % 7 == 0))
            (void)random_add(model, name, (size_t)size);
        if (spec->is_byte_level && !(traits & RANDOM_PARTIAL && byte % 5 == 2))
            (void)random_add(model, &raw, 1);
    }
    model->byte_tokens = spec->byte_fallback ? spec->token_count : 0;
    if (traits & RANDOM_UNKNOWN)
        spec->unknown = random_add(model, "<unk>", 5);
    for (unsigned i = 0; i < RANDOM_LETTERS && !spec->is_byte_level; i++) {
        char text[16];
        if (traits & RANDOM_PARTIAL && i % 3 == 1)
            continue;
        for (unsigned form = 0; form < (traits & RANDOM_AFFIXES ? 4u : 1u); form++) {
            int size = snprintf(text, sizeof text, "%s%s%s", form & 1 ? "#" : "",
                                random_letters[i], form & 2 ? "/" : "");
            (void)random_add(model, text, (size_t)size);
        }
    }
    for (unsigned i = 0;
         i < 20 * merges && spec->merge_count < merges && spec->token_count < 500; i++)
        (void)random_merge(model, !(traits & RANDOM_WILD));
    for (uint32_t i = spec->merge_count; traits & RANDOM_WILD && i > 1; i--) {
        uint32_t other = random_below(model, i);
        struct spec_merge swap = model->merges[i - 1];
        model->merges[i - 1] = model->merges[other];
        model->merges[other] = swap;
    }
    if (traits & RANDOM_WHOLE && spec->token_count < 510) {
        (void)random_add(model, "abcabcabc", 9);
        (void)random_add(model, "zz", 2);
    }
}

/* Text of the letters, sometimes others and broken ones. */
static inline size_t random_text(struct random_model *model, unsigned char *text,
                                 size_t limit)
{
    static const char *const others[] = {
        "z",      "\xff",         "\xe4\xb8", "\xe4\xb9\x80",
        "<0x41>", "\xf0\x9f\x98", "\xc0",     "\xcc\x81"};
    size_t size = 0;
    uint32_t wanted = 1 + random_below(model, (uint32_t)limit - 8);
    uint32_t letters = 1 + random_below(model, RANDOM_LETTERS);
    while (size < wanted) {
        bool is_other = random_below(model, 16) == 0;
        const char *letter = is_other ? others[random_below(model, 8)]
                                      : random_letters[random_below(model, letters)];
        if (size + strlen(letter) > limit)
            break;
        memcpy(text + size, letter, strlen(letter));
        size += strlen(letter);
    }
    return size;
}

#endif
