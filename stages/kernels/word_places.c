/* word_places.c - where a text is cut into words, many places at a time */
#include "stages/kernels/word_places.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "core/compiler.h"
#include "stages/kernels/word_cut.h"

enum {
    BLOCK = 64,
    SPACE_SIZE = 3,
    READ = BLOCK + SPACE_SIZE - 1 /* bytes that are read for a block */
};

/* What the bytes of a block are; one bit each. */
struct kinds {
    uint64_t letters, digits, controls; /* of ASCII */
    uint64_t others, inner;             /* not ASCII; and no first byte of a character */
    uint64_t spaces;                    /* a U+2581 begins here */
};

#ifdef __SSE2__
static inline uint64_t mask_of(__m128i bytes, unsigned shift)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << shift;
}

/* Is a byte, less `first`, one of `count`? Unsigned bytes are compared as signed ones. */
static inline __m128i is_between(__m128i bytes, char first, char count)
{
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(-128 - first)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + count)));
}

static inline __m128i load(const unsigned char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline struct kinds find_kinds(const unsigned char *text)
{
    struct kinds kinds = {0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i bytes = load(text + i);
        __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xE2));
        kinds.letters |= mask_of(is_between(lower, 'a', 26), i);
        kinds.digits |= mask_of(is_between(bytes, '0', 10), i);
        kinds.controls |= mask_of(is_between(bytes, 0, ' '), i);
        kinds.others |= mask_of(bytes, i);
        kinds.inner |= mask_of(_mm_cmplt_epi8(bytes, _mm_set1_epi8((char)0xC0)), i);
        if (UNLIKELY(_mm_movemask_epi8(space) == 0))
            continue;
        space = _mm_and_si128(
            space, _mm_cmpeq_epi8(load(text + i + 1), _mm_set1_epi8((char)0x96)));
        space = _mm_and_si128(
            space, _mm_cmpeq_epi8(load(text + i + 2), _mm_set1_epi8((char)0x81)));
        kinds.spaces |= mask_of(space, i);
    }
    return kinds;
}
#else
static inline struct kinds find_kinds(const unsigned char *text)
{
    struct kinds kinds = {0};
    for (unsigned i = 0; i < BLOCK; i++) {
        unsigned byte = text[i];
        kinds.letters |= (uint64_t)((byte | 0x20) - 'a' < 26) << i;
        kinds.digits |= (uint64_t)(byte - '0' < 10) << i;
        kinds.controls |= (uint64_t)(byte < ' ') << i;
        kinds.others |= (uint64_t)(byte >= 0x80) << i;
        kinds.inner |= (uint64_t)(byte >= 0x80 && byte < 0xC0) << i;
        kinds.spaces |= (uint64_t)word_is_space(text + i) << i;
    }
    return kinds;
}
#endif

/* The same of the bytes in front of a block: the last one in bit 63. */
static struct kinds kinds_before(const unsigned char *text, size_t at)
{
    unsigned char bytes[READ] = {0};
    size_t count = at < BLOCK ? at : BLOCK;
    memcpy(bytes + BLOCK - count, text + at - count, count);
    return find_kinds(bytes); /* no U+2581 reaches into the block: its bytes are zeroes */
}

/* `bits` one byte on. */
static inline uint64_t moved(uint64_t bits, uint64_t before)
{
    return bits << 1 | before >> (BLOCK - 1);
}

struct candidates { /* for cutting; no bit is in two of them */
    uint64_t sure, ascii, others;
};

static inline struct candidates find_candidates(const struct kinds *kinds,
                                                const struct kinds *before,
                                                bool has_spaces)
{
    uint64_t spaces = has_spaces ? kinds->spaces : 0;
    uint64_t behind =
        has_spaces ? kinds->spaces << SPACE_SIZE | before->spaces >> (BLOCK - SPACE_SIZE)
                   : 0;
    uint64_t letters = moved(kinds->letters, before->letters) ^ kinds->letters;
    uint64_t digits = moved(kinds->digits, before->digits) ^ kinds->digits;
    uint64_t controls = moved(kinds->controls, before->controls) | kinds->controls;
    uint64_t others = moved(kinds->others, before->others) | kinds->others;
    return (struct candidates){.sure = spaces & ~behind,
                               .ascii = (letters | digits | controls) & ~others,
                               .others = others & ~kinds->inner & ~spaces &
                                         (kinds->others | ~behind)};
}

/* Those of the candidates of a block where the text can be cut. */
static size_t put_places(const struct word_cut *cut, const unsigned char *text,
                         size_t size, size_t at, struct candidates candidates,
                         size_t *places)
{
    uint64_t left = candidates.sure | candidates.ascii | candidates.others;
    size_t count = 0;
    for (; left != 0; left &= left - 1) {
        unsigned bit = TRAILING_ZEROS(left);
        size_t place = at + bit;
        bool can_cut = candidates.sure >> bit & 1;
        if (candidates.others >> bit & 1)
            can_cut = word_cut_can(cut, text, size, place);
        else
            can_cut |= !word_joins_ascii(cut, text[place - 1] & 127u, text[place] & 127u);
        places[count] = place;
        count += can_cut;
    }
    return count;
}

size_t word_places_find(const struct word_cut *cut, const unsigned char *text,
                        size_t size, size_t *from, size_t *places, size_t capacity)
{
    unsigned char padded[READ];
    size_t count = 0, at = *from;
    if (at > size)
        return 0;
    struct kinds before = kinds_before(text, at);
    for (size_t i = 1; i < SPACE_SIZE && i <= at && size - at + i >= SPACE_SIZE; i++)
        before.spaces |= (uint64_t)word_is_space(text + at - i) << (BLOCK - i);
    while (at < size && (capacity - count >= WORD_PLACES_MIN)) {
        const unsigned char *block = text + at;
        uint64_t mask = at == 0 ? ~UINT64_C(1) : ~UINT64_C(0);
        if (size - at < READ) {
            memset(padded, 0, sizeof padded);
            memcpy(padded, block, size - at);
            block = padded;
            if (size - at < BLOCK)
                mask &= (UINT64_C(1) << (size - at)) - 1;
        }
        struct kinds kinds = find_kinds(block);
        struct candidates candidates = find_candidates(&kinds, &before, cut->has_spaces);
        candidates.sure &= mask;
        candidates.ascii &= mask;
        candidates.others &= mask;
        count += put_places(cut, text, size, at, candidates, places + count);
        before = kinds;
        at += size - at < BLOCK ? size - at : BLOCK;
    }
    if (at == size) {
        places[count++] = size;
        at++;
    }
    *from = at;
    return count;
}
