/* bucket.c - which bucket of an exchange a record goes to, and its place there */
#include "worker/bucket.h"

#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/hash.h"

/* Order within a bucket must not follow from the bucket: another seed. NAMES_FIRST is a
 * power of two, and so is every later size. */
enum { ORDER_SEED = 0x6F726465, NAMES_FIRST = 16 };

static uint64_t hash_identity(uint64_t seed, uint64_t salt, const char *file_name,
                              uint64_t offset, uint64_t copy, struct bytes *scratch)
{
    bytes_reset(scratch);
    bytes_put_u64(scratch, seed);
    bytes_put_u64(scratch, offset);
    bytes_put(scratch, file_name, strlen(file_name));
    if (copy) { /* behind a byte that no name has */
        bytes_put_u8(scratch, 0);
        bytes_put_u64(scratch, copy);
    }
    return hash64(scratch->data, scratch->size, salt);
}

uint32_t bucket_of_row(const struct exchange_spec *exchange, const struct batch *batch,
                       uint32_t row, const char *file_name, struct bytes *scratch)
{
    uint64_t hash;
    if (exchange->kind == EXCHANGE_RANDOM) {
        const struct origin *origin = &batch->origins[row];
        hash = hash_identity(exchange->seed, 0, file_name, origin->offset, origin->copy,
                             scratch);
    } else {
        bytes_reset(scratch);
        column_put_canonical(batch_column(batch, exchange->column), row, scratch);
        hash = hash64(scratch->data, scratch->size, 0);
    }
    return (uint32_t)(hash % exchange->buckets);
}

uint64_t bucket_order(const struct exchange_spec *exchange, const char *file_name,
                      uint64_t offset, uint64_t copy, struct bytes *scratch)
{
    if (exchange->kind != EXCHANGE_RANDOM)
        return 0;
    return hash_identity(exchange->seed, ORDER_SEED, file_name, offset, copy, scratch);
}

void name_table_init(struct name_table *table, struct arena *arena)
{
    *table = (struct name_table){.arena = arena};
}

/* Where a name stands in the slots, or would stand: they hold number + 1, 0 is empty. */
static uint32_t *slot_of(const struct name_table *table, const char *name)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t at = (uint32_t)hash64(name, strlen(name), 0) & mask;
    while (table->slots[at] && strcmp(table->names[table->slots[at] - 1], name) != 0)
        at = (at + 1) & mask;
    return &table->slots[at];
}

/* Twice the room, at least; at most half of the slots are in use. */
static bool grow_table(struct name_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : NAMES_FIRST;
    const char **names = ARENA_NEW(table->arena, const char *, capacity);
    uint32_t *slots = ARENA_NEW(table->arena, uint32_t, (size_t)capacity * 2);
    if (!names || !slots)
        return false;
    if (table->count)
        memcpy(names, table->names, table->count * sizeof *names);
    table->names = names;
    table->slots = slots;
    table->capacity = capacity;
    table->slot_count = capacity * 2;
    for (uint32_t i = 0; i < table->count; i++)
        *slot_of(table, names[i]) = i + 1;
    return true;
}

/* Number of a name; UINT32_MAX: no memory. */
static uint32_t number_of(struct name_table *table, const char *name)
{
    if (table->count == table->capacity && !grow_table(table))
        return UINT32_MAX;
    uint32_t *slot = slot_of(table, name);
    if (*slot)
        return *slot - 1;
    const char *copy = arena_copy_text(table->arena, name, strlen(name));
    if (!copy)
        return UINT32_MAX;
    table->names[table->count] = copy;
    *slot = ++table->count;
    return table->count - 1;
}

const struct batch *name_table_rename(struct name_table *table, const struct batch *batch,
                                      const struct file_names *files, struct arena *arena)
{
    struct batch *renamed = ARENA_NEW(arena, struct batch, 1);
    struct origin *origins = ARENA_RAW(arena, struct origin, batch->count);
    if (!renamed || !origins)
        return NULL;
    uint32_t last_from = UINT32_MAX, last_to = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t from = batch->origins[i].file;
        if (from != last_from) {
            last_to = number_of(table, files->names[from]);
            last_from = from;
        }
        if (last_to == UINT32_MAX)
            return NULL;
        origins[i] = batch->origins[i];
        origins[i].file = last_to;
    }
    *renamed = *batch;
    renamed->origins = origins;
    return renamed;
}

struct file_names name_table_files(const struct name_table *table)
{
    return (struct file_names){.names = table->names, .count = table->count};
}
