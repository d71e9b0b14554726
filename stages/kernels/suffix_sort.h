/* suffix_sort.h - sort the suffixes of many words by their first symbols
 *
 * Radix sort of several symbols at a time, down to `depth`: linear in the number of
 * symbols. What lies deeper is not looked at, since no token is longer. */
#ifndef STAGES_KERNELS_SUFFIX_SORT_H
#define STAGES_KERNELS_SUFFIX_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;

/* `symbols`: (count), 0 ends each word and the last one; others are at most `symbol_max`.
 * `order`: (returned number) places of all symbols but 0, by the `depth` symbols from there
 * on (a word's end is before everything), then by place. `shared`: (the same) symbols that a
 * place has in common with the one before, at most `depth`; shared[0] is 0. Both live in
 * `arena`. ERROR_MEMORY. */
enum error_code suffix_sort(const uint32_t *symbols, size_t count, uint32_t symbol_max,
                            uint32_t depth, struct arena *arena, uint32_t **order,
                            unsigned char **shared, size_t *order_count,
                            struct error *error);

#endif
