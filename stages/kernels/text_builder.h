/* text_builder.h - a text that grows in an arena, and where its bytes come from */
#ifndef STAGES_KERNELS_TEXT_BUILDER_H
#define STAGES_KERNELS_TEXT_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct text_builder {
    struct arena *arena;
    unsigned char *text; /* (size), in the arena */
    uint32_t *origins;   /* (size), in the arena; NULL: not wanted */
    size_t size, capacity;
    bool with_origins;
    bool is_bad; /* no memory: what was put since then is lost */
};

/* An empty text with room for about `capacity` bytes. */
void text_builder_begin(struct text_builder *builder, struct arena *arena,
                        size_t capacity, bool with_origins);

/* Room for `size` bytes more, with as many origins, to be filled and counted in `size` by
 * the caller; NULL: no memory. */
unsigned char *text_builder_reserve(struct text_builder *builder, size_t size);

/* Append bytes that all come from `origin`. */
void text_builder_put(struct text_builder *builder, const unsigned char *bytes,
                      size_t size, size_t origin);

/* Append bytes that come from `origin`, `origin` + 1 and so on. */
void text_builder_copy(struct text_builder *builder, const unsigned char *bytes,
                       size_t size, size_t origin);

/* Set origins[size], which counts as no byte of the text. False: no memory, now or before. */
bool text_builder_end(struct text_builder *builder, size_t origin);

#endif
