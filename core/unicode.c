/* unicode.c - UTF-8 and the Unicode tables; doorkeeper of utf8proc */
#include "core/unicode.h"

size_t unicode_decode(const unsigned char *text, size_t size, uint32_t *code)
{
    uint32_t value = text[0];
    if (value < 0x80) {
        *code = value;
        return 1;
    }
    size_t length = value >= 0xF0 ? 4 : value >= 0xE0 ? 3 : 2;
    if (value < 0xC2 || value > 0xF4 || size < length)
        return 0;
    value &= 0x7Fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3Fu);
    }
    bool is_overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (is_overlong || (value >= 0xD800 && value < 0xE000) || value > 0x10FFFF)
        return 0;
    *code = value;
    return length;
}
