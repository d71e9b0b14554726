/* train_wordpiece.c - the stage that trains a WordPiece tokenizer, as BERT has */
#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/splitter.h"
#include "stages/trainer_stage.h"

enum format { FORMAT_JSON, FORMAT_TXT };

struct options {
    struct trainer_common common;
    const char *unknown;
    int64_t alphabet_limit, min_frequency;
    bool lowercase;
    int format; /* enum format */
};

struct state {
    struct trainer_state trainer; /* first */
    struct normalizer *normalizer;
    struct splitter *splitter;
};

static const char *const format_choices[] = {"json", "txt", NULL};

static const struct option_spec option_table[] = {
    TRAINER_COMMON_OPTIONS("[\"[PAD]\", \"[UNK]\", \"[CLS]\", \"[SEP]\", \"[MASK]\"]",
                           "Special tokens, in the order of their ids"),
    {.name = "unknown",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, unknown),
     .initial = "[UNK]",
     .help = "Which of them stands for words that cannot be spelt"},
    {.name = "alphabet_limit",
     .type = OPTION_INT,
     .offset = offsetof(struct options, alphabet_limit),
     .initial = "1000",
     .min = 1,
     .max = 1114112,
     .help = "Characters kept, the most frequent ones"},
    {.name = "min_frequency",
     .type = OPTION_INT,
     .offset = offsetof(struct options, min_frequency),
     .initial = "2",
     .min = 1,
     .max = 1e15,
     .help = "A pair that is rarer is not merged, and the vocabulary stays smaller"},
    {.name = "lowercase",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, lowercase),
     .initial = "true",
     .help =
         "Lower the case of all letters and strip their accents, as uncased BERT does"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, format),
     .initial = "json",
     .choices = format_choices,
     .help = "What is written: tokenizer.json, or vocab.txt with a token a line"},
    OPTION_END};

static enum error_code plan(const void *given, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = given;
    const struct text_list *special = &options->common.special;
    enum error_code code =
        trainer_stage_plan(&options->common, schema, place, "train_wordpiece", error);
    if (code != OK)
        return code;
    bool is_found = false;
    for (size_t i = 0; i < special->count; i++)
        is_found = is_found || strcmp(special->items[i], options->unknown) == 0;
    if (!is_found)
        return error_set_at(error, stage_option_position(place, "unknown"),
                            "\"%.100s\" is not among the special tokens",
                            options->unknown);
    if ((uint64_t)options->common.vocabulary_size <= special->count)
        return error_set_at(error, stage_option_position(place, "vocabulary_size"),
                            "vocabulary_size leaves no room beside %zu special tokens",
                            special->count);
    return OK;
}

/* The image lives as long as what is opened over it: in the run's arena. */
static const void *keep_image(const struct bytes *image, struct arena *run)
{
    unsigned char *kept =
        image->is_bad ? NULL : arena_alloc_raw(run, image->size + 1, 1, 64);
    if (kept && image->size)
        memcpy(kept, image->data, image->size);
    return kept;
}

static enum error_code open_normalizer(struct stage *self, bool is_lowered,
                                       struct error *error)
{
    struct state *state = self->state;
    struct normalizer_spec spec = {.kind = NORMALIZER_BERT,
                                   .clean_text = true,
                                   .handle_chinese = true,
                                   .strip_accents = is_lowered,
                                   .lowercase = is_lowered};
    struct bytes image = {0};
    const void *kept = NULL;
    enum error_code code = normalizer_build(&spec, 1, self->run, &image, error);
    if (code == OK) {
        kept = keep_image(&image, self->run);
        code =
            kept ? normalizer_open(kept, image.size, self->run, &state->normalizer, error)
                 : error_set(error, ERROR_MEMORY, "no memory for a normalizer");
    }
    bytes_clear(&image);
    return code;
}

/* BERT's splitter holds nothing that the arena does not: it is not closed. */
static enum error_code open_splitter(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    struct splitter_spec spec = {.kind = SPLITTER_BERT};
    struct bytes image = {0};
    const void *kept = NULL;
    enum error_code code = splitter_build(&spec, 1, &image, error);
    if (code == OK) {
        kept = keep_image(&image, self->run);
        code = kept ? splitter_open(kept, image.size, self->run, &state->splitter, error)
                    : error_set(error, ERROR_MEMORY, "no memory for a splitter");
    }
    bytes_clear(&image);
    return code;
}

static enum error_code open_stage(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    state->trainer.options = (struct piece_table_options){
        .cut = PIECES_GIVEN, .memory_limit = options->common.memory};
    enum error_code code = open_normalizer(self, options->lowercase, error);
    return code == OK ? open_splitter(self, error) : code;
}

static enum error_code add_text(struct stage *self, const unsigned char *text,
                                size_t size, struct error *error)
{
    const struct state *state = self->state;
    struct normalized normal;
    struct pieces pieces;
    enum error_code code = normalizer_run(state->normalizer, text, size, true, false,
                                          self->scratch, &normal, error);
    if (code == OK)
        code = splitter_run(state->splitter, normal.text, normal.size, true, false,
                            self->scratch, &pieces, error);
    return code == OK
               ? piece_table_add_pieces(state->trainer.table, text, size, &pieces, error)
               : code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct column *text = batch_column(in, "text");
    enum error_code code = OK;
    (void)output;
    if (!text || text->type != COLUMN_UTF8)
        return error_set(error, ERROR_FATAL, "no column \"text\" to learn from");
    for (uint32_t row = 0; code == OK && row < in->count; row++)
        if (column_is_valid(text, row))
            code = add_text(self, column_row(text, row),
                            (size_t)column_row_length(text, row), error);
    return code;
}

static const char *const *files(const void *given)
{
    static const char *const names[][2] = {
        [FORMAT_JSON] = {"tokenizer.json", NULL}, [FORMAT_TXT] = {"vocab.txt", NULL}};
    const struct options *options = given;
    return names[options->format];
}

static enum error_code finish(struct stage *self, const char *folder, struct error *error)
{
    const struct options *options = self->options;
    struct trainer_options trainer = {.kind = TRAINER_WORDPIECE,
                                      .min_frequency = (uint64_t)options->min_frequency,
                                      .alphabet_limit = (uint32_t)options->alphabet_limit,
                                      .unknown = options->unknown,
                                      .lowercase = options->lowercase};
    enum trainer_format format =
        options->format == FORMAT_JSON ? TRAINER_TOKENIZER_JSON : TRAINER_VOCAB_TXT;
    return trainer_stage_finish(self, &options->common, &trainer, format, folder,
                                files(options)[0], error);
}

static const struct stage_fit fit = {.files = files,
                                     .begin = trainer_stage_begin,
                                     .save = trainer_stage_save,
                                     .merge = trainer_stage_merge,
                                     .finish = finish};

const struct stage_type stage_train_wordpiece = {
    .name = "train_wordpiece",
    .summary = "Train a WordPiece tokenizer on all texts, as BERT has",
    .description =
        "Normalizes the texts and cuts them into words as BERT does, counts the words "
        "over "
        "all shards, then merges the most frequent pair of parts again and again until "
        "the "
        "vocabulary has its size; parts inside a word begin with ##. The file is "
        "tokenizer.json or vocab.txt, as format says: a later phase names it "
        "phase:NAME/FILE, and Hugging Face's libraries load it. While the distinct words "
        "fit into memory, all texts count; beyond it a sample does, which the hashes of "
        "the "
        "texts choose. The training itself takes up to ten times that memory, in one "
        "executor.",
    .traits = STAGE_REPRODUCIBLE,
    .columns = (const struct stage_column[]){{"text", COLUMN_UTF8, true}, {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_stage,
    .process = process,
    .close = trainer_stage_close,
    .fit = &fit};
