/* arena.h - memory that is released all at once */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena;

/* `limit` bounds the bytes handed out between two resets; 0: no bound.
 * NULL: no memory. */
struct arena *arena_create(size_t block_size, size_t limit);
void arena_destroy(struct arena *arena); /* NULL is allowed */

/* Ends every lifetime. Keeps blocks of the ordinary size for reuse and gives blocks
 * made for one large allocation back to the system. */
void arena_reset(struct arena *arena);

/* Zeroed and aligned to `align` (a power of two); NULL past the limit, on overflow of
 * count * size and without memory. Lives until arena_reset() or arena_destroy(). */
void *arena_alloc(struct arena *arena, size_t count, size_t size, size_t align);

/* The same without zeroing, for buffers about to be filled. */
void *arena_alloc_raw(struct arena *arena, size_t count, size_t size, size_t align);

/* Give back the tail of the latest allocation: it keeps its first `used` bytes. Does
 * nothing when `pointer` is not the latest one. */
void arena_trim(struct arena *arena, void *pointer, size_t used);

/* A copy of `size` bytes with a zero behind them; NULL as arena_alloc(). */
char *arena_copy_text(struct arena *arena, const char *text, size_t size);

size_t arena_used(const struct arena *arena); /* bytes handed out since the reset */

#define ARENA_NEW(arena, type, count) \
    ((type *)arena_alloc((arena), (count), sizeof(type), _Alignof(type)))
#define ARENA_RAW(arena, type, count) \
    ((type *)arena_alloc_raw((arena), (count), sizeof(type), _Alignof(type)))

#endif
