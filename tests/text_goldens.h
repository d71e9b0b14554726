/* text_goldens.h - for tests: the shared documents and the reference ids' checksums */
#ifndef TESTS_TEXT_GOLDENS_H
#define TESTS_TEXT_GOLDENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "core/arena.h"
#include "core/bytes.h"

/* PATH of a shared file: below $MILLRACE_SHARED, else ../shared/data. */
static inline const char *shared_path(char path[512], const char *name)
{
    const char *folder = getenv("MILLRACE_SHARED");
    (void)snprintf(path, 512, "%s/%s", folder ? folder : "../shared/data", name);
    return path;
}

/* The whole file, or {0}. */
static inline struct bytes load_file(const char *path)
{
    struct bytes content = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return content;
    size_t size;
    do {
        unsigned char *room = bytes_reserve(&content, 1 << 18);
        size = room ? fread(room, 1, 1 << 18, file) : 0;
        content.size += size;
    } while (size > 0);
    (void)fclose(file);
    return content;
}

/* ---- SHA-256 ---- */

static inline uint32_t sha256_rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline void sha256_block(uint32_t state[8], const unsigned char *block,
                                const uint32_t k[64])
{
    uint32_t w[64];
    for (size_t i = 0; i < 16; i++)
        w[i] = load_u32_big(block + 4 * i);
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] +
               (sha256_rotate(a, 7) ^ sha256_rotate(a, 18) ^ a >> 3) +
               (sha256_rotate(b, 17) ^ sha256_rotate(b, 19) ^ b >> 10);
    }
    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 =
            s[7] + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +
            ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
        uint32_t t2 =
            (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
            ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

/* First 32 bits of the fractional part of the square (power 2) or cube root of n. */
static inline uint32_t sha256_root(unsigned n, unsigned power)
{
    uint64_t low = 0, high = UINT64_C(20) << 32;
    while (low + 1 < high) { /* largest x / 2^32 whose power is at most n */
        uint64_t middle = (low + high) / 2;
        long double x = (long double)middle / 4294967296.0L;
        if ((power == 2 ? x * x : x * x * x) <= n)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* 64 hex digits and a zero. */
static inline void sha256_hex(const void *data, size_t size, char text[65])
{
    uint32_t state[8], k[64];
    size_t primes = 0;
    for (unsigned n = 2; primes < 64; n++) {
        bool is_prime = true;
        for (unsigned d = 2; d * d <= n; d++)
            is_prime = is_prime && n % d != 0;
        if (!is_prime)
            continue;
        k[primes] = sha256_root(n, 3);
        if (primes < 8)
            state[primes] = sha256_root(n, 2);
        primes++;
    }
    unsigned char tail[128] = {0};
    size_t whole = size / 64 * 64;
    for (size_t at = 0; at < whole; at += 64)
        sha256_block(state, (const unsigned char *)data + at, k);
    if (size > whole)
        memcpy(tail, (const unsigned char *)data + whole, size - whole);
    tail[size - whole] = 0x80;
    size_t tail_size = size - whole < 56 ? 64 : 128;
    store_u64_big(tail + tail_size - 8, (uint64_t)size * 8);
    for (size_t at = 0; at < tail_size; at += 64)
        sha256_block(state, tail + at, k);
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(text + 8 * i, 9, "%08x", (unsigned)state[i]);
}

/* ---- JSON strings ---- */

static inline unsigned json_hex(const char *at)
{
    char digits[5] = {0};
    memcpy(digits, at, 4);
    return (unsigned)strtoul(digits, NULL, 16);
}

static inline size_t json_put_point(unsigned char *out, uint32_t point)
{
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (unsigned char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    out[0] = (unsigned char)(leads[length] | point);
    return length;
}

/* Unescape the string whose opening quote is at `at`; returns what follows the closing
 * one. `out` has room for as many bytes as the escaped form. The input is well-formed. */
static inline const char *json_string(const char *at, unsigned char *out, size_t *size)
{
    static const char escapes[] = "n\nt\tr\rb\bf\f";
    size_t n = 0;
    for (at++; *at != '"'; at++) {
        if (*at != '\\') {
            out[n++] = (unsigned char)*at;
            continue;
        }
        at++;
        const char *escape = strchr(escapes, *at);
        if (*at == 'u') {
            uint32_t point = json_hex(at + 1);
            at += 4;
            if (point >= 0xD800 && point < 0xDC00) {
                point = 0x10000 + ((point - 0xD800) << 10) + (json_hex(at + 3) - 0xDC00);
                at += 6;
            }
            n += json_put_point(out + n, point);
        } else {
            out[n++] = (unsigned char)(escape ? escape[1] : *at);
        }
    }
    *size = n;
    return at + 1;
}

/* ---- documents ---- */

struct golden_document {
    const unsigned char *text;
    size_t size;
};
enum { GOLDEN_DOCUMENTS = 3200 };

static inline bool golden_take_line(const char *line, size_t size, struct arena *arena,
                                    struct golden_document *document)
{
    char *copy = arena_copy_text(arena, line, size);
    const char *text = copy ? strstr(copy, "\"text\": \"") : NULL;
    unsigned char *out = ARENA_RAW(arena, unsigned char, size + 1);
    if (!text || !out)
        return false;
    (void)json_string(text + 8, out, &document->size);
    document->text = out;
    return true;
}

/* Lines i of sample.jsonl.zst with i % 25 == 0 and i < 80000. False: not there. */
static inline bool golden_documents(struct arena *arena,
                                    struct golden_document documents[GOLDEN_DOCUMENTS])
{
    char path[512];
    struct bytes packed = load_file(shared_path(path, "corpus/sample.jsonl.zst"));
    struct bytes plain = {0};
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {packed.data, packed.size, 0};
    size_t line = 0, done = 0, count = 0;
    while (stream && count < GOLDEN_DOCUMENTS && in.pos < in.size) {
        unsigned char *room = bytes_reserve(&plain, 1 << 20);
        ZSTD_outBuffer out = {room, room ? 1 << 20 : 0, 0};
        if (!room || ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)))
            break;
        plain.size += out.pos;
        const unsigned char *end;
        while (count < GOLDEN_DOCUMENTS && plain.size > done &&
               (end = memchr(plain.data + done, '\n', plain.size - done)) != NULL) {
            const char *begin = (const char *)plain.data + done;
            size_t size = (size_t)(end - plain.data) - done;
            if (line % 25 == 0 &&
                !golden_take_line(begin, size, arena, documents + count++))
                count = GOLDEN_DOCUMENTS + 1;
            line++;
            done += size + 1;
        }
        if (plain.size > done)
            memmove(plain.data, plain.data + done, plain.size - done);
        plain.size -= done;
        done = 0;
    }
    (void)ZSTD_freeDStream(stream);
    bytes_clear(&plain);
    bytes_clear(&packed);
    return count == GOLDEN_DOCUMENTS;
}

#endif
