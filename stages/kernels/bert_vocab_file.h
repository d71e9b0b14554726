/* bert_vocab_file.h - read vocab.txt, the vocabulary of BERT: a token a line */
#ifndef STAGES_KERNELS_BERT_VOCAB_FILE_H
#define STAGES_KERNELS_BERT_VOCAB_FILE_H

#include <stddef.h>

#include "core/error.h"

struct arena;
struct tokenizer_spec;

enum bert_case {
    BERT_CASE_AUTO, /* uncased when no token has an ASCII capital but those in brackets,
                     * [UNK] and <S>: then text with capitals would be unknown */
    BERT_UNCASED,
    BERT_CASED
};

/* BERT's own tokenizer with this vocabulary: BertNormalizer (accents are stripped when
 * uncased), BertPreTokenizer, WordPiece with "##", up to 100 characters a word, [CLS] text
 * [SEP] where both are there; [PAD], [UNK], [CLS], [SEP] and [MASK] are special. The id of
 * a token is its line, from 0; white space at the end of a line is no part of it and an
 * empty line no token. ERROR_CONFIG: a token twice, no [UNK]; ERROR_MEMORY. */
enum error_code bert_vocab_read(const unsigned char *text, size_t size,
                                enum bert_case casing, struct arena *arena,
                                struct tokenizer_spec *spec, struct error *error);

#endif
