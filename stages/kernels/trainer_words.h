/* trainer_words.h - the words and the characters that a vocabulary is trained on */
#ifndef STAGES_KERNELS_TRAINER_WORDS_H
#define STAGES_KERNELS_TRAINER_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/piece_table.h"

struct arena;

/* Cut SentencePiece's words where characters of scripts and common ones (ASCII numbers,
 * punctuation, symbols) meet, as its trainers let no token reach across; marks and U+2581 go
 * with either. Scripts are not told apart. Equal parts are put together, in order of first
 * appearance. `pieces` are UTF-8. ERROR_MEMORY. */
enum error_code trainer_words_cut(const struct counted_piece *pieces, size_t count,
                                  struct arena *arena, const struct counted_piece **words,
                                  size_t *word_count, struct error *error);

struct trainer_alphabet { /* in the arena: by falling count, then by code point */
    const uint32_t *codes;
    const uint64_t *counts;
    uint32_t count;
};

/* The most frequent characters, until they make `coverage` of all occurrences or there are
 * `limit` (0: no limit) of them. U+FFFD, which stands for what was not UTF-8, is none, nor
 * is a byte that is not UTF-8. ERROR_MEMORY. */
enum error_code trainer_alphabet_count(const struct counted_piece *words, size_t count,
                                       double coverage, uint32_t limit,
                                       struct arena *arena,
                                       struct trainer_alphabet *alphabet,
                                       struct error *error);

/* UTF-8 of a code point into `text`; returns its size. */
size_t trainer_put_code(uint32_t code, unsigned char text[4]);

#endif
