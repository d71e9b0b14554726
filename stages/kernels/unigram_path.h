/* unigram_path.h - the best way through a text by a Unigram model (Viterbi)
 *
 * The sums are those of EncodeOptimized() in unigram_model.cc of SentencePiece and of
 * encode_optimized() in unigram/model.rs of Hugging Face, operation by operation: from
 * left to right, rounded to float after each piece in the former, a later start winning
 * only with a strictly better sum. */
#ifndef STAGES_KERNELS_UNIGRAM_PATH_H
#define STAGES_KERNELS_UNIGRAM_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct unigram_table;

struct path_node { /* of the best way to a place of the text */
    double score;
    uint32_t start; /* of its last piece; UINT32_MAX: there is no way */
    uint32_t id;    /* of its last piece */
};

/* Find the ways to all places of `text` (size >= 1), whose first place has score `base`.
 * nodes: (size + 1). False: a character needs the unknown id, and there is none. */
bool unigram_path_find(const struct unigram_table *table, const unsigned char *text,
                       size_t size, double base, struct path_node *nodes);

/* The same in double precision from 0, and how sure it is: the limit L (0 to 255, to be
 * kept with a word in a cache). From any base below 2^(L - 33) in magnitude the function
 * above finds the same way, whatever the rounding; L = 0 promises nothing. seconds:
 * (size + 1). Rounding errors are bounded by u * (base + w) for each addition, u being the
 * unit roundoff and w the largest sum seen; the best sum at each place of the way has to
 * be ahead of all others by more than what both can lose. */
bool unigram_path_find_limit(const struct unigram_table *table, const unsigned char *text,
                             size_t size, struct path_node *nodes, double *seconds,
                             uint32_t *limit);

enum { UNIGRAM_LIMIT_BIAS = 33 };

/* Is a result of that limit also what `base` gives? */
static inline bool unigram_limit_holds(uint32_t limit, double base)
{
    uint64_t bits;
    memcpy(&bits, &base, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7FF) - 1022; /* |base| < 2^exponent */
    return limit > 0 && exponent <= (int)limit - UNIGRAM_LIMIT_BIAS;
}

/* The base behind a piece. */
double unigram_path_add(const struct unigram_table *table, double base, double score);

#endif
