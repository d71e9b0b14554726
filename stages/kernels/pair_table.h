/* pair_table.h - byte-pair merging by a list of merges, whatever the list: the plain way
 *
 * For vocabularies that do not fit vocabulary.h: prefixes or suffixes on the parts of
 * words, several pairs for one token in any order, merges of unknown tokens. The rules
 * are those of Hugging Face's BPE::merge_word and Word::merge_all. */
#ifndef STAGES_KERNELS_PAIR_TABLE_H
#define STAGES_KERNELS_PAIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;
struct bytes;
struct token_span;

struct pair_slot {
    uint32_t left, right, rank, merged; /* rank UINT32_MAX: empty */
};

struct pair_table { /* a view of an image, borrowed */
    uint32_t token_count, slot_shift, pair_shift;
    const uint32_t *ids;    /* (token_count) */
    const uint32_t *starts; /* (token_count + 1) into bytes */
    const unsigned char *bytes;
    const uint32_t *slots; /* token numbers by the hash of their text, or UINT32_MAX */
    const struct pair_slot *pairs;
    uint32_t byte_ids[256]; /* of "<0xNN>", or UINT32_MAX */
    uint32_t unknown;
    bool is_byte_level, byte_fallback, fuse_unknown, ignore_merges;
    struct byte_range continuing, end_of_word;
};

/* Append the image, at a multiple of 64 bytes. ERROR_CONFIG: byte fallback together with
 * prefix or suffix; ERROR_MEMORY. */
enum error_code pair_table_build(const struct model_spec *model, struct bytes *image,
                                 struct error *error);
enum error_code pair_table_open(const void *image, size_t size, struct pair_table *table,
                                struct error *error);

/* The id of the token with this text, or UINT32_MAX. */
uint32_t pair_table_find(const struct pair_table *table, const unsigned char *text,
                         size_t size);

/* The rank of a pair and what it merges to; UINT32_MAX: none. */
uint32_t pair_table_rank(const struct pair_table *table, uint32_t left, uint32_t right,
                         uint32_t *merged);

/* The ids of one piece (size >= 1), with a heap: O(n log n). `ids`, and `spans` unless
 * NULL, have room for `size`. ERROR_MEMORY. */
enum error_code pair_table_merge(const struct pair_table *table,
                                 const unsigned char *piece, size_t size,
                                 struct arena *scratch, uint32_t *ids,
                                 struct token_span *spans, size_t *count,
                                 struct error *error);

#endif
