/* mask_tokens_run.c - make instances: sequences and pairs of segments, masked */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "core/batch.h"
#include "stages/kernels/instances.h"
#include "stages/mask_tokens_parts.h"

enum {
    FRAME_MAX = 3,         /* tokens around one or two segments */
    FLUSH_TOKENS = 1 << 18 /* put out by one flush(), about */
};

/* Choosing segments and masking draw from streams of their own. */
static const uint64_t plan_salt = 0x7365676D656E7473;

static bool has_masks(const struct mask_options *settings)
{
    return settings->unit != UNIT_NONE;
}

void mask_tokens_begin(struct stage *self)
{
    struct mask_state *state = self->state;
    state->documents = NULL;
    state->records = NULL;
    state->count = state->capacity = state->next = 0;
}

/* Random numbers of record `number` of those made of `origin`. */
static void open_stream(const struct stage *self, const struct origin *origin,
                        uint32_t number, uint64_t salt, struct random_stream *stream)
{
    const struct mask_options *settings = self->options;
    struct hash128 hash = stage_identity(self, origin, (uint64_t)settings->seed ^ salt);
    random_stream_init(stream, hash.low, hash.high ^ number);
}

/* Instances and the records that they become. */
struct making {
    struct instances made;
    struct made_record *records; /* (capacity) */
};

static enum error_code begin_making(const struct stage *self, struct arena *arena,
                                    uint32_t capacity, size_t tokens, size_t longest,
                                    struct making *making, struct error *error)
{
    const struct mask_options *settings = self->options;
    const struct instance_form form = {.has_segments = settings->task != TASK_SEQUENCE,
                                       .has_masks = has_masks(settings),
                                       .is_aligned = settings->labels == LABELS_ALIGNED,
                                       .has_spans =
                                           has_masks(settings) && settings->has_spans};
    making->records = ARENA_RAW(arena, struct made_record, capacity);
    if (!making->records || !instances_begin(&form, arena, self->scratch, capacity,
                                             tokens, longest, &making->made))
        return error_set(error, ERROR_MEMORY, "no memory for %u instances",
                         (unsigned)capacity);
    return OK;
}

/* The next instance, whose `size` tokens stand in their place. */
static void end_instance(const struct stage *self, const struct made_record *record,
                         uint32_t size, struct making *making)
{
    const struct mask_state *state = self->state;
    making->records[making->made.count] = *record;
    instances_add(&making->made, size);
    if (!making->made.form.has_masks)
        return;
    struct random_stream stream;
    open_stream(self, &record->origin, record->number, 0, &stream);
    instances_mask(&making->made, &state->mask, &stream);
}

static struct column list_column(const char *name, const uint64_t *offsets,
                                 const uint32_t *data)
{
    return (struct column){
        .name = name, .type = COLUMN_LIST_U32, .offsets = offsets, .data = data};
}

/* The columns of put_columns(); returns how many. */
static uint32_t make_columns(const struct mask_options *settings,
                             const struct instances *made, struct column *columns)
{
    uint32_t count = 0;
    columns[count++] = list_column(settings->column, made->offsets, made->tokens);
    if (settings->task != TASK_SEQUENCE)
        columns[count++] = list_column("segments", made->offsets, made->segments);
    if (settings->task == TASK_NEXT_SENTENCE || settings->task == TASK_SENTENCE_ORDER)
        columns[count++] = (struct column){
            .name = settings->task == TASK_NEXT_SENTENCE ? "is_next" : "order_swapped",
            .type = COLUMN_BOOL,
            .data = made->bits};
    if (has_masks(settings) && settings->labels == LABELS_ALIGNED)
        columns[count++] = list_column("labels", made->offsets, made->labels);
    if (has_masks(settings) && settings->labels == LABELS_POSITIONS) {
        columns[count++] =
            list_column("mask_positions", made->label_offsets, made->mask_positions);
        columns[count++] =
            list_column("mask_labels", made->label_offsets, made->mask_labels);
    }
    if (has_masks(settings) && settings->has_spans)
        columns[count++] = list_column("spans", made->span_offsets, made->spans);
    return count;
}

enum { COLUMNS_MADE_MAX = 8 };

static struct made_record describe(const struct batch *in, uint32_t row)
{
    return (struct made_record){.origin = in->origins[row],
                                .key = column_row(in->columns[0], row),
                                .key_size =
                                    (size_t)column_row_length(in->columns[0], row)};
}

/* Drops the rows without tokens. */
static uint64_t tokens_of(const struct column *tokens, uint32_t row,
                          struct stage_output *output)
{
    uint64_t length = column_is_valid(tokens, row) ? column_row_length(tokens, row) : 0;
    if (length == 0)
        stage_output_drop(output, row, "empty");
    return length;
}

/* ---- task sequence ---- */

/* The columns of the batch that stay, a row a copy, and those made. */
static enum error_code emit_copies(const struct stage *self, const struct batch *in,
                                   const uint32_t *rows, const struct making *making,
                                   struct stage_output *output, struct error *error)
{
    struct column columns[SCHEMA_MAX + COLUMNS_MADE_MAX];
    uint32_t rows_made = making->made.count;
    uint32_t count = make_columns(self->options, &making->made, columns);
    uint32_t made_count = count;
    const struct batch *copies =
        batch_gather(in, rows, rows_made, stage_output_arena(output));
    if (!copies)
        return error_set(error, ERROR_MEMORY, "no memory for copies");
    for (uint32_t i = 1; i < copies->column_count && i < SCHEMA_MAX; i++) {
        bool is_made = false;
        for (uint32_t k = 0; k < made_count; k++)
            is_made = is_made || strcmp(copies->columns[i]->name, columns[k].name) == 0;
        if (!is_made)
            columns[count++] = *copies->columns[i];
    }
    return stage_output_emit(output, making->records, rows_made, columns, count, error);
}

static uint32_t put_sequence(const struct mask_options *settings, const uint32_t *tokens,
                             uint32_t length, uint32_t *to)
{
    uint32_t size = 0;
    if (settings->is_framed && settings->cls_token != NO_TOKEN)
        to[size++] = (uint32_t)settings->cls_token;
    memcpy(to + size, tokens, (size_t)length * sizeof *to);
    size += length;
    if (settings->is_framed && settings->sep_token != NO_TOKEN)
        to[size++] = (uint32_t)settings->sep_token;
    return size;
}

static enum error_code process_sequences(struct stage *self, const struct batch *in,
                                         const struct column *tokens,
                                         struct stage_output *output, struct error *error)
{
    const struct mask_options *settings = self->options;
    uint32_t copies = (uint32_t)settings->copies;
    uint64_t total = 0, longest = 0;
    uint32_t capacity = 0;
    for (uint32_t row = 0; row < in->count; row++) {
        uint64_t length = tokens_of(tokens, row, output);
        if (length == 0)
            continue;
        total += (length + FRAME_MAX) * copies;
        longest = length > longest ? length : longest;
        capacity += copies;
    }
    struct making making = {0};
    uint32_t *rows = ARENA_RAW(self->scratch, uint32_t, capacity);
    enum error_code code =
        rows ? begin_making(self, stage_output_arena(output), capacity, (size_t)total,
                            (size_t)longest + FRAME_MAX, &making, error)
             : error_set(error, ERROR_MEMORY, "no memory for copies");
    struct instances *made = &making.made;
    for (uint32_t row = 0; row < in->count && code == OK; row++) {
        uint64_t length =
            column_is_valid(tokens, row) ? column_row_length(tokens, row) : 0;
        struct made_record record = describe(in, row);
        record.size = record.origin.size;
        for (record.number = 1; length > 0 && record.number <= copies; record.number++) {
            assert(made->offsets && made->tokens);
            rows[made->count] = row;
            uint32_t size =
                put_sequence(settings, column_row(tokens, row), (uint32_t)length,
                             made->tokens + made->offsets[made->count]);
            end_instance(self, &record, size, &making);
        }
    }
    return code == OK ? emit_copies(self, in, rows, &making, output, error) : code;
}

/* ---- pairs of segments ---- */

/* begins: (length + 1). 0: the column that says where they begin is wrong. */
static uint32_t cut_sentences(const struct stage *self, const struct batch *in,
                              uint32_t row, const uint32_t *tokens, uint32_t length,
                              uint32_t *begins)
{
    const struct mask_options *settings = self->options;
    const struct mask_state *state = self->state;
    if (!settings->sentences)
        return sentences_at_ends(tokens, length, state->flags,
                                 state->mask.vocabulary_size, TOKEN_ENDS_SENTENCE,
                                 begins);
    const struct column *column = batch_column(in, settings->sentences);
    if (!column || !column_is_valid(column, row))
        return 0;
    return sentences_at_starts(column_row(column, row), column_row_length(column, row),
                               length, begins);
}

/* Where documents are held: until the shard ends, or for one batch where none is needed for
 * another. */
static struct arena *holding_arena(const struct stage *self)
{
    const struct mask_options *settings = self->options;
    return settings->task == TASK_TWO_SEGMENTS ? self->scratch : self->shard;
}

/* Make room for one more document; what is there is in the arena. */
static bool grow_documents(struct stage *self)
{
    struct mask_state *state = self->state;
    if (state->count < state->capacity)
        return true;
    uint32_t capacity = state->capacity ? state->capacity * 2 : 64;
    struct pair_document *documents =
        ARENA_RAW(holding_arena(self), struct pair_document, capacity);
    struct made_record *records =
        ARENA_RAW(holding_arena(self), struct made_record, capacity);
    if (!documents || !records)
        return false;
    if (state->count > 0) {
        memcpy(documents, state->documents, state->count * sizeof *documents);
        memcpy(records, state->records, state->count * sizeof *records);
    }
    state->documents = documents;
    state->records = records;
    state->capacity = capacity;
    return true;
}

static enum error_code hold_document(struct stage *self, const struct batch *in,
                                     uint32_t row, const struct column *tokens,
                                     struct stage_output *output, struct error *error)
{
    const struct mask_options *settings = self->options;
    struct mask_state *state = self->state;
    uint64_t length = tokens_of(tokens, row, output);
    if (length == 0)
        return OK;
    if (length >= UINT32_MAX / 2) {
        stage_output_reject(output, row, "too_long", NULL);
        return OK;
    }
    struct made_record record = describe(in, row);
    uint32_t *copy = ARENA_RAW(holding_arena(self), uint32_t, (size_t)length);
    uint32_t *begins = ARENA_RAW(holding_arena(self), uint32_t, (size_t)length + 1);
    record.key = arena_copy_text(holding_arena(self), record.key, record.key_size);
    if (!copy || !begins || !record.key || !grow_documents(self))
        return error_set(error, ERROR_MEMORY, "no memory to hold a document");
    memcpy(copy, column_row(tokens, row), (size_t)length * sizeof *copy);
    uint32_t count = cut_sentences(self, in, row, copy, (uint32_t)length, begins);
    if (count == 0 || (uint64_t)count * (uint64_t)settings->copies > MADE_NUMBER_MAX) {
        stage_output_reject(output, row, count ? "too_many_sentences" : "bad_sentences",
                            NULL);
        return OK;
    }
    arena_trim(holding_arena(self), begins, ((size_t)count + 1) * sizeof *begins);
    state->documents[state->count] =
        (struct pair_document){.tokens = copy, .begins = begins, .count = count};
    state->records[state->count++] = record;
    return OK;
}

/* Instances before their tokens are copied. */
struct planned {
    struct pair *pairs;  /* of one copy of a document, in scratch */
    unsigned char *side; /* of its sentences */
    uint32_t count, document;
    uint32_t first_number; /* of the first pair */
};

static uint32_t pair_size(const struct pair *pair)
{
    return pair->a_size + pair->b_size + 2 + (pair->b_size > 0);
}

static enum error_code plan_copy(struct stage *self, uint32_t document, uint32_t copy,
                                 uint32_t number, struct planned *planned,
                                 struct error *error)
{
    struct mask_state *state = self->state;
    struct random_stream stream;
    uint32_t sentences = state->documents[document].count;
    struct pair *pairs = ARENA_RAW(self->scratch, struct pair, sentences);
    unsigned char *side = ARENA_NEW(self->scratch, unsigned char, sentences);
    if (!pairs || !side)
        return error_set(error, ERROR_MEMORY, "no memory for pairs of segments");
    open_stream(self, &state->records[document].origin, copy, plan_salt, &stream);
    *planned = (struct planned){
        .pairs = pairs, .side = side, .document = document, .first_number = number};
    planned->count = pairs_plan(&state->pair, state->documents, state->count, document,
                                &stream, pairs, side);
    return OK;
}

static void put_pair(struct stage *self, const struct planned *planned, uint32_t which,
                     struct making *making)
{
    const struct mask_options *settings = self->options;
    const struct mask_state *state = self->state;
    struct instances *made = &making->made;
    const struct pair *pair = &planned->pairs[which];
    uint32_t row = made->count, size = pair_size(pair);
    uint32_t *to = made->tokens + made->offsets[row];
    uint32_t *segments = made->segments + made->offsets[row];
    uint32_t first = pair->a_size + 2;
    to[0] = (uint32_t)settings->cls_token;
    pair_copy(pair, state->pair.task, state->documents, planned->side, to + 1,
              to + first);
    to[first - 1] = (uint32_t)settings->sep_token;
    if (pair->b_size > 0)
        to[size - 1] = (uint32_t)settings->sep_token;
    for (uint32_t i = 0; i < size; i++)
        segments[i] = i >= first;
    bool bit = pair->is_other == (settings->task == TASK_SENTENCE_ORDER);
    made->bits[row / 8] |= (unsigned char)(bit << row % 8);
    struct made_record record = state->records[planned->document];
    record.number = planned->first_number + which;
    record.size = which == 0 ? record.origin.size : 0;
    end_instance(self, &record, size, making);
}

/* The instances of the next documents, some FLUSH_TOKENS of them. */
static enum error_code emit_documents(struct stage *self, uint32_t end,
                                      const struct planned *planned, uint32_t count,
                                      struct stage_output *output, struct error *error)
{
    struct mask_state *state = self->state;
    size_t tokens = 0;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < count; i++) {
        capacity += planned[i].count;
        for (uint32_t k = 0; k < planned[i].count; k++)
            tokens += pair_size(&planned[i].pairs[k]);
    }
    struct column columns[COLUMNS_MADE_MAX];
    struct making making = {0};
    enum error_code code = begin_making(self, stage_output_arena(output), capacity,
                                        tokens, state->pair.max_length, &making, error);
    if (code != OK)
        return code;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < planned[i].count; k++)
            put_pair(self, &planned[i], k, &making);
    state->next = end;
    uint32_t column_count = make_columns(self->options, &making.made, columns);
    return stage_output_emit(output, making.records, making.made.count, columns,
                             column_count, error);
}

/* The next documents, with at least so many tokens together, or those that are left. */
static enum error_code emit_next(struct stage *self, uint64_t least,
                                 struct stage_output *output, struct error *error)
{
    const struct mask_options *settings = self->options;
    struct mask_state *state = self->state;
    uint32_t copies = (uint32_t)settings->copies, end = state->next, count = 0;
    uint64_t tokens = 0;
    while (end < state->count && tokens < least) {
        const struct pair_document *document = &state->documents[end++];
        tokens += (uint64_t)document->begins[document->count] * copies;
    }
    struct planned *planned =
        ARENA_RAW(self->scratch, struct planned, (size_t)(end - state->next) * copies);
    enum error_code code =
        planned ? OK : error_set(error, ERROR_MEMORY, "no memory for pairs of segments");
    for (uint32_t document = state->next; document < end && code == OK; document++) {
        uint32_t number = 1;
        for (uint32_t copy = 1; copy <= copies && code == OK; copy++) {
            code = plan_copy(self, document, copy, number, &planned[count], error);
            if (code == OK)
                number += planned[count++].count;
        }
    }
    return code == OK ? emit_documents(self, end, planned, count, output, error) : code;
}

enum error_code mask_tokens_flush(struct stage *self, struct stage_output *output,
                                  struct error *error)
{
    const struct mask_state *state = self->state;
    return state->next < state->count ? emit_next(self, FLUSH_TOKENS, output, error) : OK;
}

enum error_code mask_tokens_process(struct stage *self, const struct batch *in,
                                    struct stage_output *output, struct error *error)
{
    const struct mask_options *settings = self->options;
    const struct column *tokens = batch_column(in, settings->column);
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set(error, ERROR_FATAL, "no column \"%s\" to mask",
                         settings->column);
    if (settings->task == TASK_SEQUENCE)
        return process_sequences(self, in, tokens, output, error);
    enum error_code code = OK;
    for (uint32_t row = 0; row < in->count && code == OK; row++)
        code = hold_document(self, in, row, tokens, output, error);
    stage_output_use(output);
    if (code == OK && settings->task == TASK_TWO_SEGMENTS) {
        code = emit_next(self, UINT64_MAX, output, error);
        mask_tokens_begin(self);
    }
    return code;
}
