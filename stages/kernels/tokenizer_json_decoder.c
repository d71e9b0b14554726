/* tokenizer_json_decoder.c - the decoder of a tokenizer.json */
#include "stages/kernels/tokenizer_json_parts.h"

#define METASPACE_TEXT "\xE2\x96\x81" /* U+2581 */

enum decoder_name {
    NAME_SEQUENCE,
    NAME_BYTE_LEVEL,
    NAME_WORDPIECE,
    NAME_METASPACE,
    NAME_REPLACE,
    NAME_BYTE_FALLBACK,
    NAME_FUSE,
    NAME_STRIP,
    NAME_BPE,
    NAME_CTC
};

static const char *const names[] = {
    "Sequence", "ByteLevel", "WordPiece",  "Metaspace", "Replace", "ByteFallback",
    "Fuse",     "Strip",     "BPEDecoder", "CTC",       NULL};

/* What the steps of a sequence amount to. */
struct decoder_steps {
    bool has_bytes, has_wordpiece, has_spaces, is_first_stripped;
    bool is_other; /* a step that is not supported */
    bool is_cleaned;
};

static enum error_code read_wordpiece(const struct json_place *place, struct arena *arena,
                                      const struct tokenizer_spec *spec,
                                      struct decoder_steps *steps, struct error *error)
{
    static const char *const fields[] = {"type", "prefix", "cleanup", NULL};
    struct byte_range prefix = {0};
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "prefix", true, arena, &prefix, error);
    if (code == OK)
        code = place_bool(place, "cleanup", true, &steps->is_cleaned, error);
    if (code == OK && spec->model.kind == MODEL_WORDPIECE &&
        !range_equals(prefix, (const char *)spec->model.continuing.bytes))
        steps->is_other = true;
    steps->has_wordpiece = true;
    return code;
}

static enum error_code read_metaspace(const struct json_place *place, struct arena *arena,
                                      struct decoder_steps *steps, struct error *error)
{
    static const char *const fields[] = {"type",  "replacement",      "prepend_scheme",
                                         "split", "add_prefix_space", "str_rep",
                                         NULL};
    static const char *const schemes[] = {"never", "first", "always", NULL};
    size_t scheme = PREPEND_ALWAYS;
    struct byte_range replacement = {0};
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "replacement", true, arena, &replacement, error);
    if (code == OK &&
        json_node_type(place_field(place, "prepend_scheme").node) != JSON_ABSENT)
        code = place_choice(place, "prepend_scheme", schemes, &scheme, error);
    if (code == OK && !range_equals(replacement, METASPACE_TEXT))
        steps->is_other = true;
    steps->has_spaces = true;
    steps->is_first_stripped = scheme != PREPEND_NEVER;
    return code;
}

/* U+2581 by a space. */
static enum error_code read_replace(const struct json_place *place, struct arena *arena,
                                    struct decoder_steps *steps, struct error *error)
{
    static const char *const fields[] = {"type", "pattern", "content", NULL};
    struct byte_range pattern = {0}, content = {0};
    bool is_regex = false;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = tokenizer_json_pattern(place, arena, &pattern, &is_regex, error);
    if (code == OK)
        code = place_text(place, "content", true, arena, &content, error);
    if (code == OK && (is_regex || !range_equals(pattern, METASPACE_TEXT) ||
                       !range_equals(content, " ")))
        steps->is_other = true;
    steps->has_spaces = true;
    return code;
}

/* One space at the beginning. */
static enum error_code read_strip(const struct json_place *place, struct arena *arena,
                                  struct decoder_steps *steps, struct error *error)
{
    static const char *const fields[] = {"type", "content", "start", "stop", NULL};
    struct byte_range content = {0};
    int64_t start = 0, stop = 0;
    enum error_code code = place_check_fields(place, fields, error);
    if (code == OK)
        code = place_text(place, "content", true, arena, &content, error);
    (void)json_node_integer(json_node_field(place->node, "start"), &start);
    (void)json_node_integer(json_node_field(place->node, "stop"), &stop);
    if (!range_equals(content, " ") || start < 0 || start > 1 || stop != 0)
        steps->is_other = true;
    steps->is_first_stripped = start == 1;
    return code;
}

static enum error_code read_step(const struct json_place *place, struct arena *arena,
                                 const struct tokenizer_spec *spec,
                                 struct decoder_steps *steps, struct error *error);

static enum error_code read_sequence(const struct json_place *place, struct arena *arena,
                                     const struct tokenizer_spec *spec,
                                     struct decoder_steps *steps, struct error *error)
{
    static const char *const fields[] = {"type", "decoders", NULL};
    struct json_place items = place_field(place, "decoders");
    struct json_members members = json_node_members(items.node);
    struct json_node node;
    enum error_code code = place_check_fields(place, fields, error);
    for (size_t i = 0; code == OK && json_members_next(&members, NULL, NULL, &node);
         i++) {
        struct json_place item = place_item(&items, i, node);
        code = read_step(&item, arena, spec, steps, error);
    }
    return code;
}

static enum error_code read_step(const struct json_place *place, struct arena *arena,
                                 const struct tokenizer_spec *spec,
                                 struct decoder_steps *steps, struct error *error)
{
    size_t name = 0;
    enum error_code code = place_choice(place, "type", names, &name, error);
    if (code != OK)
        return code;
    switch ((enum decoder_name)name) {
    case NAME_SEQUENCE:
        return read_sequence(place, arena, spec, steps, error);
    case NAME_BYTE_LEVEL:
        steps->has_bytes = true;
        break;
    case NAME_WORDPIECE:
        return read_wordpiece(place, arena, spec, steps, error);
    case NAME_METASPACE:
        return read_metaspace(place, arena, steps, error);
    case NAME_REPLACE:
        return read_replace(place, arena, steps, error);
    case NAME_STRIP:
        return read_strip(place, arena, steps, error);
    case NAME_BYTE_FALLBACK:
    case NAME_FUSE:
        break;
    case NAME_BPE:
    case NAME_CTC:
        steps->is_other = true;
        break;
    }
    return OK;
}

enum error_code tokenizer_json_decoder(const struct json_place *place,
                                       struct arena *arena, struct tokenizer_spec *spec,
                                       struct error *error)
{
    struct decoder_steps steps = {0};
    if (json_node_type(place->node) == JSON_ABSENT) { /* the model decides */
        steps.has_bytes = spec->model.is_byte_level;
        steps.has_wordpiece = spec->model.kind == MODEL_WORDPIECE;
        steps.has_spaces = !steps.has_bytes && !steps.has_wordpiece;
        steps.is_first_stripped = true;
    } else {
        enum error_code code = read_step(place, arena, spec, &steps, error);
        if (code != OK)
            return code;
    }
    spec->is_cleaned = steps.is_cleaned;
    spec->is_first_kept = !steps.is_first_stripped;
    if (steps.is_other || steps.has_bytes + steps.has_wordpiece + steps.has_spaces != 1 ||
        steps.has_bytes != spec->model.is_byte_level)
        spec->decoder = DECODER_NONE;
    else if (steps.has_bytes)
        spec->decoder = DECODER_BYTES;
    else
        spec->decoder = steps.has_wordpiece ? DECODER_WORDPIECE : DECODER_METASPACE;
    return OK;
}
