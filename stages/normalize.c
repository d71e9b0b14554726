/* normalize.c - stage: one Unicode normal form, no stray controls, single spaces */
#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "core/unicode.h"
#include "stages/kernels/clean_text.h"

enum { BUFFER_MAX = 16 << 20 }; /* larger buffers are not kept from batch to batch */

enum form { FORM_NFC, FORM_NFKC, FORM_NFD, FORM_NFKD, FORM_NONE };

struct options {
    int form, control, whitespace; /* control, whitespace: 0 keep */
    const char *column;
};

struct state {
    const struct unicode_table *table;   /* in the run arena; NULL: form none */
    struct bytes stripped, normal, work; /* owned */
    struct bytes texts;                  /* owned: the rows of a batch that changed */
};

static const char *const forms[] = {"NFC", "NFKC", "NFD", "NFKD", "none", NULL};
static const char *const control_choices[] = {"keep", "strip", NULL};
static const char *const whitespace_choices[] = {"keep", "collapse", NULL};

static const struct option_spec option_table[] = {
    {.name = "form",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, form),
     .initial = "NFC",
     .choices = forms,
     .help = "Unicode normal form the text is brought into"},
    {.name = "control",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, control),
     .initial = "keep",
     .choices = control_choices,
     .help = "strip: take out C0 and C1 control characters but tab, line feed and "
             "carriage return, DEL, and U+FEFF"},
    {.name = "whitespace",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, whitespace),
     .initial = "keep",
     .choices = whitespace_choices,
     .help = "collapse: a run of white space becomes one line feed if there is a line "
             "break in it, else one space"},
    {.name = "column",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, column),
     .initial = "text",
     .help = "Column to change, of type utf8"},
    OPTION_END};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    struct source_position where = stage_option_position(place, "column");
    const struct schema_field *field = schema_find(schema, options->column);
    if (!field)
        return error_set_at(error, where,
                            "stage normalize needs column \"%s\", which no earlier stage "
                            "makes and the input does not have",
                            options->column);
    if (strcmp(options->column, "key") == 0)
        return error_set_at(error, where, "stage normalize cannot change column \"key\"");
    if (field->type != COLUMN_UTF8) {
        char type[32];
        column_type_format(field->type, field->dimension, type, sizeof type);
        return error_set_at(error, where,
                            "stage normalize needs a utf8 column, \"%s\" is %s",
                            options->column, type);
    }
    return OK;
}

static enum error_code open_normalize(struct stage *self, struct error *error)
{
    static const enum unicode_form unicode_forms[] = {[FORM_NFC] = UNICODE_NFC,
                                                      [FORM_NFKC] = UNICODE_NFKC,
                                                      [FORM_NFD] = UNICODE_NFD,
                                                      [FORM_NFKD] = UNICODE_NFKD};
    const struct options *options = self->options;
    struct state *state = self->state;
    if (options->form == FORM_NONE)
        return OK;
    state->table = unicode_table_build(unicode_forms[options->form], self->run);
    if (!state->table)
        return error_set(error, ERROR_MEMORY, "no memory for the Unicode table");
    return OK;
}

struct text {
    const unsigned char *at;
    size_t size;
};

static struct text text_in(const struct bytes *buffer)
{
    static const unsigned char nothing[1];
    return (struct text){buffer->data ? buffer->data : nothing, buffer->size};
}

/* The new text of a row: `in` itself, or bytes in the state's buffers. */
static struct text change_text(struct state *state, const struct options *options,
                               struct text in)
{
    /* Stripping comes first, as what it joins may combine; collapsing comes last, as
     * the compatibility forms make spaces of other characters. */
    bool is_sparing = options->whitespace;
    if (options->control && text_find_control(in.at, in.size, is_sparing) < in.size) {
        bytes_reset(&state->stripped);
        text_strip_controls(in.at, in.size, is_sparing, &state->stripped);
        in = text_in(&state->stripped);
    }
    if (state->table && unicode_normal_length(state->table, in.at, in.size) < in.size) {
        bytes_reset(&state->normal);
        unicode_normalize(state->table, in.at, in.size, &state->work, &state->normal);
        in = text_in(&state->normal);
    }
    if (options->whitespace && text_find_surplus_space(in.at, in.size) < in.size) {
        /* `stripped` is free again unless the text lies in it. */
        bool is_taken = in.at == state->stripped.data;
        struct bytes *out = is_taken ? &state->normal : &state->stripped;
        bytes_reset(out);
        text_collapse_space(in.at, in.size, out);
        in = text_in(out);
    }
    return in;
}

static bool is_any_bad(const struct state *state)
{
    return state->stripped.is_bad || state->normal.is_bad || state->work.is_bad ||
           state->texts.is_bad;
}

/* Change every row. The new texts of those that differ stand one behind the other in
 * state->texts; offsets[row + 1] is set for all, changed[row] says which. */
static enum error_code change_rows(struct state *state, const struct options *options,
                                   const struct column *column, uint32_t count,
                                   uint64_t *offsets, bool *changed, struct error *error)
{
    offsets[0] = 0;
    bytes_reset(&state->texts);
    for (uint32_t row = 0; row < count; row++) {
        struct text in = {column_row(column, row),
                          (size_t)column_row_length(column, row)};
        struct text out = change_text(state, options, in);
        changed[row] = out.at != in.at;
        if (changed[row])
            bytes_put(&state->texts, out.at, out.size);
        offsets[row + 1] = offsets[row] + out.size;
        if (is_any_bad(state))
            return error_set(error, ERROR_MEMORY, "no memory for a text of %zu bytes",
                             in.size);
    }
    return OK;
}

/* Old and new texts as the data of a column; rows that stand together are copied so. */
static void gather_rows(const struct state *state, const struct column *column,
                        uint32_t count, const uint64_t *offsets, const bool *changed,
                        unsigned char *data)
{
    const unsigned char *fresh = state->texts.data;
    for (uint32_t row = 0; row < count;) {
        uint32_t end = row + 1;
        while (end < count && changed[end] == changed[row])
            end++;
        size_t size = (size_t)(offsets[end] - offsets[row]);
        const unsigned char *from = changed[row] ? fresh : column_row(column, row);
        if (size > 0)
            memcpy(data + offsets[row], from, size);
        if (changed[row] && size > 0)
            fresh += size;
        row = end;
    }
}

static void shrink(struct bytes *buffer)
{
    if (buffer->capacity > BUFFER_MAX)
        bytes_clear(buffer);
}

static void close_normalize(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->stripped);
    bytes_clear(&state->normal);
    bytes_clear(&state->work);
    bytes_clear(&state->texts);
}

static enum error_code change_column(struct stage *self, const struct column *column,
                                     uint32_t count, struct stage_output *output,
                                     struct error *error)
{
    struct state *state = self->state;
    struct arena *arena = stage_output_arena(output);
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)count + 1);
    bool *changed = ARENA_RAW(self->scratch, bool, count);
    if (!offsets || !changed)
        return error_set(error, ERROR_MEMORY, "no memory for offsets");
    enum error_code code =
        change_rows(state, self->options, column, count, offsets, changed, error);
    if (code != OK || !memchr(changed, 1, count * sizeof *changed))
        return code;
    size_t size = (size_t)offsets[count];
    unsigned char *data = ARENA_RAW(arena, unsigned char, size);
    if (!data)
        return error_set(error, ERROR_MEMORY, "no memory for %zu bytes of text", size);
    gather_rows(state, column, count, offsets, changed, data);
    struct column made = *column;
    made.offsets = offsets;
    made.data = data;
    return stage_output_set(output, &made, error);
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    const struct column *column = batch_column(in, options->column);
    if (!column)
        return error_set(error, ERROR_FATAL, "no column \"%s\"", options->column);
    enum error_code code = change_column(self, column, in->count, output, error);
    shrink(&state->stripped);
    shrink(&state->normal);
    shrink(&state->work);
    shrink(&state->texts);
    return code;
}

const struct stage_type stage_normalize = {
    .name = "normalize",
    .summary = "Bring text into a Unicode normal form, and clean it",
    .description =
        "Rewrites a text column: control characters are stripped first, then the text is "
        "brought into the normal form, then white space is collapsed. With whitespace: "
        "collapse the control characters that are white space (U+000B, U+000C, U+0085) "
        "become spaces or line feeds and are not stripped. Runs of white space at the "
        "ends of a text are collapsed like any other. Code points are judged by Unicode "
        "15.0.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"text", COLUMN_UTF8, true}, {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_normalize,
    .process = process,
    .close = close_normalize};
