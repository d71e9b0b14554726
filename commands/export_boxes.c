/* export_boxes.c - a record as an image with boxes, and the names of their classes */
#include "commands/export_boxes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/unicode.h"

enum {
    BOX_FLOATS = 6,
    CLASS_MAX = 1 << 24, /* above, floats skip whole numbers */
    WORDS = CLASS_MAX / 32 + 1,
    FILE_MAX = 64 << 20,
    PIECE = 1 << 16
};
static const float edge_max = 1e9F; /* as stages have it */

static struct box_classes *classes_of(const struct export_job *job)
{
    return job->state;
}

/* ---- names of classes ---- */

static enum error_code read_file(const char *path, struct bytes *text,
                                 struct error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_CONFIG, errno,
                               "cannot open the class names \"%s\"", path);
    errno = 0;
    for (size_t got = 1; got > 0 && text->size <= FILE_MAX; text->size += got) {
        unsigned char *room = bytes_reserve(text, PIECE);
        got = room ? fread(room, 1, PIECE, file) : 0;
    }
    int number = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (number != 0)
        return error_set_errno(error, ERROR_CONFIG, number,
                               "cannot read the class names \"%s\"", path);
    if (text->size > FILE_MAX)
        return error_set(error, ERROR_CONFIG,
                         "\"%s\" has more than 64 MiB: are these names of classes?",
                         path);
    return text->is_bad ? error_set(error, ERROR_MEMORY, "no memory for class names")
                        : OK;
}

/* What is wrong with a name, or NULL: they go into texts of many forms. */
static const char *fault_of(const unsigned char *name, size_t size)
{
    if (size == 0)
        return "a name is missing";
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code;
        length = unicode_decode(name + at, size - at, &code);
        if (length == 0)
            return "a name is not UTF-8";
        if (code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 ||
            code == 0x2029 || code == 0xFFFE || code == 0xFFFF)
            return "a name has a control character in it";
    }
    return NULL;
}

static enum error_code take_names(struct box_classes *classes, const struct bytes *text,
                                  struct error *error)
{
    static const unsigned char mark[] = {0xEF, 0xBB, 0xBF};
    const unsigned char *at = text->data, *end = at + text->size;
    if (text->size >= sizeof mark && memcmp(at, mark, sizeof mark) == 0)
        at += sizeof mark;
    while (at < end) {
        const unsigned char *line = memchr(at, '\n', (size_t)(end - at));
        line = line ? line : end;
        size_t size = (size_t)(line - at);
        size -= size > 0 && at[size - 1] == '\r';
        const char *fault = fault_of(at, size);
        if (fault || classes->count > CLASS_MAX)
            return error_set(error, ERROR_CONFIG, "%s:%" PRIu32 ": %s", classes->path,
                             classes->count + 1, fault ? fault : "too many classes");
        bytes_put(&classes->names, at, size);
        bytes_put_u32(&classes->ends, (uint32_t)classes->names.size);
        classes->count++;
        at = line + (line < end);
    }
    if (classes->count == 0)
        return error_set(error, ERROR_CONFIG, "\"%s\" names no class", classes->path);
    return classes->names.is_bad || classes->ends.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for class names")
               : OK;
}

enum error_code boxes_open(struct export_job *job, const struct batch *batch,
                           unsigned needs, struct error *error)
{
    struct box_classes *classes = classes_of(job);
    struct bytes text = {0};
    enum error_code code = OK;
    classes->path = job->options->classes;
    classes->is_seen = calloc(WORDS, sizeof *classes->is_seen);
    if (!classes->is_seen)
        return error_set(error, ERROR_MEMORY, "no memory for classes");
    if (classes->path)
        code = read_file(classes->path, &text, error);
    if (code == OK && classes->path)
        code = take_names(classes, &text, error);
    bytes_clear(&text);
    if (code == OK)
        code = export_check_column(batch, job->options->boxes, COLUMN_LIST_BOX, error);
    if (code == OK && needs & BOX_NEEDS_SIZE)
        code = export_check_column(batch, "width", COLUMN_I64, error);
    if (code == OK && needs & BOX_NEEDS_SIZE)
        code = export_check_column(batch, "height", COLUMN_I64, error);
    return code;
}

void boxes_close(struct export_job *job)
{
    struct box_classes *classes = classes_of(job);
    bytes_clear(&classes->names);
    bytes_clear(&classes->ends);
    free(classes->is_seen);
    classes->is_seen = NULL;
}

static void note_class(struct box_classes *classes, uint32_t class)
{
    uint32_t bit = (uint32_t)1 << class % 32;
    _Atomic uint32_t *word = &classes->is_seen[class / 32];
    if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
        (void)atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
}

const char *boxes_class_name(const struct export_job *job, uint32_t class, char *digits,
                             size_t *size)
{
    const struct box_classes *classes = classes_of(job);
    if (!classes->path) {
        *size = (size_t)snprintf(digits, 12, "%" PRIu32, class);
        return digits;
    }
    size_t begin = class ? load_u32(classes->ends.data + 4 * ((size_t) class - 1)) : 0;
    *size = load_u32(classes->ends.data + 4 * (size_t) class) - begin;
    return (const char *)classes->names.data + begin;
}

bool boxes_next_class(const struct export_job *job, bool is_first, uint32_t *class)
{
    const struct box_classes *classes = classes_of(job);
    uint32_t next = is_first ? 0 : *class + 1;
    if (!classes->path)
        while (next <= CLASS_MAX &&
               !(atomic_load(&classes->is_seen[next / 32]) >> next % 32 & 1))
            next++;
    if (next >= (classes->path ? classes->count : CLASS_MAX + 1U))
        return false;
    *class = next;
    return true;
}

uint32_t boxes_class_count(const struct export_job *job)
{
    uint32_t count = classes_of(job)->count, class = 0;
    for (bool is_first = true;
         !classes_of(job)->path && boxes_next_class(job, is_first, &class);
         is_first = false)
        count = class + 1;
    return count;
}

/* ---- records ---- */

static enum error_code get_length(const struct job_record *record, const char *name,
                                  uint32_t *length, struct error *error)
{
    const struct column *column;
    enum error_code code = export_get_column(record, name, &column, error);
    if (code != OK)
        return code;
    int64_t value = *(const int64_t *)column_row(column, record->row);
    if (value < 1 || value > INT32_MAX)
        return export_refuse(record, error, "a %s of %" PRId64 " pixels", name, value);
    *length = (uint32_t)value;
    return OK;
}

enum error_code boxes_get_any_image(struct export_job *job,
                                    const struct job_record *record, unsigned needs,
                                    struct boxed_image *image, struct error *error)
{
    const struct column *key, *boxes = batch_column(record->batch, job->options->boxes);
    *image = (struct boxed_image){.is_null = true};
    enum error_code code = export_get_column(record, "key", &key, error);
    if (code != OK)
        return code;
    image->key = column_row(key, record->row);
    image->key_size = (size_t)column_row_length(key, record->row);
    if (!boxes || boxes->type != COLUMN_LIST_BOX)
        return export_refuse(record, error, "it has no column \"%s\" of boxes",
                             job->options->boxes);
    if (column_is_valid(boxes, record->row)) {
        image->is_null = false;
        image->boxes = column_row(boxes, record->row);
        image->count = (size_t)column_row_length(boxes, record->row);
    }
    if (needs & BOX_NEEDS_SIZE) {
        code = get_length(record, "width", &image->width, error);
        if (code == OK)
            code = get_length(record, "height", &image->height, error);
    }
    return code;
}

enum error_code boxes_get_image(struct export_job *job, const struct job_record *record,
                                unsigned needs, struct boxed_image *image,
                                bool *is_wanted, struct error *error)
{
    enum export_nulls nulls = job->options->nulls;
    const struct column *boxes = batch_column(record->batch, job->options->boxes);
    *is_wanted = true;
    if (nulls == NULLS_SKIP && boxes && !column_is_valid(boxes, record->row)) {
        *is_wanted = false;
        return OK;
    }
    enum error_code code = boxes_get_any_image(job, record, needs, image, error);
    if (code == OK && image->is_null && nulls == NULLS_REFUSE)
        code = export_refuse(record, error,
                             "column \"%s\" is null, so nobody knows what the image "
                             "shows; --null-boxes skip leaves such images out, "
                             "--null-boxes empty takes them for ones without objects",
                             job->options->boxes);
    return code;
}

static bool is_held(float number, float max)
{
    return number >= -max && number <= max;
}

enum error_code boxes_get(struct export_job *job, const struct job_record *record,
                          const struct boxed_image *image, size_t i, struct box *box,
                          struct error *error)
{
    struct box_classes *classes = classes_of(job);
    const float *at = image->boxes + BOX_FLOATS * i;
    for (size_t k = 0; k < 5; k++)
        if (!is_held(at[k], edge_max))
            return export_refuse(record, error,
                                 "box %zu: %s is not a number from -1e9 "
                                 "to 1e9",
                                 i, k < 4 ? "an edge" : "the score");
    /* Zero may be added: it takes the sign off another one. */
    *box = (struct box){.x1 = (at[0] < at[2] ? at[0] : at[2]) + 0.0F,
                        .y1 = (at[1] < at[3] ? at[1] : at[3]) + 0.0F,
                        .x2 = (at[0] < at[2] ? at[2] : at[0]) + 0.0F,
                        .y2 = (at[1] < at[3] ? at[3] : at[1]) + 0.0F,
                        .score = at[4] + 0.0F};
    if (!(at[5] >= 0 && at[5] <= (float)CLASS_MAX) || at[5] != (float)(uint32_t)at[5])
        return export_refuse(record, error,
                             "box %zu: a class of %g, which is no whole number from 0 "
                             "to 2^24",
                             i, (double)at[5]);
    box->class = (uint32_t)at[5];
    if (classes->path && box->class >= classes->count)
        return export_refuse(record, error,
                             "box %zu: class %" PRIu32 " has no name: \"%s\" has %" PRIu32
                             ", for classes from 0",
                             i, box->class, classes->path, classes->count);
    note_class(classes, box->class);
    return OK;
}
