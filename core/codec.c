/* codec.c - batches as blocks of bytes, and the canonical form that digests are made of;
 * doorkeeper of zstd for blocks; MessagePack is core/message_pack.c */
#include "core/codec.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/message_pack.h"

enum {
    FORMAT_VERSION = 1,
    /* Measured on 64 KiB of English text and of token lists: 698 and 642 MB/s of CPU time
     * at ratios 1.46 and 1.78; level 1 gives 2.49 and 3.13, but at 326 and 346 MB/s. */
    COMPRESSION_LEVEL = -7,
    MATCH_MIN = 7,
    /* Larger blocks are tried on samples first; below it, the try costs no less. */
    SAMPLED_SIZE_MIN = 512 << 10,
    SAMPLE_COUNT = 8,
    SAMPLE_SIZE = 16 << 10,
    BLOCK_SIZE_MAX = 1 << 30, /* before compression */
    /* zstd makes at most 128 KiB of its smallest block, which takes four bytes. */
    EXPANSION_MAX = (128 << 10) / 4,
    COLUMNS_MAX = 4096,
    IMAGE_DIMENSIONS = 3
};

static const unsigned char zstd_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

struct block_encoder {
    ZSTD_CCtx *compressor; /* owned */
    struct bytes raw;      /* owned: the block before compression */
    struct bytes sample;   /* owned */
    struct bytes files;    /* owned: uint32_t file numbers of the block, ascending */
};

struct block_encoder *block_encoder_create(void)
{
    struct block_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->compressor = ZSTD_createCCtx();
    ZSTD_CCtx *compressor = encoder->compressor;
    if (!compressor ||
        ZSTD_isError(ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel,
                                            COMPRESSION_LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(compressor, ZSTD_c_minMatch, MATCH_MIN))) {
        block_encoder_destroy(encoder);
        return NULL;
    }
    return encoder;
}

void block_encoder_destroy(struct block_encoder *encoder)
{
    if (!encoder)
        return;
    (void)ZSTD_freeCCtx(encoder->compressor);
    bytes_clear(&encoder->raw);
    bytes_clear(&encoder->sample);
    bytes_clear(&encoder->files);
    free(encoder);
}

/* ---- encoding: the rows of a batch, all or some ---- */

struct selection {
    const struct batch *batch;
    const uint32_t *rows; /* NULL: 0 ... count - 1 */
    uint32_t count;
    const uint32_t *files; /* (file_count) numbers in the manifest, ascending */
    uint32_t file_count;
};

static uint32_t row_at(const struct selection *selection, uint32_t i)
{
    return selection->rows ? selection->rows[i] : i;
}

/* A bin of `size` bytes to be written in place; NULL: no memory, or the block would be
 * larger than a block may be. */
static unsigned char *put_binary_room(struct bytes *out, uint64_t size)
{
    if (size > BLOCK_SIZE_MAX) {
        out->is_bad = true;
        return NULL;
    }
    message_pack_binary_head(out, (uint32_t)size);
    unsigned char *room = bytes_reserve(out, (size_t)size);
    if (room)
        out->size += (size_t)size;
    return room;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return (left > right) - (left < right);
}

/* Only files that these rows come from are named in a block, counted from 0 there: the
 * manifest may have a million. False: no memory. */
static bool find_files(struct block_encoder *encoder, struct selection *selection)
{
    bytes_reset(&encoder->files);
    uint32_t *files =
        (void *)bytes_reserve(&encoder->files, (size_t)selection->count * sizeof *files);
    if (!files)
        return false;
    uint32_t count = 0;
    bool is_sorted = true;
    for (uint32_t i = 0; i < selection->count; i++) {
        uint32_t file = selection->batch->origins[row_at(selection, i)].file;
        if (count > 0 && files[count - 1] == file)
            continue;
        is_sorted = is_sorted && (count == 0 || files[count - 1] < file);
        files[count++] = file;
    }
    if (!is_sorted) {
        qsort(files, count, sizeof *files, compare_numbers);
        uint32_t unique = 0;
        for (uint32_t i = 0; i < count; i++)
            if (unique == 0 || files[unique - 1] != files[i])
                files[unique++] = files[i];
        count = unique;
    }
    selection->files = files;
    selection->file_count = count;
    return true;
}

static uint32_t local_file(const struct selection *selection, uint32_t file)
{
    const uint32_t *found = bsearch(&file, selection->files, selection->file_count,
                                    sizeof *selection->files, compare_numbers);
    return (uint32_t)(found - selection->files);
}

static void put_origins(const struct selection *selection, struct bytes *out)
{
    const struct origin *origins = selection->batch->origins;
    message_pack_text(out, "file");
    unsigned char *at = put_binary_room(out, (uint64_t)selection->count * 4);
    uint32_t local = 0;
    for (uint32_t i = 0; at && i < selection->count; i++) {
        uint32_t file = origins[row_at(selection, i)].file;
        if (selection->files[local] != file)
            local = local_file(selection, file);
        store_u32(at + (size_t)i * 4, local);
    }
    message_pack_text(out, "offset");
    at = put_binary_room(out, (uint64_t)selection->count * 8);
    for (uint32_t i = 0; at && i < selection->count; i++)
        store_u64(at + (size_t)i * 8, origins[row_at(selection, i)].offset);
    message_pack_text(out, "size");
    at = put_binary_room(out, (uint64_t)selection->count * 8);
    for (uint32_t i = 0; at && i < selection->count; i++)
        store_u64(at + (size_t)i * 8, origins[row_at(selection, i)].size);
}

static bool has_copies(const struct selection *selection)
{
    for (uint32_t i = 0; i < selection->count; i++)
        if (selection->batch->origins[row_at(selection, i)].copy)
            return true;
    return false;
}

static void put_copies(const struct selection *selection, struct bytes *out)
{
    const struct origin *origins = selection->batch->origins;
    message_pack_text(out, "copy");
    unsigned char *at = put_binary_room(out, (uint64_t)selection->count * 8);
    for (uint32_t i = 0; at && i < selection->count; i++)
        store_u64(at + (size_t)i * 8, origins[row_at(selection, i)].copy);
}

static void put_bits(const struct selection *selection, const unsigned char *bitmap,
                     struct bytes *out)
{
    size_t size = ((size_t)selection->count + 7) / 8;
    unsigned char *at = put_binary_room(out, size);
    if (!at)
        return;
    memset(at, 0, size);
    for (uint32_t i = 0; i < selection->count; i++) {
        uint32_t row = row_at(selection, i);
        unsigned bit = bitmap[row / 8] >> (row % 8) & 1U;
        at[i / 8] |= (unsigned char)(bit << (i % 8));
    }
}

static void put_offsets(const struct selection *selection, const struct column *column,
                        struct bytes *out)
{
    unsigned char *at = put_binary_room(out, ((uint64_t)selection->count + 1) * 8);
    if (!at)
        return;
    uint64_t offset = 0;
    store_u64(at, 0);
    for (uint32_t i = 0; i < selection->count; i++) {
        offset += column_row_length(column, row_at(selection, i));
        store_u64(at + ((size_t)i + 1) * 8, offset);
    }
}

static void put_shapes(const struct selection *selection, const struct column *column,
                       struct bytes *out)
{
    size_t width = IMAGE_DIMENSIONS * sizeof(uint32_t);
    unsigned char *at = put_binary_room(out, (uint64_t)selection->count * width);
    for (uint32_t i = 0; at && i < selection->count; i++)
        memcpy(at + i * width,
               column->shapes + (size_t)row_at(selection, i) * IMAGE_DIMENSIONS, width);
}

/* Elements are little-endian in memory on the machines we run on. */
static void put_elements(const struct selection *selection, const struct column *column,
                         struct bytes *out)
{
    size_t element = column_element_size(column->type);
    uint64_t total = 0;
    for (uint32_t i = 0; i < selection->count; i++)
        total += column_row_length(column, row_at(selection, i));
    unsigned char *at =
        put_binary_room(out, total > BLOCK_SIZE_MAX ? total : total * element);
    if (!at || total == 0)
        return;
    if (!selection->rows) {
        memcpy(at, column->data, (size_t)total * element);
        return;
    }
    for (uint32_t i = 0; i < selection->count; i++) {
        size_t size = (size_t)column_row_length(column, selection->rows[i]) * element;
        if (size > 0)
            memcpy(at, column_row(column, selection->rows[i]), size);
        at += size;
    }
}

static void put_column(const struct selection *selection, const struct column *column,
                       struct bytes *out)
{
    bool has_offsets = column_has_offsets(column->type);
    message_pack_map(out, 4U + (column->validity != NULL) + has_offsets +
                              (column->shapes != NULL));
    message_pack_text(out, "name");
    message_pack_text(out, column->name);
    message_pack_text(out, "type");
    message_pack_number(out, column->type);
    message_pack_text(out, "dimension");
    message_pack_number(out, column->dimension);
    if (column->validity) {
        message_pack_text(out, "validity");
        put_bits(selection, column->validity, out);
    }
    if (has_offsets) {
        message_pack_text(out, "offsets");
        put_offsets(selection, column, out);
    }
    if (column->shapes) {
        message_pack_text(out, "shapes");
        put_shapes(selection, column, out);
    }
    message_pack_text(out, "data");
    if (column->type == COLUMN_BOOL)
        put_bits(selection, column->data, out);
    else
        put_elements(selection, column, out);
}

static void put_block(const struct selection *selection, const struct file_names *files,
                      struct bytes *out)
{
    const struct batch *batch = selection->batch;
    bool is_made = has_copies(selection);
    message_pack_map(out, 7U + is_made);
    message_pack_text(out, "format");
    message_pack_number(out, FORMAT_VERSION);
    message_pack_text(out, "count");
    message_pack_number(out, selection->count);
    message_pack_text(out, "files");
    message_pack_array(out, selection->file_count);
    for (uint32_t i = 0; i < selection->file_count; i++)
        message_pack_text(out, files->names[selection->files[i]]);
    put_origins(selection, out);
    if (is_made)
        put_copies(selection, out);
    message_pack_text(out, "columns");
    message_pack_array(out, batch->column_count);
    for (uint32_t i = 0; i < batch->column_count; i++)
        put_column(selection, batch->columns[i], out);
}

/* Appends the compressed bytes to `out`; false: no memory. */
static bool compress_to(struct block_encoder *encoder, const struct bytes *from,
                        struct bytes *out)
{
    size_t bound = ZSTD_compressBound(from->size);
    unsigned char *room = bytes_reserve(out, bound);
    if (!room)
        return false;
    size_t size =
        ZSTD_compress2(encoder->compressor, room, bound, from->data, from->size);
    if (ZSTD_isError(size))
        return false;
    out->size += size;
    return true;
}

static bool is_worth(size_t before, size_t after)
{
    return after <= before - before / 8;
}

/* Does compression pay on pieces spread over the block? A large block that does not
 * compress should not be read twice to find that out. */
static bool sample_pays(struct block_encoder *encoder)
{
    const struct bytes *raw = &encoder->raw;
    size_t step = raw->size / SAMPLE_COUNT;
    bytes_reset(&encoder->sample);
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        bytes_put(&encoder->sample, raw->data + i * step + (step - SAMPLE_SIZE) / 2,
                  SAMPLE_SIZE);
    size_t before = encoder->sample.size;
    struct bytes packed = {0};
    bool is_packed = compress_to(encoder, &encoder->sample, &packed);
    bool pays = is_packed && is_worth(before, packed.size);
    bytes_clear(&packed);
    return pays;
}

enum error_code block_encode(struct block_encoder *encoder, const struct batch *batch,
                             const struct file_names *files, const uint32_t *rows,
                             uint32_t count, struct bytes *out, struct error *error)
{
    struct selection selection = {.batch = batch, .rows = rows, .count = count};
    struct bytes *raw = &encoder->raw;
    bytes_reset(raw);
    if (!find_files(encoder, &selection))
        return error_set(error, ERROR_MEMORY, "no memory for a block");
    put_block(&selection, files, raw);
    if (raw->is_bad || raw->size > BLOCK_SIZE_MAX)
        return error_set(error, ERROR_MEMORY, "no memory for a block of %u records",
                         (unsigned)count);
    size_t begin = out->size;
    if (raw->size < SAMPLED_SIZE_MIN || sample_pays(encoder)) {
        if (!compress_to(encoder, raw, out))
            return error_set(error, ERROR_MEMORY, "no memory to compress a block");
        if (is_worth(raw->size, out->size - begin))
            return OK;
        out->size = begin;
    }
    bytes_put(out, raw->data, raw->size);
    return out->is_bad ? error_set(error, ERROR_MEMORY, "no memory for a block") : OK;
}

/* ---- decoding ---- */

/* What a column says of itself, before it is checked against the number of rows. */
struct raw_column {
    const char *name;
    uint64_t type, dimension;
    struct message_pack_item validity, offsets, shapes, data; /* .data NULL: left out */
};

struct decoder {
    struct arena *arena;
    struct cursor cursor;
    bool is_short;  /* out of memory */
    bool is_placed; /* the bytes under the cursor live in the arena */
    uint64_t count;
    struct file_names files;
    struct message_pack_item file, offset, size, copy; /* copy.data NULL: left out */
    struct raw_column *columns;
    uint32_t column_count;
};

/* A zero-terminated copy; texts with zeros inside are none of ours. */
static const char *copy_text(struct decoder *decoder,
                             const struct message_pack_item *item)
{
    if (memchr(item->data, 0, item->size)) {
        decoder->cursor.is_bad = true;
        return NULL;
    }
    const char *text =
        arena_copy_text(decoder->arena, (const char *)item->data, item->size);
    decoder->is_short |= !text;
    return text;
}

/* The buffer as aligned memory that lives as long as the arena. */
static const void *place(struct decoder *decoder, const struct message_pack_item *item,
                         size_t align)
{
    if (decoder->is_placed && (uintptr_t)item->data % align == 0)
        return item->data;
    void *copy = arena_alloc_raw(decoder->arena, item->size, 1, align < 16 ? 16 : align);
    if (copy)
        memcpy(copy, item->data, item->size);
    else
        decoder->is_short = true;
    return copy;
}

static bool is_done(const struct decoder *decoder)
{
    return decoder->cursor.is_bad || decoder->is_short;
}

static void read_files(struct decoder *decoder)
{
    struct message_pack_item item;
    if (!message_pack_read_as(&decoder->cursor, PACK_ARRAY, &item) ||
        item.number > UINT32_MAX)
        return;
    uint32_t count = (uint32_t)item.number;
    const char **names = ARENA_NEW(decoder->arena, const char *, count);
    decoder->is_short |= !names;
    for (uint32_t i = 0; !is_done(decoder) && i < count; i++)
        if (message_pack_read_as(&decoder->cursor, PACK_TEXT, &item))
            names[i] = copy_text(decoder, &item);
    decoder->files = (struct file_names){.names = names, .count = count};
}

static void read_column(struct decoder *decoder, struct raw_column *column)
{
    struct cursor *cursor = &decoder->cursor;
    struct message_pack_item map, key, item;
    if (!message_pack_read_as(cursor, PACK_MAP, &map))
        return;
    for (uint64_t i = 0; !is_done(decoder) && i < map.number; i++) {
        if (!message_pack_read_as(cursor, PACK_TEXT, &key) ||
            !message_pack_read(cursor, &item))
            return;
        bool is_binary = item.type == PACK_BINARY;
        bool is_number = item.type == PACK_NUMBER;
        if (message_pack_is_text(&key, "name") && item.type == PACK_TEXT)
            column->name = copy_text(decoder, &item);
        else if (message_pack_is_text(&key, "type") && is_number)
            column->type = item.number;
        else if (message_pack_is_text(&key, "dimension") && is_number)
            column->dimension = item.number;
        else if (message_pack_is_text(&key, "validity") && is_binary)
            column->validity = item;
        else if (message_pack_is_text(&key, "offsets") && is_binary)
            column->offsets = item;
        else if (message_pack_is_text(&key, "shapes") && is_binary)
            column->shapes = item;
        else if (message_pack_is_text(&key, "data") && is_binary)
            column->data = item;
        else
            cursor->is_bad = true;
    }
}

static void read_columns(struct decoder *decoder)
{
    struct message_pack_item item;
    if (!message_pack_read_as(&decoder->cursor, PACK_ARRAY, &item))
        return;
    if (item.number == 0 || item.number > COLUMNS_MAX || decoder->columns) {
        decoder->cursor.is_bad = true;
        return;
    }
    decoder->column_count = (uint32_t)item.number;
    decoder->columns =
        ARENA_NEW(decoder->arena, struct raw_column, decoder->column_count);
    decoder->is_short |= !decoder->columns;
    for (uint32_t i = 0; !is_done(decoder) && i < decoder->column_count; i++)
        read_column(decoder, &decoder->columns[i]);
}

static void read_block(struct decoder *decoder)
{
    struct cursor *cursor = &decoder->cursor;
    struct message_pack_item map, key, item;
    uint64_t version = 0;
    if (!message_pack_read_as(cursor, PACK_MAP, &map))
        return;
    for (uint64_t i = 0; !is_done(decoder) && i < map.number; i++) {
        if (!message_pack_read_as(cursor, PACK_TEXT, &key))
            return;
        if (message_pack_is_text(&key, "format")) {
            if (message_pack_read_as(cursor, PACK_NUMBER, &item))
                version = item.number;
        } else if (message_pack_is_text(&key, "count")) {
            if (message_pack_read_as(cursor, PACK_NUMBER, &item))
                decoder->count = item.number;
        } else if (message_pack_is_text(&key, "files")) {
            read_files(decoder);
        } else if (message_pack_is_text(&key, "file")) {
            (void)message_pack_read_as(cursor, PACK_BINARY, &decoder->file);
        } else if (message_pack_is_text(&key, "offset")) {
            (void)message_pack_read_as(cursor, PACK_BINARY, &decoder->offset);
        } else if (message_pack_is_text(&key, "size")) {
            (void)message_pack_read_as(cursor, PACK_BINARY, &decoder->size);
        } else if (message_pack_is_text(&key, "copy")) {
            (void)message_pack_read_as(cursor, PACK_BINARY, &decoder->copy);
        } else if (message_pack_is_text(&key, "columns")) {
            read_columns(decoder);
        } else {
            cursor->is_bad = true;
        }
    }
    if (version != FORMAT_VERSION || cursor_left(cursor) > 0 || !decoder->columns)
        cursor->is_bad = true;
}

static const struct origin *make_origins(struct decoder *decoder)
{
    uint64_t count = decoder->count;
    if (count > BLOCK_SIZE_MAX / 8 || decoder->file.size != count * 4 ||
        decoder->offset.size != count * 8 || decoder->size.size != count * 8 ||
        (decoder->copy.data && decoder->copy.size != count * 8)) {
        decoder->cursor.is_bad = true;
        return NULL;
    }
    struct origin *origins = ARENA_NEW(decoder->arena, struct origin, (size_t)count);
    if (!origins) {
        decoder->is_short = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        origins[i].file = load_u32(decoder->file.data + i * 4);
        origins[i].offset = load_u64(decoder->offset.data + i * 8);
        origins[i].size = load_u64(decoder->size.data + i * 8);
        if (decoder->copy.data)
            origins[i].copy = load_u64(decoder->copy.data + i * 8);
        if (origins[i].file >= decoder->files.count)
            decoder->cursor.is_bad = true;
    }
    return origins;
}

/* Do `offsets` rise from 0 to `elements`? */
static bool offsets_hold(const uint64_t *offsets, uint64_t count, uint64_t elements)
{
    if (offsets[0] != 0 || offsets[count] != elements)
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (offsets[i] > offsets[i + 1])
            return false;
    return true;
}

static bool shapes_hold(const struct column *column, uint64_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *shape = column->shapes + (size_t)i * IMAGE_DIMENSIONS;
        uint64_t area = (uint64_t)shape[0] * shape[1];
        if (area > BLOCK_SIZE_MAX || (column_is_valid(column, i) &&
                                      area * shape[2] != column_row_length(column, i)))
            return false;
    }
    return true;
}

static bool sizes_hold(const struct raw_column *raw, enum column_type type,
                       uint64_t count)
{
    uint64_t bitmap = (count + 7) / 8;
    size_t element = column_element_size(type);
    bool has_offsets = column_has_offsets(type);
    bool has_shapes = type == COLUMN_IMAGE_U8;
    uint64_t wanted = type == COLUMN_BOOL         ? bitmap
                      : type == COLUMN_VECTOR_F32 ? count * raw->dimension * element
                                                  : count * element;
    if (!raw->data.data || (!has_offsets && raw->data.size != wanted))
        return false;
    return (type == COLUMN_VECTOR_F32) == (raw->dimension > 0) &&
           (!raw->validity.data || raw->validity.size == bitmap) &&
           (has_offsets ? raw->offsets.data && raw->offsets.size == (count + 1) * 8 &&
                              raw->data.size % element == 0
                        : !raw->offsets.data) &&
           (has_shapes
                ? raw->shapes.data && raw->shapes.size == count * IMAGE_DIMENSIONS * 4
                : !raw->shapes.data);
}

static void make_column(struct decoder *decoder, const struct raw_column *raw,
                        struct column *column)
{
    uint64_t count = decoder->count;
    enum column_type type = (enum column_type)raw->type;
    if (!raw->name || raw->type < COLUMN_UTF8 || raw->type > COLUMN_LIST_BOX ||
        raw->dimension > BLOCK_SIZE_MAX / 4 ||
        (raw->dimension > 0 && count > BLOCK_SIZE_MAX / raw->dimension) ||
        !sizes_hold(raw, type, count)) {
        decoder->cursor.is_bad = true;
        return;
    }
    *column = (struct column){
        .name = raw->name, .type = type, .dimension = (uint32_t)raw->dimension};
    column->data = place(decoder, &raw->data, _Alignof(uint64_t));
    if (raw->validity.data)
        column->validity = place(decoder, &raw->validity, 1);
    if (raw->offsets.data)
        column->offsets = place(decoder, &raw->offsets, _Alignof(uint64_t));
    if (raw->shapes.data)
        column->shapes = place(decoder, &raw->shapes, _Alignof(uint32_t));
    if (is_done(decoder))
        return;
    if ((column->offsets && !offsets_hold(column->offsets, count,
                                          raw->data.size / column_element_size(type))) ||
        (column->shapes && !shapes_hold(column, count)))
        decoder->cursor.is_bad = true;
}

static struct batch *make_batch(struct decoder *decoder)
{
    const struct origin *origins = make_origins(decoder);
    uint32_t column_count = decoder->column_count;
    struct batch *batch = ARENA_NEW(decoder->arena, struct batch, 1);
    struct column *columns = ARENA_NEW(decoder->arena, struct column, column_count);
    const struct column **list =
        ARENA_NEW(decoder->arena, const struct column *, column_count);
    decoder->is_short |= !batch || !columns || !list;
    for (uint32_t i = 0; !is_done(decoder) && i < column_count; i++) {
        make_column(decoder, &decoder->columns[i], &columns[i]);
        list[i] = &columns[i];
    }
    if (is_done(decoder))
        return NULL;
    if (columns[0].type != COLUMN_UTF8 || strcmp(columns[0].name, "key") != 0) {
        decoder->cursor.is_bad = true;
        return NULL;
    }
    *batch = (struct batch){.count = (uint32_t)decoder->count,
                            .column_count = column_count,
                            .origins = origins,
                            .columns = list};
    return batch;
}

/* *data and *size become those of the block before compression, in the arena. */
static enum error_code expand(const void **data, size_t *size, struct arena *arena,
                              struct error *error)
{
    unsigned long long stated = ZSTD_getFrameContentSize(*data, *size);
    if (stated > BLOCK_SIZE_MAX || stated / EXPANSION_MAX > *size)
        return error_set(error, ERROR_DAMAGED, "damaged block: no credible size");
    unsigned char *raw = arena_alloc_raw(arena, (size_t)stated, 1, 16);
    if (!raw)
        return error_set(error, ERROR_MEMORY, "no memory for a block of %llu bytes",
                         stated);
    size_t got = ZSTD_decompress(raw, (size_t)stated, *data, *size);
    if (ZSTD_isError(got) || got != stated)
        return error_set(error, ERROR_DAMAGED, "damaged block: it does not decompress");
    *data = raw;
    *size = got;
    return OK;
}

enum error_code block_decode(const void *data, size_t size, struct arena *arena,
                             struct batch **batch, struct file_names *files,
                             struct error *error)
{
    struct decoder decoder = {.arena = arena};
    if (size >= sizeof zstd_magic && memcmp(data, zstd_magic, sizeof zstd_magic) == 0) {
        enum error_code code = expand(&data, &size, arena, error);
        if (code != OK)
            return code;
        decoder.is_placed = true;
    }
    decoder.cursor = cursor_over(data, size);
    read_block(&decoder);
    struct batch *made = is_done(&decoder) ? NULL : make_batch(&decoder);
    if (decoder.is_short)
        return error_set(error, ERROR_MEMORY, "no memory for the columns of a block");
    if (!made || decoder.cursor.is_bad)
        return error_set(error, ERROR_DAMAGED, "damaged block");
    *batch = made;
    *files = decoder.files;
    return OK;
}

/* ---- the canonical form ---- */

static void put_canonical_text(struct bytes *out, const char *text)
{
    size_t size = strlen(text);
    bytes_put_u64(out, size);
    bytes_put(out, text, size);
}

/* Name, type and dimension at once: this runs for every value there is. */
static void put_canonical_head(struct bytes *out, const struct column *column)
{
    size_t size = strlen(column->name);
    unsigned char *at = bytes_reserve(out, 8 + size + 1 + 4);
    if (!at)
        return;
    store_u64(at, size);
    memcpy(at + 8, column->name, size);
    at[8 + size] = (unsigned char)column->type;
    store_u32(at + 8 + size + 1, column->dimension);
    out->size += 8 + size + 1 + 4;
}

/* A letter for what it is, another one where it was made of others; then its identity. */
static void put_canonical_identity(struct bytes *out, char as_read, char as_made,
                                   const char *file_name, uint64_t offset, uint64_t copy)
{
    bytes_put_u8(out, (uint8_t)(copy ? as_made : as_read));
    put_canonical_text(out, file_name);
    bytes_put_u64(out, offset);
    if (copy)
        bytes_put_u64(out, copy);
}

struct hash128 record_digest(const struct batch *batch, uint32_t row,
                             const char *file_name, struct bytes *scratch)
{
    bytes_reset(scratch);
    const struct origin *origin = &batch->origins[row];
    put_canonical_identity(scratch, 'R', 'M', file_name, origin->offset, origin->copy);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        put_canonical_head(scratch, batch->columns[i]);
        column_put_canonical(batch->columns[i], row, scratch);
    }
    return hash128(scratch->data, scratch->size);
}

struct hash128 reject_digest(const char *file_name, uint64_t offset, uint64_t copy,
                             const char *stage, const char *reason, struct bytes *scratch)
{
    bytes_reset(scratch);
    put_canonical_identity(scratch, 'Q', 'P', file_name, offset, copy);
    put_canonical_text(scratch, stage);
    put_canonical_text(scratch, reason);
    return hash128(scratch->data, scratch->size);
}
