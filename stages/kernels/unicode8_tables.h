/* unicode8_tables.h - code points as Hugging Face's normalizers and BERT see them
 *
 * Unicode 8.0 where BERT asks for a category, 9.0 for marks and normal forms, 17.0 for
 * lower case: what tokenizers 0.22.2 follows. */
#ifndef STAGES_KERNELS_UNICODE8_TABLES_H
#define STAGES_KERNELS_UNICODE8_TABLES_H

#include <stdint.h>

enum text_class {         /* a set of them */
    TEXT_PUNCTUATION = 1, /* P of Unicode 8.0 and ASCII that is neither letter nor digit */
    TEXT_CONTROL = 2,     /* what BERT's clean_text drops */
    TEXT_SPACE = 4,       /* White_Space */
    TEXT_NONSPACING = 8,  /* Mn of Unicode 8.0: what BERT's strip_accents drops */
    TEXT_CHINESE = 16,    /* what BERT's handle_chinese_chars puts spaces around */
    TEXT_MARK = 32,       /* M of Unicode 9.0: what StripAccents drops */
    TEXT_NEWER = 64       /* not in Unicode 9.0: no normal form changes or passes it */
};

enum { TEXT_BLOCK_BITS = 7, TEXT_BLOCK_COUNT = 0x110000 >> TEXT_BLOCK_BITS };

extern const uint8_t text_class_index[TEXT_BLOCK_COUNT];
extern const uint8_t text_class_blocks[];
extern const uint8_t lower_case_index[TEXT_BLOCK_COUNT];
extern const int32_t lower_case_blocks[];

/* The set of classes of a code point below 0x110000. */
static inline unsigned text_class_of(uint32_t code)
{
    uint32_t block = text_class_index[code >> TEXT_BLOCK_BITS];
    return text_class_blocks[block << TEXT_BLOCK_BITS |
                             (code & ((1u << TEXT_BLOCK_BITS) - 1))];
}

/* Its lower case form, without the dot that U+0130 leaves behind (U+0307). */
static inline uint32_t lower_case_of(uint32_t code)
{
    uint32_t block = lower_case_index[code >> TEXT_BLOCK_BITS];
    return code + (uint32_t)lower_case_blocks[block << TEXT_BLOCK_BITS |
                                              (code & ((1u << TEXT_BLOCK_BITS) - 1))];
}

#endif
