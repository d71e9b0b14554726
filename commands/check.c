/* check.c - millrace check: is a pipeline right, and what would it do */
#include "commands/check.h"

#include <stdio.h>
#include <string.h>

#include "commands/estimate.h"
#include "commands/input_check.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/diagnostics.h"
#include "core/manifest.h"
#include "core/option_value.h"
#include "core/pipeline.h"
#include "core/platform.h"
#include "core/print.h"
#include "stages/registry.h"

enum { LABEL_WIDTH = 12, LIST_MAX = 4000 };

static const struct argument_spec specs[] = {
    {.name = "--set",
     .value = "PATH=VALUE",
     .is_repeatable = true,
     .help = "put a value into the pipeline before it is checked, as in "
             "stages.0.tokenize.pattern=r50k"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace check PIPELINE.yaml [options]",
    .summary = "Check a pipeline and print what it would do, without doing it.",
    .min = 1,
    .max = 1,
    .specs = specs};

struct plan { /* of one phase */
    struct manifest manifest;
    struct estimate estimate;
};

/* "193 MiB" for people: three digits. */
static void format_bytes(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    for (; bytes >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    (void)snprintf(text, size, unit && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes,
                   units[unit]);
}

static void print_label(const char *label)
{
    (void)printf("  %-*s", (int)LABEL_WIDTH - 2, label);
}

static void print_field(const char *label, const char *text)
{
    print_label(label);
    print_wrapped(stdout, text, LABEL_WIDTH, LABEL_WIDTH);
}

/* "key utf8, tokens list<u32>" */
static void list_columns(const struct schema *schema, const struct schema *known,
                         char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const struct schema_field *before =
            known ? schema_find(known, field->name) : NULL;
        char type[32];
        if (before && before->type == field->type &&
            before->dimension == field->dimension)
            continue;
        column_type_format(field->type, field->dimension, type, sizeof type);
        int written = snprintf(text + used, size - used, "%s%s %s", used ? ", " : "",
                               field->name, type);
        if (written < 0 || (size_t)written >= size - used)
            return;
        used += (size_t)written;
    }
}

static const char *const format_names[] = {"jsonl", "text", "lines",
                                           "warc",  "tar",  "images"};

static void print_files(const struct manifest *manifest)
{
    static const char *const kinds[] = {"plain", "gzip", "zstd"};
    uint64_t bytes[3] = {0};
    uint32_t counts[3] = {0};
    char text[LIST_MAX], size[40];
    format_bytes((double)manifest->bytes, size, sizeof size);
    int used = snprintf(text, sizeof text, "%u %s, %s", (unsigned)manifest->file_count,
                        manifest->file_count == 1 ? "file" : "files", size);
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        counts[manifest->files[i].compression]++;
        bytes[manifest->files[i].compression] += manifest->files[i].size;
    }
    for (size_t i = 0; i < 3; i++) {
        if (!counts[i])
            continue;
        format_bytes((double)bytes[i], size, sizeof size);
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%u %s %s",
                         used && strchr(text, ':') ? ", " : ": ", (unsigned)counts[i],
                         kinds[i], size);
    }
    print_field("files", text);
}

static void print_shards(const struct phase_spec *phase, const struct manifest *manifest)
{
    char text[LIST_MAX], size[40];
    uint64_t known = 0;
    uint32_t streams = 0;
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        if (manifest->runs[i].count == SHARDS_UNKNOWN)
            streams++;
        else
            known += manifest->runs[i].count;
    }
    value_format_size(phase->shard_bytes, size, sizeof size);
    if (streams == 0)
        (void)snprintf(text, sizeof text, "%llu of %s", (unsigned long long)known, size);
    else
        (void)snprintf(
            text, sizeof text, "%llu of %s, and those of %u %s, cut while read",
            (unsigned long long)known, size, (unsigned)streams,
            phase->input.format == FORMAT_TAR ? streams == 1 ? "tar file" : "tar files"
            : streams == 1                    ? "compressed file"
                                              : "compressed files");
    print_field("shards", text);
}

static void print_input(const struct pipeline *pipeline, const struct phase_spec *phase,
                        const struct manifest *manifest)
{
    char text[LIST_MAX];
    const struct input_spec *input = &phase->input;
    if (input->format == FORMAT_PHASE) {
        const struct phase_spec *from = &pipeline->phases[input->phase_index];
        (void)snprintf(text, sizeof text, "the records of phase %s", from->name);
        print_field("input", text);
        if (from->exchange.kind == EXCHANGE_NONE)
            (void)snprintf(text, sizeof text, "those of phase %s", from->name);
        else
            (void)snprintf(text, sizeof text, "%u, a bucket each",
                           (unsigned)from->exchange.buckets);
        print_field("shards", text);
    } else {
        print_field("input", format_names[input->format]);
        print_files(manifest);
        print_shards(phase, manifest);
    }
    list_columns(&phase->input_schema, NULL, text, sizeof text);
    print_field("columns", text);
}

/* The schema behind a stage. */
static enum error_code advance(const struct stage_spec *stage, struct schema *schema)
{
    struct error error;
    const struct stage_column *column = stage->type->columns;
    if (stage->type->plan)
        return stage->type->plan(stage->options, schema, &stage->place, &error);
    for (; column && column->name; column++) {
        if (column->is_input && !schema_find(schema, column->name))
            return ERROR_CONFIG;
        if (!column->is_input &&
            schema_put(schema, column->name, column->type, 0, &error))
            return ERROR_CONFIG;
    }
    return OK;
}

/* Columns a stage reads, found by taking each away: the options decide which. */
static void list_needs(const struct stage_spec *stage, const struct schema *before,
                       char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < before->count; i++) {
        struct schema less = {0};
        struct error error;
        for (size_t k = 0; k < before->count; k++) {
            const struct schema_field *field = &before->fields[k];
            if (k != i)
                (void)schema_put(&less, field->name, field->type, field->dimension,
                                 &error);
        }
        if (advance(stage, &less) == OK)
            continue;
        int written = snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                               before->fields[i].name);
        if (written < 0 || (size_t)written >= size - used)
            return;
        used += (size_t)written;
    }
}

static void print_stage(const struct stage_spec *stage, size_t number,
                        struct schema *schema)
{
    char text[LIST_MAX], label[32];
    struct schema before = *schema;
    (void)snprintf(label, sizeof label, "stage %zu", number);
    print_field(label, stage->type->name);
    list_needs(stage, &before, text, sizeof text);
    if (text[0]) {
        (void)printf("%*sin:  ", (int)LABEL_WIDTH + 2, "");
        print_wrapped(stdout, text, LABEL_WIDTH + 7, LABEL_WIDTH + 7);
    }
    (void)advance(stage, schema); /* it was planned once already */
    list_columns(schema, &before, text, sizeof text);
    const char *out = stage->type->fit ? "no record"
                      : text[0]        ? text
                                       : "the same columns";
    (void)printf("%*sout: ", (int)LABEL_WIDTH + 2, "");
    print_wrapped(stdout, out, LABEL_WIDTH + 7, LABEL_WIDTH + 7);
}

/* "artefacts/words/counts.txt, artefacts/words/order.txt" */
static void print_artefacts(const struct phase_spec *phase)
{
    const struct stage_spec *stage = &phase->stages[phase->stage_count - 1];
    const char *const *files = stage->type->fit->files(stage->options);
    char text[LIST_MAX];
    size_t used = 0;
    for (size_t i = 0; files[i]; i++) {
        int written = snprintf(text + used, sizeof text - used, "%sartefacts/%s/%s",
                               i ? ", " : "", phase->fit_name, files[i]);
        if (written < 0 || (size_t)written >= sizeof text - used)
            break;
        used += (size_t)written;
    }
    print_field("output", text);
}

static void print_phase(const struct pipeline *pipeline, const struct phase_spec *phase,
                        const struct plan *plan)
{
    char text[LIST_MAX];
    struct schema schema = phase->input_schema;
    bool is_fit = phase->fit != FIT_NONE;
    if (phase->fit == FIT_MERGE || phase->fit == FIT_FINISH)
        return; /* steps of the phase before */
    (void)printf("\nphase %s\n", is_fit ? phase->fit_name : phase->name);
    print_input(pipeline, phase, &plan->manifest);
    for (size_t i = 0; i < phase->stage_count; i++)
        print_stage(&phase->stages[i], i, &schema);
    list_columns(&phase->output_schema, NULL, text, sizeof text);
    if (is_fit)
        print_artefacts(phase);
    else
        print_field("output", text);
    if (phase->exchange.kind == EXCHANGE_HASH)
        (void)snprintf(text, sizeof text, "by column %s into %u buckets",
                       phase->exchange.column, (unsigned)phase->exchange.buckets);
    else
        (void)snprintf(text, sizeof text, "at random (seed %llu) into %u buckets",
                       (unsigned long long)phase->exchange.seed,
                       (unsigned)phase->exchange.buckets);
    if (phase->exchange.kind != EXCHANGE_NONE)
        print_field("exchange", text);
    format_bytes(plan->estimate.space, text, sizeof text);
    print_label("space");
    (void)printf("about %s\n", text);
}

static void print_space(const struct pipeline *pipeline, const struct plan *plans)
{
    char needed[40], unused[40];
    double space = 0;
    for (size_t i = 0; i < pipeline->phase_count; i++)
        space += plans[i].estimate.space;
    uint64_t left = platform_free_bytes(".");
    format_bytes(space, needed, sizeof needed);
    format_bytes((double)left, unused, sizeof unused);
    (void)printf("\nspace needed: about %s", needed);
    if (left != UINT64_MAX)
        (void)printf("; free in this folder: %s%s", unused,
                     (double)left < space ? " (too little)" : "");
    (void)puts("\n(a guess: half a byte for each byte of text and of tokens, 64 bytes a "
               "record,\nnumbers and vectors in full; compressed files hold 3.5 times "
               "their size)");
}

static int print_plan(const struct pipeline *pipeline, const struct plan *plans)
{
    (void)printf("pipeline %s: nothing wrong found\n", pipeline->name);
    for (size_t i = 0; i < pipeline->phase_count; i++)
        print_phase(pipeline, &pipeline->phases[i], &plans[i]);
    print_space(pipeline, plans);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

/* False: reported. */
static bool make_plans(const struct pipeline *pipeline, struct plan *plans,
                       struct arena *arena, struct diagnostics *diagnostics)
{
    bool is_good = true;
    for (size_t i = 0; i < pipeline->phase_count; i++) {
        const struct phase_spec *phase = &pipeline->phases[i];
        if (phase->input.format == FORMAT_PHASE) {
            plans[i].estimate = plans[phase->input.phase_index].estimate;
        } else if (!input_check_build(pipeline, phase, arena, &plans[i].manifest,
                                      diagnostics)) {
            is_good = false;
            continue;
        } else {
            plans[i].estimate = estimate_input(&phase->input, &plans[i].manifest);
        }
        estimate_output(phase, &plans[i].estimate);
        if (phase->fit == FIT_MERGE || phase->fit == FIT_FINISH)
            plans[i].estimate.space = 0; /* no more than a part of the states before */
    }
    diagnostics_sort(diagnostics);
    return is_good;
}

static int check(const struct arguments *arguments, struct arena *arena)
{
    struct diagnostics diagnostics = {.arena = arena};
    struct text_list sets = arguments_values(arguments, "--set");
    const char *text;
    size_t size;
    const struct pipeline *pipeline = pipeline_read(
        arguments->texts.items[0], &sets, stage_types, arena, &text, &size, &diagnostics);
    struct plan *plans =
        pipeline ? ARENA_NEW(arena, struct plan, pipeline->phase_count) : NULL;
    if (plans && make_plans(pipeline, plans, arena, &diagnostics))
        return print_plan(pipeline, plans);
    diagnostics_print(&diagnostics, stderr);
    return 2;
}

int command_check(int argc, char **argv)
{
    struct arguments arguments;
    struct error error;
    int status = 2;
    struct arena *arena = arena_create((size_t)1 << 16, 0);
    if (!arena) {
        (void)fputs("millrace check: no memory\n", stderr);
        return 1;
    }
    if (arguments_parse(&command, argc, argv, arena, &arguments, &error)) {
        (void)fprintf(stderr, "millrace check: %s\n", error.text);
    } else if (arguments.is_help) {
        arguments_help(&command, stdout);
        status = fflush(stdout) ? 1 : 0;
    } else {
        status = check(&arguments, arena);
    }
    arena_destroy(arena);
    return status;
}
