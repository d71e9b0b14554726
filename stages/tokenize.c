/* tokenize.c - the stage that splits text into subword tokens */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "stages/kernels/tokenizer.h"
#include "stages/kernels/tokenizer_file.h"
#include "stages/kernels/tokenizer_spec.h"

struct tokenize_options {
    const char *vocabulary;
    int pattern; /* index into pattern_choices, 0: auto */
    int special; /* enum special_policy */
    bool add_special, offsets, counts_only, check_round_trip;
    int64_t max_length;
};

struct tokenize_state {
    struct tokenizer *tokenizer; /* in the run arena */
    struct encode_options options;
    struct bytes spelt; /* owned: what the tokens of a row spell */
};

enum {
    WORK_BLOCK = 4 << 20,
    TEXT_MAX = 1 << 30,
    KEPT_MAX = 16 << 20 /* of a buffer, from batch to batch */
};

static const char *const pattern_choices[] = {"auto",  "r50k",   "p50k", "cl100k",
                                              "o200k", "llama3", "qwen", NULL};
static const char *const special_choices[] = {[SPECIALS_AS_TEXT] = "text",
                                              [SPECIALS_AS_TOKENS] = "tokens",
                                              [SPECIALS_REFUSED] = "refuse",
                                              NULL};

static const struct option_spec options[] = {
    {.name = "vocabulary",
     .type = OPTION_PATH,
     .offset = offsetof(struct tokenize_options, vocabulary),
     .help =
         "A .tiktoken file, tokenizer.json, SentencePiece .model, vocab.json beside "
         "its merges.txt or BERT's vocab.txt, told apart by content; or a folder with "
         "one of them"},
    {.name = "pattern",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct tokenize_options, pattern),
     .initial = "auto",
     .choices = pattern_choices,
     .help = "How a .tiktoken vocabulary cuts text into pieces before merging; auto for "
             "published ones, which are recognised by their content, and for all other "
             "formats, which say it themselves"},
    {.name = "special",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct tokenize_options, special),
     .initial = "text",
     .choices = special_choices,
     .help = "What the text of a special or added token in a document is: text like any "
             "other, that token, or, if it is special, a reason to refuse the record"},
    {.name = "add_special",
     .type = OPTION_BOOL,
     .offset = offsetof(struct tokenize_options, add_special),
     .initial = "false",
     .help = "Add the special tokens that the vocabulary's template asks for around each "
             "text; .tiktoken files have none"},
    {.name = "max_length",
     .type = OPTION_INT,
     .offset = offsetof(struct tokenize_options, max_length),
     .initial = "0",
     .max = UINT32_MAX,
     .help = "Keep at most so many tokens of a record, the first ones, those of the "
             "template counted; 0 keeps all"},
    {.name = "offsets",
     .type = OPTION_BOOL,
     .offset = offsetof(struct tokenize_options, offsets),
     .initial = "false",
     .help =
         "Add column offsets: for each token where it begins and ends in the text, in "
         "bytes"},
    {.name = "counts_only",
     .type = OPTION_BOOL,
     .offset = offsetof(struct tokenize_options, counts_only),
     .initial = "false",
     .help = "Add column token_count instead of tokens"},
    {.name = "check_round_trip",
     .type = OPTION_BOOL,
     .offset = offsetof(struct tokenize_options, check_round_trip),
     .initial = "false",
     .help = "Refuse a record whose tokens do not spell its text to the byte; for "
             "vocabularies that can"},
    OPTION_END};

static const struct stage_column columns[] = {
    {.name = "text", .type = COLUMN_UTF8, .is_input = true},
    {.name = "tokens", .type = COLUMN_LIST_U32},
    {.name = NULL}};

/* ---- plan and prepare ---- */

static struct encode_options encode_options_of(const struct tokenize_options *settings)
{
    return (struct encode_options){.specials = (enum special_policy)settings->special,
                                   .add_special = settings->add_special,
                                   .max_length = (uint32_t)settings->max_length,
                                   .with_offsets = settings->offsets};
}

static struct tokenizer_wish wish_of(const struct tokenize_options *settings,
                                     const struct encode_options *encoding)
{
    return (struct tokenizer_wish){
        .path = settings->vocabulary,
        .pattern = settings->pattern ? pattern_choices[settings->pattern] : NULL,
        .options = encoding,
        .is_lossless = settings->check_round_trip};
}

static bool is_artefact(const char *path)
{
    return strncmp(path, "phase:", 6) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), length = strlen(end);
    return size >= length && strcmp(text + size - length, end) == 0;
}

static enum error_code check_vocabulary(const struct tokenize_options *settings,
                                        const struct stage_place *place,
                                        struct error *error)
{
    struct source_position where = stage_option_position(place, "vocabulary");
    if (is_artefact(settings->vocabulary)) {
        if (settings->pattern == 0 && ends_with(settings->vocabulary, ".tiktoken"))
            return error_set_at(error, where,
                                "vocabulary \"%s\" is yet to be made: say its pattern",
                                settings->vocabulary);
        return OK;
    }
    if (place->is_checked)
        return OK;
    struct encode_options encoding = encode_options_of(settings);
    struct tokenizer_wish wish = wish_of(settings, &encoding);
    enum error_code code = tokenizer_file_check(&wish, error);
    if (code != ERROR_CONFIG && code != ERROR_IO)
        return code;
    if (error) { /* a file that cannot be read is a wrong option, too */
        error->code = ERROR_CONFIG;
        error->where = where;
    }
    return ERROR_CONFIG;
}

/* Options that contradict each other. */
static enum error_code check_options(const struct tokenize_options *settings,
                                     const struct stage_place *place, struct error *error)
{
    if (settings->counts_only && settings->offsets)
        return error_set_at(error, stage_option_position(place, "offsets"),
                            "with counts_only there are no tokens to give offsets of");
    if (settings->check_round_trip && settings->max_length > 0)
        return error_set_at(error, stage_option_position(place, "check_round_trip"),
                            "max_length cuts tokens off, so that there is no round trip "
                            "to check");
    return OK;
}

static enum error_code tokenize_plan(const void *given, struct schema *schema,
                                     const struct stage_place *place, struct error *error)
{
    const struct tokenize_options *settings = given;
    const struct schema_field *text = schema_find(schema, "text");
    if (!text)
        return error_set_at(error, place->stage,
                            "stage tokenize needs column \"text\", which nothing before "
                            "it makes");
    if (text->type != COLUMN_UTF8)
        return error_set_at(error, place->stage,
                            "stage tokenize needs column \"text\" to be utf8");
    enum error_code code = check_options(settings, place, error);
    if (code == OK)
        code = check_vocabulary(settings, place, error);
    if (code == OK && settings->counts_only)
        return schema_put(schema, "token_count", COLUMN_I64, 0, error);
    if (code == OK)
        code = schema_put(schema, "tokens", COLUMN_LIST_U32, 0, error);
    if (code == OK && settings->offsets)
        code = schema_put(schema, "offsets", COLUMN_LIST_U32, 0, error);
    return code;
}

static enum error_code tokenize_prepare(const void *given, const char *path,
                                        struct error *error)
{
    struct encode_options encoding = encode_options_of(given);
    struct tokenizer_wish wish = wish_of(given, &encoding);
    return tokenizer_file_prepare(&wish, path, error);
}

/* The model's ids, and added tokens that stand a little above them: those of a published
 * pattern stand far above a small vocabulary of one's own. */
static uint64_t count_ids(const struct tokenizer_spec *spec)
{
    enum { ADDED_RANGE = 4096 };
    uint64_t count = 0;
    for (uint32_t i = 0; i < spec->model.token_count; i++)
        if (spec->model.tokens[i].id >= count)
            count = (uint64_t)spec->model.tokens[i].id + 1;
    uint64_t limit = count + ADDED_RANGE;
    for (size_t i = 0; i < spec->added_count; i++)
        if (spec->added[i].id >= count && spec->added[i].id < limit)
            count = (uint64_t)spec->added[i].id + 1;
    return count;
}

static enum error_code tokenize_count_ids(const void *given, uint64_t *count,
                                          struct error *error)
{
    const struct tokenizer_spec *spec;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    struct tokenizer_wish wish = wish_of(given, NULL);
    enum error_code code = tokenizer_read(wish.path, wish.pattern, work, &spec, error);
    if (code == OK)
        *count = count_ids(spec);
    arena_destroy(work);
    return code;
}

/* ---- running ---- */

static enum error_code tokenize_open(struct stage *self, struct error *error)
{
    struct tokenize_state *state = self->state;
    state->options = encode_options_of(self->options);
    return tokenizer_open(self->prepared, self->prepared_size, self->run,
                          &state->tokenizer, error);
}

static void tokenize_close(struct stage *self)
{
    struct tokenize_state *state = self->state;
    bytes_clear(&state->spelt);
}

struct rows { /* the encodings of a batch */
    const struct column *text;
    uint32_t count;
    struct encoding *encodings; /* (count) */
    uint32_t *ids;              /* all of them, one row behind the other; NULL: they are
                                 * not laid out so */
    struct arena *arena;        /* of `ids` */
    size_t total;
};

/* Room for all ids in the arena of the result, where it can be told beforehand. */
static enum error_code make_room(struct stage *self, struct rows *rows,
                                 struct stage_output *output, struct error *error)
{
    const struct tokenize_options *settings = self->options;
    struct tokenize_state *state = self->state;
    size_t size = (size_t)(rows->text->offsets[rows->count] - rows->text->offsets[0]);
    size_t room =
        settings->offsets ? 0 : tokenizer_room(state->tokenizer, size, rows->count);
    rows->encodings = ARENA_NEW(self->scratch, struct encoding, rows->count);
    rows->arena = settings->counts_only ? self->scratch : stage_output_arena(output);
    if (room > 0)
        rows->ids = ARENA_RAW(rows->arena, uint32_t, room);
    if (!rows->encodings || (room > 0 && !rows->ids))
        return error_set(error, ERROR_MEMORY, "no memory for the tokens of %zu bytes",
                         size);
    return OK;
}

/* Do the tokens spell the text? Else the row is rejected. */
static enum error_code check_spelling(struct stage *self, const struct encoding *encoding,
                                      const unsigned char *text, size_t size,
                                      uint32_t row, struct stage_output *output,
                                      struct error *error)
{
    struct tokenize_state *state = self->state;
    struct bytes *spelt = &state->spelt;
    char detail[64];
    bytes_reset(spelt);
    enum error_code code =
        tokenizer_decode(state->tokenizer, encoding->ids + encoding->text_begin,
                         encoding->text_end - encoding->text_begin, true, spelt, error);
    if (code != OK)
        return code;
    if (spelt->size == size && (size == 0 || memcmp(spelt->data, text, size) == 0))
        return OK;
    size_t at = 0;
    while (at < size && at < spelt->size && spelt->data[at] == text[at])
        at++;
    (void)snprintf(detail, sizeof detail,
                   "the tokens spell another text from byte %zu on", at);
    stage_output_reject(output, row, "round_trip", detail);
    return OK;
}

static enum error_code encode_row(struct stage *self, struct rows *rows, uint32_t row,
                                  struct stage_output *output, struct error *error)
{
    const struct tokenize_options *settings = self->options;
    struct tokenize_state *state = self->state;
    struct encoding *encoding = rows->encodings + row;
    struct error found = {0};
    const unsigned char *text = column_row(rows->text, row);
    size_t size = (size_t)column_row_length(rows->text, row);
    enum error_code code;
    if (!column_is_valid(rows->text, row))
        return OK;
    if (size > TEXT_MAX) {
        stage_output_reject(output, row, "text_too_large", NULL);
        return OK;
    }
    if (rows->ids)
        code =
            tokenizer_encode_to(state->tokenizer, text, size, &state->options,
                                self->scratch, rows->ids + rows->total, encoding, &found);
    else
        code = tokenizer_encode(state->tokenizer, text, size, &state->options,
                                self->scratch, encoding, &found);
    if (code == ERROR_RECORD) {
        stage_output_reject(output, row, "special_token", found.text);
        *encoding = (struct encoding){0};
        return OK;
    }
    if (code != OK)
        return error_set(error, code, "%s", found.text);
    rows->total += encoding->count;
    return settings->check_round_trip
               ? check_spelling(self, encoding, text, size, row, output, error)
               : OK;
}

/* ---- columns ---- */

static enum error_code put_counts(const struct rows *rows, struct stage_output *output,
                                  struct error *error)
{
    int64_t *counts = ARENA_NEW(stage_output_arena(output), int64_t, rows->count);
    if (!counts)
        return error_set(error, ERROR_MEMORY, "no memory for the numbers of tokens");
    for (uint32_t row = 0; row < rows->count; row++)
        counts[row] = (int64_t)rows->encodings[row].count;
    const struct column column = {.name = "token_count",
                                  .type = COLUMN_I64,
                                  .validity = rows->text->validity,
                                  .data = counts};
    return stage_output_set(output, &column, error);
}

/* A column of lists with `each` numbers a token: the ids, or their offsets. */
static enum error_code put_lists(const struct rows *rows, const char *name, size_t each,
                                 struct stage_output *output, struct error *error)
{
    struct arena *arena = stage_output_arena(output);
    uint32_t *data = each == 1 ? rows->ids : NULL;
    if (data)
        arena_trim(arena, data, rows->total * sizeof *data);
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)rows->count + 1);
    bool is_gathered = data == NULL;
    if (is_gathered)
        data = ARENA_RAW(arena, uint32_t, rows->total * each);
    if (!offsets || !data)
        return error_set(error, ERROR_MEMORY, "no memory for %zu tokens", rows->total);
    offsets[0] = 0;
    for (uint32_t row = 0; row < rows->count; row++) {
        const struct encoding *encoding = rows->encodings + row;
        const uint32_t *from = each == 1 ? encoding->ids : encoding->offsets;
        size_t numbers = encoding->count * each;
        if (is_gathered && numbers > 0)
            memcpy(data + offsets[row], from, numbers * sizeof *data);
        offsets[row + 1] = offsets[row] + numbers;
    }
    const struct column column = {.name = name,
                                  .type = COLUMN_LIST_U32,
                                  .validity = rows->text->validity,
                                  .offsets = offsets,
                                  .data = data};
    return stage_output_set(output, &column, error);
}

static enum error_code tokenize_process(struct stage *self, const struct batch *in,
                                        struct stage_output *output, struct error *error)
{
    const struct tokenize_options *settings = self->options;
    struct tokenize_state *state = self->state;
    struct rows rows = {.text = batch_column(in, "text"), .count = in->count};
    if (!rows.text || rows.text->type != COLUMN_UTF8)
        return error_set(error, ERROR_FATAL, "no column \"text\" to tokenize");
    enum error_code code = make_room(self, &rows, output, error);
    for (uint32_t row = 0; code == OK && row < rows.count; row++)
        code = encode_row(self, &rows, row, output, error);
    if (state->spelt.capacity > KEPT_MAX)
        bytes_clear(&state->spelt);
    if (code != OK)
        return code;
    if (settings->counts_only)
        return put_counts(&rows, output, error);
    code = put_lists(&rows, "tokens", 1, output, error);
    if (code == OK && settings->offsets)
        code = put_lists(&rows, "offsets", 2, output, error);
    return code;
}

const struct stage_type stage_tokenize = {
    .name = "tokenize",
    .summary = "Split text into subword tokens",
    .description =
        "The ids are those of the reference implementation of the vocabulary's format: "
        "tiktoken, Hugging Face's tokenizers, SentencePiece. Character classes are those "
        "of Unicode 16.0, BERT's of Unicode 8.0. What a file asks for and is not "
        "supported is refused, never ignored; truncation and padding that it asks for "
        "are left to max_length. With a .tiktoken file and pattern qwen text is taken as "
        "it is: Qwen expects the stage normalize with form NFC before it. Bytes that are "
        "not UTF-8 are characters of their own, and left out where the vocabulary has no "
        "token for them. Offsets are the reference's, in bytes; those of a token of "
        "byte-level vocabularies are its own bytes, also within a character. Tokens of "
        "the template have 0, 0. A record without "
        "text "
        "gets no tokens (null).",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct tokenize_options),
    .state_size = sizeof(struct tokenize_state),
    .plan = tokenize_plan,
    .prepare = tokenize_prepare,
    .count_ids = tokenize_count_ids,
    .open = tokenize_open,
    .process = tokenize_process,
    .close = tokenize_close,
};
