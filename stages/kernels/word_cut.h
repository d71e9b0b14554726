/* word_cut.h - cut a text where no piece of a vocabulary reaches across
 *
 * A place between two characters that stand side by side in no piece can be cut: what a
 * model makes of either side does not depend on the other. Parts that recur, words mostly,
 * can then be remembered. Whether a place that could be cut is cut never changes a result,
 * so the rules here are about speed alone: text is cut in front of U+2581 and at control
 * characters, and longer parts wherever they can be. Bytes that are not UTF-8 are
 * characters of one byte. */
#ifndef STAGES_KERNELS_WORD_CUT_H
#define STAGES_KERNELS_WORD_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/memory_image.h"

struct arena;

struct word_cut {          /* a view */
    bool has_spaces;       /* no piece has U+2581 behind another character */
    const uint64_t *ascii; /* (128, 128) bits: neighbours in some piece */
    const uint64_t *joins; /* the same for hashes of all other pairs */
    unsigned shift;
};

struct cut_piece {
    const unsigned char *bytes;
    size_t size;
};

/* The tables for these pieces, in `work`. ERROR_MEMORY. */
enum error_code word_cut_build(const struct cut_piece *pieces, size_t count,
                               struct arena *work, struct image_section *section,
                               struct error *error);

/* A view of them. False: they are damaged. */
bool word_cut_open(const struct image_section *section, struct word_cut *cut);

/* Walks over a text. */
struct word_cursor {
    const unsigned char *text;
    size_t size;
    size_t at;   /* where the next part begins */
    size_t stop; /* up to here no further U+2581 to cut at was found */
};

/* The end of the part that begins at cursor->at < cursor->size; moves there. */
size_t word_cut_next(const struct word_cut *cut, struct word_cursor *cursor);

/* The first place in (begin, end) that can be cut, or `end`. */
size_t word_cut_first(const struct word_cut *cut, const unsigned char *text, size_t begin,
                      size_t end);

/* The end of U+2581s from `at`, looked for up to `limit`. */
size_t word_cut_skip_spaces(const unsigned char *text, size_t limit, size_t at);

/* Can the text be cut at `at`, where a character begins (0 < at < size)? */
bool word_cut_can(const struct word_cut *cut, const unsigned char *text, size_t size,
                  size_t at);

/* Bytes of the character at `at`: 1 to 4; 1 where none begins. */
size_t word_character(const unsigned char *at, size_t left);

/* Are all of these bytes characters? */
bool word_is_text(const unsigned char *bytes, size_t size);

/* Do two ASCII characters stand side by side in some piece? */
static inline bool word_joins_ascii(const struct word_cut *cut, uint32_t left,
                                    uint32_t right)
{
    size_t bit = left * 128 + right;
    return cut->ascii[bit / 64] >> (bit % 64) & 1;
}

/* U+2581 at `at`, of which three bytes can be read. */
static inline bool word_is_space(const unsigned char *at)
{
    return (at[0] ^ 0xE2) + (at[1] ^ 0x96) + (at[2] ^ 0x81) == 0; /* without branches */
}

#endif
