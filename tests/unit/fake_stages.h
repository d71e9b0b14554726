/* fake_stages.h - a table of stages that do nothing, to test pipelines with */
#ifndef TESTS_UNIT_FAKE_STAGES_H
#define TESTS_UNIT_FAKE_STAGES_H

#include <stddef.h>

#include "core/stage.h"

static inline enum error_code fake_process(struct stage *self, const struct batch *in,
                                           struct stage_output *output,
                                           struct error *error)
{
    (void)self;
    (void)in;
    (void)output;
    (void)error;
    return OK;
}

/* clean: reads and replaces text. */
struct fake_clean {
    int form;
    bool is_deep;
};
static const char *const fake_forms[] = {"NFC", "NFKC", NULL};
static const struct option_spec fake_clean_specs[] = {
    {.name = "form",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct fake_clean, form),
     .initial = "NFC",
     .choices = fake_forms,
     .help = "which form"},
    {.name = "deep",
     .type = OPTION_BOOL,
     .offset = offsetof(struct fake_clean, is_deep),
     .initial = "false",
     .help = "whether"},
    OPTION_END};
static const struct stage_column fake_clean_columns[] = {{"text", COLUMN_UTF8, true},
                                                         {.name = NULL}};
static const struct stage_type fake_clean = {.name = "clean",
                                             .summary = "Clean text",
                                             .columns = fake_clean_columns,
                                             .options = fake_clean_specs,
                                             .options_size = sizeof(struct fake_clean),
                                             .process = fake_process};

/* split: reads text, adds tokens; needs a file. */
struct fake_split {
    const char *vocabulary;
    struct text_list special;
};
static const struct option_spec fake_split_specs[] = {
    {.name = "vocabulary",
     .type = OPTION_PATH,
     .offset = offsetof(struct fake_split, vocabulary),
     .help = "which file"},
    {.name = "special",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct fake_split, special),
     .initial = "",
     .help = "which tokens"},
    OPTION_END};
static const struct stage_column fake_split_columns[] = {
    {"text", COLUMN_UTF8, true}, {"tokens", COLUMN_LIST_U32, false}, {.name = NULL}};
static const struct stage_type fake_split = {.name = "split",
                                             .summary = "Split text",
                                             .columns = fake_split_columns,
                                             .options = fake_split_specs,
                                             .options_size = sizeof(struct fake_split),
                                             .process = fake_process};

/* embed: adds a vector of so many dimensions; plan() says how many. */
struct fake_embed {
    int64_t dimension;
    double scale;
    struct fake_clean inner;
};
static const struct option_spec fake_embed_specs[] = {
    {.name = "dimension",
     .type = OPTION_INT,
     .offset = offsetof(struct fake_embed, dimension),
     .initial = "8",
     .min = 1,
     .max = 4096,
     .help = "how many"},
    {.name = "scale",
     .type = OPTION_REAL,
     .offset = offsetof(struct fake_embed, scale),
     .initial = "0.1",
     .help = "how much"},
    {.name = "inner",
     .type = OPTION_GROUP,
     .offset = offsetof(struct fake_embed, inner),
     .initial = "",
     .group = fake_clean_specs,
     .help = "how it is cleaned"},
    OPTION_END};

static inline enum error_code fake_embed_plan(const void *options, struct schema *schema,
                                              const struct stage_place *place,
                                              struct error *error)
{
    const struct fake_embed *embed = options;
    if (embed->dimension % 2)
        return error_set_at(error, stage_option_position(place, "dimension"),
                            "dimension %d is odd", (int)embed->dimension);
    if (!schema_find(schema, "tokens"))
        return error_set(error, ERROR_CONFIG, "no tokens to embed");
    return schema_put(schema, "embedding", COLUMN_VECTOR_F32, (uint32_t)embed->dimension,
                      error);
}

static const struct stage_type fake_embed = {.name = "embed",
                                             .summary = "Embed tokens",
                                             .options = fake_embed_specs,
                                             .options_size = sizeof(struct fake_embed),
                                             .plan = fake_embed_plan,
                                             .process = fake_process};

/* count: no options at all. */
static const struct stage_column fake_count_columns[] = {{"count", COLUMN_I64, false},
                                                         {.name = NULL}};
static const struct stage_type fake_count = {.name = "count",
                                             .summary = "Count records",
                                             .columns = fake_count_columns,
                                             .process = fake_process};

/* learn: a fit stage, which makes one file or two. */
struct fake_learn {
    int form;
    const char *from;
};
static const char *const fake_learn_forms[] = {"one", "two", NULL};
static const struct option_spec fake_learn_specs[] = {
    {.name = "form",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct fake_learn, form),
     .initial = "one",
     .choices = fake_learn_forms,
     .help = "how many files"},
    {.name = "from",
     .type = OPTION_PATH,
     .offset = offsetof(struct fake_learn, from),
     .initial = "",
     .help = "where to begin"},
    OPTION_END};
static const struct stage_column fake_learn_columns[] = {{"text", COLUMN_UTF8, true},
                                                         {.name = NULL}};

static inline const char *const *fake_learn_files(const void *options)
{
    static const char *const one[] = {"v", NULL};
    static const char *const two[] = {"v", "w", NULL};
    const struct fake_learn *learn = options;
    return learn->form == 0 ? one : two;
}
static inline enum error_code fake_learn_begin(struct stage *self, struct error *error)
{
    (void)self, (void)error;
    return OK;
}
static inline enum error_code fake_learn_save(struct stage *self, struct bytes *state,
                                              struct error *error)
{
    (void)self, (void)state, (void)error;
    return OK;
}
static inline enum error_code fake_learn_merge(struct stage *self, const void *state,
                                               size_t size, struct error *error)
{
    (void)self, (void)state, (void)size, (void)error;
    return OK;
}
static inline enum error_code fake_learn_finish(struct stage *self, const char *folder,
                                                struct error *error)
{
    (void)self, (void)folder, (void)error;
    return OK;
}
static const struct stage_fit fake_learn_fit = {.files = fake_learn_files,
                                                .begin = fake_learn_begin,
                                                .save = fake_learn_save,
                                                .merge = fake_learn_merge,
                                                .finish = fake_learn_finish};
static const struct stage_type fake_learn = {.name = "learn",
                                             .summary = "Learn from text",
                                             .columns = fake_learn_columns,
                                             .options = fake_learn_specs,
                                             .options_size = sizeof(struct fake_learn),
                                             .process = fake_process,
                                             .fit = &fake_learn_fit};

static const struct stage_type *const fake_stages[] = {
    &fake_clean, &fake_split, &fake_embed, &fake_count, &fake_learn, NULL};

#endif
