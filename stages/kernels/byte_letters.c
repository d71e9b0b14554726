/* byte_letters.c - the letters that stand for bytes in byte-level vocabularies (GPT-2's) */
#include "stages/kernels/byte_letters.h"

void byte_letters_fill(uint32_t letters[256])
{
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        int is_printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        letters[byte] = is_printable ? byte : next++;
    }
}
