/* arena.c - memory that is released all at once */
#include "core/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/platform.h"

enum {
    BLOCK_ALIGN = 64,
    MAPPED_FROM = 4 << 20 /* larger blocks come from the kernel, in large pages */
};

struct block {
    struct block *next;
    unsigned char *memory; /* owned, aligned to BLOCK_ALIGN */
    size_t size, used;
    size_t clean; /* from here on the memory is zero */
    bool is_mapped;
};

struct arena {
    struct block *current; /* where allocations come from; older blocks behind it */
    struct block *spare;   /* ordinary blocks kept by a reset */
    size_t block_size, limit, used;
    const void *latest; /* what the latest allocation returned */
};

struct arena *arena_create(size_t block_size, size_t limit)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    arena->block_size = block_size < 4096 ? 4096 : block_size;
    arena->limit = limit;
    return arena;
}

static void free_blocks(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        if (block->is_mapped)
            platform_unmap_memory(block->memory, block->size);
        else
            free(block->memory);
        free(block);
        block = next;
    }
}

void arena_destroy(struct arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena->current);
    free_blocks(arena->spare);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct block *block = arena->current;
    while (block) {
        struct block *next = block->next;
        if (block->size == arena->block_size) {
            block->used = 0;
            block->next = arena->spare;
            arena->spare = block;
        } else {
            block->next = NULL;
            free_blocks(block);
        }
        block = next;
    }
    arena->current = NULL;
    arena->latest = NULL;
    arena->used = 0;
}

static struct block *new_block(size_t size)
{
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        return NULL;
    void *memory = NULL;
    block->is_mapped = size >= MAPPED_FROM;
    if (block->is_mapped)
        memory = platform_map_memory(size);
    else if (posix_memalign(&memory, BLOCK_ALIGN, size) != 0)
        memory = NULL;
    if (!memory) {
        free(block);
        return NULL;
    }
    block->memory = memory;
    block->size = size;
    block->clean = block->is_mapped ? 0 : size;
    return block;
}

static struct block *block_for(struct arena *arena, size_t size)
{
    struct block *block;
    if (size <= arena->block_size && arena->spare) {
        block = arena->spare;
        arena->spare = block->next;
    } else {
        block = new_block(size <= arena->block_size ? arena->block_size : size);
        if (!block)
            return NULL;
    }
    block->next = arena->current;
    arena->current = block;
    return block;
}

/* Memory of which the first *dirty bytes may be anything, the others are zero. */
static void *take(struct arena *arena, size_t count, size_t size, size_t align,
                  size_t *dirty)
{
    size_t total;
    if (!size_multiply(count, size, &total) || total > SIZE_MAX / 2)
        return NULL;
    if (arena->limit && (total > arena->limit || arena->used > arena->limit - total))
        return NULL;
    if (total == 0)
        total = 1;
    struct block *block = arena->current;
    size_t start = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (!block || start > block->size || block->size - start < total) {
        block = block_for(arena, total);
        if (!block)
            return NULL;
        start = 0;
    }
    block->used = start + total;
    *dirty = block->clean > start ? block->clean - start : 0;
    if (*dirty > total)
        *dirty = total;
    if (block->clean < block->used)
        block->clean = block->used;
    arena->used += total;
    arena->latest = block->memory + start;
    return block->memory + start;
}

void *arena_alloc_raw(struct arena *arena, size_t count, size_t size, size_t align)
{
    size_t dirty;
    return take(arena, count, size, align, &dirty);
}

void *arena_alloc(struct arena *arena, size_t count, size_t size, size_t align)
{
    size_t dirty;
    void *pointer = take(arena, count, size, align, &dirty);
    if (pointer)
        memset(pointer, 0, dirty);
    return pointer;
}

void arena_trim(struct arena *arena, void *pointer, size_t used)
{
    struct block *block = arena->current;
    unsigned char *at = pointer;
    if (!block || !pointer || pointer != arena->latest)
        return;
    size_t start = (size_t)(at - block->memory);
    if (block->used - start < used)
        return;
    arena->used -= block->used - start - used;
    block->used = start + used;
}

char *arena_copy_text(struct arena *arena, const char *text, size_t size)
{
    char *copy = size < SIZE_MAX ? arena_alloc_raw(arena, size + 1, 1, 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
