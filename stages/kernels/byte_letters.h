/* byte_letters.h - the letters that stand for bytes in byte-level vocabularies (GPT-2's) */
#ifndef STAGES_KERNELS_BYTE_LETTERS_H
#define STAGES_KERNELS_BYTE_LETTERS_H

#include <stdint.h>

/* Code points for all 256 bytes: printable Latin-1 characters stand for themselves, the
 * others follow from U+0100 on in order. */
void byte_letters_fill(uint32_t letters[256]);

#endif
