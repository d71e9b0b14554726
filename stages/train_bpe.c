/* train_bpe.c - the stage that trains a byte-pair tokenizer */
#include <stddef.h>

#include "core/stage.h"
#include "stages/trainer_stage.h"

enum style { STYLE_BYTES, STYLE_SENTENCEPIECE };
enum format { FORMAT_AUTO, FORMAT_JSON, FORMAT_TIKTOKEN, FORMAT_MODEL };
enum { BYTES = 256, SENTENCEPIECE_CONTROLS = 3 };

struct options {
    struct trainer_common common;
    int style;   /* enum style */
    int pattern; /* enum split_pattern */
    int format;  /* enum format */
    int64_t min_frequency, length_max;
    double character_coverage;
    bool byte_fallback;
};

static const char *const style_choices[] = {"byte_level", "sentencepiece", NULL};
static const char *const pattern_choices[] = {"r50k",   "p50k", "cl100k", "o200k",
                                              "llama3", "qwen", NULL};
static const char *const format_choices[] = {"auto", "json", "tiktoken", "model", NULL};

static const struct option_spec option_table[] = {
    TRAINER_COMMON_OPTIONS("[]", "Special tokens, in the order of their ids"),
    {.name = "style",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, style),
     .initial = "byte_level",
     .choices = style_choices,
     .help =
         "What is merged: bytes, within the pieces of a pattern, as GPT-2 and its heirs "
         "do; or characters, within words, as SentencePiece does"},
    {.name = "pattern",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, pattern),
     .initial = "cl100k",
     .choices = pattern_choices,
     .help = "How text is cut into pieces, for style byte_level"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, format),
     .initial = "auto",
     .choices = format_choices,
     .help =
         "What is written: tokenizer.json or tokenizer.tiktoken for style byte_level, "
         "tokenizer.model for sentencepiece; auto is the first that fits"},
    {.name = "min_frequency",
     .type = OPTION_INT,
     .offset = offsetof(struct options, min_frequency),
     .initial = "2",
     .min = 1,
     .max = 1e15,
     .help = "A pair that is rarer is not merged, and the vocabulary stays smaller"},
    {.name = "length_max",
     .type = OPTION_INT,
     .offset = offsetof(struct options, length_max),
     .initial = "0",
     .min = 0,
     .max = 4096,
     .help =
         "The longest token, in bytes or characters as the style is; 0 is no limit for "
         "byte_level and 16 for sentencepiece"},
    {.name = "character_coverage",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, character_coverage),
     .initial = "0.9995",
     .min = 0.5,
     .max = 1,
     .help = "Share of the text that the alphabet must spell, for style sentencepiece; "
             "rarer characters are unknown"},
    {.name = "byte_fallback",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, byte_fallback),
     .initial = "false",
     .help =
         "Spell unknown characters with 256 tokens for bytes, for style sentencepiece"},
    OPTION_END};

static enum format settle_format(const struct options *options)
{
    if (options->format != FORMAT_AUTO)
        return (enum format)options->format;
    return options->style == STYLE_BYTES ? FORMAT_JSON : FORMAT_MODEL;
}

static enum error_code plan(const void *given, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = given;
    enum error_code code =
        trainer_stage_plan(&options->common, schema, place, "train_bpe", error);
    if (code != OK)
        return code;
    bool is_bytes = options->style == STYLE_BYTES;
    if (is_bytes != (settle_format(options) != FORMAT_MODEL))
        return error_set_at(error, stage_option_position(place, "format"),
                            "style %s cannot be written as format %s",
                            style_choices[options->style],
                            format_choices[options->format]);
    if (is_bytes && options->byte_fallback)
        return error_set_at(error, stage_option_position(place, "byte_fallback"),
                            "style byte_level has a token for each byte anyway; "
                            "byte_fallback is for style sentencepiece");
    if (settle_format(options) == FORMAT_TIKTOKEN && options->common.special.count)
        return error_set_at(error, stage_option_position(place, "special"),
                            "a .tiktoken file holds no special tokens; leave them to the "
                            "pattern that reads it, or write format json");
    size_t least = options->common.special.count +
                   (is_bytes ? BYTES : SENTENCEPIECE_CONTROLS) +
                   (options->byte_fallback ? BYTES : 0);
    if ((uint64_t)options->common.vocabulary_size < least)
        return error_set_at(error, stage_option_position(place, "vocabulary_size"),
                            "vocabulary_size must be %zu at least, for what every such "
                            "vocabulary has",
                            least);
    return OK;
}

static enum error_code open_stage(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct trainer_state *state = self->state;
    bool is_bytes = options->style == STYLE_BYTES;
    (void)error;
    state->options = (struct piece_table_options){
        .cut = is_bytes ? PIECES_PATTERN : PIECES_SENTENCEPIECE,
        .pattern = is_bytes ? (enum split_pattern)options->pattern : 0,
        .memory_limit = options->common.memory};
    return OK;
}

static const char *file_name(const struct options *options)
{
    static const char *const names[] = {[FORMAT_JSON] = "tokenizer.json",
                                        [FORMAT_TIKTOKEN] = "tokenizer.tiktoken",
                                        [FORMAT_MODEL] = "tokenizer.model"};
    return names[settle_format(options)];
}

static const char *const *files(const void *options)
{
    static const char *const names[][2] = {
        [FORMAT_JSON] = {"tokenizer.json", NULL},
        [FORMAT_TIKTOKEN] = {"tokenizer.tiktoken", NULL},
        [FORMAT_MODEL] = {"tokenizer.model", NULL}};
    return names[settle_format(options)];
}

static enum error_code finish(struct stage *self, const char *folder, struct error *error)
{
    static const enum trainer_format formats[] = {[FORMAT_JSON] = TRAINER_TOKENIZER_JSON,
                                                  [FORMAT_TIKTOKEN] = TRAINER_TIKTOKEN,
                                                  [FORMAT_MODEL] = TRAINER_SENTENCEPIECE};
    const struct options *options = self->options;
    bool is_bytes = options->style == STYLE_BYTES;
    struct trainer_options trainer = {
        .kind = is_bytes ? TRAINER_BPE_BYTES : TRAINER_BPE_CHARACTERS,
        .min_frequency = (uint64_t)options->min_frequency,
        .length_max = (uint32_t)options->length_max,
        .character_coverage = is_bytes ? 0 : options->character_coverage,
        .byte_fallback = options->byte_fallback};
    return trainer_stage_finish(self, &options->common, &trainer,
                                formats[settle_format(options)], folder,
                                file_name(options), error);
}

static const struct stage_fit fit = {.files = files,
                                     .begin = trainer_stage_begin,
                                     .save = trainer_stage_save,
                                     .merge = trainer_stage_merge,
                                     .finish = finish};

const struct stage_type stage_train_bpe = {
    .name = "train_bpe",
    .summary = "Train a byte-pair tokenizer on all texts",
    .description =
        "Counts the pieces that the texts are cut into, over all shards, then merges the "
        "most frequent pair again and again until the vocabulary has its size. The file "
        "is "
        "tokenizer.json, tokenizer.tiktoken or tokenizer.model, as format says: a later "
        "phase names it phase:NAME/FILE, and Hugging Face's tokenizers, tiktoken and "
        "SentencePiece load it. Texts are taken as they come: what should be normalized "
        "must be so before, here and where the tokenizer is used. With style "
        "sentencepiece "
        "words end at line feeds and tabs too, which are not learnt: byte_fallback lets "
        "the "
        "model spell them, else they are unknown to it. While the distinct "
        "pieces fit into memory, all texts count; beyond it a sample does, which the "
        "hashes of the texts choose, so that the same texts give the same tokenizer "
        "however they were cut into shards. The training itself takes up to ten times "
        "that "
        "memory, in one executor.",
    .traits = STAGE_REPRODUCIBLE,
    .columns = (const struct stage_column[]){{"text", COLUMN_UTF8, true}, {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct trainer_state),
    .plan = plan,
    .open = open_stage,
    .process = trainer_stage_process,
    .close = trainer_stage_close,
    .fit = &fit};
