/* count_text.c - count the code points of UTF-8 text */
#include "stages/kernels/count_text.h"

#include <string.h>

uint64_t text_count_characters(const unsigned char *text, size_t size)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t count = 0;
    size_t i = 0;
    while (size - i >= 8) {
        /* One bit a byte; at most 255 words before a byte of the sum could overflow. */
        uint64_t sum = 0;
        size_t words = (size - i) / 8 < 255 ? (size - i) / 8 : 255;
        for (size_t end = i + words * 8; i < end; i += 8) {
            uint64_t word;
            memcpy(&word, text + i, 8);
            sum += (~word >> 7 | word >> 6) & ones; /* top bits other than 10 */
        }
        const uint64_t pairs = 0x00FF00FF00FF00FFu;
        sum = (sum & pairs) + (sum >> 8 & pairs);
        count += sum * 0x0001000100010001u >> 48;
    }
    for (; i < size; i++)
        count += (text[i] & 0xC0) != 0x80;
    return count;
}
