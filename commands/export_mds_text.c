/* export_mds_text.c - what MDS says of itself in JSON, as Python's json.dumps(obj,
 * sort_keys=True) writes it */
#include "commands/export_mds_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/unicode.h"

enum { PIECE_SIZE = 256, NAME_SIZE = 48 };

static void PRINTF_LIKE(2, 3) put(struct bytes *out, const char *format, ...)
{
    char text[PIECE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bytes_put(out, text, strlen(text));
}

/* In ASCII, as Python does unless it is told otherwise. */
static void put_string(struct bytes *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);
    bytes_put_u8(out, '"');
    while (left > 0) {
        uint32_t code;
        size_t length = unicode_decode(at, left, &code);
        if (length == 0) {
            length = 1;
            code = 0xFFFD;
        }
        if (code == '"' || code == '\\')
            put(out, "\\%c", (char)code);
        else if (code >= 0x20 && code < 0x7F)
            bytes_put_u8(out, (unsigned char)code);
        else if (code < 0x10000)
            put(out, "\\u%04x", (unsigned)code);
        else
            put(out, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (code >> 10)),
                (unsigned)(0xDC00 + (code & 0x3FF)));
        at += length;
        left -= length;
    }
    bytes_put_u8(out, '"');
}

size_t mds_fixed_size(const struct export_columns *columns, size_t i)
{
    switch (columns->items[i].type) {
    case COLUMN_BOOL:
        return 1;
    case COLUMN_I64:
    case COLUMN_F64:
        return 8;
    case COLUMN_VECTOR_F32:
        return (size_t)columns->items[i].dimension * 4;
    default:
        return 0;
    }
}

bool mds_is_tokens(const struct export_job *job, const struct export_columns *columns,
                   size_t i)
{
    return columns->items[i].type == COLUMN_LIST_U32 &&
           strcmp(export_columns_name(columns, i), job->options->column) == 0;
}

static void put_encoding(const struct export_job *job,
                         const struct export_columns *columns, size_t i,
                         struct bytes *out)
{
    static const char *const names[] = {
        [COLUMN_UTF8] = "str",
        [COLUMN_BYTES] = "bytes",
        [COLUMN_BOOL] = "uint8",
        [COLUMN_I64] = "int",
        [COLUMN_F64] = "float64",
        [COLUMN_LIST_U32] = "ndarray:uint32",
        [COLUMN_LIST_F32] = "ndarray:float32",
        [COLUMN_VECTOR_F32] = "ndarray:float32",
        [COLUMN_IMAGE_U8] = "ndarray:uint8",
        [COLUMN_LIST_BOX] = "ndarray:float32",
    };
    enum column_type type = columns->items[i].type;
    if (mds_is_tokens(job, columns, i))
        put(out, "\"ndarray:%s\"", export_dtype_name(job->dtype));
    else if (type == COLUMN_VECTOR_F32)
        put(out, "\"%s:%u\"", names[type], (unsigned)columns->items[i].dimension);
    else
        put(out, "\"%s\"", names[type]);
}

/* The keys that sort before "raw_data", and those behind "samples". */
static void put_front(const struct export_job *job, const struct export_columns *columns,
                      struct bytes *out)
{
    put(out, "\"column_encodings\": [");
    for (size_t i = 0; i < columns->count; i++) {
        put(out, "%s", i ? ", " : "");
        put_encoding(job, columns, i, out);
    }
    put(out, "], \"column_names\": [");
    for (size_t i = 0; i < columns->count; i++) {
        put(out, "%s", i ? ", " : "");
        put_string(out, export_columns_name(columns, i));
    }
    put(out, "], \"column_sizes\": [");
    for (size_t i = 0; i < columns->count; i++) {
        size_t size = mds_fixed_size(columns, i);
        put(out, "%s", i ? ", " : "");
        if (size)
            put(out, "%zu", size);
        else
            put(out, "null");
    }
    put(out, "], \"compression\": ");
    if (job->options->has_compression)
        put(out, "\"zstd:%d\"", (int)job->options->level);
    else
        put(out, "null");
    put(out, ", \"format\": \"mds\", \"hashes\": [], ");
}

static void put_back(const struct export_job *job, struct bytes *out)
{
    put(out, "\"size_limit\": %" PRIu64 ", \"version\": 2", job->options->size_limit);
}

void mds_put_config(const struct export_job *job, const struct export_columns *columns,
                    struct bytes *out)
{
    put(out, "{");
    put_front(job, columns, out);
    put_back(job, out);
    put(out, "}");
}

void mds_format_name(uint32_t number, bool is_packed, char *name, size_t size)
{
    (void)snprintf(name, size, "shard.%05u.mds%s", (unsigned)number,
                   is_packed ? ".zstd" : "");
}

static void put_file(uint32_t number, bool is_packed, uint64_t size, struct bytes *out)
{
    char name[NAME_SIZE];
    mds_format_name(number, is_packed, name, sizeof name);
    put(out, "{\"basename\": \"%s\", \"bytes\": %" PRIu64 ", \"hashes\": {}}", name,
        size);
}

void mds_put_index(const struct export_job *job, const struct export_columns *columns,
                   const struct mds_shard_facts *facts, size_t count, struct bytes *out)
{
    bool is_packed = job->options->has_compression;
    put(out, "{\"shards\": [");
    for (size_t i = 0; i < count; i++) {
        put(out, "%s{", i ? ", " : "");
        put_front(job, columns, out);
        put(out, "\"raw_data\": ");
        put_file((uint32_t)i, false, facts[i].size, out);
        put(out, ", \"samples\": %" PRIu64 ", ", facts[i].samples);
        put_back(job, out);
        put(out, ", \"zip_data\": ");
        if (is_packed)
            put_file((uint32_t)i, true, facts[i].packed, out);
        else
            put(out, "null");
        put(out, "}");
    }
    put(out, "], \"version\": 2}");
}
