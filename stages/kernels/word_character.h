/* word_character.h - the class \w of regular expressions, in Unicode 16.0 */
#ifndef STAGES_KERNELS_WORD_CHARACTER_H
#define STAGES_KERNELS_WORD_CHARACTER_H

#include <stdbool.h>
#include <stdint.h>

/* Alphabetic, M, Nd, Pc and Join_Control (UTS 18, Annex C): what Rust's regex matches. */
bool is_word_character(uint32_t point);

#endif
