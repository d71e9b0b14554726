/* mask_tokens.c - the stage that makes the instances of masked language models */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "stages/kernels/word_starts.h"
#include "stages/mask_tokens_parts.h"

enum {
    VOCABULARY_FILE_MAX = 256 << 20,
    VOCABULARY_MAX = 1 << 24,
    HEAD_SIZE = 8,
    HEAD_MAGIC = 0x316B736D,
    WORK_BLOCK = 1 << 20
};

static const char *const task_choices[] = {"sequence", "next_sentence", "sentence_order",
                                           "two_segments", NULL};
static const char *const unit_choices[] = {"token", "word", "span", "none", NULL};
static const char *const label_choices[] = {"aligned", "positions", NULL};

#define FIELD(member) .offset = offsetof(struct mask_options, member)
#define TOKEN_OPTION(option_name, member, text)                                    \
    {                                                                              \
        .name = (option_name), .type = OPTION_INT, FIELD(member), .initial = "-1", \
        .min = -1, .max = VOCABULARY_MAX, .help = (text)                           \
    }
#define SHARE_OPTION(option_name, member, value, text)                                 \
    {                                                                                  \
        .name = (option_name), .type = OPTION_REAL, FIELD(member), .initial = (value), \
        .min = 0, .max = 1, .help = (text)                                             \
    }
static const struct option_spec options[] = {
    {.name = "task",
     .type = OPTION_CHOICE,
     FIELD(task),
     .initial = "sequence",
     .choices = task_choices,
     .help =
         "What an instance is: sequence, a record as it is (RoBERTa after pack, "
         "SpanBERT); next_sentence, two segments of which the second follows the first "
         "or is random (BERT); sentence_order, two segments in their order or swapped "
         "(ALBERT); two_segments, without a question about them (ELECTRA)"},
    {.name = "unit",
     .type = OPTION_CHOICE,
     FIELD(unit),
     .initial = "token",
     .choices = unit_choices,
     .help = "What is masked at a time: token, word (whole words), span (SpanBERT), none "
             "(ELECTRA masks as it trains)"},
    {.name = "vocabulary",
     .type = OPTION_PATH,
     FIELD(vocabulary),
     .initial = "",
     .help =
         "A vocabulary file that says which tokens go on with a word: BERT's vocab.txt "
         "(##) or a .tiktoken file (no blank in front); needed to keep words whole, by "
         "word and by span"},
    {.name = "vocabulary_size",
     .type = OPTION_INT,
     FIELD(vocabulary_size),
     .initial = "0",
     .max = VOCABULARY_MAX,
     .help = "Random tokens are drawn below; 0 for the size of the vocabulary"},
    TOKEN_OPTION("mask_token", mask_token, "Id of the mask"),
    TOKEN_OPTION("cls_token", cls_token, "Id put in front of an instance; -1 for none"),
    TOKEN_OPTION("sep_token", sep_token, "Id put behind each segment; -1 for none"),
    {.name = "special_tokens",
     .type = OPTION_REAL_LIST,
     FIELD(special_tokens),
     .initial = "",
     .help = "Further ids that are never masked and never drawn, beside the three above"},
    {.name = "frame",
     .type = OPTION_BOOL,
     FIELD(is_framed),
     .initial = "false",
     .help = "task sequence: put cls_token in front and sep_token behind"},
    {.name = "sentences",
     .type = OPTION_TEXT,
     FIELD(sentences),
     .initial = "",
     .help = "For pairs of segments: a column, list<u32>, that says at which tokens "
             "sentences begin"},
    {.name = "sentence_ends",
     .type = OPTION_REAL_LIST,
     FIELD(sentence_ends),
     .initial = "",
     .help = "Without such a column: ids of the tokens that end a sentence"},
    {.name = "max_length",
     .type = OPTION_INT,
     FIELD(max_length),
     .initial = "512",
     .min = 8,
     .max = 1 << 20,
     .help = "Tokens of a pair of segments, with the three around them"},
    SHARE_OPTION("short_share", short_share, "0.1",
                 "Share of documents (two_segments: of instances) that aim at a random, "
                 "smaller length; BERT has 0.1, ELECTRA 0.05"),
    {.name = "copies",
     .type = OPTION_INT,
     FIELD(copies),
     .initial = "1",
     .min = 1,
     .max = 10000,
     .help = "How often each record is used, with other masks and segments each time"},
    {.name = "seed",
     .type = OPTION_INT,
     FIELD(seed),
     .initial = "0",
     .min = 0,
     .max = 9e15,
     .help = "Another seed gives other masks and segments"},
    SHARE_OPTION("share", share, "0.15", "Share of the tokens that are to be guessed"),
    {.name = "max_predictions",
     .type = OPTION_INT,
     FIELD(max_predictions),
     .initial = "0",
     .min = 0,
     .max = 1 << 20,
     .help = "Tokens to be guessed in an instance, at most; 0 for no bound"},
    SHARE_OPTION("mask_share", mask_share, "0.8",
                 "Share of those that is replaced by mask_token"),
    SHARE_OPTION("random_share", random_share, "0.1",
                 "Share of those that is replaced by a random token; the rest is kept"),
    {.name = "max_span",
     .type = OPTION_INT,
     FIELD(max_span),
     .initial = "10",
     .min = 1,
     .max = MASK_SPAN_MAX,
     .help = "unit span: words of a span, at most; their number is geometric, p = 0.2"},
    {.name = "spans",
     .type = OPTION_BOOL,
     FIELD(has_spans),
     .initial = "false",
     .help =
         "Add column spans: begin and end of each stretch of tokens to be guessed, the "
         "end behind its last token"},
    {.name = "labels",
     .type = OPTION_CHOICE,
     FIELD(labels),
     .initial = "aligned",
     .choices = label_choices,
     .help =
         "aligned: column labels, a number a token, 4294967196 (-100 as a signed "
         "number) where nothing is to be guessed; positions: columns mask_positions and "
         "mask_labels"},
    {.name = "column",
     .type = OPTION_TEXT,
     FIELD(column),
     .initial = "tokens",
     .help = "Column of the tokens, list<u32>, before and behind the stage"},
    OPTION_END};

/* ---- plan ---- */

static bool has_masks(const struct mask_options *settings)
{
    return settings->unit != UNIT_NONE;
}

static enum error_code check_list(const struct real_list *list, const char *option,
                                  const struct stage_place *place, struct error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        double id = list->items[i];
        if (!(id >= 0 && id < VOCABULARY_MAX) || id != (double)(uint32_t)id)
            return error_set_at(error, stage_option_position(place, option),
                                "stage mask_tokens: %s must be ids of tokens, not %g",
                                option, id);
    }
    return OK;
}

static enum error_code check_masks(const struct mask_options *settings,
                                   const struct stage_place *place, struct error *error)
{
    if (!has_masks(settings))
        return OK;
    if (settings->mask_token == NO_TOKEN)
        return error_set_at(error, stage_option_position(place, "mask_token"),
                            "stage mask_tokens needs mask_token, the id of the mask");
    if (!settings->vocabulary && settings->vocabulary_size == 0)
        return error_set_at(error, stage_option_position(place, "vocabulary_size"),
                            "stage mask_tokens needs vocabulary_size or a vocabulary, to "
                            "draw random tokens");
    if (settings->unit == UNIT_WORD && !settings->vocabulary)
        return error_set_at(
            error, stage_option_position(place, "unit"),
            "stage mask_tokens: unit: word needs a vocabulary, which says "
            "where words begin");
    if (settings->mask_share + settings->random_share > 1)
        return error_set_at(
            error, stage_option_position(place, "random_share"),
            "stage mask_tokens: mask_share and random_share are more than "
            "1 together");
    return OK;
}

static enum error_code check_pairs(const struct mask_options *settings,
                                   const struct schema *schema,
                                   const struct stage_place *place, struct error *error)
{
    struct source_position task = stage_option_position(place, "task");
    if (settings->task == TASK_SEQUENCE)
        return OK;
    if (settings->cls_token == NO_TOKEN || settings->sep_token == NO_TOKEN)
        return error_set_at(error, task,
                            "stage mask_tokens: task: %s needs cls_token and sep_token",
                            task_choices[settings->task]);
    if (settings->sentences) {
        const struct schema_field *field = schema_find(schema, settings->sentences);
        if (!field || field->type != COLUMN_LIST_U32)
            return error_set_at(error, stage_option_position(place, "sentences"),
                                "stage mask_tokens needs column \"%s\" as list<u32>, to "
                                "know where sentences begin",
                                settings->sentences);
    } else if (settings->sentence_ends.count == 0) {
        return error_set_at(error, task,
                            "stage mask_tokens: task: %s needs sentences, a column, or "
                            "sentence_ends, ids of tokens",
                            task_choices[settings->task]);
    }
    if (settings->task != TASK_TWO_SEGMENTS && !place->is_shard_fixed)
        return error_set_at(error, task,
                            "stage mask_tokens: task: %s takes random segments from "
                            "other documents of the "
                            "shard, and the shards of this phase depend on shard.bytes: "
                            "let it read a phase "
                            "that ends in an exchange (by: random(SEED) for a shuffle)",
                            task_choices[settings->task]);
    return OK;
}

static enum error_code put_columns(const struct mask_options *settings,
                                   struct schema *schema, struct error *error)
{
    struct {
        const char *name;
        enum column_type type;
        bool is_there;
    } columns[] = {
        {settings->column, COLUMN_LIST_U32, true},
        {"segments", COLUMN_LIST_U32, settings->task != TASK_SEQUENCE},
        {"is_next", COLUMN_BOOL, settings->task == TASK_NEXT_SENTENCE},
        {"order_swapped", COLUMN_BOOL, settings->task == TASK_SENTENCE_ORDER},
        {"labels", COLUMN_LIST_U32,
         has_masks(settings) && settings->labels == LABELS_ALIGNED},
        {"mask_positions", COLUMN_LIST_U32,
         has_masks(settings) && settings->labels == LABELS_POSITIONS},
        {"mask_labels", COLUMN_LIST_U32,
         has_masks(settings) && settings->labels == LABELS_POSITIONS},
        {"spans", COLUMN_LIST_U32, has_masks(settings) && settings->has_spans}};
    enum error_code code = OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && code == OK; i++)
        if (columns[i].is_there)
            code = schema_put(schema, columns[i].name, columns[i].type, 0, error);
    return code;
}

static enum error_code mask_plan(const void *given, struct schema *schema,
                                 const struct stage_place *place, struct error *error)
{
    const struct mask_options *settings = given;
    const struct schema_field *tokens = schema_find(schema, settings->column);
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set_at(error, stage_option_position(place, "column"),
                            "stage mask_tokens needs column \"%s\" as list<u32>",
                            settings->column);
    enum error_code code =
        check_list(&settings->special_tokens, "special_tokens", place, error);
    if (code == OK)
        code = check_list(&settings->sentence_ends, "sentence_ends", place, error);
    if (code == OK)
        code = check_masks(settings, place, error);
    if (code == OK)
        code = check_pairs(settings, schema, place, error);
    if (code != OK)
        return code;
    if (settings->task != TASK_SEQUENCE)
        *schema = (struct schema){.fields = {schema->fields[0]}, .count = 1};
    return put_columns(settings, schema, error);
}

/* ---- prepare: which tokens go on with a word, by id ---- */

static enum error_code read_file(const char *path, struct bytes *content,
                                 struct error *error)
{
    enum { STEP = 1 << 18 };
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot open vocabulary \"%s\"",
                               path);
    size_t size = 0;
    do {
        unsigned char *room = bytes_reserve(content, STEP);
        size = room ? fread(room, 1, STEP, file) : 0;
        content->size += size;
    } while (size > 0 && content->size <= VOCABULARY_FILE_MAX);
    bool is_failed = ferror(file);
    (void)fclose(file);
    if (content->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    if (is_failed || content->size > VOCABULARY_FILE_MAX)
        return error_set(error, ERROR_CONFIG, "cannot use \"%s\" as a vocabulary", path);
    return OK;
}

static enum error_code write_file(const char *path, const struct bytes *content,
                                  struct error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    bool is_written = fwrite(content->data, 1, content->size, file) == content->size;
    int number = errno;
    if (fclose(file) != 0 || !is_written)
        return error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
    return OK;
}

static enum error_code mask_prepare(const void *given, const char *path,
                                    struct error *error)
{
    const struct mask_options *settings = given;
    struct bytes content = {0}, image = {0};
    unsigned char *continues = NULL;
    uint32_t count = 0;
    enum error_code code = OK;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    if (settings->vocabulary)
        code = read_file(settings->vocabulary, &content, error);
    if (code == OK && settings->vocabulary)
        code = word_starts_parse(content.data, content.size, work, &continues, &count,
                                 error);
    bytes_put_u32(&image, HEAD_MAGIC);
    bytes_put_u32(&image, count);
    bytes_put(&image, continues, count);
    if (code == OK && image.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    if (code == OK)
        code = write_file(path, &image, error);
    bytes_clear(&content);
    bytes_clear(&image);
    arena_destroy(work);
    return code;
}

/* ---- open ---- */

static void set_flag(struct mask_state *state, double id, unsigned char flag)
{
    if (id >= 0 && id < state->mask.vocabulary_size)
        state->flags[(uint32_t)id] |= flag;
}

static void set_flags(struct mask_state *state, const struct mask_options *settings)
{
    set_flag(state, (double)settings->mask_token, TOKEN_IS_SPECIAL);
    set_flag(state, (double)settings->cls_token, TOKEN_IS_SPECIAL);
    set_flag(state, (double)settings->sep_token, TOKEN_IS_SPECIAL);
    for (size_t i = 0; i < settings->special_tokens.count; i++)
        set_flag(state, settings->special_tokens.items[i], TOKEN_IS_SPECIAL);
    for (size_t i = 0; i < settings->sentence_ends.count; i++)
        set_flag(state, settings->sentence_ends.items[i], TOKEN_ENDS_SENTENCE);
}

/* Ids that options name have flags, also those beyond the vocabulary. */
static uint32_t flags_size(const struct mask_options *settings, uint32_t size)
{
    double most = (double)size - 1;
    const struct real_list *lists[] = {&settings->special_tokens,
                                       &settings->sentence_ends};
    const int64_t ids[] = {settings->mask_token, settings->cls_token,
                           settings->sep_token};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        most = (double)ids[i] > most ? (double)ids[i] : most;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            most = lists[k]->items[i] > most ? lists[k]->items[i] : most;
    return (uint32_t)(most + 1);
}

static enum error_code check_drawable(const struct mask_state *state,
                                      const struct mask_options *settings,
                                      struct error *error)
{
    for (uint32_t i = 0; i < state->mask.drawn_size; i++)
        if (!(state->flags[i] & TOKEN_IS_SPECIAL))
            return OK;
    return has_masks(settings) ? error_set(error, ERROR_CONFIG,
                                           "all tokens of the vocabulary are special")
                               : OK;
}

static enum error_code mask_open(struct stage *self, struct error *error)
{
    const struct mask_options *settings = self->options;
    struct mask_state *state = self->state;
    const unsigned char *prepared = self->prepared;
    uint32_t known = 0;
    if (prepared) {
        if (self->prepared_size < HEAD_SIZE || load_u32(prepared) != HEAD_MAGIC ||
            load_u32(prepared + 4) != self->prepared_size - HEAD_SIZE)
            return error_set(error, ERROR_DAMAGED, "not a prepared vocabulary");
        known = load_u32(prepared + 4);
    }
    uint32_t drawn =
        settings->vocabulary_size ? (uint32_t)settings->vocabulary_size : known;
    uint32_t size = flags_size(settings, drawn > known ? drawn : known);
    state->flags = ARENA_NEW(self->run, unsigned char, size);
    if (!state->flags)
        return error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    for (uint32_t i = 0; i < known; i++)
        state->flags[i] = prepared[HEAD_SIZE + i] ? TOKEN_CONTINUES : 0;
    state->mask = (struct mask_rule){
        .unit = has_masks(settings) ? (enum mask_unit)settings->unit : MASK_TOKEN,
        .share = share_of_real(settings->share),
        .max_predictions = (uint32_t)settings->max_predictions,
        .max_span = (uint32_t)settings->max_span,
        .mask_share = share_of_real(settings->mask_share),
        .random_share = share_of_real(settings->random_share),
        .mask_token = (uint32_t)settings->mask_token,
        .flags = state->flags,
        .drawn_size = drawn,
        .vocabulary_size = size};
    if (settings->task != TASK_SEQUENCE)
        state->pair =
            (struct pair_rule){.task = (enum pair_task)(settings->task - 1),
                               .max_length = (uint32_t)settings->max_length,
                               .short_share = share_of_real(settings->short_share)};
    set_flags(state, settings);
    return check_drawable(state, settings, error);
}

static const struct stage_column columns[] = {
    {.name = "tokens", .type = COLUMN_LIST_U32, .is_input = true},
    {.name = "tokens", .type = COLUMN_LIST_U32},
    {.name = "labels", .type = COLUMN_LIST_U32},
    {.name = NULL}};

const struct stage_type stage_mask_tokens = {
    .name = "mask_tokens",
    .summary = "Make the instances of masked language models",
    .description =
        "BERT: task: next_sentence, max_predictions: 20. Whole-word masking: unit: word. "
        "RoBERTa: pack with documents: joined before it, copies: 10, frame: true. "
        "SpanBERT: "
        "unit: span, spans: true. ALBERT: task: sentence_order. ELECTRA: task: "
        "two_segments, unit: none, short_share: 0.05.\n\n"
        "Each instance is a record of its own, called KEY/1, KEY/2, ... after its "
        "document; "
        "of a pair of segments the tokens stand with cls_token in front and sep_token "
        "behind each, column segments says 0 or 1 for each token, is_next or "
        "order_swapped "
        "what a model shall find out. Pairs have no other columns; a sequence keeps "
        "those "
        "it has.\n\n"
        "Masks and segments depend on the seed, the place of the record in the input and "
        "the number of the copy. Random segments of other documents come from the shard, "
        "which must be a bucket of an exchange for that. Instances are not padded. "
        "Unlike "
        "BERT's program it never draws a special token as a random one.",
    .traits = STAGE_REPRODUCIBLE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct mask_options),
    .state_size = sizeof(struct mask_state),
    .plan = mask_plan,
    .prepare = mask_prepare,
    .open = mask_open,
    .begin = mask_tokens_begin,
    .process = mask_tokens_process,
    .flush = mask_tokens_flush};
