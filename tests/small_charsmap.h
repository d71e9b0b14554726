/* small_charsmap.h - for tests: a precompiled charsmap of a few keys, laid out plainly */
#ifndef TESTS_SMALL_CHARSMAP_H
#define TESTS_SMALL_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

/* The children of unit p stand in a block of 256 of their own, at b XOR their byte. */
enum { SMALL_BLOCK = 256, SMALL_UNITS_MAX = 256 * SMALL_BLOCK };

static inline size_t small_charsmap_add(uint32_t *units, size_t *unit_count,
                                        const char *key, uint32_t value)
{
    size_t at = 0;
    for (;; key++) {
        if ((units[at] >> 10) == 0) { /* no children yet */
            size_t block = *unit_count;
            *unit_count += SMALL_BLOCK;
            for (size_t i = 0; i < SMALL_BLOCK; i++)
                units[block + i] = (uint32_t)(i ^ 0xFF) & 0xFF; /* nobody's child */
            units[at] |= (uint32_t)(at ^ block) << 10;
        }
        size_t block = at ^ units[at] >> 10;
        if (!*key) {
            units[at] |= 1u << 8;
            units[block] = UINT32_C(1) << 31 | value;
            return at;
        }
        unsigned char byte = (unsigned char)*key;
        bool is_new = (units[block ^ byte] & 0xFF) != byte;
        at = block ^ byte;
        if (is_new)
            units[at] = byte;
    }
}

/* `pairs`: key, replacement, key, replacement ... NULL. Freed by bytes_clear(). */
static inline struct bytes small_charsmap(const char *const *pairs)
{
    uint32_t *units = calloc(SMALL_UNITS_MAX, sizeof *units);
    struct bytes blob = {0}, texts = {0};
    size_t unit_count = SMALL_BLOCK;
    for (; units && *pairs; pairs += 2) {
        (void)small_charsmap_add(units, &unit_count, pairs[0], (uint32_t)texts.size);
        bytes_put(&texts, pairs[1], strlen(pairs[1]) + 1);
    }
    bytes_put_u32(&blob, (uint32_t)(4 * unit_count));
    for (size_t i = 0; units && i < unit_count; i++)
        bytes_put_u32(&blob, units[i]);
    bytes_put(&blob, texts.data, texts.size);
    bytes_clear(&texts);
    free(units);
    return blob;
}

#endif
