/* tokenizer_json.h - read a Hugging Face tokenizer.json */
#ifndef STAGES_KERNELS_TOKENIZER_JSON_H
#define STAGES_KERNELS_TOKENIZER_JSON_H

#include <stddef.h>

#include "core/error.h"

struct arena;
struct tokenizer_spec;

/* Fill `spec`, which lives in the arena. Read: models BPE, Unigram and WordPiece (their
 * type told by their fields in old files), added tokens, normalizers, pre-tokenizers (but
 * UnicodeScripts and FixedLength), the template for one text, decoders.
 *
 * "truncation" and "padding" are left out on purpose: they are settings of whoever used
 * the tokenizer last, not of the tokenizer. An added token in the vocabulary must have its
 * id. What else is not supported, a field that is not known among it, is ERROR_CONFIG,
 * which names it and its path. A decoder that is not supported becomes DECODER_NONE: it is
 * for those to refuse who make text of tokens. ERROR_MEMORY. */
enum error_code tokenizer_json_read(const unsigned char *text, size_t size,
                                    struct arena *arena, struct tokenizer_spec *spec,
                                    struct error *error);

#endif
