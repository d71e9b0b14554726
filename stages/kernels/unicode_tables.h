/* unicode_tables.h - Unicode 16.0 classes of code points, as tokenizer patterns see them */
#ifndef STAGES_KERNELS_UNICODE_TABLES_H
#define STAGES_KERNELS_UNICODE_TABLES_H

#include <stdint.h>

/* The classes are disjoint; the numbers are in the generated tables. */
enum unicode_class {
    CLASS_OTHER = 0,   /* none of the below: punctuation, symbols, controls, unassigned */
    CLASS_SPACE = 1,   /* White_Space without the next class */
    CLASS_NEWLINE = 2, /* carriage return and line feed */
    CLASS_NUMBER = 3,  /* Nd Nl No */
    CLASS_UPPER = 4,   /* Lu Lt */
    CLASS_LOWER = 5,   /* Ll */
    CLASS_LETTER = 6,  /* Lm Lo */
    CLASS_MARK = 7     /* Mn Mc Me */
};

enum { UNICODE_BLOCK_BITS = 7, UNICODE_BLOCK_COUNT = 0x110000 >> UNICODE_BLOCK_BITS };

/* Two levels: the class of code point c < 0x110000 is
 * unicode_blocks[unicode_block_index[c >> 7] << 7 | (c & 127)]. */
extern const uint8_t unicode_block_index[UNICODE_BLOCK_COUNT];
extern const uint8_t unicode_blocks[];

static inline enum unicode_class unicode_class_of(uint32_t point)
{
    uint32_t block = unicode_block_index[point >> UNICODE_BLOCK_BITS];
    return (enum unicode_class)unicode_blocks[block << UNICODE_BLOCK_BITS |
                                              (point & ((1u << UNICODE_BLOCK_BITS) - 1))];
}

#endif
