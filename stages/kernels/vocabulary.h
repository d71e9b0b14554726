/* vocabulary.h - a compiled byte-pair vocabulary: a read-only view of one memory image
 *
 * The image holds offsets only, so it works wherever it is mapped, on machines of the byte
 * order that made it. It is made by vocabulary_build.c. "Rank" and id are the same number.
 *
 * A token of two bytes and more has at most one pair of tokens that merging its own bytes
 * ends with. No other pair with the same concatenation ever stands side by side while text
 * is merged: the merges inside the two, up to that moment, are those of the token alone.
 * So the pair table holds one entry a token, and is exact. */
#ifndef STAGES_KERNELS_VOCABULARY_H
#define STAGES_KERNELS_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/error.h"

enum {
    PAIR_ID_BITS = 21,
    EDGE_NODE_BITS = 24,
    PAIR_FILTER_BITS = 2, /* more than a slot number has */
    TOKEN_SET_BITS = 16
};
#define TOKEN_NONE UINT32_MAX
#define SLOT_EMPTY UINT64_MAX
#define PAIR_LEFT UINT32_C(0x9E3779B1) /* odd: factors of a pair's hash */
#define PAIR_RIGHT UINT32_C(0x85EBCA77)

struct vocabulary {
    uint32_t id_limit;    /* ids are below; there may be holes */
    uint32_t token_count; /* entries */
    /* Every two-byte token and all others follow from pairs of lower rank: what
     * merge_linear() needs. Else, where `late` is not NULL, it does for texts that hold none
     * of those that do not. */
    bool is_ordered;
    const uint32_t *starts;      /* (id_limit + 1): token i is bytes[starts[i] ... ) */
    const unsigned char *bytes;  /* concatenated in the order of ids; holes are empty */
    const uint32_t *byte_ids;    /* (256) */
    const uint32_t *byte_pairs;  /* (256, 256): token of two bytes, or TOKEN_NONE */
    const uint32_t *splits;      /* (id_limit, 2): the pair; (self, self): has none */
    const uint32_t *prefixes;    /* (id_limit): longest proper prefix that merging makes,
                                   or TOKEN_NONE */
    const uint64_t *pairs;       /* slots: left << 42 | right << 21 | merged */
    unsigned pair_shift;         /* 64 - log2 of the slots */
    const uint64_t *pair_filter; /* four bits a slot:
                                    small enough for the second-level cache, it answers
                                    for nearly all pairs that do not merge */
    /* Neighbouring characters that stand inside a token, as bits of hashes, and pairs of
     * bytes where a token holds only a part of one of the two characters: between all
     * others a piece may be cut, as no merge reaches across. */
    const uint64_t *joins;
    unsigned join_shift;
    const uint64_t *byte_joins; /* (256, 256) bits */
    /* Tokens that merging does not make, as bits of hashes: a part of a piece must not be
     * taken for one. `hidden_max`: bytes of the longest, 0: there are none. */
    const uint64_t *hidden;
    uint32_t hidden_max;
    const uint64_t *late;   /* hashes of the first three bytes of late tokens */
    const uint64_t *pieces; /* slots: upper half of the hash << 32 | id */
    unsigned piece_shift;
    const uint64_t *edges; /* trie: node << 32 | byte << 24 | child */
    unsigned edge_shift;
    const uint32_t *roots; /* (256, 256): trie node after two bytes, or TOKEN_NONE */
    const uint32_t *node_tokens; /* longest token along the way to a node */
};

/* A view of an image, borrowed for as long as the view is used. Checks header and sizes:
 * ERROR_DAMAGED. */
enum error_code vocabulary_open(const void *image, size_t size,
                                struct vocabulary *vocabulary, struct error *error);

/* The id of a piece that is a token as a whole, or TOKEN_NONE. */
uint32_t vocabulary_find(const struct vocabulary *vocabulary, const unsigned char *piece,
                         size_t size);

/* The same where the piece's vocabulary_hash() is known. */
uint32_t vocabulary_find_hashed(const struct vocabulary *vocabulary, uint64_t hash,
                                const unsigned char *piece, size_t size);

/* A token that merging does not make? */
bool vocabulary_is_hidden(const struct vocabulary *vocabulary, const unsigned char *bytes,
                          size_t size);

/* Is merge_linear() exact for this piece? */
bool vocabulary_is_ordered_in(const struct vocabulary *vocabulary,
                              const unsigned char *piece, size_t size);

/* The longest token that `text` (size >= 1) begins with, of those that merging makes.
 * `*seen`: how many bytes decided that, one more than there are if all did. */
uint32_t vocabulary_longest(const struct vocabulary *vocabulary,
                            const unsigned char *text, size_t size, size_t *seen);

/* Bytes of `piece` up to the first place where it may be cut; `size` where there is none.
 * Between characters of ASCII no place is looked for. The parts are merged each by itself. */
size_t vocabulary_cut(const struct vocabulary *vocabulary, const unsigned char *piece,
                      size_t size);

/* Bytes of the character at `at` as its first byte tells, all of them there: 1 to 4; 0:
 * none begins here. */
static inline size_t vocabulary_character(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80)
        return 1;
    size_t size = at[0] < 0xC0 || at[0] >= 0xF8 ? 0
                  : at[0] < 0xE0                ? 2
                  : at[0] < 0xF0                ? 3
                                                : 4;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

static inline uint64_t vocabulary_join_hash(const unsigned char *left, size_t left_size,
                                            const unsigned char *right, size_t right_size)
{
    uint64_t key = 0;
    for (size_t i = 0; i < left_size; i++)
        key = key << 8 | left[i];
    for (size_t i = 0; i < right_size; i++)
        key = key << 8 | right[i];
    return (key ^ key >> 31) * UINT64_C(0x9E3779B97F4A7C15);
}

/* The bit of three bytes in the tables of late and of hidden tokens. */
static inline size_t vocabulary_set_bit(const unsigned char *bytes)
{
    uint32_t word = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    return word * UINT32_C(0x9E3779B1) >> (32 - TOKEN_SET_BITS);
}

/* Hashes of the three tables. */
static inline size_t vocabulary_slot(uint64_t key, unsigned shift)
{
    return (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> shift);
}

static inline uint64_t vocabulary_pair_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << PAIR_ID_BITS | right;
}

/* Of 32 bits, so that vectors can have sixteen of them; the upper ones are the good ones. */
static inline uint32_t vocabulary_pair_hash(uint32_t left, uint32_t right)
{
    return left * PAIR_LEFT ^ right * PAIR_RIGHT;
}

/* The slot of a pair, and its bit in the filter. */
static inline size_t vocabulary_pair_slot(const struct vocabulary *vocabulary,
                                          uint32_t hash)
{
    return hash >> (vocabulary->pair_shift - 32);
}

static inline size_t vocabulary_pair_bit(const struct vocabulary *vocabulary,
                                         uint32_t hash)
{
    return hash >> (vocabulary->pair_shift - 32 - PAIR_FILTER_BITS);
}

/* What two neighbouring tokens merge to, or TOKEN_NONE. */
static inline uint32_t vocabulary_pair(const struct vocabulary *vocabulary, uint32_t left,
                                       uint32_t right)
{
    uint64_t key = vocabulary_pair_key(left, right);
    uint32_t hash = vocabulary_pair_hash(left, right);
    size_t bit = vocabulary_pair_bit(vocabulary, hash);
    if (!(vocabulary->pair_filter[bit / 64] >> (bit % 64) & 1))
        return TOKEN_NONE;
    size_t mask = ((size_t)1 << (64 - vocabulary->pair_shift)) - 1;
    size_t i = vocabulary_pair_slot(vocabulary, hash);
    for (;; i = (i + 1) & mask) {
        uint64_t slot = vocabulary->pairs[i];
        if (slot >> PAIR_ID_BITS == key)
            return (uint32_t)(slot & ((1u << PAIR_ID_BITS) - 1));
        if (slot == SLOT_EMPTY)
            return TOKEN_NONE;
    }
}

static inline size_t vocabulary_token_size(const struct vocabulary *vocabulary,
                                           uint32_t id)
{
    return vocabulary->starts[id + 1] - vocabulary->starts[id];
}

/* Hash of a byte string, for tables in memory. */
static inline uint64_t vocabulary_hash(const unsigned char *bytes, size_t size)
{
    uint64_t hash = size * UINT64_C(0x9E3779B97F4A7C15);
    while (size >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * UINT64_C(0xD6E8FEB86659FD93);
        hash ^= hash >> 32;
        bytes += 8;
        size -= 8;
    }
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    hash = (hash ^ word) * UINT64_C(0xD6E8FEB86659FD93);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

/* ---- the image, for vocabulary_build.c ---- */

enum vocabulary_section {
    SECTION_STARTS,
    SECTION_BYTES,
    SECTION_BYTE_IDS,
    SECTION_BYTE_PAIRS,
    SECTION_SPLITS,
    SECTION_PREFIXES,
    SECTION_PAIRS,
    SECTION_PAIR_FILTER,
    SECTION_JOINS,
    SECTION_BYTE_JOINS,
    SECTION_HIDDEN,
    SECTION_LATE,
    SECTION_PIECES,
    SECTION_EDGES,
    SECTION_ROOTS,
    SECTION_NODE_TOKENS,
    SECTION_COUNT
};

/* What the header says: written and read field by field. */
struct vocabulary_header {
    uint32_t id_limit, token_count, is_ordered, pair_shift, piece_shift, edge_shift;
    uint32_t node_count, join_shift, hidden_max;
    uint32_t has_late;               /* is_ordered 0: which tokens are late is known */
    uint64_t offsets[SECTION_COUNT]; /* multiples of 64 */
    uint64_t size;                   /* of the image */
};

enum { VOCABULARY_HEADER_SIZE = 192 };

/* Bytes in a section of an image with this header. */
uint64_t vocabulary_section_size(const struct vocabulary_header *header,
                                 enum vocabulary_section section, uint64_t bytes_size);

/* The header as VOCABULARY_HEADER_SIZE bytes. */
void vocabulary_header_write(const struct vocabulary_header *header, unsigned char *out);

#endif
