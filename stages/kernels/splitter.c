/* splitter.c - the splitters of a tokenizer: a text into pieces for its model */
#include "stages/kernels/splitter.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/regex.h"
#include "stages/kernels/split_spelling.h"
#include "stages/kernels/splitter_step.h"

enum { IMAGE_MAGIC = 0x314C5053, COUNT_MAX = 1000 };

struct splitter {
    size_t count;
    struct splitter_step *steps;    /* (count) */
    struct byte_alphabet *alphabet; /* NULL: no step needs it */
};

/* ---- the image ----
 *
 * magic and count, then for each splitter kind, flags, behaviour and prepend as u32, and
 * pattern and replacement as texts; of one of the named patterns its number. */

enum {
    FLAG_REGEX = 1,
    FLAG_INVERTED = 2,
    FLAG_INDIVIDUAL = 4,
    FLAG_SPLIT = 8,
    FLAG_NAMED = 16
};

static uint32_t flags_of(const struct splitter_spec *spec, bool is_named, bool is_regex)
{
    return (is_regex ? FLAG_REGEX : 0u) | (spec->is_inverted ? FLAG_INVERTED : 0u) |
           (spec->is_individual ? FLAG_INDIVIDUAL : 0u) |
           (spec->is_split ? FLAG_SPLIT : 0u) | (is_named ? FLAG_NAMED : 0u);
}

/* The pattern as the image has it. */
static enum error_code settle_pattern(const struct splitter_spec *spec, bool *is_named,
                                      bool *is_regex, struct bytes *pattern,
                                      struct error *error)
{
    enum split_pattern named = SPLIT_R50K;
    *is_named = spec->kind == SPLITTER_GPT2;
    *is_regex = false;
    if (spec->kind == SPLITTER_PATTERN && spec->is_regex)
        *is_named = split_recognise(spec->pattern.bytes, spec->pattern.size, &named);
    if (*is_named) {
        bytes_put_u8(pattern, (uint8_t)named);
        return OK;
    }
    if (spec->kind == SPLITTER_PATTERN && spec->pattern.size == 0)
        *is_regex = true; /* an empty text is found between all characters */
    else if (spec->kind == SPLITTER_PATTERN)
        *is_regex = spec->is_regex;
    bytes_put(pattern, spec->pattern.bytes, spec->pattern.size);
    return *is_regex ? regex_check(spec->pattern.bytes, spec->pattern.size, error) : OK;
}

static enum error_code put_splitter(const struct splitter_spec *spec, struct bytes *image,
                                    struct error *error)
{
    struct bytes pattern = {0};
    bool is_named = false, is_regex = false;
    enum error_code code = OK;
    if (spec->kind == SPLITTER_METASPACE && spec->replacement.size == 0)
        return error_set(error, ERROR_CONFIG, "Metaspace without a replacement");
    code = settle_pattern(spec, &is_named, &is_regex, &pattern, error);
    if (code == OK) {
        bytes_put_u32(image, (uint32_t)spec->kind);
        bytes_put_u32(image, flags_of(spec, is_named, is_regex));
        bytes_put_u32(image, (uint32_t)spec->behavior);
        bytes_put_u32(image, (uint32_t)spec->prepend);
        bytes_put_text(image, pattern.data, pattern.size);
        bytes_put_text(image, spec->replacement.bytes, spec->replacement.size);
        image->is_bad = image->is_bad || pattern.is_bad;
    }
    bytes_clear(&pattern);
    return code;
}

enum error_code splitter_build(const struct splitter_spec *specs, size_t count,
                               struct bytes *image, struct error *error)
{
    bool has_chars = false;
    if (count > COUNT_MAX)
        return error_set(error, ERROR_CONFIG, "more than %d splitters", COUNT_MAX);
    bytes_put_u32(image, IMAGE_MAGIC);
    bytes_put_u32(image, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        if (has_chars && splitter_step_rewrites(specs[i].kind))
            return error_set(error, ERROR_CONFIG,
                             "splitter %zu puts text in, but stands behind ByteLevel",
                             i + 1);
        has_chars = has_chars || specs[i].kind == SPLITTER_BYTE_CHARS;
        enum error_code code = put_splitter(&specs[i], image, error);
        if (code != OK)
            return code == ERROR_CONFIG ? error_wrap(error, "splitter %zu", i + 1) : code;
    }
    return image->is_bad ? error_set(error, ERROR_MEMORY, "no memory for splitters") : OK;
}

bool splitter_is_named(const struct splitter_spec *specs, size_t count,
                       enum split_pattern *pattern)
{
    if (count == 1 && specs->kind == SPLITTER_GPT2) {
        *pattern = SPLIT_R50K;
        return true;
    }
    /* Every character is in a match, so that these leave the pieces as they are. */
    return count == 1 && specs->kind == SPLITTER_PATTERN && specs->is_regex &&
           (specs->behavior == BEHAVIOR_ISOLATED ||
            (specs->behavior == BEHAVIOR_REMOVED && specs->is_inverted)) &&
           split_recognise(specs->pattern.bytes, specs->pattern.size, pattern);
}

/* ---- opening ---- */

static bool take_range(struct cursor *cursor, struct byte_range *range)
{
    range->bytes = (const unsigned char *)cursor_text(cursor, &range->size);
    return !cursor->is_bad;
}

/* One splitter of the image; its texts are borrowed from there. */
static enum error_code take_step(struct cursor *cursor, struct splitter_step *step,
                                 struct arena *run, struct error *error)
{
    struct splitter_spec *spec = &step->spec;
    uint32_t kind = cursor_u32(cursor), flags = cursor_u32(cursor);
    uint32_t behavior = cursor_u32(cursor), prepend = cursor_u32(cursor);
    bool is_good = take_range(cursor, &spec->pattern) &&
                   take_range(cursor, &spec->replacement) &&
                   kind <= SPLITTER_BYTE_CHARS && behavior <= BEHAVIOR_CONTIGUOUS &&
                   prepend <= PREPEND_ALWAYS;
    spec->kind = (enum splitter_kind)kind;
    spec->behavior = (enum split_behavior)behavior;
    spec->prepend = (enum metaspace_prepend)prepend;
    spec->is_inverted = flags & FLAG_INVERTED;
    spec->is_individual = flags & FLAG_INDIVIDUAL;
    spec->is_split = flags & FLAG_SPLIT;
    step->is_named = flags & FLAG_NAMED;
    if (is_good && step->is_named) {
        is_good = spec->pattern.size == 1 && spec->pattern.bytes[0] < SPLIT_PATTERN_COUNT;
        step->named = is_good ? (enum split_pattern)spec->pattern.bytes[0] : SPLIT_R50K;
    } else if (is_good && spec->kind == SPLITTER_PATTERN && !(flags & FLAG_REGEX)) {
        is_good = spec->pattern.size > 0;
    }
    if (!is_good || (spec->kind == SPLITTER_METASPACE && spec->replacement.size == 0) ||
        (spec->kind == SPLITTER_GPT2 && !step->is_named))
        return error_set(error, ERROR_DAMAGED, "a prepared splitter is damaged");
    if (spec->kind == SPLITTER_WHITESPACE)
        return regex_open_whitespace(true, run, &step->regex, error);
    if (!step->is_named && flags & FLAG_REGEX)
        return regex_open(spec->pattern.bytes, spec->pattern.size, true, run,
                          &step->regex, error);
    return OK;
}

enum error_code splitter_open(const void *image, size_t size, struct arena *run,
                              struct splitter **splitter, struct error *error)
{
    struct cursor cursor = cursor_over(image, size);
    uint32_t magic = cursor_u32(&cursor), count = cursor_u32(&cursor);
    struct splitter *opened = ARENA_NEW(run, struct splitter, 1);
    if (cursor.is_bad || magic != IMAGE_MAGIC || count > COUNT_MAX)
        return error_set(error, ERROR_DAMAGED, "not a prepared splitter");
    struct splitter_step *steps = ARENA_NEW(run, struct splitter_step, (size_t)count + 1);
    if (!opened || !steps)
        return error_set(error, ERROR_MEMORY, "no memory for splitters");
    for (uint32_t i = 0; i < count; i++) {
        enum error_code code = take_step(&cursor, &steps[i], run, error);
        opened->steps = steps;
        opened->count = i + 1;
        if (code != OK) {
            splitter_close(opened);
            return code;
        }
        if (steps[i].spec.kind == SPLITTER_BYTE_CHARS && !opened->alphabet) {
            opened->alphabet = ARENA_NEW(run, struct byte_alphabet, 1);
            if (!opened->alphabet)
                return error_set(error, ERROR_MEMORY, "no memory for splitters");
            byte_alphabet_fill(opened->alphabet);
        }
    }
    *splitter = opened;
    return OK;
}

void splitter_close(struct splitter *splitter)
{
    if (!splitter)
        return;
    for (size_t i = 0; i < splitter->count; i++)
        regex_close(splitter->steps[i].regex);
    splitter->count = 0;
}

/* ---- running ---- */

/* Pieces of characters for bytes to those bytes again; `bytes` is the text before. */
static void restore_bytes(struct split_state *state, const struct split_state *bytes)
{
    size_t at = 0, count = 0; /* characters before `at` */
    for (size_t i = 0; i < state->count; i++) {
        struct piece *piece = &state->items[i];
        for (; at < piece->begin; at++)
            count += (state->text[at] & 0xC0) != 0x80;
        uint32_t begin = (uint32_t)count;
        for (; at < piece->end; at++)
            count += (state->text[at] & 0xC0) != 0x80;
        *piece = (struct piece){begin, (uint32_t)count};
    }
    state->text = bytes->text;
    state->size = bytes->size;
    state->origins = bytes->origins;
}

static enum error_code run_step(const struct splitter *splitter,
                                const struct splitter_step *step,
                                struct split_state *state, struct error *error)
{
    enum error_code code = OK;
    if (splitter_step_rewrites(step->spec.kind))
        code = splitter_step_rewrite(step, splitter->alphabet, state, error);
    if (code == OK && step->spec.kind != SPLITTER_PREFIX_SPACE &&
        step->spec.kind != SPLITTER_BYTE_CHARS &&
        (step->spec.kind != SPLITTER_METASPACE || step->spec.is_split))
        code = splitter_step_cut(step, state, error);
    return code;
}

enum error_code splitter_run(const struct splitter *splitter, const unsigned char *text,
                             size_t size, bool is_first, bool with_origins,
                             struct arena *scratch, struct pieces *pieces,
                             struct error *error)
{
    struct split_state state = {.text = text,
                                .size = size,
                                .count = size > 0,
                                .is_at_start = is_first,
                                .with_origins = with_origins,
                                .scratch = scratch};
    struct split_state bytes = {0};
    enum error_code code = OK;
    state.items = ARENA_RAW(scratch, struct piece, 1);
    if (!state.items || size >= UINT32_MAX)
        return error_set(error, ERROR_MEMORY, "no memory to split a text of %zu bytes",
                         size);
    state.items[0] = (struct piece){0, (uint32_t)size};
    for (size_t i = 0; code == OK && state.count > 0 && i < splitter->count; i++) {
        if (splitter->steps[i].spec.kind == SPLITTER_BYTE_CHARS)
            bytes = state;
        code = run_step(splitter, &splitter->steps[i], &state, error);
    }
    if (code != OK)
        return code;
    if (bytes.text)
        restore_bytes(&state, &bytes);
    *pieces = (struct pieces){.text = state.text,
                              .size = state.size,
                              .origins = state.origins,
                              .items = state.items,
                              .count = state.count};
    return OK;
}
