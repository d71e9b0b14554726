/* export_yolo.c - YOLO as Ultralytics reads it: a text an image, a list, data.yaml
 *
 * Ultralytics finds the labels of an image by its path: the last folder `images` in it
 * becomes `labels`, the extension .txt. So images belong below `images` in the export's
 * folder, or where their keys have a folder of that name, there. */
#include "commands/export_format.h"

#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_files.h"
#include "commands/export_number.h"
#include "commands/export_text.h"
#include "core/json_write.h"

static const char list_name[] = "images.txt", yaml_name[] = "data.yaml",
                  classes_name[] = "classes.txt";
static const char images[] = "images/", labels[] = "labels/";
static const double finest = 1e-13;
enum { FOLDER_SIZE = sizeof images - 1, PIECE = 1 << 20 };

struct yolo {
    struct box_classes classes;
    uint64_t list_size;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

/* ---- labels: any thread ---- */

static float clip(float edge, uint32_t length)
{
    float end = (float)length;
    return edge < 0 ? 0 : edge > end ? end : edge;
}

/* Readers refuse a file with anything below 0 or above 1 in it, so boxes are cut at the
 * edges of their image. */
static void put_box(const struct export_job *job, const struct boxed_image *image,
                    const struct box *box, struct bytes *work, struct bytes *out)
{
    double across = 1.0 / image->width, down = 1.0 / image->height;
    json_put_i64(box->class, out);
    put(" ", out);
    bytes_reset(work);
    number_put_centre(clip(box->x1, image->width), clip(box->x2, image->width), across,
                      finest, out, work);
    put(" ", out);
    put(" ", work);
    number_put_centre(clip(box->y1, image->height), clip(box->y2, image->height), down,
                      finest, out, work);
    put(" ", out);
    bytes_put(out, work->data, work->size);
    if (job->options->has_scores) {
        put(" ", out);
        (void)number_put_f32(box->score, out);
    }
    put("\n", out);
    if (work->is_bad)
        out->is_bad = true;
}

/* Where the last folder `images` of a path begins, or `size`. */
static size_t find_images(const char *path, size_t size)
{
    for (size_t at = size; at-- > 0;)
        if ((at == 0 || path[at - 1] == '/') && size - at > FOLDER_SIZE &&
            memcmp(path + at, images, FOLDER_SIZE) == 0)
            return at;
    return size;
}

/* The path of the labels, a zero, and the line of the list. */
static enum error_code put_paths(const struct export_job *job,
                                 const struct job_record *record,
                                 const struct boxed_image *image, struct bytes *work,
                                 struct bytes *side, struct error *error)
{
    size_t folder;
    bytes_reset(work);
    enum error_code code = files_put_path(job, record, image, ".txt", work, error);
    if (code != OK || work->is_bad)
        return code;
    folder = find_images((const char *)work->data, work->size);
    if (folder < work->size)
        memcpy(work->data + folder, labels, FOLDER_SIZE);
    else
        put(labels, side);
    bytes_put(side, work->data, work->size);
    put("./", side);
    if (folder == work->size)
        put(images, side);
    const char *fault = text_put_path(image->key, image->key_size, side);
    put("\n", side);
    return fault ? export_refuse(record, error, "its key cannot name a file: %s", fault)
                 : OK;
}

static enum error_code yolo_encode(struct export_job *job,
                                   const struct job_record *record,
                                   struct export_part *part, struct export_row *row,
                                   struct error *error)
{
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    struct bytes work = {0};
    size_t before = part->data.size, side = part->side.size;
    enum error_code code =
        boxes_get_image(job, record, BOX_NEEDS_SIZE, &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    code = put_paths(job, record, &image, &work, &part->side, error);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code == OK)
            put_box(job, &image, &box, &work, &part->data);
    }
    if (code == OK && work.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a record");
    row->size = part->data.size - before;
    row->side = part->side.size - side;
    bytes_clear(&work);
    return code;
}

/* ---- the list ---- */

static uint64_t line_size(const char *side, const struct export_row *row)
{
    return row->side > 0 ? row->side - strlen(side) - 1 : 0;
}

static enum error_code yolo_place(struct export_job *job, struct export_part *part,
                                  struct error *error)
{
    size_t count;
    struct yolo *state = job->state;
    const char *side = (const char *)part->side.data;
    const struct export_row *rows = export_rows(part, &count);
    struct export_span span = {.offset = state->list_size};
    for (size_t i = 0; i < count; i++) {
        state->list_size += line_size(side, &rows[i]);
        side += rows[i].side;
    }
    bytes_put(&part->spans, &span, sizeof span);
    return part->spans.is_bad ? error_set(error, ERROR_MEMORY, "no memory for a part")
                              : OK;
}

static enum error_code yolo_write(struct export_job *job, struct export_part *part,
                                  struct error *error)
{
    size_t count;
    struct bytes lines = {0};
    const char *side = (const char *)part->side.data;
    const struct export_row *rows = export_rows(part, &count);
    const struct export_span *span = (const void *)part->spans.data;
    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)line_size(side, &rows[i]);
        side += rows[i].side;
        if (size > 0)
            bytes_put(&lines, side - size, size);
    }
    enum error_code code =
        lines.is_bad      ? error_set(error, ERROR_MEMORY, "no memory for a list")
        : lines.size == 0 ? OK
                          : export_output_write(job->output, list_name, span->offset,
                                                lines.data, lines.size, error);
    bytes_clear(&lines);
    return code == OK ? files_write(job, part, error) : code;
}

/* ---- classes ---- */

static enum error_code yolo_open(struct export_job *job, const struct batch *batch,
                                 struct error *error)
{
    enum error_code code = boxes_open(job, batch, BOX_NEEDS_SIZE, error);
    return code == OK ? export_output_write(job->output, list_name, 0, "", 0, error)
                      : code;
}

/* Append what is in `text` to a file of so many bytes. */
static enum error_code append(struct export_job *job, const char *name, uint64_t *size,
                              struct bytes *text, struct error *error)
{
    if (text->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the names of classes");
    enum error_code code =
        export_output_write(job->output, name, *size, text->data, text->size, error);
    *size += text->size;
    bytes_reset(text);
    return code;
}

/* The names as lines, or in data.yaml as its texts in quotes, which JSON's are. */
static enum error_code write_names(struct export_job *job, const char *file, bool is_yaml,
                                   struct bytes *text, struct error *error)
{
    char digits[12];
    uint64_t size = 0;
    enum error_code code = OK;
    uint32_t count = boxes_class_count(job);
    for (uint32_t class = 0; code == OK && class < count; class ++) {
        size_t length;
        const char *name = boxes_class_name(job, class, digits, &length);
        if (is_yaml) {
            put("  ", text);
            json_put_i64(class, text);
            put(": ", text);
            json_put_text(name, length, text);
        } else {
            bytes_put(text, name, length);
        }
        put("\n", text);
        if (text->size > PIECE)
            code = append(job, file, &size, text, error);
    }
    return code == OK ? append(job, file, &size, text, error) : code;
}

static enum error_code yolo_finish(struct export_job *job, struct error *error)
{
    struct bytes text = {0};
    enum error_code code = write_names(job, classes_name, false, &text, error);
    put("train: images.txt\nval: images.txt\nnc: ", &text);
    json_put_i64(boxes_class_count(job), &text);
    put(boxes_class_count(job) ? "\nnames:\n" : "\nnames: {}\n", &text);
    if (code == OK)
        code = write_names(job, yaml_name, true, &text, error);
    bytes_clear(&text);
    return code;
}

static const char *const options[] = {"--boxes",  "--classes", "--null-boxes",
                                      "--scores", "--names",   NULL};
static const char *const names[] = {".txt", yaml_name, NULL};

const struct export_format export_yolo = {
    .name = "yolo",
    .summary = "a folder of YOLO labels as Ultralytics reads them",
    .options = options,
    .names = names,
    .shape = EXPORT_TREE,
    .state_size = sizeof(struct yolo),
    .open = yolo_open,
    .encode = yolo_encode,
    .place = yolo_place,
    .write = yolo_write,
    .finish = yolo_finish,
    .close = boxes_close,
};
