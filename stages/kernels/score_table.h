/* score_table.h - the compiled form of a SentencePiece byte-pair model
 *
 * A symbol is what merging works with: a piece of the model, or a character that is none
 * but stands in pieces. Scores are replaced by ranks, the best first; equal scores share
 * one. Symbols are numbered in the order of their ranks.
 *
 * Whenever two symbols that spell a piece stand side by side in any text, the merges inside
 * of both, up to then, were those of the piece's own characters alone: so each piece has
 * one pair that it is merged from, and SentencePiece's way back from an unused piece to its
 * parts is one, too. The pair table holds one entry a piece, and is exact. Pieces that
 * merging their own characters does not reach have none. User-defined pieces stand in the
 * text as they are and merge with nothing. */
#ifndef STAGES_KERNELS_SCORE_TABLE_H
#define STAGES_KERNELS_SCORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_trie.h"
#include "stages/kernels/word_cut.h"

struct arena;
struct bytes;
struct tokenizer_spec;

enum {
    SYMBOL_BITS = 21,
    FILTER_BITS = 2,
    NEAR_SPACE = 128, /* number of U+2581 among near characters */
    NEAR_COUNT        /* ASCII and that */
};
#define SYMBOL_NONE ((UINT32_C(1) << SYMBOL_BITS) - 1) /* a character in no piece */
#define RANK_NONE UINT32_MAX
#define PAIR_EMPTY UINT64_MAX

struct score_table { /* a view */
    uint32_t symbol_count, rank_count, id_limit;
    uint32_t unknown; /* id */
    bool byte_fallback;
    bool is_ordered; /* no pair's rank is below those of its parts, if these are merged */
    bool has_users;  /* user-defined pieces: `users`, with symbols as values */
    const uint32_t *ids;   /* (symbol_count): id, or UINT32_MAX */
    const uint32_t *ranks; /* (symbol_count) */
    const uint32_t *lasts; /* (symbol_count): the last symbol of the same rank */
    const uint32_t *parts; /* (symbol_count, 2): what an unused piece was merged from;
                            * (SYMBOL_NONE, ...): it stays what it is. NULL: none is unused */
    const uint32_t *near;  /* (NEAR_COUNT): symbols of near characters, ASCII first */
    const uint32_t *near_pairs; /* (NEAR_COUNT, NEAR_COUNT): what two of them merge to */
    const uint64_t *characters; /* slots: the others, packed << 32 | symbol */
    unsigned character_shift;
    /* Bits of pairs' hashes, four a slot: small enough for the nearer caches, they answer
     * for most pairs that do not merge. */
    const uint64_t *filter;
    const uint64_t *pairs; /* slots: left << 42 | right << 21 | merged */
    unsigned pair_shift;
    const uint32_t *byte_ids; /* (256), where byte_fallback */
    /* (id_limit): bytes of a piece; 0 where an id does not tell what it stands for */
    const uint32_t *sizes;
    struct piece_trie users;
    struct word_cut cut;
};

/* Append the image. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code score_table_build(const struct tokenizer_spec *spec, struct arena *work,
                                  struct bytes *image, struct error *error);

/* A view, borrowed. ERROR_DAMAGED: headers or sizes are wrong. */
enum error_code score_table_open(const void *image, size_t size,
                                 struct score_table *table, struct error *error);

static inline uint64_t score_hash(uint64_t key)
{
    return (key ^ key >> 17) * UINT64_C(0x9E3779B97F4A7C15);
}

static inline size_t score_slot(uint64_t key, unsigned shift)
{
    return (size_t)(score_hash(key) >> shift);
}

static inline uint32_t score_character_pack(const unsigned char *at, size_t size)
{
    uint32_t packed = 0;
    for (size_t i = 0; i < size; i++)
        packed = packed << 8 | at[i];
    return packed;
}

/* The symbol of a character of `size` bytes, or SYMBOL_NONE. */
static inline uint32_t score_character(const struct score_table *table,
                                       const unsigned char *at, size_t size)
{
    if (at[0] < 128)
        return table->near[at[0]];
    uint64_t packed = score_character_pack(at, size);
    size_t mask = ((size_t)1 << (64 - table->character_shift)) - 1;
    size_t i = score_slot(packed, table->character_shift);
    for (;; i = (i + 1) & mask) {
        uint64_t slot = table->characters[i];
        if (slot >> 32 == packed)
            return (uint32_t)slot;
        if (slot == PAIR_EMPTY)
            return SYMBOL_NONE;
    }
}

/* What two neighbouring symbols merge to, or SYMBOL_NONE. */
static inline uint32_t score_pair(const struct score_table *table, uint32_t left,
                                  uint32_t right)
{
    uint64_t key = (uint64_t)left << SYMBOL_BITS | right;
    uint64_t hash = score_hash(key);
    size_t bit = (size_t)(hash >> (table->pair_shift - FILTER_BITS));
    if (!(table->filter[bit / 64] >> (bit % 64) & 1))
        return SYMBOL_NONE;
    size_t mask = ((size_t)1 << (64 - table->pair_shift)) - 1;
    size_t i = (size_t)(hash >> table->pair_shift);
    for (;; i = (i + 1) & mask) {
        uint64_t slot = table->pairs[i];
        if (slot >> SYMBOL_BITS == key)
            return (uint32_t)slot & SYMBOL_NONE;
        if (slot == PAIR_EMPTY)
            return SYMBOL_NONE;
    }
}

#endif
