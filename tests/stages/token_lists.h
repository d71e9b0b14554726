/* token_lists.h - what the tests of stages over tokens share: lists in, lists out */
#ifndef TESTS_STAGES_TOKEN_LISTS_H
#define TESTS_STAGES_TOKEN_LISTS_H

#include <stdlib.h>

#include "tests/stages/one_stage.h"

/* The schema {key: utf8, tokens: list<u32>}. */
static const struct schema_field token_fields[] = {{"key", COLUMN_UTF8, 0},
                                                   {"tokens", COLUMN_LIST_U32, 0}};

/* A list that grows. */
struct list {
    uint32_t *items; /* owned */
    size_t count, capacity;
};

static inline void list_add(struct list *list, uint32_t item)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        assert_non_null(list->items);
    }
    list->items[list->count++] = item;
}

static inline void list_free(struct list *list)
{
    free(list->items);
    *list = (struct list){0};
}

static inline const struct column *list_column(struct arena *arena, const char *name,
                                               const struct list *lists, uint32_t count)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    for (uint32_t i = 0; i < count; i++)
        offsets[i + 1] = offsets[i] + lists[i].count;
    uint32_t *data = ARENA_NEW(arena, uint32_t, (size_t)offsets[count] + 1);
    for (uint32_t i = 0; i < count; i++)
        if (lists[i].count > 0)
            memcpy(data + offsets[i], lists[i].items, lists[i].count * sizeof *data);
    *column = (struct column){
        .name = name, .type = COLUMN_LIST_U32, .offsets = offsets, .data = data};
    return column;
}

/* Records of `tokens`. */
static inline struct batch *token_batch(struct arena *arena, const struct list *lists,
                                        uint32_t count)
{
    const struct column *column = list_column(arena, "tokens", lists, count);
    return make_batch(arena, &column, 1, count);
}

/* "3 1 4" */
static inline struct list list_of(const char *text)
{
    struct list list = {0};
    char *end;
    for (;;) {
        unsigned long number = strtoul(text, &end, 10);
        if (end == text)
            return list;
        list_add(&list, (uint32_t)number);
        text = end;
    }
}

/* Row of a list column as "3 1 4"; "-" where there is none. */
static inline const char *list_text(const struct batch *batch, const char *name,
                                    uint32_t row, char *text, size_t size)
{
    const struct column *column = batch_column(batch, name);
    assert_non_null(column);
    assert_int_equal(column->type, COLUMN_LIST_U32);
    text[0] = 0;
    if (!column_is_valid(column, row))
        return "-";
    const uint32_t *items = column_row(column, row);
    for (uint64_t i = 0; i < column_row_length(column, row); i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, size - used, "%s%u", i ? " " : "",
                       (unsigned)items[i]);
    }
    return text;
}

static inline void expect_list(const struct batch *batch, const char *name, uint32_t row,
                               const char *wanted)
{
    char text[4096];
    assert_string_equal(list_text(batch, name, row, text, sizeof text), wanted);
}

#endif
