/* piece_trie.h - a double-array trie: which pieces does a text begin with?
 *
 * One 8-byte cell a node: the byte that leads to it, the value of the piece that ends
 * there, and where its children are. The child for byte b of a node with base n is cell
 * n ^ b, if that cell names b. */
#ifndef STAGES_KERNELS_PIECE_TRIE_H
#define STAGES_KERNELS_PIECE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;

enum { TRIE_VALUE_MAX = (1 << 24) - 2 };
#define TRIE_NONE UINT32_MAX

struct trie_piece {
    const unsigned char *bytes;
    size_t size; /* >= 1 */
    uint32_t value;
};

struct piece_trie { /* a view */
    const uint64_t *cells;
    uint32_t root;
};

/* Lay the pieces out; sorts them. Of equal ones that with the largest value counts.
 * `*cells` (*count, a multiple of 256) lies in `work`; cell 0 holds the root. No piece at
 * all is allowed. ERROR_CONFIG: a value is too large; ERROR_MEMORY. */
enum error_code piece_trie_build(struct trie_piece *pieces, size_t count,
                                 struct arena *work, const uint64_t **cells,
                                 size_t *cell_count, struct error *error);

/* A view of cells, borrowed. False: their number is wrong. */
bool piece_trie_open(const void *cells, size_t size, struct piece_trie *trie);

static inline uint32_t trie_cell_value(uint64_t cell) /* TRIE_NONE: no piece ends here */
{
    return ((uint32_t)cell >> 8) - 1;
}

static inline uint32_t trie_cell_base(uint64_t cell)
{
    return (uint32_t)(cell >> 32);
}

/* One step down from the node with that base. False: there is no such child. */
static inline bool piece_trie_step(const struct piece_trie *trie, uint32_t base,
                                   unsigned char byte, uint64_t *cell)
{
    *cell = trie->cells[base ^ byte];
    return (unsigned char)*cell == byte;
}

/* The value of a piece that is all of `text`, or TRIE_NONE. */
static inline uint32_t piece_trie_find(const struct piece_trie *trie,
                                       const unsigned char *text, size_t size)
{
    uint32_t base = trie->root;
    uint64_t cell = 0;
    for (size_t i = 0; i < size; i++) {
        if (!piece_trie_step(trie, base, text[i], &cell))
            return TRIE_NONE;
        base = trie_cell_base(cell);
    }
    return size > 0 ? trie_cell_value(cell) : TRIE_NONE;
}

/* Bytes of the longest piece that `text` begins with, and its value; 0: none. */
static inline size_t piece_trie_longest(const struct piece_trie *trie,
                                        const unsigned char *text, size_t size,
                                        uint32_t *value)
{
    uint32_t base = trie->root;
    uint64_t cell;
    size_t longest = 0;
    for (size_t i = 0; i < size && piece_trie_step(trie, base, text[i], &cell); i++) {
        base = trie_cell_base(cell);
        if (trie_cell_value(cell) != TRIE_NONE) {
            *value = trie_cell_value(cell);
            longest = i + 1;
        }
    }
    return longest;
}

#endif
