/* pipeline_describe.c - what decides a pipeline's results, as lines and as a hash */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/option_value.h"
#include "core/pipeline_parts.h"
#include "core/version.h"

enum { PREFIX_MAX = 400, PIECE_SIZE = 1 << 16, FOLDER_FILES_MAX = 4096 };

static void put(struct bytes *lines, const char *text)
{
    bytes_put(lines, text, strlen(text));
}

static enum error_code hash_file(const char *path, struct hash_stream *stream,
                                 struct arena *arena, struct error *error)
{
    unsigned char *piece = arena_alloc_raw(arena, PIECE_SIZE, 1, 64);
    FILE *file = piece ? fopen(path, "rb") : NULL;
    if (!file)
        return error_set_errno(error, ERROR_IO, piece ? errno : ENOMEM,
                               "cannot open \"%s\"", path);
    size_t size;
    do {
        size = fread(piece, 1, PIECE_SIZE, file);
        hash_stream_update(stream, piece, size);
    } while (size == PIECE_SIZE);
    int failure = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (failure)
        return error_set_errno(error, ERROR_IO, failure, "cannot read \"%s\"", path);
    return OK;
}

static int compare_texts(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* The names in a folder but those that begin with a dot, sorted. */
static enum error_code list_folder(DIR *folder, struct arena *arena, const char ***names,
                                   size_t *count, struct error *error)
{
    const char **found = ARENA_NEW(arena, const char *, FOLDER_FILES_MAX);
    const struct dirent *entry;
    size_t filled = 0;
    while (found && filled < FOLDER_FILES_MAX && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        found[filled] = arena_copy_text(arena, entry->d_name, strlen(entry->d_name));
        if (!found[filled])
            found = NULL;
        filled++;
    }
    if (!found)
        return error_set(error, ERROR_MEMORY, "no memory to list a folder");
    if (filled == FOLDER_FILES_MAX)
        return error_set(error, ERROR_CONFIG, "a folder of an option holds %d files",
                         (int)FOLDER_FILES_MAX);
    qsort(found, filled, sizeof *found, compare_texts);
    *names = found;
    *count = filled;
    return OK;
}

static enum error_code hash_folder(DIR *folder, const char *path,
                                   struct hash_stream *stream, struct arena *arena,
                                   struct error *error)
{
    const char **names = NULL;
    size_t count = 0;
    enum error_code code = list_folder(folder, arena, &names, &count, error);
    for (size_t i = 0; !code && i < count; i++) {
        size_t room = strlen(path) + strlen(names[i]) + 2;
        char *inner = ARENA_NEW(arena, char, room);
        if (!inner)
            return error_set(error, ERROR_MEMORY, "no memory to hash \"%s\"", path);
        (void)snprintf(inner, room, "%s/%s", path, names[i]);
        hash_stream_update(stream, names[i], strlen(names[i]) + 1);
        code = hash_file(inner, stream, arena, error);
    }
    return code;
}

/* Of a file, or of the names and files in a folder. */
static enum error_code hash_content(const char *path, struct hash128 *value,
                                    struct error *error)
{
    enum error_code code;
    struct arena *arena = arena_create(PIECE_SIZE, 0);
    struct hash_stream *stream = hash_stream_create();
    DIR *folder = opendir(path);
    if (!arena || !stream)
        code = error_set(error, ERROR_MEMORY, "no memory to hash \"%s\"", path);
    else if (folder)
        code = hash_folder(folder, path, stream, arena, error);
    else
        code = hash_file(path, stream, arena, error);
    if (!code)
        *value = hash_stream_value(stream);
    if (folder)
        (void)closedir(folder);
    hash_stream_destroy(stream);
    arena_destroy(arena);
    return code;
}

static enum error_code put_content(const char *path, struct bytes *lines,
                                   struct error *error)
{
    struct hash128 value;
    char text[33];
    enum error_code code = hash_content(path, &value, error);
    if (code)
        return code;
    hash128_format(value, text);
    put(lines, "content ");
    put(lines, text);
    return OK;
}

static enum error_code put_options(const struct option_spec *specs, const void *target,
                                   const char *prefix, struct bytes *lines,
                                   struct error *error)
{
    char name[PREFIX_MAX];
    enum error_code code = OK;
    for (const struct option_spec *spec = specs; !code && spec && spec->name; spec++) {
        (void)snprintf(name, sizeof name, "%s.%s", prefix, spec->name);
        if (spec->type == OPTION_GROUP) {
            code =
                put_options(spec->group, option_field(spec, target), name, lines, error);
            continue;
        }
        size_t before = lines->size;
        put(lines, name);
        put(lines, ": ");
        const char *path = spec->type == OPTION_PATH ? option_text(spec, target) : NULL;
        if (path && strncmp(path, "phase:", 6) != 0)
            code = put_content(path, lines, error);
        else if (!option_put_value(spec, target, lines)) {
            lines->size = before;
            continue;
        }
        put(lines, "\n");
    }
    return code;
}

static void put_line(struct bytes *lines, const char *prefix, const char *key,
                     const char *text)
{
    put(lines, prefix);
    put(lines, key);
    put(lines, ": ");
    value_put_text(lines, text);
    put(lines, "\n");
}

static void put_input(const struct input_spec *input, const char *prefix,
                      struct bytes *lines)
{
    char text[40], key[PREFIX_MAX];
    if (input->format == FORMAT_PHASE) {
        put_line(lines, prefix, ".input.phase", input->phase);
        return;
    }
    put_line(lines, prefix, ".input.format", input_format_names[input->format]);
    if (input->text)
        put_line(lines, prefix, ".input.text", input->text);
    if (input->key)
        put_line(lines, prefix, ".input.key", input->key);
    for (size_t i = 0; i < input->column_count; i++) {
        column_type_format(input->columns[i].type, input->columns[i].dimension, text,
                           sizeof text);
        (void)snprintf(key, sizeof key, ".input.columns.%zu.", i);
        put(lines, prefix);
        put(lines, key);
        put_line(lines, "", input->columns[i].name, text);
    }
    value_format_size(input->max_record, text, sizeof text);
    put_line(lines, prefix, ".input.max_record", text);
}

static enum error_code put_phase(const struct phase_spec *phase, size_t index,
                                 struct bytes *lines, struct error *error)
{
    char prefix[PREFIX_MAX], inner[PREFIX_MAX], text[40];
    enum error_code code = OK;
    (void)snprintf(prefix, sizeof prefix, "phases.%zu", index);
    put_line(lines, prefix, ".name",
             phase->fit == FIT_NONE ? phase->name : phase->fit_name);
    put_input(&phase->input, prefix, lines);
    value_format_size(phase->shard_bytes, text, sizeof text);
    put_line(lines, prefix, ".shard.bytes", text);
    for (size_t i = 0; !code && i < phase->stage_count; i++) {
        const struct stage_spec *stage = &phase->stages[i];
        (void)snprintf(inner, sizeof inner, ".stages.%zu", i);
        put_line(lines, prefix, inner, stage->type->name);
        (void)snprintf(inner, sizeof inner, "phases.%zu.stages.%zu.%s", index, i,
                       stage->type->name);
        code = put_options(stage->type->options, stage->options, inner, lines, error);
    }
    for (size_t i = 0; phase->fit == FIT_NONE && i < phase->output_schema.count; i++) {
        (void)snprintf(inner, sizeof inner, ".output.columns.%zu", i);
        put_line(lines, prefix, inner, phase->output_schema.fields[i].name);
    }
    if (phase->exchange.kind != EXCHANGE_NONE) {
        (void)snprintf(text, sizeof text, "%u", (unsigned)phase->exchange.buckets);
        put(lines, prefix);
        put(lines, ".exchange.by: ");
        exchange_put_rule(&phase->exchange, lines);
        put(lines, "\n");
        put_line(lines, prefix, ".exchange.buckets", text);
    }
    return code;
}

enum error_code pipeline_describe(const struct pipeline *pipeline, struct bytes *lines,
                                  struct error *error)
{
    enum error_code code = OK;
    char version[16];
    (void)snprintf(version, sizeof version, "%d", MILLRACE_OUTPUT_VERSION);
    put_line(lines, "", "millrace output", version);
    put_line(lines, "", "name", pipeline->name);
    size_t written = 0; /* steps of a fit follow from its phase */
    for (size_t i = 0; !code && i < pipeline->phase_count; i++)
        if (pipeline->phases[i].fit == FIT_NONE || pipeline->phases[i].fit == FIT_READ)
            code = put_phase(&pipeline->phases[i], written++, lines, error);
    if (!code && lines->is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory to describe the pipeline");
    return code;
}

enum error_code pipeline_fingerprint(const struct pipeline *pipeline,
                                     struct hash128 *value, struct error *error)
{
    struct bytes lines = {0};
    enum error_code code = pipeline_describe(pipeline, &lines, error);
    if (!code)
        *value = hash128(lines.data, lines.size);
    bytes_clear(&lines);
    return code;
}
