/* schedule_fault.c - what a schedule remembers of shards that failed */
#include "coordinator/schedule_fault.h"

#include <string.h>

#include "core/hash.h"

enum { SLOTS_MIN = 64 };

static struct fault *faults_of(const struct fault_table *table)
{
    return (struct fault *)(void *)table->faults.data;
}

static uint32_t *slots_of(const struct fault_table *table)
{
    return (uint32_t *)(void *)table->slots.data;
}

static size_t fault_count(const struct fault_table *table)
{
    return table->faults.size / sizeof(struct fault);
}

void fault_table_clear(struct fault_table *table)
{
    for (size_t i = 0; i < fault_count(table); i++)
        bytes_clear(&faults_of(table)[i].suspects);
    bytes_clear(&table->faults);
    bytes_clear(&table->slots);
}

/* The slot of the shard, or the free one where it belongs. */
static uint32_t *find_slot(const struct fault_table *table, shard_id shard)
{
    uint32_t *slots = slots_of(table);
    size_t mask = table->slots.size / sizeof *slots - 1;
    size_t at = (size_t)hash64(&shard, sizeof shard, 0) & mask;
    while (slots[at] && faults_of(table)[slots[at] - 1].shard != shard)
        at = (at + 1) & mask;
    return &slots[at];
}

struct fault *fault_table_find(const struct fault_table *table, shard_id shard)
{
    if (table->slots.size == 0)
        return NULL;
    uint32_t number = *find_slot(table, shard);
    return number ? &faults_of(table)[number - 1] : NULL;
}

static bool grow_slots(struct fault_table *table)
{
    size_t count = table->slots.size / sizeof(uint32_t);
    size_t wanted = count ? count * 2 : SLOTS_MIN;
    bytes_reset(&table->slots);
    unsigned char *room = bytes_reserve(&table->slots, wanted * sizeof(uint32_t));
    if (!room)
        return false;
    memset(room, 0, wanted * sizeof(uint32_t));
    table->slots.size = wanted * sizeof(uint32_t);
    for (size_t i = 0; i < fault_count(table); i++)
        *find_slot(table, faults_of(table)[i].shard) = (uint32_t)(i + 1);
    return true;
}

struct fault *fault_table_add(struct fault_table *table, shard_id shard)
{
    struct fault *fault = fault_table_find(table, shard);
    if (fault)
        return fault;
    size_t count = fault_count(table);
    if (count >= UINT32_MAX - 1)
        return NULL;
    /* At most half of the slots are taken, so that a search always ends. */
    if ((count + 1) * 2 > table->slots.size / sizeof(uint32_t) && !grow_slots(table))
        return NULL;
    const struct fault fresh = {.shard = shard};
    bytes_put(&table->faults, &fresh, sizeof fresh);
    if (table->faults.is_bad)
        return NULL;
    *find_slot(table, shard) = (uint32_t)(count + 1);
    return &faults_of(table)[count];
}

void fault_note_worker(struct fault *fault, uint32_t worker, int64_t now_ms)
{
    fault->failed_ms = now_ms;
    if (fault_names_worker(fault, worker))
        return;
    fault->failed_on[fault->next_failed_on] = worker;
    fault->next_failed_on = (fault->next_failed_on + 1) % FAULT_WORKERS;
}

bool fault_names_worker(const struct fault *fault, uint32_t worker)
{
    for (size_t i = 0; i < FAULT_WORKERS; i++)
        if (fault->failed_on[i] == worker)
            return true;
    return false;
}

struct lease_suspect *fault_suspect(struct fault *fault, uint32_t ordinal)
{
    struct lease_suspect *items = (struct lease_suspect *)(void *)fault->suspects.data;
    size_t low = 0, high = fault->suspects.size / sizeof *items;
    size_t count = high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle].ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < count && items[low].ordinal == ordinal)
        return &items[low];
    const struct lease_suspect fresh = {.ordinal = ordinal};
    bytes_put(&fault->suspects, &fresh, sizeof fresh);
    if (fault->suspects.is_bad)
        return NULL;
    items = (struct lease_suspect *)(void *)fault->suspects.data;
    memmove(&items[low + 1], &items[low], (count - low) * sizeof *items);
    items[low] = fresh;
    return &items[low];
}
