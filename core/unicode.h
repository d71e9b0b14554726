/* unicode.h - UTF-8 and the Unicode tables; doorkeeper of utf8proc */
#ifndef CORE_UNICODE_H
#define CORE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode the code point at text[0] (size > 0). Returns the bytes it takes, 1 to 4; 0 when
 * they are not UTF-8 (overlong forms, surrogates and values past U+10FFFF included). */
size_t unicode_decode(const unsigned char *text, size_t size, uint32_t *code);

#endif
