/* exec.c - stage: run any program as a filter of JSON lines */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/json_column.h"
#include "core/json_write.h"
#include "core/process.h"
#include "core/stage.h"

extern char **environ;

enum {
    REASONS_KEPT = 200, /* reasons a program may invent; the rest counts as "other" */
    REASON_MAX = 48,
    GRACE_MS = 1000,    /* to end by itself after its input was closed */
    FAILURES_MAX = 16,  /* in a row, without an answer ever: the program is broken */
    NAME_MAX_SIZE = 100 /* of a column */
};
/* What a program may write for a batch: this, and so many times what it was given. */
static const size_t answer_base = (size_t)64 << 20, answer_factor = 16;

/* Fields of an answer that are no columns, in front of those that are. */
enum field { FIELD_KEY, FIELD_DROP, FIELD_ERROR, FIELD_COLUMNS };

struct options {
    struct text_list command, adds;
};

struct state {
    char **argv, **environment; /* in the run arena */
    struct process process;
    struct json *json;            /* owned */
    struct json_field *fields;    /* (FIELD_COLUMNS + adds), in the run arena */
    struct json_value *values;    /* the same */
    struct column_builder *added; /* (adds), in the run arena; buffers owned */
    size_t added_count;
    struct bytes question, answer; /* owned */
    const char *reasons[REASONS_KEPT];
    size_t reason_count;
    uint64_t answered; /* records, since open() */
    uint32_t failures; /* since the last answer */
};

static const struct option_spec option_table[] = {
    {.name = "command",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct options, command),
     .initial = NULL,
     .help = "Program and its arguments; a name without a slash is looked for in PATH"},
    {.name = "adds",
     .type = OPTION_TEXT_LIST,
     .offset = offsetof(struct options, adds),
     .initial = "",
     .help = "Columns to take from the answers, added or replaced, each as TYPE NAME "
             "(\"utf8 label\", \"f64 score\")"},
    OPTION_END};

/* "TYPE NAME" apart: `builder` gets type and name; the name is the text's tail. */
static bool split_column(const char *text, struct column_builder *builder)
{
    char type[32];
    const char *space = strrchr(text, ' ');
    size_t size = space ? (size_t)(space - text) : 0;
    while (size > 0 && text[size - 1] == ' ')
        size--;
    if (size == 0 || size >= sizeof type)
        return false;
    memcpy(type, text, size);
    type[size] = 0;
    builder->name = space + 1;
    return column_type_parse(type, &builder->type, &builder->dimension) &&
           builder->type != COLUMN_IMAGE_U8 && *builder->name &&
           strlen(builder->name) <= NAME_MAX_SIZE;
}

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    struct source_position where = stage_option_position(place, "adds");
    if (options->command.count == 0 || !options->command.items[0][0])
        return error_set_at(error, stage_option_position(place, "command"),
                            "stage exec needs a program in command");
    for (size_t i = 0; i < options->adds.count; i++) {
        const char *text = options->adds.items[i];
        struct column_builder column = {0};
        if (!split_column(text, &column))
            return error_set_at(error, where,
                                "stage exec: \"%s\" in adds is not TYPE NAME, as in "
                                "\"utf8 label\"",
                                text);
        if (strcmp(column.name, "key") == 0 || column.name[0] == '_')
            return error_set_at(error, where, "stage exec cannot add column \"%s\"",
                                column.name);
        for (size_t before = 0; before < i; before++) {
            struct column_builder other = {0};
            if (split_column(options->adds.items[before], &other) &&
                strcmp(other.name, column.name) == 0)
                return error_set_at(error, where,
                                    "stage exec: column \"%s\" stands twice in adds",
                                    column.name);
        }
        enum error_code code =
            schema_put(schema, column.name, column.type, column.dimension, NULL);
        if (code != OK)
            return error_set_at(error, where, "stage exec adds too many columns");
    }
    return OK;
}

/* Ours, and a word to Python, which else keeps answers back until it has a page full. */
static bool copy_environment(struct arena *arena, char ***environment)
{
    static const char unbuffered[] = "PYTHONUNBUFFERED=1";
    size_t count = 0;
    while (environ[count])
        count++;
    *environment = ARENA_NEW(arena, char *, count + 2);
    if (!*environment)
        return false;
    memcpy(*environment, environ, count * sizeof *environ);
    (*environment)[count] = arena_copy_text(arena, unbuffered, sizeof unbuffered - 1);
    return (*environment)[count] != NULL;
}

static bool copy_command(const struct text_list *command, struct arena *arena,
                         char ***argv)
{
    *argv = ARENA_NEW(arena, char *, command->count + 1);
    for (size_t i = 0; *argv && i < command->count; i++) {
        (*argv)[i] = arena_copy_text(arena, command->items[i], strlen(command->items[i]));
        if (!(*argv)[i])
            return false;
    }
    return *argv != NULL;
}

static bool set_fields(struct state *state, const struct options *options,
                       struct arena *arena)
{
    static const char *const names[FIELD_COLUMNS] = {
        [FIELD_KEY] = "key", [FIELD_DROP] = "_drop", [FIELD_ERROR] = "_error"};
    size_t count = FIELD_COLUMNS + options->adds.count;
    state->fields = ARENA_NEW(arena, struct json_field, count);
    state->values = ARENA_NEW(arena, struct json_value, count);
    state->added = ARENA_NEW(arena, struct column_builder, options->adds.count);
    if (!state->fields || !state->values || !state->added)
        return false;
    for (size_t i = 0; i < options->adds.count; i++)
        (void)split_column(options->adds.items[i], state->added + i);
    state->added_count = options->adds.count;
    for (size_t i = 0; i < count; i++) {
        const char *name =
            i < FIELD_COLUMNS ? names[i] : state->added[i - FIELD_COLUMNS].name;
        state->fields[i] = (struct json_field){.name = name, .name_size = strlen(name)};
    }
    return true;
}

static enum error_code start_program(struct state *state, struct error *error)
{
    struct process_settings settings = {.argv = state->argv,
                                        .environment = state->environment,
                                        .has_input = true,
                                        .has_output = true,
                                        .is_group = true,
                                        .is_guarded = true};
    return process_start(&settings, &state->process, error);
}

static enum error_code open_exec(struct stage *self, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    state->process = (struct process){.input = -1, .output = -1};
    state->json = json_create();
    if (!state->json || !copy_command(&options->command, self->run, &state->argv) ||
        !copy_environment(self->run, &state->environment) ||
        !set_fields(state, options, self->run))
        return error_set(error, ERROR_MEMORY, "no memory for a program's answers");
    return start_program(state, error);
}

static void close_exec(struct stage *self)
{
    struct state *state = self->state;
    (void)process_stop(&state->process, GRACE_MS);
    for (size_t i = 0; i < state->added_count; i++)
        column_builder_clear(state->added + i);
    json_destroy(state->json);
    bytes_clear(&state->question);
    bytes_clear(&state->answer);
}

/* The exchange failed with `code`: end the program, whose answers are out of step now.
 * ERROR_RECORD where the program is to blame, error->text says how. */
static enum error_code end_program(struct state *state, enum error_code code,
                                   struct error *error)
{
    enum {
        NOT_RUNNABLE = 126,
        NOT_FOUND = 127
    }; /* as shells say it, and our own child */
    /* One that went away by itself is about to end; one that talks too much is not. */
    int64_t grace_ms = code == ERROR_CLOSED ? GRACE_MS : 0;
    struct process_end ended = process_stop(&state->process, grace_ms);
    char how[64];
    process_end_format(&ended, how, sizeof how);
    bool is_runnable =
        ended.is_signal || (ended.number != NOT_RUNNABLE && ended.number != NOT_FOUND);
    if (code == ERROR_CLOSED && !is_runnable)
        return error_set(error, ERROR_CONFIG, "program \"%s\" cannot be run (%s)",
                         state->argv[0], how);
    if (code == ERROR_CLOSED)
        return error_set(error, ERROR_RECORD, "program ended: %s", how);
    if (code == ERROR_DAMAGED) {
        error->code = ERROR_RECORD;
        return error_wrap(error, "program failed");
    }
    return code;
}

/* Ask for rows [begin, end). ERROR_RECORD: the program failed, error->text says how, and
 * it does not run any more. */
static enum error_code ask(struct state *state, const struct batch *in, uint32_t begin,
                           uint32_t end, struct error *error)
{
    bytes_reset(&state->question);
    bytes_reset(&state->answer);
    for (uint32_t row = begin; row < end; row++) {
        json_put_record(in, row, &state->question);
        bytes_put_u8(&state->question, '\n');
    }
    if (state->question.is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a program's input");
    enum error_code code = OK;
    if (state->process.pid <= 0)
        code = start_program(state, error);
    if (code != OK)
        return code;
    size_t size = state->question.size;
    size_t most = size < SIZE_MAX / (2 * answer_factor) ? size * answer_factor : size;
    code = process_exchange(&state->process, state->question.data, size, end - begin,
                            answer_base + most, &state->answer, error);
    if (code != OK)
        return end_program(state, code, error);
    if (!bytes_reserve(&state->answer, JSON_PADDING))
        return error_set(error, ERROR_MEMORY, "no memory for a program's output");
    state->answered += end - begin;
    state->failures = 0;
    return OK;
}

/* The program's own reason as one that lives as long as the stage, in snake_case. */
static const char *keep_reason(struct stage *self, const struct json_value *value)
{
    struct state *state = self->state;
    char text[REASON_MAX + 1];
    size_t size = 0;
    for (; size < value->size && size < REASON_MAX; size++) {
        unsigned char c = value->data[size];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c - 'A' + 'a');
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        text[size] = (char)(is_word ? c : '_');
    }
    if (size == 0)
        return "dropped";
    text[size] = 0;
    for (size_t i = 0; i < state->reason_count; i++)
        if (strcmp(state->reasons[i], text) == 0)
            return state->reasons[i];
    if (state->reason_count == REASONS_KEPT)
        return "other";
    const char *copy = arena_copy_text(self->run, text, size);
    if (!copy)
        return "other";
    state->reasons[state->reason_count++] = copy;
    return copy;
}

static bool is_given(const struct json_value *value)
{
    return value->type != JSON_ABSENT && value->type != JSON_NULL;
}

/* Is the answer about another record? The key may be left out. */
static bool is_stranger(const struct batch *in, uint32_t row,
                        const struct json_value *key)
{
    const struct column *column = in->columns[0];
    if (!is_given(key) || !column_is_valid(column, row))
        return false;
    return key->type != JSON_STRING || key->size != column_row_length(column, row) ||
           memcmp(key->data, column_row(column, row), key->size) != 0;
}

/* A column that the answer leaves out: an old one of the same type keeps its value. */
static void put_absent(struct column_builder *builder, const struct batch *in,
                       uint32_t row)
{
    const struct column *old = batch_column(in, builder->name);
    bool is_kept = old && old->type == builder->type &&
                   old->dimension == builder->dimension && column_is_valid(old, row);
    if (!is_kept) {
        column_builder_put_null(builder);
    } else if (old->type == COLUMN_BOOL) {
        unsigned char truth = column_bool(old, row);
        column_builder_put(builder, &truth, 1);
    } else {
        column_builder_put(builder, column_row(old, row),
                           (size_t)column_row_length(old, row) *
                               column_element_size(old->type));
    }
}

static void put_nulls(struct state *state, uint32_t row)
{
    for (size_t i = 0; i < state->added_count; i++) {
        column_builder_cut(state->added + i, row);
        column_builder_put_null(state->added + i);
    }
}

/* The fields of a good answer as row `row` of the columns; NULL, or what is wrong. */
static bool put_columns(struct state *state, const struct batch *in, uint32_t row,
                        char *detail, size_t detail_size)
{
    for (size_t i = 0; i < state->added_count; i++) {
        const struct json_value *value = state->values + FIELD_COLUMNS + i;
        const char *fault = NULL;
        if (value->type == JSON_ABSENT)
            put_absent(state->added + i, in, row);
        else
            fault = json_column_put(state->added + i, value);
        if (fault) {
            (void)snprintf(detail, detail_size, "field \"%s\" %s", state->added[i].name,
                           fault);
            return false;
        }
    }
    return true;
}

static enum error_code take_answer(struct stage *self, const struct batch *in,
                                   uint32_t row, const unsigned char *line, size_t size,
                                   struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    const struct json_value *values = state->values;
    const char *why = NULL;
    char detail[256];
    enum json_outcome outcome =
        json_parse(state->json, line, size, state->fields,
                   FIELD_COLUMNS + state->added_count, state->values, &why);
    if (outcome == JSON_NO_MEMORY)
        return error_set(error, ERROR_MEMORY, "no memory for an answer of %zu bytes",
                         size);
    const char *reason = NULL;
    if (outcome != JSON_OK) {
        reason = "bad_answer";
        (void)snprintf(detail, sizeof detail, "answer is no JSON object: %s",
                       why ? why : "");
    } else if (is_stranger(in, row, &values[FIELD_KEY])) {
        reason = "bad_answer";
        (void)snprintf(detail, sizeof detail, "answer has another record's key");
    } else if (is_given(&values[FIELD_ERROR])) {
        reason = "program_error";
        size_t length = values[FIELD_ERROR].size;
        (void)snprintf(detail, sizeof detail, "%.*s", (int)(length < 250 ? length : 250),
                       values[FIELD_ERROR].data ? (const char *)values[FIELD_ERROR].data
                                                : "");
    } else if (is_given(&values[FIELD_DROP])) {
        stage_output_drop(output, row, keep_reason(self, &values[FIELD_DROP]));
    } else if (!put_columns(state, in, row, detail, sizeof detail)) {
        reason = "bad_answer";
    } else {
        return OK;
    }
    if (reason)
        stage_output_reject(output, row, reason, detail);
    put_nulls(state, row);
    return OK;
}

/* The answers to rows [begin, end), one a line. */
static enum error_code take_answers(struct stage *self, const struct batch *in,
                                    uint32_t begin, uint32_t end,
                                    struct stage_output *output, struct error *error)
{
    const struct state *state = self->state;
    const unsigned char *at = state->answer.data;
    const unsigned char *stop = at + state->answer.size;
    enum error_code code = OK;
    for (uint32_t row = begin; row < end && code == OK; row++) {
        const unsigned char *feed = memchr(at, '\n', (size_t)(stop - at));
        if (!feed)
            return error_set(error, ERROR_FATAL, "an answer is missing");
        code = take_answer(self, in, row, at, (size_t)(feed - at), output, error);
        at = feed + 1;
    }
    return code;
}

/* A program failed on the batch: each row alone, after each failure in a fresh program, so
 * that a bad one costs itself only. */
static enum error_code ask_one_by_one(struct stage *self, const struct batch *in,
                                      struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    enum error_code code = OK;
    for (uint32_t row = 0; row < in->count && code == OK; row++) {
        code = ask(state, in, row, row + 1, error);
        if (code == OK) {
            code = take_answers(self, in, row, row + 1, output, error);
            continue;
        }
        if (code != ERROR_RECORD)
            break;
        state->failures++;
        if (state->answered == 0 && state->failures >= FAILURES_MAX)
            return error_set(error, ERROR_CONFIG,
                             "program \"%s\" never gave an answer: %.300s",
                             state->argv[0], error->text);
        stage_output_reject(output, row, "program_failed", error->text);
        put_nulls(state, row);
        code = OK;
    }
    return code;
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    for (size_t i = 0; i < state->added_count; i++)
        column_builder_reset(state->added + i);
    enum error_code code = ask(state, in, 0, in->count, error);
    if (code == OK)
        code = take_answers(self, in, 0, in->count, output, error);
    else if (code == ERROR_RECORD)
        code = ask_one_by_one(self, in, output, error);
    for (size_t i = 0; i < state->added_count && code == OK; i++) {
        const struct column *column =
            column_builder_finish(state->added + i, stage_output_arena(output));
        code = column ? stage_output_set(output, column, error)
                      : error_set(error, ERROR_MEMORY, "no memory for column \"%s\"",
                                  state->added[i].name);
    }
    return code;
}

const struct stage_type stage_exec = {
    .name = "exec",
    .summary = "Run any program as a filter of JSON lines",
    .description =
        "The program is started once in each executor and reads one JSON object a line: "
        "the record, key first, as `millrace show` prints it. For each it writes one "
        "line "
        "in the same order: a JSON object. The fields named by adds become columns; one "
        "that is left out leaves an older column of that name and type as it is, and "
        "else "
        "gives no value. A field _drop holds the reason why the record is to be dropped; "
        "_error says why it is to be quarantined. If there is a field key, it must be "
        "the "
        "record's.\n\n"
        "The program must flush its output at the end of each line at the latest when "
        "its input has nothing more to read, and ends when its input does. When it ends "
        "early or writes more than it was asked for, each record of the batch is given "
        "to a fresh program alone; one on which it fails again is quarantined as "
        "program_failed. Its standard error is passed on. It dies with its executor.",
    .traits = STAGE_STATELESS,
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_exec,
    .process = process,
    .close = close_exec};
