/* base64.h - read and write base64 (RFC 4648, with padding) */
#ifndef CORE_BASE64_H
#define CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

struct bytes;

/* `out` has room for `size` bytes. False: not base64 - another character, a length that
 * is no multiple of four, bits set that stand for nothing. */
bool base64_decode(const unsigned char *text, size_t size, unsigned char *out,
                   size_t *out_size);
/* Append `size` bytes as base64; want of memory shows in out->is_bad. */
void base64_put(const void *data, size_t size, struct bytes *out);

#endif
