/* small_vocabulary.h - for tests: a .tiktoken file of the 256 bytes and a few tokens */
#ifndef TESTS_SMALL_VOCABULARY_H
#define TESTS_SMALL_VOCABULARY_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

/* Append the line of a token. */
static inline void small_vocabulary_put(struct bytes *file, const void *token,
                                        size_t size, unsigned rank)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = token;
    for (size_t i = 0; i < size; i += 3) {
        unsigned a = at[i], b = i + 1 < size ? at[i + 1] : 0,
                 c = i + 2 < size ? at[i + 2] : 0;
        char group[4] = {digits[a >> 2], digits[(a << 4 | b >> 4) & 63],
                         i + 1 < size ? digits[(b << 2 | c >> 6) & 63] : '=',
                         i + 2 < size ? digits[c & 63] : '='};
        bytes_put(file, group, sizeof group);
    }
    char line[16];
    int length = snprintf(line, sizeof line, " %u\n", rank);
    bytes_put(file, line, (size_t)length);
}

/* Byte b has rank b; `tokens` (NULL-terminated) have ranks 256, 257, ... */
static inline struct bytes small_vocabulary(const char *const *tokens)
{
    struct bytes file = {0};
    for (unsigned byte = 0; byte < 256; byte++) {
        unsigned char token = (unsigned char)byte;
        small_vocabulary_put(&file, &token, 1, byte);
    }
    for (unsigned i = 0; tokens[i]; i++)
        small_vocabulary_put(&file, tokens[i], strlen(tokens[i]), 256 + i);
    return file;
}

#endif
