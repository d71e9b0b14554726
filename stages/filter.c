/* filter.c - stage: keep records by a length or a comparison on one column */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/stage.h"
#include "stages/kernels/count_text.h"

/* A bound at or beyond this is none. */
static const double unbounded = 1e308;

enum unit { UNIT_AUTO, UNIT_CHARACTERS, UNIT_BYTES, UNIT_ELEMENTS };
enum missing { MISSING_DROP, MISSING_KEEP };

struct options {
    const char *column;
    int64_t min_length, max_length; /* -1: no bound */
    int unit;
    double min, max;
    struct text_list in, not_in;
    int missing;
    bool is_inverted;
};

struct span {
    const char *at;
    size_t size;
};

struct set { /* sorted; in the run arena */
    struct span *items;
    size_t count;
};

struct state {
    struct set in, not_in;
};

static const char *const units[] = {"auto", "characters", "bytes", "elements", NULL};
static const char *const missing_choices[] = {"drop", "keep", NULL};

static const struct option_spec option_table[] = {
    {.name = "column",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, column),
     .initial = "text",
     .help = "Column to look at"},
    {.name = "min_length",
     .type = OPTION_INT,
     .offset = offsetof(struct options, min_length),
     .initial = "-1",
     .min = -1,
     .max = 9e15,
     .help = "Shorter values are dropped as too_short; -1 for no bound"},
    {.name = "max_length",
     .type = OPTION_INT,
     .offset = offsetof(struct options, max_length),
     .initial = "-1",
     .min = -1,
     .max = 9e15,
     .help = "Longer values are dropped as too_long; -1 for no bound"},
    {.name = "unit",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, unit),
     .initial = "auto",
     .choices = units,
     .help = "What a length counts: characters (code points) or bytes of utf8, bytes of "
             "bytes, elements of a list; auto is the first that fits"},
    {.name = "min",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, min),
     .initial = "-1e308",
     .help = "Smaller numbers, and those that are none, are dropped as below_min"},
    {.name = "max",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, max),
     .initial = "1e308",
     .help = "Larger numbers, and those that are none, are dropped as above_max"},
    {.name = "in",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct options, in),
     .initial = "",
     .help = "Any other value is dropped as not_in; for utf8, i64 and bool"},
    {.name = "not_in",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct options, not_in),
     .initial = "",
     .help = "These values are dropped as excluded; for utf8, i64 and bool"},
    {.name = "missing",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, missing),
     .initial = "drop",
     .choices = missing_choices,
     .help =
         "What becomes of a record without a value in the column: dropped as missing, "
         "or kept"},
    {.name = "invert",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, is_inverted),
     .initial = "false",
     .help =
         "Keep what would be dropped, and drop the rest as matched; records without a "
         "value excepted"},
    OPTION_END};

static bool has_length(enum column_type type)
{
    return type == COLUMN_UTF8 || type == COLUMN_BYTES || type == COLUMN_LIST_U32 ||
           type == COLUMN_LIST_F32 || type == COLUMN_LIST_BOX;
}

static bool has_number(enum column_type type)
{
    return type == COLUMN_I64 || type == COLUMN_F64;
}

static bool has_name(enum column_type type)
{
    return type == COLUMN_UTF8 || type == COLUMN_I64 || type == COLUMN_BOOL;
}

static bool unit_fits(enum unit unit, enum column_type type)
{
    bool is_list = type != COLUMN_UTF8 && type != COLUMN_BYTES;
    return unit == UNIT_AUTO || (unit == UNIT_CHARACTERS && type == COLUMN_UTF8) ||
           (unit == UNIT_BYTES && !is_list) || (unit == UNIT_ELEMENTS && is_list);
}

/* An option that is set, but not for this type of column. */
static enum error_code refuse(const struct stage_place *place, const char *option,
                              const struct schema_field *field, const char *wanted,
                              struct error *error)
{
    char type[32];
    column_type_format(field->type, field->dimension, type, sizeof type);
    return error_set_at(error, stage_option_position(place, option),
                        "stage filter: %s is for %s, column \"%s\" is %s", option, wanted,
                        field->name, type);
}

static enum error_code check_types(const struct options *options,
                                   const struct schema_field *field,
                                   const struct stage_place *place, struct error *error)
{
    static const char lengths[] = "utf8, bytes and lists";
    enum column_type type = field->type;
    if (options->min_length >= 0 && !has_length(type))
        return refuse(place, "min_length", field, lengths, error);
    if (options->max_length >= 0 && !has_length(type))
        return refuse(place, "max_length", field, lengths, error);
    if (!unit_fits((enum unit)options->unit, type)) {
        static const char *const wanted[] = {"any column", "utf8", "utf8 and bytes",
                                             "lists"};
        return refuse(place, "unit", field, wanted[options->unit], error);
    }
    if (options->min > -unbounded && !has_number(type))
        return refuse(place, "min", field, "i64 and f64 (min_length is for lengths)",
                      error);
    if (options->max < unbounded && !has_number(type))
        return refuse(place, "max", field, "i64 and f64 (max_length is for lengths)",
                      error);
    if (options->in.count > 0 && !has_name(type))
        return refuse(place, "in", field, "utf8, i64 and bool", error);
    if (options->not_in.count > 0 && !has_name(type))
        return refuse(place, "not_in", field, "utf8, i64 and bool", error);
    return OK;
}

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    const struct schema_field *field = schema_find(schema, options->column);
    if (!field)
        return error_set_at(error, stage_option_position(place, "column"),
                            "stage filter needs column \"%s\", which no earlier stage "
                            "makes and the input does not have",
                            options->column);
    if (options->max_length >= 0 && options->min_length > options->max_length)
        return error_set_at(error, stage_option_position(place, "max_length"),
                            "stage filter: max_length %" PRId64
                            " is less than min_length %" PRId64,
                            options->max_length, options->min_length);
    if (options->min > options->max)
        return error_set_at(error, stage_option_position(place, "max"),
                            "stage filter: max %g is less than min %g", options->max,
                            options->min);
    return check_types(options, field, place, error);
}

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = left, *b = right;
    size_t size = a->size < b->size ? a->size : b->size;
    int order = size > 0 ? memcmp(a->at, b->at, size) : 0;
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

static enum error_code make_set(const struct text_list *list, struct arena *arena,
                                struct set *set, struct error *error)
{
    set->items = ARENA_NEW(arena, struct span, list->count);
    if (!set->items)
        return error_set(error, ERROR_MEMORY, "no memory for %zu values", list->count);
    for (size_t i = 0; i < list->count; i++)
        set->items[i] = (struct span){list->items[i], strlen(list->items[i])};
    set->count = list->count;
    qsort(set->items, set->count, sizeof *set->items, compare_spans);
    return OK;
}

static bool set_has(const struct set *set, const struct span *value)
{
    return bsearch(value, set->items, set->count, sizeof *set->items, compare_spans);
}

static enum error_code open_filter(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    enum error_code code = make_set(&options->in, self->run, &state->in, error);
    return code == OK ? make_set(&options->not_in, self->run, &state->not_in, error)
                      : code;
}

static const char *judge_length(const struct options *options,
                                const struct column *column, uint32_t row)
{
    if (options->min_length < 0 && options->max_length < 0)
        return NULL;
    uint64_t length = column_row_length(column, row);
    if (column->type == COLUMN_UTF8 && options->unit != UNIT_BYTES)
        length = text_count_characters(column_row(column, row), (size_t)length);
    if (options->min_length >= 0 && length < (uint64_t)options->min_length)
        return "too_short";
    if (options->max_length >= 0 && length > (uint64_t)options->max_length)
        return "too_long";
    return NULL;
}

static const char *judge_number(const struct options *options,
                                const struct column *column, uint32_t row)
{
    double value = column->type == COLUMN_I64
                       ? (double)*(const int64_t *)column_row(column, row)
                       : *(const double *)column_row(column, row);
    /* Written so that what is no number passes neither bound. */
    if (options->min > -unbounded && !(value >= options->min))
        return "below_min";
    if (options->max < unbounded && !(value <= options->max))
        return "above_max";
    return NULL;
}

static const char *judge_name(const struct state *state, const struct column *column,
                              uint32_t row)
{
    if (state->in.count == 0 && state->not_in.count == 0)
        return NULL;
    char digits[32] = "";
    struct span value = {digits, 0};
    if (column->type == COLUMN_UTF8) {
        value.at = column_row(column, row);
        value.size = (size_t)column_row_length(column, row);
    } else {
        if (column->type == COLUMN_BOOL)
            value.at = column_bool(column, row) ? "true" : "false";
        else
            (void)snprintf(digits, sizeof digits, "%" PRId64,
                           *(const int64_t *)column_row(column, row));
        value.size = strlen(value.at);
    }
    if (state->in.count > 0 && !set_has(&state->in, &value))
        return "not_in";
    if (state->not_in.count > 0 && set_has(&state->not_in, &value))
        return "excluded";
    return NULL;
}

/* Why the row must go; NULL: it stays. */
static const char *judge(const struct options *options, const struct state *state,
                         const struct column *column, uint32_t row)
{
    if (!column_is_valid(column, row))
        return options->missing == MISSING_DROP ? "missing" : NULL;
    const char *reason = NULL;
    if (has_length(column->type))
        reason = judge_length(options, column, row);
    else if (has_number(column->type))
        reason = judge_number(options, column, row);
    if (!reason && has_name(column->type))
        reason = judge_name(state, column, row);
    if (options->is_inverted)
        return reason ? NULL : "matched";
    return reason;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    const struct column *column = batch_column(in, options->column);
    if (!column)
        return error_set(error, ERROR_FATAL, "no column \"%s\"", options->column);
    for (uint32_t row = 0; row < in->count; row++) {
        const char *reason = judge(options, self->state, column, row);
        if (reason)
            stage_output_drop(output, row, reason);
    }
    return OK;
}

const struct stage_type stage_filter = {
    .name = "filter",
    .summary = "Keep records by a length or a comparison on one column",
    .description =
        "Every condition given must hold, else the record is dropped under the reason "
        "named with the option; the first that fails counts. Several filters one after "
        "another look at several columns. An i64 or a bool is compared with the texts of "
        "in and not_in as it is written in JSON.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE,
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_filter,
    .process = process};
