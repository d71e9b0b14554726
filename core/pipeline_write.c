/* pipeline_write.c - a resolved pipeline as YAML */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/option_value.h"
#include "core/pipeline_parts.h"

static void put(struct bytes *yaml, const char *text)
{
    bytes_put(yaml, text, strlen(text));
}

static void put_line(struct bytes *yaml, const char *indent, const char *key,
                     const char *value)
{
    put(yaml, indent);
    put(yaml, key);
    put(yaml, ": ");
    put(yaml, value);
    put(yaml, "\n");
}

static void put_text_line(struct bytes *yaml, const char *indent, const char *key,
                          const char *text)
{
    put(yaml, indent);
    put(yaml, key);
    put(yaml, ": ");
    value_put_text(yaml, text);
    put(yaml, "\n");
}

static void put_size_line(struct bytes *yaml, const char *indent, const char *key,
                          uint64_t bytes)
{
    char text[40];
    value_format_size(bytes, text, sizeof text);
    put_line(yaml, indent, key, text);
}

/* A pattern made absolute. Characters of the folder that a pattern would take for its
 * own are put in brackets. */
static void put_pattern(const char *folder, const char *pattern, struct bytes *yaml)
{
    struct bytes path = {0};
    bool is_list = pattern[0] == '@';
    const char *rest = pattern + is_list;
    if (is_list)
        put(&path, "@");
    for (const char *at = folder; rest[0] != '/' && *at; at++) {
        bool is_special = !is_list && (*at == '*' || *at == '?' || *at == '[');
        put(&path, is_special ? "[" : "");
        bytes_put(&path, at, 1);
        put(&path, is_special ? "]" : "");
    }
    if (rest[0] != '/' && strcmp(folder, "/") != 0)
        put(&path, "/");
    put(&path, rest);
    bytes_put_u8(&path, 0);
    if (path.is_bad)
        yaml->is_bad = true;
    else
        value_put_text(yaml, (const char *)path.data);
    bytes_clear(&path);
}

static void put_input_columns(const struct input_spec *input, const char *indent,
                              struct bytes *yaml)
{
    char type[32];
    put(yaml, indent);
    put(yaml, "columns: {");
    for (size_t i = 0; i < input->column_count; i++) {
        const struct input_column *column = &input->columns[i];
        column_type_format(column->type, column->dimension, type, sizeof type);
        put(yaml, i ? ", " : "");
        value_put_text(yaml, column->name);
        put(yaml, ": ");
        value_put_text(yaml, type);
    }
    put(yaml, "}\n");
}

static void put_input(const struct pipeline *pipeline, const struct input_spec *input,
                      const char *indent, const char *inner, struct bytes *yaml)
{
    put(yaml, indent);
    put(yaml, "input:\n");
    if (input->format == FORMAT_PHASE) {
        put_text_line(yaml, inner, "phase", input->phase);
        return;
    }
    put(yaml, inner);
    put(yaml, "paths: [");
    for (size_t i = 0; i < input->paths.count; i++) {
        put(yaml, i ? ", " : "");
        put_pattern(pipeline->folder, input->paths.items[i], yaml);
    }
    put(yaml, "]\n");
    put_line(yaml, inner, "format", input_format_names[input->format]);
    if (input->format == FORMAT_JSONL && input->text)
        put_text_line(yaml, inner, "text", input->text);
    if (input->key)
        put_text_line(yaml, inner, "key", input->key);
    if (input->column_count)
        put_input_columns(input, inner, yaml);
    put_size_line(yaml, inner, "max_record", input->max_record);
}

static void put_stage(const struct stage_spec *stage, const char *indent,
                      struct bytes *yaml)
{
    const struct option_spec *spec = stage->type->options;
    bool is_empty = true;
    put(yaml, indent);
    put(yaml, "  - ");
    put(yaml, stage->type->name);
    put(yaml, ":");
    for (; spec && spec->name; spec++) {
        size_t before = yaml->size;
        put(yaml, "\n");
        put(yaml, indent);
        put(yaml, "      ");
        put(yaml, spec->name);
        put(yaml, ": ");
        if (option_put_value(spec, stage->options, yaml))
            is_empty = false;
        else
            yaml->size = before;
    }
    put(yaml, is_empty ? " {}\n" : "\n");
}

void exchange_put_rule(const struct exchange_spec *exchange, struct bytes *yaml)
{
    struct bytes rule = {0};
    char seed[40];
    if (exchange->kind == EXCHANGE_HASH) {
        put(&rule, "hash(");
        put(&rule, exchange->column);
        put(&rule, ")");
    } else {
        (void)snprintf(seed, sizeof seed, "random(%llu)",
                       (unsigned long long)exchange->seed);
        put(&rule, seed);
    }
    bytes_put_u8(&rule, 0);
    if (rule.is_bad)
        yaml->is_bad = true;
    else
        value_put_text(yaml, (const char *)rule.data);
    bytes_clear(&rule);
}

static void put_exchange(const struct exchange_spec *exchange, const char *indent,
                         struct bytes *yaml)
{
    char buckets[40];
    put(yaml, indent);
    put(yaml, "exchange: {by: ");
    exchange_put_rule(exchange, yaml);
    (void)snprintf(buckets, sizeof buckets, ", buckets: %u}\n",
                   (unsigned)exchange->buckets);
    put(yaml, buckets);
}

static void put_output(const struct schema *schema, const char *indent,
                       struct bytes *yaml)
{
    put(yaml, indent);
    put(yaml, "output: {columns: [");
    for (size_t i = 0; i < schema->count; i++) {
        put(yaml, i ? ", " : "");
        value_put_text(yaml, schema->fields[i].name);
    }
    put(yaml, "]}\n");
}

static void put_sections(const struct pipeline *pipeline, const struct phase_spec *phase,
                         const char *indent, const char *inner, struct bytes *yaml)
{
    char size[40];
    put_input(pipeline, &phase->input, indent, inner, yaml);
    value_format_size(phase->shard_bytes, size, sizeof size);
    put(yaml, indent);
    put(yaml, "shard: {bytes: ");
    put(yaml, size);
    put(yaml, "}\n");
    put(yaml, indent);
    put(yaml, phase->stage_count ? "stages:\n" : "stages: []\n");
    for (size_t i = 0; i < phase->stage_count; i++)
        put_stage(&phase->stages[i], indent, yaml);
    if (phase->fit == FIT_NONE)
        put_output(&phase->output_schema, indent, yaml);
    if (phase->exchange.kind != EXCHANGE_NONE)
        put_exchange(&phase->exchange, indent, yaml);
}

static void put_limits(const struct pipeline *pipeline, struct bytes *yaml)
{
    const struct limit_spec *limits = &pipeline->limits;
    char text[40], line[120];
    put(yaml, "store:\n");
    put_size_line(yaml, "  ", "volume", pipeline->store.volume);
    value_format_duration(pipeline->store.seal_ms, text, sizeof text);
    put_line(yaml, "  ", "seal", text);
    put(yaml, "limits:\n");
    value_format_duration(limits->record_ms, text, sizeof text);
    put_line(yaml, "  ", "record_time", text);
    put_size_line(yaml, "  ", "memory", limits->memory);
    value_format_duration(limits->silence_ms, text, sizeof text);
    put_line(yaml, "  ", "silence", text);
    value_format_real(limits->speculate, text, sizeof text);
    (void)snprintf(line, sizeof line, "  attempts: %lld\n  speculate: %s\n",
                   (long long)limits->attempts, text);
    put(yaml, line);
}

/* A phase as written, and not one that was made of it. */
static const char *written_name(const struct phase_spec *phase)
{
    if (phase->fit == FIT_MERGE || phase->fit == FIT_FINISH)
        return NULL;
    return phase->fit == FIT_READ ? phase->fit_name : phase->name;
}

void pipeline_write(const struct pipeline *pipeline, struct bytes *yaml)
{
    size_t written = 0;
    put_text_line(yaml, "", "name", pipeline->name);
    for (size_t i = 0; i < pipeline->phase_count; i++)
        written += written_name(&pipeline->phases[i]) != NULL;
    if (written == 1 && strcmp(written_name(&pipeline->phases[0]), "main") == 0) {
        put_sections(pipeline, &pipeline->phases[0], "", "  ", yaml);
    } else {
        put(yaml, "phases:\n");
        for (size_t i = 0; i < pipeline->phase_count; i++) {
            const char *name = written_name(&pipeline->phases[i]);
            if (!name)
                continue;
            put_text_line(yaml, "  - ", "name", name);
            put_sections(pipeline, &pipeline->phases[i], "    ", "      ", yaml);
        }
    }
    put_limits(pipeline, yaml);
}
