/* byte_alphabet.h - the characters that stand for bytes in byte-level vocabularies
 *
 * The printable bytes of Latin-1 are the characters of the same number; the other 68, in
 * order, are U+0100 and on (GPT-2's bytes_to_unicode). */
#ifndef STAGES_KERNELS_BYTE_ALPHABET_H
#define STAGES_KERNELS_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BYTE_CHAR_LIMIT = 0x144 }; /* the characters are below */

struct byte_alphabet {
    uint16_t chars[256];            /* of each byte */
    int16_t bytes[BYTE_CHAR_LIMIT]; /* of each character; -1: stands for none */
};

void byte_alphabet_fill(struct byte_alphabet *alphabet);

/* The bytes that UTF-8 text stands for; `out` has room for `size`. False: some character
 * stands for none. */
bool byte_alphabet_map(const struct byte_alphabet *alphabet, const unsigned char *text,
                       size_t size, unsigned char *out, size_t *out_size);

#endif
