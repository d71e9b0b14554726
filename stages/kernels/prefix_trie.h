/* prefix_trie.h - byte strings and their numbers in a double array, to find prefixes */
#ifndef STAGES_KERNELS_PREFIX_TRIE_H
#define STAGES_KERNELS_PREFIX_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/error.h"

struct bytes;

struct trie_key {
    const unsigned char *bytes; /* size >= 1 */
    size_t size;
    uint32_t value; /* less than PREFIX_TRIE_NONE */
};

/* The children of a unit stand at its base XOR their byte; no two units share a base, so
 * that the byte alone tells a unit's own children. A unit: the byte in bits 0-7, bit 8 for
 * a free one, the base in bits 9-31, the value above. The root is
 * unit 0. */
struct prefix_trie {
    const unsigned char *units; /* (unit_count) u64, borrowed, at any address */
    size_t unit_count;          /* a multiple of 256 */
};

#define PREFIX_TRIE_NONE UINT32_MAX

/* Append the trie of the keys to `image`; sorts them. Of equal keys that with the larger
 * value counts. ERROR_CONFIG: too many keys; ERROR_MEMORY. */
enum error_code prefix_trie_build(struct trie_key *keys, size_t count,
                                  struct bytes *image, struct error *error);

/* `image` is borrowed. ERROR_DAMAGED. */
enum error_code prefix_trie_open(struct prefix_trie *trie, const unsigned char *image,
                                 size_t size, struct error *error);

static inline uint64_t prefix_trie_unit(const struct prefix_trie *trie, size_t at)
{
    uint64_t unit;
    memcpy(&unit, trie->units + 8 * at, sizeof unit);
    return unit;
}

static inline uint64_t prefix_trie_root(const struct prefix_trie *trie)
{
    return prefix_trie_unit(trie, 0);
}

/* Go from *unit to its child by `byte`; false: there is none, *unit is then undefined. */
static inline bool prefix_trie_step(const struct prefix_trie *trie, uint64_t *unit,
                                    unsigned char byte)
{
    *unit = prefix_trie_unit(trie, (*unit >> 9 & 0x7FFFFF) ^ byte);
    return (*unit & 0x1FF) == byte;
}

/* The value of the key that ends at the unit, or PREFIX_TRIE_NONE. */
static inline uint32_t prefix_trie_value(uint64_t unit)
{
    return (uint32_t)(unit >> 32);
}

/* Size of the longest key that `text` begins with below the unit `from`; 0: none. */
static inline size_t prefix_trie_longest(const struct prefix_trie *trie, uint64_t from,
                                         const unsigned char *text, size_t size,
                                         uint32_t *value)
{
    size_t found = 0;
    for (size_t i = 0; i < size && prefix_trie_step(trie, &from, text[i]); i++) {
        if (prefix_trie_value(from) != PREFIX_TRIE_NONE) {
            *value = prefix_trie_value(from);
            found = i + 1;
        }
    }
    return found;
}

#endif
