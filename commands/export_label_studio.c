/* export_label_studio.c - Label Studio: a task an image, with its boxes as a prediction */
#include "commands/export_format.h"

#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_number.h"
#include "commands/export_sequence.h"
#include "commands/export_text.h"
#include "core/json_write.h"

static const double percent = 100, finest = 1e-11;

struct label_studio {
    struct box_classes classes;
    struct export_sequence file;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static enum error_code label_studio_open(struct export_job *job,
                                         const struct batch *batch, struct error *error)
{
    struct label_studio *state = job->state;
    state->file = (struct export_sequence){.opening = '['};
    return boxes_open(job, batch, BOX_NEEDS_SIZE, error);
}

/* Behind a root the key is a part of a URL; else it stands as it is. */
static void put_place(const struct export_job *job, const struct boxed_image *image,
                      struct bytes *out)
{
    const char *root = job->options->image_root;
    if (!root) {
        json_put_text(image->key, image->key_size, out);
        return;
    }
    json_put_text(root, strlen(root), out);
    if (out->is_bad)
        return;
    out->size--; /* the quote */
    text_put_url(image->key, image->key_size, out);
    put("\"", out);
}

static void put_box(const struct export_job *job, const struct boxed_image *image,
                    const struct box *box, size_t number, struct bytes *out)
{
    char text[200], digits[12];
    double across = percent / image->width, down = percent / image->height;
    size_t size;
    (void)snprintf(text, sizeof text,
                   "{\"id\": \"%zu\", \"type\": \"rectanglelabels\", \"from_name\": "
                   "\"label\", \"to_name\": \"image\", \"original_width\": %u, "
                   "\"original_height\": %u, \"image_rotation\": 0, \"value\": {\"x\": ",
                   number, (unsigned)image->width, (unsigned)image->height);
    put(text, out);
    double x = number_put_begin(box->x1, across, finest, out);
    put(", \"y\": ", out);
    double y = number_put_begin(box->y1, down, finest, out);
    put(", \"width\": ", out);
    (void)number_put_extent(box->x2, x, across, finest, out);
    put(", \"height\": ", out);
    (void)number_put_extent(box->y2, y, down, finest, out);
    put(", \"rotation\": 0, \"rectanglelabels\": [", out);
    const char *name = boxes_class_name(job, box->class, digits, &size);
    json_put_text(name, size, out);
    put("]}, \"score\": ", out);
    (void)number_put_f32(box->score, out);
    put("}", out);
}

static enum error_code label_studio_encode(struct export_job *job,
                                           const struct job_record *record,
                                           struct export_part *part,
                                           struct export_row *row, struct error *error)
{
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    struct bytes *out = &part->data;
    size_t before = out->size;
    enum error_code code =
        boxes_get_image(job, record, BOX_NEEDS_SIZE, &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    put(",\n{\"data\": {\"image\": ", out);
    put_place(job, &image, out);
    put("}, \"predictions\": [{\"model_version\": \"millrace\", \"result\": [", out);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code != OK)
            break;
        put(i ? ",\n " : "\n ", out);
        put_box(job, &image, &box, i + 1, out);
    }
    put("]}]}", out);
    row->size = out->size - before;
    return code;
}

static enum error_code label_studio_place(struct export_job *job,
                                          struct export_part *part, struct error *error)
{
    struct label_studio *state = job->state;
    return sequence_place(job, &state->file, part, error);
}

static enum error_code label_studio_finish(struct export_job *job, struct error *error)
{
    struct label_studio *state = job->state;
    struct bytes text = {0};
    sequence_close_array(&state->file, &text);
    put("\n", &text);
    enum error_code code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static const char *const options[] = {"--boxes", "--classes", "--null-boxes",
                                      "--image-root", NULL};
static const char *const names[] = {"", NULL};

const struct export_format export_label_studio = {
    .name = "label-studio",
    .summary = "a Label Studio task an image, boxes as its prediction",
    .options = options,
    .names = names,
    .state_size = sizeof(struct label_studio),
    .open = label_studio_open,
    .encode = label_studio_encode,
    .place = label_studio_place,
    .write = sequence_write,
    .finish = label_studio_finish,
    .close = boxes_close,
};
