/* normalizer.h - the normalizers of a tokenizer, one after another over a text */
#ifndef STAGES_KERNELS_NORMALIZER_H
#define STAGES_KERNELS_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bytes;
struct normalizer_spec;
struct normalizer; /* in the arena given to open */

/* Append the compiled form of the list to `image`. ERROR_CONFIG names what cannot be
 * carried out; ERROR_MEMORY. */
enum error_code normalizer_build(const struct normalizer_spec *specs, size_t count,
                                 struct arena *work, struct bytes *image,
                                 struct error *error);
/* `image` is borrowed until the end of `run`. ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code normalizer_open(const void *image, size_t size, struct arena *run,
                                struct normalizer **normalizer, struct error *error);

struct normalized {
    const unsigned char *text; /* in scratch, or the text given where nothing changed */
    size_t size;
    /* (size + 1): where in the text given each byte comes from; NULL: nothing changed, or
     * it was not asked for. They never fall. Bytes that stay count on from that of the one
     * before; all bytes that a character becomes have the place where it begins, and what
     * replaces a match that of its last character, but a space put in behind a Chinese
     * character has that where it ends. Normal forms: see normal_form.c. */
    const uint32_t *origins;
};

/* Bytes that are not UTF-8 pass as they are; SentencePiece's normalizer makes U+FFFD of each.
 * `is_first`: the text begins the document (an added token may have been cut off before it);
 * no normalizer there is asks for it. ERROR_RECORD: a regular expression takes too many steps
 * on the text; ERROR_MEMORY. */
enum error_code normalizer_run(const struct normalizer *normalizer,
                               const unsigned char *text, size_t size, bool is_first,
                               bool with_origins, struct arena *scratch,
                               struct normalized *result, struct error *error);

#endif
