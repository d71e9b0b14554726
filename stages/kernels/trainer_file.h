/* trainer_file.h - write a trained vocabulary as a file that other programs load */
#ifndef STAGES_KERNELS_TRAINER_FILE_H
#define STAGES_KERNELS_TRAINER_FILE_H

#include "core/error.h"

struct bytes;
struct trained;

enum trainer_format {
    TRAINER_TOKENIZER_JSON, /* TRAINER_BPE_BYTES, TRAINER_WORDPIECE */
    TRAINER_SENTENCEPIECE,  /* .model: TRAINER_BPE_CHARACTERS, TRAINER_UNIGRAM */
    TRAINER_VOCAB_TXT,      /* TRAINER_WORDPIECE */
    TRAINER_TIKTOKEN        /* TRAINER_BPE_BYTES: ids without the special tokens, which
                             * whoever loads it puts behind */
};

/* Append the file to `out`. ERROR_CONFIG: a format that the kind does not have;
 * ERROR_MEMORY. */
enum error_code trainer_file_write(const struct trained *trained,
                                   enum trainer_format format, struct bytes *out,
                                   struct error *error);

#endif
