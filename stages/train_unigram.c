/* train_unigram.c - the stage that trains a Unigram tokenizer */
#include <stddef.h>

#include "core/stage.h"
#include "stages/trainer_stage.h"

enum { BYTES = 256, CONTROLS = 3 };

struct options {
    struct trainer_common common;
    int64_t length_max;
    double character_coverage;
    bool byte_fallback;
};

static const struct option_spec option_table[] = {
    TRAINER_COMMON_OPTIONS("[]", "Control tokens behind <unk>, <s> and </s>"),
    {.name = "length_max",
     .type = OPTION_INT,
     .offset = offsetof(struct options, length_max),
     .initial = "16",
     .min = 1,
     .max = 512,
     .help = "The longest token, in characters"},
    {.name = "character_coverage",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, character_coverage),
     .initial = "0.9995",
     .min = 0.5,
     .max = 1,
     .help =
         "Share of the text that the alphabet must spell; rarer characters are unknown"},
    {.name = "byte_fallback",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, byte_fallback),
     .initial = "false",
     .help = "Spell unknown characters with 256 tokens for bytes"},
    OPTION_END};

static enum error_code plan(const void *given, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = given;
    enum error_code code =
        trainer_stage_plan(&options->common, schema, place, "train_unigram", error);
    size_t least = options->common.special.count + CONTROLS +
                   (options->byte_fallback ? BYTES : 0) + 1;
    if (code == OK && (uint64_t)options->common.vocabulary_size < least)
        return error_set_at(error, stage_option_position(place, "vocabulary_size"),
                            "vocabulary_size must be %zu at least, for what every such "
                            "vocabulary has",
                            least);
    return code;
}

static enum error_code open_stage(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct trainer_state *state = self->state;
    (void)error;
    state->options = (struct piece_table_options){.cut = PIECES_SENTENCEPIECE,
                                                  .memory_limit = options->common.memory};
    return OK;
}

static const char *const *files(const void *options)
{
    static const char *const names[] = {"tokenizer.model", NULL};
    (void)options;
    return names;
}

static enum error_code finish(struct stage *self, const char *folder, struct error *error)
{
    const struct options *options = self->options;
    struct trainer_options trainer = {.kind = TRAINER_UNIGRAM,
                                      .length_max = (uint32_t)options->length_max,
                                      .character_coverage = options->character_coverage,
                                      .byte_fallback = options->byte_fallback};
    return trainer_stage_finish(self, &options->common, &trainer, TRAINER_SENTENCEPIECE,
                                folder, files(options)[0], error);
}

static const struct stage_fit fit = {.files = files,
                                     .begin = trainer_stage_begin,
                                     .save = trainer_stage_save,
                                     .merge = trainer_stage_merge,
                                     .finish = finish};

const struct stage_type stage_train_unigram = {
    .name = "train_unigram",
    .summary = "Train a Unigram tokenizer on all texts, as SentencePiece does",
    .description =
        "Counts the words of all texts over all shards, begins with their most frequent "
        "substrings and takes those away whose loss costs least, until the vocabulary "
        "has "
        "exactly its size. The file is tokenizer.model, which SentencePiece loads; a "
        "later "
        "phase names it phase:NAME/tokenizer.model. Texts are taken as they come, and "
        "the "
        "model normalizes nothing but spaces. Words end at line feeds and tabs too, "
        "which "
        "are not learnt: byte_fallback lets the model spell them, else they are unknown "
        "to "
        "it. While the distinct words fit into memory, all texts count; beyond it a "
        "sample "
        "does, which the hashes of the texts choose. The training itself takes up to ten "
        "times that memory, in one executor.",
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
