/* text_builder.c - a text that grows in an arena, and where its bytes come from */
#include "stages/kernels/text_builder.h"

#include <string.h>

#include "core/arena.h"

enum { CAPACITY_MIN = 64 };

/* A larger array that begins with the `used` elements of `from`. */
static void *grow(struct arena *arena, const void *from, size_t used, size_t capacity,
                  size_t element)
{
    void *to = arena_alloc_raw(arena, capacity, element, element);
    if (to && used > 0)
        memcpy(to, from, used * element);
    return to;
}

static void set_capacity(struct text_builder *builder, size_t capacity)
{
    size_t used = builder->size;
    unsigned char *text = grow(builder->arena, builder->text, used, capacity, 1);
    uint32_t *origins = NULL;
    if (builder->with_origins)
        origins = grow(builder->arena, builder->origins, used, capacity, sizeof *origins);
    builder->is_bad = !text || (builder->with_origins && !origins);
    if (builder->is_bad)
        return;
    builder->text = text;
    builder->origins = origins;
    builder->capacity = capacity;
}

void text_builder_begin(struct text_builder *builder, struct arena *arena,
                        size_t capacity, bool with_origins)
{
    *builder = (struct text_builder){.arena = arena, .with_origins = with_origins};
    set_capacity(builder, capacity + CAPACITY_MIN);
}

unsigned char *text_builder_reserve(struct text_builder *builder, size_t size)
{
    if (builder->capacity - builder->size < size && !builder->is_bad)
        set_capacity(builder, builder->capacity + builder->capacity / 2 + size);
    return builder->is_bad ? NULL : builder->text + builder->size;
}

void text_builder_put(struct text_builder *builder, const unsigned char *bytes,
                      size_t size, size_t origin)
{
    unsigned char *to = text_builder_reserve(builder, size);
    if (!to)
        return;
    memcpy(to, bytes, size);
    if (builder->with_origins) {
        for (size_t i = 0; i < size; i++)
            builder->origins[builder->size + i] = (uint32_t)origin;
    }
    builder->size += size;
}

void text_builder_copy(struct text_builder *builder, const unsigned char *bytes,
                       size_t size, size_t origin)
{
    unsigned char *to = text_builder_reserve(builder, size);
    if (!to)
        return;
    memcpy(to, bytes, size);
    if (builder->with_origins) {
        for (size_t i = 0; i < size; i++)
            builder->origins[builder->size + i] = (uint32_t)(origin + i);
    }
    builder->size += size;
}

bool text_builder_end(struct text_builder *builder, size_t origin)
{
    if (!text_builder_reserve(builder, 1))
        return false;
    if (builder->with_origins)
        builder->origins[builder->size] = (uint32_t)origin;
    return true;
}
