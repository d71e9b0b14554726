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
#include "stages/kernels/split.h"

struct arena;
struct bytes;
struct splitter; /* in the arena given to open */
struct splitter_spec;

/* Append the compiled form of the list to `image`. ERROR_CONFIG names what cannot be
 * carried out; ERROR_MEMORY. */
enum error_code splitter_build(const struct splitter_spec *specs, size_t count,
                               struct bytes *image, struct error *error);
/* `image` is borrowed until the end of `run`. ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code splitter_open(const void *image, size_t size, struct arena *run,
                              struct splitter **splitter, struct error *error);
/* Give back the machine code of regular expressions, which no arena holds. An executor that
 * ends with its splitter need not. NULL is allowed. */
void splitter_close(struct splitter *splitter);

/* True: the list cuts every text as one pattern of split.h does, and does nothing else, so
 * that a caller may use that pattern itself. */
bool splitter_is_named(const struct splitter_spec *specs, size_t count,
                       enum split_pattern *pattern);

struct piece {
    uint32_t begin, end; /* in pieces.text */
};

struct pieces {
    /* What the pieces lie in: the text given, or a copy in scratch where a splitter puts
     * something in (a prefix space, U+2581). */
    const unsigned char *text;
    size_t size;
    /* (size + 1) into the text given; NULL: it is the same, or they were not asked for.
     * What was put in comes from the place before which it stands: alone it is empty
     * there (Hugging Face gives it the character that follows). */
    const uint32_t *origins;
    const struct piece *items; /* (count), in scratch; none is empty */
    size_t count;
};

/* `is_first`: the text begins the document. Bytes that are not UTF-8 are characters of no
 * class, each by itself. ERROR_RECORD: a regular expression backtracks beyond all bounds
 * on this text; ERROR_MEMORY. */
enum error_code splitter_run(const struct splitter *splitter, const unsigned char *text,
                             size_t size, bool is_first, bool with_origins,
                             struct arena *scratch, struct pieces *pieces,
                             struct error *error);

#endif
