/* wordpiece.h - a word to its WordPiece tokens: greedy, longest match first */
#ifndef STAGES_KERNELS_WORDPIECE_H
#define STAGES_KERNELS_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_cache.h"
#include "stages/kernels/prefix_trie.h"

struct arena;
struct bytes;
struct tokenizer_spec;
struct token_span;

struct wordpiece {
    struct prefix_trie trie;
    uint64_t first,
        later; /* units above the tokens that begin a word, and go on with it */
    uint32_t unknown, word_max;
};

/* Append the image of the specification's model. Of tokens with the same text that
 * with the largest id counts (in a vocab.txt: the last line, as in Hugging Face's); one that
 * is not UTF-8 is never found. ERROR_CONFIG: there is no unknown token, or
 * an id is too large; ERROR_MEMORY. */
enum error_code wordpiece_build(const struct tokenizer_spec *spec, struct arena *work,
                                struct bytes *image, struct error *error);
/* `image` is borrowed. ERROR_DAMAGED. */
enum error_code wordpiece_open(struct wordpiece *model, const unsigned char *image,
                               size_t size, struct error *error);

/* The tokens of a word of `size` >= 1 bytes into `ids`, which has room for `size` of them,
 * and unless NULL into `spans` what each stands for. A word of more than word_max
 * characters, or with a part that no token matches, is the unknown token. Returns their
 * number. A byte that is not UTF-8 is a character that no token has. */
size_t wordpiece_encode(const struct wordpiece *model, const unsigned char *word,
                        size_t size, uint32_t *ids, struct token_span *spans);

/* The key of a word of up to PIECE_KEY_MAX bytes with its slot, or the slot in the large
 * table of a longer one: made ahead, so that memory is on its way. */
struct word_place {
    struct piece_key key;
    size_t slot;
};

/* The ids of a word that its first small slot does not answer (`found` is what stands
 * there: NULL, or a slot that points to the large table), remembered from now on. */
size_t wordpiece_encode_missed(const struct wordpiece *model, struct piece_cache *cache,
                               const unsigned char *word, size_t size,
                               struct word_place place, const struct piece_slot *found,
                               uint32_t *ids);

#endif
