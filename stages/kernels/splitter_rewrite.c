/* splitter_rewrite.c - splitters that put something into the text */
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/splitter_step.h"

/* The text being written, with where its bytes come from. */
struct rewriting {
    const struct splitter_step *step;
    const struct byte_alphabet *alphabet;
    const struct split_state *state;
    unsigned char *text;
    uint32_t *origins; /* NULL: not asked for */
    size_t size;
};

bool splitter_step_rewrites(enum splitter_kind kind)
{
    return kind == SPLITTER_METASPACE || kind == SPLITTER_PREFIX_SPACE ||
           kind == SPLITTER_BYTE_CHARS;
}

/* Bytes that stand for the byte at `at` of the old text, or for none at the place before
 * it. */
static void put(struct rewriting *r, const void *bytes, size_t size, size_t at)
{
    memcpy(r->text + r->size, bytes, size);
    for (size_t i = 0; r->origins && i < size; i++)
        r->origins[r->size + i] =
            r->state->origins ? r->state->origins[at] : (uint32_t)at;
    r->size += size;
}

/* Old bytes as they are, or each as its character. */
static void copy(struct rewriting *r, size_t begin, size_t end)
{
    if (r->step->spec.kind != SPLITTER_BYTE_CHARS) {
        memcpy(r->text + r->size, r->state->text + begin, end - begin);
        for (size_t at = begin; r->origins && at < end; at++)
            r->origins[r->size + (at - begin)] =
                r->state->origins ? r->state->origins[at] : (uint32_t)at;
        r->size += end - begin;
        return;
    }
    for (size_t at = begin; at < end; at++) {
        unsigned c = r->alphabet->chars[r->state->text[at]];
        unsigned char bytes[2] = {(unsigned char)(0xC0 | c >> 6),
                                  (unsigned char)(0x80 | (c & 0x3F))};
        if (c < 0x80)
            bytes[0] = (unsigned char)c;
        put(r, bytes, c < 0x80 ? 1 : 2, at);
    }
}

/* A part with its spaces replaced. */
static void copy_replacing(struct rewriting *r, struct piece part)
{
    const unsigned char *text = r->state->text, *space;
    size_t at = part.begin;
    while (at < part.end && (space = memchr(text + at, ' ', part.end - at)) != NULL) {
        copy(r, at, (size_t)(space - text));
        at = (size_t)(space - text);
        put(r, r->step->spec.replacement.bytes, r->step->spec.replacement.size, at);
        at++;
    }
    copy(r, at, part.end);
}

static bool has_prefix(const struct split_state *state, struct piece part,
                       struct byte_range prefix)
{
    return part.end - part.begin >= prefix.size &&
           memcmp(state->text + part.begin, prefix.bytes, prefix.size) == 0;
}

/* What goes before a part; empty: nothing. */
static struct byte_range prefix_of(const struct splitter_step *step,
                                   const struct split_state *state, size_t index)
{
    static const struct byte_range nothing = {(const unsigned char *)"", 0};
    static const struct byte_range space = {(const unsigned char *)" ", 1};
    struct piece part = state->items[index];
    if (step->spec.kind == SPLITTER_BYTE_CHARS || has_prefix(state, part, space))
        return nothing;
    if (step->spec.kind == SPLITTER_PREFIX_SPACE)
        return space;
    if (step->spec.prepend == PREPEND_NEVER ||
        (step->spec.prepend == PREPEND_FIRST && !(index == 0 && state->is_at_start)) ||
        has_prefix(state, part, step->spec.replacement))
        return nothing;
    return step->spec.replacement;
}

/* A bound for the size of the new text. */
static size_t bound(const struct splitter_step *step, const struct split_state *state)
{
    size_t size = state->size;
    if (step->spec.kind == SPLITTER_BYTE_CHARS)
        return 2 * size;
    if (step->spec.kind == SPLITTER_PREFIX_SPACE)
        return size + state->count;
    for (size_t at = 0; at < state->size; at++)
        size += state->text[at] == ' ' ? step->spec.replacement.size : 0;
    return size + state->count * step->spec.replacement.size;
}

enum error_code splitter_step_rewrite(const struct splitter_step *step,
                                      const struct byte_alphabet *alphabet,
                                      struct split_state *state, struct error *error)
{
    size_t limit = bound(step, state), at = 0;
    struct rewriting r = {.step = step, .alphabet = alphabet, .state = state};
    struct piece *items = ARENA_RAW(state->scratch, struct piece, state->count + 1);
    r.text = ARENA_RAW(state->scratch, unsigned char, limit + 1);
    if (state->with_origins)
        r.origins = ARENA_RAW(state->scratch, uint32_t, limit + 1);
    if (!items || !r.text || (state->with_origins && !r.origins) || limit >= UINT32_MAX)
        return error_set(error, ERROR_MEMORY, "no memory to split a text of %zu bytes",
                         state->size);
    for (size_t i = 0; i < state->count; i++) {
        struct piece part = state->items[i];
        struct byte_range prefix = prefix_of(step, state, i);
        copy(&r, at, part.begin);
        items[i].begin = (uint32_t)r.size;
        put(&r, prefix.bytes, prefix.size, part.begin);
        if (step->spec.kind == SPLITTER_METASPACE)
            copy_replacing(&r, part);
        else
            copy(&r, part.begin, part.end);
        items[i].end = (uint32_t)r.size;
        at = part.end;
    }
    copy(&r, at, state->size);
    if (r.origins)
        r.origins[r.size] =
            state->origins ? state->origins[state->size] : (uint32_t)state->size;
    state->text = r.text;
    state->size = r.size;
    state->origins = r.origins;
    state->items = items;
    return OK;
}
