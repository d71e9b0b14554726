/* added_tokens.h - find the tokens that a tokenizer has beside its model's in text
 *
 * Leftmost first, the longest of those that begin at a place, as Hugging Face's
 * AddedVocabulary finds them; the image works wherever it is mapped, on machines of the
 * byte order that made it. Text without any costs next to nothing. */
#ifndef STAGES_KERNELS_ADDED_TOKENS_H
#define STAGES_KERNELS_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;
struct bytes;

enum { ADDED_STARTS_MAX = 8 };

struct added_tokens { /* a view of an image */
    uint32_t token_count, node_count, edge_count;
    const uint32_t *ids;         /* (token_count) */
    const uint32_t *flags;       /* (token_count) */
    const uint32_t *node_edges;  /* (node_count + 1): edges of a node */
    const uint32_t *node_tokens; /* (node_count): token that ends here, or UINT32_MAX */
    const uint32_t *edges;       /* (edge_count): child << 8 | byte, in order of bytes */
    const uint64_t *starts;      /* (256, 256) bits: pairs of bytes that a token begins
                                  * with, all pairs of the byte for a token of one */
    bool has_short;              /* there is a token of one byte */
    uint32_t pair_count;         /* of the first two bytes; 0: too many, see `starts` */
    unsigned char pairs[ADDED_STARTS_MAX][2];
};

/* Append the image; of two tokens with the same text the first counts, empty ones do not.
 * `tokens`: is_normalized is not looked at. ERROR_CONFIG: too many, ERROR_MEMORY. */
enum error_code added_tokens_build(const struct added_token *tokens, size_t count,
                                   struct arena *work, struct bytes *image,
                                   struct error *error);

/* `image` (at a multiple of 8) is borrowed as long as the view. ERROR_DAMAGED. */
enum error_code added_tokens_open(const void *image, size_t size,
                                  struct added_tokens *tokens, struct error *error);

struct added_match {
    size_t begin, end; /* with the white space that the token takes along */
    uint32_t id;
    bool is_special;
};

/* {0}, then moved on by each call. */
struct added_cursor {
    size_t at;   /* searched up to here */
    size_t done; /* end of the latest match */
};

/* The next match; false: there is none. A token may begin before the end of the one
 * before where that took white space along that begins the next. */
bool added_tokens_next(const struct added_tokens *tokens, const unsigned char *text,
                       size_t size, struct added_cursor *cursor,
                       struct added_match *match);

#endif
