/* vocabulary_build.h - compile a list of tokens into the image of vocabulary.h */
#ifndef STAGES_KERNELS_VOCABULARY_BUILD_H
#define STAGES_KERNELS_VOCABULARY_BUILD_H

#include "core/error.h"

struct arena;
struct bytes;
struct token_list;

/* Append the image to `image`; it is aligned where it begins at a multiple of 64 bytes.
 * `list` is one that tiktoken_parse() accepts; `work` holds what is needed meanwhile.
 * ERROR_CONFIG: a token stands there twice; ERROR_MEMORY. */
enum error_code vocabulary_build(const struct token_list *list, struct arena *work,
                                 struct bytes *image, struct error *error);

#endif
