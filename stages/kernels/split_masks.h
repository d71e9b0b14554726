/* split_masks.h - where pieces begin in 64 bytes of text, from masks of their classes
 *
 * The window begins where a piece begins, so that nothing before it matters. Bit i of a
 * mask stands for byte i; all bytes of a character have its class. A run is a stretch of
 * characters of one class. For split_avx512.c and split_avx2.c, which make the masks;
 * split.c is the reference. */
#ifndef STAGES_KERNELS_SPLIT_MASKS_H
#define STAGES_KERNELS_SPLIT_MASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/compiler.h"

struct split_masks {
    uint64_t letter, number;
    uint64_t space;   /* without line ends */
    uint64_t newline; /* \r \n */
    uint64_t symbol;  /* none of these */
    uint64_t blank;   /* U+0020 alone */
    uint64_t apostrophe, slash;
    uint64_t upper, lower;     /* of letters; the others have no case */
    uint64_t two, three, four; /* first bytes of well-formed characters of that length */
    uint64_t mark;             /* symbols to all patterns but o200k's */
    uint64_t inner;            /* bytes behind the first of spaces and numbers */
    uint64_t open;             /* bytes of characters that may leave the window */
};

enum {
    SPLIT_WINDOW = 64,
    SPLIT_AHEAD = 8,      /* bytes that a decision may look ahead */
    SPLIT_CLASSIFIED = 61 /* a character that begins before ends in the window */
};

/* Bits where a run begins; the first bit of the window does too. */
INLINE uint64_t run_starts(uint64_t mask)
{
    return mask & ~(mask << 1);
}

INLINE uint64_t lowest_bits(unsigned count) /* count < 64 */
{
    return (UINT64_C(1) << count) - 1;
}

/* Decisions hold for bits before this: a run of space that leaves the window may end in
 * a line end or not. */
INLINE unsigned decided_bits(uint64_t space, uint64_t open)
{
    space |= open;
    unsigned limit = SPLIT_WINDOW - SPLIT_AHEAD;
    if (space >> (SPLIT_WINDOW - 1)) {
        unsigned begin = ~space ? SPLIT_WINDOW - LEADING_ZEROS(~space) : 0;
        if (begin < limit)
            limit = begin;
    }
    return limit;
}

/* No decision holds behind the begin of the run of `mask` that has this bit. */
INLINE unsigned limit_to_run(uint64_t mask, unsigned bit, unsigned limit)
{
    uint64_t others = ~mask & lowest_bits(bit);
    unsigned begin = others ? SPLIT_WINDOW - LEADING_ZEROS(others) : 0;
    return begin < limit ? begin + 1 : limit;
}

/* Letters that follow a symbol which stands alone, and not behind a blank: it is their
 * prefix. */
INLINE uint64_t behind_prefix(const struct split_masks *masks, uint64_t symbol)
{
    uint64_t first = run_starts(symbol) & ~(masks->blank << 1);
    uint64_t several = masks->two | masks->three | masks->four;
    return (first & ~several) << 1 | (first & masks->two) << 2 |
           (first & masks->three) << 3 | (first & masks->four) << 4;
}

/* The first bytes of the characters of `mask` that end at `ends`: of up to three bytes. */
INLINE uint64_t last_of_runs(uint64_t mask, uint64_t ends, uint64_t inner)
{
    uint64_t last = mask & ends;
    if (LIKELY(inner == 0))
        return last;
    last = (last & ~inner) | (last & inner) >> 1;
    return (last & ~inner) | (last & inner) >> 1;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : starts in white space. `attached`: line ends that the symbols
 * before them take. */
INLINE uint64_t space_starts(uint64_t space, uint64_t newline, uint64_t symbol,
                             uint64_t attached, uint64_t inner)
{
    uint64_t first = run_starts(space);
    uint64_t last = last_of_runs(space, ~(space >> 1) & ~(newline >> 1), inner);
    uint64_t lines = run_starts(newline) & ~(space << 1) & ~(symbol << 1);
    uint64_t before_lines = (space + first) & ~space & newline; /* end of such a run */
    uint64_t starts = first | last | (lines & ~attached);
    while (UNLIKELY(before_lines)) {
        unsigned end = TRAILING_ZEROS(before_lines);
        uint64_t others = ~space & lowest_bits(end);
        unsigned begin = others ? 64 - LEADING_ZEROS(others) : 0;
        if (begin > 0 && (newline & ~attached) >> (begin - 1) & 1)
            starts &= ~(UINT64_C(1) << begin);
        before_lines &= before_lines - 1;
    }
    return starts;
}

/* Every third number of a run begins a piece, or each. Of runs with numbers of several
 * bytes the second is left to the reference. */
INLINE uint64_t number_starts(const struct split_masks *masks, unsigned at_most,
                              unsigned *limit)
{
    uint64_t number = masks->number;
    if (at_most == 1)
        return number & ~masks->inner;
    uint64_t starts = run_starts(number);
    if (UNLIKELY(number & masks->inner))
        *limit = limit_to_run(number, TRAILING_ZEROS(number & masks->inner), *limit);
    uint64_t fourth = number & number << 1 & number << 2 & number << 3;
    uint64_t from = starts;
    while (UNLIKELY(fourth & from << 3)) { /* once for every three in the longest run */
        from = fourth & from << 3;
        starts |= from;
    }
    return starts;
}

INLINE uint64_t cl100k_starts(const struct split_masks *masks, unsigned digits,
                              unsigned *limit)
{
    uint64_t newline = masks->newline, space = masks->space, symbol = masks->symbol;
    uint64_t taken = run_starts(newline) & symbol << 1;
    uint64_t attached = newline & ~(newline + taken);
    uint64_t letters =
        run_starts(masks->letter) & ~(behind_prefix(masks, symbol) | space << 1);
    uint64_t symbols = run_starts(symbol) & ~(masks->blank << 1);
    *limit = decided_bits(space, masks->open);
    return letters | symbols | number_starts(masks, digits, limit) |
           space_starts(space, newline, symbol, attached, masks->inner);
}

INLINE uint64_t r50k_starts(const struct split_masks *masks, unsigned *limit)
{
    uint64_t space = masks->space | masks->newline;
    uint64_t words =
        run_starts(masks->letter) | run_starts(masks->number) | run_starts(masks->symbol);
    *limit = decided_bits(space, masks->open);
    return (words & ~(masks->blank << 1)) | run_starts(space) |
           last_of_runs(space, ~(space >> 1), masks->inner);
}

/* Marks are letters without case here. Words in which letters with and without case meet
 * are left to the reference, and marks behind symbols, which may take them. */
INLINE uint64_t o200k_starts(const struct split_masks *masks, unsigned *limit)
{
    uint64_t newline = masks->newline, space = masks->space, symbol = masks->symbol;
    uint64_t cased = masks->upper | masks->lower;
    uint64_t caseless = masks->letter & ~cased;
    uint64_t mixed = (caseless << 1 & cased) | (cased << 1 & caseless);
    uint64_t taking = symbol << 1 & masks->mark;
    *limit = decided_bits(space, masks->open);
    if (UNLIKELY(mixed))
        *limit = limit_to_run(masks->letter, TRAILING_ZEROS(mixed), *limit);
    if (UNLIKELY(taking))
        *limit = limit_to_run(symbol, TRAILING_ZEROS(taking), *limit);
    uint64_t taken = run_starts(newline) & symbol << 1;
    uint64_t attached = newline & ~(newline + taken);
    if (newline << 1 & masks->slash) { /* [\r\n/]* goes on over slashes */
        uint64_t both = newline | masks->slash;
        attached = 0;
        for (uint64_t left = taken; left; left &= left - 1)
            attached |= both & ~(both + (left & -left));
        symbol &= ~attached;
        newline |= attached;
    }
    uint64_t letters =
        run_starts(masks->letter) & ~(behind_prefix(masks, symbol) | space << 1);
    uint64_t symbols = run_starts(symbol) & ~(masks->blank << 1);
    return letters | (masks->upper & masks->lower << 1) | symbols |
           number_starts(masks, 3, limit) |
           space_starts(space, newline, symbol, attached, masks->inner);
}

#endif
