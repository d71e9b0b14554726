/* json_place.c - values of a JSON document that know where they stand, for messages */
#include "stages/kernels/json_place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/tiktoken_file.h"

struct json_place place_field(const struct json_place *outer, const char *name)
{
    struct json_place place = {outer, name, 0, json_node_field(outer->node, name)};
    if (json_node_type(place.node) == JSON_NULL)
        place.node = (struct json_node){0};
    return place;
}

struct json_place place_item(const struct json_place *outer, size_t index,
                             struct json_node node)
{
    return (struct json_place){outer, NULL, index, node};
}

/* The path's text into `text`, outermost first; what does not fit is left out. */
static void put_path(const struct json_place *place, struct bytes *text)
{
    char number[32];
    if (!place->outer)
        return;
    put_path(place->outer, text);
    if (place->name) {
        if (text->size > 0)
            bytes_put(text, ".", 1);
        bytes_put(text, place->name, strlen(place->name));
    } else {
        int size = snprintf(number, sizeof number, "[%zu]", place->index);
        bytes_put(text, number, size > 0 ? (size_t)size : 0);
    }
}

enum error_code place_refuse(const struct json_place *place, struct error *error,
                             const char *format, ...)
{
    char text[256];
    struct bytes path = {0};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_path(place, &path);
    if (path.size == 0 || path.is_bad)
        (void)error_set(error, ERROR_CONFIG, "%s", text);
    else
        (void)error_set(error, ERROR_CONFIG, "%.*s: %s",
                        (int)(path.size < 160 ? path.size : 160), (const char *)path.data,
                        text);
    bytes_clear(&path);
    return ERROR_CONFIG;
}

static bool is_one_of(const unsigned char *name, size_t size, const char *const *names)
{
    for (; *names; names++) {
        if (strlen(*names) == size && memcmp(*names, name, size) == 0)
            return true;
    }
    return false;
}

enum error_code place_check_fields(const struct json_place *place,
                                   const char *const *names, struct error *error)
{
    const unsigned char *name;
    size_t size;
    struct json_node value;
    if (json_node_type(place->node) != JSON_OBJECT)
        return place_refuse(place, error, "is not an object");
    struct json_members members = json_node_members(place->node);
    while (json_members_next(&members, &name, &size, &value)) {
        bool is_set = true;
        if (is_one_of(name, size, names) || json_node_type(value) == JSON_NULL ||
            (json_node_bool(value, &is_set) && !is_set))
            continue;
        return place_refuse(place, error, "\"%.*s\" is not supported",
                            size < 100 ? (int)size : 100, (const char *)name);
    }
    return OK;
}

enum error_code place_text(const struct json_place *outer, const char *name,
                           bool is_needed, struct arena *arena, struct byte_range *text,
                           struct error *error)
{
    struct json_place place = place_field(outer, name);
    const unsigned char *bytes;
    size_t size;
    if (json_node_type(place.node) == JSON_ABSENT) {
        *text = (struct byte_range){(const unsigned char *)"", 0};
        return is_needed ? place_refuse(outer, error, "\"%s\" is missing", name) : OK;
    }
    if (!json_node_text(place.node, &bytes, &size))
        return place_refuse(&place, error, "is not a string");
    const char *copy = arena_copy_text(arena, (const char *)bytes, size);
    if (!copy)
        return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
    *text = (struct byte_range){(const unsigned char *)copy, size};
    return OK;
}

enum error_code place_bool(const struct json_place *outer, const char *name, bool initial,
                           bool *value, struct error *error)
{
    struct json_place place = place_field(outer, name);
    *value = initial;
    if (json_node_type(place.node) == JSON_ABSENT || json_node_bool(place.node, value))
        return OK;
    return place_refuse(&place, error, "is neither true nor false");
}

enum error_code place_id(const struct json_place *place, uint32_t *id,
                         struct error *error)
{
    int64_t value;
    if (!json_node_integer(place->node, &value) || value < 0 || value >= TOKEN_ID_LIMIT)
        return place_refuse(place, error, "is not a token id: a number below %d",
                            TOKEN_ID_LIMIT);
    *id = (uint32_t)value;
    return OK;
}

enum error_code place_choice(const struct json_place *outer, const char *name,
                             const char *const *names, size_t *choice,
                             struct error *error)
{
    struct json_place place = place_field(outer, name);
    const unsigned char *text;
    size_t size;
    if (json_node_type(place.node) == JSON_ABSENT)
        return place_refuse(outer, error, "\"%s\" is missing", name);
    if (!json_node_text(place.node, &text, &size))
        return place_refuse(&place, error, "is not a string");
    for (*choice = 0; names[*choice]; ++*choice) {
        if (range_equals((struct byte_range){text, size}, names[*choice]))
            return OK;
    }
    return place_refuse(&place, error, "\"%.*s\" is not supported",
                        size < 100 ? (int)size : 100, (const char *)text);
}

bool range_equals(struct byte_range range, const char *text)
{
    size_t size = strlen(text);
    return size == range.size && (size == 0 || memcmp(text, range.bytes, size) == 0);
}

void *arena_list_grow(struct arena *arena, void *items, size_t count, size_t *capacity,
                      size_t element)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity > 0 ? *capacity * 2 : 8;
    void *grown = arena_alloc(arena, wanted, element, _Alignof(max_align_t));
    if (grown && count > 0)
        memcpy(grown, items, count * element);
    if (grown)
        *capacity = wanted;
    return grown;
}
