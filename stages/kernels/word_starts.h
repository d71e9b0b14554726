/* word_starts.h - which tokens of a vocabulary go on with a word */
#ifndef STAGES_KERNELS_WORD_STARTS_H
#define STAGES_KERNELS_WORD_STARTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;

/* The content of a vocabulary file, told apart by its first line: a token a line as BERT's
 * vocab.txt, where "##" in front goes on with a word; or a .tiktoken file, where all tokens
 * do that do not begin with a blank, tab or line end. *continues (*count, by id) is 0 or 1
 * and lives in the arena. ERROR_CONFIG: no vocabulary; ERROR_MEMORY. */
enum error_code word_starts_parse(const unsigned char *content, size_t size,
                                  struct arena *arena, unsigned char **continues,
                                  uint32_t *count, struct error *error);

#endif
