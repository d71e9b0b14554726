/* split_windows.h - split text by windows of 64 bytes: what all vector extensions share
 *
 * A variant gives the masks of a window and writes positions down; its functions are
 * inlined into the loop below. */
#ifndef STAGES_KERNELS_SPLIT_WINDOWS_H
#define STAGES_KERNELS_SPLIT_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/compiler.h"
#include "stages/kernels/split_classes.h"
#include "stages/kernels/split_masks.h"
#include "stages/kernels/split_parts.h"

/* A class of ASCII is one or two rows of sixteen bytes (the upper four bits) with some of
 * their columns (the lower four): a bit for each. */
enum {
    ROW_LINES = 1 << 0,  /* 0A 0D */
    ROW_TABS = 1 << 1,   /* 09 0B 0C */
    ROW_BLANK = 1 << 2,  /* 20 */
    ROW_DIGITS = 1 << 3, /* 30 to 39 */
    ROW_AO = 1 << 4,     /* 41 to 4F */
    ROW_PZ = 1 << 5,     /* 50 to 5A */
    ROW_ao = 1 << 6,     /* 61 to 6F */
    ROW_pz = 1 << 7      /* 70 to 7A */
};

enum {
    ROW_LETTERS = ROW_AO | ROW_ao | ROW_PZ | ROW_pz,
    ROW_FEW = ROW_DIGITS | ROW_LETTERS
};

/* The bits that a byte's upper four bits may have, and its lower four: it has those that are
 * in both. */
static const unsigned char split_rows[16] = {
    ROW_LINES | ROW_TABS, 0, ROW_BLANK, ROW_DIGITS, ROW_AO, ROW_PZ, ROW_ao, ROW_pz};
static const unsigned char split_columns[16] = {ROW_BLANK | ROW_DIGITS | ROW_PZ | ROW_pz,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_FEW,
                                                ROW_TABS | ROW_FEW,
                                                ROW_LINES | ROW_LETTERS,
                                                ROW_TABS | ROW_AO | ROW_ao,
                                                ROW_TABS | ROW_AO | ROW_ao,
                                                ROW_LINES | ROW_AO | ROW_ao,
                                                ROW_AO | ROW_ao,
                                                ROW_AO | ROW_ao};

struct split_variant {
    /* Masks of ASCII bytes and of `sure` characters; the bytes of 128 and more among the
     * others come back as `wide`. */
    struct split_masks (*classify)(const unsigned char *at, uint64_t *wide);
    /* Adds the characters that begin at bytes of `wide`. */
    void (*add_wide)(const unsigned char *at, uint64_t wide, struct split_masks *masks);
    /* Positions of the bits, each plus `base`, to `ends`, of which all up to the 64th
     * may be written. `count`: how many bits there are. */
    void (*put_ends)(uint64_t bits, unsigned count, size_t base, size_t *ends);
};

/* First bytes and lengths of the well-formed characters among `wide`; those of which a
 * byte may lie behind the window are left out. Surrogates and
 * overlong forms are taken for well-formed. */
INLINE uint64_t wide_characters(struct split_masks *masks, uint64_t wide,
                                uint64_t continuation, uint64_t from_e0, uint64_t from_f0)
{
    uint64_t first = wide & ~continuation & lowest_bits(SPLIT_CLASSIFIED);
    first &= continuation >> 1;
    masks->two = first & ~from_e0;
    first &= ~from_e0 | continuation >> 2;
    masks->three |= first & from_e0 & ~from_f0;
    first &= ~from_f0 | continuation >> 3;
    masks->four = first & from_f0;
    return first;
}

/* All bytes of the characters that begin at these. */
INLINE uint64_t whole_characters(const struct split_masks *masks, uint64_t first)
{
    uint64_t three = first & (masks->three | masks->four);
    return first | first << 1 | three << 2 | (first & masks->four) << 3;
}

struct wide_sets { /* first bytes of characters */
    uint64_t letter, upper, lower, space, number, mark;
};

/* `first`: of all of them. */
INLINE void add_sets(struct split_masks *masks, const struct wide_sets *sets,
                     uint64_t first)
{
    masks->letter |= whole_characters(masks, sets->letter);
    masks->upper |= whole_characters(masks, sets->upper);
    masks->lower |= whole_characters(masks, sets->lower);
    masks->mark = whole_characters(masks, sets->mark);
    if (LIKELY((sets->space | sets->number) == 0))
        return;
    uint64_t space = whole_characters(masks, sets->space);
    uint64_t number = whole_characters(masks, sets->number);
    masks->space |= space;
    masks->number |= number;
    masks->inner = (space | number) & ~first;
}

/* Characters of several bytes, one by one. */
INLINE void add_wide(const unsigned char *at, uint64_t wide, struct split_masks *masks)
{
    while (wide) {
        unsigned i = TRAILING_ZEROS(wide);
        if (i >= SPLIT_CLASSIFIED)
            break;
        size_t length;
        unsigned set = split_wide_set(at + i, at + SPLIT_WINDOW, &length);
        uint64_t bits = lowest_bits((unsigned)length) << i, first = UINT64_C(1) << i;
        masks->space |= set & SET_SPACE ? bits : 0;
        masks->number |= set & SET_NUMBER ? bits : 0;
        masks->mark |= set & SET_MARK ? bits : 0;
        masks->inner |= set & (SET_SPACE | SET_NUMBER) ? bits & ~first : 0;
        masks->letter |= set & SET_LETTER ? bits : 0;
        masks->upper |= set & SET_UPPER ? bits : 0;
        masks->lower |= set & SET_LOWER ? bits : 0;
        masks->two |= length == 2 ? first : 0;
        masks->three |= length == 3 ? first : 0;
        masks->four |= length == 4 ? first : 0;
        wide &= ~bits;
    }
}

/* 's and so on are pieces: cl100k and r50k. */
INLINE uint64_t add_contractions(const unsigned char *at, uint64_t starts,
                                 const struct split_masks *masks, bool folds_case)
{
    uint64_t left = masks->apostrophe & starts & masks->letter >> 1 &
                    lowest_bits(SPLIT_WINDOW - SPLIT_AHEAD);
    while (left) {
        unsigned i = TRAILING_ZEROS(left);
        size_t length = split_contraction(at + i, at + SPLIT_WINDOW, folds_case);
        /* Without one, r50k's apostrophe is a piece, and cl100k's a prefix. */
        starts |= length ? (masks->letter >> (i + length) & 1) << (i + length) : 0;
        starts &= length ? ~(lowest_bits((unsigned)length - 1) << (i + 1)) : ~UINT64_C(0);
        left &= left - 1;
    }
    return starts;
}

/* They belong to the word before them: o200k. */
INLINE uint64_t join_contractions(const unsigned char *at, uint64_t starts,
                                  const struct split_masks *masks)
{
    uint64_t left = masks->apostrophe & masks->letter << 1 & masks->letter >> 1 &
                    lowest_bits(SPLIT_WINDOW - SPLIT_AHEAD);
    unsigned after = 0;
    while (left) {
        unsigned i = TRAILING_ZEROS(left);
        size_t length =
            i == after && i > 0 ? 0 : split_contraction(at + i, at + SPLIT_WINDOW, true);
        left &= left - 1;
        if (length == 0)
            continue;
        after = i + (unsigned)length;
        starts &= ~(lowest_bits((unsigned)length) << i);
        starts |= (masks->letter >> after & 1) << after;
    }
    return starts;
}

/* Where pieces begin in the window, as far as `*limit`. */
INLINE uint64_t window_starts(enum split_pattern pattern,
                              const struct split_variant *variant,
                              const unsigned char *at, unsigned *limit)
{
    uint64_t wide;
    struct split_masks masks = variant->classify(at, &wide);
    masks.open = wide & ~lowest_bits(SPLIT_CLASSIFIED);
    if (wide)
        variant->add_wide(at, wide, &masks);
    if (pattern == SPLIT_O200K)
        masks.letter |= masks.mark;
    masks.symbol = ~(masks.letter | masks.number | masks.space | masks.newline);
    switch (pattern) {
    case SPLIT_R50K:
    case SPLIT_P50K:
        return add_contractions(at, r50k_starts(&masks, limit), &masks, false);
    case SPLIT_O200K:
        return join_contractions(at, o200k_starts(&masks, limit), &masks);
    case SPLIT_QWEN:
        return add_contractions(at, cl100k_starts(&masks, 1, limit), &masks, true);
    case SPLIT_CL100K:
    case SPLIT_LLAMA3:
    case SPLIT_PATTERN_COUNT:
        break;
    }
    return add_contractions(at, cl100k_starts(&masks, 3, limit), &masks, true);
}

INLINE size_t split_windows(enum split_pattern pattern,
                            const struct split_variant *variant,
                            const unsigned char *text, size_t size, size_t *at,
                            size_t *ends, size_t capacity)
{
    size_t from = *at, count = 0;
    while (size - from >= SPLIT_WINDOW && capacity - count >= SPLIT_WINDOW) {
        unsigned limit = 0;
        uint64_t starts = window_starts(pattern, variant, text + from, &limit);
        starts &= lowest_bits(limit) & ~UINT64_C(1);
        if (UNLIKELY(starts == 0)) {
            from = (size_t)(split_next(pattern, text + from, text + size) - text);
            ends[count++] = from;
            continue;
        }
        unsigned found = COUNT_ONES(starts);
        variant->put_ends(starts, found, from, ends + count);
        count += found;
        from += 63 - LEADING_ZEROS(starts);
    }
    *at = from;
    return count;
}

/* The pattern is a constant in each loop. */
INLINE size_t split_all_windows(enum split_pattern pattern,
                                const struct split_variant *variant,
                                const unsigned char *text, size_t size, size_t *at,
                                size_t *ends, size_t capacity)
{
    switch (pattern) {
    case SPLIT_R50K:
    case SPLIT_P50K:
        return split_windows(SPLIT_R50K, variant, text, size, at, ends, capacity);
    case SPLIT_O200K:
        return split_windows(SPLIT_O200K, variant, text, size, at, ends, capacity);
    case SPLIT_QWEN:
        return split_windows(SPLIT_QWEN, variant, text, size, at, ends, capacity);
    case SPLIT_CL100K:
    case SPLIT_LLAMA3:
    case SPLIT_PATTERN_COUNT:
        break;
    }
    return split_windows(SPLIT_CL100K, variant, text, size, at, ends, capacity);
}

#endif
