/* bert_kernels.h - the inner loops of bert_text.h: copy ASCII, find words
 *
 * Each in plain C and for AVX2 and AVX-512, chosen at run time; they give the same. */
#ifndef STAGES_KERNELS_BERT_KERNELS_H
#define STAGES_KERNELS_BERT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Copy ASCII to `out`, lower case where `case_bit` is 0x20 and as it is where it is 0, with
 * a space for each tab, line feed and carriage return, up to the first byte that is neither
 * one of these nor printable. Returns the bytes copied; writes at most `size`. */
typedef size_t bert_ascii_copier(const unsigned char *text, size_t size,
                                 unsigned char case_bit, unsigned char *out);

enum {
    BERT_BLOCK = 64,
    BERT_WORDS = 256,                        /* of a batch */
    BERT_WORD_ROOM = BERT_WORDS + BERT_BLOCK /* what is written past them is no word */
};

/* A word is an ASCII punctuation character, or a run of bytes that are neither that nor a
 * space. */
struct bert_words {
    const unsigned char *text; /* (size), less than 4 GiB */
    size_t size, at;           /* what has been looked at */
    uint32_t begins[BERT_WORD_ROOM], ends[BERT_WORD_ROOM];
    /* The first end_count words are whole; one more may have begun. */
    size_t begin_count, end_count;
    uint64_t is_in_word, is_after_mark; /* the byte before `at`: 0 or 1 */
};

/* Start a batch: keeps the word that has begun, and finds up to BERT_WORDS more. At the end
 * of the text `at` is `size` and every word is whole. */
typedef void bert_word_finder(struct bert_words *words);

struct bert_kernels {
    const char *name;
    bert_ascii_copier *copy_ascii;
    bert_word_finder *find_words;
};

enum { BERT_KERNELS_MAX = 3 };

/* Those that this CPU has, best first; the last one is plain C. Returns their number. */
size_t bert_kernels_list(struct bert_kernels list[BERT_KERNELS_MAX]);

#endif
