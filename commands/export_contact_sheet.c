/* export_contact_sheet.c - pages of thumbnails with their boxes, to look through
 *
 * A folder of NNNNNN.html, each complete in itself: small JPEGs in data URLs, boxes drawn on
 * them, no script and nothing from elsewhere. Pictures come from a column of the job, or from
 * files below a folder, by their keys. */
#include "commands/export_format.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "commands/export_boxes.h"
#include "commands/export_text.h"
#include "commands/thumbnail.h"
#include "core/base64.h"

enum { PAGE_RECORDS = 200, MAKERS_MAX = 64, NAME_SIZE = 32, PATH_SIZE = 4096 };
enum { FILE_MAX = 1 << 30, LISTED_MAX = 24 /* boxes named below a picture */ };
static const char html_end[] = ".html";

struct sheet {
    struct box_classes classes;
    struct export_fill fill;
    const char *column;   /* of the pictures; NULL: files */
    pthread_mutex_t lock; /* of the makers */
    bool has_lock;
    struct thumbnail_maker *makers[MAKERS_MAX]; /* owned: those that no thread has */
    size_t maker_count;
};

static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Contact "
    "sheet</title>\n"
    "<style>\n:root { color-scheme: light dark; --back: #fff; --card: #f2f2f2; --text: "
    "#1c1c1c;"
    " --dim: #666 }\n"
    "@media (prefers-color-scheme: dark) { :root { --back: #161616; --card: #242424;"
    " --text: #e6e6e6; --dim: #9a9a9a } }\n"
    "body { margin: 1rem; background: var(--back); color: var(--text);"
    " font: 14px/1.35 system-ui, sans-serif }\n"
    "main { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr));"
    " gap: .8rem }\n"
    "figure { margin: 0; padding: .5rem; background: var(--card); border-radius: 4px }\n"
    "img { display: block; margin: 0 auto .4rem; max-width: 100% }\n"
    "figcaption { overflow-wrap: anywhere } small { color: var(--dim) }\n"
    ".none { padding: 4rem .5rem; text-align: center; color: var(--dim) }\n"
    "nav { margin: 1rem 0 } nav a { color: inherit; margin-right: 1rem }\n"
    "</style>\n<main>\n";

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

/* ---- thumbnails ---- */

static enum error_code take_maker(struct sheet *state, struct thumbnail_maker **maker,
                                  struct error *error)
{
    *maker = NULL;
    (void)pthread_mutex_lock(&state->lock);
    if (state->maker_count > 0)
        *maker = state->makers[--state->maker_count];
    (void)pthread_mutex_unlock(&state->lock);
    return *maker ? OK : thumbnail_maker_create(maker, error);
}

static void give_maker(struct sheet *state, struct thumbnail_maker *maker)
{
    (void)pthread_mutex_lock(&state->lock);
    bool is_kept = maker && state->maker_count < MAKERS_MAX;
    if (is_kept)
        state->makers[state->maker_count++] = maker;
    (void)pthread_mutex_unlock(&state->lock);
    if (!is_kept)
        thumbnail_maker_destroy(maker);
}

/* The picture's file below --pictures. NULL, or why there is none. */
static const char *read_picture(const struct export_job *job, const char *key,
                                size_t key_size, struct bytes *room)
{
    char path[PATH_SIZE];
    struct bytes safe = {0};
    const char *fault = text_put_path(key, key_size, &safe);
    bool is_plain =
        !fault && safe.size == key_size && memcmp(safe.data, key, key_size) == 0;
    bytes_clear(&safe);
    if (!is_plain)
        return "its key is not the path of a file below the folder";
    int size = snprintf(path, sizeof path, "%s/%.*s", job->options->pictures,
                        (int)key_size, key);
    if (size < 0 || size >= PATH_SIZE)
        return "its path is too long";
    FILE *file = fopen(path, "rb");
    if (!file)
        return strerror(errno);
    size_t got = 1;
    while (got > 0 && room->size < FILE_MAX) {
        unsigned char *place = bytes_reserve(room, 1 << 16);
        got = place ? fread(place, 1, 1 << 16, file) : 0;
        room->size += got;
    }
    bool is_bad = ferror(file) || room->is_bad || got > 0;
    (void)fclose(file);
    return is_bad ? "it cannot be read" : NULL;
}

static uint32_t number_of(const struct job_record *record, const char *name)
{
    const struct column *column = batch_column(record->batch, name);
    if (!column || column->type != COLUMN_I64 || !column_is_valid(column, record->row))
        return 0;
    int64_t value = ((const int64_t *)column->data)[record->row];
    return value > 0 && value <= INT32_MAX ? (uint32_t)value : 0;
}

/* *reason: why there is no thumbnail. */
static enum error_code make_thumbnail(struct export_job *job,
                                      const struct job_record *record,
                                      const struct boxed_image *image,
                                      struct thumbnail_maker *maker,
                                      struct thumbnail *thumbnail, struct error *error)
{
    const struct sheet *state = job->state;
    struct thumbnail_source source = {.width = number_of(record, "width"),
                                      .height = number_of(record, "height"),
                                      .boxes = image->boxes,
                                      .count = image->count};
    *thumbnail = (struct thumbnail){0};
    if (state->column) {
        const struct column *column = batch_column(record->batch, state->column);
        if (!column || !column_is_valid(column, record->row)) {
            thumbnail->reason = "no_picture";
            return OK;
        }
        source.data = column_row(column, record->row);
        source.size = (size_t)column_row_length(column, record->row);
        if (column->type == COLUMN_IMAGE_U8)
            source.shape = column->shapes + 3 * (size_t)record->row;
    } else {
        struct bytes *room = thumbnail_maker_room(maker);
        thumbnail->reason = read_picture(job, image->key, image->key_size, room);
        if (thumbnail->reason)
            return OK;
        source.data = room->data;
        source.size = room->size;
    }
    return thumbnail_make(maker, &source, thumbnail, error);
}

/* ---- a record ---- */

static void put_picture(const struct thumbnail *thumbnail, struct bytes *out)
{
    char text[80];
    if (!thumbnail->data) {
        put("<div class=\"none\">no picture: ", out);
        text_put_xml(thumbnail->reason, strlen(thumbnail->reason), out);
        if (thumbnail->detail && thumbnail->detail[0]) {
            put(": ", out);
            text_put_xml(thumbnail->detail, strlen(thumbnail->detail), out);
        }
        put("</div>\n", out);
        return;
    }
    (void)snprintf(text, sizeof text, "<img width=\"%u\" height=\"%u\" alt=\"\" src=\"",
                   (unsigned)thumbnail->width, (unsigned)thumbnail->height);
    put(text, out);
    put("data:image/jpeg;base64,", out);
    base64_put(thumbnail->data, thumbnail->size, out);
    put("\">\n", out);
}

/* "person 0.91, dog 0.55" */
static enum error_code put_boxes(struct export_job *job, const struct job_record *record,
                                 const struct boxed_image *image, struct bytes *out,
                                 struct error *error)
{
    char digits[12], text[40];
    enum error_code code = OK;
    for (size_t i = 0; code == OK && i < image->count; i++) {
        struct box box;
        size_t size;
        code = boxes_get(job, record, image, i, &box, error);
        if (code != OK || i > LISTED_MAX)
            continue;
        if (i == LISTED_MAX) {
            put(", ...", out);
            continue;
        }
        const char *name = boxes_class_name(job, box.class, digits, &size);
        put(i > 0 ? ", " : "<br>", out);
        text_put_xml(name, size, out);
        (void)snprintf(text, sizeof text, " %.2f", (double)box.score);
        put(text, out);
    }
    return code;
}

static void put_size(const struct job_record *record, const struct boxed_image *image,
                     const struct thumbnail *thumbnail, struct bytes *out)
{
    char text[96];
    uint32_t width = number_of(record, "width"), height = number_of(record, "height");
    (void)snprintf(text, sizeof text, "<br><small>%u &times; %u, ",
                   (unsigned)(width ? width : thumbnail->full_width),
                   (unsigned)(height ? height : thumbnail->full_height));
    put(text, out);
    if (image->is_null)
        (void)snprintf(text, sizeof text, "not looked at");
    else
        (void)snprintf(text, sizeof text, "%zu %s", image->count,
                       image->count == 1 ? "box" : "boxes");
    put(text, out);
}

static enum error_code sheet_encode(struct export_job *job,
                                    const struct job_record *record,
                                    struct export_part *part, struct export_row *row,
                                    struct error *error)
{
    struct sheet *state = job->state;
    struct bytes *out = &part->data;
    size_t before = out->size;
    struct boxed_image image;
    struct thumbnail thumbnail;
    struct thumbnail_maker *maker = NULL;
    enum error_code code = boxes_get_any_image(job, record, 0, &image, error);
    if (code == OK)
        code = take_maker(state, &maker, error);
    if (code == OK)
        code = make_thumbnail(job, record, &image, maker, &thumbnail, error);
    if (code == OK) {
        put("<figure>\n", out);
        put_picture(&thumbnail, out);
        put("<figcaption>", out);
        text_put_xml(image.key, image.key_size, out);
        put_size(record, &image, &thumbnail, out);
        code = put_boxes(job, record, &image, out, error);
        put("</small></figcaption>\n</figure>\n", out);
    }
    give_maker(state, maker);
    row->size = out->size - before;
    return code;
}

/* ---- pages ---- */

static void format_name(uint32_t file, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "%06u%s", (unsigned)file, html_end);
}

static enum error_code write_page(struct export_job *job, uint64_t offset,
                                  const char *text, size_t size, struct error *error)
{
    const struct sheet *state = job->state;
    char name[NAME_SIZE];
    format_name(state->fill.file, name);
    return export_output_write(job->output, name, offset, text, size, error);
}

static enum error_code end_page(struct export_job *job, bool has_next,
                                struct error *error)
{
    const struct sheet *state = job->state;
    char text[256], before[64] = "", behind[64] = "", page[64];
    uint32_t file = state->fill.file;
    if (file > 0)
        (void)snprintf(before, sizeof before, "<a href=\"%06u.html\">before</a>",
                       (unsigned)file - 1);
    if (has_next)
        (void)snprintf(behind, sizeof behind, "<a href=\"%06u.html\">next</a>",
                       (unsigned)file + 1);
    (void)snprintf(page, sizeof page, "page %u", (unsigned)file + 1);
    int size = snprintf(text, sizeof text, "</main>\n<nav>%s%s%s</nav>\n</html>\n",
                        before, behind, page);
    return write_page(job, state->fill.size, text, (size_t)size, error);
}

static enum error_code sheet_place(struct export_job *job, struct export_part *part,
                                   struct error *error)
{
    struct sheet *state = job->state;
    size_t count;
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        bool is_full = state->fill.records == PAGE_RECORDS;
        if (is_full)
            code = end_page(job, true, error);
        export_place_row(part, &state->fill, is_full, &rows[i]);
        if (code == OK && state->fill.records == 1)
            code = write_page(job, 0, HEAD, sizeof HEAD - 1, error);
    }
    return code == OK && part->spans.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for a part")
               : code;
}

static enum error_code sheet_write(struct export_job *job, struct export_part *part,
                                   struct error *error)
{
    size_t count;
    char name[NAME_SIZE];
    enum error_code code = OK;
    const struct export_span *spans = export_spans(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        format_name(spans[i].file, name);
        code = export_output_write(job->output, name, spans[i].offset,
                                   part->data.data + spans[i].data, spans[i].data_size,
                                   error);
    }
    return code;
}

static enum error_code sheet_finish(struct export_job *job, struct error *error)
{
    const struct sheet *state = job->state;
    enum error_code code = OK;
    if (state->fill.records == 0)
        code = write_page(job, 0, HEAD, sizeof HEAD - 1, error);
    return code == OK ? end_page(job, false, error) : code;
}

/* ---- life ---- */

static bool holds_pictures(const struct batch *batch, const char *name)
{
    const struct column *column = batch_column(batch, name);
    return column && (column->type == COLUMN_BYTES || column->type == COLUMN_IMAGE_U8);
}

static enum error_code choose_column(struct export_job *job, const struct batch *batch,
                                     struct error *error)
{
    static const char *const usual[] = {"data", "image", "drawn", NULL};
    struct sheet *state = job->state;
    const struct export_options *options = job->options;
    if (!batch || options->pictures)
        return OK;
    if (options->picture && !holds_pictures(batch, options->picture))
        return error_set(error, ERROR_CONFIG,
                         "the records have no column \"%s\" of pictures (bytes or "
                         "image<u8>)",
                         options->picture);
    state->column = options->picture;
    for (size_t i = 0; !state->column && usual[i]; i++)
        if (holds_pictures(batch, usual[i]))
            state->column = usual[i];
    return state->column
               ? OK
               : error_set(error, ERROR_CONFIG,
                           "the records have no column data, image or drawn of pictures: "
                           "name one with --picture, or the folder of the files that the "
                           "keys name with --pictures");
}

static enum error_code sheet_open(struct export_job *job, const struct batch *batch,
                                  struct error *error)
{
    struct sheet *state = job->state;
    if (pthread_mutex_init(&state->lock, NULL))
        return error_set(error, ERROR_MEMORY, "no memory for a lock");
    state->has_lock = true;
    state->fill.size = state->fill.head = sizeof HEAD - 1;
    enum error_code code = boxes_open(job, batch, 0, error);
    return code == OK ? choose_column(job, batch, error) : code;
}

static void sheet_close(struct export_job *job)
{
    struct sheet *state = job->state;
    while (state->maker_count > 0)
        thumbnail_maker_destroy(state->makers[--state->maker_count]);
    if (state->has_lock)
        (void)pthread_mutex_destroy(&state->lock);
    boxes_close(job);
}

static const char *const options[] = {"--boxes", "--classes", "--picture", "--pictures",
                                      NULL};
static const char *const names[] = {html_end, NULL};

const struct export_format export_contact_sheet = {
    .name = "contact-sheet",
    .summary = "a folder of HTML pages of thumbnails with boxes, to look through",
    .options = options,
    .names = names,
    .shape = EXPORT_FOLDER,
    .state_size = sizeof(struct sheet),
    .open = sheet_open,
    .encode = sheet_encode,
    .place = sheet_place,
    .write = sheet_write,
    .finish = sheet_finish,
    .close = sheet_close,
};
