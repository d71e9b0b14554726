/* detokenize.c - the stage that turns tokens back into text */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/column_builder.h"
#include "core/stage.h"
#include "core/unicode.h"
#include "stages/kernels/tokenizer.h"
#include "stages/kernels/tokenizer_file.h"

struct detokenize_options {
    const char *vocabulary;
    int pattern; /* index into pattern_choices, 0: auto */
    int special; /* enum special_choice */
};

enum special_choice { SPECIAL_TEXT, SPECIAL_OMIT };

struct detokenize_state {
    struct tokenizer *tokenizer; /* in the run arena */
    struct bytes text;           /* owned: of a row */
    struct column_builder texts; /* owned */
};

enum { KEPT_MAX = 16 << 20 /* of a buffer, from batch to batch */ };

static const char *const pattern_choices[] = {"auto",  "r50k",   "p50k", "cl100k",
                                              "o200k", "llama3", "qwen", NULL};
static const char *const special_choices[] = {
    [SPECIAL_TEXT] = "text", [SPECIAL_OMIT] = "omit", NULL};

static const struct option_spec options[] = {
    {.name = "vocabulary",
     .type = OPTION_PATH,
     .offset = offsetof(struct detokenize_options, vocabulary),
     .help = "The vocabulary the tokens are of, in any of the formats of stage tokenize"},
    {.name = "pattern",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct detokenize_options, pattern),
     .initial = "auto",
     .choices = pattern_choices,
     .help = "The pattern of a .tiktoken vocabulary that is not known by its content: it "
             "says which special tokens there are"},
    {.name = "special",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct detokenize_options, special),
     .initial = "text",
     .choices = special_choices,
     .help = "What becomes of special tokens: their text, or nothing"},
    OPTION_END};

static const struct stage_column columns[] = {
    {.name = "tokens", .type = COLUMN_LIST_U32, .is_input = true},
    {.name = "text", .type = COLUMN_UTF8},
    {.name = NULL}};

static struct tokenizer_wish wish_of(const struct detokenize_options *settings)
{
    return (struct tokenizer_wish){
        .path = settings->vocabulary,
        .pattern = settings->pattern ? pattern_choices[settings->pattern] : NULL,
        .is_decoded = true};
}

static enum error_code detokenize_plan(const void *given, struct schema *schema,
                                       const struct stage_place *place,
                                       struct error *error)
{
    const struct detokenize_options *settings = given;
    const struct schema_field *tokens = schema_find(schema, "tokens");
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set_at(error, place->stage,
                            tokens ? "stage detokenize needs column \"tokens\" to be "
                                     "list<u32>"
                                   : "stage detokenize needs column \"tokens\", which "
                                     "nothing before it makes");
    if (strncmp(settings->vocabulary, "phase:", 6) != 0 && !place->is_checked) {
        struct tokenizer_wish wish = wish_of(settings);
        enum error_code code = tokenizer_file_check(&wish, error);
        if (code == ERROR_CONFIG || code == ERROR_IO) {
            if (error) { /* a file that cannot be read is a wrong option, too */
                error->code = ERROR_CONFIG;
                error->where = stage_option_position(place, "vocabulary");
            }
            return ERROR_CONFIG;
        }
        if (code != OK)
            return code;
    }
    return schema_put(schema, "text", COLUMN_UTF8, 0, error);
}

static enum error_code detokenize_prepare(const void *given, const char *path,
                                          struct error *error)
{
    struct tokenizer_wish wish = wish_of(given);
    return tokenizer_file_prepare(&wish, path, error);
}

static enum error_code detokenize_open(struct stage *self, struct error *error)
{
    struct detokenize_state *state = self->state;
    state->texts = (struct column_builder){.name = "text", .type = COLUMN_UTF8};
    return tokenizer_open(self->prepared, self->prepared_size, self->run,
                          &state->tokenizer, error);
}

static void detokenize_close(struct stage *self)
{
    struct detokenize_state *state = self->state;
    bytes_clear(&state->text);
    column_builder_clear(&state->texts);
}

/* Where bytes that are not UTF-8 begin, or `size`. */
static size_t find_bad_byte(const unsigned char *text, size_t size)
{
    uint32_t point;
    size_t at = unicode_ascii_length(text, size), step;
    while (at < size && (step = unicode_decode(text + at, size - at, &point)) > 0)
        at += step;
    return at;
}

static enum error_code decode_row(struct stage *self, const struct column *tokens,
                                  uint32_t row, struct stage_output *output,
                                  struct error *error)
{
    const struct detokenize_options *settings = self->options;
    struct detokenize_state *state = self->state;
    struct error found = {0};
    bytes_reset(&state->text);
    enum error_code code = tokenizer_decode(
        state->tokenizer, column_row(tokens, row), (size_t)column_row_length(tokens, row),
        settings->special == SPECIAL_TEXT, &state->text, &found);
    if (code != OK && code != ERROR_RECORD)
        return error_set(error, code, "%s", found.text);
    if (code == ERROR_RECORD) {
        stage_output_reject(output, row, "unknown_token", found.text);
        bytes_reset(&state->text);
    }
    size_t bad = find_bad_byte(state->text.data, state->text.size);
    if (bad < state->text.size) {
        char detail[64];
        (void)snprintf(detail, sizeof detail, "byte %zu of the text is not UTF-8", bad);
        stage_output_reject(output, row, "not_utf8", detail);
        bytes_reset(&state->text);
    }
    column_builder_put(&state->texts, state->text.data, state->text.size);
    return OK;
}

static enum error_code detokenize_process(struct stage *self, const struct batch *in,
                                          struct stage_output *output,
                                          struct error *error)
{
    struct detokenize_state *state = self->state;
    const struct column *tokens = batch_column(in, "tokens");
    enum error_code code = OK;
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set(error, ERROR_FATAL, "no column \"tokens\" to detokenize");
    column_builder_reset(&state->texts);
    for (uint32_t row = 0; code == OK && row < in->count; row++) {
        if (column_is_valid(tokens, row))
            code = decode_row(self, tokens, row, output, error);
        else
            column_builder_put_null(&state->texts);
    }
    if (code != OK)
        return code;
    const struct column *column =
        column_builder_finish(&state->texts, stage_output_arena(output));
    if (state->text.capacity > KEPT_MAX)
        bytes_clear(&state->text);
    if (state->texts.data.capacity > KEPT_MAX)
        column_builder_clear(&state->texts);
    if (!column)
        return error_set(error, ERROR_MEMORY, "no memory for texts");
    return stage_output_set(output, column, error);
}

const struct stage_type stage_detokenize = {
    .name = "detokenize",
    .summary = "Turn tokens back into text",
    .description =
        "Adds or replaces the column text with what the tokens of each record spell, as "
        "the decoder of the vocabulary says. A record with an id that is no token, or "
        "whose tokens together are not UTF-8, is refused. A record without tokens gets "
        "no "
        "text (null).",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct detokenize_options),
    .state_size = sizeof(struct detokenize_state),
    .plan = detokenize_plan,
    .prepare = detokenize_prepare,
    .open = detokenize_open,
    .process = detokenize_process,
    .close = detokenize_close,
};
