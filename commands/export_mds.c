/* export_mds.c - MosaicML's streaming shards, version 2: a folder of shard.NNNNN.mds
 *
 * A shard: number of samples, 4 bytes; offsets of the samples and of the end, 4 bytes
 * each; the configuration as JSON; the samples. A sample: the size of each column that has
 * no fixed one, 4 bytes; the columns, by name. A shard's head depends on all that is in it,
 * so shards are put together in memory; one thread fills a shard while another compresses
 * or writes the one before. */
#include "commands/export_format.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "commands/export_columns.h"
#include "commands/export_mds_text.h"
#include "core/compress.h"

enum { NAME_SIZE = 48, SHARDS_IN_MEMORY = 2, PIECE_SIZE = 1 << 20, FIXED_SIZE = 8 };

struct shard {
    struct bytes data, ends; /* owned: samples; uint32_t, where each ends in `data` */
    uint32_t number;
    bool is_taken; /* being filled or written */
};

struct mds {
    struct export_columns columns;
    struct bytes config; /* owned: the configuration as each shard has it */
    struct shard shards[SHARDS_IN_MEMORY];
    size_t current; /* index of the one being filled */
    uint32_t count; /* of shards begun */
    bool has_lock;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct bytes facts; /* owned: struct mds_shard_facts, by number; under `lock` */
};

static enum error_code mds_open(struct export_job *job, const struct batch *batch,
                                struct error *error)
{
    struct mds *state = job->state;
    if (pthread_mutex_init(&state->lock, NULL) != 0)
        return error_set(error, ERROR_MEMORY, "no memory for a lock");
    if (pthread_cond_init(&state->freed, NULL) != 0) {
        (void)pthread_mutex_destroy(&state->lock);
        return error_set(error, ERROR_MEMORY, "no memory for a lock");
    }
    state->has_lock = true;
    if (!batch)
        return OK;
    enum error_code code =
        export_columns_init(&state->columns, batch, job->options->columns, true, error);
    if (code != OK)
        return code;
    mds_put_config(job, &state->columns, &state->config);
    state->shards[0].is_taken = true;
    return state->config.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for the configuration")
               : OK;
}

/* ---- samples: any thread ---- */

/* Number and size of the dimensions, these in the fewest bytes that hold the largest. */
static void put_shape(const uint64_t *shape, size_t count, struct bytes *out)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = shape[i] > largest ? shape[i] : largest;
    unsigned width = largest < 1 << 8 ? 0 : largest < 1 << 16 ? 1 : 2;
    bytes_put_u8(out, (uint8_t)(count << 2 | width));
    for (size_t i = 0; i < count; i++) {
        if (width == 0)
            bytes_put_u8(out, (uint8_t)shape[i]);
        else if (width == 1)
            bytes_put_u16(out, (uint16_t)shape[i]);
        else
            bytes_put_u32(out, (uint32_t)shape[i]);
    }
}

static enum error_code put_value(struct export_job *job, const struct job_record *record,
                                 const struct column *column, bool is_tokens,
                                 struct bytes *out, struct error *error)
{
    uint64_t shape[EXPORT_DIMENSIONS_MAX];
    uint32_t row = record->row;
    if (column->type == COLUMN_BOOL) {
        bytes_put_u8(out, column_bool(column, row));
        return OK;
    }
    uint64_t length = column_row_length(column, row);
    size_t dimensions = export_row_shape(column, row, shape);
    if (dimensions > 0 && column->type != COLUMN_VECTOR_F32)
        put_shape(shape, dimensions, out);
    if (is_tokens)
        return export_put_ids(job, record, column_row(column, row), length, out, error);
    bytes_put(out, column_row(column, row),
              (size_t)length * column_element_size(column->type));
    return OK;
}

static enum error_code mds_encode(struct export_job *job, const struct job_record *record,
                                  struct export_part *part, struct export_row *row,
                                  struct error *error)
{
    const struct mds *state = job->state;
    const struct export_columns *columns = &state->columns;
    struct bytes *out = &part->data;
    size_t before = out->size, head = before;
    enum error_code code = OK;
    for (size_t i = 0; i < columns->count; i++)
        if (mds_fixed_size(columns, i) == 0)
            bytes_put_u32(out, 0);
    for (size_t i = 0; code == OK && i < columns->count; i++) {
        const struct column *column;
        const char *name = export_columns_name(columns, i);
        size_t begin = out->size;
        code = export_get_column(record, name, &column, error);
        if (code == OK && column->type != columns->items[i].type)
            code = export_refuse(record, error, "column \"%s\" is of another type", name);
        if (code == OK)
            code = put_value(job, record, column, mds_is_tokens(job, columns, i), out,
                             error);
        if (code == OK && !out->is_bad && mds_fixed_size(columns, i) == 0) {
            store_u32(out->data + head, (uint32_t)(out->size - begin));
            head += 4;
        }
    }
    row->size = out->size - before;
    if (code == OK && row->size > UINT32_MAX / 2)
        code = export_refuse(record, error, "it is too large for a shard");
    return code;
}

/* ---- shards ---- */

static enum error_code write_compressed(struct export_job *job, const struct bytes *head,
                                        const struct bytes *data, const char *name,
                                        uint64_t *size, struct error *error)
{
    struct bytes out = {0};
    struct compressor *compressor = compressor_create((int)job->options->level);
    enum error_code code =
        compressor ? compressor_begin(compressor, head->size + data->size, error)
                   : error_set(error, ERROR_MEMORY, "no memory to compress");
    *size = 0;
    if (code == OK)
        code = compressor_put(compressor, head->data, head->size, false, &out, error);
    for (size_t at = 0; code == OK && at < data->size; at += PIECE_SIZE) {
        size_t left = data->size - at;
        bool is_end = left <= PIECE_SIZE;
        code = compressor_put(compressor, data->data + at, is_end ? left : PIECE_SIZE,
                              is_end, &out, error);
        if (code == OK && (is_end || out.size >= PIECE_SIZE)) {
            code =
                export_output_write(job->output, name, *size, out.data, out.size, error);
            *size += out.size;
            bytes_reset(&out);
        }
    }
    compressor_destroy(compressor);
    bytes_clear(&out);
    return code;
}

static void put_head(const struct mds *state, const struct shard *shard,
                     struct bytes *head)
{
    size_t count = shard->ends.size / 4;
    size_t begin = 4 + 4 * (count + 1) + state->config.size;
    bytes_put_u32(head, (uint32_t)count);
    bytes_put_u32(head, (uint32_t)begin);
    for (size_t i = 0; i < count; i++)
        bytes_put_u32(head, (uint32_t)begin + load_u32(shard->ends.data + 4 * i));
    bytes_put(head, state->config.data, state->config.size);
}

static enum error_code write_shard(struct export_job *job, const struct shard *shard,
                                   struct error *error)
{
    char name[NAME_SIZE];
    struct mds *state = job->state;
    struct bytes head = {0};
    struct mds_shard_facts facts = {.samples = shard->ends.size / 4};
    bool is_packed = job->options->has_compression;
    put_head(state, shard, &head);
    facts.size = head.size + shard->data.size;
    mds_format_name(shard->number, is_packed, name, sizeof name);
    enum error_code code = OK;
    if (head.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a shard");
    else if (facts.size > UINT32_MAX)
        code = error_set(error, ERROR_CONFIG, "a shard of more than 4 GiB");
    else if (is_packed)
        code = write_compressed(job, &head, &shard->data, name, &facts.packed, error);
    else {
        code = export_output_write(job->output, name, 0, head.data, head.size, error);
        if (code == OK)
            code = export_output_write(job->output, name, head.size, shard->data.data,
                                       shard->data.size, error);
    }
    (void)pthread_mutex_lock(&state->lock);
    if (code == OK)
        memcpy(state->facts.data + shard->number * sizeof facts, &facts, sizeof facts);
    (void)pthread_mutex_unlock(&state->lock);
    bytes_clear(&head);
    return code;
}

static void empty_shard(struct shard *shard)
{
    bytes_reset(&shard->data);
    bytes_reset(&shard->ends);
}

/* The shard gets its number, in the order of the input. */
static enum error_code number_shard(struct mds *state, struct error *error)
{
    struct mds_shard_facts none = {0};
    state->shards[state->current].number = state->count++;
    (void)pthread_mutex_lock(&state->lock);
    bytes_put(&state->facts, &none, sizeof none);
    bool is_bad = state->facts.is_bad;
    (void)pthread_mutex_unlock(&state->lock);
    return is_bad ? error_set(error, ERROR_MEMORY, "no memory for the index") : OK;
}

/* Leave the full shard with the part, for write(), and go on with another one; a part that
 * has one already writes this one at once. */
static enum error_code close_shard(struct export_job *job, struct export_part *part,
                                   struct error *error)
{
    struct mds *state = job->state;
    struct shard *shard = &state->shards[state->current];
    enum error_code code = number_shard(state, error);
    if (code != OK)
        return code;
    /* Without compression a second shard in memory is not worth its room. */
    if (part->carried || job->options->threads < 2 || !job->options->has_compression) {
        code = write_shard(job, shard, error);
        empty_shard(shard);
        return code;
    }
    part->carried = state->current + 1;
    (void)pthread_mutex_lock(&state->lock);
    size_t other = (state->current + 1) % SHARDS_IN_MEMORY;
    while (state->shards[other].is_taken)
        (void)pthread_cond_wait(&state->freed, &state->lock);
    state->shards[other].is_taken = true;
    (void)pthread_mutex_unlock(&state->lock);
    state->current = other;
    return OK;
}

static uint64_t shard_size(const struct mds *state, const struct shard *shard)
{
    return FIXED_SIZE + state->config.size + shard->ends.size + shard->data.size;
}

static enum error_code mds_place(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    size_t count, at = 0;
    struct mds *state = job->state;
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &count);
    for (size_t i = 0; code == OK && i < count; i++) {
        struct shard *shard = &state->shards[state->current];
        if (shard->ends.size > 0 &&
            job->options->size_limit < shard_size(state, shard) + rows[i].size + 4) {
            code = close_shard(job, part, error);
            shard = &state->shards[state->current];
        }
        if (code == OK && shard->data.size + rows[i].size > UINT32_MAX)
            code = error_set(error, ERROR_CONFIG, "a shard of more than 4 GiB");
        if (code != OK)
            break;
        /* All of it at once: growing step by step would take up to twice the room. */
        if (shard->data.capacity == 0)
            (void)bytes_reserve(&shard->data, (size_t)job->options->size_limit);
        bytes_put(&shard->data, part->data.data + at, (size_t)rows[i].size);
        bytes_put_u32(&shard->ends, (uint32_t)shard->data.size);
        at += (size_t)rows[i].size;
        if (shard->data.is_bad || shard->ends.is_bad)
            code = error_set(error, ERROR_MEMORY, "no memory for a shard");
    }
    return code;
}

static enum error_code mds_write(struct export_job *job, struct export_part *part,
                                 struct error *error)
{
    struct mds *state = job->state;
    if (!part->carried)
        return OK;
    struct shard *shard = &state->shards[part->carried - 1];
    enum error_code code = write_shard(job, shard, error);
    empty_shard(shard);
    (void)pthread_mutex_lock(&state->lock);
    shard->is_taken = false;
    (void)pthread_cond_signal(&state->freed);
    (void)pthread_mutex_unlock(&state->lock);
    return code;
}

static enum error_code mds_finish(struct export_job *job, struct error *error)
{
    struct mds *state = job->state;
    struct bytes text = {0};
    const struct shard *shard = &state->shards[state->current];
    enum error_code code = OK;
    if (shard->ends.size > 0) {
        code = number_shard(state, error);
        if (code == OK)
            code = write_shard(job, shard, error);
    }
    if (code == OK) {
        mds_put_index(job, &state->columns, (const void *)state->facts.data, state->count,
                      &text);
        code = text.is_bad ? error_set(error, ERROR_MEMORY, "no memory for the index")
                           : export_output_write(job->output, "index.json", 0, text.data,
                                                 text.size, error);
    }
    bytes_clear(&text);
    return code;
}

static void mds_close(struct export_job *job)
{
    struct mds *state = job->state;
    for (size_t i = 0; i < SHARDS_IN_MEMORY; i++) {
        bytes_clear(&state->shards[i].data);
        bytes_clear(&state->shards[i].ends);
    }
    bytes_clear(&state->facts);
    bytes_clear(&state->config);
    export_columns_clear(&state->columns);
    if (!state->has_lock)
        return;
    (void)pthread_cond_destroy(&state->freed);
    (void)pthread_mutex_destroy(&state->lock);
}

static const char *const options[] = {
    "--columns",    "--column",      "--dtype", "--vocabulary-size",
    "--size-limit", "--compression", NULL};
static const char *const names[] = {".mds", ".mds.zstd", "index.json", NULL};

const struct export_format export_mds = {
    .name = "mds",
    .summary = "a folder of MosaicML streaming shards with index.json",
    .options = options,
    .names = names,
    .shape = EXPORT_FOLDER,
    .narrow_max = 65536,
    .wide = DTYPE_UINT32,
    .dtypes = 1U << DTYPE_UINT16 | 1U << DTYPE_INT32 | 1U << DTYPE_UINT32,
    .size_limit = (uint64_t)1 << 26,
    .state_size = sizeof(struct mds),
    .open = mds_open,
    .encode = mds_encode,
    .place = mds_place,
    .write = mds_write,
    .finish = mds_finish,
    .close = mds_close,
};
