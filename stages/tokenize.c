/* tokenize.c - the stage that splits text into subword tokens */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/stage.h"
#include "stages/kernels/special_token.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"

enum pattern_choice { PATTERN_AUTO = 0 }; /* the others are enum split_pattern + 1 */
enum special_choice { SPECIAL_TEXT, SPECIAL_TOKENS, SPECIAL_REFUSE };

struct tokenize_options {
    const char *vocabulary;
    int pattern; /* enum pattern_choice */
    int special; /* enum special_choice */
    bool add_special;
};

struct tokenize_state {
    struct vocabulary vocabulary; /* view of the prepared file */
    struct text_encoder encoder;
    enum split_pattern pattern;
};

/* The prepared file: this head, then the image of vocabulary.h. */
enum { HEAD_SIZE = 64, HEAD_MAGIC = 0x316B6F74 };
enum { VOCABULARY_SIZE_MAX = 256 << 20, WORK_BLOCK = 4 << 20 };

static const char *const pattern_choices[] = {"auto",  "r50k",   "p50k", "cl100k",
                                              "o200k", "llama3", "qwen", NULL};
static const char *const special_choices[] = {"text", "tokens", "refuse", NULL};

static const struct option_spec options[] = {
    {.name = "vocabulary",
     .type = OPTION_PATH,
     .offset = offsetof(struct tokenize_options, vocabulary),
     .help = "A .tiktoken file: a line a token, in base64, with its rank"},
    {.name = "pattern",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct tokenize_options, pattern),
     .initial = "auto",
     .choices = pattern_choices,
     .help =
         "How text is cut into pieces before merging; auto for published vocabularies "
         "that are recognised by their content"},
    {.name = "special",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct tokenize_options, special),
     .initial = "text",
     .choices = special_choices,
     .help = "What the text of a special token in a document is: text like any other, "
             "that token, or a reason to refuse the record"},
    {.name = "add_special",
     .type = OPTION_BOOL,
     .offset = offsetof(struct tokenize_options, add_special),
     .initial = "false",
     .help = "Add the special tokens that the vocabulary's template asks for; .tiktoken "
             "files have none"},
    OPTION_END};

static const struct stage_column columns[] = {
    {.name = "text", .type = COLUMN_UTF8, .is_input = true},
    {.name = "tokens", .type = COLUMN_LIST_U32},
    {.name = NULL}};

/* ---- the vocabulary file ---- */

/* Published vocabularies, by token_list_hash(). */
static const struct {
    const char *hash;
    enum split_pattern pattern;
} known_vocabularies[] = {
    {"c4219e0ff0f78c47ffd20bee659702a9", SPLIT_R50K},
    {"7949b96dc607821b62ecbe96859d9784", SPLIT_P50K},
    {"5c921191b422cb41c5543f7c3311bb2b", SPLIT_CL100K},
    {"553d9dedbafaf6873d6f28ed8d9d52b4", SPLIT_O200K},
    {"80ba068671f4968049669eb8aec59d83", SPLIT_LLAMA3},
};

static bool recognise(const struct token_list *list, enum split_pattern *pattern)
{
    char hash[33];
    hash128_format(token_list_hash(list), hash);
    for (size_t i = 0; i < sizeof known_vocabularies / sizeof *known_vocabularies; i++) {
        if (strcmp(hash, known_vocabularies[i].hash) == 0) {
            *pattern = known_vocabularies[i].pattern;
            return true;
        }
    }
    return false;
}

static enum error_code read_file(const char *path, struct bytes *content,
                                 struct error *error)
{
    enum { STEP = 1 << 18 };
    enum error_code code = OK;
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot open vocabulary \"%s\"",
                               path);
    size_t size = 0;
    do {
        unsigned char *room = bytes_reserve(content, STEP);
        size = room ? fread(room, 1, STEP, file) : 0;
        content->size += size;
    } while (size > 0 && content->size <= VOCABULARY_SIZE_MAX);
    if (content->is_bad)
        code =
            error_set(error, ERROR_MEMORY, "no memory to read vocabulary \"%s\"", path);
    else if (ferror(file))
        code = error_set_errno(error, ERROR_IO, errno, "cannot read vocabulary \"%s\"",
                               path);
    else if (content->size > VOCABULARY_SIZE_MAX)
        code = error_set(error, ERROR_CONFIG, "vocabulary \"%s\" is larger than 256 MiB",
                         path);
    (void)fclose(file);
    return code;
}

/* Read, parse and settle the pattern. The list lives in `work`. */
static enum error_code load_tokens(const struct tokenize_options *settings,
                                   struct arena *work, struct token_list *list,
                                   enum split_pattern *pattern, struct error *error)
{
    struct bytes content = {0};
    enum error_code code = read_file(settings->vocabulary, &content, error);
    if (code == OK) {
        code = tiktoken_parse(content.data, content.size, work, list, error);
        if (code != OK)
            (void)error_wrap(error, "vocabulary \"%s\" is no usable .tiktoken file",
                             settings->vocabulary);
    }
    bytes_clear(&content);
    if (code != OK)
        return code;
    if (settings->pattern != PATTERN_AUTO)
        *pattern = (enum split_pattern)(settings->pattern - 1);
    else if (!recognise(list, pattern))
        return error_set(error, ERROR_CONFIG,
                         "vocabulary \"%s\" is not one that is known by its content: say "
                         "its pattern (r50k, p50k, cl100k, o200k, llama3, qwen)",
                         settings->vocabulary);
    for (uint32_t i = 0; settings->special == SPECIAL_TOKENS && i < list->count; i++) {
        if (special_token_has_id(*pattern, list->ids[i]))
            return error_set(
                error, ERROR_CONFIG,
                "rank %u of vocabulary \"%s\" is the id of a special token of "
                "pattern %s",
                (unsigned)list->ids[i], settings->vocabulary,
                pattern_choices[*pattern + 1]);
    }
    return OK;
}

static bool is_artefact(const char *path)
{
    return strncmp(path, "phase:", 6) == 0;
}

static enum error_code check_vocabulary(const struct tokenize_options *settings,
                                        struct source_position where, struct error *error)
{
    struct token_list list;
    enum split_pattern pattern;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to check a vocabulary");
    enum error_code code = load_tokens(settings, work, &list, &pattern, error);
    arena_destroy(work);
    if (code != ERROR_CONFIG && code != ERROR_IO)
        return code;
    if (error) { /* a file that cannot be read is a wrong option, too */
        error->code = ERROR_CONFIG;
        error->where = where;
    }
    return ERROR_CONFIG;
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
    if (settings->add_special)
        return error_set_at(error, stage_option_position(place, "add_special"),
                            "a .tiktoken vocabulary has no template that says which "
                            "special tokens to add");
    struct source_position where = stage_option_position(place, "vocabulary");
    if (is_artefact(settings->vocabulary)) {
        if (settings->pattern == PATTERN_AUTO)
            return error_set_at(error, where,
                                "vocabulary \"%s\" is yet to be made: say its pattern",
                                settings->vocabulary);
    } else if (!place->is_checked) {
        enum error_code code = check_vocabulary(settings, where, error);
        if (code != OK)
            return code;
    }
    return schema_put(schema, "tokens", COLUMN_LIST_U32, 0, error);
}

/* ---- prepare ---- */

static enum error_code write_file(const char *path, const struct bytes *content,
                                  struct error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    bool is_written = fwrite(content->data, 1, content->size, file) == content->size;
    int number = errno;
    if (fclose(file) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    if (!is_written)
        return error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
    return OK;
}

static enum error_code tokenize_prepare(const void *given, const char *path,
                                        struct error *error)
{
    struct bytes content = {0};
    struct token_list list;
    enum split_pattern pattern = SPLIT_R50K;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to compile a vocabulary");
    enum error_code code = load_tokens(given, work, &list, &pattern, error);
    if (code == OK) {
        unsigned char head[HEAD_SIZE] = {0};
        store_u32(head, HEAD_MAGIC);
        store_u32(head + 4, (uint32_t)pattern);
        bytes_put(&content, head, sizeof head);
        code = vocabulary_build(&list, work, &content, error);
        if (code != OK)
            (void)error_wrap(error, "vocabulary \"%s\"",
                             ((const struct tokenize_options *)given)->vocabulary);
    }
    if (code == OK)
        code = write_file(path, &content, error);
    bytes_clear(&content);
    arena_destroy(work);
    return code;
}

/* With the special tokens, which stand a little above the rest. */
static enum error_code tokenize_count_ids(const void *given, uint64_t *count,
                                          struct error *error)
{
    enum { SPECIAL_RANGE = 4096 };
    struct token_list list;
    enum split_pattern pattern = SPLIT_R50K;
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to read a vocabulary");
    enum error_code code = load_tokens(given, work, &list, &pattern, error);
    if (code == OK) {
        *count = list.id_limit;
        for (uint32_t i = 0; i < SPECIAL_RANGE; i++)
            if (special_token_has_id(pattern, list.id_limit + i))
                *count = (uint64_t)list.id_limit + i + 1;
    }
    arena_destroy(work);
    return code;
}

/* ---- running ---- */

static enum error_code tokenize_open(struct stage *self, struct error *error)
{
    struct tokenize_state *state = self->state;
    const unsigned char *prepared = self->prepared;
    if (!prepared || self->prepared_size < HEAD_SIZE ||
        load_u32(prepared) != HEAD_MAGIC || load_u32(prepared + 4) >= SPLIT_PATTERN_COUNT)
        return error_set(error, ERROR_DAMAGED, "not a prepared vocabulary");
    state->pattern = (enum split_pattern)load_u32(prepared + 4);
    enum error_code code = vocabulary_open(
        prepared + HEAD_SIZE, self->prepared_size - HEAD_SIZE, &state->vocabulary, error);
    if (code != OK)
        return code;
    return text_encoder_init(&state->encoder, &state->vocabulary, state->pattern,
                             self->run, error);
}

/* Text between special tokens is encoded as texts of their own; ids go to `ids`. */
static enum error_code encode_with_specials(struct tokenize_state *state,
                                            const unsigned char *text, size_t size,
                                            struct arena *scratch, uint32_t *ids,
                                            size_t *count, struct error *error)
{
    size_t begin = 0, total = 0;
    while (begin < size) {
        struct special_token special;
        bool is_found = special_token_find(state->pattern, text, size, begin, &special);
        size_t end = is_found ? special.begin : size;
        size_t written = 0;
        enum error_code code =
            text_encoder_run(&state->encoder, text + begin, end - begin, scratch,
                             ids + total, &written, error);
        if (code != OK)
            return code;
        total += written;
        begin = end;
        if (is_found) {
            ids[total++] = special.id;
            begin = special.end;
        }
    }
    *count = total;
    return OK;
}

/* Reject the rows with the text of a special token. */
static void refuse_rows(const struct tokenize_state *state, const struct column *text,
                        uint32_t count, struct stage_output *output)
{
    for (uint32_t row = 0; row < count; row++) {
        struct special_token special;
        size_t size = (size_t)(text->offsets[row + 1] - text->offsets[row]);
        if (size == 0 || !column_is_valid(text, row))
            continue;
        const char *bytes = (const char *)text->data + text->offsets[row];
        if (!special_token_find(state->pattern, (const unsigned char *)bytes, size, 0,
                                &special))
            continue;
        char detail[128];
        (void)snprintf(detail, sizeof detail, "\"%.*s\" at byte %zu",
                       (int)(special.end - special.begin), bytes + special.begin,
                       special.begin);
        stage_output_reject(output, row, "special_token", detail);
    }
}

static enum error_code encode_row(struct stage *self, const struct column *text,
                                  uint32_t row, uint32_t *ids, size_t *count,
                                  struct error *error)
{
    const struct tokenize_options *settings = self->options;
    struct tokenize_state *state = self->state;
    size_t size = (size_t)(text->offsets[row + 1] - text->offsets[row]);
    *count = 0;
    if (size == 0 || !column_is_valid(text, row))
        return OK;
    const unsigned char *bytes = (const unsigned char *)text->data + text->offsets[row];
    if (settings->special == SPECIAL_TOKENS)
        return encode_with_specials(state, bytes, size, self->scratch, ids, count, error);
    return text_encoder_run(&state->encoder, bytes, size, self->scratch, ids, count,
                            error);
}

static enum error_code tokenize_process(struct stage *self, const struct batch *in,
                                        struct stage_output *output, struct error *error)
{
    const struct column *text = batch_column(in, "text");
    if (!text || text->type != COLUMN_UTF8)
        return error_set(error, ERROR_FATAL, "no column \"text\" to tokenize");
    if (((const struct tokenize_options *)self->options)->special == SPECIAL_REFUSE)
        refuse_rows(self->state, text, in->count, output);
    /* A token has at least one byte. */
    size_t size = (size_t)(text->offsets[in->count] - text->offsets[0]);
    struct arena *arena = stage_output_arena(output);
    uint64_t *offsets = ARENA_RAW(arena, uint64_t, (size_t)in->count + 1);
    uint32_t *ids = size < SIZE_MAX / 8
                        ? ARENA_RAW(arena, uint32_t, size + TEXT_ENCODER_SLACK)
                        : NULL;
    if (!offsets || !ids)
        return error_set(error, ERROR_MEMORY, "no memory for the tokens of %zu bytes",
                         size);
    size_t total = 0;
    offsets[0] = 0;
    for (uint32_t row = 0; row < in->count; row++) {
        size_t count = 0;
        enum error_code code = encode_row(self, text, row, ids + total, &count, error);
        if (code != OK)
            return code;
        total += count;
        offsets[row + 1] = total;
    }
    arena_trim(arena, ids, total * sizeof *ids);
    const struct column tokens = {.name = "tokens",
                                  .type = COLUMN_LIST_U32,
                                  .validity = text->validity,
                                  .offsets = offsets,
                                  .data = ids};
    return stage_output_set(output, &tokens, error);
}

const struct stage_type stage_tokenize = {
    .name = "tokenize",
    .summary = "Split text into subword tokens",
    .description =
        "Byte-pair encoding with the vocabularies and patterns of tiktoken: the ids are "
        "those of the reference implementation. Text is cut into pieces by the pattern, "
        "with character classes of Unicode 16.0, and the bytes of each piece are merged, "
        "the lowest rank first. Text is taken as it is: pattern qwen expects the stage "
        "normalize with form NFC before it. Bytes that are not UTF-8 are characters of "
        "their own. A record without text gets no tokens (null).",
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
};
