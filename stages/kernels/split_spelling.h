/* split_spelling.h - which expressions of tokenizer files are patterns of split.h */
#ifndef STAGES_KERNELS_SPLIT_SPELLING_H
#define STAGES_KERNELS_SPLIT_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/kernels/split.h"

/* True: this expression, in Oniguruma's syntax, cuts every text as `*pattern` does. Known
 * are those published for GPT-2, p50k, cl100k, o200k, Llama 3 and Qwen. The possessive
 * cl100k of tiktoken 0.8 and later is none of them: in Oniguruma its \p{N}{1,3}+ takes any
 * number of digits. */
bool split_recognise(const unsigned char *expression, size_t size,
                     enum split_pattern *pattern);

/* The spellings one after another, for tests. NULL: there are no more. */
const char *split_spelling(size_t index, enum split_pattern *pattern);

#endif
