/* span_corruption.c - the stage that makes inputs and targets as T5 is trained on */
#include <assert.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/stage.h"
#include "stages/kernels/noise_spans.h"

enum { NO_TOKEN = -1, TOKEN_MAX = 1 << 24 };

struct span_options {
    const char *column;
    double density, mean_length;
    int64_t first_sentinel, sentinel_step, sentinels, end_token, seed;
};

struct span_state {
    struct noise_rule rule;
};

static const struct option_spec options[] = {
    {.name = "first_sentinel",
     .type = OPTION_INT,
     .offset = offsetof(struct span_options, first_sentinel),
     .min = 0,
     .max = TOKEN_MAX,
     .help =
         "Id that stands for the first span: <extra_id_0>, the last of T5's vocabulary"},
    {.name = "sentinel_step",
     .type = OPTION_INT,
     .offset = offsetof(struct span_options, sentinel_step),
     .initial = "-1",
     .min = -1,
     .max = 1,
     .help = "From one sentinel to the next: -1 as in T5's vocabulary, or 1"},
    {.name = "sentinels",
     .type = OPTION_INT,
     .offset = offsetof(struct span_options, sentinels),
     .initial = "100",
     .min = 1,
     .max = TOKEN_MAX,
     .help =
         "How many there are; a record that needs more is rejected as too_many_spans"},
    {.name = "end_token",
     .type = OPTION_INT,
     .offset = offsetof(struct span_options, end_token),
     .initial = "-1",
     .min = -1,
     .max = TOKEN_MAX,
     .help = "Id put behind inputs and targets; -1 for none"},
    {.name = "noise_density",
     .type = OPTION_REAL,
     .offset = offsetof(struct span_options, density),
     .initial = "0.15",
     .min = 0,
     .max = 1,
     .help = "Share of the tokens that go to the targets"},
    {.name = "mean_noise_span_length",
     .type = OPTION_REAL,
     .offset = offsetof(struct span_options, mean_length),
     .initial = "3.0",
     .min = 1,
     .max = 1000,
     .help = "Tokens of a span, in the mean"},
    {.name = "seed",
     .type = OPTION_INT,
     .offset = offsetof(struct span_options, seed),
     .initial = "0",
     .min = 0,
     .max = 9e15,
     .help = "Another seed gives other spans"},
    {.name = "column",
     .type = OPTION_TEXT,
     .offset = offsetof(struct span_options, column),
     .initial = "tokens",
     .help = "Column of the tokens, list<u32>"},
    OPTION_END};

static enum error_code span_plan(const void *given, struct schema *schema,
                                 const struct stage_place *place, struct error *error)
{
    const struct span_options *settings = given;
    const struct schema_field *tokens = schema_find(schema, settings->column);
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set_at(error, stage_option_position(place, "column"),
                            "stage span_corruption needs column \"%s\" as list<u32>",
                            settings->column);
    if (settings->sentinel_step == 0)
        return error_set_at(error, stage_option_position(place, "sentinel_step"),
                            "stage span_corruption: sentinel_step must be -1 or 1");
    if (settings->sentinel_step < 0 && settings->sentinels > settings->first_sentinel + 1)
        return error_set_at(error, stage_option_position(place, "sentinels"),
                            "stage span_corruption: there are no %lld ids from "
                            "first_sentinel down",
                            (long long)settings->sentinels);
    enum error_code code = schema_put(schema, "inputs", COLUMN_LIST_U32, 0, error);
    return code == OK ? schema_put(schema, "targets", COLUMN_LIST_U32, 0, error) : code;
}

static enum error_code span_open(struct stage *self, struct error *error)
{
    const struct span_options *settings = self->options;
    struct span_state *state = self->state;
    (void)error;
    state->rule =
        (struct noise_rule){.density = share_of_real(settings->density),
                            .mean_length = (uint64_t)(settings->mean_length * 1e6 + 0.5)};
    return OK;
}

/* Both columns while they grow. */
struct sides {
    uint64_t *offsets[2]; /* inputs, targets: (rows + 1) */
    uint32_t *tokens[2];
};

static enum error_code begin_sides(const struct column *tokens, uint32_t rows,
                                   struct arena *arena, struct sides *sides,
                                   struct error *error)
{
    /* A span has a token at least, so each side has at most a sentinel a token; and the
     * token behind it. */
    size_t total = (size_t)tokens->offsets[rows] * 2 + rows;
    for (int i = 0; i < 2; i++) {
        sides->offsets[i] = ARENA_NEW(arena, uint64_t, (size_t)rows + 1);
        sides->tokens[i] = ARENA_RAW(arena, uint32_t, total);
        if (!sides->offsets[i] || !sides->tokens[i])
            return error_set(error, ERROR_MEMORY, "no memory for inputs and targets");
    }
    return OK;
}

static void end_row(const struct span_options *settings, uint32_t row, int side,
                    uint32_t count, struct sides *sides)
{
    uint64_t begin = sides->offsets[side][row];
    if (settings->end_token != NO_TOKEN)
        sides->tokens[side][begin + count++] = (uint32_t)settings->end_token;
    sides->offsets[side][row + 1] = begin + count;
}

/* `lengths` has room for the longest row. */
static void corrupt_row(const struct stage *self, const struct batch *in,
                        const struct column *tokens, uint32_t row, uint32_t *lengths,
                        struct stage_output *output, struct sides *sides)
{
    const struct span_options *settings = self->options;
    const struct span_state *state = self->state;
    uint64_t length = column_is_valid(tokens, row) ? column_row_length(tokens, row) : 0;
    assert(sides->offsets[0] && sides->offsets[1]);
    for (int side = 0; side < 2; side++)
        sides->offsets[side][row + 1] = sides->offsets[side][row];
    if (length == 0) {
        stage_output_drop(output, row, "empty");
        return;
    }
    struct hash128 hash =
        stage_identity(self, &in->origins[row], (uint64_t)settings->seed);
    struct random_stream stream;
    random_stream_init(&stream, hash.low, hash.high);
    uint32_t spans = noise_draw(&state->rule, (uint32_t)length, &stream, lengths);
    if (spans > settings->sentinels) {
        stage_output_reject(output, row, "too_many_spans", NULL);
        return;
    }
    for (int side = 0; side < 2; side++) {
        uint32_t count = noise_copy(column_row(tokens, row), lengths, spans, side == 1,
                                    (uint32_t)settings->first_sentinel,
                                    (int32_t)settings->sentinel_step,
                                    sides->tokens[side] + sides->offsets[side][row]);
        end_row(settings, row, side, count, sides);
    }
}

static enum error_code span_process(struct stage *self, const struct batch *in,
                                    struct stage_output *output, struct error *error)
{
    static const char *const names[] = {"inputs", "targets"};
    const struct span_options *settings = self->options;
    const struct column *tokens = batch_column(in, settings->column);
    if (!tokens || tokens->type != COLUMN_LIST_U32)
        return error_set(error, ERROR_FATAL, "no column \"%s\" to corrupt",
                         settings->column);
    struct sides sides = {0};
    enum error_code code =
        begin_sides(tokens, in->count, stage_output_arena(output), &sides, error);
    if (code != OK)
        return code;
    uint64_t longest = 0;
    for (uint32_t row = 0; row < in->count; row++)
        if (column_row_length(tokens, row) > longest)
            longest = column_row_length(tokens, row);
    uint32_t *lengths = ARENA_RAW(self->scratch, uint32_t, (size_t)longest + 1);
    if (!lengths)
        return error_set(error, ERROR_MEMORY, "no memory for spans of noise");
    for (uint32_t row = 0; row < in->count; row++)
        corrupt_row(self, in, tokens, row, lengths, output, &sides);
    for (int side = 0; side < 2 && code == OK; side++) {
        const struct column column = {.name = names[side],
                                      .type = COLUMN_LIST_U32,
                                      .offsets = sides.offsets[side],
                                      .data = sides.tokens[side]};
        code = stage_output_set(output, &column, error);
    }
    return code;
}

static const struct stage_column columns[] = {
    {.name = "tokens", .type = COLUMN_LIST_U32, .is_input = true},
    {.name = "inputs", .type = COLUMN_LIST_U32},
    {.name = "targets", .type = COLUMN_LIST_U32},
    {.name = NULL}};

const struct stage_type stage_span_corruption = {
    .name = "span_corruption",
    .summary = "Make inputs and targets with spans of noise, as for T5",
    .description =
        "Spans of the tokens are taken out: inputs have a sentinel in the place of each, "
        "targets have the spans, each behind its sentinel. Number and lengths are those "
        "of "
        "t5's random_spans_noise_mask; which spans they are depends on the seed and the "
        "place of the record in the input. Pack the tokens before: for inputs of 512 "
        "tokens "
        "with their end, T5 takes sequences of 568. Records without tokens are dropped "
        "as "
        "empty.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE,
    .columns = columns,
    .options = options,
    .options_size = sizeof(struct span_options),
    .state_size = sizeof(struct span_state),
    .plan = span_plan,
    .open = span_open,
    .process = span_process};
