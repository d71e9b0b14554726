/* unigram_lattice.h - all the ways to write words with candidate tokens
 *
 * Built once: the candidates are the substrings that the sorted suffixes show, so each
 * place of each word knows which of them begin there, without looking one up. Training only
 * takes candidates away. */
#ifndef STAGES_KERNELS_UNIGRAM_LATTICE_H
#define STAGES_KERNELS_UNIGRAM_LATTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_table.h"
#include "stages/kernels/trainer_words.h"

struct arena;

enum {
    LATTICE_WORD_MAX = 64,   /* characters; longer words are cut */
    LATTICE_LENGTH_BITS = 8, /* of an edge, below the candidate's number */
    LATTICE_CANDIDATES_MAX = (1 << 24) - 1
};

struct lattice_word { /* symbols [begin, end) */
    uint32_t begin, end;
    uint64_t count;
};

struct lattice { /* in the arena */
    const uint32_t
        *symbols; /* (symbol_count): position in the alphabet + 1; 0 parts words */
    size_t symbol_count;
    const struct lattice_word *words; /* (word_count) */
    size_t word_count;
    /* Candidates; the first ones are the characters of the alphabet. */
    uint32_t candidate_count, character_count;
    uint32_t *places;       /* (candidate_count): where one stands in the symbols */
    unsigned char *lengths; /* (candidate_count), in characters */
    double *weights;        /* (candidate_count): occurrences times length */
    /* Edges of symbol i are edges[starts[i]] up to edges[starts[i + 1]], shorter ones first;
     * an edge is a candidate << LATTICE_LENGTH_BITS | its length. The first is always the
     * character itself. */
    uint32_t *starts; /* (symbol_count + 1) */
    uint32_t *edges;
};

/* Words of the characters of `alphabet`, parted at others; candidates are the characters,
 * and of the substrings of up to `length_max` characters that stand at least twice in the
 * texts about `candidates_max` with the highest weight. ERROR_MEMORY; ERROR_CONFIG: too
 * much to train on. */
enum error_code lattice_build(const struct counted_piece *words, size_t count,
                              const struct trainer_alphabet *alphabet,
                              uint32_t length_max, uint32_t candidates_max,
                              struct arena *arena, struct lattice *lattice,
                              struct error *error);

/* Take candidates away: numbers[i] is candidate i's new number, which keeps the order, or
 * UINT32_MAX. Characters stay. */
void lattice_shrink(struct lattice *lattice, const uint32_t *numbers);

#endif
