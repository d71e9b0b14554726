/* eval_coco.c - millrace eval coco: boxes against a COCO data set */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/coco_files.h"
#include "commands/coco_report.h"
#include "commands/eval.h"
#include "core/arena.h"
#include "core/arguments.h"
#include "core/bytes.h"

enum { ARENA_BLOCK = 1 << 16, LINE_SIZE = 1024 };

static const struct argument_spec specs[] = {
    {.name = "--gt",
     .value = "GT.json",
     .help = "the truth: a COCO data set with images, annotations and categories"},
    {.name = "--results",
     .value = "R.json",
     .help = "what was found: an array of image_id, category_id, bbox and score"},
    {.name = "--json", .help = "print JSON, with all twelve numbers of each class"},
    {.name = "--classes",
     .value = "A,B",
     .is_repeatable = true,
     .help = "evaluate these classes alone, named by name or id"},
    {.name = "--images",
     .value = "A,B|@FILE",
     .is_repeatable = true,
     .help = "evaluate these images alone, named by id; @FILE holds an id a line"},
    {.name = "--class-agnostic",
     .help = "take all classes for one (pycocotools' useCats = 0)"},
    {.name = "--iou-type",
     .value = "TYPE",
     .help = "what is compared: bbox, the default and the only one"},
    ARGUMENT_END};

static const struct argument_command command = {
    .usage = "millrace eval coco --gt GT.json --results R.json [options]",
    .summary =
        "COCO's twelve numbers and those of each class, as pycocotools gives them.",
    .specs = specs};

/* ---- what takes part ---- */

static enum error_code choose(struct coco_data *data, const char *option,
                              const char *text, size_t size, struct error *error)
{
    bool is_class = strcmp(option, "--classes") == 0;
    if (size == 0 ||
        coco_choose(is_class ? &data->categories : &data->images, text, size))
        return OK;
    return error_set(error, ERROR_CONFIG, "%s: \"%.200s\" has no %s \"%.*s\"", option,
                     data->truth_path,
                     is_class ? "class of the name or id" : "image of id",
                     size < 100 ? (int)size : 100, text);
}

static enum error_code choose_file(struct coco_data *data, const char *option,
                                   const char *path, struct error *error)
{
    char line[LINE_SIZE];
    enum error_code code = OK;
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set_errno(error, ERROR_CONFIG, errno, "%s: cannot open \"%s\"",
                               option, path);
    while (code == OK && fgets(line, sizeof line, file)) {
        size_t size = strcspn(line, "\r\n");
        if (size == sizeof line - 1)
            code = error_set(error, ERROR_CONFIG, "%s: a line of \"%s\" is too long",
                             option, path);
        else
            code = choose(data, option, line, size, error);
    }
    if (code == OK && ferror(file))
        code = error_set_errno(error, ERROR_IO, errno, "cannot read \"%s\"", path);
    (void)fclose(file);
    return code;
}

/* A whole value is tried as a name first: names may have commas. */
static enum error_code choose_all(struct coco_data *data, const char *option,
                                  struct text_list values, struct error *error)
{
    bool is_class = strcmp(option, "--classes") == 0;
    struct coco_list *list = is_class ? &data->categories : &data->images;
    enum error_code code = OK;
    for (size_t i = 0; i < values.count && code == OK; i++) {
        const char *text = values.items[i];
        if (!is_class && *text == '@') {
            code = choose_file(data, option, text + 1, error);
        } else if (!coco_choose(list, text, strlen(text))) {
            for (; code == OK && *text; text += *text == ',') {
                size_t size = strcspn(text, ",");
                code = choose(data, option, text, size, error);
                text += size;
            }
        }
    }
    for (uint32_t i = 0; i < list->ids.count; i++)
        if (list->items[i].is_chosen)
            return code;
    if (code == OK && values.count > 0)
        code = error_set(error, ERROR_CONFIG, "%s names no %s", option,
                         is_class ? "class" : "image");
    return code;
}

/* ---- the work ---- */

static enum error_code check_options(const struct arguments *arguments,
                                     struct error *error)
{
    static const char *const wanted[] = {"--gt", "--results"};
    const char *type = arguments_value(arguments, "--iou-type");
    bool are_stdin = true;
    for (size_t i = 0; i < 2; i++) {
        const char *path = arguments_value(arguments, wanted[i]);
        if (!path)
            return error_set(error, ERROR_CONFIG, "%s is missing; usage: %s", wanted[i],
                             command.usage);
        are_stdin = are_stdin && strcmp(path, "-") == 0;
    }
    if (are_stdin)
        return error_set(error, ERROR_CONFIG,
                         "--gt and --results cannot both be standard input");
    if (type && strcmp(type, "bbox") != 0)
        return error_set(error, ERROR_CONFIG,
                         "--iou-type \"%.100s\": boxes alone are compared; leave it out, "
                         "or say bbox",
                         type);
    return OK;
}

static enum error_code read_files(struct coco_data *data,
                                  const struct arguments *arguments, struct error *error)
{
    static const char *const choices[] = {"--classes", "--images"};
    enum error_code code =
        coco_read_truth(data, arguments_value(arguments, "--gt"), error);
    for (size_t i = 0; code == OK && i < 2; i++)
        code =
            choose_all(data, choices[i], arguments_values(arguments, choices[i]), error);
    if (code == OK)
        code = coco_settle(data, error);
    if (code == OK)
        code = coco_read_results(data, arguments_value(arguments, "--results"), error);
    return code;
}

static enum error_code print_scores(const struct coco_data *data,
                                    const struct coco_scores *scores,
                                    const struct arguments *arguments,
                                    struct error *error)
{
    struct bytes text = {0};
    bool is_good = true;
    coco_report_notes(stderr, data);
    if (arguments_flag(arguments, "--json")) {
        coco_report_json(data, scores, arguments_flag(arguments, "--class-agnostic"),
                         &text);
        is_good = !text.is_bad && fwrite(text.data, 1, text.size, stdout) == text.size;
    } else {
        coco_report_table(stdout, data, scores);
    }
    bytes_clear(&text);
    if (!is_good || fflush(stdout) != 0 || ferror(stdout))
        return error_set_errno(error, ERROR_IO, errno, "cannot write the scores");
    return OK;
}

static enum error_code run(const struct arguments *arguments, int *status,
                           struct error *error)
{
    struct coco_data data;
    struct coco_scores scores;
    (void)status;
    enum error_code code = check_options(arguments, error);
    if (code != OK)
        return code;
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    if (!arena)
        return error_set(error, ERROR_MEMORY, "no memory");
    coco_data_init(&data, arena);
    code = read_files(&data, arguments, error);
    if (code == OK) {
        struct coco_problem problem = {.truths = data.truths,
                                       .detections = data.detections,
                                       .truth_count = data.truth_count,
                                       .detection_count = data.detection_count,
                                       .image_count = data.images.count,
                                       .category_count = data.categories.count,
                                       .is_class_agnostic =
                                           arguments_flag(arguments, "--class-agnostic")};
        code = coco_evaluate(&problem, arena, &scores, error);
    }
    if (code == OK)
        code = print_scores(&data, &scores, arguments, error);
    coco_data_clear(&data);
    arena_destroy(arena);
    return code;
}

const struct eval_kind eval_coco = {.name = "coco", .command = &command, .run = run};
