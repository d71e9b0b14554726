/* bert_text.h - BERT's normalizer, by a table of what becomes of each character
 *
 * The map says of each code point what cleaning, spaces around Chinese characters,
 * canonical decomposition without accents and lower case together make of it. In a map for
 * cutting white space becomes a space and punctuation beyond ASCII stands between spaces,
 * so that bert_kernels.h finds the words of BERT's splitter without decoding. */
#ifndef STAGES_KERNELS_BERT_TEXT_H
#define STAGES_KERNELS_BERT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "stages/kernels/bert_kernels.h"

struct arena;
struct bytes;
struct normalizer_spec;
struct text_builder;
struct unicode_table;

struct bert_map {
    const unsigned char *index;   /* u16 for each 128 code points, borrowed */
    const unsigned char *entries; /* (entry_count) u32 */
    const unsigned char
        *pool; /* (pool_size): a size and so many bytes, again and again */
    size_t entry_count, pool_size;
    bool clean_text, handle_chinese, strip_accents, lowercase, is_cut;
    struct bert_kernels kernels;
    const struct unicode_table *decomposed; /* NFD, in the arena given to open */
};

/* Append the map of a specification to `image`. ERROR_MEMORY. */
enum error_code bert_map_build(const struct normalizer_spec *spec, bool is_cut,
                               struct arena *work, struct bytes *image,
                               struct error *error);
/* `image` is borrowed until the end of `run`. ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code bert_map_open(struct bert_map *map, const unsigned char *image,
                              size_t size, struct arena *run, struct error *error);

/* Append the normalized text; bytes that are not UTF-8 pass as they are. A space put in
 * behind a character comes from that character's end. Want of memory shows in the builder.
 * False: the map is for cutting and the text is not UTF-8: its bytes might become characters
 * when what is between them is dropped. What was appended is to be discarded, and
 * bert_text_put() of a map that is not for cutting, then bert_text_put_cut() to be used. */
bool bert_text_put(const struct bert_map *map, const unsigned char *text, size_t size,
                   struct text_builder *builder);

/* Append normalized text with a space for white space and spaces around punctuation beyond
 * ASCII, without origins. */
void bert_text_put_cut(const unsigned char *text, size_t size,
                       struct text_builder *builder);

#endif
