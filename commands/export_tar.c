/* export_tar.c - WebDataset: a folder of NNNNNN.tar, a sample's files side by side
 *
 * A record becomes NAME.COLUMN.txt for a text, .bin for bytes or the kind of picture that
 * they are, .npy for lists, vectors and images, and NAME.json for its key and all numbers.
 * NAME is the record's number in the export, unless a column names it. */
#include "commands/export_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands/export_columns.h"
#include "core/image_header.h"
#include "core/json_write.h"

enum {
    TAR_BLOCK = 512,
    TAR_NAME_MAX = 100,
    TAR_SIZE_AT = 124,
    TAR_CHECKSUM_AT = 148,
    NUMBER_DIGITS = 9,
    FILE_NAME_SIZE = 24,
    NPY_ALIGN = 64,
    NPY_HEAD_MAX = 128
};
static const char tar_end[] = ".tar";

struct tar {
    struct export_columns columns;
    struct export_fill fill;
};

static enum error_code tar_open(struct export_job *job, const struct batch *batch,
                                struct error *error)
{
    struct tar *state = job->state;
    if (!batch)
        return OK;
    enum error_code code =
        export_columns_init(&state->columns, batch, job->options->columns, false, error);
    if (code == OK && job->options->key)
        code = export_check_column(batch, job->options->key, COLUMN_UTF8, error);
    return code;
}

/* ---- members: any thread ---- */

/* The head of a member, POSIX.1-2001 ustar; time and owner are 0, so that the same records
 * make the same bytes. */
static void write_head(unsigned char *head, const char *name, uint64_t size)
{
    memset(head, 0, TAR_BLOCK);
    memcpy(head, name, strlen(name));
    memcpy(head + 100, "0000644", 7);
    memcpy(head + 108, "0000000", 7);
    memcpy(head + 116, "0000000", 7);
    (void)snprintf((char *)head + TAR_SIZE_AT, 12, "%011" PRIo64, size);
    memcpy(head + 136, "00000000000", 11);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
}

static void write_checksum(unsigned char *head)
{
    unsigned sum = 0;
    memset(head + TAR_CHECKSUM_AT, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += head[i];
    (void)snprintf((char *)head + TAR_CHECKSUM_AT, 8, "%06o", sum);
    head[TAR_CHECKSUM_AT + 7] = ' ';
}

struct member {
    size_t begin; /* of its head */
    struct bytes *out;
};

/* The content is appended to `out` between these two. */
static struct member member_begin(struct bytes *out)
{
    struct member member = {.begin = out->size, .out = out};
    if (bytes_reserve(out, TAR_BLOCK))
        out->size += TAR_BLOCK;
    return member;
}

/* Readers take a name up to its first dot for the sample's, and slashes for folders. */
static enum error_code name_sample(const struct export_job *job,
                                   const struct job_record *record,
                                   char name[TAR_NAME_MAX + 1], struct error *error)
{
    const struct column *column;
    (void)snprintf(name, TAR_NAME_MAX + 1, "%0*u", NUMBER_DIGITS, 0U);
    if (!job->options->key)
        return OK;
    enum error_code code = export_get_column(record, job->options->key, &column, error);
    if (code != OK)
        return code;
    const char *text = column_row(column, record->row);
    size_t size = (size_t)column_row_length(column, record->row);
    if (size == 0 || size > TAR_NAME_MAX || memchr(text, 0, size) ||
        memchr(text, '.', size) || memchr(text, '/', size))
        return export_refuse(record, error,
                             "column \"%s\" cannot name a sample: it is empty or too "
                             "long, or has a dot, a slash or a zero in it",
                             job->options->key);
    memcpy(name, text, size);
    name[size] = 0;
    return OK;
}

static enum error_code member_end(const struct export_job *job,
                                  const struct job_record *record,
                                  const struct member *member, const char *column,
                                  const char *end, struct error *error)
{
    static const unsigned char zeros[TAR_BLOCK];
    char sample[TAR_NAME_MAX + 1], name[TAR_NAME_MAX + 1];
    struct bytes *out = member->out;
    if (out->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a record");
    enum error_code code = name_sample(job, record, sample, error);
    if (code != OK)
        return code;
    int length = snprintf(name, sizeof name, "%s.%s%s", sample, column, end);
    if (length > TAR_NAME_MAX)
        return export_refuse(record, error, "the name of a member has more than %d bytes",
                             TAR_NAME_MAX);
    uint64_t size = out->size - member->begin - TAR_BLOCK;
    bytes_put(out, zeros, (size_t)(-size % TAR_BLOCK));
    if (out->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a record");
    write_head(out->data + member->begin, name, size);
    write_checksum(out->data + member->begin);
    return OK;
}

/* numpy's format, version 1.0. */
static void put_npy_head(const char *type, const uint64_t *shape, size_t count,
                         struct bytes *out)
{
    static const char magic[] = "\x93NUMPY\x01";
    char text[NPY_HEAD_MAX], dimensions[64] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(dimensions);
        (void)snprintf(dimensions + used, sizeof dimensions - used, "%s%" PRIu64,
                       i ? ", " : "", shape[i]);
    }
    (void)snprintf(text, sizeof text,
                   "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }", type,
                   dimensions, count == 1 ? "," : "");
    size_t size = strlen(text), head = sizeof magic + 2;
    size_t padded = (head + size + 1 + NPY_ALIGN - 1) / NPY_ALIGN * NPY_ALIGN - head;
    bytes_put(out, magic, sizeof magic); /* with the zero of version 1.0 */
    bytes_put_u16(out, (uint16_t)padded);
    bytes_put(out, text, size);
    for (; size + 1 < padded; size++)
        bytes_put_u8(out, ' ');
    bytes_put_u8(out, '\n');
}

static enum error_code put_array(struct export_job *job, const struct job_record *record,
                                 const struct column *column, struct bytes *out,
                                 struct error *error)
{
    static const char *const types[] = {
        [DTYPE_UINT16] = "<u2", [DTYPE_INT32] = "<i4", [DTYPE_UINT32] = "<u4"};
    uint64_t shape[EXPORT_DIMENSIONS_MAX];
    size_t count = export_row_shape(column, record->row, shape);
    bool is_tokens = column->type == COLUMN_LIST_U32 &&
                     strcmp(column->name, job->options->column) == 0;
    const char *type = is_tokens                         ? types[job->dtype]
                       : column->type == COLUMN_LIST_U32 ? "<u4"
                       : column->type == COLUMN_IMAGE_U8 ? "|u1"
                                                         : "<f4";
    uint64_t length = column_row_length(column, record->row);
    put_npy_head(type, shape, count, out);
    if (is_tokens)
        return export_put_ids(job, record, column_row(column, record->row), length, out,
                              error);
    bytes_put(out, column_row(column, record->row),
              (size_t)length * column_element_size(column->type));
    return OK;
}

static bool is_in_json(const struct column *column)
{
    return column->type == COLUMN_BOOL || column->type == COLUMN_I64 ||
           column->type == COLUMN_F64 || strcmp(column->name, "key") == 0;
}

static const char *end_of_bytes(const void *data, size_t size)
{
    static const char *const ends[] = {[IMAGE_UNKNOWN] = ".bin",
                                       [IMAGE_JPEG] = ".jpg",
                                       [IMAGE_PNG] = ".png",
                                       [IMAGE_WEBP] = ".webp",
                                       [IMAGE_TIFF] = ".tif"};
    return ends[image_format_of(data, size)];
}

static enum error_code put_member(struct export_job *job, const struct job_record *record,
                                  const struct column *column, struct bytes *out,
                                  struct error *error)
{
    struct member member = member_begin(out);
    const char *end = ".npy";
    enum error_code code = OK;
    if (column->type == COLUMN_UTF8 || column->type == COLUMN_BYTES) {
        const void *data = column_row(column, record->row);
        size_t size = (size_t)column_row_length(column, record->row);
        end = column->type == COLUMN_UTF8 ? ".txt" : end_of_bytes(data, size);
        bytes_put(out, data, size);
    } else {
        code = put_array(job, record, column, out, error);
    }
    return code == OK ? member_end(job, record, &member, column->name, end, error) : code;
}

static enum error_code tar_encode(struct export_job *job, const struct job_record *record,
                                  struct export_part *part, struct export_row *row,
                                  struct error *error)
{
    const struct tar *state = job->state;
    struct bytes *out = &part->data, *json = &part->side;
    size_t before = out->size;
    enum error_code code = OK;
    const char *between = "{";
    bytes_reset(json);
    for (size_t i = 0; code == OK && i < state->columns.count; i++) {
        const struct column *column;
        const char *name = export_columns_name(&state->columns, i);
        code = export_get_column(record, name, &column, error);
        if (code != OK)
            break;
        if (is_in_json(column)) {
            bytes_put(json, between, strlen(between));
            json_put_text(name, strlen(name), json);
            bytes_put(json, ": ", 2);
            json_put_value(column, record->row, json);
            between = ", ";
        } else {
            code = put_member(job, record, column, out, error);
        }
    }
    if (code == OK && json->size > 0) {
        struct member member = member_begin(out);
        bytes_put_u8(json, '}');
        bytes_put(out, json->data, json->size);
        code = member_end(job, record, &member, "json", "", error);
    }
    bytes_reset(json);
    row->size = out->size - before;
    return code;
}

/* ---- files ---- */

static void format_name(uint32_t file, char name[FILE_NAME_SIZE])
{
    (void)snprintf(name, FILE_NAME_SIZE, "%06u%s", (unsigned)file, tar_end);
}

/* Two blocks of zeros behind the last member. */
static enum error_code end_file(struct export_job *job, struct error *error)
{
    static const unsigned char zeros[2 * TAR_BLOCK];
    char name[FILE_NAME_SIZE];
    const struct tar *state = job->state;
    format_name(state->fill.file, name);
    return export_output_write(job->output, name, state->fill.size, zeros, sizeof zeros,
                               error);
}

static enum error_code tar_place(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    size_t count;
    struct tar *state = job->state;
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        bool is_new = state->fill.size > 0 &&
                      state->fill.size + rows[i].size + (uint64_t)2 * TAR_BLOCK >
                          job->options->size_limit;
        if (is_new)
            code = end_file(job, error);
        export_place_row(part, &state->fill, is_new, &rows[i]);
    }
    if (code == OK && part->spans.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a part");
    return code;
}

/* Only now the record's number is known: the name of each of its members begins so. */
static void number_members(unsigned char *data, uint64_t size, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%0*" PRIu64, NUMBER_DIGITS, number);
    for (uint64_t at = 0; at < size;) {
        unsigned char *head = data + at;
        uint64_t content = 0;
        for (size_t i = 0; i < 11; i++)
            content = content * 8 + (uint64_t)(head[TAR_SIZE_AT + i] - '0');
        memcpy(head, digits, NUMBER_DIGITS);
        write_checksum(head);
        at += TAR_BLOCK + (content + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    }
}

static enum error_code tar_write(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    size_t count, row_count;
    char name[FILE_NAME_SIZE];
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &row_count);
    const struct export_span *spans = export_spans(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        unsigned char *data = part->data.data + spans[i].data;
        format_name(spans[i].file, name);
        uint64_t number = spans[i].first, at = 0;
        if (!job->options->key && number + (spans[i].end - spans[i].begin) > 1000000000)
            return error_set(error, ERROR_CONFIG,
                             "more than a thousand million records: name the samples "
                             "with --key-column");
        for (size_t k = spans[i].begin; !job->options->key && k < spans[i].end; k++) {
            number_members(data + at, rows[k].size, number++);
            at += rows[k].size;
        }
        code = export_output_write(job->output, name, spans[i].offset, data,
                                   spans[i].data_size, error);
    }
    return code;
}

static void tar_close(struct export_job *job)
{
    struct tar *state = job->state;
    export_columns_clear(&state->columns);
}

static const char *const options[] = {"--columns", "--column",          "--key-column",
                                      "--dtype",   "--vocabulary-size", "--size-limit",
                                      NULL};
static const char *const names[] = {tar_end, NULL};

const struct export_format export_tar = {
    .name = "tar",
    .summary = "a folder of tar files as WebDataset reads them",
    .options = options,
    .names = names,
    .shape = EXPORT_FOLDER,
    .narrow_max = 65536,
    .wide = DTYPE_UINT32,
    .dtypes = 1U << DTYPE_UINT16 | 1U << DTYPE_INT32 | 1U << DTYPE_UINT32,
    .size_limit = (uint64_t)1 << 30,
    .state_size = sizeof(struct tar),
    .open = tar_open,
    .encode = tar_encode,
    .place = tar_place,
    .write = tar_write,
    .finish = end_file,
    .close = tar_close,
};
