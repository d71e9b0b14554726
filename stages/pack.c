/* pack.c - the stage that lays documents into sequences of one length */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "core/arena.h"
#include "core/stage.h"
#include "stages/kernels/pack_plan.h"

enum short_choice { SHORT_KEEP, SHORT_PAD, SHORT_DROP };
enum { LENGTH_MAX = 1 << 22, NO_TOKEN = -1, COLUMNS_MAX = 4 };

struct pack_options {
    const char *column;
    int64_t length, begin_token, end_token, pad_token;
    int documents;  /* enum pack_documents */
    int short_ones; /* enum short_choice */
    bool has_boundaries, has_positions;
};

/* The sequence at hand, which the next documents go on with. */
struct open_sequence {
    uint32_t *tokens; /* (length) */
    uint32_t *starts; /* (length) where documents begin in it, and what it begins with */
    uint32_t filled, start_count;
    struct made_record record; /* its first document */
};

struct pack_state {
    struct open_sequence open;
};

/* Sequences that are complete, as columns while they grow. */
struct packed {
    struct made_record *records; /* (capacity) */
    uint32_t *tokens;            /* (capacity, length) without gaps */
    uint64_t *token_offsets;     /* (capacity + 1) */
    uint32_t *starts;
    uint64_t *start_offsets; /* (capacity + 1) */
    uint32_t *positions;     /* as tokens */
    int64_t *token_counts;   /* (capacity) */
    uint32_t count;
};

static const char *const documents_choices[] = {"joined", "whole", "alone", NULL};
static const char *const short_choices[] = {"keep", "pad", "drop", NULL};

static const struct option_spec options[] = {
    {.name = "length",
     .type = OPTION_INT,
     .offset = offsetof(struct pack_options, length),
     .min = 2,
     .max = LENGTH_MAX,
     .help = "Tokens of a sequence"},
    {.name = "documents",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct pack_options, documents),
     .initial = "joined",
     .choices = documents_choices,
     .help =
         "joined: one behind the other, cut where a sequence is full; whole: as many as "
         "fit into a sequence, cut only where one alone is too long; alone: each in "
         "sequences of its own"},
    {.name = "begin_token",
     .type = OPTION_INT,
     .offset = offsetof(struct pack_options, begin_token),
     .initial = "-1",
     .min = -1,
     .max = UINT32_MAX,
     .help = "Token put in front of each document; -1 for none"},
    {.name = "end_token",
     .type = OPTION_INT,
     .offset = offsetof(struct pack_options, end_token),
     .initial = "-1",
     .min = -1,
     .max = UINT32_MAX,
     .help = "Token put behind each document; -1 for none"},
    {.name = "short",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct pack_options, short_ones),
     .initial = "keep",
     .choices = short_choices,
     .help =
         "What becomes of a sequence that did not fill up: kept as it is, filled with "
         "pad_token, or dropped under the reason short"},
    {.name = "pad_token",
     .type = OPTION_INT,
     .offset = offsetof(struct pack_options, pad_token),
     .initial = "-1",
     .min = -1,
     .max = UINT32_MAX,
     .help = "Token that fills up short sequences where short is pad"},
    {.name = "boundaries",
     .type = OPTION_BOOL,
     .offset = offsetof(struct pack_options, has_boundaries),
     .initial = "true",
     .help =
         "Add column boundaries: where in the sequence its documents begin; 0 is always "
         "the first, also where a document goes on from another sequence"},
    {.name = "positions",
     .type = OPTION_BOOL,
     .offset = offsetof(struct pack_options, has_positions),
     .initial = "false",
     .help =
         "Add column positions: for each token its distance from the boundary before it, "
         "0 for padding"},
    {.name = "column",
     .type = OPTION_TEXT,
     .offset = offsetof(struct pack_options, column),
     .initial = "tokens",
     .help = "Column of the tokens, list<u32>, before and behind the stage"},
    OPTION_END};

static enum error_code put_columns(const struct pack_options *settings,
                                   struct schema *schema, struct error *error)
{
    enum error_code code =
        schema_put(schema, settings->column, COLUMN_LIST_U32, 0, error);
    if (code == OK && settings->has_boundaries)
        code = schema_put(schema, "boundaries", COLUMN_LIST_U32, 0, error);
    if (code == OK && settings->has_positions)
        code = schema_put(schema, "positions", COLUMN_LIST_U32, 0, error);
    if (code == OK && settings->short_ones == SHORT_PAD)
        code = schema_put(schema, "token_count", COLUMN_I64, 0, error);
    return code;
}

static enum error_code pack_plan_columns(const void *given, struct schema *schema,
                                         const struct stage_place *place,
                                         struct error *error)
{
    const struct pack_options *settings = given;
    const struct schema_field *tokens = schema_find(schema, settings->column);
    struct source_position where = stage_option_position(place, "column");
    if (!tokens)
        return error_set_at(
            error, where, "stage pack needs column \"%s\", which nothing before it makes",
            settings->column);
    if (tokens->type != COLUMN_LIST_U32)
        return error_set_at(error, where,
                            "stage pack needs column \"%s\" to be list<u32>",
                            settings->column);
    if (settings->short_ones == SHORT_PAD && settings->pad_token == NO_TOKEN)
        return error_set_at(error, stage_option_position(place, "short"),
                            "stage pack: short: pad needs pad_token");
    if (settings->documents != PACK_ALONE && !place->is_shard_fixed)
        return error_set_at(
            error, stage_option_position(place, "documents"),
            "stage pack puts documents of a shard together, and the shards of this phase "
            "depend on shard.bytes: let it read a phase that ends in an exchange (by: "
            "random(SEED) for a shuffle), or say documents: alone");
    *schema = (struct schema){.fields = {schema->fields[0]}, .count = 1};
    return put_columns(settings, schema, error);
}

static enum error_code pack_open(struct stage *self, struct error *error)
{
    const struct pack_options *settings = self->options;
    struct open_sequence *open = &((struct pack_state *)self->state)->open;
    open->tokens = ARENA_RAW(self->run, uint32_t, (size_t)settings->length);
    open->starts = ARENA_RAW(self->run, uint32_t, (size_t)settings->length);
    if (!open->tokens || !open->starts)
        return error_set(error, ERROR_MEMORY, "no memory for a sequence");
    return OK;
}

static void pack_begin(struct stage *self)
{
    struct open_sequence *open = &((struct pack_state *)self->state)->open;
    open->filled = open->start_count = 0;
}

/* ---- complete sequences ---- */

static enum error_code begin_packed(const struct pack_options *settings,
                                    uint32_t capacity, size_t start_capacity,
                                    struct arena *arena, struct packed *packed,
                                    struct error *error)
{
    size_t tokens = (size_t)capacity * (size_t)settings->length;
    *packed = (struct packed){
        .records = ARENA_RAW(arena, struct made_record, capacity),
        .tokens = ARENA_RAW(arena, uint32_t, tokens),
        .token_offsets = ARENA_NEW(arena, uint64_t, (size_t)capacity + 1),
        .starts = ARENA_RAW(arena, uint32_t, start_capacity),
        .start_offsets = ARENA_NEW(arena, uint64_t, (size_t)capacity + 1),
        .positions = ARENA_RAW(arena, uint32_t, settings->has_positions ? tokens : 0),
        .token_counts = ARENA_RAW(arena, int64_t, capacity)};
    bool is_whole = packed->records && packed->tokens && packed->token_offsets &&
                    packed->starts && packed->start_offsets && packed->positions &&
                    packed->token_counts;
    return is_whole ? OK
                    : error_set(error, ERROR_MEMORY, "no memory for %u sequences",
                                (unsigned)capacity);
}

/* positions: (size); the tokens behind `filled` are padding. */
static void put_positions(const struct open_sequence *open, uint32_t size,
                          uint32_t *positions)
{
    for (uint32_t i = 0; i < open->start_count; i++) {
        uint32_t begin = open->starts[i];
        uint32_t end = i + 1 < open->start_count ? open->starts[i + 1] : open->filled;
        for (uint32_t at = begin; at < end; at++)
            positions[at] = at - begin;
    }
    memset(positions + open->filled, 0,
           (size_t)(size - open->filled) * sizeof *positions);
}

static void end_sequence(const struct pack_options *settings, struct open_sequence *open,
                         struct packed *packed)
{
    uint32_t row = packed->count++;
    bool is_short = open->filled < settings->length;
    uint64_t begin = packed->token_offsets[row];
    uint32_t *tokens = packed->tokens + begin;
    uint32_t size = is_short && settings->short_ones == SHORT_PAD
                        ? (uint32_t)settings->length
                        : open->filled;
    memcpy(tokens, open->tokens, (size_t)open->filled * sizeof *tokens);
    for (uint32_t i = open->filled; i < size; i++)
        tokens[i] = (uint32_t)settings->pad_token;
    packed->token_offsets[row + 1] = begin + size;
    uint64_t first = packed->start_offsets[row];
    memcpy(packed->starts + first, open->starts,
           (size_t)open->start_count * sizeof *packed->starts);
    packed->start_offsets[row + 1] = first + open->start_count;
    if (settings->has_positions)
        put_positions(open, size, packed->positions + begin);
    packed->token_counts[row] = open->filled;
    packed->records[row] = open->record;
    if (is_short && settings->short_ones == SHORT_DROP)
        packed->records[row].drop_reason = "short";
    open->filled = open->start_count = 0;
}

static enum error_code emit(const struct pack_options *settings,
                            const struct packed *packed, struct stage_output *output,
                            struct error *error)
{
    struct column columns[COLUMNS_MAX];
    uint32_t count = 0;
    columns[count++] = (struct column){.name = settings->column,
                                       .type = COLUMN_LIST_U32,
                                       .offsets = packed->token_offsets,
                                       .data = packed->tokens};
    if (settings->has_boundaries)
        columns[count++] = (struct column){.name = "boundaries",
                                           .type = COLUMN_LIST_U32,
                                           .offsets = packed->start_offsets,
                                           .data = packed->starts};
    if (settings->has_positions)
        columns[count++] = (struct column){.name = "positions",
                                           .type = COLUMN_LIST_U32,
                                           .offsets = packed->token_offsets,
                                           .data = packed->positions};
    if (settings->short_ones == SHORT_PAD)
        columns[count++] = (struct column){
            .name = "token_count", .type = COLUMN_I64, .data = packed->token_counts};
    return stage_output_emit(output, packed->records, packed->count, columns, count,
                             error);
}

/* ---- documents ---- */

/* The documents of a batch that have tokens. */
struct documents {
    const struct batch *batch;
    const struct column *tokens;
    uint32_t *rows;    /* (count) */
    uint64_t *lengths; /* (count) with the tokens in front and behind */
    uint64_t total;
    uint32_t count;
};

static enum error_code find_documents(const struct stage *self, const struct batch *in,
                                      struct stage_output *output,
                                      struct documents *documents, struct error *error)
{
    const struct pack_options *settings = self->options;
    const struct column *tokens = batch_column(in, settings->column);
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set(error, ERROR_FATAL, "no column \"%s\" to pack",
                         settings->column);
    *documents =
        (struct documents){.batch = in,
                           .tokens = tokens,
                           .rows = ARENA_RAW(self->scratch, uint32_t, in->count),
                           .lengths = ARENA_RAW(self->scratch, uint64_t, in->count)};
    if (!documents->rows || !documents->lengths)
        return error_set(error, ERROR_MEMORY, "no memory for a batch");
    uint64_t frame = (uint64_t)(settings->begin_token != NO_TOKEN) +
                     (uint64_t)(settings->end_token != NO_TOKEN);
    for (uint32_t row = 0; row < in->count; row++) {
        uint64_t length =
            column_is_valid(tokens, row) ? column_row_length(tokens, row) : 0;
        if (length == 0) {
            stage_output_drop(output, row, "empty");
            continue;
        }
        documents->rows[documents->count] = row;
        documents->lengths[documents->count++] = length + frame;
        documents->total += length + frame;
    }
    return OK;
}

/* Tokens [piece->begin, ...) of the document with what stands in front of and behind it. */
static void copy_piece(const struct pack_options *settings,
                       const struct documents *documents, const struct pack_piece *piece,
                       uint32_t *to)
{
    const uint32_t *tokens =
        column_row(documents->tokens, documents->rows[piece->document]);
    uint64_t front = settings->begin_token != NO_TOKEN;
    uint64_t length = documents->lengths[piece->document];
    uint64_t behind = settings->end_token != NO_TOKEN ? length - 1 : length;
    uint64_t at = piece->begin, end = piece->begin + piece->size;
    if (front && at == 0) {
        *to++ = (uint32_t)settings->begin_token;
        at++;
    }
    uint64_t stop = end < behind ? end : behind;
    if (at < stop)
        memcpy(to, tokens + (at - front), (size_t)(stop - at) * sizeof *to);
    if (end > behind)
        to[stop > at ? stop - at : 0] = (uint32_t)settings->end_token;
}

/* The piece goes behind what the sequence has. `number` counts the sequences that begin in
 * the document. */
static void add_piece(const struct pack_options *settings,
                      const struct documents *documents, const struct pack_piece *piece,
                      struct open_sequence *open, uint32_t *number)
{
    assert(documents->rows);
    uint32_t row = documents->rows[piece->document];
    const struct batch *batch = documents->batch;
    if (piece->begin == 0)
        *number = 0;
    if (open->filled == 0)
        open->record = (struct made_record){
            .origin = batch->origins[row],
            .key = column_row(batch->columns[0], row),
            .key_size = (size_t)column_row_length(batch->columns[0], row),
            .number = ++*number};
    if (piece->begin == 0)
        open->record.size += batch->origins[row].size;
    open->starts[open->start_count++] = open->filled;
    copy_piece(settings, documents, piece, open->tokens + open->filled);
    open->filled += piece->size;
}

/* Lay the documents out; what is not complete stays in `open`. */
static enum error_code lay_out(struct stage *self, const struct documents *documents,
                               struct stage_output *output, struct packed *packed,
                               struct error *error)
{
    const struct pack_options *settings = self->options;
    struct open_sequence *open = &((struct pack_state *)self->state)->open;
    uint32_t length = (uint32_t)settings->length;
    size_t pieces_max = pack_pieces_max(documents->total, documents->count, length);
    struct pack_plan plan = {.pieces =
                                 ARENA_RAW(self->scratch, struct pack_piece, pieces_max),
                             .filled = open->filled};
    if (!plan.pieces)
        return error_set(error, ERROR_MEMORY, "no memory to lay out a batch");
    pack_plan_add(&plan, (enum pack_documents)settings->documents, length,
                  documents->lengths, documents->count);
    uint32_t complete = 0, number = 0;
    for (size_t i = 0; i < plan.piece_count; i++)
        complete += plan.pieces[i].ends_sequence;
    enum error_code code =
        begin_packed(settings, complete, plan.piece_count + open->start_count,
                     stage_output_arena(output), packed, error);
    for (size_t i = 0; i < plan.piece_count && code == OK; i++) {
        const struct pack_piece *piece = &plan.pieces[i];
        if (piece->document != PACK_HELD)
            add_piece(settings, documents, piece, open, &number);
        if (open->record.number > MADE_NUMBER_MAX)
            code = error_set(error, ERROR_RECORD, "a document makes too many sequences");
        else if (piece->ends_sequence)
            end_sequence(settings, open, packed);
    }
    return code;
}

static enum error_code pack_process(struct stage *self, const struct batch *in,
                                    struct stage_output *output, struct error *error)
{
    struct open_sequence *open = &((struct pack_state *)self->state)->open;
    struct documents documents = {0};
    struct packed packed = {0};
    enum error_code code = find_documents(self, in, output, &documents, error);
    if (code == OK)
        code = lay_out(self, &documents, output, &packed, error);
    if (code == OK)
        code = emit(self->options, &packed, output, error);
    if (code == OK && open->filled > 0) { /* the batch goes, its key must stay */
        open->record.key =
            arena_copy_text(self->shard, open->record.key, open->record.key_size);
        if (!open->record.key)
            code = error_set(error, ERROR_MEMORY, "no memory for a key");
    }
    return code;
}

static enum error_code pack_flush(struct stage *self, struct stage_output *output,
                                  struct error *error)
{
    const struct pack_options *settings = self->options;
    struct open_sequence *open = &((struct pack_state *)self->state)->open;
    struct packed packed = {0};
    if (open->filled == 0)
        return OK;
    enum error_code code = begin_packed(settings, 1, open->start_count,
                                        stage_output_arena(output), &packed, error);
    if (code != OK)
        return code;
    end_sequence(settings, open, &packed);
    return emit(settings, &packed, output, error);
}

static const struct stage_column columns[] = {
    {.name = "tokens", .type = COLUMN_LIST_U32, .is_input = true},
    {.name = "tokens", .type = COLUMN_LIST_U32},
    {.name = "boundaries", .type = COLUMN_LIST_U32},
    {.name = NULL}};

const struct stage_type stage_pack = {
    .name = "pack",
    .summary = "Lay documents into sequences of one length",
    .description =
        "The tokens of the documents, in their order, become sequences of a fixed "
        "length, "
        "which are records of their own: known by the document in which they begin, and "
        "called KEY/1, KEY/2, ... after it. Other columns than those named here end at "
        "this "
        "stage. Documents without tokens are dropped as empty.\n\n"
        "Documents are put together within a shard, whose last sequence may stay short. "
        "So "
        "that the result does not depend on shard.bytes, the phase must read one that "
        "ends "
        "in an exchange: a shard is a bucket then, whatever it is cut from. With "
        "documents: "
        "alone any phase will do.",
    .traits = STAGE_REPRODUCIBLE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct pack_options),
    .state_size = sizeof(struct pack_state),
    .plan = pack_plan_columns,
    .open = pack_open,
    .begin = pack_begin,
    .process = pack_process,
    .flush = pack_flush};
