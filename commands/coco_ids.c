/* coco_ids.c - ids of images, categories and annotations as small numbers */
#include "commands/coco_ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/hash.h"
#include "core/json.h"

enum { DIGITS_MAX = 19, IDS_MAX = 1 << 30, SLOTS_INITIAL = 1 << 10 };

/* Digits with or without a sign, as JSON writes whole numbers. */
static bool read_digits(const char *text, size_t size, int64_t *number)
{
    bool is_negative = size > 0 && text[0] == '-';
    size_t at = is_negative ? 1 : 0;
    uint64_t value = 0;
    if (at == size || size - at > DIGITS_MAX || (text[at] == '0' && size - at > 1))
        return false;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[at] - '0'); /* 19 digits fit */
    }
    if (value > INT64_MAX)
        return false;
    *number = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
}

bool coco_id_read(const struct json_value *value, struct coco_id *id)
{
    const double limit = 9007199254740992.0; /* 2^53: whole numbers below it are exact */
    double number;
    *id = (struct coco_id){0};
    if (value->type == JSON_STRING) {
        *id = (struct coco_id){.text = (const char *)value->data, .size = value->size};
        return true;
    }
    if (value->type != JSON_NUMBER)
        return false;
    if (read_digits((const char *)value->data, value->size, &id->number))
        return true;
    if (!json_number(value->data, value->size, &number) || !(number > -limit) ||
        !(number < limit))
        return false;
    id->number = (int64_t)number;
    return (double)id->number >= number && (double)id->number <= number;
}

struct coco_id coco_id_parse(const char *text, size_t size)
{
    struct coco_id id = {0};
    if (!read_digits(text, size, &id.number))
        id = (struct coco_id){.text = text, .size = size};
    return id;
}

int coco_id_compare(const struct coco_id *a, const struct coco_id *b)
{
    if (!a->text != !b->text)
        return a->text ? 1 : -1;
    if (!a->text)
        return a->number < b->number ? -1 : a->number > b->number;
    size_t common = a->size < b->size ? a->size : b->size;
    int order = common > 0 ? memcmp(a->text, b->text, common) : 0;
    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

const char *coco_id_format(const struct coco_id *id, char *text, size_t size)
{
    if (!id->text) {
        (void)snprintf(text, size, "%" PRId64, id->number);
        return text;
    }
    int shown = id->size + 3 > size ? (int)size - 3 : (int)id->size;
    (void)snprintf(text, size, "\"%.*s\"", shown, id->text);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = '?';
    return text;
}

void coco_ids_clear(struct coco_ids *ids)
{
    free(ids->items);
    free(ids->slots);
    *ids = (struct coco_ids){.arena = ids->arena};
}

static uint64_t hash_id(const struct coco_id *id)
{
    return id->text ? hash64(id->text, id->size, 1)
                    : hash64(&id->number, sizeof id->number, 0);
}

/* The slot that holds the id, or the empty one where it belongs. */
static size_t find_slot(const struct coco_ids *ids, const struct coco_id *id)
{
    size_t mask = ids->slot_count - 1, slot = (size_t)hash_id(id) & mask;
    while (ids->slots[slot] &&
           coco_id_compare(&ids->items[ids->slots[slot] - 1], id) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

uint32_t coco_ids_find(const struct coco_ids *ids, const struct coco_id *id)
{
    if (ids->count == 0)
        return UINT32_MAX;
    return ids->slots[find_slot(ids, id)] - 1; /* an empty slot: UINT32_MAX */
}

/* At most half of the slots are taken. */
static bool grow_slots(struct coco_ids *ids)
{
    size_t count = ids->slot_count ? ids->slot_count * 2 : SLOTS_INITIAL, capacity = 0;
    uint32_t *slots = array_grow(NULL, &capacity, count, sizeof *slots);
    if (!slots)
        return false;
    free(ids->slots);
    ids->slots = slots;
    ids->slot_count = count;
    for (uint32_t i = 0; i < ids->count; i++)
        slots[find_slot(ids, &ids->items[i])] = i + 1;
    return true;
}

enum error_code coco_ids_add(struct coco_ids *ids, const struct coco_id *id,
                             uint32_t *number, bool *is_new, struct error *error)
{
    struct coco_id added = *id;
    if (ids->count >= IDS_MAX)
        return error_set(error, ERROR_CONFIG, "more than %d ids", IDS_MAX);
    if ((size_t)ids->count * 2 >= ids->slot_count && !grow_slots(ids))
        return error_set(error, ERROR_MEMORY, "no memory for %" PRIu32 " ids",
                         ids->count);
    size_t slot = find_slot(ids, id);
    *is_new = ids->slots[slot] == 0;
    if (!*is_new) {
        *number = ids->slots[slot] - 1;
        return OK;
    }
    struct coco_id *items =
        array_grow(ids->items, &ids->capacity, (size_t)ids->count + 1, sizeof *items);
    if (items)
        ids->items = items;
    if (items && id->text)
        added.text = arena_copy_text(ids->arena, id->text, id->size);
    if (!items || (id->text && !added.text))
        return error_set(error, ERROR_MEMORY, "no memory for %" PRIu32 " ids",
                         ids->count);
    items[ids->count++] = added;
    ids->slots[slot] = ids->count;
    *number = ids->count - 1;
    return OK;
}
