/* coco_ids.h - ids of images, categories and annotations as small numbers */
#ifndef COMMANDS_COCO_IDS_H
#define COMMANDS_COCO_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct json_value;

/* A whole number or a text; 1 and "1" are two ids. */
struct coco_id {
    const char *text; /* NULL: a number */
    size_t size;
    int64_t number;
};

/* False: it is neither a text nor a whole number that fits (42.0 is one, as in Python).
 * The text is borrowed from the value. */
bool coco_id_read(const struct json_value *value, struct coco_id *id);
/* As a person may have typed it: digits are a number. */
struct coco_id coco_id_parse(const char *text, size_t size);
/* Numbers before texts, texts by code point: how numpy.unique() sorts either. */
int coco_id_compare(const struct coco_id *a, const struct coco_id *b);
/* 42, or a text in quotes, cut where it is long; written to `text`, which is returned. */
const char *coco_id_format(const struct coco_id *id, char *text, size_t size);

/* A set of ids, numbered in the order in which they were added. {.arena = ...} is an empty
 * one; texts lie in the arena (borrowed). */
struct coco_ids {
    struct arena *arena;
    struct coco_id *items; /* owned */
    uint32_t count;
    size_t capacity;
    uint32_t *slots; /* owned: number + 1 of an item, or 0 */
    size_t slot_count;
};

void coco_ids_clear(struct coco_ids *ids);
/* The number of an id, or UINT32_MAX. */
uint32_t coco_ids_find(const struct coco_ids *ids, const struct coco_id *id);
/* The number of an id, which is added where it is new. ERROR_MEMORY; ERROR_CONFIG past
 * 2^30 ids. */
enum error_code coco_ids_add(struct coco_ids *ids, const struct coco_id *id,
                             uint32_t *number, bool *is_new, struct error *error);

#endif
