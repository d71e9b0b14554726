/* coco_files.c - a COCO data set and results for it, read for an evaluation */
#include "commands/coco_files.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json_read.h"

enum { ID_TEXT = 60, BOX_NUMBERS = 4 };

#define FIELD(text)                                   \
    {                                                 \
        .name = (text), .name_size = sizeof(text) - 1 \
    }

static enum error_code no_memory(const char *path, struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory for what \"%s\" holds", path);
}

/* ---- lists ---- */

static enum error_code list_add(struct coco_list *list, const struct coco_id *id,
                                uint32_t *number, struct error *error)
{
    bool is_new;
    enum error_code code = coco_ids_add(&list->ids, id, number, &is_new, error);
    if (code != OK || !is_new)
        return code;
    struct coco_list_item *items =
        array_grow(list->items, &list->capacity, list->ids.count, sizeof *items);
    if (!items)
        return error_set(error, ERROR_MEMORY, "no memory for %u ids", list->ids.count);
    list->items = items;
    return OK;
}

static void list_clear(struct coco_list *list)
{
    coco_ids_clear(&list->ids);
    free(list->items);
    list->items = NULL;
}

bool coco_choose(struct coco_list *list, const char *text, size_t size)
{
    bool is_found = false;
    struct coco_id id = coco_id_parse(text, size);
    struct coco_id spelled = {.text = text, .size = size};
    uint32_t number = coco_ids_find(&list->ids, &id);
    for (uint32_t i = 0; i < list->ids.count; i++) {
        struct coco_list_item *item = &list->items[i];
        if (item->is_listed && item->name && item->name_size == size &&
            memcmp(item->name, text, size) == 0)
            is_found = item->is_chosen = true;
    }
    if (number == UINT32_MAX) /* a text of digits may be the id of an image */
        number = coco_ids_find(&list->ids, &spelled);
    if (!is_found && number != UINT32_MAX && list->items[number].is_listed)
        is_found = list->items[number].is_chosen = true;
    list->has_choice = true;
    return is_found;
}

struct ranking {
    const struct coco_id *id;
    uint32_t number;
};

static int compare_rankings(const void *left, const void *right)
{
    const struct ranking *a = left, *b = right;
    return coco_id_compare(a->id, b->id);
}

/* np.unique() of the ids that take part. */
static bool rank_list(struct coco_list *list, struct arena *arena)
{
    struct ranking *order = ARENA_RAW(arena, struct ranking, (size_t)list->ids.count + 1);
    uint32_t *by_rank = ARENA_RAW(arena, uint32_t, (size_t)list->ids.count + 1);
    if (!order || !by_rank)
        return false;
    list->count = 0;
    for (uint32_t i = 0; i < list->ids.count; i++) {
        struct coco_list_item *item = &list->items[i];
        item->rank = UINT32_MAX;
        if (item->is_listed && (item->is_chosen || !list->has_choice))
            order[list->count++] = (struct ranking){&list->ids.items[i], i};
    }
    qsort(order, list->count, sizeof *order, compare_rankings);
    for (uint32_t i = 0; i < list->count; i++) {
        list->items[order[i].number].rank = i;
        by_rank[i] = order[i].number;
    }
    list->by_rank = by_rank;
    return true;
}

/* ---- values ---- */

/* "bbox": [x, y, width, height] */
static enum error_code take_box(struct json_reader *reader,
                                const struct json_value *value, struct coco_box *box,
                                struct error *error)
{
    const double *n = value->numbers;
    if (value->type == JSON_ABSENT)
        return json_reader_refuse(reader, error,
                                  "\"bbox\" is missing; only boxes are evaluated");
    if (value->type != JSON_ARRAY || !value->is_numeric || value->width != 0 ||
        value->number_count != BOX_NUMBERS)
        return json_reader_refuse(
            reader, error, "\"bbox\" is not four finite numbers [x, y, width, height]");
    *box = (struct coco_box){n[0], n[1], n[2], n[3]};
    return OK;
}

static enum error_code take_id(struct json_reader *reader, const struct json_value *value,
                               const char *name, struct coco_id *id, struct error *error)
{
    if (value->type == JSON_ABSENT)
        return json_reader_refuse(reader, error, "\"%s\" is missing", name);
    if (!coco_id_read(value, id))
        return json_reader_refuse(
            reader, error, "\"%s\" is neither a whole number of 64 bits nor a text",
            name);
    return OK;
}

static enum error_code take_number(struct json_reader *reader,
                                   const struct json_value *value, const char *name,
                                   double *number, struct error *error)
{
    if (value->type == JSON_ABSENT)
        return json_reader_refuse(reader, error, "\"%s\" is missing", name);
    if (value->type != JSON_NUMBER || !json_number(value->data, value->size, number))
        return json_reader_refuse(reader, error, "\"%s\" is not a finite number", name);
    return OK;
}

/* ---- the data set ---- */

/* What is read of the data set, and only while it is. */
struct truth_reading {
    struct coco_data *data;
    struct json_reader *reader;
    struct coco_ids annotations;
};

typedef enum error_code (*take_element)(struct truth_reading *reading,
                                        struct error *error);

static enum error_code take_image(struct truth_reading *reading, struct error *error)
{
    static const struct json_field fields[] = {FIELD("id")};
    struct coco_list *images = &reading->data->images;
    struct json_value value;
    struct coco_id id = {0};
    uint32_t number = 0;
    enum error_code code = json_reader_take(reading->reader, fields, 1, &value, error);
    if (code == OK)
        code = take_id(reading->reader, &value, "id", &id, error);
    if (code == OK)
        code = list_add(images, &id, &number, error);
    if (code == OK)
        images->items[number].is_listed = true;
    return code;
}

static enum error_code take_category(struct truth_reading *reading, struct error *error)
{
    static const struct json_field fields[] = {FIELD("id"), FIELD("name")};
    struct coco_data *data = reading->data;
    struct json_value values[2];
    const struct json_value *name = &values[1];
    struct coco_id id = {0};
    uint32_t number = 0;
    enum error_code code = json_reader_take(reading->reader, fields, 2, values, error);
    if (code == OK)
        code = take_id(reading->reader, &values[0], "id", &id, error);
    if (code == OK)
        code = list_add(&data->categories, &id, &number, error);
    if (code != OK)
        return code;
    struct coco_list_item *item = &data->categories.items[number];
    item->is_listed = true;
    if (name->type != JSON_STRING)
        return OK;
    item->name = arena_copy_text(data->arena, (const char *)name->data, name->size);
    item->name_size = name->size;
    return item->name ? OK : no_memory(data->truth_path, error);
}

/* pycocotools looks annotations up by their ids: of two with one id it counts the later
 * one twice. */
static enum error_code take_annotation_id(struct truth_reading *reading,
                                          const struct json_value *value, bool *is_zero,
                                          struct error *error)
{
    char text[ID_TEXT];
    struct coco_id id = {0};
    uint32_t number = 0;
    bool is_new = false;
    enum error_code code = take_id(reading->reader, value, "id", &id, error);
    if (code == OK)
        code = coco_ids_add(&reading->annotations, &id, &number, &is_new, error);
    if (code == OK && !is_new)
        return json_reader_refuse(
            reading->reader, error,
            "annotation id %s is there already; give each annotation an id of its own",
            coco_id_format(&id, text, sizeof text));
    *is_zero = code == OK && !id.text && id.number == 0;
    reading->data->notes.truths_with_zero_id += *is_zero;
    return code;
}

/* 0, 1, false, true; nothing and null are false, any number but 0 true, as in Python. */
static enum error_code take_crowd(struct json_reader *reader,
                                  const struct json_value *value, bool *is_crowd,
                                  struct error *error)
{
    double number = 0;
    *is_crowd = value->type == JSON_BOOL && value->data[0] == 't';
    if (value->type != JSON_NUMBER) {
        bool is_good = value->type == JSON_ABSENT || value->type == JSON_NULL ||
                       value->type == JSON_BOOL;
        return is_good ? OK
                       : json_reader_refuse(reader, error, "\"iscrowd\" is not 0 or 1");
    }
    enum error_code code = take_number(reader, value, "iscrowd", &number, error);
    *is_crowd = number < 0 || number > 0;
    return code;
}

static enum error_code take_area(struct truth_reading *reading,
                                 const struct json_value *value, struct coco_truth *truth,
                                 struct error *error)
{
    if (value->type != JSON_ABSENT && value->type != JSON_NULL)
        return take_number(reading->reader, value, "area", &truth->area, error);
    truth->area = truth->box.width * truth->box.height;
    reading->data->notes.truths_without_area++;
    return OK;
}

static enum error_code take_annotation(struct truth_reading *reading, struct error *error)
{
    enum { ID, IMAGE, CATEGORY, BOX, AREA, CROWD, FIELDS };
    static const struct json_field fields[FIELDS] = {
        [ID] = FIELD("id"),     [IMAGE] = FIELD("image_id"),
        [BOX] = FIELD("bbox"),  [CATEGORY] = FIELD("category_id"),
        [AREA] = FIELD("area"), [CROWD] = FIELD("iscrowd")};
    struct coco_data *data = reading->data;
    struct json_reader *reader = reading->reader;
    struct json_value values[FIELDS];
    struct coco_truth truth = {0};
    struct coco_id image = {0}, category = {0};
    enum error_code code = json_reader_take(reader, fields, FIELDS, values, error);
    if (code == OK)
        code = take_id(reader, &values[IMAGE], "image_id", &image, error);
    if (code == OK)
        code = take_id(reader, &values[CATEGORY], "category_id", &category, error);
    if (code == OK)
        code = take_box(reader, &values[BOX], &truth.box, error);
    if (code == OK)
        code = take_area(reading, &values[AREA], &truth, error);
    if (code == OK)
        code = take_crowd(reader, &values[CROWD], &truth.is_crowd, error);
    if (code == OK)
        code = take_annotation_id(reading, &values[ID], &truth.has_zero_id, error);
    if (code == OK)
        code = list_add(&data->images, &image, &truth.image, error);
    if (code == OK)
        code = list_add(&data->categories, &category, &truth.category, error);
    if (code != OK)
        return code;
    struct coco_truth *truths = array_grow(data->truths, &data->truth_room,
                                           data->truth_count + 1, sizeof *truths);
    if (!truths)
        return no_memory(data->truth_path, error);
    data->truths = truths;
    truths[data->truth_count++] = truth;
    return OK;
}

static enum error_code take_section(struct truth_reading *reading, take_element take,
                                    struct error *error)
{
    bool has_next = true;
    enum error_code code = json_reader_enter(reading->reader, error);
    while (code == OK && has_next) {
        code = json_reader_next(reading->reader, NULL, &has_next, error);
        if (code == OK && has_next)
            code = take(reading, error);
    }
    return code;
}

static const struct section {
    const char *name;
    take_element take;
} sections[] = {{"images", take_image},
                {"annotations", take_annotation},
                {"categories", take_category}};
enum { SECTIONS = sizeof sections / sizeof *sections };

static enum error_code take_field(struct truth_reading *reading, const char *name,
                                  bool seen[SECTIONS], struct error *error)
{
    enum json_type type = JSON_ABSENT;
    size_t i = 0;
    while (i < SECTIONS && strcmp(sections[i].name, name) != 0)
        i++;
    if (i == SECTIONS)
        return json_reader_skip(reading->reader, error);
    enum error_code code = json_reader_type(reading->reader, &type, error);
    if (code != OK)
        return code;
    if (seen[i])
        return json_reader_refuse(reading->reader, error, "there is one already");
    if (type != JSON_ARRAY)
        return json_reader_refuse(reading->reader, error, "this is not an array");
    seen[i] = true;
    return take_section(reading, sections[i].take, error);
}

static enum error_code take_data_set(struct truth_reading *reading, struct error *error)
{
    struct json_reader *reader = reading->reader;
    enum json_type type = JSON_ABSENT;
    bool seen[SECTIONS] = {false}, has_next = true;
    const char *name = NULL;
    enum error_code code = json_reader_type(reader, &type, error);
    if (code == OK && type != JSON_OBJECT)
        code =
            json_reader_refuse(reader, error,
                               "this is no data set, an object with images, annotations "
                               "and categories; is it the file of results?");
    if (code == OK)
        code = json_reader_enter(reader, error);
    while (code == OK && has_next) {
        code = json_reader_next(reader, &name, &has_next, error);
        if (code == OK && has_next)
            code = take_field(reading, name, seen, error);
    }
    if (code == OK)
        code = json_reader_finish(reader, error);
    for (size_t i = 0; code == OK && i < SECTIONS; i++)
        if (!seen[i])
            code = error_set(error, ERROR_DAMAGED,
                             "%s: there is no \"%s\"; a data set has images, annotations "
                             "and categories",
                             reading->data->truth_path, sections[i].name);
    return code;
}

enum error_code coco_read_truth(struct coco_data *data, const char *path,
                                struct error *error)
{
    struct truth_reading reading = {.data = data, .annotations = {.arena = data->arena}};
    data->truth_path = path;
    enum error_code code = json_reader_open(path, &reading.reader, error);
    if (code == OK)
        code = take_data_set(&reading, error);
    json_reader_destroy(reading.reader);
    coco_ids_clear(&reading.annotations);
    return code;
}

enum error_code coco_settle(struct coco_data *data, struct error *error)
{
    size_t kept = 0;
    if (!rank_list(&data->images, data->arena) ||
        !rank_list(&data->categories, data->arena))
        return no_memory(data->truth_path, error);
    for (size_t i = 0; i < data->truth_count; i++) {
        struct coco_truth truth = data->truths[i];
        const struct coco_list_item *image = &data->images.items[truth.image];
        const struct coco_list_item *category = &data->categories.items[truth.category];
        data->notes.truths_without_image += !image->is_listed;
        data->notes.truths_without_category += !category->is_listed;
        truth.image = image->rank;
        truth.category = category->rank;
        if (image->rank != UINT32_MAX && category->rank != UINT32_MAX)
            data->truths[kept++] = truth;
    }
    data->truth_count = kept;
    return OK;
}

/* ---- the results ---- */

/* Where a result belongs; *counts is false when it is to be left out. */
static enum error_code place_result(struct coco_data *data, struct json_reader *reader,
                                    const struct coco_id *image,
                                    const struct coco_id *category,
                                    struct coco_detection *detection, bool *counts,
                                    struct error *error)
{
    char text[ID_TEXT];
    uint32_t image_number = coco_ids_find(&data->images.ids, image);
    uint32_t category_number = coco_ids_find(&data->categories.ids, category);
    *counts = false;
    if (image_number == UINT32_MAX || !data->images.items[image_number].is_listed)
        return json_reader_refuse(reader, error,
                                  "image_id %s is not among the images of \"%.120s\"; "
                                  "leave its results out, or "
                                  "take the data set that they were made for",
                                  coco_id_format(image, text, sizeof text),
                                  data->truth_path);
    if (category_number == UINT32_MAX ||
        !data->categories.items[category_number].is_listed) {
        data->notes.results_without_category++;
        return OK;
    }
    detection->image = data->images.items[image_number].rank;
    detection->category = data->categories.items[category_number].rank;
    *counts = detection->image != UINT32_MAX && detection->category != UINT32_MAX;
    data->notes.results_not_chosen += !*counts;
    return OK;
}

static enum error_code take_result(struct coco_data *data, const char *path,
                                   struct json_reader *reader, struct error *error)
{
    enum { IMAGE, CATEGORY, BOX, SCORE, FIELDS };
    static const struct json_field fields[FIELDS] = {[IMAGE] = FIELD("image_id"),
                                                     [CATEGORY] = FIELD("category_id"),
                                                     [BOX] = FIELD("bbox"),
                                                     [SCORE] = FIELD("score")};
    struct json_value values[FIELDS];
    struct coco_detection detection = {0};
    struct coco_id image = {0}, category = {0};
    bool counts = false;
    enum error_code code = json_reader_take(reader, fields, FIELDS, values, error);
    if (code == OK)
        code = take_id(reader, &values[IMAGE], "image_id", &image, error);
    if (code == OK)
        code = take_id(reader, &values[CATEGORY], "category_id", &category, error);
    if (code == OK)
        code = take_box(reader, &values[BOX], &detection.box, error);
    if (code == OK)
        code = take_number(reader, &values[SCORE], "score", &detection.score, error);
    if (code == OK)
        code = place_result(data, reader, &image, &category, &detection, &counts, error);
    if (code != OK || !counts)
        return code;
    struct coco_detection *detections =
        array_grow(data->detections, &data->detection_room, data->detection_count + 1,
                   sizeof *detections);
    if (!detections)
        return no_memory(path, error);
    data->detections = detections;
    detections[data->detection_count++] = detection;
    return OK;
}

enum error_code coco_read_results(struct coco_data *data, const char *path,
                                  struct error *error)
{
    struct json_reader *reader = NULL;
    enum json_type type = JSON_ABSENT;
    bool has_next = true;
    enum error_code code = json_reader_open(path, &reader, error);
    if (code == OK)
        code = json_reader_type(reader, &type, error);
    if (code == OK && type != JSON_ARRAY)
        code = json_reader_refuse(reader, error,
                                  "results are an array of objects with image_id, "
                                  "category_id, bbox and score; is this the data set?");
    if (code == OK)
        code = json_reader_enter(reader, error);
    while (code == OK && has_next) {
        code = json_reader_next(reader, NULL, &has_next, error);
        if (code == OK && has_next)
            code = take_result(data, path, reader, error);
    }
    if (code == OK)
        code = json_reader_finish(reader, error);
    json_reader_destroy(reader);
    return code;
}

void coco_data_init(struct coco_data *data, struct arena *arena)
{
    *data = (struct coco_data){.arena = arena,
                               .images = {.ids = {.arena = arena}},
                               .categories = {.ids = {.arena = arena}}};
}

void coco_data_clear(struct coco_data *data)
{
    list_clear(&data->images);
    list_clear(&data->categories);
    free(data->truths);
    free(data->detections);
    data->truths = NULL;
    data->detections = NULL;
}
