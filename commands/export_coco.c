/* export_coco.c - COCO: a list of results, and a whole data set
 *
 * A data set has its images before its annotations: all records are gone through twice,
 * which costs less than writing the annotations elsewhere first. */
#include "commands/export_format.h"

#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_number.h"
#include "commands/export_sequence.h"
#include "commands/export_text.h"
#include "core/json_write.h"

enum { NUMBER_DIGITS_MAX = 18 };
static const double area_precision = 1e-9;

struct coco {
    struct box_classes classes;
    struct export_sequence file;
    bool is_data_set;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static unsigned needs_of(const struct coco *state)
{
    return state->is_data_set ? BOX_NEEDS_SIZE : 0;
}

/* ---- ids of images ---- */

static bool is_stem(const struct export_job *job)
{
    return job->options->image_id && strcmp(job->options->image_id, "stem") == 0;
}

static enum error_code check_id(struct export_job *job, const struct batch *batch,
                                struct error *error)
{
    const char *name = job->options->image_id;
    if (!name || is_stem(job) || !batch)
        return OK;
    const struct column *column = batch_column(batch, name);
    if (column && column->type == COLUMN_UTF8)
        return OK;
    return export_check_column(batch, name, COLUMN_I64, error);
}

/* Digits are a number, as Ultralytics and COCO's own names have it: 000000000139 is 139. */
static void put_stem(const struct boxed_image *image, struct bytes *out)
{
    size_t size;
    const char *name =
        text_last_name(image->key, text_stem(image->key, image->key_size), &size);
    size_t zeros = 0;
    bool is_number = size > 0 && size <= NUMBER_DIGITS_MAX;
    for (size_t i = 0; i < size && is_number; i++)
        is_number = name[i] >= '0' && name[i] <= '9';
    while (is_number && zeros + 1 < size && name[zeros] == '0')
        zeros++;
    if (is_number)
        bytes_put(out, name + zeros, size - zeros);
    else
        json_put_text(name, size, out);
}

static enum error_code put_image_id(const struct export_job *job,
                                    const struct job_record *record,
                                    const struct boxed_image *image, struct bytes *out,
                                    struct export_row *row, struct error *error)
{
    const struct column *column;
    const char *name = job->options->image_id;
    if (!name) {
        bytes_put_u8(out, SEQUENCE_IMAGE);
        row->side++;
        return OK;
    }
    if (is_stem(job)) {
        put_stem(image, out);
        return OK;
    }
    enum error_code code = export_get_column(record, name, &column, error);
    if (code == OK)
        json_put_value(column, record->row, out);
    return code;
}

/* ---- records ---- */

static enum error_code put_image(struct export_job *job, const struct job_record *record,
                                 const struct boxed_image *image, struct bytes *out,
                                 struct export_row *row, struct error *error)
{
    char size[80];
    put(",\n{\"id\": ", out);
    enum error_code code = put_image_id(job, record, image, out, row, error);
    put(", \"file_name\": ", out);
    json_put_text(image->key, image->key_size, out);
    (void)snprintf(size, sizeof size, ", \"width\": %u, \"height\": %u}",
                   (unsigned)image->width, (unsigned)image->height);
    put(size, out);
    return code;
}

static void put_box(const struct box *box, double *area, struct bytes *out)
{
    put("\"bbox\": [", out);
    double x = number_put_begin(box->x1, 1, 0, out);
    put(", ", out);
    double y = number_put_begin(box->y1, 1, 0, out);
    put(", ", out);
    double width = number_put_extent(box->x2, x, 1, 0, out);
    put(", ", out);
    double height = number_put_extent(box->y2, y, 1, 0, out);
    put("]", out);
    *area = width * height;
}

static enum error_code put_annotation(struct export_job *job,
                                      const struct job_record *record,
                                      const struct boxed_image *image,
                                      const struct box *box, struct bytes *out,
                                      struct export_row *row, struct error *error)
{
    double area;
    const struct coco *state = job->state;
    put(",\n{", out);
    if (state->is_data_set) {
        put("\"id\": ", out);
        bytes_put_u8(out, SEQUENCE_ITEM);
        put(", ", out);
        row->tokens++;
    }
    put("\"image_id\": ", out);
    enum error_code code = put_image_id(job, record, image, out, row, error);
    put(", \"category_id\": ", out);
    json_put_i64((int64_t)box->class + 1, out);
    put(", ", out);
    put_box(box, &area, out);
    if (state->is_data_set) {
        put(", \"area\": ", out);
        (void)number_put_near(area, area * area_precision, out);
        put(", \"segmentation\": [], \"iscrowd\": 0", out);
    }
    put(", \"score\": ", out);
    (void)number_put_f32(box->score, out);
    put("}", out);
    return code;
}

static enum error_code coco_encode(struct export_job *job,
                                   const struct job_record *record,
                                   struct export_part *part, struct export_row *row,
                                   struct error *error)
{
    const struct coco *state = job->state;
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    size_t before = part->data.size;
    enum error_code code =
        boxes_get_image(job, record, needs_of(state), &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    if (state->is_data_set && job->pass == 0)
        code = put_image(job, record, &image, &part->data, row, error);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        if (state->is_data_set && job->pass == 0)
            break;
        code = boxes_get(job, record, &image, i, &box, error);
        if (code == OK)
            code = put_annotation(job, record, &image, &box, &part->data, row, error);
    }
    row->size = part->data.size - before;
    return code;
}

static enum error_code coco_place(struct export_job *job, struct export_part *part,
                                  struct error *error)
{
    struct coco *state = job->state;
    return sequence_place(job, &state->file, part, error);
}

/* ---- the file ---- */

static enum error_code coco_open(struct export_job *job, const struct batch *batch,
                                 struct error *error)
{
    struct coco *state = job->state;
    state->file = (struct export_sequence){.images = 1, .items = 1, .opening = '['};
    enum error_code code = boxes_open(job, batch, needs_of(state), error);
    return code == OK ? check_id(job, batch, error) : code;
}

static enum error_code coco_finish(struct export_job *job, struct error *error)
{
    struct coco *state = job->state;
    struct bytes text = {0};
    sequence_close_array(&state->file, &text);
    put("\n", &text);
    enum error_code code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static enum error_code data_set_open(struct export_job *job, const struct batch *batch,
                                     struct error *error)
{
    struct coco *state = job->state;
    struct bytes text = {0};
    state->is_data_set = true;
    enum error_code code = coco_open(job, batch, error);
    put("{\"info\": {\"description\": \"exported by millrace\"},\n\"images\": ", &text);
    if (code == OK)
        code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static enum error_code data_set_next_pass(struct export_job *job, bool *is_wanted,
                                          struct error *error)
{
    struct coco *state = job->state;
    struct bytes text = {0};
    if (job->pass > 0)
        return OK;
    *is_wanted = true;
    sequence_close_array(&state->file, &text);
    state->file.images = 1;
    put(",\n\"annotations\": ", &text);
    enum error_code code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static enum error_code data_set_finish(struct export_job *job, struct error *error)
{
    struct coco *state = job->state;
    struct bytes text = {0};
    char digits[12];
    uint32_t class = 0;
    enum error_code code = OK;
    sequence_close_array(&state->file, &text);
    put(",\n\"categories\": [", &text);
    for (bool is_first = true; code == OK && boxes_next_class(job, is_first, &class);
         is_first = false) {
        size_t size;
        const char *name = boxes_class_name(job, class, digits, &size);
        put(is_first ? "\n{\"id\": " : ",\n{\"id\": ", &text);
        json_put_i64((int64_t) class + 1, &text);
        put(", \"name\": ", &text);
        json_put_text(name, size, &text);
        put(", \"supercategory\": \"\"}", &text);
        code = sequence_flush(job, &state->file, &text, error);
    }
    put("\n]}\n", &text);
    if (code == OK)
        code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static const char *const options[] = {"--boxes", "--null-boxes", "--image-id", NULL};
static const char *const data_set_options[] = {"--boxes", "--classes", "--null-boxes",
                                               "--image-id", NULL};
static const char *const names[] = {"", NULL};

const struct export_format export_coco = {
    .name = "coco",
    .summary = "boxes as COCO's list of results",
    .options = options,
    .names = names,
    .state_size = sizeof(struct coco),
    .open = coco_open,
    .encode = coco_encode,
    .place = coco_place,
    .write = sequence_write,
    .finish = coco_finish,
    .close = boxes_close,
};

const struct export_format export_coco_dataset = {
    .name = "coco-dataset",
    .summary = "boxes as a COCO data set with its images",
    .options = data_set_options,
    .names = names,
    .state_size = sizeof(struct coco),
    .open = data_set_open,
    .encode = coco_encode,
    .place = coco_place,
    .write = sequence_write,
    .next_pass = data_set_next_pass,
    .finish = data_set_finish,
    .close = boxes_close,
};
