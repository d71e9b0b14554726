/* split_classes.h - sets of the classes of unicode_tables.h, and those of ASCII bytes */
#ifndef STAGES_KERNELS_SPLIT_CLASSES_H
#define STAGES_KERNELS_SPLIT_CLASSES_H

#include <stdint.h>

#include "stages/kernels/unicode_tables.h"

/* Sets of classes are masks of 1 << class; they fit a byte. */
enum {
    SET_OTHER = 1 << CLASS_OTHER,
    SET_MARK = 1 << CLASS_MARK,
    SET_NUMBER = 1 << CLASS_NUMBER,
    SET_NEWLINE = 1 << CLASS_NEWLINE,
    SET_GAP = 1 << CLASS_SPACE, /* white space but line ends */
    SET_SPACE = SET_GAP | SET_NEWLINE,
    SET_UPPER = 1 << CLASS_UPPER,
    SET_LOWER = 1 << CLASS_LOWER,
    SET_LETTER = SET_UPPER | SET_LOWER | 1 << CLASS_LETTER,
    SET_SYMBOL = SET_OTHER | SET_MARK,         /* [^\s\p{L}\p{N}] */
    SET_BOTH = 1 << CLASS_LETTER | SET_MARK,   /* \p{Lm}\p{Lo}\p{M} */
    SET_CAPITAL = SET_UPPER | SET_BOTH,        /* with \p{Lu}\p{Lt} */
    SET_SMALL = SET_LOWER | SET_BOTH,          /* with \p{Ll} */
    SET_PREFIX = SET_SYMBOL | 1 << CLASS_SPACE /* [^\r\n\p{L}\p{N}] */
};

/* Class sets of ASCII bytes; 0 for bytes of 128 and more, so that loops stop there. */
extern const uint8_t split_byte_sets[256];

#endif
