/* tiktoken_spec.h - a .tiktoken file as the specification of a tokenizer */
#ifndef STAGES_KERNELS_TIKTOKEN_SPEC_H
#define STAGES_KERNELS_TIKTOKEN_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "stages/kernels/split.h"

struct arena;
struct token_list;
struct tokenizer_spec;

/* `pattern` is "r50k", "p50k", "cl100k", "o200k", "llama3" or "qwen"; NULL or "auto": the
 * vocabulary is one of the published ones and recognised by its content. The pattern
 * brings the special tokens of its published vocabulary along, as added tokens, but not
 * those whose id is a rank in the file. ERROR_CONFIG: the file, or the pattern, is none;
 * ERROR_MEMORY. */
enum error_code tiktoken_spec_read(const unsigned char *text, size_t size,
                                   const char *pattern, struct arena *arena,
                                   struct tokenizer_spec *spec, struct error *error);

/* The pattern of a published vocabulary. False: it is none that is known. */
bool tiktoken_recognise(const struct token_list *list, enum split_pattern *pattern);

#endif
