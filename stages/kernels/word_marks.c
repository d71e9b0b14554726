/* word_marks.c - cut text into words at U+2581, which stands for a space */
#include "stages/kernels/word_marks.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "core/compiler.h"

enum { MARK_SIZE = 3, BLOCK = 64, STEP = 16 };

static bool is_mark(const unsigned char *text, size_t size, size_t at)
{
    return size - at >= MARK_SIZE && text[at] == 0xE2 && text[at + 1] == 0x96 &&
           text[at + 2] == 0x81;
}

/* Does a word begin at `at` > 0? */
static bool is_border(const unsigned char *text, size_t size, size_t at)
{
    return is_mark(text, size, at) &&
           !(at >= MARK_SIZE && is_mark(text, size, at - MARK_SIZE));
}

#ifdef __SSE2__
static __m128i load(const unsigned char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Bit i: a mark begins at text[i]; 66 bytes can be read. */
static uint64_t find_marks(const unsigned char *text)
{
    const __m128i first = _mm_set1_epi8((char)0xE2), second = _mm_set1_epi8((char)0x96);
    const __m128i third = _mm_set1_epi8((char)0x81);
    uint64_t marks = 0;
    for (unsigned i = 0; i < BLOCK; i += STEP) {
        __m128i found = _mm_cmpeq_epi8(load(text + i), first);
        found = _mm_and_si128(found, _mm_cmpeq_epi8(load(text + i + 1), second));
        found = _mm_and_si128(found, _mm_cmpeq_epi8(load(text + i + 2), third));
        marks |= (uint64_t)(unsigned)_mm_movemask_epi8(found) << i;
    }
    return marks;
}

/* The words that end in whole blocks from *from on, which is moved on. */
static size_t cut_blocks(const unsigned char *text, size_t size, size_t *from,
                         size_t *ends, size_t capacity)
{
    size_t count = 0, at = *from;
    /* marks before the block count for those that begin in its first three bytes */
    uint64_t carried = 0;
    for (size_t i = 0; i < MARK_SIZE; i++) {
        if (at + i >= MARK_SIZE && is_mark(text, size, at + i - MARK_SIZE))
            carried |= UINT64_C(1) << i;
    }
    while (size - at >= BLOCK + MARK_SIZE && capacity - count >= BLOCK) {
        uint64_t marks = find_marks(text + at);
        uint64_t borders = marks & ~(marks << MARK_SIZE | carried);
        carried = marks >> (BLOCK - MARK_SIZE);
        for (; borders; borders &= borders - 1)
            ends[count++] = at + TRAILING_ZEROS(borders);
        at += BLOCK;
    }
    *from = at;
    return count;
}
#else
static size_t cut_blocks(const unsigned char *text, size_t size, size_t *from,
                         size_t *ends, size_t capacity)
{
    (void)text, (void)size, (void)from, (void)ends, (void)capacity;
    return 0;
}
#endif

size_t word_marks_cut(const unsigned char *text, size_t size, size_t *at, size_t *ends,
                      size_t capacity)
{
    if (*at >= size || capacity == 0)
        return 0;
    size_t from = *at + 1;
    size_t count = from < size ? cut_blocks(text, size, &from, ends, capacity) : 0;
    /* the blocks end in the middle of a word */
    for (; from < size && count < capacity; from++) {
        if (is_border(text, size, from))
            ends[count++] = from;
        if (count > 0 && size - from >= BLOCK + MARK_SIZE)
            break; /* go on with blocks next time */
    }
    if (count < capacity && from >= size)
        ends[count++] = size;
    *at = ends[count - 1];
    return count;
}
