/* splitter_cut.c - cut the parts of a text by one splitter */
#include <string.h>

#include "core/arena.h"
#include "core/unicode.h"
#include "stages/kernels/piece_joiner.h"
#include "stages/kernels/regex.h"
#include "stages/kernels/splitter_step.h"
#include "stages/kernels/unicode8_tables.h"
#include "stages/kernels/unicode_tables.h"

static void cut_named(enum split_pattern pattern, const unsigned char *text,
                      struct piece part, struct piece_joiner *joiner)
{
    size_t ends[256], at = 0, count, begin = part.begin;
    while ((count = split_pieces(pattern, text + part.begin, part.end - part.begin, &at,
                                 ends, sizeof ends / sizeof *ends)) > 0) {
        for (size_t i = 0; i < count; i++) {
            piece_joiner_put(joiner, begin, part.begin + ends[i], true);
            begin = part.begin + ends[i];
        }
    }
}

static void cut_literal(struct byte_range wanted, const unsigned char *text,
                        struct piece part, struct piece_joiner *joiner)
{
    const unsigned char *done = text + part.begin, *at = done, *end = text + part.end;
    while ((size_t)(end - at) >= wanted.size &&
           (at = memchr(at, wanted.bytes[0], (size_t)(end - at) - wanted.size + 1)) !=
               NULL) {
        if (memcmp(at, wanted.bytes, wanted.size) != 0) {
            at++;
            continue;
        }
        if (at > done)
            piece_joiner_put(joiner, (size_t)(done - text), (size_t)(at - text), false);
        done = at + wanted.size;
        piece_joiner_put(joiner, (size_t)(at - text), (size_t)(done - text), true);
        at = done;
    }
    if (end > done)
        piece_joiner_put(joiner, (size_t)(done - text), part.end, false);
}

/* Bytes of the character at `at`, of UTF-8. */
static size_t character_size(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* An empty match that ends where the last one did is none. */
static enum error_code cut_regex(const struct regex *regex, const struct regex_text *text,
                                 struct piece part, struct piece_joiner *joiner,
                                 struct error *error)
{
    size_t done = part.begin, at = done;
    bool has_match = false;
    while (at <= part.end) {
        size_t begin = 0, end = 0;
        bool is_found = false;
        enum error_code code = regex_find(regex, text, part.begin, part.end, at,
                                          &is_found, &begin, &end, error);
        if (code != OK)
            return code;
        if (!is_found)
            break;
        if (begin == end && has_match && end == done) {
            at += at < part.end ? character_size(text->text[at]) : 1;
            continue;
        }
        if (begin > done)
            piece_joiner_put(joiner, done, begin, false);
        piece_joiner_put(joiner, begin, end, true);
        at = done = end;
        has_match = true;
    }
    if (part.end > done)
        piece_joiner_put(joiner, done, part.end, false);
    return OK;
}

/* ---- by the class of each character ---- */

static bool is_space(uint32_t point)
{
    enum unicode_class class = unicode_class_of(point);
    return class == CLASS_SPACE || class == CLASS_NEWLINE;
}

static bool is_punctuation(uint32_t point)
{
    return text_class_of(point) & TEXT_PUNCTUATION;
}

/* Rust's char::is_numeric() knows the 13 numbers that came with Unicode 17.0. */
static bool is_number(uint32_t point)
{
    return unicode_class_of(point) == CLASS_NUMBER ||
           (point >= 0x11DE0 && point <= 0x11DE9) ||
           (point >= 0x16FF4 && point <= 0x16FF6);
}

/* Each character that is one is a match; those between belong together. A byte that is not
 * UTF-8 is a character that is none. */
static void cut_class(bool (*is_one)(uint32_t), const unsigned char *text,
                      struct piece part, struct piece_joiner *joiner)
{
    size_t done = part.begin;
    for (size_t at = part.begin; at < part.end;) {
        uint32_t point = text[at];
        size_t size = 1;
        if (point >= 0x80)
            size = unicode_decode(text + at, part.end - at, &point);
        if (size > 0 && is_one(point)) {
            if (at > done)
                piece_joiner_put(joiner, done, at, false);
            piece_joiner_put(joiner, at, at + size, true);
            done = at + size;
        }
        at += size > 0 ? size : 1;
    }
    if (part.end > done)
        piece_joiner_put(joiner, done, part.end, false);
}

/* What lies between white space, cut at punctuation: each such character is a piece. */
static void cut_bert(const unsigned char *text, struct piece part,
                     struct piece_joiner *joiner)
{
    size_t done = part.begin;
    for (size_t at = part.begin; at < part.end;) {
        uint32_t point = text[at];
        size_t size = 1;
        if (point >= 0x80)
            size = unicode_decode(text + at, part.end - at, &point);
        bool is_blank = size > 0 && is_space(point);
        if (is_blank || (size > 0 && is_punctuation(point))) {
            if (at > done)
                piece_joiner_put(joiner, done, at, true);
            if (!is_blank)
                piece_joiner_put(joiner, at, at + size, true);
            done = at + size;
        }
        at += size > 0 ? size : 1;
    }
    if (part.end > done)
        piece_joiner_put(joiner, done, part.end, true);
}

static void cut_part(const struct splitter_step *step, const unsigned char *text,
                     struct piece part, struct piece_joiner *joiner)
{
    if (step->is_named)
        cut_named(step->named, text, part, joiner);
    else if (step->spec.kind == SPLITTER_PATTERN)
        cut_literal(step->spec.pattern, text, part, joiner);
    else if (step->spec.kind == SPLITTER_METASPACE)
        cut_literal(step->spec.replacement, text, part, joiner);
    else if (step->spec.kind == SPLITTER_DIGITS)
        cut_class(is_number, text, part, joiner);
    else if (step->spec.kind == SPLITTER_WHITE_SPLIT)
        cut_class(is_space, text, part, joiner);
    else if (step->spec.kind == SPLITTER_PUNCTUATION)
        cut_class(is_punctuation, text, part, joiner);
    else
        cut_bert(text, part, joiner);
}

static enum split_behavior behavior_of(const struct splitter_spec *spec)
{
    switch (spec->kind) {
    case SPLITTER_PATTERN:
    case SPLITTER_PUNCTUATION:
        return spec->behavior;
    case SPLITTER_DIGITS:
        return spec->is_individual ? BEHAVIOR_ISOLATED : BEHAVIOR_CONTIGUOUS;
    case SPLITTER_METASPACE:
        return BEHAVIOR_MERGED_WITH_NEXT;
    case SPLITTER_WHITESPACE: /* inverted: what does not match goes */
    case SPLITTER_WHITE_SPLIT:
        return BEHAVIOR_REMOVED;
    case SPLITTER_GPT2:
    case SPLITTER_BERT:
    case SPLITTER_PREFIX_SPACE:
    case SPLITTER_BYTE_CHARS:
        break;
    }
    return BEHAVIOR_ISOLATED;
}

enum error_code splitter_step_cut(const struct splitter_step *step,
                                  struct split_state *state, struct error *error)
{
    struct regex_text clean = {0};
    enum error_code code = OK;
    bool has_room =
        !step->regex || regex_clean(state->text, state->size, state->scratch, &clean);
    struct piece_joiner joiner = {
        .behavior = behavior_of(&step->spec),
        .is_inverted = step->spec.kind == SPLITTER_WHITESPACE ||
                       (step->spec.kind == SPLITTER_PATTERN && step->spec.is_inverted),
        .items = ARENA_RAW(state->scratch, struct piece, state->size + 1)};
    if (!joiner.items || !has_room)
        return error_set(error, ERROR_MEMORY, "no memory to split a text");
    for (size_t i = 0; code == OK && i < state->count; i++) {
        if (step->regex)
            code = cut_regex(step->regex, &clean, state->items[i], &joiner, error);
        else
            cut_part(step, state->text, state->items[i], &joiner);
        piece_joiner_flush(&joiner);
    }
    arena_trim(state->scratch, joiner.items, (joiner.count + 1) * sizeof *joiner.items);
    if (joiner.count == 0 ||
        (state->count > 0 && joiner.items[0].begin > state->items[0].begin))
        state->is_at_start = false;
    state->items = joiner.items;
    state->count = joiner.count;
    return code;
}
