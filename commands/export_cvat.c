/* export_cvat.c - CVAT for images, version 1.1: an XML file
 *
 * Its labels stand at the beginning. Without --classes they are known when all records
 * have been gone through, so that is done once more then. */
#include "commands/export_format.h"

#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_number.h"
#include "commands/export_sequence.h"
#include "commands/export_text.h"

struct cvat {
    struct box_classes classes;
    struct export_sequence file;
};

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

static bool is_looking(const struct export_job *job)
{
    return !job->options->classes && job->pass == 0;
}

static enum error_code write_head(struct export_job *job, struct error *error)
{
    struct cvat *state = job->state;
    struct bytes text = {0};
    char digits[12];
    uint32_t class = 0;
    enum error_code code = OK;
    put("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n"
        "<version>1.1</version>\n<meta>\n<task>\n<labels>\n",
        &text);
    for (bool is_first = true; code == OK && boxes_next_class(job, is_first, &class);
         is_first = false) {
        size_t size;
        const char *name = boxes_class_name(job, class, digits, &size);
        put("<label><name>", &text);
        text_put_xml(name, size, &text);
        put("</name><attributes></attributes></label>\n", &text);
        code = sequence_flush(job, &state->file, &text, error);
    }
    put("</labels>\n</task>\n</meta>\n", &text);
    if (code == OK)
        code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static enum error_code cvat_open(struct export_job *job, const struct batch *batch,
                                 struct error *error)
{
    enum error_code code = boxes_open(job, batch, BOX_NEEDS_SIZE, error);
    return code == OK && job->options->classes ? write_head(job, error) : code;
}

static enum error_code cvat_next_pass(struct export_job *job, bool *is_wanted,
                                      struct error *error)
{
    struct cvat *state = job->state;
    if (!is_looking(job))
        return OK;
    *is_wanted = true;
    state->file = (struct export_sequence){0};
    return write_head(job, error);
}

static void put_edge(const char *name, float value, struct bytes *out)
{
    put(name, out);
    put("=\"", out);
    (void)number_put_f32(value, out);
    put("\"", out);
}

static void put_box(const struct export_job *job, const struct box *box,
                    struct bytes *out)
{
    char digits[12];
    size_t size;
    const char *name = boxes_class_name(job, box->class, digits, &size);
    put("<box label=\"", out);
    text_put_xml(name, size, out);
    put("\" source=\"auto\" occluded=\"0\"", out);
    put_edge(" xtl", box->x1, out);
    put_edge(" ytl", box->y1, out);
    put_edge(" xbr", box->x2, out);
    put_edge(" ybr", box->y2, out);
    put(" z_order=\"0\"></box>\n", out);
}

static enum error_code cvat_encode(struct export_job *job,
                                   const struct job_record *record,
                                   struct export_part *part, struct export_row *row,
                                   struct error *error)
{
    struct boxed_image image;
    struct box box;
    bool is_wanted;
    char text[80];
    struct bytes *out = &part->data;
    size_t before = out->size;
    enum error_code code =
        boxes_get_image(job, record, BOX_NEEDS_SIZE, &image, &is_wanted, error);
    if (code != OK || !is_wanted)
        return code;
    put("<image id=\"", out);
    bytes_put_u8(out, SEQUENCE_IMAGE);
    put("\" name=\"", out);
    text_put_xml(image.key, image.key_size, out);
    (void)snprintf(text, sizeof text, "\" width=\"%u\" height=\"%u\">\n",
                   (unsigned)image.width, (unsigned)image.height);
    put(text, out);
    for (size_t i = 0; code == OK && i < image.count; i++) {
        code = boxes_get(job, record, &image, i, &box, error);
        if (code == OK)
            put_box(job, &box, out);
    }
    put("</image>\n", out);
    row->side = 1;
    row->size = out->size - before;
    if (is_looking(job)) { /* only for the classes that there are */
        *row = (struct export_row){0};
        out->size = out->is_bad ? out->size : before;
    }
    return code;
}

static enum error_code cvat_place(struct export_job *job, struct export_part *part,
                                  struct error *error)
{
    struct cvat *state = job->state;
    return sequence_place(job, &state->file, part, error);
}

static enum error_code cvat_finish(struct export_job *job, struct error *error)
{
    struct cvat *state = job->state;
    struct bytes text = {0};
    put("</annotations>\n", &text);
    enum error_code code = sequence_append(job, &state->file, &text, error);
    bytes_clear(&text);
    return code;
}

static const char *const options[] = {"--boxes", "--classes", "--null-boxes", NULL};
static const char *const names[] = {"", NULL};

const struct export_format export_cvat = {
    .name = "cvat",
    .summary = "boxes as CVAT's XML for images, version 1.1",
    .options = options,
    .names = names,
    .state_size = sizeof(struct cvat),
    .open = cvat_open,
    .encode = cvat_encode,
    .place = cvat_place,
    .write = sequence_write,
    .next_pass = cvat_next_pass,
    .finish = cvat_finish,
    .close = boxes_close,
};
