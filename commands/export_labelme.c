/* export_labelme.c - LabelMe: a JSON file an image, which stands beside it */
#include "commands/export_format.h"

#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_files.h"
#include "commands/export_number.h"
#include "commands/export_text.h"
#include "core/json_write.h"

struct labelme {
    struct box_classes classes;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static void put_point(float x, float y, struct bytes *out)
{
    put("[", out);
    (void)number_put_f32(x, out);
    put(", ", out);
    (void)number_put_f32(y, out);
    put("]", out);
}

static void put_box(const struct export_job *job, const struct box *box,
                    struct bytes *out)
{
    char digits[12];
    size_t size;
    const char *name = boxes_class_name(job, box->class, digits, &size);
    put("{\"label\": ", out);
    json_put_text(name, size, out);
    put(", \"points\": [", out);
    put_point(box->x1, box->y1, out);
    put(", ", out);
    put_point(box->x2, box->y2, out);
    put("], \"group_id\": null, \"description\": \"\", \"shape_type\": \"rectangle\", "
        "\"flags\": {}, \"score\": ",
        out);
    (void)number_put_f32(box->score, out);
    put("}", out);
}

static enum error_code labelme_encode(struct export_job *job,
                                      const struct job_record *record,
                                      struct export_part *part, struct export_row *row,
                                      struct error *error)
{
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    char text[100];
    struct bytes *out = &part->data;
    size_t before = out->size, side = part->side.size, name_size;
    enum error_code code =
        boxes_get_image(job, record, BOX_NEEDS_SIZE, &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    code = files_put_path(job, record, &image, ".json", &part->side, error);
    put("{\"version\": \"5.0.0\", \"flags\": {}, \"shapes\": [", out);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code != OK)
            break;
        put(i ? ",\n" : "\n", out);
        put_box(job, &box, out);
    }
    put("],\n\"imagePath\": ", out);
    const char *name = text_last_name(image.key, image.key_size, &name_size);
    json_put_text(name, name_size, out);
    (void)snprintf(text, sizeof text,
                   ", \"imageData\": null, \"imageHeight\": %u, \"imageWidth\": %u}\n",
                   (unsigned)image.height, (unsigned)image.width);
    put(text, out);
    row->size = out->size - before;
    row->side = part->side.size - side;
    return code;
}

static enum error_code labelme_open(struct export_job *job, const struct batch *batch,
                                    struct error *error)
{
    return boxes_open(job, batch, BOX_NEEDS_SIZE, error);
}

static const char *const options[] = {"--boxes", "--classes", "--null-boxes", "--names",
                                      NULL};
static const char *const names[] = {".json", NULL};

const struct export_format export_labelme = {
    .name = "labelme",
    .summary = "a folder of LabelMe's JSON files",
    .options = options,
    .names = names,
    .shape = EXPORT_TREE,
    .state_size = sizeof(struct labelme),
    .open = labelme_open,
    .encode = labelme_encode,
    .place = files_place,
    .write = files_write,
    .close = boxes_close,
};
