/* export_options.c - the options of `millrace export`: one table parses and documents */
#include "commands/export_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/compress.h"
#include "core/diagnostics.h"
#include "core/option_value.h"
#include "core/platform.h"

enum { FORMATS_MAX = 32, THREADS_MAX = 256, THREADS_INITIAL_MAX = 8, HINT_SIZE = 300 };

const struct export_format *const export_formats[] = {
    &export_jsonl, &export_megatron,     &export_datatrove,     &export_npy,
    &export_mds,   &export_tar,          &export_coco,          &export_coco_dataset,
    &export_yolo,  &export_voc,          &export_labelme,       &export_label_studio,
    &export_cvat,  &export_megadetector, &export_contact_sheet, NULL};

/* ---- values ---- */

static enum error_code refuse_value(const char *name, const char *text,
                                    const char *wanted, struct error *error)
{
    return error_set(error, ERROR_CONFIG, "%s \"%.100s\": %s", name, text, wanted);
}

static enum error_code read_number(const char *name, const char *text, int64_t min,
                                   int64_t max, int64_t *value, struct error *error)
{
    char wanted[80];
    int64_t number;
    if (value_parse_int(text, &number) == VALUE_OK && number >= min && number <= max) {
        *value = number;
        return OK;
    }
    (void)snprintf(wanted, sizeof wanted,
                   "a number from %" PRId64 " to %" PRId64 " is needed", min, max);
    return refuse_value(name, text, wanted, error);
}

static enum error_code read_column(const char *name, const char *text,
                                   struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->column = text;
    return OK;
}

static enum error_code read_picture(const char *name, const char *text,
                                    struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->picture = text;
    return OK;
}

static enum error_code read_pictures(const char *name, const char *text,
                                     struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->pictures = text;
    return OK;
}

static enum error_code read_boxes(const char *name, const char *text,
                                  struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->boxes = text;
    return OK;
}

static enum error_code read_classes(const char *name, const char *text,
                                    struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->classes = text;
    return OK;
}

static enum error_code read_image_id(const char *name, const char *text,
                                     struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->image_id = text;
    return OK;
}

static enum error_code read_image_root(const char *name, const char *text,
                                       struct export_options *options,
                                       struct error *error)
{
    (void)name;
    (void)error;
    options->image_root = text;
    return OK;
}

static enum error_code read_nulls(const char *name, const char *text,
                                  struct export_options *options, struct error *error)
{
    static const char *const words[] = {"refuse", "skip", "empty"};
    for (int i = NULLS_REFUSE; i <= NULLS_EMPTY; i++)
        if (strcmp(text, words[i]) == 0) {
            options->nulls = (enum export_nulls)i;
            return OK;
        }
    return refuse_value(name, text, "refuse, skip or empty is needed", error);
}

static enum error_code read_voc_base(const char *name, const char *text,
                                     struct export_options *options, struct error *error)
{
    int64_t value = 0;
    enum error_code code = read_number(name, text, 0, 1, &value, error);
    options->voc_base = (int)value;
    return code;
}

static enum error_code read_scores(const char *name, const char *text,
                                   struct export_options *options, struct error *error)
{
    (void)name;
    (void)text;
    (void)error;
    options->has_scores = true;
    return OK;
}

static enum error_code read_names(const char *name, const char *text,
                                  struct export_options *options, struct error *error)
{
    options->has_full_names = strcmp(text, "full") == 0;
    return options->has_full_names || strcmp(text, "stem") == 0
               ? OK
               : refuse_value(name, text, "stem or full is needed", error);
}

static enum error_code read_columns(const char *name, const char *text,
                                    struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->columns = text;
    return OK;
}

static enum error_code read_key(const char *name, const char *text,
                                struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->key = text;
    return OK;
}

static enum error_code read_loss(const char *name, const char *text,
                                 struct export_options *options, struct error *error)
{
    (void)name;
    (void)error;
    options->loss = text;
    return OK;
}

static enum error_code read_tokenizer(const char *name, const char *text,
                                      struct export_options *options, struct error *error)
{
    if (strpbrk(text, "|\r\n"))
        return refuse_value(name, text, "a name without | and line breaks is needed",
                            error);
    options->tokenizer = text;
    return OK;
}

static enum error_code read_eod(const char *name, const char *text,
                                struct export_options *options, struct error *error)
{
    int64_t value = 0;
    enum error_code code = read_number(name, text, 0, UINT32_MAX - 1, &value, error);
    options->eod = (uint32_t)value;
    options->has_eod = true;
    return code;
}

static enum error_code read_dtype(const char *name, const char *text,
                                  struct export_options *options, struct error *error)
{
    for (int i = DTYPE_AUTO; i <= DTYPE_UINT32; i++)
        if (strcmp(text, export_dtype_name((enum export_dtype)i)) == 0) {
            options->dtype = (enum export_dtype)i;
            return OK;
        }
    return refuse_value(name, text, "auto, uint16, int32 or uint32 is needed", error);
}

static enum error_code read_vocabulary(const char *name, const char *text,
                                       struct export_options *options,
                                       struct error *error)
{
    int64_t value = 0;
    enum error_code code = read_number(name, text, 1, UINT32_MAX, &value, error);
    options->vocabulary = (uint64_t)value;
    return code;
}

static enum error_code read_max_tokens(const char *name, const char *text,
                                       struct export_options *options,
                                       struct error *error)
{
    int64_t value = 0;
    enum error_code code = read_number(name, text, 1, INT64_MAX, &value, error);
    options->max_tokens = (uint64_t)value;
    return code;
}

static enum error_code read_size(const char *name, const char *text,
                                 struct export_options *options, struct error *error)
{
    uint64_t value = 0;
    if (value_parse_size(text, &value) != VALUE_OK || value < 1 || value > UINT32_MAX)
        return refuse_value(name, text, "a size below 4GiB is needed, such as 64MiB",
                            error);
    options->size_limit = value;
    return OK;
}

static enum error_code read_compression(const char *name, const char *text,
                                        struct export_options *options,
                                        struct error *error)
{
    enum { LEVEL_INITIAL = 3 };
    static const char zstd[] = "zstd";
    size_t size = sizeof zstd - 1;
    int lowest, highest;
    compressor_levels(&lowest, &highest);
    options->level = LEVEL_INITIAL;
    options->has_compression = true;
    if (strcmp(text, zstd) == 0)
        return OK;
    if (strncmp(text, zstd, size) != 0 || text[size] != ':')
        return refuse_value(name, text, "zstd or zstd:LEVEL is needed", error);
    return read_number(name, text + size + 1, lowest, highest, &options->level, error);
}

static enum error_code read_threads(const char *name, const char *text,
                                    struct export_options *options, struct error *error)
{
    int64_t value = 0;
    enum error_code code = read_number(name, text, 1, THREADS_MAX, &value, error);
    options->threads = (uint32_t)value;
    return code;
}

static enum error_code read_force(const char *name, const char *text,
                                  struct export_options *options, struct error *error)
{
    (void)name;
    (void)text;
    (void)error;
    options->is_forced = true;
    return OK;
}

/* ---- the table ---- */

struct option_row {
    const char *name, *value;
    /* NULL: the command reads it by itself. */
    enum error_code (*read)(const char *name, const char *text,
                            struct export_options *options, struct error *error);
    bool is_common; /* every format takes it */
    const char *help;
};

static const struct option_row rows[] = {
    {"--format", "FORMAT", NULL, true, "what to write:"},
    {"--out", "PATH", NULL, true,
     "the new file or folder; of jsonl \"-\" is standard output"},
    {"--phase", "NAME", NULL, true, "of this phase (default: the last)"},
    {"--threads", "N", read_threads, true,
     "threads that read and write side by side (default: one a core, at most 8)"},
    {"--force", NULL, read_force, true, "replace what is there already"},
    {"--column", "NAME", read_column, false, "column of token ids (default: tokens)"},
    {"--append-eod", "ID", read_eod, false,
     "put this id behind the tokens of each document"},
    {"--dtype", "TYPE", read_dtype, false,
     "of token ids: uint16, int32, uint32, or auto (default), the smallest that the "
     "format allows for the vocabulary"},
    {"--vocabulary-size", "N", read_vocabulary, false,
     "how many ids there are, for --dtype auto (default: as the pipeline's vocabulary "
     "says; where it is gone, by the largest id that occurs)"},
    {"--max-tokens-per-file", "N", read_max_tokens, false,
     "begin another file rather than let one have more tokens (default: 536870912)"},
    {"--columns", "A,B", read_columns, false, "columns to write (default: all)"},
    {"--key-column", "NAME", read_key, false,
     "column that names the samples (default: they are numbered)"},
    {"--size-limit", "SIZE", read_size, false,
     "begin another file rather than let one be larger (default: mds 64MiB, tar 1GiB)"},
    {"--compression", "zstd[:LEVEL]", read_compression, false,
     "compress each shard (default level: 3)"},
    {"--loss", "NAME", read_loss, false,
     "also write the loss mask: column of 0 and 1 for each token, or \"ones\""},
    {"--tokenizer", "NAME", read_tokenizer, false, "name of the tokenizer in .metadata"},
    {"--boxes", "NAME", read_boxes, false, "column of boxes (default: boxes)"},
    {"--classes", "FILE", read_classes, false,
     "what classes are called, a name a line, class 0 first (default: their numbers)"},
    {"--null-boxes", "WHAT", read_nulls, false,
     "what to do with an image whose boxes are null: refuse (default), skip it, or take "
     "it for empty, without objects"},
    {"--image-id", "RULE", read_image_id, false,
     "what images are known by: their number in the export, from 1 (default); \"stem\": "
     "the file's name without folders and extension, digits as a number; or a column"},
    {"--image-root", "TEXT", read_image_root, false,
     "put this before the key, which then is percent-encoded as part of a URL"},
    {"--names", "RULE", read_names, false,
     "names of files: stem (default), the key without an image's extension; or full"},
    {"--picture", "NAME", read_picture, false,
     "column of the pictures (default: data, image or drawn, whichever is there)"},
    {"--pictures", "FOLDER", read_pictures, false,
     "take the pictures from files instead: this folder, and the key below it"},
    {"--scores", NULL, read_scores, false, "write the score behind each box"},
    {"--voc-base", "N", read_voc_base, false,
     "1 (default): pixels count from 1, both ends inside; 0: edges cut to whole numbers"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool takes(const struct export_format *format, const struct option_row *row)
{
    bool is_taken = row->is_common;
    for (size_t i = 0; format->options[i] && !is_taken; i++)
        is_taken = strcmp(format->options[i], row->name) == 0;
    return is_taken;
}

static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s", more);
}

/* "megatron, npy" */
static void list_takers(const struct option_row *row, char *text, size_t size)
{
    for (size_t i = 0; export_formats[i]; i++) {
        if (!takes(export_formats[i], row))
            continue;
        append(text, size, *text ? ", " : "");
        append(text, size, export_formats[i]->name);
    }
}

static void write_help(const struct option_row *row, char help[EXPORT_HELP_SIZE])
{
    char takers[EXPORT_HELP_SIZE] = "";
    *help = 0;
    if (!row->is_common) {
        list_takers(row, takers, sizeof takers);
        append(help, EXPORT_HELP_SIZE, takers);
        append(help, EXPORT_HELP_SIZE, ": ");
    }
    append(help, EXPORT_HELP_SIZE, row->help);
    for (size_t i = 0; strcmp(row->name, "--format") == 0 && export_formats[i]; i++) {
        append(help, EXPORT_HELP_SIZE, i ? "; " : " ");
        append(help, EXPORT_HELP_SIZE, export_formats[i]->name);
        append(help, EXPORT_HELP_SIZE, ", ");
        append(help, EXPORT_HELP_SIZE, export_formats[i]->summary);
    }
}

void export_specs_init(struct export_specs *specs)
{
    for (size_t i = 0; i < ROWS; i++) {
        write_help(&rows[i], specs->helps[i]);
        specs->items[i] = (struct argument_spec){
            .name = rows[i].name, .value = rows[i].value, .help = specs->helps[i]};
    }
    specs->items[ROWS] = (struct argument_spec){.name = NULL};
}

enum error_code export_format_find(const char *name, const struct export_format **format,
                                   struct error *error)
{
    const char *names[FORMATS_MAX];
    char list[HINT_SIZE] = "", hint[HINT_SIZE];
    size_t count = 0;
    for (size_t i = 0; export_formats[i]; i++) {
        if (name && strcmp(export_formats[i]->name, name) == 0) {
            *format = export_formats[i];
            return OK;
        }
        append(list, sizeof list, " ");
        append(list, sizeof list, export_formats[i]->name);
        names[count++] = export_formats[i]->name;
    }
    if (!name)
        return error_set(error, ERROR_CONFIG, "--format is missing; formats:%s", list);
    const char *nearest = nearest_name(name, names, count);
    (void)snprintf(hint, sizeof hint, "; did you mean \"%s\"?", nearest ? nearest : "");
    return error_set(error, ERROR_CONFIG, "unknown format \"%.100s\"%s; formats:%s", name,
                     nearest ? hint : "", list);
}

static enum error_code check_together(const struct export_format *format,
                                      const struct export_options *options,
                                      struct error *error)
{
    if (options->dtype != DTYPE_AUTO && !(format->dtypes & 1U << options->dtype))
        return error_set(error, ERROR_CONFIG, "format %s has no %s", format->name,
                         export_dtype_name(options->dtype));
    return OK;
}

enum error_code export_options_read(const struct arguments *arguments,
                                    const struct export_format *format,
                                    struct export_options *options, struct error *error)
{
    uint32_t cores = platform_core_count();
    *options = (struct export_options){
        .column = "tokens",
        .boxes = "boxes",
        .voc_base = 1,
        .max_tokens = format->max_tokens,
        .size_limit = format->size_limit,
        .threads = cores < THREADS_INITIAL_MAX ? cores : THREADS_INITIAL_MAX};
    for (size_t i = 0; i < ROWS; i++) {
        struct text_list values = arguments_values(arguments, rows[i].name);
        if (values.count == 0 || !rows[i].read)
            continue;
        if (!takes(format, &rows[i])) {
            char takers[HINT_SIZE] = "";
            list_takers(&rows[i], takers, sizeof takers);
            return error_set(error, ERROR_CONFIG, "format %s takes no %s; %s do",
                             format->name, rows[i].name, takers);
        }
        enum error_code code =
            rows[i].read(rows[i].name, values.items[0], options, error);
        if (code != OK)
            return code;
    }
    return check_together(format, options, error);
}
