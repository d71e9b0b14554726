/* coco_report.c - the scores of a COCO evaluation, for people and for programs */
#include "commands/coco_report.h"

#include <inttypes.h>
#include <string.h>

#include "core/bytes.h"
#include "core/json_write.h"
#include "core/unicode.h"

enum { NAME_COLUMNS = 19, ID_TEXT = 60, CLASS_STATS = 6 };

/* ---- for people ---- */

/* As much of a name as fits the columns; what is no printable text shows as "?". */
static void print_name(FILE *file, const char *name, size_t size)
{
    const unsigned char *at = (const unsigned char *)name;
    size_t columns = 0;
    while (size > 0) {
        uint32_t code = 0;
        size_t length = unicode_decode(at, size, &code);
        bool is_shown = length > 0 && code >= ' ' && (code < 0x7F || code >= 0xA0);
        columns += code >= 0x1100 ? 2 : 1; /* wide letters begin there */
        if (columns > NAME_COLUMNS)
            return;
        (void)fwrite(is_shown ? (const char *)at : "?", 1, is_shown ? length : 1, file);
        length = length ? length : 1;
        at += length;
        size -= length;
    }
}

static void print_class(FILE *file, const struct coco_data *data, uint32_t rank)
{
    char text[ID_TEXT];
    uint32_t number = data->categories.by_rank[rank];
    const struct coco_list_item *item = &data->categories.items[number];
    if (item->name && item->name_size > 0) {
        print_name(file, item->name, item->name_size);
        return;
    }
    (void)coco_id_format(&data->categories.ids.items[number], text, sizeof text);
    print_name(file, text, strlen(text));
}

void coco_report_table(FILE *file, const struct coco_data *data,
                       const struct coco_scores *scores)
{
    for (size_t i = 0; i < COCO_STATS; i++) {
        const struct coco_stat_name *name = &coco_stat_names[i];
        (void)fprintf(file, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %.3f\n",
                      name->is_recall ? "Average Recall" : "Average Precision",
                      name->is_recall ? "AR" : "AP", name->iou, name->area,
                      name->detections, scores->stats[i]);
    }
    (void)fputc('\n', file);
    for (size_t i = 0; i < CLASS_STATS; i++)
        (void)fprintf(file, "%7s", coco_stat_names[i].name);
    (void)fprintf(file, "%8s%9s  class\n", "truths", "results");
    for (uint32_t k = 0; k < scores->category_count; k++) {
        const struct coco_category_scores *category = &scores->categories[k];
        for (size_t i = 0; i < CLASS_STATS; i++)
            (void)fprintf(file, "%7.3f", category->stats[i]);
        (void)fprintf(file, "%8" PRIu64 "%9" PRIu64 "  ", category->truths,
                      category->detections);
        if (scores->category_count == data->categories.count)
            print_class(file, data, k);
        else
            (void)fputs("(all)", file);
        (void)fputc('\n', file);
    }
}

static void print_note(FILE *file, uint64_t count, const char *text)
{
    if (count > 0)
        (void)fprintf(file, "millrace: %" PRIu64 " %s\n", count, text);
}

void coco_report_notes(FILE *file, const struct coco_data *data)
{
    const struct coco_notes *notes = &data->notes;
    print_note(file, notes->results_without_category,
               "results are in categories that the data set does not list: they are left "
               "out, as pycocotools does");
    print_note(file, notes->truths_without_image,
               "annotations belong to images that the data set does not list: they are "
               "left out, as pycocotools does");
    print_note(file, notes->truths_without_category,
               "annotations are in categories that the data set does not list: they are "
               "left out, as pycocotools does");
    print_note(file, notes->truths_without_area,
               "annotations have no \"area\": their boxes' width times height is taken");
    print_note(
        file, notes->truths_with_zero_id,
        "annotation has the id 0: as in pycocotools, what finds it counts as wrong; "
        "count ids from 1");
}

/* ---- for programs ---- */

static void put(struct bytes *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

static void put_count(struct bytes *out, const char *before, uint64_t count)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, count);
    put(out, before);
    put(out, text);
}

static void put_class(const struct coco_data *data, const struct coco_scores *scores,
                      uint32_t rank, struct bytes *out)
{
    const struct coco_category_scores *category = &scores->categories[rank];
    uint32_t number = data->categories.by_rank[rank];
    const struct coco_list_item *item = &data->categories.items[number];
    const struct coco_id *id = &data->categories.ids.items[number];
    put(out, "{\"id\": ");
    if (id->text)
        json_put_text(id->text, id->size, out);
    else
        json_put_i64(id->number, out);
    put(out, ", \"name\": ");
    if (item->name)
        json_put_text(item->name, item->name_size, out);
    else
        put(out, "null");
    for (size_t i = 0; i < COCO_STATS; i++) {
        put(out, ", ");
        json_put_text(coco_stat_names[i].key, strlen(coco_stat_names[i].key), out);
        put(out, ": ");
        json_put_f64(category->stats[i], out);
    }
    put_count(out, ", \"truths\": ", category->truths);
    put_count(out, ", \"results\": ", category->detections);
    put(out, "}");
}

void coco_report_json(const struct coco_data *data, const struct coco_scores *scores,
                      bool is_class_agnostic, struct bytes *out)
{
    const struct coco_notes *notes = &data->notes;
    put(out, "{\"stats\": [");
    for (size_t i = 0; i < COCO_STATS; i++) {
        put(out, i ? ", " : "");
        json_put_f64(scores->stats[i], out);
    }
    put(out, "],\n \"names\": [");
    for (size_t i = 0; i < COCO_STATS; i++) {
        put(out, i ? ", " : "");
        json_put_text(coco_stat_names[i].key, strlen(coco_stat_names[i].key), out);
    }
    put(out, "],\n \"iou_type\": \"bbox\", \"class_agnostic\": ");
    put(out, is_class_agnostic ? "true" : "false");
    put_count(out, ", \"images\": ", data->images.count);
    put_count(out, ", \"annotations\": ", data->truth_count);
    put_count(out, ", \"results\": ", data->detection_count);
    put_count(out, ",\n \"left_out\": {\"annotations_without_image\": ",
              notes->truths_without_image);
    put_count(out,
              ", \"annotations_without_category\": ", notes->truths_without_category);
    put_count(out, ", \"results_without_category\": ", notes->results_without_category);
    put_count(out, ", \"results_not_chosen\": ", notes->results_not_chosen);
    put(out, "},\n \"classes\": [");
    for (uint32_t k = 0; !is_class_agnostic && k < scores->category_count; k++) {
        put(out, k ? ",\n  " : "\n  ");
        put_class(data, scores, k, out);
    }
    put(out, "]}\n");
}
