/* splitter.h - the splitters of a tokenizer: a text into pieces for its model
 *
 * Named patterns run on the compiled forms of split.h, other regular expressions on
 * PCRE2's. */
#ifndef STAGES_KERNELS_SPLITTER_H
#define STAGES_KERNELS_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bytes;
struct splitter; /* in the arena given to open */
struct splitter_spec;

enum error_code splitter_build(const struct splitter_spec *specs, size_t count,
                               struct bytes *image, struct error *error);
enum error_code splitter_open(const void *image, size_t size, struct arena *run,
                              struct splitter **splitter, struct error *error);

struct piece {
    uint32_t begin, end; /* in pieces.text */
};

struct pieces {
    /* What the pieces lie in: the text given, or a copy in scratch where a splitter puts
     * something in (a prefix space, U+2581). */
    const unsigned char *text;
    size_t size;
    const uint32_t *origins; /* (size + 1) into the text given; NULL: it is the same, or
                              * they were not asked for */
    const struct piece *items; /* (count), in scratch; none is empty */
    size_t count;
};

/* `is_first`: the text begins the document. ERROR_MEMORY. */
enum error_code splitter_run(const struct splitter *splitter, const unsigned char *text,
                             size_t size, bool is_first, bool with_origins,
                             struct arena *scratch, struct pieces *pieces,
                             struct error *error);

#endif
