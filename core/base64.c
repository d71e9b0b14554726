/* base64.c - read and write base64 (RFC 4648, with padding) */
#include "core/base64.h"

#include <stdint.h>

#include "core/bytes.h"

enum { NOT_A_DIGIT = 64 };

static uint32_t digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NOT_A_DIGIT;
}

bool base64_decode(const unsigned char *text, size_t size, unsigned char *out,
                   size_t *out_size)
{
    if (size % 4 != 0)
        return false;
    size_t digits = size, written = 0;
    for (int i = 0; i < 2 && digits > 0 && text[digits - 1] == '='; i++)
        digits--;
    uint32_t bits = 0;
    for (size_t i = 0; i < digits; i++) {
        uint32_t value = digit(text[i]);
        if (value == NOT_A_DIGIT)
            return false;
        bits = bits << 6 | value;
        if (i % 4 > 0)
            out[written++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    unsigned spare = digits % 4 == 2 ? 4 : digits % 4 == 3 ? 2 : 0;
    if (digits % 4 == 1 || (bits & ((1U << spare) - 1)) != 0)
        return false;
    *out_size = written;
    return true;
}

void base64_put(const void *data, size_t size, struct bytes *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)at[i] << 16;
        group |= left > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        group |= left > 2 ? at[i + 2] : 0;
        const char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              left > 1 ? digits[group >> 6 & 63] : '=',
                              left > 2 ? digits[group & 63] : '='};
        bytes_put(out, four, 4);
    }
}
