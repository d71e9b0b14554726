/* export_voc.c - Pascal VOC: a folder `Annotations` with an XML file an image */
#include "commands/export_format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_files.h"
#include "commands/export_text.h"

struct voc {
    struct box_classes classes;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static void put_element(const char *name, const char *text, size_t size,
                        struct bytes *out)
{
    put("<", out);
    put(name, out);
    put(">", out);
    text_put_xml(text, size, out);
    put("</", out);
    put(name, out);
    put(">\n", out);
}

/* ---- edges as whole numbers ---- */

struct span {
    int64_t min, max;
};

/* With base 1 as VOC's development kit counts: pixels from 1, both ends part of the box.
 * With base 0 edges, cut to whole numbers, as labelImg and supervision write them. Both
 * within the image. */
static struct span whole_span(float low, float high, uint32_t length, int base)
{
    double end = length;
    double begin = low < 0 ? 0 : (double)low > end ? end : (double)low;
    double stop = high < 0 ? 0 : (double)high > end ? end : (double)high;
    if (base == 0)
        return (struct span){(int64_t)begin, (int64_t)stop};
    struct span span = {(int64_t)floor(begin) + 1, (int64_t)ceil(stop)};
    if (span.min > (int64_t)length)
        span.min = (int64_t)length;
    if (span.max < span.min) /* it has no width: the pixel where it is */
        span.max = span.min;
    return span;
}

static void put_box(const struct export_job *job, const struct boxed_image *image,
                    const struct box *box, struct bytes *out)
{
    char text[200], digits[12];
    size_t size;
    int base = job->options->voc_base;
    struct span x = whole_span(box->x1, box->x2, image->width, base);
    struct span y = whole_span(box->y1, box->y2, image->height, base);
    const char *name = boxes_class_name(job, box->class, digits, &size);
    put("<object>\n", out);
    put_element("name", name, size, out);
    (void)snprintf(text, sizeof text,
                   "<pose>Unspecified</pose>\n<truncated>0</truncated>\n"
                   "<difficult>0</difficult>\n<bndbox>\n<xmin>%" PRId64 "</xmin>\n",
                   x.min);
    put(text, out);
    (void)snprintf(text, sizeof text,
                   "<ymin>%" PRId64 "</ymin>\n<xmax>%" PRId64 "</xmax>\n<ymax>%" PRId64
                   "</ymax>\n</bndbox>\n</object>\n",
                   y.min, x.max, y.max);
    put(text, out);
}

static void put_head(const struct boxed_image *image, struct bytes *out)
{
    char text[160];
    size_t name_size, folder_size = 0;
    const char *name = text_last_name(image->key, image->key_size, &name_size);
    const char *folder = "";
    if (name > image->key)
        folder =
            text_last_name(image->key, (size_t)(name - image->key) - 1, &folder_size);
    put("<annotation>\n", out);
    put_element("folder", folder, folder_size, out);
    put_element("filename", name, name_size, out);
    put_element("path", image->key, image->key_size, out);
    put("<source>\n<database>Unknown</database>\n</source>\n", out);
    (void)snprintf(text, sizeof text,
                   "<size>\n<width>%u</width>\n<height>%u</height>\n<depth>3</depth>\n"
                   "</size>\n<segmented>0</segmented>\n",
                   (unsigned)image->width, (unsigned)image->height);
    put(text, out);
}

static enum error_code voc_encode(struct export_job *job, const struct job_record *record,
                                  struct export_part *part, struct export_row *row,
                                  struct error *error)
{
    static const char folder[] = "Annotations/";
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    size_t before = part->data.size, side = part->side.size;
    enum error_code code =
        boxes_get_image(job, record, BOX_NEEDS_SIZE, &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    put(folder, &part->side);
    code = files_put_path(job, record, &image, ".xml", &part->side, error);
    put_head(&image, &part->data);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code == OK)
            put_box(job, &image, &box, &part->data);
    }
    put("</annotation>\n", &part->data);
    row->size = part->data.size - before;
    row->side = part->side.size - side;
    return code;
}

static enum error_code voc_open(struct export_job *job, const struct batch *batch,
                                struct error *error)
{
    return boxes_open(job, batch, BOX_NEEDS_SIZE, error);
}

static const char *const options[] = {"--boxes",    "--classes", "--null-boxes",
                                      "--voc-base", "--names",   NULL};
static const char *const names[] = {".xml", NULL};

const struct export_format export_voc = {
    .name = "voc",
    .summary = "a folder of Pascal VOC's XML files",
    .options = options,
    .names = names,
    .shape = EXPORT_TREE,
    .state_size = sizeof(struct voc),
    .open = voc_open,
    .encode = voc_encode,
    .place = files_place,
    .write = files_write,
    .close = boxes_close,
};
