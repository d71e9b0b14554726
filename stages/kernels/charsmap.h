/* charsmap.h - SentencePiece's precompiled map from character sequences to their normal form
 *
 * The blob: u32 size of the trie, the trie (a double array of Darts-clone: u32 units), and
 * the replacements, each ended by a zero byte; a key's value is the place of its own. */
#ifndef STAGES_KERNELS_CHARSMAP_H
#define STAGES_KERNELS_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdint.h>

#include "core/error.h"

struct charsmap {
    const unsigned char *units; /* (unit_count) u32, little-endian, borrowed */
    size_t unit_count;
    const char *replacements; /* borrowed; the last byte is zero */
    size_t replacement_size;
    bool is_plain[128]; /* ASCII that stays as it is in front of ASCII and at the end */
};

/* `blob` is borrowed for as long as the map is used. An empty blob: an empty map.
 * ERROR_CONFIG: it is no charsmap. */
enum error_code charsmap_open(struct charsmap *map, const unsigned char *blob,
                              size_t size, struct error *error);

/* What keys are there that begin with a character below U+10000. Where nothing is marked a
 * character stays as it is, whatever follows. */
struct charsmap_marks {
    uint64_t begins[1024]; /* bits: some key begins with the character ... */
    uint64_t alone[1024];  /* and is nothing more */
    /* by bytes: one can stand behind such a character in a key; characters that begin so
     * cannot be told by what is above */
    bool follows[256], is_odd[256];
};

void charsmap_mark(const struct charsmap *map, struct charsmap_marks *marks);

/* The longest key that `text` begins with, or `is_shortest` the shortest one: its size, 0
 * for none, and the replacement, of *replaced_size bytes. Reads at most `size` bytes. */
size_t charsmap_find(const struct charsmap *map, const unsigned char *text, size_t size,
                     bool is_shortest, const unsigned char **replaced,
                     size_t *replaced_size);

#endif
