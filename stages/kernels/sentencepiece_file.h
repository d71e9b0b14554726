/* sentencepiece_file.h - read a SentencePiece .model file
 *
 * The format is sentencepiece_model.proto of github.com/google/sentencepiece; defaults are
 * those written there. */
#ifndef STAGES_KERNELS_SENTENCEPIECE_FILE_H
#define STAGES_KERNELS_SENTENCEPIECE_FILE_H

#include <stddef.h>

#include "core/error.h"

struct arena;
struct tokenizer_spec;

/* Read the file's bytes into `spec`, which keeps no pointer into `data`. Models of type
 * BPE and UNIGRAM; other types, denormalizers and what SentencePiece itself refuses are
 * refused by name: ERROR_CONFIG. ERROR_MEMORY.
 *
 * There is one normalizer, of kind NORMALIZER_SENTENCEPIECE. Its `pattern` holds the
 * user-defined pieces, each with a zero byte behind it: SentencePiece does not normalize
 * these where they stand in the text, the longest first.
 *
 * Nothing is put around a text, as SentencePiece does not do so by itself; `bos`, `eos`,
 * `pad`, `cls`, `sep` and `mask` name the control pieces that could be. */
enum error_code sentencepiece_read(const unsigned char *data, size_t size,
                                   struct arena *arena, struct tokenizer_spec *spec,
                                   struct error *error);

#endif
