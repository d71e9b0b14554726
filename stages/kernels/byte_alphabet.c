/* byte_alphabet.c - the characters that stand for bytes in byte-level vocabularies */
#include "stages/kernels/byte_alphabet.h"

#include "core/unicode.h"

static bool is_printable(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

void byte_alphabet_fill(struct byte_alphabet *alphabet)
{
    unsigned next = 0x100;
    for (unsigned c = 0; c < BYTE_CHAR_LIMIT; c++)
        alphabet->bytes[c] = -1;
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned c = is_printable(byte) ? byte : next++;
        alphabet->chars[byte] = (uint16_t)c;
        alphabet->bytes[c] = (int16_t)byte;
    }
}

bool byte_alphabet_map(const struct byte_alphabet *alphabet, const unsigned char *text,
                       size_t size, unsigned char *out, size_t *out_size)
{
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t c;
        size_t length = unicode_decode(text + at, size - at, &c);
        if (length == 0 || c >= BYTE_CHAR_LIMIT || alphabet->bytes[c] < 0)
            return false;
        out[count++] = (unsigned char)alphabet->bytes[c];
        at += length;
    }
    *out_size = count;
    return true;
}
