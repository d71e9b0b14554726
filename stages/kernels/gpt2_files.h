/* gpt2_files.h - read vocab.json and merges.txt, the two files of GPT-2's tokenizer */
#ifndef STAGES_KERNELS_GPT2_FILES_H
#define STAGES_KERNELS_GPT2_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct arena;
struct tokenizer_spec;

/* A byte-level BPE with the pattern of GPT-2, without prefix space and template. The files
 * do not say which tokens are special: "<|endoftext|>" and RoBERTa's "<s>", "<pad>",
 * "</s>", "<unk>" and "<mask>" are, where the vocabulary has them. Empty lines of the
 * merges and those that begin with "#version" are skipped. ERROR_CONFIG names the file
 * ("vocab.json", "merges.txt") and the line; ERROR_MEMORY. */
enum error_code gpt2_files_read(const unsigned char *vocabulary, size_t vocabulary_size,
                                const unsigned char *merges, size_t merges_size,
                                struct arena *arena, struct tokenizer_spec *spec,
                                struct error *error);

/* Is it the content of a vocab.json: an object of tokens and their ids? */
bool gpt2_files_is_vocabulary(const unsigned char *text, size_t size);

#endif
