/* export_megadetector.c - MegaDetector's batch results, quarantined images as failures */
#include "commands/export_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_number.h"
#include "commands/export_sequence.h"
#include "core/json_write.h"

static const double finest = 1e-13;

struct megadetector {
    struct box_classes classes;
    struct export_sequence file;
    struct bytes text; /* owned: of finish() */
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static enum error_code megadetector_open(struct export_job *job,
                                         const struct batch *batch, struct error *error)
{
    struct megadetector *state = job->state;
    state->file = (struct export_sequence){.opening = '['};
    enum error_code code = boxes_open(job, batch, BOX_NEEDS_SIZE, error);
    put("{\"images\": ", &state->text);
    return code == OK ? sequence_append(job, &state->file, &state->text, error) : code;
}

static void megadetector_close(struct export_job *job)
{
    struct megadetector *state = job->state;
    bytes_clear(&state->text);
    boxes_close(job);
}

static void put_box(const struct boxed_image *image, const struct box *box,
                    struct bytes *out)
{
    double across = 1.0 / image->width, down = 1.0 / image->height;
    char text[60];
    (void)snprintf(text, sizeof text,
                   "{\"category\": \"%u\", \"conf\": ", (unsigned)box->class + 1);
    put(text, out);
    (void)number_put_f32(box->score, out);
    put(", \"bbox\": [", out);
    double x = number_put_begin(box->x1, across, finest, out);
    put(", ", out);
    double y = number_put_begin(box->y1, down, finest, out);
    put(", ", out);
    (void)number_put_extent(box->x2, x, across, finest, out);
    put(", ", out);
    (void)number_put_extent(box->y2, y, down, finest, out);
    put("]}", out);
}

static enum error_code megadetector_encode(struct export_job *job,
                                           const struct job_record *record,
                                           struct export_part *part,
                                           struct export_row *row, struct error *error)
{
    struct boxed_image image;
    struct box box;
    struct bytes *out = &part->data;
    size_t before = out->size;
    enum error_code code =
        boxes_get_any_image(job, record, BOX_NEEDS_SIZE, &image, error);
    if (code != OK)
        return code;
    put(",\n{\"file\": ", out);
    json_put_text(image.key, image.key_size, out);
    if (image.is_null) {
        put(", \"detections\": null, \"failure\": \"no detector has seen it\"}", out);
        row->size = out->size - before;
        return OK;
    }
    put(", \"detections\": [", out);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code != OK)
            break;
        put(i ? ",\n " : "\n ", out);
        put_box(&image, &box, out);
    }
    put("]}", out);
    row->size = out->size - before;
    return code;
}

static enum error_code megadetector_place(struct export_job *job,
                                          struct export_part *part, struct error *error)
{
    struct megadetector *state = job->state;
    return sequence_place(job, &state->file, part, error);
}

static enum error_code put_reject(const struct reject *reject, void *user,
                                  struct error *error)
{
    struct export_job *job = user;
    struct megadetector *state = job->state;
    struct bytes *text = &state->text;
    struct bytes why = {0};
    char offset[24];
    put(state->file.is_open ? ",\n{\"file\": " : "[\n{\"file\": ", text);
    state->file.is_open = true;
    if (reject->key) {
        json_put_text(reject->key, strlen(reject->key), text);
    } else {
        put(reject->file, &why);
        (void)snprintf(offset, sizeof offset, "#%" PRIu64, reject->offset);
        put(offset, &why);
        json_put_text((const char *)why.data, why.size, text);
        bytes_reset(&why);
    }
    put(", \"detections\": null, \"failure\": ", text);
    put(reject->stage, &why);
    put(": ", &why);
    put(reject->reason, &why);
    if (reject->detail && *reject->detail) {
        put(": ", &why);
        put(reject->detail, &why);
    }
    json_put_text((const char *)why.data, why.size, text);
    put("}", text);
    bool is_bad = why.is_bad;
    bytes_clear(&why);
    return is_bad ? error_set(error, ERROR_MEMORY, "no memory for a failure")
                  : sequence_flush(job, &state->file, text, error);
}

static enum error_code put_categories(struct export_job *job, struct error *error)
{
    struct megadetector *state = job->state;
    struct bytes *text = &state->text;
    char digits[12], number[24];
    uint32_t class = 0;
    enum error_code code = OK;
    put(",\n\"detection_categories\": {", text);
    for (bool is_first = true; code == OK && boxes_next_class(job, is_first, &class);
         is_first = false) {
        size_t size;
        const char *name = boxes_class_name(job, class, digits, &size);
        (void)snprintf(number, sizeof number, "%s\"%u\": ", is_first ? "" : ", ",
                       (unsigned)class + 1);
        put(number, text);
        json_put_text(name, size, text);
        code = sequence_flush(job, &state->file, text, error);
    }
    return code;
}

static enum error_code megadetector_finish(struct export_job *job, struct error *error)
{
    struct megadetector *state = job->state;
    struct job_visitor visitor = {.reject = put_reject, .user = job};
    enum error_code code = job_walk(job->view, job->phase, &visitor, error);
    sequence_close_array(&state->file, &state->text);
    if (code == OK)
        code = put_categories(job, error);
    put("},\n\"info\": {\"format_version\": \"1.4\", \"detector\": \"millrace\"}}\n",
        &state->text);
    return code == OK ? sequence_append(job, &state->file, &state->text, error) : code;
}

static const char *const options[] = {"--boxes", "--classes", NULL};
static const char *const names[] = {"", NULL};

const struct export_format export_megadetector = {
    .name = "megadetector",
    .summary = "boxes as MegaDetector's results, quarantined images as failures",
    .options = options,
    .names = names,
    .state_size = sizeof(struct megadetector),
    .open = megadetector_open,
    .encode = megadetector_encode,
    .place = megadetector_place,
    .write = sequence_write,
    .finish = megadetector_finish,
    .close = megadetector_close,
};
